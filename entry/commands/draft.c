/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "commands/commands.h"
#include "formats/formats.h"
#include "gate/drafting.h"
#include "gate/gate.h"
#include "gate/locked.h"
#include "gate/opened.h"
#include "hub/cache.h"
#include "hub/variables.h"
#include "policy/read.h"
#include "report/complain.h"
#include "report/escape.h"
#include "service/watch.h"
#include "util.h"

#define RUN_WITHIN_MS 60000u /* of a service that nobody says is ready */

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

/* A policy that nobody keeps, judged as any. */
struct trial {
	struct options options;
	struct gate gate;
	int fd;
};

static void trial_end(struct trial *trial)
{
	if (trial == NULL)
		return;
	cleanup_fd(&trial->fd);
	gate_release(&trial->gate);
	free(trial);
}

/* Where its manifest is at fault, by its line; the policy's own lines are nobody's. */
static void explain_trial(const struct report *report, struct text *why)
{
	const struct report_finding *first = report->count > 0 ? &report->findings[0] : NULL;

	if (first != NULL && first->source == SOURCE_MANIFEST) {
		report_sentence(report, first, why);
		text_add(why, "; the file was taken for a manifest, with a line ORG/NAME a model");
	} else {
		text_addf(why, "this cannot be put into a policy: %s",
		          first != NULL ? first->message : "");
	}
}

/* NULL: a status and a sentence. */
static struct trial *try_policy(struct run *run, const char *text, size_t length,
                                enum status *status, struct text *why)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	char path[32];
	struct text name = TEXT_OVER(path);

	*status = STATUS_SYSTEM;
	if (trial == NULL)
		return NULL;
	trial->options = run->options;
	trial->options.policy = path;
	trial->options.user = "unchanged";
	trial->options.level = LEVEL_PRESENCE;
	trial->fd = memfd_create("policy", MFD_CLOEXEC);
	text_addf(&name, "/proc/self/fd/%d", trial->fd);
	if (trial->fd >= 0 && write_whole(trial->fd, text, length) == 0)
		*status = gate_judge(&trial->gate, &trial->options, &run->signals, run->environ,
		                     FETCHING_NEVER, why);
	else
		text_addf(why, "the policy cannot be kept in memory: %s", strerror(errno));
	trial->options.policy = NULL;
	if (*status == STATUS_OK && trial->gate.policy.error_count > 0) {
		*status = STATUS_POLICY;
		explain_trial(&trial->gate.report, why);
	}
	if (*status == STATUS_OK)
		return trial;
	trial_end(trial);
	return NULL;
}

/*
 * A policy of what lies there damaged would refuse it; what code or formats there are the policy goes on to say. NULL:
 * all is well.
 */
static const struct report_finding *find_damage(const struct report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct report_finding *finding = &report->findings[i];

		if (finding->severity == SEVERITY_ERROR && finding->model != NO_MODEL &&
		    finding->id != FINDING_MODEL_REMOTE_CODE && finding->id != FINDING_MODEL_FORMAT)
			return finding;
	}
	return NULL;
}

/* With a lock file nothing is drafted of it; on standard output it is told. */
static enum status tell_damage(const struct report *report, bool lock, struct text *why)
{
	const struct report_finding *damage = find_damage(report);
	char sentence[REPORT_SENTENCE_BYTES];
	struct text text = TEXT_OVER(sentence);

	if (damage == NULL)
		return STATUS_OK;
	text_addf(&text, "%s: ", report->policy->models[damage->model].name);
	report_sentence(report, damage, &text);
	text_add(&text,
	         lock ? "; repair it, or leave the model out" : "; the policy will refuse it");
	if (lock) {
		text_add(why, sentence);
		return finding_kinds[damage->id].status;
	}
	(void)complain(STATUS_OK, sentence);
	return STATUS_OK;
}

/* What the inspector read of the models; whether one of them brings code. */
static bool take_report(struct draft *draft, const struct report *report)
{
	bool any = false;

	for (size_t i = 0; i < report->count; i++) {
		const struct report_finding *finding = &report->findings[i];
		struct drafted_model *model;

		if (finding->model == NO_MODEL)
			continue;
		model = &draft->models[finding->model];
		if (finding->id == FINDING_MODEL_REMOTE_CODE && model->code == NULL)
			model->code = draft_keep(draft, finding->message);
		any |= model->code != NULL;
		model->of_many_formats |= finding->id == FINDING_MODEL_FORMAT;
	}
	for (size_t i = 0; report->models != NULL && i < draft->count; i++)
		draft->models[i].undigested = report->models[i].verified == 0;
	return any;
}

