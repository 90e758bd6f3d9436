/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level digest: contents against the digests that were stated for them. Files of all models are hashed
 * together, the biggest first, on all cores, after everything else has been looked at. While a lock file is made,
 * each is told by a record of its own, whether anything states its digest or not.
 */
#ifndef AWEIGH_DIGESTS_H
#define AWEIGH_DIGESTS_H

#include "engine/inspection.h"

struct digest_queue;
struct digest_queue *digest_queue_new(void);
void digest_queue_free(struct digest_queue *queue);
/* The lock file itself, where it lies in the directory that it is of: no file of the model. */
bool is_lock_file(const struct inspection *inspection, const char *path);
/* An opened file of the model; where nothing states its digest, a finding will say so. */
void digest_queue_file(struct inspection *inspection, const struct file_view *file);
/* The manifest replaces what a blob's name says, and the lock file all. */
void digest_queue_model_done(struct inspection *inspection);
void digest_queue_run(struct inspection *inspection, struct digest_queue *queue);

#endif
