/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <string.h>

#include "scan.h"
#include "util.h"

static const struct {
	const char *name, *arguments, *help;
	enum command command;
} commands[] = {
	{ "run", "[options] -- COMMAND [ARG...]", "check, then exec COMMAND (the default)",
	  COMMAND_RUN },
	{ "check", "[options]", "check and report; start nothing", COMMAND_CHECK },
	{ "fetch", "[options]", "fetch what is missing, then check", COMMAND_FETCH },
	{ "explain", "[options]",
	  "every effective setting, path and variable, and where it came from", COMMAND_EXPLAIN },
	{ "checks", "", "the catalogue: each finding's code, meaning and usual fix",
	  COMMAND_CHECKS },
	{ "lock", NULL, NULL, COMMAND_LATER },
	{ "smoke", NULL, NULL, COMMAND_LATER },
	{ "init", NULL, NULL, COMMAND_LATER },
};

enum option {
	OPTION_POLICY,
	OPTION_ONLY,
	OPTION_VERIFY,
	OPTION_ROOT,
	OPTION_USER,
	OPTION_FORMAT,
	OPTION_REPORT,
	OPTION_COLOR,
	OPTION_QUIET,
	OPTION_VERBOSE,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_LATER
};

static const struct {
	const char *name;
	char letter;
	enum option option;
	const char *argument; /* NULL: takes none */
	const char *help; /* NULL: comes with a later version */
} table[] = {
	{ "policy", 'p', OPTION_POLICY, "FILE",
	  "the policy; else $AWEIGH_POLICY, else /etc/aweigh/policy.ini" },
	{ "only", 0, OPTION_ONLY, "LIST", "only these models of the policy, comma-separated" },
	{ "verify", 0, OPTION_VERIFY, "LEVEL",
	  "presence, size, structure or digest; raises the policy's level, never lowers it" },
	{ "root", 0, OPTION_ROOT, "DIR",
	  "check an unpacked image: the policy's paths lie beneath DIR" },
	{ "user", 0, OPTION_USER, "USER[:GROUP]",
	  "overrides the policy's user, for check, fetch and explain" },
	{ "format", 0, OPTION_FORMAT, "FMT", "what the terminal gets: human or json" },
	{ "report", 0, OPTION_REPORT, "FMT=FILE", "writes a report to FILE as well; repeatable" },
	{ "color", 0, OPTION_COLOR, "WHEN", "auto, always or never; NO_COLOR is honoured" },
	{ "quiet", 'q', OPTION_QUIET, NULL, "print only what refuses" },
	{ "verbose", 'v', OPTION_VERBOSE, NULL, "print notes, too" },
	{ "version", 0, OPTION_VERSION, NULL, "print the version and the libraries built in" },
	{ "help", 'h', OPTION_HELP, NULL, "print this" },
	{ "init", 0, OPTION_LATER, NULL, NULL },
	{ "group", 0, OPTION_LATER, NULL, NULL },
	{ "subreaper", 0, OPTION_LATER, NULL, NULL },
	{ "parent-death-signal", 0, OPTION_LATER, "SIG", NULL },
	{ "remap", 0, OPTION_LATER, "CODE", NULL },
};

void options_print_help(FILE *out)
{
	(void)fputs(
	        "aweigh checks that a service's Hugging Face models are aboard, then starts it.\n\n",
	        out);
	for (size_t i = 0; i < LENGTH_OF(commands); i++)
		if (commands[i].help != NULL)
			(void)fprintf(out, "  aweigh %-7s %s\n                   %s\n",
			              commands[i].name, commands[i].arguments, commands[i].help);
	(void)fputs("\noptions:\n", out);
	for (size_t i = 0; i < LENGTH_OF(table); i++) {
		char left[64];
		struct text text = TEXT_OVER(left);

		if (table[i].help == NULL)
			continue;
		if (table[i].letter != 0)
			text_addf(&text, "-%c, ", table[i].letter);
		text_addf(&text, "--%s%s%s", table[i].name, table[i].argument == NULL ? "" : " ",
		          table[i].argument == NULL ? "" : table[i].argument);
		(void)fprintf(out, "  %-23s %s\n", left, table[i].help);
	}
	(void)fputs(
	        "\nexit status: 0 all holds (or the service's own), 64 usage, 65 a model is wrong,\n"
	        "66 missing, 69 not to be fetched, 70 bug, 71 system, 74 disk, 75 not to be fetched now,\n"
	        "76 environment, 77 permission, 78 policy, 126 and 127 COMMAND cannot start, 128+n ended by signal n.\n"
	        "See aweigh(1) and aweigh-policy(5).\n",
	        out);
}

static const char *next_option(const void *context, size_t index)
{
	(void)context;
	return index < LENGTH_OF(table) ? table[index].name : NULL;
}

static const char *suggest_option(const char *word)
{
	const char *near = NULL, *name;
	unsigned best = 3;

	for (size_t i = 0; (name = next_option(NULL, i)) != NULL; i++)
		if (edit_distance(word, name) < best) {
			best = edit_distance(word, name);
			near = name;
		}
	return near;
}

static bool take_format(const char *name, size_t length, const struct report_format **out,
                        struct text *why)
{
	*out = report_format_find(name, length);
	if (*out != NULL && (*out)->write != NULL)
		return true;
	text_addf(why,
	          *out == NULL ? "unknown format '%.*s'; the formats are human and json" :
	                         "format '%.*s' comes with a later version; use human or json",
	          (int)(length > 32 ? 32 : length), name);
	return false;
}

