/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/gate.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "confine/identity.h"
#include "hub/cache.h"
#include "gate/refetch.h"
#include "inspector.h"
#include "hub/variables.h"
#include "base/arena.h"
#include "process/channel.h"
#include "process/clock.h"
#include "engine/raised.h"
#include "base/text.h"
#include "util.h"

/* The report */

/* What confine.landlock = require does not put up with. */
static bool is_withheld(const struct finding_kind *kind)
{
	return kind == &raised_kinds[RAISED_CONFINE_UNAVAILABLE] ||
	       kind == &raised_kinds[RAISED_CONFINE_EGRESS] ||
	       kind == &raised_kinds[RAISED_CONFINE_MODELS];
}

static enum severity severity_of(const struct gate *gate, const struct finding_kind *kind,
                                 int model)
{
	enum severity severity = kind->severity;

	if (gate->policy.set[KEY_LANDLOCK].number != 0 && is_withheld(kind))
		severity = SEVERITY_ERROR;
	for (size_t i = 0; i < gate->policy.row_count; i++)
		if (gate->policy.rows[i].section == SECTION_SEVERITY &&
		    strcmp(gate->policy.rows[i].name, kind->code) == 0)
			severity = (enum severity)gate->policy.rows[i].number;
	if (model != NO_MODEL && MODEL_SET(&gate->policy.models[model], OPTIONAL).number != 0 &&
	    severity == SEVERITY_ERROR)
		severity = SEVERITY_WARNING;
	return severity;
}

static const char *keep(struct gate *gate, const char *text)
{
	const char *copy =
	        text[0] == '\0' ? "" : arena_copy(gate->report.arena, text, strlen(text));

	return copy == NULL ? "" : copy;
}

/* The kind's own fix is not copied: ten thousand findings share it. */
static const char *keep_fix(struct gate *gate, const struct finding_kind *kind, const char *fix)
{
	return strcmp(fix, kind->fix) == 0 ? kind->fix : keep(gate, fix);
}

/* What a fetch would have mended is not said again where the fetch itself has said why it failed. */
static bool is_answered(const struct gate *gate, const struct finding_kind *kind, int model)
{
	return model != NO_MODEL && gate->fetched != NULL && gate->fetched[model] == FETCH_FAILED &&
	       mended_by_fetch(kind) != MEND_NOT;
}

static void list_append(struct report *report, struct report_list *list)
{
	if (list->last != 0)
		report->findings[list->last - 1].next = report->count;
	else
		list->first = report->count;
	list->last = report->count;
}

/* The last finding of the array takes its part in lists, worst and status. */
static void count_finding(struct report *report, const struct finding_kind *kind,
                          enum severity severity, int model)
{
	struct report_model *about =
	        model == NO_MODEL || report->models == NULL ? NULL : &report->models[model];

	report->count++;
	list_append(report, about == NULL ? &report->rest : &about->findings);
	if (about != NULL && severity > about->worst)
		about->worst = severity;
	if (severity == SEVERITY_ERROR)
		report->status = status_worse(report->status, kind->status);
}

enum severity gate_add_finding(struct gate *gate, const struct finding_kind *kind,
                               const struct record *record)
{
	struct report *report = &gate->report;
	enum severity severity = severity_of(gate, kind, record->model);

	if (severity == SEVERITY_OFF || is_answered(gate, kind, record->model))
		return SEVERITY_OFF;
	if (report->count == report->room) {
		size_t room = report->room == 0 ? 32 : report->room * 2;
		struct report_finding *larger =
		        room > MAX_FINDINGS ? NULL :
		                              realloc(report->findings, room * sizeof(*larger));

		if (larger == NULL) { /* not kept, but it counts */
			report->dropped++;
			if (record->model != NO_MODEL && report->models != NULL &&
			    severity > report->models[record->model].worst)
				report->models[record->model].worst = severity;
			if (severity == SEVERITY_ERROR)
				report->status = status_worse(report->status, kind->status);
			return severity;
		}
		report->findings = larger;
		report->room = room;
	}
	report->findings[report->count] = (struct report_finding){
		.kind = kind,
		.severity = severity,
		.model = record->model,
		.source = record->source,
		.line = record->line,
		.path = keep(gate, record->path),
		.message = keep(gate, record->message),
		.fix = keep_fix(gate, kind, record->fix),
	};
	count_finding(report, kind, severity, record->model);
	return severity;
}

