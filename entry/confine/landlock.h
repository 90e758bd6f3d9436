/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock (landlock(7)): what a child may touch, given up for good. */
#ifndef AWEIGH_LANDLOCK_H
#define AWEIGH_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel's ABI version, 1 and up; -ENOSYS, -EOPNOTSUPP or -EPERM (a seccomp filter forbids or kills): not to be had. */
int landlock_abi(void);
/* Words for the ways in which it, or a part of it, is not to be had. */
const char *landlock_words(int error);

/*
 * Leaves the process reading everywhere, writing beneath one directory, connecting to some TCP ports, and
 * nothing else: no executing, no devices, no listening. Wants no_new_privs. 0, 1 where ABI is below 4
 * and TCP is left out, or a negative errno.
 */
struct landlock_grant {
	int write_fd; /* -1: nowhere */
	const uint16_t *ports; /* to connect to */
	size_t port_count;
	const int
	        *read_fds; /* directories of another mount namespace, which "/" does not lead to */
	size_t read_count;
};
int landlock_restrict(const struct landlock_grant *grant);

/* What a service loses, while all else stays as it is. */
struct landlock_limits {
	int abi; /* as landlock_abi() says */
	bool no_connect; /* TCP, but to these ports; wants ABI 4 */
	const uint16_t *ports;
	size_t port_count;
	/*
	 * Directories beneath which nothing is written, made, renamed, truncated (ABI 3) or removed; a file stands for
	 * itself and the files beside it. Landlock only grants, so everything beside them is granted: what is in their
	 * parent directories now, not what will be.
	 */
	const char *const *directories;
	size_t directory_count;
};
/* A ruleset for landlock_enforce(), or a negative errno. Whoever builds it reads the directories' parents. */
int landlock_limit(const struct landlock_limits *limits);
/* For good. Wants no_new_privs. 0 or a negative errno. */
int landlock_enforce(int ruleset_fd);

#endif
