/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <assert.h>
#include <string.h>

#include "base/list.h"
#include "base/scan.h"
#include "base/words.h"
#include "process/signals.h"
#include "report/escape.h"
#include "report/lock.h"
#include "util.h"

static bool find_format(const char *name, size_t length, const struct report_format **out,
                        struct text *why)
{
	char word[33] = "";

	*out = report_format_find(name, length);
	if (*out != NULL && (*out)->write != NULL)
		return true;
	memcpy(word, name, length < sizeof(word) ? length : sizeof(word) - 1);
	if (*out != NULL) {
		text_addf(why, "this build (FETCH=no) writes no %s, but human and json", word);
		return false;
	}
	text_addf(why, "unknown format '%s'", word);
	if (words_suggest(why, word, report_format_at, NULL))
		return false;
	text_add(why, "; it must be ");
	words_add(why, report_format_at, NULL);
	return false;
}

static bool take_format(struct options *options, const char *value, struct text *why)
{
	return find_format(value, strlen(value), &options->format, why);
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
	for (size_t i = 0; i < options->report_count; i++)
		if (strcmp(options->reports[i].file, equals + 1) == 0) {
			text_addf(why, "two reports go to %.256s", equals + 1);
			return false;
		}
	options->reports[options->report_count].file = equals + 1;
	return find_format(value, (size_t)(equals - value),
	                   &options->reports[options->report_count++].format, why);
}

static bool take_remap(struct options *options, const char *value, struct text *why)
{
	char from[8] = "";
	size_t length = strcspn(value, "=");
	uint8_t pair[2];

	if (length < sizeof(from))
		memcpy(from, value, length);
	if (!statuses_pair(from, value[length] == '=' ? value + length + 1 : "0", pair)) {
		text_addf(why, "--remap %.32s: takes an exit status, or two as in 143=0", value);
		return false;
	}
	options->remap[pair[0]] = (struct remap){ true, pair[1] };
	return true;
}

static bool take_death_signal(struct options *options, const char *value, struct text *why)
{
	options->death_signal = signal_number(value, strlen(value));
	if (options->death_signal != 0)
		return true;
	text_addf(
	        why,
	        "--parent-death-signal: '%.64s' is not a signal; after 'run', -p means --parent-death-signal, and --policy names the policy",
	        value);
	return false;
}

static bool take_timeout(struct options *options, const char *value, struct text *why)
{
	if (scan_duration(value, strlen(value), &options->timeout_ms) && options->timeout_ms > 0)
		return true;
	text_addf(why, "--timeout %.32s: takes a duration such as 2s or 500ms", value);
	return false;
}

static const char *const color_words[] = { "auto", "always", "never", NULL };

#define JUDGING "run smoke check fetch lock explain"
#define STARTING "run smoke"

/* Of what is neither a flag, nor a text, nor one of some words. false: a sentence in `why`. */
typedef bool option_take(struct options *options, const char *value, struct text *why);

