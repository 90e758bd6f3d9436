/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/locking.h"

#include <string.h>

#include "base/scan.h"
#include "engine/locate.h"
#include "gate/inspection.h"
#include "gate/locked.h"
#include "gate/prepare.h"
#include "gate/refetch.h"
#include "gate/verdict.h"
#include "hub/cache.h"
#include "process/clock.h"
#include "util.h"

/* Whether the entry is still of what the policy says, so that its commit stays. */
static bool stays(const struct model *model, const struct lock_model *locked)
{
	return locked != NULL && locked->repo != NULL && model->repo != NULL &&
	       strcmp(locked->repo, model->repo) == 0 && locked->revision != NULL &&
	       strcmp(locked->revision, model->revision) == 0;
}

static void mark_moving(struct gate *gate)
{
	for (size_t i = 0; i < gate->policy.model_count; i++) {
		const struct model *model = &gate->policy.models[i];

		for (size_t k = 0; k < gate->lock.count; k++)
			if (!gate->lock.is_list &&
			    strcmp(gate->lock.models[k].name, model->name) == 0 &&
			    (gate->options->upgrade || !stays(model, &gate->lock.models[k])))
				gate->lock.models[k].moves = true;
	}
}

static struct lock_model *model_of(struct gate *gate, size_t index)
{
	const struct model *model = &gate->policy.models[index];

	for (size_t i = 0; i < gate->made.count; i++)
		if (strcmp(gate->made.models[i].name, model->name) == 0)
			return &gate->made.models[i];
	return lock_add_model(&gate->made, model->name, model->repo,
	                      model->repo != NULL ? model->revision : NULL);
}

static bool is_utf8(const char *text)
{
	size_t left = strlen(text), length = 1;

	for (; left > 0 && length > 0; text += length, left -= length)
		length = scan_utf8((const unsigned char *)text, left);
	return left == 0;
}

void gate_take_locked(struct gate *gate, const struct record *record)
{
	size_t length = strlen(record->path), git = strlen(record->fix);
	struct lock_model *model;
	struct lock_file *file;

	if (gate->fetching != FETCHING_LOCK ||
	    !scan_is_hex(record->message, strlen(record->message), SHA256_HEX) ||
	    (git != 0 && !scan_is_hex(record->fix, git, COMMIT_HEX))) {
		gate_raise(
		        gate, FINDING_GATE_INSPECTOR, 0,
		        "a file was told that nobody asked for; the process may have been taken over");
		return;
	}
	if (!repo_path_is_legal(record->path, length) || !is_utf8(record->path)) {
		gate_raise_at(
		        gate, FINDING_LOCK_INVALID,
		        (struct report_at){
		                .path = record->path,
		                .fix = "rename the file, or take it out of the model's directory" },
		        "cannot be locked: no repository may have such a file name");
		return;
	}
	model = model_of(gate, (size_t)record->model);
	file = model == NULL ? NULL : lock_add_file(&gate->made, model, record->path, length);
	if (file == NULL) {
		gate_raise(gate, FINDING_GATE_INSPECTOR, 0, "out of memory for the lock file");
		return;
	}
	file->size = record->bytes;
	(void)hex_decode(file->sha256, record->message, SHA256_HEX);
	file->has_git_sha1 = git != 0;
	if (file->has_git_sha1)
		(void)hex_decode(file->git_sha1, record->fix, COMMIT_HEX);
	if (record->commit[0] != '\0')
		memcpy(model->commit, record->commit, sizeof(model->commit));
}

/*
 * Of the same commit the lock file may know more than lies here: files that nobody wants, and git's names of those
 * whose names here do not say them.
 */
