/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock (landlock(7)): what a child may touch, given up for good. */
#ifndef AWEIGH_LANDLOCK_H
#define AWEIGH_LANDLOCK_H

#include <stddef.h>

/* The kernel's ABI version, 1 and up; -ENOSYS, -EOPNOTSUPP or -EPERM: not to be had, and why. */
int landlock_abi(void);
/* Words for the three ways in which it is not to be had. */
const char *landlock_words(int error);

/*
 * Leaves the process reading beneath `root_fd` (-1: the whole file system) and nothing else: no
 * writing, no executing, and from ABI 4 on no TCP. Wants no_new_privs. 0 or a negative errno.
 */
int landlock_read_only(int root_fd);

#endif
