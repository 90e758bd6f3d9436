/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stays beside the service with `init = yes`: it forwards signals, reaps, and ends what the service
 * leaves. All signals are blocked and waited for, so none is lost and none interrupts; while nothing
 * happens it sleeps without a limit.
 *
 * init_divide() makes two processes of one that is confined as the service will be. The one that stays
 * starts its own file again, with an empty environment: nothing is left in its memory of policy, token
 * and libraries. main() hands such a start to init_resume().
 */
#ifndef AWEIGH_INIT_H
#define AWEIGH_INIT_H

#include <stdint.h>
#include <sys/types.h>

#include "policy.h"
#include "process/signals.h"

struct supervision {
	uint32_t magic;
	pid_t main; /* the service */
	pid_t parent; /* who started aweigh */
	uint32_t grace_ms;
	uint8_t to_group, subreaper;
	uint8_t tells_reaped; /* on standard error, of every process but the service */
	uint8_t death_signal; /* 0: none */
	uint8_t forward[MAX_SIGNAL + 1]; /* what is sent for each signal; 0: nothing */
	uint8_t remap[256]; /* what aweigh ends with for each status of the service */
};

/* As [service] says. */
void supervision_init(struct supervision *set, const struct policy *policy);
/*
 * Returns 0 in the service's process, in a process group of its own that has the terminal if aweigh's had
 * it; a negative errno where no process can be had, -ENOPROTOOPT where it cannot be a subreaper. The process that stays does not return.
 */
int init_divide(struct supervision *set);
/* Returns from an ordinary start. Otherwise ends with the service's status, once what it left has ended. */
void init_resume(char *const *argv);

#endif
