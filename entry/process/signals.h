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
#include <stddef.h>
#include <stdint.h>

#define SIGNAL_BIT(number) (1ull << ((number)-1))
#define MAX_SIGNAL 64 /* _NSIG of asm/signal.h, on x86-64 and aarch64 */

struct signals {
	int fd; /* signalfd: stop requests and SIGCHLD */
	uint64_t mask; /* as inherited */
	struct sigaction child; /* SIGCHLD's disposition as inherited */
	struct sigaction pipe; /* and for SIGPIPE */
};

/* First of all in main(): blocks, remembers. Returns 0 or a negative errno. */
int signals_init(struct signals *signals);
/* Whether it ends what does not handle it, and is known as a request to stop. */
bool signals_is_stop(int number);
/* These are stop requests, too, a bit each from SIGHUP on: an image's STOPSIGNAL that the policy forwards as SIGTERM. */
void signals_add_stops(const struct signals *signals, uint64_t more);
/* The stop request that is pending, or 0. Reads it. */
int signals_stop_request(const struct signals *signals);
/*
 * Before a fork() after which both processes execve(): what comes from here on stays pending. gVisor's kernel dies where
 * one of them drops the last reference to a signalfd while the one that made it execs (its Task.SignalUnregister()).
 */
void signals_close(struct signals *signals);
/*
 * Last before execve(): puts mask and dispositions back. A stop request that arrives from here on
 * ends the process with 128+n until the new program is in place: as PID 1 it would be lost otherwise.
 */
void signals_restore(const struct signals *signals);

/* The number of SIGTERM, TERM, 15, SIGRTMIN+3 or SIGRTMAX-1 (34 and 64 of signal(7)); 0: no signal. */
int signal_number(const char *name, size_t length);
/* pair[0]: a signal that can be caught; pair[1]: what goes to the service instead, 0 for `none`. */
bool signals_pair(const char *from, const char *to, uint8_t pair[static 2]);
/* Two exit statuses, 0 to 255. */
bool statuses_pair(const char *from, const char *to, uint8_t pair[static 2]);

#endif
