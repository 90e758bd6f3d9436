/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level digest: contents against the digests that were stated for them. Files of all models are hashed
 * together, the biggest first, on all cores, after everything else has been looked at.
 */
#ifndef AWEIGH_DIGESTS_H
#define AWEIGH_DIGESTS_H

#include "engine/inspection.h"

struct digest_queue;
struct digest_queue *digest_queue_new(void);
void digest_queue_free(struct digest_queue *queue);
/* `expected` "": nothing states one, and a finding will say so. `source`: who states it. */
void digest_queue_add(struct inspection *inspection, const char *path, const struct stat *st,
                      const char *expected, const char *source);
/* What the manifest says replaces what a blob's name says. */
void digest_queue_expect(struct inspection *inspection, const char *path, const char *expected);
void digest_queue_model_done(struct inspection *inspection);
void digest_queue_run(struct inspection *inspection, struct digest_queue *queue);

#endif
