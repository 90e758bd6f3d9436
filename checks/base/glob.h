/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns as huggingface_hub matches them (utils/_paths.py, filter_repo_objects): Python's
 * fnmatchcase over the whole path. `*` and `?` cross slashes, `[!x]` negates, nothing escapes, a
 * pattern that ends in a slash means everything beneath. Linear in practice: one point to go back to.
 */
#ifndef AWEIGH_GLOB_H
#define AWEIGH_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool glob_matches(const char *pattern, size_t length, const char *path);
/* Whether any pattern of a comma-separated list matches. */
bool glob_list_matches(const char *list, const char *path);
/*
 * Marks in *met, a bit an element, which elements of a comma-separated list a path meets; an element
 * is itself a list of patterns between `separator`. Elements beyond GLOB_MARKS are not marked.
 */
#define GLOB_MARKS 64u
void glob_mark(const char *list, char separator, uint64_t *met, const char *path);
bool glob_is_literal(const char *pattern, size_t length);

#endif
