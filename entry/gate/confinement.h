/* SPDX-License-Identifier: Apache-2.0 */
/* Between verdict and launch: what of [confine] can be enforced here, and a finding for what cannot. */
#ifndef AWEIGH_CONFINEMENT_H
#define AWEIGH_CONFINEMENT_H

#include "gate/gate.h"

/*
 * After the last inspection. Tries egress and models_read_only in a child, since none of it can be taken
 * back, and makes gate->limits ready. Nothing is tried with --root: that is another machine's system. As gate_inspect().
 */
enum status gate_confine(struct gate *gate, struct text *why);

#endif
