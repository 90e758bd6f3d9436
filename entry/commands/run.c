/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/output.h"
#include "gate/refetch.h"
#include "gate/verdict.h"
#include "launch/command.h"
#include "launch/launch.h"
#include "process/child.h"
#include "report/complain.h"
#include "util.h"

static bool stays_as_init(const struct gate *gate)
{
	return gate->options->init || gate->policy.init;
}

/* What the command line says goes before what the policy says. */
static struct supervision supervision_for(const struct gate *gate)
{
	const struct options *options = gate->options;
	struct supervision set;

	supervision_init(&set, &gate->policy);
	set.to_group |= options->group;
	set.subreaper = options->subreaper;
	set.tells_reaped = options->tells_reaped;
	set.death_signal = (uint8_t)options->death_signal;
	for (size_t i = 0; i < LENGTH_OF(options->remap); i++)
		if (options->remap[i].given)
			set.remap[i] = options->remap[i].to;
	return set;
}

enum status command_launch(struct run *run, struct gate *gate, int observe_fd, struct text *why)
{
	struct supervision supervision = supervision_for(gate);
	struct launch launch = { .argv = run->options.service,
		                 .environment = &gate->env,
		                 .who = &gate->who,
		                 .signals = &run->signals,
		                 .policy = &gate->policy,
		                 .limits = &gate->limits,
		                 .observe_fd = observe_fd,
		                 .dies_with = run->watched,
		                 .supervision = stays_as_init(gate) ? &supervision : NULL };

	if (run->watched != 0)
		supervision.death_signal = SIGKILL;
	return launch_exec(&launch, why);
}

struct look {
	const char *word;
	const struct environment *environment;
};

/* In a child: PATH may lead into a volume that does not answer. */
static void look_for_program(void *context, int pipe_fd)
{
	const struct look *look = context;
	char path[MAX_PATH_BYTES];
	bool there =
	        command_find(look->word, look->environment, path, sizeof(path)) || errno != ENOENT;

	(void)write_whole(pipe_fd, &there, sizeof(there));
	_exit(0);
}

/* Whether the image has no program of the name; false as well where that is not to be known in time. */
static bool has_no_program(struct run *run, struct look *look)
{
	struct pollfd ready[] = { { .events = POLLIN },
		                  { .fd = run->signals.fd, .events = POLLIN } };
	struct child child;
	bool there = true;

	if (child_start(&child, look_for_program, look) < 0)
		return false;
	ready[0].fd = child.pipe_fd;
	(void)poll(ready, LENGTH_OF(ready), (int)PATIENCE_MS);
	if (ready[0].revents == 0 || read(child.pipe_fd, &there, sizeof(there)) != 1)
		there = true;
	child_end(&child);
	return !there;
}

/*
 * With ENTRYPOINT ["/aweigh", "--"], `docker run IMAGE check -v` arrives as `aweigh -- check -v`: a word
 * that is a command or an option of ours and no program of the image means ours.
 */
static bool is_ours(struct run *run, const struct environment *environment)
{
	const char *word = run->options.service[0];

	return (word[0] == '-' || options_is_command(&run->options, word)) &&
	       strchr(word, '/') == NULL &&
	       has_no_program(run, &(struct look){ word, environment });
}

static int run_ours(struct run *run)
{
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	if (options_parse_rest(&run->options, &why))
		return command_dispatch(run);
	(void)complain(STATUS_USAGE, sentence);
	return STATUS_USAGE;
}

static enum status judge_and_launch(struct run *run, struct gate *gate, struct text *why)
{
	enum status status =
	        gate_judge(gate, &run->options, &run->signals, run->environ, FETCHING_BY_MODE, why);

	if (status != STATUS_OK)
		return status;
	gate_tell_models(gate);
	if (stays_as_init(gate) && getpid() != 1 && !run->options.subreaper)
		gate_raise(
		        gate, FINDING_SERVICE_REAPER, gate->policy.said[KEY_INIT].line,
		        "aweigh stays as init at pid %d, so orphans of the service go to another process",
		        (int)getpid());
	if (stays_as_init(gate) && environment_get(&gate->env, "NOTIFY_SOCKET") != NULL)
		gate_raise(
		        gate, FINDING_SERVICE_NOTIFY, gate->policy.said[KEY_INIT].line,
		        "what the service says to NOTIFY_SOCKET comes from a child of aweigh's: it counts with NotifyAccess=all alone");
	if (!stays_as_init(gate) && getpid() == 1)
		gate_raise(
		        gate, FINDING_SERVICE_INIT, 0,
		        "aweigh is PID 1, and the service takes its place: a SIGTERM that it does not handle is lost");
	status = gate_report(gate, STDERR_FILENO);
	if (status > STATUS_SIGNAL) /* nobody has to read it for the service to start */
		return status;
	if (gate->report.status != STATUS_OK && gate->report.enforced)
		return gate->report.status;
	status = command_launch(run, gate, -1, why);
	if (status < STATUS_SIGNAL)
		gate_report_again(gate, status, why->at);
	return status;
}

int command_run(struct run *run)
{
	const struct environment given = environment_over(run->environ);

	if (run->options.service == NULL)
		return complain(
		        STATUS_USAGE,
		        "run needs the service's command: aweigh [options] -- COMMAND [ARG...]; aweigh help says what else there is");
	if (is_ours(run, &given))
		return run_ours(run);
	return command_with_gate(run, judge_and_launch);
}
