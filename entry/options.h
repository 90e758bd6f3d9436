/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: options are one table, from which the parser and --help come; commands are main.c's. */
#ifndef AWEIGH_OPTIONS_H
#define AWEIGH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/text.h"
#include "report/format.h"

struct run; /* of commands/commands.h */
struct command {
	const char *name; /* NULL: the end of the table */
	const char *arguments, *help;
	int (*run)(struct run *run); /* returns the exit status */
	enum {
		COMMAND_LOOKS, /* no argument but options */
		COMMAND_ASKS, /* one word: what is asked about, answered whatever options stand beside it */
		COMMAND_TRIES, /* one word: what is tried */
		COMMAND_LISTS, /* words: folders, and a service's command behind `--` */
		COMMAND_STARTS, /* a service's command behind `--`, and the options of a supervisor */
	} kind;
};
enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

#define MAX_REPORTS 16u
#define MAX_WORDS 64u

struct options {
	const struct command *command, *commands;
	const char *word; /* of a command that asks; NULL: none */
	const char *words[MAX_WORDS]; /* of a command that lists */
	size_t word_count;
	bool force; /* of draft */
	const char *policy, *only, *root, *user, *env_file, *image_config;
	int level; /* -1: not given */
	const struct report_format *format;
	struct {
		const struct report_format *format;
		const char *file;
	} reports[MAX_REPORTS];
	size_t report_count;
	int color; /* enum color_when */
	bool named; /* the command, by its word */
	bool quiet, verbose, version, help;
	bool aboard, check, upgrade; /* of lock */
	bool allow_remote; /* of probe */
	const char *body;
	const char *ready; /* of draft */
	uint64_t timeout_ms; /* 0: not given */
	int as; /* enum lock_form; -1: not given */
	uint32_t given; /* a bit for each option of the line */
	bool init, group, subreaper, tells_reaped;
	int death_signal; /* 0: none */
	struct remap {
		bool given;
		uint8_t to;
	} remap[256]; /* by the service's exit status */
	char *const *service; /* COMMAND [ARG...], NULL at the end; NULL: none */
};

/* The first of the commands is the default. false: a sentence in `why`. */
bool options_parse(struct options *options, const struct command *commands, char *const *argv,
                   struct text *why);
/* All commands and options, or one command with those that it takes. */
void options_print_help(const struct command *commands, FILE *out);
void options_print_command(const struct command *command, FILE *out);
bool options_is_command(const struct options *options, const char *word);
/* What stands for the service's command are words of ours: parses them as more of the command line. */
bool options_parse_rest(struct options *options, struct text *why);

#endif
