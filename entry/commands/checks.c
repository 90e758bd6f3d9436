/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/inspection.h"
#include "commands/commands.h"

int command_checks(struct run *run)
{
	static const char *const severities[SEVERITY_COUNT] = { "off", "note", "warning", "error" };

	(void)run;
	for (unsigned i = 0; i < catalogue_count(); i++) {
		const struct finding_kind *kind = catalogue_at(i);

		(void)printf("%s (%s, %d)\n    %s\n    fix: %s\n", kind->code,
		             severities[kind->severity], (int)kind->status, kind->meaning,
		             kind->fix);
	}
	return fflush(stdout) != 0 ? STATUS_IO : STATUS_OK;
}