void record_word(struct record *record, unsigned raised, const char *format, va_list arguments)
{
	struct text text = TEXT_OVER(record->message), fix = TEXT_OVER(record->fix);

	text_addv(&text, format, arguments);
	text_add(&fix, raised_kinds[raised].fix);
}

void gate_raise(struct gate *gate, unsigned raised, unsigned line, const char *format, ...)
{
	struct record record = { .model = NO_MODEL, .line = line };
	va_list arguments;

	va_start(arguments, format);
	record_word(&record, raised, format, arguments);
	va_end(arguments);
	(void)gate_add_finding(gate, &raised_kinds[raised], &record);
}

static void raise_policy_errors(struct gate *gate)
{
	const struct policy *policy = &gate->policy;

	for (size_t i = 0; i < policy->error_count && i < MAX_POLICY_ERRORS; i++) {
		const struct policy_error *error = &policy->errors[i];
		struct record record = { .model = NO_MODEL,
			                 .line = error->line,
			                 .source = error->source };
		struct text text = TEXT_OVER(record.message), fix = TEXT_OVER(record.fix),
		            path = TEXT_OVER(record.path);

		if (policy->file[error->source] != NULL)
			text_addf(&path, error->line != 0 ? "%s:%u:" : "%s",
			          policy->file[error->source], error->line);
		text_add(&text, error->message != NULL ? error->message : "");
		text_add(&fix, error->fix != NULL ? error->fix : "");
		(void)gate_add_finding(gate, error->kind, &record);
	}
	if (policy->error_count > MAX_POLICY_ERRORS)
		gate->report.dropped += policy->error_count - MAX_POLICY_ERRORS;
}

/* Keys whose effect comes with a later version: said, so that nobody relies on them. */
static void raise_not_yet(struct gate *gate)
{
	const struct policy *policy = &gate->policy;

	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].effect == EFFECT_LATER && policy->set[i].line != 0)
			gate_raise(gate, RAISED_POLICY_NOT_YET, policy->set[i].line,
			           "[%s] %s = %.200s is read, but has no effect in this version",
			           policy_section_names[policy_keys[i].section],
			           policy_keys[i].name, policy->set[i].text);
	for (size_t i = 0; i < policy->row_count; i++) {
		const struct row *row = &policy->rows[i];

		if (row->section == SECTION_REPORT &&
		    report_format_find(row->name, strlen(row->name)) != NULL &&
		    report_format_find(row->name, strlen(row->name))->write == NULL)
			gate_raise(gate, RAISED_POLICY_NOT_YET, row->line,
			           "[report] %s: this version writes human and json", row->name);
	}
}

static void check_report_rows(struct policy *policy)
{
	for (size_t i = 0; i < policy->row_count; i++)
		if (policy->rows[i].section == SECTION_REPORT &&
		    report_format_find(policy->rows[i].name, strlen(policy->rows[i].name)) == NULL)
			policy_error(policy, RAISED_POLICY_UNKNOWN, SOURCE_POLICY,
			             policy->rows[i].line, "write human or json",
			             "unknown report format '%.64s'", policy->rows[i].name);
}

/* Lists, worst and status follow from the findings that are left. */
static void keep_findings(struct gate *gate, bool (*keeps)(const struct gate *gate,
                                                           const struct report_finding *finding))
{
	struct report *report = &gate->report;
	size_t kept = 0;

	for (size_t i = 0; i < report->count; i++)
		if (keeps(gate, &report->findings[i]))
			report->findings[kept++] = report->findings[i];
	report->count = 0;
	report->status = STATUS_OK;
	report->rest = (struct report_list){ 0 };
	for (size_t i = 0; i < gate->policy.model_count; i++) {
		report->models[i].findings = (struct report_list){ 0 };
		report->models[i].worst = SEVERITY_OFF;
	}
	for (size_t i = 0; i < kept; i++) {
		struct report_finding *finding = &report->findings[i];

		finding->next = 0;
		count_finding(report, finding->kind, finding->severity, finding->model);
	}
}

