/* SPDX-License-Identifier: Apache-2.0 */
/* What stands for lock, smoke and draft in a build without network code (FETCH=no). */
#include "commands/commands.h"
#include "report/complain.h"

int command_none(struct run *run)
{
	(void)run;
	return complain(
	        STATUS_USAGE,
	        "this aweigh was built to check and start (FETCH=no): the other build has lock, smoke and draft");
}
