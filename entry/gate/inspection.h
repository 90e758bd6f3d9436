/* SPDX-License-Identifier: Apache-2.0 */
/* Second step, and again after a fetch: the inspector's findings become the report's. */
#ifndef AWEIGH_GATE_INSPECTION_H
#define AWEIGH_GATE_INSPECTION_H

#include "gate/gate.h"

/* 0: the report says what was seen, or that the inspector failed; otherwise 128+n of a stop request, or STATUS_SYSTEM. */
enum status gate_inspect(struct gate *gate, struct text *why);
/* Raises what a child's end says: the deadline, or `id` with what happened to `who`. */
void gate_raise_ending(struct gate *gate, const struct child *child, enum finding_id id,
                       const char *who);
/* Sets the variables of `export`, now that commits are known. */
enum status gate_export(struct gate *gate, struct text *why);

#endif
