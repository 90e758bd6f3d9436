/* SPDX-License-Identifier: Apache-2.0 */
/* The service's command: where it is, and why it cannot start. */
#ifndef AWEIGH_COMMAND_H
#define AWEIGH_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "environment.h"
#include "status.h"

/*
 * Finds a command in PATH as execvp(3) does: a directory that refuses hides no later one that has it. A
 * command with a slash is a path, and is not looked for. false with errno, and in `out` what refused.
 */
bool command_find(const char *command, const struct environment *environment, char *out,
                  size_t size);
/*
 * Whether the command would start, as whoever this process is: it is found and may be executed, and so may its
 * interpreter or loader. 0 as far as that can be told without starting it, else as command_explain_failure() gives it.
 */
enum status command_try(const char *command, const struct environment *environment,
                        struct text *why);
/*
 * Why `path` did not start, as the user that this process is: a sentence that names the directory,
 * interpreter, loader or file that is the reason, and 126 (there, but not to be executed), 127 (not there),
 * or 75 where the system has no room for it now.
 */
enum status command_explain_failure(const char *path, int error, struct text *why);

#endif