static struct trial *try_draft(struct run *run, const struct draft *draft, enum status *status,
                               struct text *why)
{
	size_t length = 0;
	CLEANUP(cleanup_free) char *text = compose(draft, false, &length);

	*status = STATUS_SYSTEM;
	return text == NULL ? NULL : try_policy(run, text, length, status, why);
}

static enum status look(struct run *run, struct draft *draft, bool lock, struct text *why)
{
	enum status status;
	struct trial *trial = try_draft(run, draft, &status, why);

	/* Whether the code is whole is looked at where the policy allows it. */
	if (trial != NULL && take_report(draft, &trial->gate.report)) {
		trial_end(trial);
		trial = try_draft(run, draft, &status, why);
	}
	if (trial != NULL)
		status = tell_damage(&trial->gate.report, lock, why);
	trial_end(trial);
	return status;
}

/* From a manifest: policy.manifest's file says which models, and the cache which commits and files. */

/* Those that were taken twice count twice here. */
static size_t files_of(const struct draft *draft)
{
	size_t count = 0;

	for (size_t i = 0; i < draft->count; i++)
		count += draft->models[i].count;
	return count;
}

static bool take_listed(struct draft *draft, const struct gate *gate, size_t index,
                        struct text *why)
{
	const struct model *model = &gate->policy.models[index];
	const char *manifest = gate->policy.file[SOURCE_MANIFEST];
	char path[MAX_PATH_BYTES], directory[MAX_PATH_BYTES];
	size_t before = files_of(draft);
	bool well;

	report_model_path(&gate->report, index, path, sizeof(path));
	if (!gate->report.models[index].found || !revision_is_commit(path_name(path)) ||
	    !repo_path(gate->hub_cache, model->repo, directory, sizeof(directory))) {
		text_addf(why, "%s:%u: %s is not in %s: fetch it, or take it out of the manifest",
		          manifest, (unsigned)model->line, model->repo,
		          gate->hub_cache_origin != NULL ?
		                  gate->hub_cache :
		                  "the hub cache, whose location is unknown");
		return false;
	}
	draft_select(draft);
	draft->as = model;
	well = draft_take_repository(draft, gate->hub_cache, path_name(directory), path_name(path),
	                             why);
	draft_select_all(draft);
	if (well && files_of(draft) == before) {
		text_addf(why, "%s:%u: none of the files of %s that lie in %s is wanted", manifest,
		          (unsigned)model->line, model->repo, path);
		return false;
	}
	return well;
}

static enum status take_manifest(struct run *run, struct draft *draft, const char *real,
                                 struct text *why)
{
	char text[MAX_PATH_BYTES + 64];
	struct text policy = TEXT_OVER(text);
	enum status status;
	struct trial *trial;

	text_addf(&policy, "[policy]\nmode = offline\nmanifest = %s\n", real);
	trial = try_policy(run, text, policy.length, &status, why);
	for (size_t i = 0; trial != NULL && i < trial->gate.policy.model_count; i++)
		if (!take_listed(draft, &trial->gate, i, why)) {
			status = STATUS_MISSING;
			break;
		}
	trial_end(trial);
	return status;
}

/* Where the libraries look, for whoever names no folder. */
static enum status take_usual(struct run *run, struct draft *draft, struct text *why)
{
	static const char policy[] = "[policy]\nmode = offline\n";
	enum status status;
	struct trial *trial = try_policy(run, policy, sizeof(policy) - 1, &status, why);
	char real[PATH_MAX];
	struct stat st;

	if (trial != NULL && trial->gate.hub_cache_origin == NULL) {
		text_add(
		        why,
		        "name the directories that hold models: the location of the hub cache is unknown");
		status = STATUS_MISSING;
	} else if (trial != NULL && !(draft_find(draft, trial->gate.hub_cache, real, &st, why) &&
	                              draft_take(draft, real, why))) {
		status = STATUS_MISSING;
	}
	trial_end(trial);
	return status;
}

static enum status take_word(struct run *run, struct draft *draft, const char *word,
                             struct text *why)
{
	char real[PATH_MAX];
	struct stat st;

