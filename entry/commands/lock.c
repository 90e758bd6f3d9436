/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/locking.h"
#include "gate/output.h"
#include "report/complain.h"
#include "report/escape.h"
#include "report/lock.h"
#include "util.h"

/* The lock file as it stands, and in it the entries that --only leaves alone. */
struct before {
	char *text; /* NULL: there is none */
	size_t length;
	struct lock_text *kept; /* room for all */
	size_t kept_count;
};

static bool is_made(const struct gate *gate, const char *name)
{
	return lock_find_model(&gate->made, name) != NULL;
}

static bool is_of_policy(const struct gate *gate, const char *name)
{
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (strcmp(gate->policy.models[i].name, name) == 0)
			return true;
	return false;
}

/* At the usual name, which two policies of one directory have in common: no model of it is the policy's. */
static bool is_of_another(const struct gate *gate)
{
	for (size_t i = 0; i < gate->lock.count; i++)
		if (is_of_policy(gate, gate->lock.models[i].name))
			return false;
	return gate->policy.lock == NULL && gate->options->only == NULL && gate->lock.count > 0;
}

static enum status read_before(const struct gate *gate, struct before *before, struct text *why)
{
	size_t count;
	int error;

	if (!gate->has_lock || gate->lock.is_list)
		return STATUS_OK;
	error = tree_read(gate->lock_tree, gate->lock_path, MAX_LOCK_BYTES, &before->text,
	                  &before->length);
	before->kept = calloc(gate->lock.count + 1, sizeof(*before->kept));
	if (error < 0 || before->kept == NULL) {
		text_addf(why, "the lock file %s cannot be read: %s", gate->lock_path,
		          error < 0 ? strerror(-error) : "out of memory");
		return STATUS_SYSTEM;
	}
	count = lock_texts(before->text, before->kept, gate->lock.count);
	/*
	 * Whoever names no models means all of the policy's, and no others; what could not be looked at, since it is
	 * optional, stays as it was.
	 */
	for (size_t i = 0; i < count && i < gate->lock.count; i++) {
		before->kept[i].name = gate->lock.models[i].name;
		if (!is_made(gate, before->kept[i].name) &&
		    (gate->options->only != NULL || is_of_policy(gate, before->kept[i].name)))
			before->kept[before->kept_count++] = before->kept[i];
	}
	return STATUS_OK;
}

/* The whole file as text, to be freed; NULL: out of memory. */
static char *compose(const struct gate *gate, const struct before *before, size_t *length)
{
	char *text = NULL;
	FILE *memory = open_memstream(&text, length);
	bool well;

	if (memory == NULL)
		return NULL;
	well = lock_write(&gate->made, before->kept, before->kept_count, memory);
	if (fclose(memory) == 0 && well)
		return text;
	free(text);
	return NULL;
}

static void tell_model(const struct lock_model *model)
{
	unsigned long long bytes = 0;

	for (size_t i = 0; i < model->count; i++)
		bytes += model->files[i].size;
	(void)escape_print(stdout, model->name);
	(void)printf(": %zu file%s, %s, %s%s\n", model->count, model->count == 1 ? "" : "s",
	             size_text(bytes).text,
	             model->commit[0] != '\0' ? "commit " : "no commit known", model->commit);
}

/* Where the lock file's name is a link, what it leads to is written. */
static enum status write_lock(const struct gate *gate, const char *text, struct text *why)
{
	char directory[MAX_PATH_BYTES], real[PATH_MAX];
	const char *path = gate->lock_path;
	struct text parent = TEXT_OVER(directory);
	CLEANUP(cleanup_fd) int fd = -1;
	int error;

	if (gate->lock_tree->root_fd < 0 && realpath(path, real) != NULL)
		path = real;
	policy_directory(path, &parent);
	fd = tree_open(gate->lock_tree, parent.length == 0 ? "." : directory,
	               O_RDONLY | O_DIRECTORY);
	error = fd < 0 ? fd : rewrite_file(fd, path_name(path), text);
	if (error == 0)
		return STATUS_OK;
	text_addf(why, "the lock file %s cannot be written: %s", gate->lock_path, strerror(-error));
	return error == -EACCES || error == -EPERM ? STATUS_PERMISSION : STATUS_IO;
}

/* Against the lock file that was there. Returns how many. */
static size_t tell_differences(const struct gate *gate, const struct before *before)
{
	size_t differences = 0;

	for (size_t i = 0; i < gate->made.count; i++) {
		const struct lock_model *made = &gate->made.models[i];

		differences += lock_write_difference(
		        before->text == NULL ? NULL : lock_find_model(&gate->lock, made->name),
		        made, stdout);
	}
	for (size_t i = 0;
	     gate->options->only == NULL && before->text != NULL && i < gate->lock.count; i++)
		if (!is_made(gate, gate->lock.models[i].name) &&
		    !is_of_policy(gate, gate->lock.models[i].name))
			differences += lock_write_difference(&gate->lock.models[i], NULL, stdout);
	return differences;
}

