/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching: the models of one place (the hub cache, or one plain directory) arrive whole and verified.
 * Runs in the fetcher's process; what it has to say goes out as records.
 */
#ifndef AWEIGH_FETCH_H
#define AWEIGH_FETCH_H

#include "fetch/settings.h"
#include "fetch/store/store.h"
#include "hub/lock.h"
#include "policy.h"

enum want {
	WANT_NOTHING,
	WANT_LOOKUP, /* it is complete, but its branch or tag may have moved */
	WANT_MISSING,
	WANT_DAMAGED /* what is there is hashed before it is believed */
};

struct fetch_job {
	const struct policy *policy;
	const struct fetch_settings *settings;
	const enum want *want; /* a model of the policy each */
	const char *path; /* of the place */
	const struct lock *lock; /* commits, and what is to arrive; NULL: none */
	bool locking; /* nothing is published: files are told with size and SHA-256, all of a commit's */
	int (*send)(void *context, const struct record *record);
	void *send_context;
};

/*
 * 0 when everything was told, whether it was fetched or not; otherwise a negative errno. `store` is the
 * place, opened, and taken over; `error` says why it could not be.
 */
int fetch_run(const struct fetch_job *job, const struct store *store, int error);

#endif
