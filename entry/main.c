/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bounds.h"
#include "commands/commands.h"
#include "confine/caps.h"
#include "launch/init.h"
#include "report/complain.h"
#include "util.h"

extern char **environ;

static const struct command commands[] = {
#define COMMAND(name, kind, arguments, help)                                                       \
	{ #name, arguments, help, command_##name, COMMAND_##kind },
#ifdef AWEIGH_NO_FETCH
#define FETCH_COMMAND(name, kind, arguments, help)                                                 \
	{ #name, "", "not in this build (FETCH=no)", command_none, COMMAND_ASKS },
#endif
#include "commands/commands.def"
	{ NULL, NULL, NULL, NULL, COMMAND_LOOKS },
};

/* A missing standard stream would be whatever is opened next. For the service they are missing again (O_CLOEXEC). */
static void hold_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0) /* an image without devices */
			fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

/* With less it would end by a signal, or by an error that names a file. */
static bool has_room(struct text *why)
{
	static const struct {
		int resource;
		rlim_t least;
		const char *words;
	} limits[] = {
		{ RLIMIT_NOFILE, MIN_OPEN_FILES,
		  "open files (RLIMIT_NOFILE: ulimit -n, docker run --ulimit nofile)" },
		{ RLIMIT_STACK, MIN_STACK_BYTES, "bytes of stack (RLIMIT_STACK: ulimit -s)" },
	};
	struct rlimit limit;

	for (size_t i = 0; i < LENGTH_OF(limits); i++)
		if (getrlimit(limits[i].resource, &limit) == 0 &&
		    limit.rlim_cur < limits[i].least) {
			text_addf(why, "%llu %s are too few: aweigh needs %llu",
			          (unsigned long long)limit.rlim_cur, limits[i].words,
			          (unsigned long long)limits[i].least);
			return false;
		}
	return true;
}

int main(int argc, char **argv)
{
	struct run run = { .environ = environ };
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	hold_streams();
	/* Anybody would be root by a policy of his own, or signal as root by a supervision of his own: before either is read. */
	if (getuid() != geteuid() || getgid() != getegid() || capabilities_came_with_the_file())
		return complain(
		        STATUS_PERMISSION,
		        "aweigh is not to be set-user-id or set-group-id, nor to have file capabilities: chmod ug-s and setcap -r it, and start it as root");
	init_resume(argv);
	if (signals_init(&run.signals) < 0)
		return complain(STATUS_SYSTEM, "signals cannot be blocked");
	if (argc < 1 || !options_parse(&run.options, commands, argv, &why)) {
		(void)complain(STATUS_USAGE, sentence);
		(void)fputs("try 'aweigh --help'\n", stderr);
		return STATUS_USAGE;
	}
	if (run.options.command->kind != COMMAND_ASKS &&
	    run.options.command->kind != COMMAND_TRIES && !has_room(&why))
		return complain(STATUS_SYSTEM, sentence);
	return command_dispatch(&run);
}
