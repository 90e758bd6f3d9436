/* SPDX-License-Identifier: Apache-2.0 */
/* The place of lock.c in a build without network code (FETCH=no). */
#include "commands/commands.h"
#include "report/complain.h"

int command_lock(struct run *run)
{
	(void)run;
	return complain(
	        STATUS_USAGE,
	        "this aweigh was built to check and start (FETCH=no): it reads lock files, and the other build writes them");
}
