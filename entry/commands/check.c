/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/output.h"
#include "gate/refetch.h"
#include "util.h"

/* `fetch` is a check that brings what is missing first. */
static enum status judge(struct run *run, struct gate *gate, enum fetching fetching,
                         struct text *why)
{
	enum status status =
	        gate_judge(gate, &run->options, &run->signals, run->environ, fetching, why);

	if (status != STATUS_OK)
		return status;
	gate_tell_models(gate);
	status = gate_report(gate, STDOUT_FILENO);
	if (status == STATUS_IO)
		text_add(why, OUTPUT_LOST);
	return (status == STATUS_OK || status == STATUS_IO) && gate->report.enforced &&
	                       gate->report.status != STATUS_OK ?
	               gate->report.status :
	               status;
}

static enum status check(struct run *run, struct gate *gate, struct text *why)
{
	return judge(run, gate, FETCHING_NEVER, why);
}

static enum status fetch(struct run *run, struct gate *gate, struct text *why)
{
	return judge(run, gate, FETCHING_ORDERED, why);
}

int command_check(struct run *run)
{
	return command_with_gate(run, check);
}

int command_fetch(struct run *run)
{
	return command_with_gate(run, fetch);
}