static enum status check(const struct gate *gate, const struct before *before, const char *text)
{
	if (before->text != NULL && strcmp(before->text, text) == 0) {
		(void)printf("%s holds\n", gate->lock_path);
		return STATUS_OK;
	}
	if (tell_differences(gate, before) == 0)
		(void)printf("%s says the same in another form than aweigh writes\n",
		             gate->lock_path);
	return STATUS_DATA;
}

static enum status make_beside(struct run *run, struct gate *gate, struct before *before,
                               struct text *why)
{
	enum status status = gate_lock(gate, &run->options, &run->signals, run->environ, why);
	CLEANUP(cleanup_free) char *text = NULL;
	size_t length;

	if (status == STATUS_OK && gate->lock.is_list) {
		text_addf(
		        why,
		        "%s is a list of sha256sum's, which aweigh does not write over: name another file in [policy], such as lock = aweigh.lock",
		        gate->lock_path);
		return STATUS_POLICY;
	}
	/* "pass" would be another verdict than that of --check. */
	if (status == STATUS_OK && gate->report.count > 0 &&
	    (!run->options.check || gate->report.status != STATUS_OK))
		status = gate_report(gate, STDERR_FILENO);
	if (status == STATUS_OK)
		status = gate->report.status;
	if (status == STATUS_OK && is_of_another(gate)) {
		text_addf(
		        why,
		        "%s has the model %s and none of this policy's: delete it if it is out of date, or name another in [policy], such as lock = other.lock",
		        gate->lock_path, gate->lock.models[0].name);
		return STATUS_POLICY;
	}
	if (status == STATUS_OK)
		status = read_before(gate, before, why);
	if (status != STATUS_OK)
		return status;
	text = compose(gate, before, &length);
	if (text == NULL) {
		text_add(why, "out of memory");
		return STATUS_SYSTEM;
	}
	if (run->options.check)
		return check(gate, before, text);
	if (before->text == NULL || strcmp(before->text, text) != 0)
		status = write_lock(gate, text, why);
	if (status == STATUS_OK && !run->options.quiet && before->text != NULL)
		(void)tell_differences(gate, before);
	for (size_t i = 0; status == STATUS_OK && !run->options.quiet && i < gate->made.count; i++)
		tell_model(&gate->made.models[i]);
	if (status == STATUS_OK && gate->policy.lock == NULL)
		(void)printf("written to %s; name it in [policy]: lock = %s\n", gate->lock_path,
		             path_name(gate->lock_path));
	return status;
}

static enum status make(struct run *run, struct gate *gate, struct text *why)
{
	struct before before = { 0 };
	enum status status = make_beside(run, gate, &before, why);

	free(before.text);
	free(before.kept);
	return status;
}

/* The models that --only names, all without. */
static void select_locked(struct gate *gate)
{
	size_t kept = 0;

	for (size_t i = 0; i < gate->lock.count; i++) {
		bool wanted = gate->options->only == NULL;

		for (size_t k = 0; !wanted && k < gate->policy.model_count; k++)
			wanted = gate->policy.models[k].selected &&
			         (gate->lock.is_list || strcmp(gate->policy.models[k].name,
			                                       gate->lock.models[i].name) == 0);
		if (wanted) {
			struct lock_model model = gate->lock.models[kept];

			gate->lock.models[kept++] = gate->lock.models[i];
			gate->lock.models[i] = model;
		}
	}
	for (size_t i = kept; i < gate->lock.count; i++)
		free(gate->lock.models[i].files);
	gate->lock.count = kept;
}

static enum status convert(struct run *run, struct gate *gate, struct text *why)
{
	enum status status =
	        gate_prepare_lock(gate, &run->options, &run->signals, run->environ, why);

	if (status == STATUS_OK && gate->policy.error_count > 0) {
		status = gate_report(gate, STDERR_FILENO);
		return status == STATUS_OK ? STATUS_POLICY : status;
	}
	if (status != STATUS_OK)
		return status;
	if (!gate->has_lock) {
		text_addf(why, "there is no lock file %s: write it with aweigh lock",
		          gate->lock_path);
		return STATUS_POLICY;
	}
	select_locked(gate);
	if (run->options.as == LOCK_AS_SHA256SUMS && gate->lock.count != 1) {
		text_addf(
		        why,
		        "a list of sha256sum's is of one model, and this is of %zu: name it by --only NAME",
		        gate->lock.count);
		return STATUS_USAGE;
	}
	if (gate->lock.is_list && gate->policy.model_count > 0)
		gate->lock.models[0].name = gate->policy.models[0].name;
	if (lock_write_as(&gate->lock, (enum lock_form)run->options.as, stdout))
		return STATUS_OK;
	text_add(why, "out of memory");
	return STATUS_SYSTEM;
}

static enum status lock(struct run *run, struct gate *gate, struct text *why)
{
	return run->options.as >= 0 ? convert(run, gate, why) : make(run, gate, why);
}

int command_lock(struct run *run)
{
	/* The service's user may be nobody's on the machine where models are pinned. */
	run->options.user = "unchanged";
	return command_with_gate(run, lock);
}
