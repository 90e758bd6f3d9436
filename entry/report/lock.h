/* SPDX-License-Identifier: Apache-2.0 */
/* The lock file as it is written: aweigh's own form, other people's, and what has changed in words. */
#ifndef AWEIGH_REPORT_LOCK_H
#define AWEIGH_REPORT_LOCK_H

#include <stdio.h>

#include "hub/lock.h"
#include "names.h"

/* A model's object as it stands in a lock file, from its brace to its brace. */
struct lock_text {
	const char *name, *at;
	size_t length;
};
/*
 * Where the objects of models are in a file that lock_read() found sound, in its order: at most `room` of them.
 * Returns how many there are.
 */
size_t lock_texts(const char *file, struct lock_text *texts, size_t room);

/*
 * docs/lock.schema.json: a model and a file a line, sorted, so that a difference can be read and the same models
 * give the same bytes. Models are sorted; `kept` are other entries, written as they stand, by name as well.
 * false: out of memory.
 */
bool lock_write(const struct lock *lock, const struct lock_text *kept, size_t kept_count,
                FILE *out);

/* sha256sum(1)'s list of one model's files; a CycloneDX 1.6 bill of materials; Cog's weights.lock, without layers. */
#define LOCK_FORMS(X)                                                                              \
	X(LOCK_AS_SHA256SUMS, "sha256sums") X(LOCK_AS_CYCLONEDX, "cyclonedx") X(LOCK_AS_COG, "cog")
NAMES_DEFINE(lock_form, LOCK_FORMS)
bool lock_write_as(const struct lock *lock, enum lock_form form, FILE *out);

/* A line for each difference of one model; `before` or `after` NULL: it is only in the other. Returns how many. */
size_t lock_write_difference(const struct lock_model *before, const struct lock_model *after,
                             FILE *out);

#endif
