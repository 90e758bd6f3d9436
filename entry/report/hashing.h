/* SPDX-License-Identifier: Apache-2.0 */
/* How far hashing is, on one line of a terminal that is drawn over. */
#ifndef AWEIGH_HASHING_H
#define AWEIGH_HASHING_H

#include <stdbool.h>

#include "finding.h"

/* A RECORD_PROGRESS of the inspector; false: nothing was drawn, as standard error is not a terminal or would block. */
bool hash_progress(const struct record *record, bool quiet);
void hash_progress_end(bool drawn);

#endif
