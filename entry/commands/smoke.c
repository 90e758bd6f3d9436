/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/output.h"
#include "gate/refetch.h"
#include "gate/verdict.h"
#include "report/complain.h"
#include "service/target.h"
#include "service/watch.h"
#include "util.h"

struct smoke {
	struct run *run;
	struct gate *gate;
};

static int start(void *context, struct text *why)
{
	struct smoke *smoke = context;

	return (int)command_launch(smoke->run, smoke->gate, why);
}

/* Every `ready` is looked at before the service is. */
static bool check_targets(struct gate *gate)
{
	const struct policy *policy = &gate->policy;
	uint32_t line = policy->said[KEY_READY].line;
	bool ends = false, well = policy->ready.count > 0;

	if (!well)
		gate_raise(gate, FINDING_POLICY_VALUE, 0,
		           "smoke needs to know when the service is ready: [service] ready");
	if (policy->ready.count > MAX_READY_TARGETS) {
		well = false;
		gate_raise(gate, FINDING_POLICY_VALUE, line, "ready has more than %u elements",
		           MAX_READY_TARGETS);
	}
	for (size_t i = 0; well && i < policy->ready.count; i++) {
		char sentence[512];
		struct text why = TEXT_OVER(sentence);
		struct target target;

		if (!target_parse(&target, policy->ready.items[i], gate->options->allow_remote,
		                  &why)) {
			well = false;
			gate_raise(gate, FINDING_POLICY_VALUE, line, "ready: %s", sentence);
		}
		ends = ends || target.kind == TARGET_EXIT;
	}
	if (well && ends && policy->ready.count > 1) {
		well = false;
		gate_raise(gate, FINDING_POLICY_VALUE, line,
		           "ready: a command that must end by itself (exit) answers nothing else");
	}
	return well;
}

/* A datagram socket with an abstract address, so that no file is left. -1: not wanted, or not to be had. */
static int open_notify(struct gate *gate)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];
	struct text text = TEXT_OVER(name);
	bool wanted = false;
	int fd;

	for (size_t i = 0; i < gate->policy.ready.count; i++)
		wanted = wanted || strcmp(gate->policy.ready.items[i], "notify") == 0;
	if (!wanted)
		return -1;
	text_addf(&text, "@aweigh-smoke-%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, text.length - 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    bind(fd, (const struct sockaddr *)&address,
	         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + text.length)) == 0 &&
	    service_environ_set(&gate->service, "NOTIFY_SOCKET", name, ORIGIN_SET) == 0)
		gate->env = service_environ_view(&gate->service);
	return fd;
}

/* What was seen, for the report. */
static void keep(struct gate *gate, const struct watched *seen, bool wrong)
{
	struct report_service *service = &gate->report.service;
	size_t room = LENGTH_OF(seen->last), count = seen->lines < room ? seen->lines : room;

	*service = (struct report_service){ .looked_at = true,
		                            .ready = seen->ready,
		                            .first_output_ms = seen->first_output_ms,
		                            .ready_ms = seen->ready_ms,
		                            .stop_ms = seen->stop_ms,
		                            .end_ms = seen->end_ms,
		                            .status = seen->status,
		                            .memory_bytes = seen->memory_bytes,
		                            .lines = seen->lines };
	for (size_t i = 0; wrong && i < count; i++)
		service->last[i] =
		        report_keep(&gate->report, seen->last[(seen->lines - count + i) % room]);
}

static void raise_end(struct gate *gate, const struct watched *seen)
{
	bool by_signal = WIFSIGNALED(seen->status);
	int number = by_signal ? WTERMSIG(seen->status) : WEXITSTATUS(seen->status);
	const char *last = seen->lines == 0 ? "it said nothing" :
	                                      seen->last[(seen->lines - 1) % LENGTH_OF(seen->last)];

	if (seen->ready)
		gate_raise(gate, FINDING_SERVICE_DIED, gate->policy.said[KEY_SETTLE].line,
		           "ended %s %d, %llu ms after it was ready; its last line: %s",
		           by_signal ? "by signal" : "with status", number,
		           (unsigned long long)(seen->end_ms - seen->ready_ms), last);
	else
		gate_raise(gate, FINDING_SERVICE_DIED, gate->policy.said[KEY_READY].line,
		           "ended %s %d after %llu ms, before it was ready; its last line: %s",
		           by_signal ? "by signal" : "with status", number,
		           (unsigned long long)seen->end_ms, last);
}

