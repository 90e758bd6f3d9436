/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from outside as they are printed: control characters, newlines and what is not UTF-8 become
 * \xNN, so that a file's name cannot move the cursor, forge a line or break a format.
 */
#ifndef AWEIGH_ESCAPE_H
#define AWEIGH_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/* Returns the number of columns written, one for each character. */
size_t escape_print(FILE *out, const char *text);
/* The same into a buffer, cut at its end. */
void escape_into(char *out, size_t size, const char *text);
/*
 * The rest of a line of `width` columns from `indent` on, and as many more as it takes. Wraps at blanks; what has none is
 * left whole, so that a path can be copied.
 */
#define WRAPPED_BYTES 6144u /* of a text; more is cut off */
void escape_print_wrapped(FILE *out, const char *text, size_t indent, size_t width);

#endif
