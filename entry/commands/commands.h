/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands, a file each and a row of commands.def: decide, report, and where a service is started, launch.
 * Their sentences go to standard error; what they return is the exit status.
 */
#ifndef AWEIGH_COMMANDS_H
#define AWEIGH_COMMANDS_H

#include "options.h"
#include "process/signals.h"
#include "status.h"

struct run {
	struct options options;
	struct signals signals;
	char *const *environ;
	pid_t watched; /* by this process, which what is started does not outlive; 0: by none */
};

struct gate;
struct text;
/* The whole of a command with a gate of its own; a sentence in `why` is told. */
typedef enum status command_step(struct run *run, struct gate *gate, struct text *why);
int command_with_gate(struct run *run, command_step *step);

/* Becomes the service as the gate has judged it; returns only where that failed. */
enum status command_launch(struct run *run, struct gate *gate, int observe_fd, struct text *why);

struct observer;
struct watched;
/* Every `ready` of the policy is looked at before the service is; false: a finding says what is wrong. */
bool command_check_targets(struct gate *gate);
/* What is made of what was seen. `observer` NULL: nothing was observed. */
typedef enum status command_take(void *context, struct gate *gate, const struct watched *seen,
                                 const struct observer *observer, struct text *why);
/* The service from its start to its end, as the gate has judged it; `anywhere`: files that it opens are noted wherever. */
enum status command_watch(struct run *run, struct gate *gate, bool anywhere, command_take *take,
                          void *context, struct text *why);

#define OUTPUT_LOST "standard output cannot be written"
/* Does what the options say: the command, its help, or the version. */
int command_dispatch(struct run *run);
#define COMMAND(name, kind, arguments, help) int command_##name(struct run *run);
#include "commands/commands.def"
/* In the place of those that this build leaves out. */
int command_none(struct run *run);

#endif
