/* SPDX-License-Identifier: Apache-2.0 */
#include "base/glob.h"

#include <string.h>

#include "base/scan.h"
#include "policy.h"

static size_t character(const char *at, size_t left)
{
	size_t length = scan_utf8((const unsigned char *)at, left);

	return length == 0 ? 1 : length;
}

static unsigned long code_point(const char *at, size_t length)
{
	unsigned long value = (unsigned char)at[0];

	if (length > 1)
		value &= 0xFFu >> (length + 1);
	for (size_t i = 1; i < length; i++)
		value = value << 6 | ((unsigned char)at[i] & 0x3F);
	return value;
}

/* Matches one bracket expression at *at; false with *at unmoved where it is not closed. */
static bool match_set(const char **at, const char *end, unsigned long c, bool *matched)
{
	const char *p = *at + 1, *close;
	bool negate = p < end && *p == '!';

	p += negate;
	close = p < end && *p == ']' ? p + 1 : p;
	while (close < end && *close != ']')
		close++;
	if (close >= end)
		return false;
	*matched = false;
	while (p < close) {
		size_t low_length = character(p, (size_t)(close - p));
		unsigned long low = code_point(p, low_length), high = low;

		p += low_length;
		if (close - p > 1 && *p == '-') {
			size_t high_length = character(p + 1, (size_t)(close - p - 1));

			high = code_point(p + 1, high_length);
			p += 1 + high_length;
		}
		*matched |= c >= low && c <= high;
	}
	*matched ^= negate;
	*at = close + 1;
	return true;
}

/* Moves both over one element that is not a star. */
static bool match_one(const char **pattern, const char *end, const char **path)
{
	size_t length = character(*path, strnlen(*path, 4));
	bool matched;

	if (**pattern == '?') {
		(*pattern)++;
	} else if (**pattern == '[' &&
	           match_set(pattern, end, code_point(*path, length), &matched)) {
		if (!matched)
			return false;
	} else {
		if (**pattern != **path)
			return false;
		(*pattern)++;
		length = 1;
	}
	*path += length;
	return true;
}

bool glob_matches(const char *pattern, const char *path)
{
	size_t length = strlen(pattern);
	const char *end = pattern + length, *star = NULL, *back = NULL;
	bool directory = length > 0 && end[-1] == '/';

	while (*path != '\0') {
		const char *try = pattern;

		if (pattern < end && *pattern == '*') {
			star = ++pattern;
			back = path;
			continue;
		}
		if (pattern == end && directory)
			return true;
		if (pattern < end && match_one(&try, end, &path)) {
			pattern = try;
			continue;
		}
		if (star == NULL)
			return false;
		pattern = star;
		back += character(back, strnlen(back, 4));
		path = back;
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

bool glob_any(const struct list *patterns, const char *path)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (glob_matches(patterns->items[i], path))
			return true;
	return false;
}

bool glob_is_sound(const char *pattern)
{
	const char *end = pattern + strlen(pattern);
	bool matched;

	while ((pattern = strchr(pattern, '[')) != NULL)
		if (!match_set(&pattern, end, 0, &matched))
			return false;
	return true;
}

bool glob_is_literal(const char *pattern)
{
	size_t length = strlen(pattern);

	return length > 0 && strpbrk(pattern, "*?[") == NULL && pattern[length - 1] != '/';
}
