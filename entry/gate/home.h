/* SPDX-License-Identifier: Apache-2.0 */
/* Whether HOME, USER and LOGNAME follow the user that the service runs as. */
#ifndef AWEIGH_GATE_HOME_H
#define AWEIGH_GATE_HOME_H

#include "gate/gate.h"

/*
 * By policy.home: keep, set, or auto: where the HOME that aweigh was given refuses that user, tried as that user
 * by a child. 0 with *follows; 128+n of a stop request, or a status with a sentence in `why`.
 */
enum status gate_choose_home(struct gate *gate, bool *follows, struct text *why);

#endif
