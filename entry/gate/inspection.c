/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/inspection.h"

#include <string.h>
#include <sys/stat.h>

#include "confine/caps.h"
#include "confine/identity.h"
#include "gate/verdict.h"
#include "inspector.h"
#include "launch/command.h"
#include "process/clock.h"
#include "report/hashing.h"
#include "util.h"

static void take_model(struct gate *gate, const struct record *record)
{
	struct report_model *model = &gate->report.models[record->model];

	model->seen = true;
	model->found = record->path[0] != '\0';
	model->files = record->files;
	model->bytes = record->bytes;
	model->level = (uint8_t)record->level;
	memcpy(model->commit, record->commit, sizeof(model->commit));
}

static void take_record(void *context, const struct record *record)
{
	struct gate *gate = context;

	if (record->type == RECORD_FINDING) {
		if (record->kind == FINDING_CONFINE_UNAVAILABLE)
			gate->report.landlock = report_keep(&gate->report, record->message);
		if (record->kind == FINDING_CONFINE_IDENTITY)
			gate->report.exact = false;
		(void)gate_add_finding(gate, record);
	} else if (record->type == RECORD_MODEL) {
		take_model(gate, record);
	} else if (record->type == RECORD_PROGRESS) {
		gate->hashing_drawn |= hash_progress(record, gate->options->quiet);
	}
}

static struct inspection inspection_of(struct gate *gate)
{
	return (struct inspection){
		.policy = &gate->policy,
		.tree = &gate->tree,
		.env = &gate->env,
		.given = &gate->given,
		.who = &gate->who,
		.users = &gate->users,
		.hub_cache = gate->hub_cache_origin != NULL ? gate->hub_cache : NULL,
		.hub_cache_origin = gate->hub_cache_origin,
		.working_directory = gate->working_directory,
		.mode = gate->policy.mode,
	};
}

static void run_inspector(void *context, int pipe_fd)
{
	struct gate *gate = context;
	struct inspection inspection = inspection_of(gate);

	inspector_run(&inspection, &gate->tree, pipe_fd);
}

static void raise_ending(struct gate *gate, const struct child *child, const struct task *task)
{
	char sentence[256];
	struct text text = TEXT_OVER(sentence);

	if (child->ending == CHILD_DEADLINE) {
		gate_raise(gate, FINDING_GATE_DEADLINE, gate->policy.said[KEY_DEADLINE].line,
		           "the %s did not finish within %llu ms", task->who,
		           (unsigned long long)gate->policy.deadline_ms);
		return;
	}
	child_explain(child, task->who, &text);
	if (text.length > 0)
		gate_raise(gate, task->trouble, 0, "%s", sentence);
}

enum status gate_run_task(struct gate *gate, const struct task *task, bool *well, struct text *why)
{
	struct child_limits limits = { .signals = gate->signals,
		                       .deadline_ns = gate->deadline_ns,
		                       .models = gate->policy.model_count };
	struct child child;
	int error = child_start(&child, task->run, task->context);

	if (error < 0) {
		text_addf(why, "the %s cannot be started: %s", task->who, strerror(-error));
		return error == -EAGAIN ? STATUS_TEMPORARY : STATUS_SYSTEM;
	}
	*well = child_follow(&child, &limits, task->take, task->context) == CHILD_DONE;
	if (child.ending == CHILD_STOPPED)
		return (enum status)(STATUS_SIGNAL + child.stop);
	raise_ending(gate, &child, task);
	return STATUS_OK;
}

static bool has_relative_path(const struct environment *environment)
{
	const char *at = environment_get(environment, "PATH");

	for (; at != NULL; at = *at == '\0' ? NULL : at + 1) {
		if (*at != '/')
			return true;
		at += strcspn(at, ":");
	}
	return false;
}

/* Looked for before anything is fetched for it, and in the report as anything that refuses is. */
static void raise_command(struct gate *gate)
{
	char path[MAX_PATH_BYTES], whole[MAX_PATH_BYTES], sentence[2 * MAX_PATH_BYTES];
	struct text why = TEXT_OVER(sentence);
	struct stat st;
	bool there;

	gate->startable = true;
	if (gate->command == NULL)
		return;
	there = command_find(gate->command[0], &gate->env, path, sizeof(path));
	if (there && strchr(gate->command[0], '/') != NULL &&
	    path_join(whole, sizeof(whole), path[0] == '/' ? "/" : gate->working_directory, path))
		there = stat(whole, &st) == 0;
	/* What another user may not reach, or what lies where the service is yet to go, is not known to be missing. */
	if (there ||
	    (errno == EACCES && geteuid() != gate->who.uid &&
	     !capability_is_held(CAP_DAC_OVERRIDE)) ||
	    (gate->policy.working_directory != NULL && has_relative_path(&gate->env)))
		return;
	gate->startable = false;
	gate_raise(gate,
	           command_explain_failure(path, errno, &why) == STATUS_NOT_FOUND ?
	                   FINDING_SERVICE_COMMAND :
	                   FINDING_SERVICE_EXECUTABLE,
	           0, "%.900s", sentence);
}

static void raise_identity(struct gate *gate)
{
	unsigned line = gate->policy.said[KEY_USER].line;

	if (!gate->who.exact)
		gate_raise(gate, FINDING_CONFINE_IDENTITY, line,
		           "aweigh runs as uid %u and may not become uid %u%s", (unsigned)geteuid(),
		           (unsigned)gate->who.uid,
		           gate->command != NULL ?
		                   ", so the service cannot start" :
		                   ": whether that user can open the files was not tried");
	else if (gate->who.change && identity_keeps_more(&gate->who))
		gate_raise(
		        gate, FINDING_CONFINE_GROUPS, line,
		        "aweigh may not drop the groups that it was started with: the service keeps them");
}

enum status gate_inspect(struct gate *gate, struct text *why)
{
	const struct task task = { .who = "inspector",
		                   .run = run_inspector,
		                   .take = take_record,
		                   .context = gate,
		                   .trouble = FINDING_GATE_INSPECTOR };
	enum status status;

	gate_begin_anew(gate);
	raise_command(gate);
	raise_identity(gate);
	gate->report.exact = gate->who.exact;
	gate->report.env = &gate->env;
	status = gate_run_task(gate, &task, &gate->inspected, why);
	hash_progress_end(gate->hashing_drawn);
	gate->hashing_drawn = false;
	gate->report.elapsed_ns = clock_now_ns() - gate->started_ns;
	return status;
}

enum status gate_export(struct gate *gate, struct text *why)
{
	char path[MAX_PATH_BYTES];

	for (size_t i = 0; i < gate->policy.model_count; i++) {
		const char *name = gate->policy.models[i].export;

		report_model_path(&gate->report, i, path, sizeof(path));
		if (name == NULL || path[0] == '\0' || !gate->report.models[i].seen)
			continue;
		if (service_environ_set(&gate->service, name, path, ORIGIN_EXPORT) < 0) {
			text_add(why, "out of memory");
			return STATUS_SYSTEM;
		}
	}
	gate->env = service_environ_view(&gate->service);
	return STATUS_OK;
}
