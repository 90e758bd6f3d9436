/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that descend from one, by /proc: from PID 1 and from subreapers (prctl(2)) orphans do, too. */
#ifndef AWEIGH_FAMILY_H
#define AWEIGH_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* All that descends from `root`, but for what is spared and what descends from that. */
struct family {
	pid_t root;
	pid_t *spared;
	size_t count, room;
};

/* Spares what descends from it already, as what a shell started that then became it. false: out of memory. */
bool family_begin(struct family *family, pid_t root);
bool family_spare(struct family *family, pid_t pid);
/* It has been waited for: its number may be another's by now. */
void family_forget(struct family *family, pid_t pid);
/*
 * Signals each but the caller. How many there were, the dead that nobody has waited for among them; -1: there is no
 * /proc. *refused: how many may not be signalled.
 */
int family_signal(const struct family *family, int number, size_t *refused);
void family_release(struct family *family);

#endif
