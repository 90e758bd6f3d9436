/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/output.h"
#include "gate/refetch.h"
#include "gate/seen.h"
#include "report/complain.h"
#include "util.h"

static enum status take_service(void *context, struct gate *gate, const struct watched *seen,
                                const struct observer *observer, struct text *why)
{
	(void)context;
	(void)why;
	gate_take_service(gate, seen, observer);
	return STATUS_OK;
}

static enum status smoke_service(struct run *run, struct gate *gate, struct text *why)
{
	enum status status =
	        gate_judge(gate, &run->options, &run->signals, run->environ, FETCHING_BY_MODE, why);

	if (status != STATUS_OK)
		return status;
	gate_tell_models(gate);
	if (gate->policy.error_count == 0 && !command_check_targets(gate))
		gate->report.enforced = true;
	else if (gate->report.status == STATUS_OK || !gate->report.enforced)
		status = command_watch(run, gate, false, take_service, NULL, why);
	if (status > STATUS_SIGNAL)
		return status;
	if (status != STATUS_OK) {
		gate_raise_start(gate, status, why->at);
		text_shorten(why, 0);
	}
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
