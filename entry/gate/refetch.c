/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/refetch.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "commands/commands.h"
#include "confine/identity.h"
#include "hub/variables.h"
#include "process/clock.h"
#include "report/progress.h"
#include "engine/raised.h"
#include "base/text.h"
#include "util.h"

/* Findings that end when the model has been fetched. A model that lies elsewhere is not among them. */
static const struct {
	const char *code;
	enum mend mend;
} mends[] = {
	{ "model.missing", MEND_MISSING },      { "model.revision", MEND_MISSING },
	{ "model.no-snapshot", MEND_MISSING },  { "model.bad-ref", MEND_MISSING },
	{ "model.incomplete", MEND_MISSING },   { "model.interrupted", MEND_MISSING },
	{ "model.required", MEND_MISSING },     { "model.shard", MEND_MISSING },
	{ "model.no-weights", MEND_MISSING },   { "model.no-config", MEND_MISSING },
	{ "model.part", MEND_MISSING },         { "file.split", MEND_MISSING },
	{ "file.dangling-link", MEND_MISSING }, { "model.too-small", MEND_DAMAGED },
	{ "model.index", MEND_DAMAGED },        { "file.link-loop", MEND_DAMAGED },
	{ "file.empty", MEND_DAMAGED },         { "file.zero-tail", MEND_DAMAGED },
	{ "file.pointer", MEND_DAMAGED },       { "file.error-page", MEND_DAMAGED },
	{ "file.truncated", MEND_DAMAGED },     { "file.trailing", MEND_DAMAGED },
	{ "file.header", MEND_DAMAGED },        { "file.not-json", MEND_DAMAGED },
	{ "file.digest", MEND_DAMAGED },        { "file.size", MEND_DAMAGED },
};

enum mend mended_by_fetch(const struct finding_kind *kind)
{
	for (size_t i = 0; i < LENGTH_OF(mends); i++)
		if (strcmp(kind->code, mends[i].code) == 0)
			return mends[i].mend;
	return MEND_NOT;
}

#ifdef AWEIGH_NO_FETCH

void libraries_print(FILE *out)
{
	(void)fputs("built without network code (FETCH=no)\n", out);
}

enum status gate_fetch(struct gate *gate, bool ordered)
{
	(void)ordered;
	gate_raise(
	        gate, RAISED_POLICY_NOT_YET, gate->policy.set[KEY_MODE].line,
	        "this aweigh was built without network code (FETCH=no): what is missing is not fetched");
	return STATUS_OK;
}

void gate_tell_models(const struct gate *gate, bool ordered)
{
	(void)gate;
	(void)ordered;
}

void gate_explain_fetch(const struct gate *gate, FILE *out)
{
	(void)gate;
	(void)out;
}

#else

#include <curl/curl.h>

#include "fetcher.h"
#include "hub/cache.h"

void libraries_print(FILE *out)
{
	(void)fprintf(out, "%s\n", curl_version());
}

static enum progress_style style_of(const struct gate *gate)
{
	if (gate->options->quiet)
		return PROGRESS_NONE;
	if (strcmp(gate->options->format->name, "json") == 0)
		return PROGRESS_JSON;
	return isatty(STDERR_FILENO) ? PROGRESS_TERMINAL : PROGRESS_LINES;
}

/* What the findings about a model ask for. */
static enum want want_of(const struct gate *gate, size_t index)
{
	const struct report *report = &gate->report;
	const struct model *model = &gate->policy.models[index];
	enum want want = WANT_NOTHING;

	if (!model->selected || MODEL_SET(model, REPO).text == NULL)
		return WANT_NOTHING;
	for (size_t at = report->models[index].findings.first; at != 0;
	     at = report->findings[at - 1].next) {
		const struct report_finding *finding = &report->findings[at - 1];
		enum mend mend = finding->severity < SEVERITY_WARNING ?
		                         MEND_NOT :
		                         mended_by_fetch(finding->kind);

		if (mend == MEND_DAMAGED)
			want = WANT_DAMAGED;
		else if (mend == MEND_MISSING && want == WANT_NOTHING)
			want = WANT_MISSING;
	}
	if (want == WANT_NOTHING && gate->policy.set[KEY_MODE].number == MODE_ONLINE &&
	    !revision_is_commit(MODEL_SET(model, REVISION).text))
		want = WANT_LOOKUP;
	return want;
}

/* The variables of the environment that aweigh was given which say offline; false: none. */
static bool says_offline(const struct gate *gate, struct text *names)
{
	static const char *const offline[] = { "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
		                               "HF_DATASETS_OFFLINE" };
	const char *decided;
	bool is = library_is_offline(&gate->given, &decided) || gate->service.alias != NULL;

	if (gate->service.alias != NULL)
		text_add(names, gate->service.alias);
	for (size_t i = 0; is && i < LENGTH_OF(offline); i++) {
		const char *value = environment_get(&gate->given, offline[i]);

		if (library_is_true(value))
			text_addf(names, "%s%s=%s", names->length == 0 ? "" : ", ", offline[i],
			          value);
	}
	return is;
}

