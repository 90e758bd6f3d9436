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

#include "policy.h"

bool glob_matches(const char *pattern, const char *path);
/* Whether any pattern of the list matches. */
bool glob_any(const struct list *patterns, const char *path);
/* false: a [ is not closed. It would be taken as itself, and where a pattern is written by hand it is a mistake. */
bool glob_is_sound(const char *pattern);
/* Whether the pattern is a name, and can match nothing else. */
bool glob_is_literal(const char *pattern);

#endif
