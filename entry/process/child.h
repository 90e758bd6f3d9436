/* SPDX-License-Identifier: Apache-2.0 */
/* What the inspector and the fetcher have in common: a child that keeps two descriptors and dies with its parent. */
#ifndef AWEIGH_CHILD_H
#define AWEIGH_CHILD_H

#include <sys/types.h>

/*
 * Closes everything but 0, 1, 2, the pipe and, where it is not -1, the root: descriptors that aweigh was
 * given belong to the service, not to what parses bytes from outside. Both move. 0 or a negative errno.
 */
int child_keep(int *pipe_fd, int *root_fd);
/* Closes every descriptor from `lowest` on. */
void close_from(int lowest);
/* The kernel kills it when the parent ends; -ESRCH: it has ended already. After the user has changed. */
int child_die_with(pid_t parent);
/* No core files: they would hold what was read. No new privileges. 0 or a negative errno. */
int child_no_privileges(void);

#endif
