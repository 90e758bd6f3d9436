/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "commands/commands.h"
#include "gate/drafting.h"
#include "gate/gate.h"
#include "hub/variables.h"
#include "policy/read.h"
#include "report/complain.h"
#include "util.h"

/* Where the libraries look, for whoever names no folder. */
static bool take_usual(struct run *run, struct draft *draft, struct text *why)
{
	struct environment env = { (const char *const *)run->environ, 0 };
	char directory[MAX_PATH_BYTES], cache[MAX_PATH_BYTES];
	const char *origin;

	while (env.rows[env.count] != NULL)
		env.count++;
	if (getcwd(directory, sizeof(directory)) != NULL &&
	    library_hub_cache(&env, environment_get(&env, "HOME"), directory, cache, sizeof(cache),
	                      &origin) == LOCATION_OK)
		return draft_take(draft, cache, why);
	text_add(why, "name the folders that hold models: the hub cache cannot be told");
	return false;
}

static char *compose(const struct draft *draft, bool lock, size_t *length)
{
	char *text = NULL;
	FILE *memory = open_memstream(&text, length);

	if (memory == NULL)
		return NULL;
	draft_write(draft, lock, memory);
	if (fclose(memory) == 0)
		return text;
	free(text);
	return NULL;
}

/* A policy that nobody keeps, judged as any: its inspector reads what the files hold. */
static enum status judge(struct run *run, struct draft *draft, const char *file, struct text *why)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	struct options options = run->options;
	enum status status;

	if (gate == NULL)
		return STATUS_SYSTEM;
	options.policy = file;
	options.user = "unchanged";
	options.level = LEVEL_PRESENCE;
	status = gate_judge(gate, &options, &run->signals, run->environ, FETCHING_NEVER, why);
	if (status == STATUS_OK && gate->policy.error_count > 0) {
		status = STATUS_POLICY;
		text_addf(why, "what lies there cannot be put into a policy: %s",
		          gate->report.count > 0 ? gate->report.findings[0].message : "");
	}
	for (size_t i = 0; status == STATUS_OK && i < gate->report.count; i++) {
		const struct report_finding *finding = &gate->report.findings[i];
		struct drafted_model *model =
		        finding->model == NO_MODEL ? NULL : &draft->models[finding->model];

		if (model != NULL && finding->id == FINDING_MODEL_REMOTE_CODE &&
		    model->code == NULL)
			model->code = draft_keep(draft, finding->message);
	}
	gate_release(gate);
	free(gate);
	return status;
}

static enum status look(struct run *run, struct draft *draft, struct text *why)
{
	CLEANUP(cleanup_fd) int fd = memfd_create("policy", MFD_CLOEXEC);
	char path[32];
	struct text name = TEXT_OVER(path);
	size_t length = 0;
	char *text = compose(draft, false, &length);
	enum status status = STATUS_SYSTEM;

	text_addf(&name, "/proc/self/fd/%d", fd);
	if (fd >= 0 && text != NULL && write_whole(fd, text, length) == 0)
		status = judge(run, draft, path, why);
	else
		text_addf(why, "the policy cannot be kept in memory: %s", strerror(errno));
	free(text);
	return status;
}

/* As a whole, or not at all; over what is there only with --force. */
static int put_policy(const struct options *options, const char *text, size_t length)
{
	char directory[MAX_PATH_BYTES];
	struct text parent = TEXT_OVER(directory);
	CLEANUP(cleanup_fd) int fd = -1;
	int error;

	policy_directory(options->policy, &parent);
	if (options->force) {
		fd = open(parent.length == 0 ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? -errno : rewrite_file(fd, path_name(options->policy), text);
	}
	fd = open(options->policy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	error = fd < 0 ? -errno : write_whole(fd, text, length);
	if (fd >= 0 && error != 0)
		(void)unlink(options->policy);
	return error;
}

/* Beside the lock file that is made of it. */
static enum status write_policy(struct run *run, const char *text, size_t length, struct text *why)
{
	int error = put_policy(&run->options, text, length);

	if (error == -EEXIST) {
		text_addf(why, "%s is there already: --force writes over it", run->options.policy);
		return STATUS_USAGE;
	}
	if (error != 0) {
		text_addf(why, "%s cannot be written: %s", run->options.policy, strerror(-error));
		return STATUS_IO;
	}
	run->options.aboard = true;
	run->options.as = -1;
	error = command_lock(run);
	if (error != STATUS_OK && !run->options.force)
		(void)unlink(run->options.policy); /* so that the next try finds nothing */
	return (enum status)error;
}

static enum status draft_all(struct run *run, struct draft *draft, struct text *why)
{
	const struct options *options = &run->options;
	bool lock = options->policy != NULL;
	enum status status;
	size_t length;
	char *text;

	for (size_t i = 0; i < options->word_count; i++)
		if (!draft_take(draft, options->words[i], why))
			return STATUS_MISSING;
	if (options->word_count == 0 && !take_usual(run, draft, why))
		return STATUS_MISSING;
	if (draft->count == 0) {
		text_add(why, "no model was found");
		return STATUS_MISSING;
	}
	draft_finish(draft);
	status = look(run, draft, why);
	if (status != STATUS_OK)
		return status;
	text = compose(draft, lock, &length);
	if (text == NULL) {
		text_add(why, "out of memory");
		return STATUS_SYSTEM;
	}
	if (lock)
		status = write_policy(run, text, length, why);
	else
		(void)fwrite(text, 1, length, stdout);
	free(text);
	return status;
}

int command_draft(struct run *run)
{
	char sentence[2 * MAX_PATH_BYTES];
	struct text why = TEXT_OVER(sentence);
	struct draft draft;
	enum status status = STATUS_SYSTEM;

	if (run->options.service != NULL)
		return complain(
		        STATUS_USAGE,
		        "draft looks at folders; what a service opens is told by aweigh smoke");
	if (draft_begin(&draft, &why))
		status = draft_all(run, &draft, &why);
	if (why.length > 0)
		(void)complain(status, sentence);
	draft_release(&draft);
	return (int)status;
}
