/* SPDX-License-Identifier: Apache-2.0 */
/* Second step, and again after a fetch: the inspector's findings become the report's. */
#ifndef AWEIGH_GATE_INSPECTION_H
#define AWEIGH_GATE_INSPECTION_H

#include "gate/gate.h"

/* 0: the report says what was seen, or that the inspector failed; otherwise 128+n of a stop request, or STATUS_SYSTEM. */
enum status gate_inspect(struct gate *gate, struct text *why);
/* What a child of the gate's does, and what it is called. */
struct task {
	const char *who;
	child_run *run;
	child_take *take;
	void *context; /* of both */
	enum finding_id
	        trouble; /* raised where it ends otherwise than it should; the deadline has its own */
};
/* 0 with *well: it said that it was done; 128+n of a stop request, or STATUS_SYSTEM or _TEMPORARY with a sentence. */
enum status gate_run_task(struct gate *gate, const struct task *task, bool *well, struct text *why);
/* Sets the variables of `export`, now that commits are known. */
enum status gate_export(struct gate *gate, struct text *why);

#endif