static const struct option {
	const char *name;
	const char *argument; /* NULL: takes none */
	const char *help;
	const char *commands; /* that take it; NULL: all */
	option_take *take;
	const char *const *words; /* it takes one of these, and the field is its index, an int */
	uint16_t
	        at; /* of its field, a flag where it takes no argument, otherwise a text; 0: see take */
	char letter; /* 0: none */
	bool once;
	bool supervises; /* implies init; its letter is tini's, which means that only behind the word `run` */
} table[] = {
#define FIELD(field) .at = offsetof(struct options, field)
	{ "policy", "FILE",
	  "policy file; default: $AWEIGH_POLICY, then /etc/aweigh/policy.ini; of draft: what it writes, default: standard output",
	  "run smoke check fetch lock draft explain", FIELD(policy), .letter = 'p' },
	{ "only", "LIST", "only these models of the policy, comma-separated", JUDGING, FIELD(only),
	  .once = true },
	{ "verify", "LEVEL", "raises the policy's level", "run smoke check fetch explain",
	  FIELD(level), .words = level_words },
	{ "root", "DIR", "an unpacked image: the policy's paths lie beneath DIR",
	  "check draft explain", FIELD(root) },
	{ "user", "USER[:GROUP]", "overrides the policy's user", "check fetch explain",
	  FIELD(user) },
	{ "env-file", "FILE", "judge these NAME=VALUE lines as the environment",
	  "check draft explain", FIELD(env_file) },
	{ "image-config", "FILE",
	  "judge environment and user as this OCI image configuration has them",
	  "check draft explain", FIELD(image_config) },
	{ "format", "FMT", "", JUDGING " checks", .take = take_format },
	{ "report", "FMT=FILE", "write a report to FILE as well; repeatable",
	  "run smoke check fetch", .take = take_report },
#ifndef AWEIGH_NO_FETCH /* of commands that the other build has */
	{ "aboard", NULL, "lock what is there, and ask no hub", "lock", FIELD(aboard) },
	{ "check", NULL, "write nothing: say what the lock file would change", "lock",
	  FIELD(check) },
	{ "upgrade", NULL, "look up branches and tags again", "lock", FIELD(upgrade) },
	{ "as", "FORM", "print the lock file in this form", "lock", FIELD(as),
	  .words = lock_form_words },
	{ "force", NULL, "write over a policy that is there", "draft", FIELD(force) },
	{ "ready", "TARGET", "what the command is ready by, as [service] ready has it", "draft",
	  FIELD(ready) },
#endif
	{ "body", "PATTERN", "what the answer's first 64 KiB must hold", "probe", FIELD(body) },
	{ "timeout", "DURATION",
	  "how long the answer may take (probe, 2s), or the command (draft, 60s)", "probe draft",
	  .take = take_timeout },
	{ "allow-remote", NULL, "ask another machine, by its address", "probe smoke",
	  FIELD(allow_remote) },
	{ "color", "WHEN", "NO_COLOR is honoured", NULL, FIELD(color), .words = color_words },
	{ "quiet", NULL, "print only what refuses", NULL, FIELD(quiet), .letter = 'q' },
	{ "verbose", NULL, "print notes, too", NULL, FIELD(verbose), .letter = 'v' },
	{ "version", NULL, "print the version and the libraries built in", NULL, FIELD(version),
	  .letter = 'V' },
	{ "help", NULL, "print this, or the help of a command", NULL, FIELD(help), .letter = 'h' },
	{ "init", NULL, "stay as the service's init: forward signals and reap", STARTING,
	  FIELD(init), .supervises = true },
	{ "group", NULL, "send signals to the service's process group", STARTING, FIELD(group),
	  .supervises = true, .letter = 'g' },
	{ "subreaper", NULL, "take in orphans where aweigh is not PID 1", STARTING,
	  FIELD(subreaper), .supervises = true, .letter = 's' },
	{ "warn-reaped", NULL, "say of each orphan that it was reaped", STARTING,
	  FIELD(tells_reaped), .supervises = true, .letter = 'w' },
	{ "parent-death-signal", "SIG", "get SIG when the parent dies", STARTING,
	  .take = take_death_signal, .supervises = true, .letter = 'p' },
	{ "remap", "CODE[=CODE]", "end with another status, 0 when it is not named; repeatable",
	  STARTING, .take = take_remap, .supervises = true, .letter = 'e' },
};
static_assert(LENGTH_OF(table) <= 32, "options that were given are bits");
#define HELP_COLUMN 26
#define HELP_WIDTH 80

/* Two columns; an option that does not fit into its own gets the line to itself. */
static void print_row(FILE *out, const char *left, const char *right)
{
	if (strlen(left) + 2 > HELP_COLUMN - 2)
		(void)fprintf(out, "  %s\n%*s", left, HELP_COLUMN, "");
	else
		(void)fprintf(out, "  %-*s", HELP_COLUMN - 2, left);
	escape_print_wrapped(out, right, HELP_COLUMN, HELP_WIDTH);
}

/* Behind the word run a letter is tini's. */
static bool is_run(const struct command *command)
{
	return command != NULL && strcmp(command->name, "run") == 0;
}

