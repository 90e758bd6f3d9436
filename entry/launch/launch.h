/* SPDX-License-Identifier: Apache-2.0 */
/* Becoming the service. */
#ifndef AWEIGH_EXEC_H
#define AWEIGH_EXEC_H

#include "base/text.h"
#include "confine/limits.h"
#include "engine/inspection.h"
#include "launch/init.h"
#include "process/signals.h"

struct launch {
	char *const *argv;
	const struct environment *environment;
	const struct identity *who;
	const struct policy *policy; /* its [confine] and [service] */
	struct signals *signals;
	const struct limits *limits;
	int observe_fd; /* where the listener for its system calls goes (observe.h); -1: it is not observed */
	pid_t dies_with; /* the process that it does not outlive, nor an init in between; 0: none */
	struct supervision *supervision; /* NULL: the service takes aweigh's place */
};

/* Does not return when the service starts; otherwise, in the process that was to become it, the exit status, with a sentence in `why`. */
enum status launch_exec(const struct launch *launch, struct text *why);
#endif
