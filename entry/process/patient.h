/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that aweigh itself reads before its deadline is known, from volumes that may hang: a process that waits for such
 * a volume can be neither interrupted nor, on FUSE, killed. So a child reads what is not on the root's own mount, and is
 * left behind where it does not come back.
 */
#ifndef AWEIGH_PATIENT_H
#define AWEIGH_PATIENT_H

#include "base/tree.h"
#include "process/signals.h"

/*
 * A regular file of at most `limit` bytes to read, or a copy of it in memory with its mode. Errors as tree_read(), and
 * -ETIMEDOUT after PATIENCE_MS. A stop request meanwhile ends the process with 128 and its number; `signals` NULL: none is heard.
 */
int patient_open(const struct tree *tree, const char *path, size_t limit,
                 const struct signals *signals);
/* tree_read() in the same way. */
int patient_read(const struct tree *tree, const char *path, size_t limit,
                 const struct signals *signals, char **data, size_t *length);
/* What such an error is called. */
const char *patient_words(int error);

#endif
