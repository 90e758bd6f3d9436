/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sockets a process may still make, as a seccomp(2) filter: the ways out that Landlock does not see, namely
 * sockets other than TCP, TCP that connects as it sends, io_uring, and descriptors of other processes. Landlock
 * sees TCP's connect (landlock.h).
 */
#ifndef AWEIGH_FILTER_H
#define AWEIGH_FILTER_H

#include <linux/filter.h>

/* Kinds of sockets; netlink to the routing tables stays in the kernel, and getaddrinfo(3) wants it. */
enum { SOCKETS_UNIX = 1, SOCKETS_TCP = 2, SOCKETS_UDP = 4, SOCKETS_ROUTES = 8 };
#define FILTER_ROOM 112u

/*
 * The filter that lets these kinds be made and no others: EACCES, as Landlock answers; ENOSYS for calls of another
 * architecture (32 bits). `at` has room for FILTER_ROOM; the result is how many were filled.
 */
unsigned short filter_build(unsigned sockets, struct sock_filter *at);
/* For good, for this process and all that it starts. Wants no_new_privs. 0 or a negative errno. */
int filter_enforce(unsigned sockets);

#endif
