/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that descend from this one, by /proc. */
#ifndef AWEIGH_FAMILY_H
#define AWEIGH_FAMILY_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Signals every descendant, but not the `count` pids of `but`. How many there were, the dead that nobody has waited for
 * among them; -1: there is no /proc. Orphans descend only from PID 1 and from subreapers (prctl(2)).
 */
int family_signal(int number, const pid_t *but, size_t count);

#endif