static bool is_of_fetch(const struct gate *gate, const struct report_finding *finding)
{
	(void)gate;
	return raised_by_fetch(finding->kind);
}

static bool is_unanswered(const struct gate *gate, const struct report_finding *finding)
{
	return !is_answered(gate, finding->kind, finding->model);
}

void gate_drop_answered(struct gate *gate)
{
	keep_findings(gate, is_unanswered);
}

/* Preparation */

static void resolve_identity(struct gate *gate)
{
	const struct setting *user = &gate->policy.set[KEY_USER];
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	identity_current(&gate->who);
	if (user_files_read(&gate->users, &gate->tree) != 0) {
		policy_error(&gate->policy, RAISED_POLICY_MISSING, SOURCE_POLICY, 0, NULL,
		             "/etc/passwd or /etc/group cannot be read whole");
		return;
	}
	identity_name(&gate->who, &gate->users);
	gate->who.exact = true;
	if (user->text == NULL)
		return;
	if (!identity_parse(&gate->who, &gate->users, user->text, &why) ||
	    !identity_parse_groups(&gate->who, &gate->users, gate->policy.set[KEY_GROUPS].text,
	                           &why)) {
		policy_error(&gate->policy, RAISED_POLICY_VALUE, SOURCE_POLICY, user->line,
		             "name a user of the image, or a number", "%s", sentence);
		return;
	}
	gate->who.exact = identity_is_current(&gate->who) || identity_may_change();
}

