/* SPDX-License-Identifier: Apache-2.0 */
/* What smoke saw of a service becomes the report's. */
#ifndef AWEIGH_GATE_SEEN_H
#define AWEIGH_GATE_SEEN_H

#include "gate/gate.h"
#include "service/watch.h"

/* Findings for what is wrong, and the report's account of the service. `observer` NULL: nothing was observed. */
void gate_take_service(struct gate *gate, const struct watched *seen,
                       const struct observer *observer);
/* Makes ready to observe; it lives no longer than the gate. NULL: the platform has no notification of system calls. */
struct observer *gate_observe(struct gate *gate);

#endif
