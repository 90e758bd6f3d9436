/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/seen.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/dir.h"
#include "base/scan.h"
#include "engine/locate.h"
#include "gate/verdict.h"
#include "hub/cache.h"
#include "process/clock.h"
#include "util.h"

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
	const char *last = seen->lines == 0 ? "none, it said nothing" :
	                                      seen->last[(seen->lines - 1) % LENGTH_OF(seen->last)];

	const struct report_at at = {
		.line = gate->policy.said[seen->ready ? KEY_SETTLE : KEY_READY].line,
		.fix = by_signal && number == SIGKILL ?
		               "somebody killed it, as the kernel does where memory ends: hold its peak against the limit" :
		       by_signal && number == SIGILL ?
		               "it is built for instructions that this processor lacks: take a build for older ones" :
		       !by_signal && number == 0 ?
		               "a service must stay in the foreground; a command that ends by itself is ready by its end: ready = exit" :
		       seen->lines == 0 ? "run the command by itself: here it said nothing" :
		                          NULL,
	};

	if (seen->ready)
		gate_raise_at(gate, FINDING_SERVICE_DIED, at,
		              "ended %s %d, %llu ms after it was ready; its last line: %s",
		              by_signal ? "by signal" : "with status", number,
		              (unsigned long long)(seen->end_ms - seen->ready_ms), last);
	else
		gate_raise_at(gate, FINDING_SERVICE_DIED, at,
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
		return !seen->ready && seen->ended && !seen->asked;
	return seen->ended && !seen->settled && !seen->lapsed && seen->forbidden == NULL &&
	       seen->stop == 0 && (seen->ready || seen->end_ms < gate->policy.ready_within_ms);
}

static const struct report_attempt *keep_attempts(struct gate *gate,
                                                  const struct observer *observer)
{
	struct report_attempt *kept =
	        arena_take(gate->report.arena, (observer->attempt_count + 1) * sizeof(*kept));

	for (size_t i = 0; kept != NULL && i < observer->attempt_count; i++) {
		const struct attempt *attempt = &observer->attempts[i];

		kept[i] = (struct report_attempt){
			.host = report_keep(&gate->report, attempt->host),
			.program = report_keep(&gate->report, attempt->program),
			.first_ms = attempt->first_ms,
			.count = attempt->count,
			.port = attempt->port,
			.refused = attempt->refused,
		};
	}
	return kept;
}

/* "python3 asked DNS for it after 300 ms, twice". */
static void describe(const struct attempt *attempt, struct text *out)
{
	text_add(out, attempt->program);
	if (attempt->kind == ATTEMPT_NAME)
		text_add(out, " asked DNS for this name");
	else if (attempt->kind == ATTEMPT_SOCKET)
		text_add(out, " wanted to send datagrams, as a resolver does");
	else
		text_addf(out, " reached out to its port %u", attempt->port);
	text_addf(out, " after %llu ms", (unsigned long long)attempt->first_ms);
	if (attempt->count > 1)
		text_addf(out, ", %llu times in all", (unsigned long long)attempt->count);
	if (attempt->refused)
		text_add(out, ", and was refused");
}

/* Whom it reached out to, and which names it asked for. */
static void raise_attempts(struct gate *gate, const struct observer *observer)
{
	bool refuse = gate->policy.network == OBSERVED_REFUSE;

	for (size_t i = 0; i < observer->attempt_count; i++) {
		const struct attempt *attempt = &observer->attempts[i];
		char sentence[512];
		struct text text = TEXT_OVER(sentence);

		describe(attempt, &text);
		gate_raise_at(
		        gate, FINDING_SERVICE_NETWORK,
		        (struct report_at){
		                .path = attempt->kind != ATTEMPT_SOCKET ? attempt->host : NULL,
		                .line = gate->policy.said[KEY_NETWORK].line,
		                .severity = refuse ? SEVERITY_ERROR : SEVERITY_OFF },
		        "%s", sentence);
	}
	if (observer->attempts_left_out > 0)
		gate_raise(gate, FINDING_SERVICE_NETWORK, 0,
		           "%zu more attempts, to other hosts and ports, are not listed",
		           observer->attempts_left_out);
}

/* Where the model lies, from the root; false: it was not found. */
static bool place_of(const struct gate *gate, size_t index, char out[static MAX_PATH_BYTES])
{
	char path[MAX_PATH_BYTES] = "";

	report_model_path(&gate->report, index, path, sizeof(path));
	return path[0] != '\0' && gate_whole_path(gate, path, out);
}