static void resolve_paths(struct gate *gate)
{
	const struct setting *directory = &gate->policy.set[KEY_WORKING_DIRECTORY],
	                     *cache = &gate->policy.set[KEY_HUB_CACHE];
	enum location_error error;

	if (directory->text != NULL && directory->text[0] == '/' &&
	    path_join(gate->working_directory, sizeof(gate->working_directory), directory->text,
	              ""))
		;
	else if (gate->options->root != NULL ||
	         getcwd(gate->working_directory, sizeof(gate->working_directory)) == NULL)
		memcpy(gate->working_directory, "/", 2);
	if (cache->text != NULL) {
		gate->hub_cache_origin = "policy.hub_cache";
		if (!path_join(gate->hub_cache, sizeof(gate->hub_cache),
		               cache->text[0] == '/' ? "/" : gate->working_directory, cache->text))
			gate->hub_cache_origin = NULL;
		return;
	}
	error = library_hub_cache(&gate->env, gate->who.home, gate->working_directory,
	                          gate->hub_cache, sizeof(gate->hub_cache),
	                          &gate->hub_cache_origin);
	if (error != LOCATION_OK)
		gate->hub_cache_origin = NULL;
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

static const char *policy_file(const struct gate *gate, const struct tree **tree)
{
	const char *named = gate->options->policy != NULL ?
	                            gate->options->policy :
	                            environment_get(&gate->given, "AWEIGH_POLICY");

	*tree = named != NULL && named[0] != '\0' ? &gate->host : &gate->tree;
	return named != NULL && named[0] != '\0' ? named : "/etc/aweigh/policy.ini";
}

enum status gate_prepare(struct gate *gate, const struct options *options,
                         const struct signals *signals, char *const *rows, struct text *why)
{
	struct policy_input input = { .manifest_tree = &gate->tree,
		                      .environment = &gate->given,
		                      .only = options->only,
		                      .level = options->level,
		                      .user = options->user };
	size_t count = 0;

	memset(gate, 0, sizeof(*gate));
	gate->started_ns = clock_now_ns();
	gate->options = options;
	gate->signals = signals;
	gate->tree.root_fd = gate->host.root_fd = gate->limits.ruleset_fd = -1;
	while (rows[count] != NULL)
		count++;
	gate->given = (struct environment){ (const char *const *)rows, count };
	if (open_trees(gate, why) != STATUS_OK)
		return STATUS_USAGE;
	gate->report.arena = arena_new();
	input.file = policy_file(gate, &input.tree);
	if (gate->report.arena == NULL || policy_read(&gate->policy, &input) < 0)
		goto memory;
	check_report_rows(&gate->policy);
	resolve_identity(gate);
	if (service_environ_compute(&gate->service, &gate->policy, &gate->given, &gate->who) < 0)
		goto memory;
	gate->env = service_environ_view(&gate->service);
	resolve_paths(gate);
	gate->deadline_ns = gate->started_ns + gate->policy.set[KEY_DEADLINE].number * 1000000u;
	gate->report.policy = &gate->policy;
	gate->report.who = &gate->who;
	gate->report.hub_cache = gate->hub_cache_origin != NULL ? gate->hub_cache : NULL;
	gate->report.hub_cache_origin = gate->hub_cache_origin;
	gate->report.enforced =
	        gate->policy.set[KEY_ENFORCE].number != 0 || gate->policy.error_count > 0;
	gate->report.models = calloc(gate->policy.model_count + 1, sizeof(*gate->report.models));
	if (gate->report.models == NULL)
		goto memory;
	raise_policy_errors(gate);
	gate->report.elapsed_ns = clock_now_ns() - gate->started_ns;
	return STATUS_OK;
memory:
	text_addf(why, "out of memory");
	return STATUS_SYSTEM;
}

/* Inspection */

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

static void show_progress(const struct gate *gate, const struct record *record)
{
	char line[128], done[32], all[32];
	struct text text = TEXT_OVER(line), done_text = TEXT_OVER(done), all_text = TEXT_OVER(all);
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (gate->options->quiet || !isatty(STDERR_FILENO))
		return;
	text_add_size(&done_text, record->files);
	text_add_size(&all_text, record->bytes);
	text_addf(&text, "\r\033[Kaweigh: hashed %s of %s, %u %%", done, all,
	          record->bytes == 0 ? 0u : (unsigned)(record->files * 100 / record->bytes));
	if (poll(&ready, 1, 0) == 1)
		(void)!write(STDERR_FILENO, line, text.length);
}

static void take_record(struct gate *gate, const struct record *record, void *context)
{
	(void)context;
	if (record->type == RECORD_FINDING) {
		const struct finding_kind *kind = catalogue_at(record->kind);

		if (kind == &raised_kinds[RAISED_CONFINE_UNAVAILABLE])
			gate->report.landlock = keep(gate, record->message);
		if (kind == &raised_kinds[RAISED_CONFINE_IDENTITY])
			gate->report.exact = false;
		(void)gate_add_finding(gate, kind, record);
	} else if (record->type == RECORD_MODEL) {
		take_model(gate, record);
	} else if (record->type == RECORD_PROGRESS) {
		show_progress(gate, record);
	}
}

enum ending gate_read(struct gate *gate, int pipe_fd, gate_take *take, void *context, int *stop)
{
	struct channel channel = { .fd = pipe_fd };
	struct pollfd ready[2] = { { .fd = gate->signals->fd, .events = POLLIN },
		                   { .fd = pipe_fd, .events = POLLIN } };
	unsigned kinds = catalogue_count();
	bool done = false;

	for (;;) {
		int left = clock_left_ms(gate->deadline_ns), result;

		if (left == 0)
			return ENDED_DEADLINE;
		if (poll(ready, 2, left) < 0 && errno != EINTR)
			return ENDED_EARLY;
		*stop = ready[0].revents != 0 ? signals_stop_request(gate->signals) : 0;
		if (*stop != 0)
			return ENDED_EARLY;
		if ((ready[1].revents & (POLLIN | POLLHUP | POLLERR)) == 0)
			continue;
		result = channel_take(&channel);
		if (result == -EAGAIN)
			continue;
		if (result <= 0)
			return done ? ENDED_WELL : ENDED_EARLY;
		if (done || !record_is_sound(&channel.record, kinds, gate->policy.model_count))
			return ENDED_BAD_RECORD;
		done = channel.record.type == RECORD_DONE;
		take(gate, &channel.record, context);
	}
}

enum ending gate_follow(struct gate *gate, pid_t child, const int pipe_fds[2], gate_take *take,
                        void *context, int *stop, int *status)
{
	enum ending ending;

	(void)close(pipe_fds[1]);
	ending = gate_read(gate, pipe_fds[0], take, context, stop);
	(void)close(pipe_fds[0]);
	if (ending != ENDED_WELL)
		(void)kill(child, SIGKILL);
	while (waitpid(child, status, 0) < 0 && errno == EINTR)
		;
	return ending;
}

static struct look look_for(struct gate *gate)
{
	return (struct look){
		.policy = &gate->policy,
		.tree = &gate->tree,
		.env = &gate->env,
		.given = &gate->given,
		.who = &gate->who,
		.users = &gate->users,
		.hub_cache = gate->hub_cache_origin != NULL ? gate->hub_cache : NULL,
		.hub_cache_origin = gate->hub_cache_origin,
		.working_directory = gate->working_directory,
		.mode = (enum mode)gate->policy.set[KEY_MODE].number,
	};
}

void gate_report_ending(struct gate *gate, enum ending ending, int status, const char *who)
{
	bool inspector = strcmp(who, "inspector") == 0;
	unsigned raised = inspector ? RAISED_GATE_INSPECTOR : RAISED_GATE_FETCHER;

	if (ending == ENDED_DEADLINE)
		gate_raise(gate, RAISED_GATE_DEADLINE, gate->policy.set[KEY_DEADLINE].line,
		           "the %s did not finish within %llu ms", inspector ? "checks" : "fetch",
		           (unsigned long long)gate->policy.set[KEY_DEADLINE].number);
	else if (ending == ENDED_BAD_RECORD)
		gate_raise(
		        gate, raised, 0,
		        "the %s sent a record that none sends; it may have been taken over by %s",
		        who, inspector ? "a file" : "a server");
	else if (ending == ENDED_EARLY && WIFSIGNALED(status))
		gate_raise(gate, raised, 0, "the %s died of signal %d before it was done", who,
		           WTERMSIG(status));
	else if (ending == ENDED_EARLY)
		gate_raise(gate, raised, 0, "the %s ended with status %d before it was done", who,
		           WEXITSTATUS(status));
}

enum status gate_inspect(struct gate *gate)
{
	struct look look;
	int pipe_fds[2], status = 0, stop = 0;
	enum ending ending;
	pid_t child;

	keep_findings(gate, is_of_fetch); /* a second look begins anew; what the fetch said stays */
	look = look_for(gate);
	raise_not_yet(gate);
	if (!gate->who.exact)
		gate_raise(
		        gate, RAISED_CONFINE_IDENTITY, gate->policy.set[KEY_USER].line,
		        "aweigh runs as uid %u and may not become uid %u: whether that user can open the files was not tried",
		        (unsigned)geteuid(), (unsigned)gate->who.uid);
	gate->report.exact = gate->who.exact;
	gate->report.env = &gate->env;
	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return STATUS_SYSTEM;
	child = fork();
	if (child == 0) {
		(void)close(pipe_fds[0]);
		inspector_run(&look, &gate->tree, pipe_fds[1]);
	}
	if (child < 0) {
		(void)close(pipe_fds[0]);
		(void)close(pipe_fds[1]);
		return STATUS_SYSTEM;
	}
	ending = gate_follow(gate, child, pipe_fds, take_record, NULL, &stop, &status);
	if (!gate->options->quiet && isatty(STDERR_FILENO))
		(void)!write(STDERR_FILENO, "\r\033[K", 4);
	if (stop != 0)
		return (enum status)(STATUS_SIGNAL + stop);
	gate_report_ending(gate, ending, status, "inspector");
	gate->report.elapsed_ns = clock_now_ns() - gate->started_ns;
	return STATUS_OK;
}

int gate_export(struct gate *gate)
{
	char path[MAX_PATH_BYTES];
	int error = 0;

	for (size_t i = 0; i < gate->policy.model_count && error == 0; i++) {
		const char *name = MODEL_SET(&gate->policy.models[i], EXPORT).text;

		report_model_path(&gate->report, i, path, sizeof(path));
		if (name != NULL && path[0] != '\0' && gate->report.models[i].seen)
			error = service_environ_set(&gate->service, name, path, ORIGIN_EXPORT);
	}
	gate->env = service_environ_view(&gate->service);
	return error;
}

/* Writing */

/* A full pipe must not hold a stop request up: writes what fits, and waits for room, signal or deadline. */
static enum status write_all(const struct gate *gate, int fd, const char *bytes, size_t length)
{
	struct pollfd ready[2] = { { .fd = gate->signals->fd, .events = POLLIN },
		                   { .fd = fd, .events = POLLOUT } };

	while (length > 0) {
		int left = clock_left_ms(gate->deadline_ns), stop;
		ssize_t written;

		if (poll(ready, 2, left == 0 ? 1000 : left) < 0 && errno != EINTR)
			return STATUS_IO;
		stop = signals_stop_request(gate->signals);
		if (stop != 0)
			return (enum status)(STATUS_SIGNAL + stop);
		if ((ready[1].revents & POLLOUT) == 0) {
			if (left == 0 || (ready[1].revents & (POLLERR | POLLNVAL)) != 0)
				return STATUS_TEMPORARY;
			continue;
		}
		/* POLLOUT promises room for PIPE_BUF bytes, no more (pipe(7)). */
		written = write(fd, bytes, length < PIPE_BUF ? length : PIPE_BUF);
		if (written < 0 && errno != EINTR && errno != EAGAIN)
			return STATUS_IO;
		if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		}
	}
	return STATUS_OK;
}

