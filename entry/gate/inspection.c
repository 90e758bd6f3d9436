/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/inspection.h"

#include <string.h>

#include "confine/identity.h"
#include "gate/locking.h"
#include "gate/secrets.h"
#include "gate/verdict.h"
#include "gate/waiting.h"
#include "inspector.h"
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
	model->young = record->young != 0;
	model->verified = record->verified;
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
		if (record->kind == FINDING_SERVICE_COMMAND ||
		    record->kind == FINDING_SERVICE_EXECUTABLE)
			gate->startable = false;
		(void)gate_add_finding(gate, record);
	} else if (record->type == RECORD_MODEL) {
		take_model(gate, record);
	} else if (record->type == RECORD_LOCKED) {
		gate_take_locked(gate, record);
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
		.deepest = LEVEL_DIGEST,
		.lock = gate->has_lock ? &gate->lock : NULL,
		.lock_path = gate->lock_tree == &gate->tree || gate->options->root == NULL ?
		                     gate->lock_path :
		                     NULL,
		.locking = gate->fetching == FETCHING_LOCK,
	};
}

static void run_inspector(void *context, int pipe_fd)
{
	struct gate *gate = context;
	struct inspection inspection = inspection_of(gate);

	gate_watch(gate);
	gate_blank_secrets(gate);
	inspector_run(&inspection, &gate->tree, gate->command == NULL ? NULL : gate->command[0],
	              pipe_fd);
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
		text_addf(why, "the %s cannot be started: %s", task->who,
		          error == -EAGAIN ? child_no_room_words() : strerror(-error));
		return error == -EAGAIN ? STATUS_TEMPORARY : STATUS_SYSTEM;
	}
	*well = child_follow(&child, &limits, task->take, task->context) == CHILD_DONE;
	if (child.ending == CHILD_STOPPED)
		return (enum status)(STATUS_SIGNAL + child.stop);
	raise_ending(gate, &child, task);
	return STATUS_OK;
}

/* Its groups alone are what is missing: that is another remedy. */
static bool raise_group(struct gate *gate, const char *what_follows)
{
	gid_t group;

	if (geteuid() != gate->who.uid || getegid() != gate->who.gid ||
	    !identity_lacks_group(&gate->who, &group))
		return false;
	gate_raise_at(
	        gate, FINDING_CONFINE_IDENTITY,
	        (struct report_at){
	                .line = gate->policy.said[KEY_USER].line,
	                .fix = "start aweigh with that group too (--group-add, fsGroup, SupplementaryGroups=), or set groups = keep in [policy]" },
	        "aweigh runs as uid %u without group %u, which the user has, and may not take it%s",
	        (unsigned)gate->who.uid, (unsigned)group, what_follows);
	return true;
}

static void raise_identity(struct gate *gate)
{
	const char *what_follows = gate->command != NULL ?
	                                   ", so the service cannot start" :
	                                   ": whether that user can open the files was not tried";

	if (!gate->who.exact && !raise_group(gate, what_follows))
		gate_raise(gate, FINDING_CONFINE_IDENTITY, gate->policy.said[KEY_USER].line,
		           "aweigh runs as uid %u and may not become uid %u%s", (unsigned)geteuid(),
		           (unsigned)gate->who.uid, what_follows);
	else if (gate->who.exact && gate->who.change && identity_keeps_more(&gate->who))
		gate_raise(
		        gate, FINDING_CONFINE_GROUPS, gate->policy.said[KEY_USER].line,
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
	gate->startable = true;
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
	char path[MAX_PATH_BYTES], whole[MAX_PATH_BYTES];

	for (size_t i = 0; i < gate->policy.model_count; i++) {
		const char *name = gate->policy.models[i].export;

		report_model_path(&gate->report, i, path, sizeof(path));
		if (name == NULL || path[0] == '\0' || !gate->report.models[i].seen ||
		    !gate_whole_path(gate, path, whole))
			continue;
		if (service_environ_set(&gate->service, name, whole, ORIGIN_EXPORT) < 0) {
			text_add(why, "out of memory");
			return STATUS_SYSTEM;
		}
	}
	gate->env = service_environ_view(&gate->service);
	return STATUS_OK;
}
