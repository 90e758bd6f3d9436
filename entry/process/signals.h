/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stop requests while aweigh is at work. All signals are blocked from the first instruction and read
 * from a signalfd: a blocked signal is kept for PID 1 too, which would otherwise never see one whose
 * disposition is default (pid_namespaces(7)). What was found at the start is put back before exec.
 */
#ifndef AWEIGH_SIGNALS_H
#define AWEIGH_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct signals {
	int fd; /* signalfd: stop requests and SIGCHLD */
	sigset_t mask; /* as inherited */
	struct sigaction child; /* SIGCHLD's disposition as inherited */
};

/* First of all in main(): blocks, remembers. Returns 0 or a negative errno. */
int signals_init(struct signals *signals);
/* The stop request that is pending (SIGTERM, SIGINT, SIGQUIT, SIGHUP), or 0. Reads it. */
int signals_stop_request(const struct signals *signals);
/*
 * Last before execve(): puts mask and dispositions back. A stop request that arrives from here on
 * ends the process with 128+n until the new program is in place: as PID 1 it would be lost otherwise.
 */
void signals_restore(const struct signals *signals);

#endif
