/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways out of a service that Landlock does not see: sockets other than TCP, TCP that connects as it
 * sends, io_uring, and descriptors that were handed in. Landlock sees TCP's connect (landlock.h).
 */
#ifndef AWEIGH_EGRESS_H
#define AWEIGH_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"

/* `allow`, `deny`, or TCP ports between commas, at most MAX_EGRESS_PORTS. false: none of these, and *out is as it was. */
bool egress_parse(const char *list, struct egress *out);
/*
 * For good, for this process and all that it starts: sockets are unix, TCP, and netlink to the routing
 * tables, which stays in the kernel and which getaddrinfo(3) wants; `udp` allows that too. All else is
 * EACCES, as Landlock answers. Programs of another architecture's calls (32 bits) get ENOSYS. Wants
 * no_new_privs. 0 or a negative errno.
 */
int egress_filter(bool udp);
/*
 * The first descriptor from `from` on that was handed in and leads out: a socket that is neither unix nor
 * a TCP one that listens. -1: none.
 */
int egress_descriptor(int from, bool udp);

#endif
