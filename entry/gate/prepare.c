/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/prepare.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/glob.h"
#include "base/text.h"
#include "base/words.h"
#include "confine/identity.h"
#include "gate/given.h"
#include "gate/home.h"
#include "gate/output.h"
#include "gate/secrets.h"
#include "gate/verdict.h"
#include "hub/variables.h"
#include "policy/errors.h"
#include "policy/keys.h"
#include "process/clock.h"
#include "process/patient.h"
#include "report/format.h"
#include "service/target.h"
#include "util.h"

#define USUAL_POLICY "/etc/aweigh/policy.ini"

static void check_report_rows(struct policy *policy)
{
	for (size_t i = 0; i < policy->reports_count; i++) {
		const char *name = policy->reports[i].name;
		char sentence[256];
		struct text text = TEXT_OVER(sentence);

		if (report_format_find(name, strlen(name)) != NULL)
			continue;
		text_addf(&text, "unknown report format '%.64s'", name);
		(void)words_suggest(&text, name, report_format_at, NULL);
		policy_error(policy, FINDING_POLICY_UNKNOWN, SOURCE_POLICY, policy->reports[i].line,
		             "write human, json, junit, sarif, tap, github, markdown or gcp", "%s",
		             sentence);
	}
}

/*
 * Where people look: GitHub's runner sets GITHUB_ACTIONS (docs.github.com, default environment variables), Cloud Run
 * K_SERVICE or, for a job, CLOUD_RUN_JOB (its container runtime contract); its logs take structured lines.
 */
static const struct report_format *choose_format(const struct gate *gate)
{
	const char *actions = environment_get(&gate->own, "GITHUB_ACTIONS"),
	           *service = environment_get(&gate->own, "K_SERVICE"),
	           *job = environment_get(&gate->own, "CLOUD_RUN_JOB");
	const struct report_format *format = gate->options->format;

	if (strcmp(format->name, "auto") != 0)
		return format;
	format = actions != NULL && strcmp(actions, "true") == 0 ? report_format_find("github", 6) :
	         ((service != NULL && service[0] != '\0') || (job != NULL && job[0] != '\0')) &&
	                         !isatty(STDERR_FILENO) ?
	                                                           report_format_find("gcp", 3) :
	                                                           report_format_find("human", 5);
	return format->write != NULL ? format : report_format_find("human", 5);
}

/* What the service is to get as a request to stop is one while there is no service yet. */
static void take_stops(const struct gate *gate)
{
	uint64_t more = 0;
	bool init = gate->policy.init || gate->options->init; /* else nothing is forwarded */

	for (size_t i = 0; init && i < gate->policy.forwards_count; i++)
		if (signals_is_stop(gate->policy.forwards[i].to))
			more |= SIGNAL_BIT(gate->policy.forwards[i].from);
	signals_add_stops(gate->signals, more);
}

static void take_policy_error(void *context, const struct record *record)
{
	(void)gate_add_finding(context, record);
}

/* The policy's or the command line's, else that of the image beneath --root; NULL: whoever aweigh was started as. */
static const char *user_of(const struct gate *gate)
{
	const char *user = gate->policy.user;

	if (user != NULL && strcmp(user, "unchanged") != 0)
		return user;
	return gate->options->user == NULL && gate->options->root != NULL ? gate->image_user : NULL;
}

static void refuse_value(struct gate *gate, unsigned key, const char *fix, struct text *why)
{
	text_mark_cut(why);
	policy_error(&gate->policy, FINDING_POLICY_VALUE, SOURCE_POLICY,
	             gate->policy.said[key].line, fix, "%s", why->at);
}

/* Without a user the groups that the policy names change nobody, and are a mistake all the same where they are one. */
static void take_groups(struct gate *gate, bool changes)
{
	char sentence[512];
	struct text why = TEXT_OVER(sentence);
	static const char *const words[] = { "replace", "keep", NULL };
	struct identity other = { .keep_groups = false };

	/* Groups of another machine than this are no mistake, as long as nobody is to have them here. */
	if (!changes && words_nearest(gate->policy.groups, words_of, words) == NULL)
		return;
	if (!identity_parse_groups(changes ? &gate->who : &other, &gate->users, gate->policy.groups,
	                           &why))
		refuse_value(gate, KEY_GROUPS, "write replace, keep, or groups by name or number",
		             &why);
}

