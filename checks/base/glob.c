/* SPDX-License-Identifier: Apache-2.0 */
#include "base/glob.h"

#include <string.h>

#include "policy.h"
#include "base/scan.h"

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
	size_t length = character(*path, strlen(*path));
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

bool glob_matches(const char *pattern, size_t length, const char *path)
{
	const char *end = pattern + length, *star = NULL, *back = NULL;
	bool folder = length > 0 && end[-1] == '/';

	while (*path != '\0') {
		const char *try = pattern;

		if (pattern < end && *pattern == '*') {
			star = ++pattern;
			back = path;
			continue;
		}
		if (pattern == end && folder)
			return true;
		if (pattern < end && match_one(&try, end, &path)) {
			pattern = try;
			continue;
		}
		if (star == NULL)
			return false;
		pattern = star;
		back += character(back, strlen(back));
		path = back;
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

bool glob_list_matches(const char *list, const char *path)
{
	const char *at = NULL, *pattern;
	size_t length;

	while ((pattern = list_next(list, ',', &at, &length)) != NULL)
		if (glob_matches(pattern, length, path))
			return true;
	return false;
}

void glob_mark(const char *list, char separator, uint64_t *met, const char *path)
{
	const char *at = NULL, *element;
	size_t length;

	for (unsigned i = 0;
	     i < GLOB_MARKS && (element = list_next(list, ',', &at, &length)) != NULL; i++) {
		const char *pattern = element, *end = element + length;

		while (pattern < end && (*met >> i & 1) == 0) {
			const char *stop = memchr(pattern, separator, (size_t)(end - pattern)),
			           *last;

			last = stop = stop == NULL ? end : stop;
			while (pattern < last && scan_is_space(*pattern))
				pattern++;
			while (last > pattern && scan_is_space(last[-1]))
				last--;
			if (last > pattern && glob_matches(pattern, (size_t)(last - pattern), path))
				*met |= 1ull << i;
			pattern = stop < end ? stop + 1 : end;
		}
	}
}

bool glob_is_literal(const char *pattern, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (pattern[i] == '*' || pattern[i] == '?' || pattern[i] == '[')
			return false;
	return length > 0 && pattern[length - 1] != '/';
}
