/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inspector: a child that becomes the service's user, gives up all it can, and looks. Bytes from
 * models are parsed here and nowhere else.
 */
#ifndef AWEIGH_INSPECTOR_H
#define AWEIGH_INSPECTOR_H

#include "engine/inspection.h"

/* Runs in the child and never returns. `look` is set up but for sending, and looks
 * through `tree`; records go to `pipe_fd`. */
void inspector_run(struct inspection *inspection, struct tree *tree, int pipe_fd)
        __attribute__((noreturn));

#endif
