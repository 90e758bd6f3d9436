/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/commands.h"
#include "engine/findings.h"
#include "util.h"

int command_checks(struct run *run)
{
	(void)run;
	for (unsigned i = 0; i < FINDING_COUNT; i++) {
		const struct finding_kind *kind = &finding_kinds[i];

		(void)printf("%s (%s, %d)\n    %s\n    fix: %s\n", kind->code,
		             severity_words[kind->severity], (int)kind->status, kind->meaning,
		             kind->fix);
	}
	return fflush(stdout) != 0 ? STATUS_IO : STATUS_OK;
}