	if (!draft_find(draft, word, real, &st, why))
		return STATUS_MISSING;
	if (S_ISREG(st.st_mode) && format_by_name(real) == NULL)
		return take_manifest(run, draft, real, why);
	if (S_ISREG(st.st_mode))
		return draft_take_file(draft, real, &st, why) ? STATUS_OK : STATUS_MISSING;
	return draft_take(draft, real, why) ? STATUS_OK : STATUS_MISSING;
}

/* From a run */

/* What a reader of the policy should know of where the service found things, and of what the policy changes. */
static void note_environment(const struct run *run, struct draft *draft)
{
	static const char *const places[] = { "HF_HOME",
		                              "HF_HUB_CACHE",
		                              "TRANSFORMERS_CACHE",
		                              "HUGGINGFACE_HUB_CACHE",
		                              "XDG_CACHE_HOME",
		                              "SENTENCE_TRANSFORMERS_HOME" };
	const struct environment env = environment_over(run->environ);
	char sentence[MAX_PATH_BYTES];
	struct text text;

	for (size_t i = 0; i < OFFLINE_VARIABLES; i++)
		if (!library_is_true(environment_get(&env, offline_variables[i]))) {
			text = TEXT_OVER(sentence);
			text_addf(&text, "it ran without %s=1, which mode = offline sets",
			          offline_variables[i]);
			draft_note(draft, sentence);
		}
	for (size_t i = 0; i < LENGTH_OF(places); i++)
		if (environment_get(&env, places[i]) != NULL) {
			text = TEXT_OVER(sentence);
			text_addf(&text, "it ran with %s=%s", places[i],
			          environment_get(&env, places[i]));
			draft_note(draft, sentence);
		}
}

/* It is as it would be without aweigh: online, in its own environment, and at the end it is stopped. */
static void compose_run(const struct options *options, struct text *policy)
{
	uint64_t within_ms = options->timeout_ms != 0 ? options->timeout_ms : RUN_WITHIN_MS;

	text_addf(policy, "[policy]\nmode = online\n[service]\nready_within = %llums\nready = %s\n",
	          (unsigned long long)within_ms, options->ready != NULL ? options->ready : "exit");
}

static bool ends_by_itself(const struct options *options)
{
	return options->ready == NULL || strcmp(options->ready, "exit") == 0;
}

/* A draft of what failed would be one of half of the files. */
static enum status judge_run(const struct options *options, const struct watched *seen,
                             const struct observer *observer, struct text *why)
{
	if (seen->occupied[0] != '\0') {
		text_addf(why, "%s already: nobody could tell the service's answer from that",
		          seen->occupied);
		return STATUS_TEMPORARY;
	}
	if (observer == NULL || !seen->observed) {
		text_add(
		        why,
		        "this platform does not let aweigh see what a service opens; name the folders instead");
		return STATUS_SYSTEM;
	}
	if (observer->files_left_out > 0) {
		text_addf(
		        why,
		        "it opened more than %u files, too many to tell; name the folders instead",
		        MAX_OBSERVED_FILES);
		return STATUS_SYSTEM;
	}
	if (options->ready != NULL && !seen->ready && seen->asked) {
		text_addf(why, "the service was not ready in time: %s",
		          seen->why[0] != '\0' ? seen->why : options->ready);
		return STATUS_TEMPORARY;
	}
	if (!seen->asked && !(seen->ready && ends_by_itself(options)))
		text_addf(why, "the command ended %s %d; its last line: %s",
		          WIFSIGNALED(seen->status) ? "by signal" : "with status",
		          WIFSIGNALED(seen->status) ? WTERMSIG(seen->status) :
		                                      WEXITSTATUS(seen->status),
		          seen->lines == 0 ? "none, it said nothing" :
		                             seen->last[(seen->lines - 1) % LENGTH_OF(seen->last)]);
	return why->length == 0 ? STATUS_OK : STATUS_SYSTEM;
}

/* A policy on standard output has none of what the service says there. */
static int lend_stdout(const struct options *options)
{
	int fd = options->policy != NULL ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0)
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	return fd;
}

static void take_stdout_back(int fd)
{
	if (fd >= 0)
		(void)dup2(fd, STDOUT_FILENO);
	cleanup_fd(&fd);
}

