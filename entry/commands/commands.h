/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: each a sequence that ends in an exit status. Their sentences go to standard error. */
#ifndef AWEIGH_COMMANDS_H
#define AWEIGH_COMMANDS_H

#include "options.h"
#include "process/signals.h"

struct run {
	struct options options;
	struct signals signals;
	char *const *environ;
};

int command_run(struct run *run);
int command_check(struct run *run);
int command_fetch(struct run *run);
int command_explain(struct run *run);
int command_checks(struct run *run);

/* "aweigh: ", the sentence, a newline; returns the status. */
int complain(enum status status, const char *sentence);
/* The libraries that were linked, a line each; those that fetch where they are built in. */
void libraries_print(FILE *out);

#endif
