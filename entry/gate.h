/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: from options, policy and environment to a verdict. It parses its own policy and records
 * of fixed size, nothing else.
 */
#ifndef AWEIGH_GATE_H
#define AWEIGH_GATE_H

#include "check.h"
#include "launch/environ.h"
#include "options.h"
#include "passwd.h"
#include "policy/read.h"
#include "process/signals.h"
#include "report.h"
#include "tree.h"

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
/* Writes the reports: to `terminal_fd`, and to every file that options and policy name. */
enum status gate_report(struct gate *gate, int terminal_fd);
/* Sets the variables of `export`, now that commits are known. */
int gate_export(struct gate *gate);
void gate_release(struct gate *gate);

#endif
