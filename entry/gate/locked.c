/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/locked.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/glob.h"
#include "engine/locate.h"
#include "hub/cache.h"
#include "policy/errors.h"
#include "process/patient.h"
#include "util.h"

static void __attribute__((format(printf, 4, 5)))
raise_error(struct gate *gate, enum finding_id id, const char *fix, const char *format, ...)
{
	char sentence[1024];
	struct text text = TEXT_OVER(sentence);
	va_list arguments;

	va_start(arguments, format);
	text_addv(&text, format, arguments);
	va_end(arguments);
	policy_error(&gate->policy, id, SOURCE_POLICY, gate->policy.said[KEY_LOCK].line, fix, "%s",
	             sentence);
}

static bool has_match(const struct lock_model *locked, const struct list *any)
{
	for (size_t i = 0; i < locked->count; i++)
		if (glob_any(any, locked->files[i].path))
			return true;
	return false;
}

/* What the policy names and the lock file lacks. Patterns are told where a file meets them: checks/lock_extra.c. */
static void compare_files(struct gate *gate, const struct model *model,
                          const struct lock_model *locked)
{
	for (size_t i = 0; i < model->files.count; i++)
		if (glob_is_literal(model->files.items[i]) &&
		    model_selects(model, model->files.items[i]) &&
		    lock_find_file(locked, model->files.items[i]) == NULL)
			raise_error(gate, FINDING_LOCK_STALE, NULL,
			            "[model %.128s] wants %.200s, which the lock file lacks",
			            model->name, model->files.items[i]);
	for (size_t i = 0; i < model->require.count; i++)
		if (!has_match(locked, &model->require.items[i].any))
			raise_error(
			        gate, FINDING_LOCK_STALE, NULL,
			        "[model %.128s] requires %.200s, of which the lock file has none",
			        model->name, model->require.items[i].text);
}

static bool same_revision(const struct model *model, const struct lock_model *locked)
{
	return locked->revision == NULL || strcmp(model->revision, locked->revision) == 0 ||
	       strcmp(model->revision, locked->commit) == 0;
}

static void compare_model(struct gate *gate, const struct model *model,
                          const struct lock_model *locked)
{
	if (locked == NULL && !model->optional)
		raise_error(gate, FINDING_LOCK_STALE, NULL,
		            "[model %.128s] is not in the lock file", model->name);
	if (locked == NULL)
		return;
	if (model->repo != NULL && locked->repo != NULL && strcmp(model->repo, locked->repo) != 0) {
		raise_error(gate, FINDING_LOCK_MISMATCH, NULL,
		            "[model %.128s] is of %.128s, and the lock file has it of %.128s",
		            model->name, model->repo, locked->repo);
		return;
	}
	if (model->repo != NULL && !same_revision(model, locked))
		raise_error(
		        gate, FINDING_LOCK_STALE, NULL,
		        "[model %.128s] wants the revision %.128s, and the lock file is of %.128s",
		        model->name, model->revision, locked->revision);
	compare_files(gate, model, locked);
}

static void compare(struct gate *gate)
{
	const struct policy *policy = &gate->policy;

	if (gate->lock.is_list && (policy->model_count != 1 || policy->models[0].path == NULL)) {
		raise_error(
		        gate, FINDING_LOCK_MISMATCH,
		        "run aweigh lock, and name what it writes; a list of sha256sum's goes with one model that has a path",
		        "%.512s is a list of sha256sum's, which does not say of which model it is",
		        gate->lock_path);
		return;
	}
	for (size_t i = 0; i < policy->model_count; i++)
		if (policy->models[i].selected)
			compare_model(gate, &policy->models[i],
			              lock_find_model(&gate->lock, policy->models[i].name));
}

/* remote_code = locked says nothing without a lock file. */
static void check_code_rules(struct gate *gate)
{
	for (size_t i = 0; i < gate->policy.model_count; i++) {
		const struct model *model = &gate->policy.models[i];

		if (model->remote_code == CODE_LOCKED && gate->policy.lock == NULL)
			policy_error(
			        &gate->policy, FINDING_POLICY_VALUE, SOURCE_POLICY,
			        MODEL_SAID(model, REMOTE_CODE)->line,
			        "name a lock file in [policy]: lock = aweigh.lock",
			        "remote_code = locked of [model %.128s], and the policy has no lock file",
			        model->name);
	}
}

/* Beside the policy; as a path of the models' tree too, where that is the same. */
static void find_lock(struct gate *gate)
{
	const char *named = gate->policy.lock != NULL ? gate->policy.lock : USUAL_LOCK;
	struct text text = TEXT_OVER(gate->lock_path);

	if (named[0] != '/')
		policy_directory(gate->policy.file[SOURCE_POLICY], &text);
	text_add(&text, named);
	gate->lock_tree =
	        named[0] == '/' && gate->policy_is_of_tree ? &gate->tree : gate->policy_tree;
}

void gate_read_lock(struct gate *gate)
{
	bool locking = gate->fetching == FETCHING_LOCK;
	CLEANUP(cleanup_fd) int fd = -1;
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	find_lock(gate);
	check_code_rules(gate);
	if (gate->policy.error_count > 0 || (gate->policy.lock == NULL && !locking))
		return;
	fd = patient_open(gate->lock_tree, gate->lock_path, MAX_LOCK_BYTES, gate->signals);
	if (fd < 0 && locking && fd == -ENOENT)
		return;
	if (fd == -EFBIG || fd == -EISDIR || fd == -EINVAL) {
		lock_name_misfit(fd, &why);
		raise_error(gate, FINDING_LOCK_INVALID, NULL, "the lock file %.512s %s",
		            gate->lock_path, sentence);
		return;
	}
	if (fd < 0) {
		raise_error(gate, FINDING_LOCK_MISSING, NULL,
		            "the lock file %.512s cannot be read: %s", gate->lock_path,
		            patient_words(fd));
		return;
	}
	gate->has_lock = true;
	if (!lock_init(&gate->lock) || !lock_read(&gate->lock, fd, &why))
		raise_error(gate, FINDING_LOCK_INVALID, NULL, "the lock file %.512s %s",
		            gate->lock_path, why.length > 0 ? sentence : "cannot be kept");
	else if (!locking)
		compare(gate);
}
