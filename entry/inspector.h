/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inspector: a child that becomes the service's user, gives up all it can, and looks. Bytes from
 * models are parsed here and nowhere else.
 */
#ifndef AWEIGH_INSPECTOR_H
#define AWEIGH_INSPECTOR_H

#include "engine/inspection.h"

/*
 * Runs in the child and never returns. `inspection` is set up but for sending, and looks through `tree`; records go to
 * `pipe_fd`. `command`: what is to start once all is well, looked at as its user; NULL: nothing.
 */
void inspector_run(struct inspection *inspection, struct tree *tree, const char *command,
                   int pipe_fd) __attribute__((noreturn));

#endif
