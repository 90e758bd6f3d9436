/* SPDX-License-Identifier: Apache-2.0 */
/* Models by what a service opened: `aweigh draft -- COMMAND`. */
#ifndef AWEIGH_OPENED_H
#define AWEIGH_OPENED_H

#include "base/text.h"
#include "gate/drafting.h"
#include "service/observer.h"

/*
 * Each repository and folder of which a file was opened, with these files alone; what it reached out to, and what it
 * looked for in vain, as notes, in an order of their own. false: a sentence in `why`.
 */
bool draft_take_opened(struct draft *draft, const struct observer *observer, struct text *why);

#endif