static enum status write_report(const struct gate *gate, const struct report_format *format,
                                const struct report_style *style, int fd)
{
	char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);
	enum status status;

	if (memory == NULL)
		return STATUS_SYSTEM;
	format->write(&gate->report, style, memory);
	status = fclose(memory) != 0 ? STATUS_SYSTEM : write_all(gate, fd, text, length);
	free(text);
	return status;
}

/* An existing file is written over, not replaced: it may be a mount such as /dev/termination-log. */
static enum status write_file(struct gate *gate, const struct report_format *format,
                              const char *path)
{
	CLEANUP(cleanup_fd)
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	struct report_style style = { .verbose = true };
	enum status status;

	if (fd < 0) {
		gate_raise(gate, RAISED_REPORT_FAILED, 0, "the report %.512s cannot be written: %s",
		           path, strerror(errno));
		return STATUS_OK;
	}
	status = write_report(gate, format, &style, fd);
	if (status > STATUS_SIGNAL)
		return status;
	if (status != STATUS_OK)
		gate_raise(gate, RAISED_REPORT_FAILED, 0,
		           "the report %.512s could not be written whole", path);
	return STATUS_OK;
}

enum status gate_report(struct gate *gate, int terminal_fd)
{
	const struct options *options = gate->options;
	struct report_style style = { .quiet = options->quiet, .verbose = options->verbose };
	const char *no_color = environment_get(&gate->given, "NO_COLOR");
	enum status status = STATUS_OK;

