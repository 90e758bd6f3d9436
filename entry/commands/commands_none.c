/* SPDX-License-Identifier: Apache-2.0 */
/* The place of lock.c, smoke.c and draft.c in a build without network code (FETCH=no). */
#include "commands/commands.h"
#include "report/complain.h"

static int none(void)
{
	return complain(
	        STATUS_USAGE,
	        "this aweigh was built to check and start (FETCH=no): the other build has lock, smoke and draft");
}

int command_lock(struct run *run)
{
	(void)run;
	return none();
}

int command_smoke(struct run *run)
{
	(void)run;
	return none();
}

int command_draft(struct run *run)
{
	(void)run;
	return none();
}
