/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: from options, policy and environment to a verdict. It parses its own policy and records
 * of fixed size, nothing else.
 */
#ifndef AWEIGH_GATE_H
#define AWEIGH_GATE_H

#include "engine/inspection.h"
#include "launch/environ.h"
#include "launch/launch.h"
#include "options.h"
#include "system/passwd.h"
#include "policy/read.h"
#include "process/signals.h"
#include "report/report.h"
#include "base/tree.h"

/* FAILED: an error says why, and takes the place of what an inspection would say. */
enum fetched { FETCH_NONE, FETCH_DONE, FETCH_FAILED };

struct gate {
	const struct options *options;
	const struct signals *signals;
	struct environment given;
	struct tree tree; /* of the policy's paths */
	struct tree host; /* of --policy */
	struct policy policy;
	struct user_files users;
	struct identity who;
	struct service_environ service;
	struct environment env; /* the service's */
	char hub_cache[MAX_PATH_BYTES];
	const char *hub_cache_origin; /* NULL: the cache cannot be told */
	char working_directory[MAX_PATH_BYTES];
	struct report report;
	enum fetched *fetched; /* a model each; NULL: nothing was fetched */
	struct limits limits; /* made ready by gate_confine() */
	const char *folders[MAX_PLACES]; /* of models, to be kept from changes */
	size_t folder_count;
	bool folders_left_out;
	uint64_t started_ns, deadline_ns;
};

/*
 * Reads the policy, resolves user, environment and cache. Errors of the policy are findings of the
 * report. Returns 0 or a status that ends the command; *why says what failed.
 */
enum status gate_prepare(struct gate *gate, const struct options *options,
                         const struct signals *signals, char *const *rows, struct text *why);
/*
 * Runs the inspector and fills the report. 0: there is a verdict; otherwise 128+n of a stop request,
 * or STATUS_SYSTEM.
 */
enum status gate_inspect(struct gate *gate);
/* What gate_inspect() and gate_fetch() share: children that send records. */
enum ending { ENDED_WELL, ENDED_EARLY, ENDED_DEADLINE, ENDED_BAD_RECORD };
typedef void gate_take(struct gate *gate, const struct record *record, void *context);
/* Reads until the child is done; a stop request's number goes to *stop. */
enum ending gate_read(struct gate *gate, int pipe_fd, gate_take *take, void *context, int *stop);
/* The same with the pipe's ends closed and the child ended and reaped. */
enum ending gate_follow(struct gate *gate, pid_t child, const int pipe_fds[2], gate_take *take,
                        void *context, int *stop, int *status);
void gate_report_ending(struct gate *gate, enum ending ending, int status, const char *who);
/* Returns the severity that it has here. */
enum severity gate_add_finding(struct gate *gate, const struct finding_kind *kind,
                               const struct record *record);
/* Forgets what a failed fetch has answered. */
void gate_drop_answered(struct gate *gate);
/* Message and fix of a kind that entry/ raises. */
void record_word(struct record *record, unsigned raised, const char *format, va_list arguments)
        __attribute__((format(printf, 3, 0)));
void gate_raise(struct gate *gate, unsigned raised, unsigned line, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* Writes the reports: to `terminal_fd`, and to every file that options and policy name. */
enum status gate_report(struct gate *gate, int terminal_fd);
/* Sets the variables of `export`, now that commits are known. */
int gate_export(struct gate *gate);
void gate_release(struct gate *gate);

#endif