static bool shows_letter(const struct command *command, size_t i)
{
	bool starts = is_run(command);

	for (size_t k = i + 1; starts && k < LENGTH_OF(table); k++)
		if (table[k].letter == table[i].letter)
			return false;
	return table[i].letter != 0 && (starts || !table[i].supervises);
}

/* What they print is no verdict, for which the other formats are. */
static bool prints_two_formats(const struct command *command)
{
	return command != NULL && list_has("checks explain", ' ', command->name);
}

/* The words that an option takes stand before its help, from where they are kept. */
static void add_help(const struct option *option, const struct command *command, struct text *out)
{
	if (option->words != NULL)
		words_add(out, words_of, option->words);
	if (option->take == take_format && prints_two_formats(command))
		text_add(out, "human or json");
	else if (option->take == take_format)
		words_add(out, report_format_at, NULL);
	text_addf(out, "%s%s", out->length > 0 && option->help[0] != '\0' ? "; " : "",
	          option->help);
}

static void print_option(FILE *out, const struct command *command, size_t i)
{
	char left[64], help[256];
	struct text text = TEXT_OVER(left), right = TEXT_OVER(help);

	add_help(&table[i], command, &right);
	if (table[i].supervises && table[i].letter != 0 && !shows_letter(command, i))
		text_addf(&right, " (-%c)", table[i].letter);
	if (shows_letter(command, i))
		text_addf(&text, "-%c, ", table[i].letter);
	text_addf(&text, "--%s%s%s", table[i].name, table[i].argument == NULL ? "" : " ",
	          table[i].argument == NULL ? "" : table[i].argument);
	print_row(out, left, help);
}

static bool takes_option(const struct command *command, size_t i)
{
	return table[i].commands == NULL || list_has(table[i].commands, ' ', command->name);
}

/* `command` NULL: those of all commands. */
static void print_options(FILE *out, const struct command *command)
{
	(void)fputs("\noptions:\n", out);
	for (size_t i = 0; i < LENGTH_OF(table); i++)
		if (!table[i].supervises && (command == NULL || takes_option(command, i)))
			print_option(out, command, i);
	if (command != NULL && command->kind != COMMAND_STARTS)
		return;
	(void)fputs(
	        "\noptions of run and smoke, each implies --init; after 'run' tini's letters work:\n",
	        out);
	for (size_t i = 0; i < LENGTH_OF(table); i++)
		if (table[i].supervises)
			print_option(out, command, i);
}

void options_print_command(const struct command *command, FILE *out)
{
	(void)fprintf(out, "aweigh %s%s%s\n%s\n", command->name,
	              command->arguments[0] != '\0' ? " " : "", command->arguments, command->help);
	print_options(out, command);
	(void)fputs("\nSee aweigh help for all commands, and aweigh(1).\n", out);
}

void options_print_help(const struct command *commands, FILE *out)
{
	(void)fputs(
	        "aweigh checks that a service's Hugging Face models are aboard, then starts it.\n\n",
	        out);
	for (; commands->name != NULL; commands++) {
		(void)fprintf(out, "  aweigh %s%s%s\n%*s", commands->name,
		              commands->arguments[0] != '\0' ? " " : "", commands->arguments, 12,
		              "");
		escape_print_wrapped(out, commands->help, 12, HELP_WIDTH);
	}
	print_options(out, NULL);
	(void)fputc('\n', out);
	escape_print_wrapped(
	        out,
	        "exit status: 0 all holds (or the service's own), 64 usage, 65 a model is wrong, "
	        "66 missing, 69 not to be fetched, 70 bug, 71 system, 74 disk, 75 not to be fetched now, "
	        "76 environment, 77 permission, 78 policy, 126 and 127 COMMAND cannot start, "
	        "128+n ended by signal n. aweigh help SECTION, KEY or CODE explains a section or key "
	        "of the policy, or a finding. See aweigh(1) and aweigh-policy(5).",
	        0, HELP_WIDTH);
}

static const char *next_option(const void *context, size_t index)
{
	(void)context;
	return index < LENGTH_OF(table) ? table[index].name : NULL;
}

