/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/output.h"
#include "gate/refetch.h"
#include "report/complain.h"
#include "util.h"

/* `fetch` is a check that brings what is missing first. */
static int check(struct run *run, enum fetching fetching)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	char sentence[1024];
	struct text why = TEXT_OVER(sentence);
	enum status status;

	if (gate == NULL)
		return complain(STATUS_SYSTEM, "out of memory");
	status = gate_judge(gate, &run->options, &run->signals, run->environ, fetching, &why);
	if (status == STATUS_OK) {
		gate_tell_models(gate);
		status = gate_report(gate, STDOUT_FILENO);
		if (status == STATUS_OK && gate->report.enforced)
			status = gate->report.status;
	} else if (status < STATUS_SIGNAL) {
		(void)complain(status, sentence);
	}
	gate_release(gate);
	free(gate);
	return (int)status;
}

int command_check(struct run *run)
{
	return check(run, FETCHING_NEVER);
}

int command_fetch(struct run *run)
{
	if (run->options.root != NULL || run->options.env_file != NULL)
		return complain(
		        STATUS_USAGE,
		        "--root goes with check and explain, as does --env-file: fetch writes into its own file system");
	return check(run, FETCHING_ORDERED);
}