struct drafting {
	const struct options *options;
	struct draft *draft;
};

static enum status take_seen(void *context, struct gate *gate, const struct watched *seen,
                             const struct observer *observer, struct text *why)
{
	struct drafting *drafting = context;
	struct draft *draft = drafting->draft;
	enum status status = judge_run(drafting->options, seen, observer, why);

	(void)gate;
	if (status != STATUS_OK)
		return status;
	if (seen->asked && !seen->ready)
		draft_note(
		        draft,
		        "it was stopped before it ended: what it loads later is not here (--ready says when it has all, --timeout how long it is watched)");
	if (!draft_take_opened(draft, observer, why))
		return STATUS_MISSING;
	if (draft->count > 0)
		return STATUS_OK;
	text_addf(why, "no file of a model was opened%s",
	          observer->hidden > 0 ? ", as far as it could be seen" : "");
	return STATUS_MISSING;
}

static enum status watch(struct run *run, struct draft *draft, struct gate *gate, struct text *why)
{
	struct drafting drafting = { &run->options, draft };
	enum status status;
	int out;

	if (!command_check_targets(gate)) {
		text_addf(why, "--%s", gate->report.findings[gate->report.count - 1].message);
		return STATUS_USAGE;
	}
	out = lend_stdout(&run->options);
	status = command_watch(run, gate, true, take_seen, &drafting, why);
	take_stdout_back(out);
	return status;
}

static enum status take_run(struct run *run, struct draft *draft, struct text *why)
{
	char text[2 * MAX_PATH_BYTES]; /* what is cut off here is longer than a line may be */
	struct text policy = TEXT_OVER(text);
	enum status status;
	struct trial *trial;

