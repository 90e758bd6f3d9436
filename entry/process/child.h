/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child that works for the gate and sends records over a pipe: the inspector, the fetcher. Started,
 * followed until it is done or its time is over, and its end put into words: once, here.
 *
 *     child_start(&child, run, context);      in the child: run(), which never returns
 *     child_follow(&child, &limits, take, context);
 *     child_explain(&child, "inspector", &text);
 */
#ifndef AWEIGH_CHILD_H
#define AWEIGH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "finding.h"
#include "process/signals.h"

enum child_ending {
	CHILD_DONE, /* it said that it was done */
	CHILD_DIED, /* it ended before */
	CHILD_DEADLINE,
	CHILD_BAD_RECORD, /* it sent what no child sends: it may have been taken over */
	CHILD_STOPPED, /* a stop request came, see stop */
};

struct child {
	pid_t pid;
	int pipe_fd; /* reading end */
	enum child_ending ending;
	bool reaped; /* otherwise it does not end, and its status is unknown */
	int status; /* as waitpid(2) gives it */
	int stop; /* the stop request's number */
};

/* In the child: works, sends to `pipe_fd`, ends with _exit(). */
typedef void child_run(void *context, int pipe_fd);
/* 0 or a negative errno. */
int child_start(struct child *child, child_run *run, void *context);

/* Why fork(2) or execve(2) says EAGAIN, and what to look at. */
const char *child_no_room_words(void);

struct child_limits {
	const struct signals *signals;
	uint64_t deadline_ns;
	size_t models; /* of the policy: what a record may be about */
};
typedef void child_take(void *context, const struct record *record);
/*
 * Hands out each record that is sound until the child has said that it is done. Whatever its end, it is
 * killed and reaped; one that the kernel cannot end, on a hung volume, is left behind after
 * KILLED_WITHIN_MS. As PID 1 it reaps orphans meanwhile.
 */
enum child_ending child_follow(struct child *child, const struct child_limits *limits,
                               child_take *take, void *context);
/* Kills what is not done, closes the pipe and reaps, as child_follow() does in the end; for who reads the pipe by himself. */
void child_end(struct child *child);
/* What ended it, as half a sentence that begins with `who`; nothing for CHILD_DONE. */
void child_explain(const struct child *child, const char *who, struct text *out);

/* Within the child: */

/*
 * Closes everything but the pipe and, where it is not -1, the root: descriptors that aweigh was given belong to the
 * service, not to what parses bytes from outside; and whoever reads what aweigh says is not to wait for a child that a
 * hung volume keeps, so 0, 1 and 2 are /dev/null. Both move. 0 or a negative errno.
 */
int child_keep(int *pipe_fd, int *root_fd);
/* Closes every descriptor from `lowest` on. */
void close_from(int lowest);
/* The kernel kills it when the parent ends; -ESRCH: it has ended already. After the user has changed. */
int child_die_with(pid_t parent);
/* No core files: they would hold what was read. No new privileges. 0 or a negative errno. */
int child_no_privileges(void);

#endif
