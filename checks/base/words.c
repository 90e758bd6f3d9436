/* SPDX-License-Identifier: Apache-2.0 */
#include "base/words.h"

#include <string.h>

#include "base/scan.h"

/* Optimal string alignment: a swap of two neighbours is one edit, the slip that fingers make most. */
unsigned edit_distance(const char *a, const char *b)
{
	size_t m = strlen(a), n = strlen(b);
	unsigned char row[3][64];

	if (m > 63 || n > 63)
		return 255;
	for (size_t j = 0; j <= n; j++)
		row[0][j] = (unsigned char)j;
	for (size_t i = 1; i <= m; i++) {
		unsigned char *now = row[i % 3], *before = row[(i - 1) % 3],
		              *two = row[(i + 1) % 3];

		now[0] = (unsigned char)i;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = before[j - 1] +
			                ((unsigned)(scan_lower(a[i - 1]) != scan_lower(b[j - 1])));

			if (before[j] + 1u < best)
				best = before[j] + 1u;
			if (now[j - 1] + 1u < best)
				best = now[j - 1] + 1u;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two[j - 2] + 1u < best)
				best = two[j - 2] + 1u;
			now[j] = (unsigned char)best;
		}
	}
	return row[m % 3][n];
}

/* How much of their beginnings two words share, where that is one of them whole or most of both: working_dir, policies. */
static size_t shared_beginning(const char *a, const char *b)
{
	size_t length = 0, shorter = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

	while (length < shorter && scan_lower(a[length]) == scan_lower(b[length]))
		length++;
	return length >= 3 && (length == shorter || (length >= 5 && shorter - length <= 3)) ?
	               length :
	               0;
}

const char *words_within(const char *word, unsigned edits, words_next *next, const void *context)
{
	const char *near = NULL, *candidate;
	unsigned best = edits + 1;

	for (size_t i = 0; (candidate = next(context, i)) != NULL; i++) {
		unsigned distance = edit_distance(word, candidate);

		if (distance < best) {
			best = distance;
			near = candidate;
		}
	}
	return near;
}

const char *words_nearest(const char *word, words_next *next, const void *context)
{
	const char *near = words_within(word, strlen(word) > 4 ? 2 : 1, next, context), *candidate;
	size_t shared = 0;

	if (near != NULL)
		return near;
	for (size_t i = 0; (candidate = next(context, i)) != NULL; i++)
		if (shared_beginning(word, candidate) > shared) {
			shared = shared_beginning(word, candidate);
			near = candidate;
		}
	return near;
}

bool words_suggest(struct text *out, const char *word, words_next *next, const void *context)
{
	const char *near = words_nearest(word, next, context);

	if (near != NULL)
		text_addf(out, "; did you mean '%s'?", near);
	return near != NULL;
}

void words_add(struct text *out, words_next *next, const void *context)
{
	const char *word;

	for (size_t i = 0; (word = next(context, i)) != NULL; i++)
		text_addf(out, "%s%s",
		          i == 0                       ? "" :
		          next(context, i + 1) == NULL ? " or " :
		                                         ", ",
		          word);
}

const char *words_of(const void *context, size_t index)
{
	const char *const *words = context;

	return words[index];
}
