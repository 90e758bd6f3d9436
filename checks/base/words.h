/* SPDX-License-Identifier: Apache-2.0 */
/* Words that were misspelt: the nearest of those that are known. */
#ifndef AWEIGH_WORDS_H
#define AWEIGH_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* The number of single edits between two words; words longer than 63 count as far apart. */
unsigned edit_distance(const char *a, const char *b);

/* Hands out the known words one by one; NULL: no more. */
typedef const char *words_next(const void *context, size_t index);
/* The nearest of the known words that so many edits make of it; NULL: none. */
const char *words_within(const char *word, unsigned edits, words_next *next, const void *context);
/*
 * The same for "did you mean": two edits, one for a word of up to four letters; otherwise the one whose beginning it
 * shares.
 */
const char *words_nearest(const char *word, words_next *next, const void *context);
/* Adds "; did you mean 'NEAR'?" where one is near; false: none is. */
bool words_suggest(struct text *out, const char *word, words_next *next, const void *context);
/* Adds "a, b or c". */
void words_add(struct text *out, words_next *next, const void *context);
/* words_next over an array that ends with a NULL. */
words_next words_of;

#endif
