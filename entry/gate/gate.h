/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: from options, policy and environment to a verdict. It parses its own policy and records of
 * fixed size, nothing else. gate_judge() is the sequence; each of its steps is a file beside it.
 */
#ifndef AWEIGH_GATE_H
#define AWEIGH_GATE_H

#include "base/tree.h"
#include "engine/findings.h"
#include "launch/environ.h"
#include "launch/launch.h"
#include "options.h"
#include "policy/read.h"
#include "process/child.h"
#include "process/signals.h"
#include "report/report.h"
#include "service/target.h"
#include "system/passwd.h"

/* What has become of a model's fetch. FAILED: an error says why, and takes the place of what an inspection would say. */
enum fetched { FETCH_NONE, FETCH_DONE, FETCH_FAILED };
/* Who lets it fetch: nobody, policy.mode, or the command. */
enum fetching {
	FETCHING_NEVER,
	FETCHING_BY_MODE,
	FETCHING_ORDERED,
	FETCHING_LOCK /* a lock file is made: lists and small files, into no cache */
};

struct gate {
	const struct options *options;
	const struct signals *signals;
	struct environment own; /* aweigh's */
	const struct report_format
	        *format; /* of the terminal: the options', or by where aweigh runs */
	struct environment
	        given; /* what is judged: the own, --env-file or --image-config, or with --root alone none */
	const char *image_user; /* of --image-config; NULL: it says none */
	struct tree tree; /* of the policy's paths */
	struct tree host; /* of --policy */
	bool policy_is_of_tree; /* not named by whoever runs aweigh */
	struct policy policy;
	const struct tree *policy_tree; /* that the policy was read from */
	char lock_path[MAX_PATH_BYTES]; /* of the lock file, named or usual */
	const struct tree *lock_tree;
	bool has_lock;
	struct lock lock, made; /* the lock file, and what `aweigh lock` makes of the models */
	struct user_files users;
	struct identity who;
	bool who_is_of_image; /* neither the policy nor the command line names one */
	struct service_environ service;
	struct environment env; /* the service's */
	struct target ready[MAX_READY_TARGETS]; /* what [service] ready asks */
	size_t ready_count;
	char hub_cache[MAX_PATH_BYTES];
	const char *hub_cache_origin; /* NULL: the cache cannot be told */
	char working_directory[MAX_PATH_BYTES];
	struct report report;
	enum fetching fetching;
	enum fetched *fetched; /* a model each; NULL: nothing was fetched */
	struct limits limits; /* made ready by gate_confine() */
	const char *directories[MAX_PLACES]; /* of models, to be kept from changes */
	size_t directory_count;
	bool directories_left_out;
	char *const *command; /* what is to be started once all is well; NULL: nothing */
	bool startable; /* the inspector found nothing that keeps the command from starting */
	int inotify_fd; /* policy.wait: what wakes it; -1: nothing before its time */
	bool waited_out; /* policy.wait is over: what is missing is so for now */
	bool inspected; /* the inspector said that it was done */
	bool report_lost; /* one could not be written */
	struct kept_report {
		int fd; /* of a regular file, open until the service takes aweigh's place */
		const struct report_format *format;
		size_t limit;
	} kept[MAX_REPORTS];
	size_t kept_count;
	bool hashing_drawn; /* a progress line is on the terminal */
	uint64_t started_ns, deadline_ns;
};

/*
 * The whole way to a verdict: prepare, inspect, fetch what may be fetched and inspect again, confinement.
 * 0: the report is filled, with errors of the policy or without; otherwise 128+n of a stop request, or a
 * status with a sentence in `why`. Release the gate in either case.
 */
enum status gate_judge(struct gate *gate, const struct options *options,
                       const struct signals *signals, char *const *rows, enum fetching fetching,
                       struct text *why);
/* Whether a fetch is allowed to the command at hand, by itself or by policy.mode. */
bool gate_may_fetch(const struct gate *gate);
/* A path of the policy, from the service's working directory on; false: it does not fit. */
bool gate_whole_path(const struct gate *gate, const char *path, char out[static MAX_PATH_BYTES]);
void gate_release(struct gate *gate);

#endif
