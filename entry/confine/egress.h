/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy's `egress`, and the way out that no limit on calls sees: descriptors that were handed in. Landlock
 * limits TCP's connect (landlock.h), a filter the sockets (filter.h).
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
 * The first descriptor from `from` on that was handed in and leads out: a socket that is neither unix nor
 * a TCP one that listens. -1: none.
 */
int egress_descriptor(int from, bool udp);

#endif