/* models--ORG--NAME directly beneath the cache: what else lies there belongs to the libraries. */
static bool is_of_a_repository(const struct gate *gate, const char *path)
{
	size_t length = strlen(gate->hub_cache);

	return gate->hub_cache_origin != NULL && path_is_beneath(path, gate->hub_cache) &&
	       strncmp(path + length, "/models--", 9) == 0;
}

/* The directories of the policy's repositories, models--ORG--NAME, sorted. */
struct repositories {
	char **names;
	size_t count;
};

static void repositories_add(struct repositories *all, const char *name, size_t length)
{
	char *copy = strndup(name, length);

	if (copy != NULL)
		all->names[all->count++] = copy;
}

/* By their repositories, and those whose path lies in the cache. */
static void repositories_take(struct repositories *all, const struct gate *gate)
{
	char path[MAX_PATH_BYTES];

	all->count = 0;
	all->names = calloc(gate->policy.model_count + 1, sizeof(*all->names));
	for (size_t i = 0; all->names != NULL && i < gate->policy.model_count; i++) {
		const char *repo = gate->policy.models[i].repo;

		if (gate->policy.models[i].path != NULL && place_of(gate, i, path) &&
		    is_of_a_repository(gate, path)) {
			const char *name = path + strlen(gate->hub_cache) + 1;

			repositories_add(all, name, strcspn(name, "/"));
		} else if (repo != NULL && repo_path(gate->hub_cache, repo, path, sizeof(path))) {
			repositories_add(all, path_name(path), strlen(path_name(path)));
		}
	}
	if (all->count > 1)
		qsort(all->names, all->count, sizeof(all->names[0]), text_order);
}

static void repositories_release(struct repositories *all)
{
	for (size_t i = 0; i < all->count; i++)
		free(all->names[i]);
	free(all->names);
}

/* Of a path in the cache. */
static bool is_of_a_model(const struct gate *gate, const struct repositories *all, const char *path)
{
	char name[MAX_NAME_BYTES], *key = name;
	struct text text = TEXT_OVER(name);
	const char *repo = path + strlen(gate->hub_cache) + 1;

	text_add_bytes(&text, repo, strcspn(repo, "/"));
	return !text.cut &&
	       bsearch(&key, all->names, all->count, sizeof(all->names[0]), text_order) != NULL;
}

/*
 * A revision that is not aboard: refs/NAME that is not there, or a snapshot. A commit is looked for beneath refs/ by
 * whoever asks for a commit, and lies in snapshots/ alone (huggingface_hub, try_to_load_from_cache()).
 */