/* The index of one of the words, or -1 with a sentence. */
static int word_index(const char *value, const char *const *words, const char *option,
                      struct text *why)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(value, words[i]) == 0)
			return i;
	text_addf(why, "--%s %.32s: takes ", option, value);
	words_add(why, words_of, words);
	(void)words_suggest(why, value, words_of, words);
	return -1;
}

static bool take(struct options *options, const struct option *option, const char *value,
                 struct text *why)
{
	void *field = (char *)options + option->at;

	options->init |= option->supervises;
	if (option->take != NULL)
		return option->take(options, value, why);
	if (option->words != NULL) {
		*(int *)field = word_index(value, option->words, option->name, why);
		return *(int *)field >= 0;
	}
	if (option->argument != NULL)
		*(const char **)field = value;
	else
		*(bool *)field = true;
	return true;
}

/* The option that a letter means; behind `run`, tini's come first. -1: none. */
static int letter_index(char letter, bool behind_run)
{
	for (int i = (int)LENGTH_OF(table); i-- > 0;)
		if (table[i].letter == letter && (behind_run || !table[i].supervises))
			return i;
	return -1;
}

static int name_index(const char *name, size_t length)
{
	for (int i = 0; i < (int)LENGTH_OF(table); i++)
		if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
			return i;
	return -1;
}

static bool unknown(const char *word, struct text *why)
{
	char name[64] = "";
	size_t length = strcspn(word, "=");
	const char *near;

	if (word[1] == '-' && length - 2 < sizeof(name))
		memcpy(name, word + 2, length - 2);
	near = words_nearest(name, next_option, NULL);
	text_addf(why, "unknown option '%.64s'%s%s%s", word,
	          near != NULL ? "; did you mean '--" : "", near != NULL ? near : "",
	          near != NULL ? "'?" : "");
	return false;
}

/* Takes the value at hand, or the next word, which *argv then moves over. */
static bool take_with_value(struct options *options, int index, const char *value,
                            char *const **argv, struct text *why)
{
	if (table[index].once && (options->given >> index & 1) != 0) {
		text_addf(why, "--%s is there twice: name all in one list, as in --%s a,b",
		          table[index].name, table[index].name);
		return false;
	}
	if (table[index].argument != NULL && value == NULL) {
		value = **argv;
		if (value == NULL) {
			text_addf(why, "--%s needs %s", table[index].name, table[index].argument);
			return false;
		}
		(*argv)++;
	}
	options->given |= 1u << index;
	return take(options, &table[index], value, why);
}

/* -n VALUE, -nVALUE, and letters that take none together: -sgv. */
static bool parse_letters(struct options *options, const char *word, bool behind_run,
                          char *const **argv, struct text *why)
{
	for (const char *letter = word + 1; *letter != '\0'; letter++) {
		int index = letter_index(*letter, behind_run);

		if (index < 0)
			return unknown(word, why);
		if (table[index].argument != NULL)
			return take_with_value(options, index,
			                       letter[1] != '\0' ? letter + 1 : NULL, argv, why);
		if (!take_with_value(options, index, NULL, argv, why))
			return false;
	}
	return true;
}

/* --name VALUE, --name=VALUE and letters. Moves *argv over what it took. */
static bool parse_option(struct options *options, bool behind_run, char *const **argv,
                         struct text *why)
{
	const char *word = *(*argv)++;
	size_t length = strcspn(word, "=");
	int index;

	if (word[1] != '-')
		return parse_letters(options, word, behind_run, argv, why);
	index = name_index(word + 2, length - 2);
	if (index < 0)
		return unknown(word, why);
	if (table[index].argument == NULL && word[length] == '=') {
		text_addf(why, "--%s takes no value", table[index].name);
		return false;
	}
	return take_with_value(options, index, word[length] == '=' ? word + length + 1 : NULL, argv,
	                       why);
}

static const struct command *find_command(const struct options *options, const char *word)
{
	const struct command *command = options->commands;

	while (command->name != NULL && strcmp(command->name, word) != 0)
		command++;
	return command->name == NULL ? NULL : command;
}

