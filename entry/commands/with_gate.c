/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "commands/commands.h"
#include "gate/gate.h"
#include "report/complain.h"
#include "util.h"

int command_with_gate(struct run *run, command_step *step)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	char sentence[2 * MAX_PATH_BYTES];
	struct text why = TEXT_OVER(sentence);
	enum status status;

	if (gate == NULL)
		return complain(STATUS_SYSTEM, "out of memory");
	status = step(run, gate, &why);
	if (why.length > 0)
		(void)complain(status, sentence);
	gate_release(gate);
	free(gate);
	return (int)status;
}