static bool is_absent_revision(const char *path)
{
	char snapshot[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(snapshot);
	struct cache_path parts;
	struct stat st;

	if (!cache_path_read(path, &parts) || stat(path, &st) == 0)
		return false;
	if (strncmp(parts.beneath, "/refs/", 6) == 0)
		return !revision_is_commit(parts.beneath + 6);
	text_add_bytes(&text, path, (size_t)(parts.beneath - path));
	text_addf(&text, "/snapshots/%s", parts.commit);
	return parts.commit[0] != '\0' && !text.cut && stat(snapshot, &st) != 0;
}

/* Weights that lie neither in the cache nor in a model of the policy, by whatever way they were reached. */
static bool is_elsewhere(const struct observer *observer, const struct opened_file *file)
{
	char real[PATH_MAX];

	if (!file->opened || realpath(file->path, real) == NULL)
		return false;
	for (size_t i = 0; i < observer->directory_count; i++)
		if (path_is_beneath(file->path, observer->directories[i]) ||
		    path_is_beneath(real, observer->directories[i]) ||
		    (observer->real != NULL && observer->real[i] != NULL &&
		     path_is_beneath(real, observer->real[i])))
			return false;
	return true;
}

static void raise_file(struct gate *gate, const char *path, const char *what)
{
	bool refuse = gate->policy.files_opened == OBSERVED_REFUSE;

	gate_raise_at(gate, FINDING_SERVICE_FILES,
	              (struct report_at){ .path = path,
	                                  .line = gate->policy.said[KEY_FILES_OPENED].line,
	                                  .fix = "add a [model] section for what it needs",
	                                  .severity = refuse ? SEVERITY_ERROR : SEVERITY_OFF },
	              "%s", what);
}

static void raise_files(struct gate *gate, const struct observer *observer)
{
	struct repositories all;
	size_t raised = 0;

	repositories_take(&all, gate);
	for (size_t i = 0; i < observer->file_count; i++) {
		const struct opened_file *file = &observer->files[i];
		bool is_there, of_a_model;
		struct stat st;

		if (is_elsewhere(observer, file) && raised++ < FINDINGS_PER_KIND)
			raise_file(gate, file->path,
			           "was opened, and no [model] section names where it lies");
		if (!is_of_a_repository(gate, file->path))
			continue;
		is_there = stat(file->path, &st) == 0;
		of_a_model = is_of_a_model(gate, &all, file->path);
		if ((is_there && !file->opened) ||
		    (of_a_model && !is_absent_revision(file->path)) ||
		    raised++ >= FINDINGS_PER_KIND)
			continue;
		raise_file(
		        gate, file->path,
		        of_a_model ?
		                "was looked for and is not there: the service wants a revision that is not aboard" :
		        !is_there ?
		                "was looked for and is not there, and no [model] section names its repository" :
		                "was opened, and no [model] section names its repository");
	}
	repositories_release(&all);
	gate->report.service.uncovered = raised;
}

#define LARGEST (LENGTH_OF(((struct report_used *)NULL)->largest) - 1)

struct unopened {
	const struct model *model;
	const struct identified *seen;
	size_t seen_count;
	size_t opened, files, entries;
	uint64_t bytes;
	struct {
		uint64_t bytes;
		char path[MAX_PATH_BYTES]; /* beneath the model's directory */
	} largest[LARGEST];
};

static void take_unopened(struct unopened *unopened, const char *path, uint64_t bytes)
{
	size_t at = unopened->files < LARGEST ? unopened->files : LARGEST;

	unopened->files++;
	unopened->bytes += bytes;
	while (at > 0 && (unopened->largest[at - 1].bytes < bytes ||
	                  (unopened->largest[at - 1].bytes == bytes &&
	                   strcmp(path, unopened->largest[at - 1].path) < 0))) {
		if (at < LARGEST)
			unopened->largest[at] = unopened->largest[at - 1];
		at--;
	}
	if (at == LARGEST)
		return;
	unopened->largest[at].bytes = bytes;
	memcpy(unopened->largest[at].path, path, strlen(path) + 1);
}

/* What the service has left there may be anything: there is an end to it. */
static enum dir_step count_file(void *context, const char *path, const struct stat *st)
{
	struct unopened *unopened = context;

	if (unopened->entries++ >= MAX_OBSERVED_FILES)
		return DIR_END;
	if (path_name(path)[0] == '.')
		return DIR_PASS_BY;
	if (!S_ISREG(st->st_mode) || !model_selects(unopened->model, path))
		return DIR_ON;
	if (identified_has(unopened->seen, unopened->seen_count, st))
		unopened->opened++;
	else
		take_unopened(unopened, path, (uint64_t)st->st_size);
	return DIR_ON;
}

/* A model may be one file. */
static void count_files(struct gate *gate, const char *path, struct unopened *unopened)
{
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		dir_walk(&gate->tree, path, count_file, unopened);
	else if (identified_has(unopened->seen, unopened->seen_count, &st))
		unopened->opened++;
	else
		take_unopened(unopened, "", (uint64_t)st.st_size);
}

/* The rest of a path that lies beneath; NULL: it does not, or goes up again. */
static const char *beneath(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	while (length > 1 && directory[length - 1] == '/')
		length--;
	if (!path_is_beneath(path, directory) || path[length] == '\0')
		return NULL;
	path += length + strspn(path + length, "/");
	return repo_path_is_legal(path, strlen(path)) ? path : NULL;
}

/*
 * What it looked for in a model and did not find: libraries try what a model may have, and say only what they miss. What
 * the service made and removed is its own, and what the policy leaves out is left out.
 */
static void count_absent(struct gate *gate, const struct observer *observer,
                         const struct model *model, const char *directory, struct report_used *used)
{
	char real[PATH_MAX];

	if (realpath(directory, real) == NULL)
		return;
	for (size_t i = 0; i < observer->file_count; i++) {
		const struct opened_file *file = &observer->files[i];
		const char *name = beneath(file->path, directory);
		struct stat st;

		if (name == NULL)
			name = beneath(file->path, real);
		if (name == NULL || file->made || path_name(name)[0] == '.' ||
		    !model_selects(model, name) || stat(file->path, &st) == 0)
			continue;
		if (used->absent++ < LENGTH_OF(used->missed) - 1)
			used->missed[used->absent - 1] = report_keep(&gate->report, name);
	}
}

static void raise_unopened(struct gate *gate, const struct unopened *unopened,
                           const char *directory)
{
	char path[MAX_PATH_BYTES];

	if (unopened->files > 0 &&
	    path_join(path, sizeof(path), directory, unopened->largest[0].path))
		gate_raise_at(
		        gate, FINDING_SERVICE_FILES,
		        (struct report_at){
		                .path = path,
		                .fix = "leave out by files or exclude what it never opens" },
		        "of [model %.128s] %zu files were opened, and %zu (%s) never, this one the largest",
		        unopened->model->name, unopened->opened, unopened->files,
		        size_text(unopened->bytes).text);
}

/* Files by model: what an image need not hold for this service, and what it has not. */
static void take_used(struct gate *gate, const struct observer *observer)
{
	struct report_service *service = &gate->report.service;
	struct report_used *all =
	        arena_take(gate->report.arena, (gate->policy.model_count + 1) * sizeof(*all));
	size_t count;
	struct identified *seen = observer_identify(observer, &count);

	for (size_t i = 0; all != NULL && seen != NULL && i < gate->policy.model_count; i++) {
		struct unopened unopened = { .model = &gate->policy.models[i],
			                     .seen = seen,
			                     .seen_count = count };
		struct report_used *used = &all[service->used_count];
		char directory[MAX_PATH_BYTES];

		if (!gate->report.models[i].found || !place_of(gate, i, directory))
			continue;
		count_files(gate, directory, &unopened);
		*used = (struct report_used){ .model = unopened.model->name,
			                      .opened = unopened.opened,
			                      .unopened = unopened.files,
			                      .unopened_bytes = unopened.bytes };
		count_absent(gate, observer, unopened.model, directory, used);
		for (size_t k = 0; k < LARGEST && k < unopened.files; k++)
			used->largest[k] = report_keep(&gate->report, unopened.largest[k].path);
		raise_unopened(gate, &unopened, directory);
		service->used_count++;
	}
	service->used = all;
	free(seen);
}

static bool demands(const struct gate *gate)
{
	return gate->policy.network == OBSERVED_REFUSE ||
	       gate->policy.files_opened == OBSERVED_REFUSE;
}

/* What is to be refused must be seen. */
static void raise_unobserved(struct gate *gate, const char *sentence)
{
	bool refuse = demands(gate);

	gate_raise_at(gate, FINDING_SERVICE_UNOBSERVED,
	              (struct report_at){ .severity = refuse ? SEVERITY_ERROR : SEVERITY_OFF },
	              "%s", sentence);
}

/* The names along PATH that are not there are no programs. */
static void keep_programs(struct gate *gate, const struct observer *observer)
{
	struct report_service *service = &gate->report.service;
	size_t kept = 0;
	struct stat st;

	for (size_t i = 0; i < observer->program_count && kept + 1 < LENGTH_OF(service->programs);
	     i++)
		if (stat(observer->programs[i], &st) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 0111) != 0)
			service->programs[kept++] =
			        report_keep(&gate->report, observer->programs[i]);
}

