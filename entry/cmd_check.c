/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "gate.h"
#include "util.h"

int command_check(struct run *run)
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
	if (status != STATUS_OK) {
		status = status > STATUS_SIGNAL ?
		                 status :
		                 (enum status)complain(status,
		                                       why.length > 0 ?
		                                               sentence :
		                                               "the inspector cannot be started");
	} else {
		stop = gate_report(gate, STDOUT_FILENO);
		status = stop != STATUS_OK     ? stop :
		         gate->report.enforced ? gate->report.status :
		                                 STATUS_OK;
	}
	gate_release(gate);
	free(gate);
	return (int)status;
}
