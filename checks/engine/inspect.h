/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWEIGH_INSPECT_H
#define AWEIGH_INSPECT_H

#include "engine/inspection.h"

/* Runs every check over everything that the policy selects. */
void inspect(struct inspection *inspection);
/* The checks of one scope, as far as `level` goes: for the walk, which meets the files. */
void inspection_run_checks(struct inspection *inspection, enum scope scope, enum level level);

#endif
