/* SPDX-License-Identifier: Apache-2.0 */
/* policy.wait: another container fills the volume, and its models are waited for instead of refused. */
#ifndef AWEIGH_WAITING_H
#define AWEIGH_WAITING_H

#include "gate/gate.h"

/*
 * After an inspection: looks again when something changes, and after growing intervals, until what can still arrive has
 * arrived, has not changed between two looks, or policy.wait is over (gate->waited_out). As gate_inspect().
 */
enum status gate_wait(struct gate *gate, struct text *why);
/* In the inspector's process, whom a volume may hang: gate->inotify_fd hears of directories into which something may come. */
void gate_watch(const struct gate *gate);

#endif
