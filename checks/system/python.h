/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python distributions by their dist-info directories, without Python. Names are compared normalised
 * (PEP 503), versions by their release numbers and suffix (the common part of PEP 440).
 */
#ifndef AWEIGH_DIST_INFO_H
#define AWEIGH_DIST_INFO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/tree.h"
#include "bounds.h"
#include "environment.h"

/* "huggingface_hub-1.28.0.dist-info" -> name and version; false: no such name. */
bool dist_info_name(const char *directory, char *name, size_t name_size, char *version,
                    size_t version_size);
/* PEP 503: lower case, runs of '-', '_' and '.' become one '-'. */
void dist_normalise(const char *name, size_t length, char *out, size_t size);
int version_compare(const char *a, const char *b);
/* `spec`: "absent", "present", or conditions between commas: 2.32.5, ==2.32.5, >=2, <3, !=2.27.1. */
bool version_fits(const char *version, const char *spec);
bool version_spec_is_valid(const char *spec);

typedef void dist_visit(void *context, const char *site, const char *name, const char *version);
/* Every distribution in the site-packages directories of the tree. */
void dist_walk(const struct tree *tree, const struct environment *environment, dist_visit *visit,
               void *context);

#endif