static void raise_observed(struct gate *gate, const struct watched *seen,
                           const struct observer *observer)
{
	struct report_service *service = &gate->report.service;
	char sentence[256];
	struct text text = TEXT_OVER(sentence);

	service->observed = seen->observed;
	if (!seen->observed) {
		raise_unobserved(
		        gate,
		        "its system calls were not observed: what it opened and connected to is not told");
		return;
	}
	service->attempts = keep_attempts(gate, observer);
	service->attempt_count = service->attempts == NULL ? 0 : observer->attempt_count;
	keep_programs(gate, observer);
	memcpy(service->ports, observer->ports, sizeof(observer->ports));
	raise_attempts(gate, observer);
	raise_files(gate, observer);
	if (observer->moved)
		gate_raise(
		        gate, FINDING_SERVICE_UNOBSERVED, 0,
		        "it has another root directory: the files that it opened since are not told");
	if (observer->aside_left_out > 0)
		gate_raise(
		        gate, FINDING_SERVICE_UNOBSERVED, 0,
		        "it opened more than %u files elsewhere: whether links led from there to the models is not told",
		        MAX_FILES_ASIDE);
	if (observer->hidden == 0 && observer->files_left_out == 0) {
		if (!observer->moved && observer->aside_left_out == 0)
			take_used(gate, observer);
		return;
	}
	text_addf(
	        &text,
	        "%llu of its calls may not be looked into, and %zu are of files beyond the %u that are kept: it may have opened and reached more",
	        (unsigned long long)observer->hidden, observer->files_left_out, MAX_OBSERVED_FILES);
	raise_unobserved(gate, sentence);
}