bool options_is_command(const struct options *options, const char *word)
{
	return find_command(options, word) != NULL;
}

static const char *next_command(const void *context, size_t index)
{
	const struct command *commands = context;

	return commands[index].name;
}

static void report_stray_word(const struct options *options, const char *word, struct text *why)
{
	text_addf(why, "unknown command '%.64s'", word);
	if (!words_suggest(why, word, next_command, options->commands))
		text_add(why, "; the service's command goes behind '--'");
}

/* A word that is no option and no command: what the command is asked about, or a mistake. */
static bool take_word(struct options *options, bool named, const char *word, struct text *why)
{
	if (named && options->word == NULL &&
	    (options->command->kind == COMMAND_ASKS || options->command->kind == COMMAND_TRIES)) {
		options->word = word;
		return true;
	}
	if (named && options->command->kind == COMMAND_LISTS && options->word_count < MAX_WORDS) {
		options->words[options->word_count++] = word;
		return true;
	}
	if (named && options->command->kind != COMMAND_STARTS)
		text_addf(why, "%s takes no argument '%.64s'", options->command->name, word);
	else
		report_stray_word(options, word, why);
	return false;
}

static bool parse(struct options *options, char *const *argv, struct text *why)
{
	const struct command *command = NULL;

	while (*argv != NULL) {

		if (strcmp(*argv, "--") == 0) {
			options->service = argv[1] != NULL ? argv + 1 : NULL;
			if (options->service == NULL && options->command->kind == COMMAND_LISTS) {
				text_add(why, "no command follows --");
				return false;
			}
			break;
		}
		if (argv[0][0] == '-' && argv[0][1] != '\0') {
			if (!parse_option(options, is_run(command), &argv, why))
				return false;
			continue;
		}
		if (command == NULL && (command = find_command(options, *argv)) != NULL) {
			options->command = command;
			options->named = true;
		} else if (!take_word(options, command != NULL, *argv, why)) {
			return false;
		}
		argv++;
	}
	return true;
}

/* "--root goes with check and explain", and whom it does not. */
static void report_misfit(size_t i, const struct command *command, struct text *why)
{
	size_t length;

	text_addf(why, "--%s goes with ", table[i].name);
	for (const char *at = NULL, *name;
	     (name = list_next(table[i].commands, ' ', &at, &length)) != NULL;)
		text_addf(why, "%s%.*s",
		          name == table[i].commands ? "" :
		          name[length] == '\0'      ? " and " :
		                                      ", ",
		          (int)length, name);
	text_addf(why,
	          table[i].supervises && command->kind != COMMAND_LISTS ? ": %s starts no service" :
	                                                                  ", not with %s",
	          command->name);
}

/* What was given goes with the command, wherever it stands in the line. A question is answered whatever stands beside it. */
static bool fits_command(const struct options *options, struct text *why)
{
	bool asks = options->command->kind == COMMAND_ASKS || options->help || options->version;
	const struct report_format *format = options->format;

	if (!options->help && !options->version && prints_two_formats(options->command) &&
	    format->write != report_write_human && format->write != report_write_json) {
		text_addf(why, "%s prints human or json", options->command->name);
		return false;
	}

	for (size_t i = 0; i < LENGTH_OF(table) && !asks; i++)
		if ((options->given >> i & 1) != 0 && !takes_option(options->command, i)) {
			report_misfit(i, options->command, why);
			return false;
		}
	return true;
}

bool options_parse(struct options *options, const struct command *commands, char *const *argv,
                   struct text *why)
{
	*options = (struct options){ .command = commands,
		                     .commands = commands,
		                     .level = -1,
		                     .as = -1,
		                     .format = report_format_find("auto", 4) };
	return parse(options, *argv == NULL ? argv : argv + 1, why) && fits_command(options, why);
}

bool options_parse_rest(struct options *options, struct text *why)
{
	char *const *rest = options->service;

	options->service = NULL;
	options->init = false;
	/* ENTRYPOINT ["/aweigh", "run", "--init", "--"]: now nothing is started */
	options->given = 0;
	return parse(options, rest, why) && fits_command(options, why);
}
