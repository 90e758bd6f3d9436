/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that nobody in this process's view can change, modes, owners and times included: read-only mounts. */
#ifndef AWEIGH_READ_ONLY_H
#define AWEIGH_READ_ONLY_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the file system beneath the directory is mounted read-only already. */
bool read_only_already(const char *directory);
/*
 * In a mount namespace of its own, over which changes from outside still arrive. Wants CAP_SYS_ADMIN and
 * Linux 5.12. Needs to be done before the working directory is entered again. 0 or a negative errno.
 */
int read_only_mount(const char *const *directories, size_t count);

#endif