/*
 * The failure takes the place of what the inspection will say of the model, unless the policy made
 * less of it than of a missing model: then that is said, too.
 */
static void add_failure(struct gate *gate, const struct finding_kind *kind,
                        const struct record *record)
{
	enum severity severity = gate_add_finding(gate, kind, record);
	bool optional;

	if (record->model == NO_MODEL)
		return;
	optional = MODEL_SET(&gate->policy.models[record->model], OPTIONAL).number != 0;
	if (severity == SEVERITY_ERROR ||
	    (optional && severity == SEVERITY_WARNING && kind->severity == SEVERITY_ERROR))
		gate->fetched[record->model] = FETCH_FAILED;
}

static void __attribute__((format(printf, 4, 5)))
raise_about(struct gate *gate, size_t index, unsigned raised, const char *format, ...)
{
	const struct model *model = &gate->policy.models[index];
	struct record record = { .model = (int)index,
		                 .line = model->line,
		                 .source = model->source };
	va_list arguments;

	va_start(arguments, format);
	record_word(&record, raised, format, arguments);
	va_end(arguments);
	add_failure(gate, &raised_kinds[raised], &record);
}

static void refuse_all(struct gate *gate, const enum want *want, const char *names)
{
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (want[i] > WANT_LOOKUP)
			raise_about(gate, i, RAISED_FETCH_OFFLINE,
			            "%s is to be fetched, but the environment forbids it: %s",
			            MODEL_SET(&gate->policy.models[i], REPO).text, names);
}

static void take_fetched(struct gate *gate, const struct record *record, void *context)
{
	const struct finding_kind *kind = catalogue_at(record->kind);

	if (record->type == RECORD_FETCH_DONE)
		gate->fetched[record->model] = FETCH_DONE;
	if (record->type != RECORD_FINDING)
		progress_take(context, record, clock_now_ns());
	else if (raised_by_fetch(kind) || kind == &raised_kinds[RAISED_CONFINE_UNAVAILABLE])
		add_failure(gate, kind, record);
	else
		gate_report_ending(gate, ENDED_BAD_RECORD, 0, "fetcher");
}

/* One child for one place: it gets that place's owner and rights. */
static enum status fetch_place(struct gate *gate, struct fetch_job *job, bool is_folder,
                               struct progress *progress, bool *in_time)
{
	int pipe_fds[2], stop = 0, status = 0;
	enum ending ending;
	pid_t child;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return STATUS_SYSTEM;
	child = fork();
	if (child == 0) {
		(void)close(pipe_fds[0]);
		fetcher_run(job, is_folder, identity_may_change(), pipe_fds[1]);
	}
	if (child < 0) {
		(void)close(pipe_fds[0]);
		(void)close(pipe_fds[1]);
		return STATUS_SYSTEM;
	}
	ending = gate_follow(gate, child, pipe_fds, take_fetched, progress, &stop, &status);
	if (stop != 0)
		return (enum status)(STATUS_SIGNAL + stop);
	gate_report_ending(gate, ending, status, "fetcher");
	if (ending != ENDED_WELL)
		*in_time = false;
	return STATUS_OK;
}

/* The cache with all its models, then each plain folder. */
static enum status fetch_places(struct gate *gate, const enum want *want,
                                const struct fetch_settings *settings, struct progress *progress,
                                bool *well)
{
	size_t count = gate->policy.model_count;
	enum want *mine = calloc(count + 1, sizeof(*mine));
	struct fetch_job job = { .policy = &gate->policy, .settings = settings, .want = mine };
	enum status status = STATUS_OK;
	bool any = false;

	if (mine == NULL)
		return STATUS_SYSTEM;
	for (size_t i = 0; i < count; i++) {
		mine[i] = MODEL_SET(&gate->policy.models[i], PATH).text == NULL ? want[i] :
		                                                                  WANT_NOTHING;
		any = any || mine[i] != WANT_NOTHING;
	}
	job.path = gate->hub_cache;
	if (any && gate->hub_cache_origin != NULL)
		status = fetch_place(gate, &job, false, progress, well);
	for (size_t i = 0; i < count && status == STATUS_OK && *well; i++) {
		char path[MAX_PATH_BYTES];
		const char *folder = MODEL_SET(&gate->policy.models[i], PATH).text;

		if (folder == NULL || want[i] == WANT_NOTHING ||
		    !path_join(path, sizeof(path), folder[0] == '/' ? "/" : gate->working_directory,
		               folder))
			continue;
		memset(mine, 0, count * sizeof(*mine));
		mine[i] = want[i];
		job.path = path;
		status = fetch_place(gate, &job, true, progress, well);
	}
	free(mine);
	return status;
}

static struct settings_input settings_of(const struct gate *gate)
{
	return (struct settings_input){ .policy = &gate->policy,
		                        .env = &gate->given,
		                        .passwd_home = gate->who.home,
		                        .working_directory = gate->working_directory,
		                        .arena = gate->report.arena,
		                        .deadline_ns = gate->deadline_ns };
}

