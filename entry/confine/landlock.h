/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock (landlock(7)): what a child may touch, given up for good. */
#ifndef AWEIGH_LANDLOCK_H
#define AWEIGH_LANDLOCK_H

#include <stddef.h>
#include <stdint.h>

/* The kernel's ABI version, 1 and up; -ENOSYS, -EOPNOTSUPP or -EPERM: not to be had, and why. */
int landlock_abi(void);
/* Words for the three ways in which it is not to be had. */
const char *landlock_words(int error);

/*
 * Leaves the process reading everywhere, writing beneath one folder, connecting to some TCP ports, and
 * nothing else: no executing, no devices, no listening (TCP from ABI 4 on). Wants no_new_privs. 0 or
 * a negative errno.
 */
struct landlock_grant {
	int write_fd; /* -1: nowhere */
	const uint16_t *ports; /* to connect to */
	size_t port_count;
};
int landlock_restrict(const struct landlock_grant *grant);

#endif
