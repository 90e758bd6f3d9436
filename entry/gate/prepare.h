/* SPDX-License-Identifier: Apache-2.0 */
/* First step: the policy, and what follows from it before anything is looked at. */
#ifndef AWEIGH_PREPARE_H
#define AWEIGH_PREPARE_H

#include "gate/gate.h"

/*
 * Reads the policy, resolves user, environment and cache. Errors of the policy are findings of the
 * report. 0, or a status that ends the command; *why says what failed.
 */
enum status gate_prepare(struct gate *gate, const struct options *options,
                         const struct signals *signals, char *const *rows, struct text *why);

#endif