	style.colour = options->color == COLOR_ALWAYS ||
	               (options->color == COLOR_AUTO && isatty(terminal_fd) &&
	                (no_color == NULL || no_color[0] == '\0'));
	for (size_t i = 0; i < options->report_count && status == STATUS_OK; i++)
		status = write_file(gate, options->reports[i].format, options->reports[i].file);
	for (size_t i = 0; i < gate->policy.row_count && status == STATUS_OK; i++) {
		const struct row *row = &gate->policy.rows[i];
		const struct report_format *format =
		        row->section != SECTION_REPORT ?
		                NULL :
		                report_format_find(row->name, strlen(row->name));

		if (format != NULL && format->write != NULL)
			status = write_file(gate, format, row->text);
	}
	if (status == STATUS_OK)
		status = write_report(gate, options->format, &style, terminal_fd);
	return status > STATUS_SIGNAL ? status : STATUS_OK;
}

void gate_release(struct gate *gate)
{
	cleanup_fd(&gate->limits.ruleset_fd);
	free(gate->fetched);
	free(gate->report.findings);
	free(gate->report.models);
	arena_free(gate->report.arena);
	service_environ_release(&gate->service);
	user_files_release(&gate->users);
	policy_release(&gate->policy);
	tree_release(&gate->tree);
	tree_release(&gate->host);
}