void gate_take_service(struct gate *gate, const struct watched *seen,
                       const struct observer *observer)
{
	size_t before = gate->report.count;
	bool died = ended_by_itself(gate, seen);

	if (seen->occupied[0] != '\0') {
		gate_raise_at(
		        gate, FINDING_SERVICE_NOT_READY,
		        (struct report_at){
		                .line = gate->policy.said[KEY_READY].line,
		                .fix = strncmp(seen->occupied, "file:", 5) == 0 ?
		                               "remove the file, which is of an earlier start" :
		                               "stop what answers there, or let the service use another port" },
		        "%s already: the service was not started, since nobody could tell its answer from that",
		        seen->occupied);
		return;
	}
	if (died)
		raise_end(gate, seen);
	else if (!seen->ready && seen->forbidden == NULL)
		gate_raise(gate, FINDING_SERVICE_NOT_READY,
		           gate->policy.said[KEY_READY_WITHIN].line,
		           "was not ready within %llu ms: %s",
		           (unsigned long long)gate->policy.ready_within_ms,
		           seen->why[0] != '\0' ? seen->why : "what ready names was not seen");
	if (seen->lapsed)
		gate_raise_at(
		        gate, FINDING_SERVICE_NOT_READY,
		        (struct report_at){
		                .line = gate->policy.said[KEY_READY].line,
		                .fix = "look at its last lines: it lives, and does not answer" },
		        "was ready after %llu ms, and not any more when it had settled: %s",
		        (unsigned long long)seen->ready_ms, seen->why);
	if (seen->ended && seen->asked && !seen->killed && WIFSIGNALED(seen->status) &&
	    WTERMSIG(seen->status) != SIGTERM)
		gate_raise(gate, FINDING_SERVICE_DIED, gate->policy.said[KEY_STOP_WITHIN].line,
		           "ended by signal %d when it was asked to stop", WTERMSIG(seen->status));
	raise_log(gate, seen);
	if (seen->killed)
		gate_raise(
		        gate, FINDING_SERVICE_STOP_SLOW, gate->policy.said[KEY_STOP_WITHIN].line,
		        seen->unheard ?
		                "may not be signalled, and did not end within %llu ms: CAP_KILL is missing" :
		                "did not end within %llu ms of SIGTERM, and was killed",
		        (unsigned long long)gate->policy.stop_within_ms);
	gate->report.elapsed_ns = clock_now_ns() - gate->started_ns;
	keep(gate, seen, gate->report.count > before);
	raise_observed(gate, seen, observer);
}

/* The cache, and the directories of models outside of it, as they are named and without links. */
static bool list_directories(struct gate *gate, struct observer *observer)
{
	size_t room = gate->policy.model_count + 1;
	const char **at = arena_take(gate->report.arena, room * sizeof(*at));
	const char **real = arena_take(gate->report.arena, room * sizeof(*real));
	char path[MAX_PATH_BYTES], resolved[PATH_MAX];
	bool any = false;
	size_t count = 0;

	if (at == NULL || real == NULL)
		return false;
	if (gate->hub_cache_origin != NULL && gate->hub_cache[0] == '/')
		at[count++] = gate->hub_cache;
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (gate->policy.models[i].path != NULL && place_of(gate, i, path))
			at[count++] = report_keep(&gate->report, path);
	for (size_t i = 0; i < count; i++) {
		bool other = at[i][0] == '/' && realpath(at[i], resolved) != NULL &&
		             strcmp(at[i], resolved) != 0;

		real[i] = other ? report_keep(&gate->report, resolved) : NULL;
		any = any || other;
	}
	observer->directories = at;
	observer->real = any ? real : NULL;
	observer->directory_count = count;
	return true;
}

/*
 * The filter of egress answers socket(2) by itself before anybody sees it: where the service is observed, whoever does so
 * answers for it, by the numbers that the call has in registers, which no thread can change meanwhile.
 */
struct observer *gate_observe(struct gate *gate)
{
	struct observer *observer = observe_try() == 0 ? calloc(1, sizeof(*observer)) : NULL;

	if (observer == NULL || !list_directories(gate, observer)) {
		free(observer);
		return NULL;
	}
	observer->refuses = gate->policy.egress.kind == EGRESS_DENY;
	observer->refuses_tcp = observer->refuses && gate->report.confinement.tcp;
	observer->demands = demands(gate);
	observer->demands_files = gate->policy.files_opened == OBSERVED_REFUSE;
	gate->limits.observed = gate->limits.filter && observer->refuses;
	return observer;
}
