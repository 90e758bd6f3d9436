/* SPDX-License-Identifier: Apache-2.0 */
/* Which environment is judged: aweigh's own, a file's, or what an image declares. */
#ifndef AWEIGH_GATE_GIVEN_H
#define AWEIGH_GATE_GIVEN_H

#include "gate/gate.h"

/*
 * Fills gate->given. An unpacked image has nothing of this machine's environment: neither its checks nor ${NAME}
 * of its policy. false: a sentence in `why`.
 */
bool gate_take_environment(struct gate *gate, struct text *why);

#endif