static void resolve_identity(struct gate *gate)
{
	const char *user = user_of(gate);
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	identity_current(&gate->who);
	if (user_files_read(&gate->users, &gate->tree) != 0) {
		policy_error(&gate->policy, FINDING_POLICY_MISSING, SOURCE_POLICY, 0, NULL,
		             "/etc/passwd or /etc/group cannot be read whole");
		return;
	}
	identity_name(&gate->who, &gate->users);
	gate->who.exact = true;
	gate->who_is_of_image = user != NULL && user == gate->image_user;
	if (user != NULL && !identity_parse(&gate->who, &gate->users, user, &why)) {
		refuse_value(gate, KEY_USER, "name a user of the image, or a number", &why);
		return;
	}
	/* An image's engine knows nothing of policy.groups, and gives whoever has no entry the root as a home. */
	if (!gate->who_is_of_image)
		take_groups(gate, user != NULL);
	else if (gate->who.home[0] == '\0')
		memcpy(gate->who.home, "/", 2);
	if (user == NULL)
		return;
	gate->who.exact = identity_is_current(&gate->who) || identity_may_change();
}

bool gate_whole_path(const struct gate *gate, const char *path, char out[static MAX_PATH_BYTES])
{
	return path_join(out, MAX_PATH_BYTES, path[0] == '/' ? "/" : gate->working_directory, path);
}

/* A relative path is the service's working directory's; the service is told the whole, since it may go elsewhere. */
static void resolve_policy_paths(struct gate *gate)
{
	const char *directory = gate->policy.working_directory, *cache = gate->policy.hub_cache;

	if (directory != NULL && directory[0] == '/' &&
	    path_join(gate->working_directory, sizeof(gate->working_directory), directory, ""))
		;
	else if (gate->options->root != NULL ||
	         getcwd(gate->working_directory, sizeof(gate->working_directory)) == NULL)
		memcpy(gate->working_directory, "/", 2);
	if (cache == NULL || !gate_whole_path(gate, cache, gate->hub_cache))
		return;
	gate->hub_cache_origin = "policy.hub_cache";
	if (cache[0] != '/')
		gate->policy.hub_cache = gate->hub_cache;
}

static void resolve_cache(struct gate *gate)
{
	enum location_error error;

	if (gate->policy.hub_cache != NULL)
		return;
	error = library_hub_cache(&gate->env, gate->who.home, gate->working_directory,
	                          gate->hub_cache, sizeof(gate->hub_cache),
	                          &gate->hub_cache_origin);
	if (error != LOCATION_OK)
		gate->hub_cache_origin = NULL;
}

/* What is fetched is not waited for. */
static void check_wait(struct policy *policy)
{
	if (policy->wait_ms > 0 && policy->mode != MODE_OFFLINE)
		policy_error(
		        policy, FINDING_POLICY_VALUE, SOURCE_POLICY, policy->said[KEY_WAIT].line,
		        "set mode = offline for who waits; whoever fetches has mode = auto",
		        "wait says that another brings the models, and mode = %s that this one does",
		        mode_words[policy->mode]);
}

static void check_pattern(struct policy *policy, enum key_id key, const char *pattern)
{
	if (!glob_is_sound(pattern))
		policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, policy->said[key].line,
		             "write [[] for a bracket itself", "%s: '%.200s' does not close its [",
		             policy_keys[key].name, pattern);
}

/* What a service is asked, and what is looked for in what it says. */
static void check_patterns(struct gate *gate)
{
	struct policy *policy = &gate->policy;
	bool has_body = false;

	for (size_t i = 0; i < policy->log_expect.count; i++)
		check_pattern(policy, KEY_LOG_EXPECT, policy->log_expect.items[i]);
	for (size_t i = 0; i < policy->log_forbid.count; i++)
		check_pattern(policy, KEY_LOG_FORBID, policy->log_forbid.items[i]);
	for (size_t i = 0; i < gate->ready_count; i++) {
		has_body |= gate->ready[i].kind == TARGET_HTTP;
		if (gate->ready[i].kind == TARGET_LOG)
			check_pattern(policy, KEY_READY, gate->ready[i].rest);
	}
	if (policy->ready_body == NULL)
		return;
	check_pattern(policy, KEY_READY_BODY, policy->ready_body);
	if (!has_body)
		policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY,
		             policy->said[KEY_READY_BODY].line,
		             "name an http:// or https:// address in ready, or remove ready_body",
		             "ready_body: no element of ready has a body");
}