static void raise_log(struct gate *gate, const struct watched *seen)
{
	const struct policy *policy = &gate->policy;

	if (seen->forbidden != NULL)
		gate_raise(gate, FINDING_SERVICE_LOG, policy->said[KEY_LOG_FORBID].line,
		           "line %llu of %s, after %llu ms, is forbidden (%.200s): %s",
		           (unsigned long long)seen->number, seen->stream,
		           (unsigned long long)seen->line_ms, seen->forbidden, seen->line);
	for (size_t i = 0; seen->ready && i < policy->log_expect.count; i++)
		if ((seen->expected >> i & 1) == 0)
			gate_raise(gate, FINDING_SERVICE_LOG, policy->said[KEY_LOG_EXPECT].line,
			           "no line of its output holds %.200s",
			           policy->log_expect.items[i]);
}

/* Whether the service ended where smoke did not ask it to. */
static bool ended_by_itself(const struct gate *gate, const struct watched *seen)
{
	bool exits = strcmp(gate->policy.ready.items[0], "exit") == 0;

	if (exits)
		return !seen->ready && seen->ended && seen->stop_ms == 0;
	return seen->ended && !seen->settled && seen->forbidden == NULL && seen->stop == 0 &&
	       (seen->ready || seen->end_ms < gate->policy.ready_within_ms);
}

static void judge(struct gate *gate, const struct watched *seen)
{
	size_t before = gate->report.count;
	bool died = ended_by_itself(gate, seen);

	if (died)
		raise_end(gate, seen);
	else if (!seen->ready && seen->forbidden == NULL)
		gate_raise(gate, FINDING_SERVICE_NOT_READY,
		           gate->policy.said[KEY_READY_WITHIN].line,
		           "was not ready within %llu ms: %s",
		           (unsigned long long)gate->policy.ready_within_ms,
		           seen->why[0] != '\0' ? seen->why : "what ready names was not seen");
	raise_log(gate, seen);
	if (seen->killed)
		gate_raise(gate, FINDING_SERVICE_STOP_SLOW, gate->policy.said[KEY_STOP_WITHIN].line,
		           "did not end within %llu ms of SIGTERM, and was killed",
		           (unsigned long long)gate->policy.stop_within_ms);
	keep(gate, seen, gate->report.count > before);
	gate_raise(
	        gate, FINDING_SERVICE_UNOBSERVED, 0,
	        "its system calls were not observed: what it opened and connected to is not told");
}

static enum status watch(struct smoke *smoke, struct text *why)
{
	struct gate *gate = smoke->gate;
	struct watch watch = { .policy = &gate->policy,
		               .signals = &smoke->run->signals,
		               .start = start,
		               .context = smoke,
		               .notify_fd = open_notify(gate) };
	CLEANUP(cleanup_free) struct watched *seen = calloc(1, sizeof(*seen));
	int error = seen == NULL ? -ENOMEM : watch_service(&watch, seen);

	cleanup_fd(&watch.notify_fd);
	if (error != 0) {
		text_addf(why, "the service cannot be started: %s", strerror(-error));
		return STATUS_SYSTEM;
	}
	if (seen->refused != 0) {
		text_add(why, seen->why);
		return (enum status)seen->refused;
	}
	if (seen->stop != 0)
		return (enum status)(STATUS_SIGNAL + seen->stop);
	judge(gate, seen);
	return STATUS_OK;
}

static enum status smoke_service(struct run *run, struct gate *gate, struct text *why)
{
	struct smoke smoke = { run, gate };
	enum status status =
	        gate_judge(gate, &run->options, &run->signals, run->environ, FETCHING_BY_MODE, why);
	bool targets;

	if (status != STATUS_OK)
		return status;
	gate_tell_models(gate);
	targets = check_targets(gate);
	if (!targets)
		gate->report.enforced = true;
	else if (gate->report.status == STATUS_OK || !gate->report.enforced)
		status = watch(&smoke, why);
	if (status != STATUS_OK)
		return status;
	status = gate_report(gate, STDERR_FILENO);
	return status != STATUS_OK ? status : gate->report.status;
}

int command_smoke(struct run *run)
{
	if (run->options.service == NULL)
		return complain(
		        STATUS_USAGE,
		        "smoke needs the service's command: aweigh smoke [options] -- COMMAND [ARG...]");
	return command_with_gate(run, smoke_service);
}
