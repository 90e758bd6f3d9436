/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel or the platform may refuse of [confine]: one table, which the gate tries in a child, since none of
 * it can be taken back, and which the launch applies to what becomes the service. A new one is a row in limits.c.
 */
#ifndef AWEIGH_LIMITS_H
#define AWEIGH_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

/* Made ready by the gate; what is not wanted, or not to be had, is 0, false or -1. */
struct limits {
	const char *const *
	        directories; /* to be kept from changes, as they really are: by a mount, or by the ruleset */
	size_t directory_count;
	bool mount; /* they are mounted read-only */
	int ruleset_fd; /* of Landlock (landlock_limit()) */
	bool filter; /* of egress, to these SOCKETS_ (filter.h) */
	unsigned sockets;
	bool observed; /* UDP is left to whoever observes, and answers socket(2) for it (observe.h) */
};

/* In the order of applying, each while there is still the right to it. */
enum limit_id { LIMIT_MOUNT, LIMIT_LANDLOCK, LIMIT_FILTER, LIMIT_COUNT };
#define LIMIT_BIT(id) (1 << (id))
/* Before the change of user and after it. */
enum limit_stage { STAGE_RIGHTS, STAGE_LAST };

/* LIMIT_BIT of each that is wanted and refused. */
int limits_try(const struct limits *limits);
/* Whether any that is wanted needs no_new_privs. */
bool limits_want_no_privileges(const struct limits *limits);
/* For good. 0, or a negative errno with the name in *step. */
int limits_apply(const struct limits *limits, enum limit_stage stage, const char **step);

#endif
