/* SPDX-License-Identifier: Apache-2.0 */
/* Commands and options: one table each, from which the parser and --help come. */
#ifndef AWEIGH_OPTIONS_H
#define AWEIGH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "report/report.h"
#include "base/text.h"

enum command {
	COMMAND_RUN,
	COMMAND_CHECK,
	COMMAND_FETCH,
	COMMAND_EXPLAIN,
	COMMAND_CHECKS,
	COMMAND_LATER
};
enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

#define MAX_REPORTS 16u

struct options {
	enum command command;
	const char *command_name;
	const char *policy, *only, *root, *user;
	int level; /* -1: not given */
	const struct report_format *format;
	struct {
		const struct report_format *format;
		const char *file;
	} reports[MAX_REPORTS];
	size_t report_count;
	enum color_when color;
	bool quiet, verbose, version, help;
	bool init, group, subreaper;
	int death_signal; /* 0: none */
	struct remap {
		bool given;
		uint8_t to;
	} remap[256]; /* by the service's exit status */
	char *const *service; /* COMMAND [ARG...], NULL at the end; NULL: none */
};

/* false: a sentence in `why`. */
bool options_parse(struct options *options, char *const *argv, struct text *why);
void options_print_help(FILE *out);
/* Whether the word is a command; `options` then runs it. */
bool options_use_command(struct options *options, const char *word);

#endif
