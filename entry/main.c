/* SPDX-License-Identifier: Apache-2.0 */
#include "commands/commands.h"
#include "launch/init.h"
#include "util.h"
#include "version.h"

extern char **environ;

int complain(enum status status, const char *sentence)
{
	(void)fprintf(stderr, "aweigh: %s\n", sentence);
	return (int)status;
}

static int print_version(void)
{
	(void)printf("aweigh %s\n", AWEIGH_VERSION);
	libraries_print(stdout);
	return fflush(stdout) != 0 ? STATUS_IO : STATUS_OK;
}

int main(int argc, char **argv)
{
	struct run run = { .environ = environ };
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	init_resume(argv);
	if (signals_init(&run.signals) < 0)
		return complain(STATUS_SYSTEM, "signals cannot be blocked");
	if (argc < 1 || !options_parse(&run.options, argv, &why)) {
		(void)complain(STATUS_USAGE, sentence);
		(void)fputs("try 'aweigh --help'\n", stderr);
		return STATUS_USAGE;
	}
	if (run.options.version)
		return print_version();
	if (run.options.help) {
		options_print_help(stdout);
		return fflush(stdout) != 0 ? STATUS_IO : STATUS_OK;
	}
	switch (run.options.command) {
	case COMMAND_RUN:
		return command_run(&run);
	case COMMAND_CHECK:
		return command_check(&run);
	case COMMAND_FETCH:
		return command_fetch(&run);
	case COMMAND_EXPLAIN:
		return command_explain(&run);
	case COMMAND_CHECKS:
		return command_checks(&run);
	case COMMAND_LATER:
		break;
	}
	return complain(STATUS_USAGE, "this command comes with a later version");
}