/* Whatever the command is: a check of the image says what its smoke would refuse. Where it may ask is smoke's alone. */
static void take_ready(struct gate *gate)
{
	struct policy *policy = &gate->policy;
	char sentence[512], fault[256];
	struct text why = TEXT_OVER(sentence);
	unsigned line = policy->said[KEY_READY].line;
	bool ends = false;

	if (policy->ready.count > MAX_READY_TARGETS)
		text_addf(&why, "ready has more than %u elements", MAX_READY_TARGETS);
	for (size_t i = 0; why.length == 0 && i < policy->ready.count; i++) {
		struct target *target = &gate->ready[gate->ready_count++];
		struct text text = TEXT_OVER(fault);

		if (!target_parse(target, policy->ready.items[i], &text))
			text_addf(&why, "ready: %s", fault);
		ends = ends || target->kind == TARGET_EXIT;
	}
	if (why.length == 0 && ends && policy->ready.count > 1)
		text_add(&why,
		         "ready: a command that must end by itself (exit) answers nothing else");
	if (why.length == 0 && policy->log_expect.count > MAX_MARKED_ELEMENTS) {
		line = policy->said[KEY_LOG_EXPECT].line;
		text_addf(&why, "log_expect has more than %u elements", MAX_MARKED_ELEMENTS);
	}
	if (why.length > 0)
		policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, line, NULL, "%s",
		             sentence);
	else
		check_patterns(gate);
}

static enum status open_trees(struct gate *gate, struct text *why)
{
	int error = tree_init(&gate->host, NULL);

	if (error == 0)
		error = tree_init(&gate->tree, gate->options->root);
	if (error == 0)
		return STATUS_OK;
	text_addf(why, "--root %s cannot be opened: %s", gate->options->root, strerror(-error));
	return STATUS_USAGE;
}

/* A file beneath --root that was named on this machine, as the image names it: there its links lead to nothing outside. NULL: it is elsewhere. */
static const char *path_in_image(const struct gate *gate, const char *file)
{
	char root[PATH_MAX], real[PATH_MAX], directory[PATH_MAX], path[PATH_MAX];
	struct text text = TEXT_OVER(directory);

	text_add_bytes(&text, file, (size_t)(path_name(file) - file));
	text_add(&text, ".");
	if (gate->options->root == NULL || realpath(gate->options->root, root) == NULL ||
	    text.cut || realpath(directory, real) == NULL || !path_is_beneath(real, root) ||
	    !path_join(path, sizeof(path), real, path_name(file)))
		return NULL;
	return arena_copy(gate->report.arena, path + (root[1] == '\0' ? 0 : strlen(root)),
	                  strlen(path) - (root[1] == '\0' ? 0 : strlen(root)));
}

static const char *policy_file(const struct gate *gate, const struct tree **tree)
{
	const char *named = gate->options->policy != NULL ?
	                            gate->options->policy :
	                            environment_get(&gate->own, "AWEIGH_POLICY");
	const char *inside = named == NULL || named[0] == '\0' ? NULL : path_in_image(gate, named);

	if (inside != NULL) {
		*tree = &gate->tree;
		return inside;
	}
	*tree = named != NULL && named[0] != '\0' ? &gate->host : &gate->tree;
	return named != NULL && named[0] != '\0' ? named : USUAL_POLICY;
}