static void take_over(struct gate *gate, const struct model *model, struct lock_model *made,
                      const struct lock_model *before)
{
	size_t count = made->count;

	for (size_t i = 0; i < before->count; i++) {
		const struct lock_file *old = &before->files[i];
		/* Those that are sorted; what is taken over comes behind them. */
		const struct lock_model sorted = { .files = made->files, .count = count };
		const struct lock_file *met = lock_find_file(&sorted, old->path);
		struct lock_file *file;

		if (met != NULL) {
			file = made->files + (met - made->files);
			if (!old->has_git_sha1 || file->has_git_sha1 ||
			    memcmp(file->sha256, old->sha256, sizeof(old->sha256)) != 0)
				continue;
			memcpy(file->git_sha1, old->git_sha1, sizeof(old->git_sha1));
			file->has_git_sha1 = true;
		} else if (!model_selects(model, old->path) &&
		           (file = lock_add_file(&gate->made, made, old->path,
		                                 strlen(old->path))) != NULL) {
			const char *path = file->path;

			*file = *old;
			file->path = path;
		}
	}
	(void)lock_close_model(made);
}

/* What the hub has told of a model, for the report: its digests are the list's, or of what was read. */
static void count_listed(struct gate *gate, size_t index)
{
	struct report_model *model = &gate->report.models[index];
	const struct lock_model *made =
	        lock_find_model(&gate->made, gate->policy.models[index].name);

	if (made == NULL || model->found)
		return;
	model->found = true;
	model->level = LEVEL_DIGEST;
	model->files = model->verified = made->count;
	memcpy(model->commit, made->commit, sizeof(model->commit));
	for (size_t i = 0; i < made->count; i++)
		model->bytes += made->files[i].size;
}

/* Whether all that was made is what the lock file has, and all that the policy wants of that is there. */
static bool is_part_of(const struct model *model, const struct lock_model *made,
                       const struct lock_model *before)
{
	for (size_t i = 0; i < made->count; i++) {
		const struct lock_file *old = lock_find_file(before, made->files[i].path);

		if (old == NULL ||
		    memcmp(old->sha256, made->files[i].sha256, sizeof(old->sha256)) != 0)
			return false;
	}
	for (size_t i = 0; i < before->count; i++)
		if (model_selects(model, before->files[i].path) &&
		    lock_find_file(made, before->files[i].path) == NULL)
			return false;
	return true;
}

/* One model as it is to be locked. */
static void conclude_model(struct gate *gate, size_t index)
{
	const struct model *model = &gate->policy.models[index];
	const struct lock_model *before = gate->has_lock && !gate->lock.is_list ?
	                                          lock_find_model(&gate->lock, model->name) :
	                                          NULL;
	const char *commit = gate->report.models[index].commit, *twice;
	struct lock_model *made;

	if (gate->report.models[index].findings.worst == SEVERITY_ERROR || !gate->report.models[index].found)
		return;
	made = model_of(gate, index);
	if (made == NULL)
		return;
	if (made->commit[0] == '\0' && commit[0] != '\0')
		memcpy(made->commit, commit, sizeof(made->commit));
	twice = lock_close_model(made);
	if (twice != NULL)
		(void)gate_raise_about(gate, index, FINDING_FETCH_PROTOCOL,
		                       "the list of its files has %.512s twice", twice);
	if (before == NULL || before->commit[0] == '\0')
		return;
	/* A copy does not say its commit; its contents may. */
	if (made->commit[0] == '\0' && !before->moves && is_part_of(model, made, before))
		memcpy(made->commit, before->commit, sizeof(made->commit));
	if (strcmp(before->commit, made->commit) == 0)
		take_over(gate, model, made, before);
	else if (!before->moves)
		(void)gate_raise_about(
		        gate, index, FINDING_LOCK_COMMIT,
		        "what is aboard is %s%s, and %s is locked: aweigh lock --upgrade takes the other",
		        made->commit[0] == '\0' ? "of unknown commit and other content" :
		                                  "the commit ",
		        made->commit, before->commit);
}

static const char *commit_of(const struct gate *gate, const char *name)
{
	const struct lock_model *model = lock_find_model(&gate->made, name);

	if (model == NULL && gate->has_lock && !gate->lock.is_list)
		model = lock_find_model(&gate->lock, name);
	return model == NULL ? "" : model->commit;
}