/* An address without user and password, or "none". */
static void print_proxy(FILE *out, const char *scheme, const char *address)
{
	const char *at = strrchr(address, '@');

	(void)fprintf(out, "  %-5s proxy        %s\n", scheme,
	              address[0] == '\0' ? "none" :
	              at != NULL         ? at + 1 :
	                                   address);
}

void gate_explain_fetch(const struct gate *gate, FILE *out)
{
	struct fetch_settings settings;
	struct settings_input input = settings_of(gate);
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	(void)fputs("\na fetch would use\n", out);
	if (fetch_settings_init(&settings, &input, &why)) {
		for (size_t i = 0; i < settings.endpoint_count; i++)
			(void)fprintf(out, "  endpoint           %s   (%s)\n",
			              settings.endpoints[i], settings.endpoint_origin);
		(void)fprintf(out, "  certificates       %s   (%s)\n",
		              settings.ca_file != NULL   ? settings.ca_file :
		              settings.ca_folder != NULL ? settings.ca_folder :
		                                           "none were found",
		              settings.ca_origin);
		(void)fprintf(out, "  token              %s%s\n",
		              settings.token_origin != NULL ? "from " : "none",
		              settings.token_origin != NULL ? settings.token_origin : "");
		print_proxy(out, "https", settings.https_proxy);
		print_proxy(out, "http", settings.http_proxy);
	} else {
		(void)fprintf(out, "  nothing: %s\n", sentence);
	}
	fetch_settings_release(&settings);
}

static enum status fetch_wanted(struct gate *gate, const enum want *want, struct progress *progress)
{
	struct fetch_settings settings;
	struct settings_input input = settings_of(gate);
	char sentence[512];
	struct text why = TEXT_OVER(sentence);
	enum status status;
	bool well = true;

	if (!fetch_settings_init(&settings, &input, &why)) {
		fetch_settings_release(&settings);
		gate_raise(gate, RAISED_FETCH_SETTINGS, 0, "%s", sentence);
		return gate_inspect(gate);
	}
	status = fetch_places(gate, want, &settings, progress, &well);
	fetch_settings_release(&settings);
	progress_end(progress);
	if (status != STATUS_OK)
		return status;
	if (well)
		return gate_inspect(gate);
	/* There is no time, or no trust, for a second look: what was to be fetched is said to be unfinished. */
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (want[i] > WANT_LOOKUP && gate->fetched[i] == FETCH_NONE)
			raise_about(gate, i, RAISED_FETCH_UNFINISHED,
			            "the fetch of %s was not finished",
			            MODEL_SET(&gate->policy.models[i], REPO).text);
	gate_drop_answered(gate);
	gate->report.elapsed_ns = clock_now_ns() - gate->started_ns;
	return STATUS_OK;
}

enum status gate_fetch(struct gate *gate, bool ordered)
{
	size_t count = gate->policy.model_count;
	enum want *want;
	struct progress progress;
	char sentence[256];
	struct text names = TEXT_OVER(sentence);
	enum status status = STATUS_OK;
	bool any = false;

	if (!ordered && gate->policy.set[KEY_MODE].number == MODE_OFFLINE)
		return STATUS_OK;
	want = calloc(count + 1, sizeof(*want));
	gate->fetched = calloc(count + 1, sizeof(*gate->fetched));
	if (want == NULL || gate->fetched == NULL) {
		free(want);
		return STATUS_SYSTEM;
	}
	progress_begin(&progress, style_of(gate), STDERR_FILENO, &gate->policy, clock_now_ns());
	for (size_t i = 0; i < count; i++) {
		want[i] = want_of(gate, i);
		any = any || want[i] != WANT_NOTHING;
	}
	if (any && says_offline(gate, &names)) {
		refuse_all(gate, want, sentence);
		status = gate_inspect(gate);
	} else if (any) {
		for (size_t i = 0; i < count; i++)
			if (want[i] == WANT_MISSING || want[i] == WANT_DAMAGED)
				progress_tell(&progress, (int)i,
				              want[i] == WANT_MISSING ? "missing" : "damaged",
				              "fetch");
		status = fetch_wanted(gate, want, &progress);
	}
	free(want);
	return status;
}

void gate_tell_models(const struct gate *gate, bool ordered)
{
	struct progress progress;
	unsigned mode = (unsigned)gate->policy.set[KEY_MODE].number;

	if (!ordered && mode == MODE_OFFLINE)
		return;
	progress_begin(&progress, style_of(gate), STDERR_FILENO, &gate->policy, 0);
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (gate->report.models[i].seen && gate->report.models[i].worst < SEVERITY_ERROR &&
		    gate->report.models[i].found)
			progress_tell(&progress, (int)i, "ok",
			              ordered             ? "none" :
			              mode == MODE_ONLINE ? "online" :
			                                    "offline");
}

#endif