	compose_run(&run->options, &policy);
	trial = try_policy(run, text, policy.length, &status, why);
	if (status == STATUS_POLICY) /* of --ready: the rest is ours */
		status = STATUS_USAGE;
	if (trial != NULL)
		status = watch(run, draft, &trial->gate, why);
	draft->ran = true;
	draft->named = run->options.word_count > 0;
	draft->ready = run->options.ready;
	note_environment(run, draft);
	trial_end(trial);
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

/* What is to be put back where no lock file can be made; *old NULL: there is none. false: it could not be. */
static bool read_old(const struct options *options, char **old, struct text *why)
{
	CLEANUP(cleanup_fd)
	int fd = open(options->policy, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t length = 0;
	int error = fd < 0 ? -errno : read_whole(fd, MAX_POLICY_BYTES, old, &length);

	if (error == -ENOENT)
		return true;
	if (error == 0 && *old != NULL && strlen(*old) != length)
		error = -EINVAL;
	if (error != 0)
		text_addf(
		        why,
		        "%s cannot be kept for the case that no lock file can be made (%s): move it away",
		        options->policy, strerror(-error));
	return error == 0;
}

static void tell_written(const struct options *options)
{
	if (options->quiet)
		return;
	(void)escape_print(stdout, options->policy);
	(void)printf(" is written, and %s beside it\n", USUAL_LOCK);
}

/* Beside the lock file that is made of it. */
static enum status write_policy(struct run *run, const char *text, size_t length, struct text *why)
{
	CLEANUP(cleanup_free) char *old = NULL;
	int error;

	if (run->options.force && !read_old(&run->options, &old, why))
		return STATUS_IO;
	error = put_policy(&run->options, text, length);
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
	if (error == STATUS_OK) {
		tell_written(&run->options);
		return STATUS_OK;
	}
	/* So that all is as it was. */
	if (old == NULL)
		(void)unlink(run->options.policy);
	else if (put_policy(&run->options, old, strlen(old)) != 0)
		text_addf(why, "%s could not be put back", run->options.policy);
	return (enum status)error;
}

/* Whether a link lies on the way. */
static bool leads_away(const char *directory)
{
	char path[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(path);
	struct stat st;

	for (const char *at = directory; *at != '\0';) {
		size_t length = strspn(at, "/");

		length += strcspn(at + length, "/");
		text_add_bytes(&text, at, length);
		if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
			return true;
		at += length;
	}
	return text.cut;
}

/* Before anything is looked at or started. */
static bool may_write(const struct options *options, struct text *why)
{
	char lock[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(lock);
	struct stat st;
	bool is_there = lstat(options->policy, &st) == 0;

	if (is_there && !S_ISREG(st.st_mode))
		text_addf(why, "%s is not a regular file, and cannot be replaced as a whole",
		          options->policy);
	else if (is_there && !options->force)
		text_addf(why, "%s is there already: --force writes over it", options->policy);
	policy_directory(options->policy, &text);
	if (why->length == 0 && options->root != NULL && leads_away(text.length == 0 ? "." : lock))
		text_addf(
		        why,
		        "a link lies on the way to %s: an image's would lead to this machine's files",
		        options->policy);
	text_add(&text, USUAL_LOCK);
	if (why->length == 0 && !options->force && lstat(lock, &st) == 0)
		text_addf(
		        why,
		        "%s already exists and may belong to another policy: use --force to overwrite it, or write the policy to a directory of its own",
		        lock);
	return why->length == 0;
}

/* As an error where there is nothing else. */
static void tell_left_out(const struct draft *draft, struct text *why)
{
	char sentence[2 * MAX_PATH_BYTES];
	struct text text = TEXT_OVER(sentence);

	if (draft->left_out == NULL)
		return;
	text_add(&text, draft->left_out);
	if (draft->left_out_count > 1)
		text_addf(&text, "; %zu more cannot be drafted either", draft->left_out_count - 1);
	if (draft->count == 0)
		text_add(why, sentence);
	else
		(void)complain(STATUS_OK, sentence);
}

static void tell_beside(const struct draft *draft)
{
	char sentence[MAX_PATH_BYTES + 128];
	struct text text = TEXT_OVER(sentence);

	if (draft->beside == NULL)
		return;
	text_addf(&text, "%s lies beside a hub cache, which alone is drafted: name it, too",
	          draft->beside);
	(void)complain(STATUS_OK, sentence);
}

static enum status draft_all(struct run *run, struct draft *draft, struct text *why)
{
	const struct options *options = &run->options;
	bool lock = options->policy != NULL;
	enum status status = STATUS_OK;
	size_t length;
	char *text;

	draft->signals = &run->signals;
	if (lock && !may_write(options, why))
		return STATUS_USAGE;
	for (size_t i = 0; i < options->word_count && status == STATUS_OK; i++)
		status = take_word(run, draft, options->words[i], why);
	if (status == STATUS_OK && options->service != NULL)
		status = take_run(run, draft, why);
	else if (status == STATUS_OK && options->word_count == 0)
		status = take_usual(run, draft, why);
	if (draft->stop != 0) {
		text_shorten(why, 0);
		return (enum status)(STATUS_SIGNAL + draft->stop);
	}
	if (status != STATUS_OK)
		return status;
	tell_left_out(draft, why);
	tell_beside(draft);
	if (draft->count == 0) {
		if (why->length == 0)
			text_add(why, "no model was found");
		return STATUS_MISSING;
	}
	draft_finish(draft);
	status = look(run, draft, lock, why);
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

/* NULL: the options go together. */
static const char *find_misuse(const struct options *options)
{
	if (options->ready != NULL &&
	    (options->ready[0] == '\0' || strpbrk(options->ready, "\n\r;#") != NULL))
		return "--ready takes one line, as [service] ready has it, without comments";
	if (options->service == NULL && options->ready != NULL)
		return "--ready is of a run: aweigh draft --ready TARGET -- COMMAND";
	if (options->service != NULL && options->root != NULL)
		return "nothing beneath --root is started: omit COMMAND";
	if (options->root == NULL && (options->env_file != NULL || options->image_config != NULL))
		return "--env-file and --image-config need --root";
	return NULL;
}

int command_draft(struct run *run)
{
	const char *fault = find_misuse(&run->options);
	char sentence[2 * MAX_PATH_BYTES];
	struct text why = TEXT_OVER(sentence);
	struct draft draft;
	enum status status = STATUS_SYSTEM;

	if (run->options.policy != NULL && strcmp(run->options.policy, "-") == 0)
		run->options.policy = NULL; /* standard output */
	if (fault != NULL)
		return complain(STATUS_USAGE, fault);
	if (draft_begin(&draft, run->options.root, &why))
		status = draft_all(run, &draft, &why);
	else if (run->options.root != NULL)
		status = STATUS_USAGE;
	if (why.length > 0)
		(void)complain(status, sentence);
	draft_release(&draft);
	return (int)status;
}