static bool take_report(struct options *options, const char *value, struct text *why)
{
	const char *equals = strchr(value, '=');

	if (equals == NULL || equals[1] == '\0') {
		text_addf(why, "--report takes FMT=FILE, such as json=/dev/termination-log");
		return false;
	}
	if (options->report_count >= MAX_REPORTS) {
		text_addf(why, "more than %u reports", MAX_REPORTS);
		return false;
	}
	options->reports[options->report_count].file = equals + 1;
	return take_format(value, (size_t)(equals - value),
	                   &options->reports[options->report_count++].format, why);
}

/* The index of a word among a few, or -1 with a sentence. */
static int word_index(const char *value, const char *const *words, int count, const char *option,
                      struct text *why)
{
	for (int i = 0; i < count; i++)
		if (strcmp(value, words[i]) == 0)
			return i;
	text_addf(why, "--%s %.32s: takes one of", option, value);
	for (int i = 0; i < count; i++)
		text_addf(why, "%s %s", i == 0 ? "" : ",", words[i]);
	return -1;
}

static bool take(struct options *options, enum option option, const char *value, struct text *why)
{
	static const char *const levels[] = { "presence", "size", "structure", "digest" },
	                         *const when[] = { "auto", "always", "never" };
	int index;

	switch (option) {
	case OPTION_POLICY:
		options->policy = value;
		return true;
	case OPTION_ONLY:
		options->only = value;
		return true;
	case OPTION_VERIFY:
		options->level = word_index(value, levels, 4, "verify", why);
		return options->level >= 0;
	case OPTION_ROOT:
		options->root = value;
		return true;
	case OPTION_USER:
		options->user = value;
		return true;
	case OPTION_FORMAT:
		return take_format(value, strlen(value), &options->format, why);
	case OPTION_REPORT:
		return take_report(options, value, why);
	case OPTION_COLOR:
		index = word_index(value, when, 3, "color", why);
		options->color = index < 0 ? COLOR_AUTO : (enum color_when)index;
		return index >= 0;
	case OPTION_QUIET:
		return options->quiet = true;
	case OPTION_VERBOSE:
		return options->verbose = true;
	case OPTION_VERSION:
		return options->version = true;
	case OPTION_HELP:
		return options->help = true;
	case OPTION_LATER:
		text_addf(why, "this option comes with a later version");
		return false;
	}
	return false;
}

/* --name VALUE, --name=VALUE, -n VALUE, -nVALUE. Moves *argv over what it took. */
static bool parse_option(struct options *options, char *const **argv, struct text *why)
{
	const char *word = **argv, *value = NULL, *near;
	char name[64] = "";
	size_t length = strcspn(word, "=");

	for (size_t i = 0; i < LENGTH_OF(table); i++) {
		if (word[1] == '-' ? strlen(table[i].name) != length - 2 ||
		                             strncmp(table[i].name, word + 2, length - 2) != 0 :
		                     table[i].letter == 0 || word[1] != table[i].letter)
			continue;
		(*argv)++;
		if (word[1] == '-' && word[length] == '=')
			value = word + length + 1;
		else if (word[1] != '-' && word[2] != '\0')
			value = word + 2;
		if (table[i].argument == NULL && value != NULL) {
			text_addf(why, "--%s takes no value", table[i].name);
			return false;
		}
		if (table[i].argument != NULL && value == NULL) {
			value = **argv;
			if (value == NULL) {
				text_addf(why, "--%s needs %s", table[i].name, table[i].argument);
				return false;
			}
			(*argv)++;
		}
		return take(options, table[i].option, value == NULL ? "" : value, why);
	}
	if (word[1] == '-' && length - 2 < sizeof(name))
		memcpy(name, word + 2, length - 2);
	near = suggest_option(name);
	text_addf(why, "unknown option '%.64s'%s%s%s", word,
	          near != NULL ? "; did you mean '--" : "", near != NULL ? near : "",
	          near != NULL ? "'?" : "");
	return false;
}

bool options_use_command(struct options *options, const char *word)
{
	for (size_t i = 0; i < LENGTH_OF(commands); i++)
		if (strcmp(commands[i].name, word) == 0) {
			options->command = commands[i].command;
			options->command_name = commands[i].name;
			return true;
		}
	return false;
}

static void report_stray_word(const char *word, struct text *why)
{
	text_addf(why, "unknown command '%.64s'", word);
	for (size_t i = 0; i < LENGTH_OF(commands); i++)
		if (commands[i].help != NULL && edit_distance(word, commands[i].name) <= 2)
			text_addf(why, "; did you mean '%s'?", commands[i].name);
	text_add(why, "; the service's command stands behind '--'");
}

bool options_parse(struct options *options, char *const *argv, struct text *why)
{
	bool named = false;

	*options = (struct options){ .command = COMMAND_RUN,
		                     .command_name = "run",
		                     .level = -1,
		                     .format = report_format_find("human", 5) };
	argv += *argv != NULL;
	while (*argv != NULL) {
		if (strcmp(*argv, "--") == 0) {
			options->service = argv[1] != NULL ? argv + 1 : NULL;
			break;
		}
		if (argv[0][0] == '-' && argv[0][1] != '\0') {
			if (!parse_option(options, &argv, why))
				return false;
			continue;
		}
		if (!named && options_use_command(options, *argv)) {
			named = true;
			argv++;
			continue;
		}
		if (named && options->command != COMMAND_RUN)
			text_addf(why, "%s takes no argument '%.64s'", options->command_name,
			          *argv);
		else
			report_stray_word(*argv, why);
		return false;
	}
	return true;
}
