/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/confinement.h"
#include "gate/refetch.h"
#include "launch/launch.h"
#include "engine/raised.h"
#include "util.h"

static bool stays_as_init(const struct gate *gate)
{
	return gate->options->init || gate->policy.set[KEY_INIT].number != 0;
}

/* What the command line says goes before what the policy says. */
static struct supervision supervision_for(const struct gate *gate)
{
	const struct options *options = gate->options;
	struct supervision set;

	supervision_init(&set, &gate->policy);
	set.to_group |= options->group;
	set.subreaper = options->subreaper;
	set.death_signal = (uint8_t)options->death_signal;
	for (size_t i = 0; i < LENGTH_OF(options->remap); i++)
		if (options->remap[i].given)
			set.remap[i] = options->remap[i].to;
	return set;
}

static int launch(struct run *run, struct gate *gate)
{
	struct supervision supervision = supervision_for(gate);
	char sentence[2 * MAX_PATH_BYTES];
	struct text why = TEXT_OVER(sentence);
	struct launch launch = { .argv = run->options.service,
		                 .environment = &gate->env,
		                 .who = &gate->who,
		                 .signals = &run->signals,
		                 .policy = &gate->policy,
		                 .limits = &gate->limits,
		                 .supervision = stays_as_init(gate) ? &supervision : NULL };
	enum status status = launch_exec(&launch, &why);

	return status > STATUS_SIGNAL ? (int)status : complain(status, sentence);
}

/*
 * With ENTRYPOINT ["/aweigh", "--"], `docker run IMAGE check` arrives as `aweigh -- check`: a word that
 * is a command of ours and no program of the image means ours.
 */
static bool is_our_command(struct run *run, const struct environment *environment)
{
	char path[MAX_PATH_BYTES];

	if (run->options.service[1] != NULL ||
	    launch_find(run->options.service[0], environment, path, sizeof(path)))
		return false;
	return options_use_command(&run->options, run->options.service[0]) &&
	       run->options.command != COMMAND_RUN;
}

int command_run(struct run *run)
{
	struct gate *gate;
	char sentence[1024];
	struct text why = TEXT_OVER(sentence);
	struct environment given = { (const char *const *)run->environ, 0 };
	enum status status;
	int result;

	if (run->options.service == NULL)
		return complain(
		        STATUS_USAGE,
		        "run needs the service's command: aweigh [options] -- COMMAND [ARG...]");
	if (run->options.root != NULL || run->options.user != NULL)
		return complain(
		        STATUS_USAGE,
		        "--root and --user go with check and explain: a service runs in its own file system, as its policy says");
	while (given.rows[given.count] != NULL)
		given.count++;
	if (is_our_command(run, &given))
		return run->options.command == COMMAND_CHECK ?
		               command_check(run) :
		       run->options.command == COMMAND_FETCH ?
		               command_fetch(run) :
		       run->options.command == COMMAND_EXPLAIN ?
		               command_explain(run) :
		       run->options.command == COMMAND_CHECKS ?
		               command_checks(run) :
		               complain(STATUS_USAGE, "this command comes with a later version");
	gate = calloc(1, sizeof(*gate));
	if (gate == NULL)
		return complain(STATUS_SYSTEM, "out of memory");
	status = gate_prepare(gate, &run->options, &run->signals, run->environ, &why);
	if (status == STATUS_OK && gate->policy.error_count == 0)
		status = gate_inspect(gate);
	if (status == STATUS_OK && gate->policy.error_count == 0)
		status = gate_fetch(gate, false);
	if (status == STATUS_OK && gate_export(gate) < 0)
		status = STATUS_SYSTEM;
	if (status != STATUS_OK) {
		result = status > STATUS_SIGNAL ?
		                 (int)status :
		                 complain(status,
		                          why.length > 0 ?
		                                  sentence :
		                                  "the inspector or the fetcher cannot be started");
	} else {
		gate_confine(gate);
		gate_tell_models(gate, false);
		if (stays_as_init(gate) && getpid() != 1 && !run->options.subreaper)
			gate_raise(
			        gate, RAISED_SERVICE_REAPER, gate->policy.set[KEY_INIT].line,
			        "aweigh stays as init at pid %d, so orphans of the service go to another process",
			        (int)getpid());
		status = gate_report(gate, STDERR_FILENO);
		if (status != STATUS_OK)
			result = (int)status;
		else if (gate->report.status != STATUS_OK && gate->report.enforced)
			result = (int)gate->report.status;
		else
			result = launch(run, gate);
	}
	gate_release(gate);
	free(gate);
	return result;
}