static bool share_a_ref(const struct model *a, const struct model *b)
{
	return a->path == NULL && b->path == NULL && strcmp(a->repo, b->repo) == 0 &&
	       strcmp(a->revision, b->revision) == 0;
}

/* One ref of a cache leads to one commit. */
static void check_refs(struct gate *gate, size_t index)
{
	const struct model *model = &gate->policy.models[index];
	const char *commit = commit_of(gate, model->name);

	for (size_t i = 0; i < gate->policy.model_count; i++) {
		const struct model *other = &gate->policy.models[i];
		const char *others = commit_of(gate, other->name);

		if (!share_a_ref(model, other) || commit[0] == '\0' || others[0] == '\0' ||
		    strcmp(commit, others) == 0)
			continue;
		(void)gate_raise_about(
		        gate, index, FINDING_LOCK_COMMIT,
		        "it would be locked on %s, and [model %.128s] of the same revision is on %s: lock both together",
		        commit, other->name, others);
		return;
	}
}

/* What the hub has told is not looked at here. */
static enum status inspect_rest(struct gate *gate, bool online, struct text *why)
{
	size_t count = gate->policy.model_count, rest = 0;
	bool *selected = calloc(count + 1, sizeof(*selected));
	enum status status = STATUS_OK;

	if (selected == NULL) {
		text_add(why, "out of memory");
		return STATUS_SYSTEM;
	}
	for (size_t i = 0; i < count; i++) {
		struct model *model = &gate->policy.models[i];

		selected[i] = model->selected;
		model->selected = model->selected && !(online && model->repo != NULL);
		rest += model->selected;
	}
	if (rest > 0)
		status = gate_inspect(gate, why);
	for (size_t i = 0; i < count; i++) {
		gate->policy.models[i].selected = selected[i];
		if (selected[i] && online && gate->policy.models[i].repo != NULL)
			gate->report.models[i].seen = true;
	}
	free(selected);
	gate->inspected = gate->inspected || rest == 0;
	return status;
}

enum status gate_prepare_lock(struct gate *gate, const struct options *options,
                              const struct signals *signals, char *const *rows, struct text *why)
{
	enum status status = gate_prepare(gate, options, signals, rows, why);

	gate->fetching = FETCHING_LOCK;
	if (status == STATUS_OK)
		gate_read_lock(gate);
	if (status == STATUS_OK && gate->policy.error_count == 0 && !lock_init(&gate->made)) {
		text_add(why, "out of memory");
		return STATUS_SYSTEM;
	}
	return status;
}

enum status gate_lock(struct gate *gate, const struct options *options,
                      const struct signals *signals, char *const *rows, struct text *why)
{
	enum status status = gate_prepare_lock(gate, options, signals, rows, why);
	bool online;

	if (status != STATUS_OK || gate->policy.error_count > 0) {
		if (status == STATUS_OK)
			gate_conclude(gate);
		return status;
	}
	mark_moving(gate);
	gate->policy.verify = LEVEL_DIGEST;
	online = gate->policy.mode != MODE_OFFLINE && !options->aboard && !gate_is_offline(gate);
	status = inspect_rest(gate, online, why);
	if (status == STATUS_OK && online)
		status = gate_list(gate, why);
	for (size_t i = 0; status == STATUS_OK && i < gate->policy.model_count; i++)
		if (gate->policy.models[i].selected) {
			count_listed(gate, i);
			conclude_model(gate, i);
		}
	for (size_t i = 0; status == STATUS_OK && i < gate->policy.model_count; i++)
		if (gate->policy.models[i].selected)
			check_refs(gate, i);
	gate->report.elapsed_ns = clock_now_ns() - gate->started_ns;
	lock_sort_models(&gate->made);
	if (status == STATUS_OK)
		gate_conclude(gate);
	return status;
}
