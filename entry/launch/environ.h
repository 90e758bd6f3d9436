/* SPDX-License-Identifier: Apache-2.0 */
/* The environment that the service gets: computed from what aweigh was given, row by row with its origin. */
#ifndef AWEIGH_ENVIRON_H
#define AWEIGH_ENVIRON_H

#include "engine/inspection.h"

enum environ_origin {
	ORIGIN_GIVEN,
	ORIGIN_SET,
	ORIGIN_OFFLINE,
	ORIGIN_HOME,
	ORIGIN_CACHE,
	ORIGIN_EXPORT,
	ORIGIN_FILE /* a secret's: its value is never shown */
};

struct environ_row {
	const char *row; /* NAME=VALUE */
	enum environ_origin origin;
	const char *replaced; /* the value that it took the place of; NULL: none */
};

struct service_environ {
	struct environ_row *rows;
	const char **view; /* the same rows, NULL at the end, for checks and execve() */
	size_t count, room;
	const char **unset; /* names that were taken away */
	size_t unset_count;
	struct arena *arena;
	bool offline; /* the offline variables were set */
	const char *alias; /* the alias that said offline; NULL: none */
};

/* 0 or -ENOMEM. */
int service_environ_compute(struct service_environ *service, const struct policy *policy,
                            const struct environment *given, const struct identity *who,
                            bool home_follows);
int service_environ_set(struct service_environ *service, const char *name, const char *value,
                        enum environ_origin origin);
struct environment service_environ_view(const struct service_environ *service);
void service_environ_release(struct service_environ *service);
const char *environ_origin_name(enum environ_origin origin);

#endif
