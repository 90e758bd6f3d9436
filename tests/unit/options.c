/* SPDX-License-Identifier: Apache-2.0 */
/* entry/options.h: what a command line means, and what of it is a mistake. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "names.h"
#include "options.h"
#include "util.h"

static const struct command commands[] = {
	{ "run", "[options] -- COMMAND [ARG...]", "checks and starts", NULL, COMMAND_STARTS },
	{ "check", "[options]", "checks", NULL, COMMAND_LOOKS },
	{ "help", "[WORD]", "explains", NULL, COMMAND_ASKS },
	{ NULL, NULL, NULL, NULL, COMMAND_LOOKS },
};

#define LINE(...) ((char *const[]){ (char[]){ "aweigh" }, __VA_ARGS__, NULL })
#define W(word) ((char[]){ word })

static char said[512];

static bool parse(struct options *options, char *const *line)
{
	struct text why = TEXT_OVER(said);

	said[0] = '\0';
	return options_parse(options, commands, line, &why);
}

static void values_come_behind_or_beside(void **state)
{
	struct options options;

	(void)state;
	assert_true(parse(&options,
	                  LINE(W("check"), W("--policy"), W("a.ini"), W("--only=x,y"), W("-q"))));
	assert_string_equal(options.command->name, "check");
	assert_string_equal(options.policy, "a.ini");
	assert_string_equal(options.only, "x,y");
	assert_true(options.quiet);
	assert_true(parse(&options, LINE(W("-pa.ini"), W("--verify"), W("digest"), W("--report"),
	                                 W("json=/tmp/x"))));
	assert_string_equal(options.policy, "a.ini");
	assert_int_equal(options.level, LEVEL_DIGEST);
	assert_int_equal(options.report_count, 1);
	assert_string_equal(options.reports[0].file, "/tmp/x");
	assert_string_equal(options.command->name, "run"); /* the first is the default */
	assert_null(options.service);
}

static void what_stands_behind_two_dashes_is_the_services(void **state)
{
	struct options options;

	(void)state;
	assert_true(parse(&options, LINE(W("-v"), W("--"), W("python"), W("--policy"), W("-q"))));
	assert_true(options.verbose && !options.quiet);
	assert_string_equal(options.service[0], "python");
	assert_string_equal(options.service[1], "--policy");
	assert_null(options.policy);
}

static void tinis_letters_mean_tinis_options_behind_run_alone(void **state)
{
	struct options options;

	(void)state;
	assert_true(parse(&options, LINE(W("run"), W("-sg"), W("-p"), W("SIGTERM"), W("-e"),
	                                 W("143"), W("--"), W("a"))));
	assert_true(options.init && options.group && options.subreaper);
	assert_int_equal(options.death_signal, SIGTERM);
	assert_true(options.remap[143].given && options.remap[143].to == 0);
	assert_false(parse(&options, LINE(W("run"), W("-p"), W("policy.ini"))));
	assert_non_null(strstr(said, "--policy"));
	assert_false(parse(&options, LINE(W("check"), W("--init"))));
	assert_non_null(strstr(said, "--init goes with run and smoke: check starts no service"));
}

static void mistakes_have_a_sentence(void **state)
{
	static const struct {
		char words[2][24];
		const char *sentence;
	} cases[] = {
		{ { "chekc", "" }, "unknown command 'chekc'; did you mean 'check'?" },
		{ { "--polcy", "" }, "did you mean '--policy'" },
		{ { "--policy", "" }, "--policy needs FILE" },
		{ { "--quiet=yes", "" }, "takes no value" },
		{ { "--verify", "digests" }, "takes presence, size, structure or digest" },
		{ { "--format", "jsonl" }, "unknown format 'jsonl'" },
		{ { "--report", "json" }, "--report takes FMT=FILE" },
		{ { "--remap", "256" }, "takes an exit status" },
		{ { "check", "model" }, "check takes no argument 'model'" },
		{ { "-Z", "" }, "unknown option '-Z'" },
		{ { "--root", "/" }, "--root goes with check, draft and explain, not with run" },
		{ { "--", "" }, NULL }, /* no command behind it: run says so itself */
	};
	struct options options;

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		char first[24], second[24], *line[] = { first, first, second, NULL };

		memcpy(first, cases[i].words[0], sizeof(first));
		memcpy(second, cases[i].words[1], sizeof(second));
		line[2] = second[0] == '\0' ? NULL : second;
		assert_int_equal(parse(&options, line), cases[i].sentence == NULL);
		if (cases[i].sentence != NULL && strstr(said, cases[i].sentence) == NULL)
			fail_msg("%s: %s", first, said);
	}
}

static void words_for_the_service_may_be_ours(void **state)
{
	struct options options;
	char why[256];
	struct text text = TEXT_OVER(why);

	(void)state;
	assert_true(parse(&options, LINE(W("--init"), W("--"), W("check"), W("-q"))));
	assert_true(options_is_command(&options, "check"));
	assert_false(options_is_command(&options, "python"));
	assert_true(options_parse_rest(&options, &text));
	assert_string_equal(options.command->name, "check");
	assert_true(options.quiet && !options.init && options.service == NULL);
}

/* No line of the help is longer than a terminal, none ends in a blank, and every option stands there once. */
static void help_has_its_columns(void **state)
{
	char *help = NULL, *line;
	size_t size = 0;
	FILE *out = open_memstream(&help, &size);

	(void)state;
	assert_non_null(out);
	options_print_help(commands, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(help, "--parent-death-signal SIG\n"));
	assert_ptr_equal(strstr(help, "--policy FILE"),
	                 strstr(strstr(help, "-p, "), "--policy FILE"));
	for (line = strtok(help, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (strlen(line) > 100 || line[strlen(line) - 1] == ' ')
			fail_msg("'%s'", line);
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_behind_or_beside),
		cmocka_unit_test(what_stands_behind_two_dashes_is_the_services),
		cmocka_unit_test(tinis_letters_mean_tinis_options_behind_run_alone),
		cmocka_unit_test(mistakes_have_a_sentence),
		cmocka_unit_test(words_for_the_service_may_be_ours),
		cmocka_unit_test(help_has_its_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
