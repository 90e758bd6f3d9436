/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "commands/commands.h"
#include "gate/refetch.h"
#include "report/complain.h"
#include "status.h"
#include "version.h"

static int print_version(void)
{
	(void)printf("aweigh %s\n%s\n", AWEIGH_VERSION, gate_fetch_libraries());
	return STATUS_OK;
}

static int run_it(struct run *run)
{
	if (run->options.version)
		return print_version();
	return run->options.help ? command_help(run) : run->options.command->run(run);
}

/* What was printed must have arrived; musl's fflush() alone forgets a write that failed before. */
int command_dispatch(struct run *run)
{
	int status = run_it(run);

	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	if (errno == EPIPE)
		return status; /* the reader has seen enough */
	return complain(STATUS_IO, OUTPUT_LOST);
}
