/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/confinement.h"
#include "gate/refetch.h"
#include "util.h"

/* `fetch` is a check that brings what is missing first. */
static int check(struct run *run, bool fetches)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	char sentence[1024];
	struct text why = TEXT_OVER(sentence);
	enum status status, stop;

	if (gate == NULL)
		return complain(STATUS_SYSTEM, "out of memory");
	status = gate_prepare(gate, &run->options, &run->signals, run->environ, &why);
	if (status == STATUS_OK && gate->policy.error_count == 0)
		status = gate_inspect(gate);
	if (status == STATUS_OK && gate->policy.error_count == 0 && fetches)
		status = gate_fetch(gate, true);
	if (status != STATUS_OK) {
		status = status > STATUS_SIGNAL ?
		                 status :
		                 (enum status)complain(
		                         status,
		                         why.length > 0 ?
		                                 sentence :
		                                 "the inspector or the fetcher cannot be started");
	} else {
		gate_confine(gate);
		if (fetches)
			gate_tell_models(gate, true);
		stop = gate_report(gate, STDOUT_FILENO);
		status = stop != STATUS_OK     ? stop :
		         gate->report.enforced ? gate->report.status :
		                                 STATUS_OK;
	}
	gate_release(gate);
	free(gate);
	return (int)status;
}

int command_check(struct run *run)
{
	return check(run, false);
}

int command_fetch(struct run *run)
{
	if (run->options.root != NULL)
		return complain(
		        STATUS_USAGE,
		        "--root goes with check and explain: fetch writes into its own file system");
	return check(run, true);
}
