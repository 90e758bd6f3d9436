/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service from its start to its end, for smoke: until all that `ready` names has been seen, [service] settle longer,
 * then stopped. Its output goes through as it comes; its lines are held against log_expect and log_forbid.
 */
#ifndef AWEIGH_WATCH_H
#define AWEIGH_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "confine/identity.h"
#include "policy.h"
#include "process/signals.h"
#include "service/observer.h"
#include "service/target.h"

struct watch {
	const struct policy *policy;
	const struct target *targets; /* all of which make it ready; at most MAX_READY_TARGETS */
	size_t target_count;
	const struct signals *signals;
	/* In a child, which it becomes; returns only where that failed, with a status and a sentence. */
	int (*start)(void *context, int observe_fd, struct text *why);
	void *context;
	struct observer *observer; /* NULL: its system calls are not observed */
	int notify_fd; /* a datagram socket whose address the service was given; -1: none */
	const struct identity *who; /* the service's user, as whom it is asked */
};

struct watched {
	bool ready, settled, asked, ended, killed; /* asked: to stop */
	bool lapsed; /* it was ready, and did not answer any more when it had settled */
	bool unheard; /* it may not be signalled */
	bool observed; /* its system calls were seen */
	char occupied[256]; /* what of ready was met before the service was started, and so it was not; "": nothing */
	int stop; /* of a stop request; 0: none */
	int refused; /* a status with a sentence in `why`: it could not be started */
	int status; /* of its end, as waitpid(2) gives it */
	uint64_t first_output_ms, ready_ms, end_ms,
	        stop_ms; /* since the start; stop_ms: from the request on */
	uint64_t lines; /* of both streams */
	uint64_t memory_bytes; /* of the largest of its processes, at its most */
	uint64_t expected; /* a bit for each element of log_expect that was met */
	char why[1024]; /* why it was not ready yet, or could not start */
	const char *
	        forbidden; /* the pattern that a line met, or the reason of a known word; NULL: none */
	char line[512]; /* that line */
	const char *stream; /* stdout or stderr */
	uint64_t number, line_ms; /* its place in the stream, and when */
	char last[8][256]; /* the last lines of both streams, in a ring from lines on */
};

/* 0, or a negative errno where nothing could be begun. Nothing that the service started is left when it returns. */
int watch_service(const struct watch *watch, struct watched *seen);

#endif
