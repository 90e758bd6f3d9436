/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/output.h"
#include "gate/refetch.h"
#include "gate/seen.h"
#include "report/complain.h"
#include "service/watch.h"
#include "util.h"

static enum status watch(struct run *run, struct gate *gate, struct text *why)
{
	struct observer *observer = gate_observe(gate);
	struct watched *seen = calloc(1, sizeof(*seen));
	enum status status = STATUS_SYSTEM;

	if (seen == NULL)
		text_add(why, "out of memory");
	else
		status = command_watch(run, gate, observer, seen, why);
	if (status == STATUS_OK)
		gate_take_service(gate, seen, observer);
	if (observer != NULL)
		observer_release(observer);
	free(observer);
	free(seen);
	return status;
}

static enum status smoke_service(struct run *run, struct gate *gate, struct text *why)
{
	enum status status =
	        gate_judge(gate, &run->options, &run->signals, run->environ, FETCHING_BY_MODE, why);
	bool targets;

	if (status != STATUS_OK)
		return status;
	gate_tell_models(gate);
	targets = command_check_targets(gate);
	if (!targets)
		gate->report.enforced = true;
	else if (gate->report.status == STATUS_OK || !gate->report.enforced)
		status = watch(run, gate, why);
	if (status != STATUS_OK)
		return status;
	status = gate_report(gate, STDERR_FILENO);
	return status != STATUS_OK ? status : gate->report.status;
}

int command_smoke(struct run *run)
{
	if (run->options.service == NULL)
		return complain(
		        STATUS_USAGE,
		        "smoke needs the service's command: aweigh smoke [options] -- COMMAND [ARG...]");
	return command_with_gate(run, smoke_service);
}
