/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "commands/commands.h"
#include "gate/refetch.h"
#include "status.h"
#include "version.h"

static int print_version(void)
{
	(void)printf("aweigh %s\n%s\n", AWEIGH_VERSION, gate_fetch_libraries());
	return fflush(stdout) != 0 ? STATUS_IO : STATUS_OK;
}

int command_dispatch(struct run *run)
{
	if (run->options.version)
		return print_version();
	if (run->options.help)
		return command_help(run);
	return run->options.command->run(run);
}