/* Whoever may set the environment or the arguments of an image is not to take its policy away, if that says so. */
static int guard_usual_policy(struct gate *gate, struct policy_input *named)
{
	struct policy_input input = { .file = USUAL_POLICY,
		                      .tree = &gate->host,
		                      .models_tree = &gate->host,
		                      .environment = &gate->given,
		                      .signals = gate->signals,
		                      .level = -1 };
	CLEANUP(cleanup_free) struct policy *usual = NULL;
	CLEANUP(cleanup_fd) int fd = -1;
	int error;

	if (named->tree != &gate->host || strcmp(named->file, USUAL_POLICY) == 0 ||
	    gate->options->root != NULL)
		return 0;
	fd = patient_open(&gate->host, USUAL_POLICY, MAX_POLICY_BYTES, gate->signals);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd == -ETIMEDOUT) {
		named->file = USUAL_POLICY;
		return fd;
	}
	usual = calloc(1, sizeof(*usual));
	if (usual == NULL)
		return -ENOMEM;
	error = policy_read(usual, &input);
	/* What cannot be read, or not wholly, may say so. */
	if (error == 0 && (!usual->replaceable || usual->error_count > 0))
		policy_error(
		        &gate->policy, FINDING_POLICY_VALUE, SOURCE_POLICY, 0,
		        "omit --policy and AWEIGH_POLICY, or remove replaceable = no",
		        usual->error_count > 0 ? USUAL_POLICY
		                " cannot be read without errors, and may say replaceable = no" :
		                                 USUAL_POLICY
		                " says replaceable = no, so no other policy counts here");
	policy_release(usual);
	return error;
}

static enum status read_policy(struct gate *gate, struct policy_input *input, struct text *why)
{
	int error;

	if (open_trees(gate, why) != STATUS_OK || !gate_take_environment(gate, why))
		return STATUS_USAGE;
	input->file = policy_file(gate, &input->tree);
	gate->policy_tree = input->tree;
	gate->policy_is_of_tree = input->tree == &gate->tree;
	error = gate->report.arena == NULL ? -ENOMEM : policy_read(&gate->policy, input);
	if (error == 0)
		error = guard_usual_policy(gate, input);
	if (error == 0)
		return STATUS_OK;
	if (error != -ETIMEDOUT) {
		text_add(why, "out of memory");
		return STATUS_SYSTEM;
	}
	text_addf(why, "the policy %.900s, or the list of models that it names, cannot be read: %s",
	          input->file, patient_words(error));
	return STATUS_TEMPORARY;
}

enum status gate_prepare(struct gate *gate, const struct options *options,
                         const struct signals *signals, char *const *rows, struct text *why)
{
	struct policy_input input = { .models_tree = &gate->tree,
		                      .environment = &gate->given,
		                      .signals = signals,
		                      .only = options->only,
		                      .level = options->level,
		                      .user = options->user };
	enum status status;
	bool home_follows;

	memset(gate, 0, sizeof(*gate));
	gate->started_ns = clock_now_ns();
	gate->options = options;
	gate->signals = signals;
	gate->tree.root_fd = gate->host.root_fd = gate->limits.ruleset_fd = gate->inotify_fd = -1;
	gate->own = environment_over(rows);
	gate->format = choose_format(gate);
	gate->report.arena = arena_new();
	input.report = take_policy_error;
	input.report_context = gate;
	status = read_policy(gate, &input, why);
	if (status != STATUS_OK)
		return status;
	gate_locate_policy(gate);
	take_stops(gate);
	check_report_rows(&gate->policy);
	check_wait(&gate->policy);
	take_ready(gate);
	gate->deadline_ns = gate->started_ns + gate->policy.deadline_ms * 1000000u;
	resolve_identity(gate);
	status = gate_choose_home(gate, &home_follows, why);
	if (status != STATUS_OK)
		return status;
	resolve_policy_paths(gate);
	if (service_environ_compute(&gate->service, &gate->policy, &gate->given, &gate->who,
	                            home_follows) < 0)
		goto memory;
	gate->report.policy = &gate->policy;
	status = gate_read_secrets(gate, why);
	if (status != STATUS_OK)
		return status;
	resolve_cache(gate);
	gate->report.who = &gate->who;
	gate->report.hub_cache = gate->hub_cache_origin != NULL ? gate->hub_cache : NULL;
	gate->report.hub_cache_origin = gate->hub_cache_origin;
	gate->report.models = calloc(gate->policy.model_count + 1, sizeof(*gate->report.models));
	if (gate->report.models == NULL)
		goto memory;
	if (gate->policy.error_count > MAX_POLICY_ERRORS)
		gate->report.dropped += gate->policy.error_count - MAX_POLICY_ERRORS;
	gate->report.elapsed_ns = clock_now_ns() - gate->started_ns;
	return STATUS_OK;
memory:
	text_addf(why, "out of memory");
	return STATUS_SYSTEM;
}
