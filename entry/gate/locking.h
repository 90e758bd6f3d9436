/* SPDX-License-Identifier: Apache-2.0 */
/* `aweigh lock`: from a policy to what its lock file is to say, by the hub's lists or by what is aboard. */
#ifndef AWEIGH_LOCKING_H
#define AWEIGH_LOCKING_H

#include "gate/gate.h"

/*
 * 0: gate->made has the selected models, or the report says why not; otherwise as gate_judge(). What was locked
 * stays on its commit unless options->upgrade is set. Release the gate in either case.
 */
enum status gate_lock(struct gate *gate, const struct options *options,
                      const struct signals *signals, char *const *rows, struct text *why);
/* A record of a file, from the inspector or the fetcher. */
void gate_take_locked(struct gate *gate, const struct record *record);
/* Only what the command line asks for: --as and the comparison read the lock file alone. */
enum status gate_prepare_lock(struct gate *gate, const struct options *options,
                              const struct signals *signals, char *const *rows, struct text *why);

#endif
