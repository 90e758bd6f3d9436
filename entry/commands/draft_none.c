/* SPDX-License-Identifier: Apache-2.0 */
/* The place of draft.c in a build without network code (FETCH=no). */
#include "commands/commands.h"
#include "report/complain.h"

int command_draft(struct run *run)
{
	(void)run;
	return complain(
	        STATUS_USAGE,
	        "this aweigh was built to check and start (FETCH=no): the other build has draft");
}
