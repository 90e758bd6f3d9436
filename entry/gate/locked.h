/* SPDX-License-Identifier: Apache-2.0 */
/* The lock file that the policy names, read before anything is looked at, and held against the policy. */
#ifndef AWEIGH_GATE_LOCKED_H
#define AWEIGH_GATE_LOCKED_H

#include "gate/gate.h"

#define USUAL_LOCK "aweigh.lock" /* beside the policy */

/* What is wrong with it is an error of the policy. While one is made, it need not be there nor fit. */
void gate_read_lock(struct gate *gate);

#endif
