/* SPDX-License-Identifier: Apache-2.0 */
/* Help where no manual is: from the tables of commands, options, keys and findings. */
#include <string.h>

#include "base/text.h"
#include "base/words.h"
#include "commands/commands.h"
#include "engine/findings.h"
#include "policy/keys.h"
#include "policy/rows.h"
#include "report/catalogue.h"
#include "report/complain.h"
#include "util.h"

/* "SECTION.KEY" of a key; a section's own name may have a blank, and model's keys stand for [model NAME]. */
static const char *key_name(unsigned id, char out[static 64])
{
	struct text text = text_over(out, 64);

	text_addf(&text, "%s.%s", policy_section_names[policy_keys[id].section],
	          policy_keys[id].name);
	return out;
}

static bool help_command(const struct command *commands, const char *word)
{
	for (; commands->name != NULL; commands++)
		if (strcmp(commands->name, word) == 0) {
			options_print_command(commands, stdout);
			return true;
		}
	return false;
}

static void print_key(unsigned id)
{
	const struct key *key = &policy_keys[id];
	char sentence[512];
	struct text expected = TEXT_OVER(sentence);

	key_expects(key, &expected);
	(void)printf("[%s%s] %s\n    %s\n", policy_section_names[key->section],
	             key->section == SECTION_MODEL ? " NAME" : "", key->name, key->help);
	if (expected.length > 0)
		(void)printf("    expects: %s\n", sentence);
	if (key->initial[0] != '\0')
		(void)printf("    default: %s\n", key->initial);
}

/* A key by its whole name, or by its own where several sections may have it. */
static bool help_key(const char *word)
{
	bool any = false;
	char name[64];

	for (unsigned i = 0; i < KEY_COUNT; i++)
		if (strcmp(key_name(i, name), word) == 0 ||
		    strcmp(policy_keys[i].name, word) == 0) {
			print_key(i);
			any = true;
		}
	return any;
}

static void print_row_kind(const struct row_kind *kind)
{
	(void)printf("[%s] %s\n    %s\n    expects: %s\n", policy_section_names[kind->section],
	             kind->name, kind->help, kind->expects);
}

/* Whether the word begins with the section's name, a point standing for its blank; *rest is what follows the next point. */
static bool is_of_section(const char *word, enum key_section section, const char **rest)
{
	const char *name = policy_section_names[section];
	size_t length = strlen(name);

	if (section == SECTION_MODEL && strcmp(word, "model NAME") == 0)
		word = name;
	for (size_t i = 0; i < length; i++)
		if (word[i] != name[i] && !(word[i] == '.' && name[i] == ' '))
			return false;
	*rest = word + length + (word[length] == '.');
	return word[length] == '.' || word[length] == '\0';
}

/* Whether the word is a row's name up to the user's own part: remap, free./data, NAME. */
static bool names_row(const char *word, const char *name)
{
	size_t fixed = strcspn(name, ".");

	return name[fixed] == '\0' ||
	       (strncmp(word, name, fixed) == 0 && (word[fixed] == '\0' || word[fixed] == '.'));
}

/* A section whole, or a row of it: severity, environment.set, service.remap, remap. */
static bool help_section(const char *word)
{
	const char *rest = word;
	bool any = false;

	for (unsigned i = 0; i < KEY_COUNT; i++)
		if (is_of_section(word, policy_keys[i].section, &rest) && rest[0] == '\0') {
			print_key(i);
			any = true;
		}
	for (size_t i = 0; i < row_kind_count; i++) {
		const struct row_kind *kind = &row_kinds[i];
		bool in = is_of_section(word, kind->section, &rest);

		if ((in && (rest[0] == '\0' || names_row(rest, kind->name))) ||
		    (!in && strchr(kind->name, '.') != NULL && names_row(word, kind->name))) {
			print_row_kind(kind);
			any = true;
		}
	}
	return any;
}

static bool is_section(const char *word)
{
	for (size_t i = 0; i < SECTION_COUNT; i++)
		if (strcmp(policy_section_names[i], word) == 0)
			return true;
	return false;
}

static bool help_finding(const char *word)
{
	enum finding_id id = finding_find(word);

	if (id == FINDING_COUNT)
		return false;
	catalogue_print(id, stdout);
	return true;
}

/* All words that help knows, one after the other. */
struct known {
	const struct command *commands;
	char keys[KEY_COUNT][64];
};

static const char *next_word(const void *context, size_t index)
{
	const struct known *known = context;
	size_t commands = 0;

	while (known->commands[commands].name != NULL)
		commands++;
	if (index < commands)
		return known->commands[index].name;
	index -= commands;
	if (index < KEY_COUNT)
		return known->keys[index];
	index -= KEY_COUNT;
	if (index < SECTION_COUNT)
		return policy_section_names[index];
	index -= SECTION_COUNT;
	return finding_code_at(NULL, index);
}

static int report_unknown(const struct run *run, const char *word)
{
	struct known known = { .commands = run->options.commands };
	char sentence[256];
	struct text text = TEXT_OVER(sentence);

	for (unsigned i = 0; i < KEY_COUNT; i++)
		(void)key_name(i, known.keys[i]);
	text_addf(&text, "help knows no command, section, key or finding '%.64s'", word);
	(void)words_suggest(&text, word, next_word, &known);
	return complain(STATUS_USAGE, sentence);
}

int command_help(struct run *run)
{
	const struct options *options = &run->options;
	const char *word = options->word;

	/* `fetch --help`: about the command that was named. */
	if (options->help && word == NULL && options->command->run != command_help &&
	    options->named)
		word = options->command->name;
	if (word == NULL) {
		options_print_help(options->commands, stdout);
		(void)puts("sections of the policy:");
		for (size_t i = 0; i < SECTION_COUNT; i++)
			(void)printf("  [%s%s]\n", policy_section_names[i],
			             i == SECTION_MODEL ? " NAME" : "");
	} else if (help_command(options->commands, word)) {
		if (!options->help && is_section(word)) { /* `help fetch` may mean both */
			(void)printf("\nthe section [%s] of the policy:\n", word);
			(void)help_section(word);
		}
	} else if (!help_key(word) && !help_finding(word) && !help_section(word)) {
		return report_unknown(run, word);
	}
	return STATUS_OK;
}
