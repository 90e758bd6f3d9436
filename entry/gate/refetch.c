/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/refetch.h"

#include <errno.h>
#include <ftw.h>
#include <string.h>

#include "base/list.h"
#include "base/text.h"
#include "confine/identity.h"
#include "fetch/http/request.h"
#include "fetcher.h"
#include "gate/inspection.h"
#include "gate/locking.h"
#include "gate/secrets.h"
#include "gate/verdict.h"
#include "hub/cache.h"
#include "hub/variables.h"
#include "process/clock.h"
#include "report/progress.h"
#include "util.h"

static enum progress_style style_of(const struct gate *gate)
{
	if (gate->options->quiet)
		return PROGRESS_NONE;
	if (strcmp(gate->format->name, "json") == 0)
		return PROGRESS_JSON;
	return isatty(STDERR_FILENO) ? PROGRESS_TERMINAL : PROGRESS_LINES;
}

/* A commit that is locked does not move. */
static bool is_locked(const struct gate *gate, const struct model *model)
{
	const struct lock_model *locked =
	        gate->has_lock ? lock_find_model(&gate->lock, model->name) : NULL;

	return locked != NULL && locked->commit[0] != '\0';
}

/* What the findings about a model ask for. */
static enum want want_of(const struct gate *gate, size_t index)
{
	const struct report *report = &gate->report;
	const struct model *model = &gate->policy.models[index];
	enum want want = WANT_NOTHING;

	if (!model->selected || model->repo == NULL)
		return WANT_NOTHING;
	for (size_t at = report->models[index].findings.first; at != 0;
	     at = report->findings[at - 1].next) {
		const struct report_finding *finding = &report->findings[at - 1];
		/* What `ref` is to name is named by a fetch, whatever it has to bring. */
		bool names = model->ref != NULL && (finding->id == FINDING_MODEL_NO_MAIN ||
		                                    finding->id == FINDING_MODEL_STALE_REF);
		enum remedy remedy = names ? REMEDY_FETCHED :
		                     finding->severity < SEVERITY_WARNING ?
		                             REMEDY_NOTHING :
		                             finding_kinds[finding->id].remedy;

		if (remedy == REMEDY_REFETCHED)
			want = WANT_DAMAGED;
		else if (remedy == REMEDY_FETCHED && want == WANT_NOTHING)
			want = WANT_MISSING;
	}
	if (want == WANT_NOTHING && gate->policy.mode == MODE_ONLINE &&
	    !revision_is_commit(model->revision) && !is_locked(gate, model))
		want = WANT_LOOKUP;
	return want;
}

/* The variables of the environment that aweigh was given which say offline; false: none. */
static bool says_offline(const struct gate *gate, struct text *names)
{
	const char *decided;
	bool is = library_is_offline(&gate->given, &decided) || gate->service.alias != NULL;

	if (gate->service.alias != NULL)
		text_add(names, gate->service.alias);
	for (size_t i = 0; is && i < OFFLINE_VARIABLES; i++) {
		const char *value = environment_get(&gate->given, offline_variables[i]);

		if (library_is_true(value))
			text_addf(names, "%s%s=%s", names->length == 0 ? "" : ", ",
			          offline_variables[i], value);
	}
	return is;
}

/*
 * The failure takes the place of what the inspection will say of the model, unless the policy made
 * less of it than of a missing model: then that is said, too.
 */
static void take_failure(struct gate *gate, int model, enum finding_id id, enum severity severity)
{
	bool optional = model != NO_MODEL && gate->policy.models[model].optional;

	if (model != NO_MODEL &&
	    (severity == SEVERITY_ERROR || (optional && severity == SEVERITY_WARNING &&
	                                    finding_kinds[id].severity == SEVERITY_ERROR)))
		gate->fetched[model] = FETCH_FAILED;
}

static void refuse_all(struct gate *gate, const enum want *want, const char *names)
{
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (want[i] > WANT_LOOKUP)
			take_failure(
			        gate, (int)i, FINDING_FETCH_OFFLINE,
			        gate_raise_about(
			                gate, i, FINDING_FETCH_OFFLINE,
			                "%s is to be fetched, but the environment forbids it: %s",
			                gate->policy.models[i].repo, names));
}

/* One child for one place: it gets that place's owner and rights. */
struct place {
	struct gate *gate;
	struct fetch_job *job;
	bool is_directory;
	struct progress *progress;
};

static void take_record(void *context, const struct record *record)
{
	struct place *place = context;
	struct gate *gate = place->gate;

	if (record->type == RECORD_LOCKED) {
		gate_take_locked(gate, record);
		return;
	}
	if (record->type == RECORD_FETCH_DONE)
		gate->fetched[record->model] = FETCH_DONE;
	if (record->type != RECORD_FINDING)
		progress_take(place->progress, record, clock_now_ns());
	else if (finding_is_of_fetch((enum finding_id)record->kind) ||
	         record->kind == FINDING_CONFINE_UNAVAILABLE)
		take_failure(gate, record->model, (enum finding_id)record->kind,
		             gate_add_finding(gate, record));
	else
		gate_raise(
		        gate, FINDING_GATE_FETCHER, 0,
		        "the fetcher sent a finding that none sends; it may have been taken over");
}

static void run_fetcher(void *context, int pipe_fd)
{
	struct place *place = context;

	gate_blank_secrets(place->gate);
	fetcher_run(place->job, place->is_directory, identity_may_change(), pipe_fd);
}

static enum status fetch_place(struct place *place, bool *well, struct text *why)
{
	const struct task task = { .who = "fetcher",
		                   .run = run_fetcher,
		                   .take = take_record,
		                   .context = place,
		                   .trouble = FINDING_GATE_FETCHER };

	return gate_run_task(place->gate, &task, well, why);
}

/* The cache with all its models, then each plain directory. */
static enum status fetch_places(struct gate *gate, const enum want *want,
                                const struct fetch_settings *settings, struct progress *progress,
                                bool *well, struct text *why)
{
	size_t count = gate->policy.model_count;
	enum want *mine = calloc(count + 1, sizeof(*mine));
	struct fetch_job job = { .policy = &gate->policy,
		                 .settings = settings,
		                 .want = mine,
		                 .lock = gate->has_lock ? &gate->lock : NULL };
	struct place place = { .gate = gate, .job = &job, .progress = progress };
	enum status status = STATUS_OK;
	bool any = false;

	if (mine == NULL) {
		text_add(why, "out of memory");
		return STATUS_SYSTEM;
	}
	for (size_t i = 0; i < count; i++) {
		mine[i] = gate->policy.models[i].path == NULL ? want[i] : WANT_NOTHING;
		any = any || mine[i] != WANT_NOTHING;
	}
	job.path = gate->hub_cache;
	if (any && gate->hub_cache_origin != NULL)
		status = fetch_place(&place, well, why);
	for (size_t i = 0; i < count && status == STATUS_OK && *well; i++) {
		char path[MAX_PATH_BYTES];
		const char *directory = gate->policy.models[i].path;

		if (directory == NULL || want[i] == WANT_NOTHING ||
		    !gate_whole_path(gate, directory, path))
			continue;
		memset(mine, 0, count * sizeof(*mine));
		mine[i] = want[i];
		job.path = path;
		place.is_directory = true;
		status = fetch_place(&place, well, why);
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

static void explain_proxy(struct explanation *explanation, const char *section, const char *name,
                          const char *address)
{
	char shown[MAX_URL_BYTES];
	struct text text = TEXT_OVER(shown);

	address_show(address[0] == '\0' ? "none" : address, &text);
	explanation_add(explanation, section, name, shown, NULL);
}

void gate_explain_fetch(const struct gate *gate, struct explanation *explanation)
{
	static const char title[] = "a fetch would use";
	struct fetch_settings settings;
	struct settings_input input = settings_of(gate);
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	if (!fetch_settings_init(&settings, &input, &why)) {
		explanation_add(explanation, title, "nothing", sentence, NULL);
		fetch_settings_release(&settings);
		return;
	}
	for (size_t i = 0; i < settings.endpoint_count; i++)
		explanation_add(explanation, title, "endpoint", settings.endpoints[i],
		                settings.endpoint_origin);
	explanation_add(explanation, title, "certificates",
	                settings.ca_file != NULL      ? settings.ca_file :
	                settings.ca_directory != NULL ? settings.ca_directory :
	                                                "none were found",
	                settings.ca_origin);
	explanation_add(explanation, title, "token",
	                settings.token_origin != NULL ? "(not shown)" : "none",
	                settings.token_origin);
	explain_proxy(explanation, title, "https proxy", settings.https_proxy);
	explain_proxy(explanation, title, "http proxy", settings.http_proxy);
	fetch_settings_release(&settings);
}

/* What the repository has was fetched and compared a moment ago: another fetch would bring the same. */
static void replace_fixes(struct gate *gate)
{
	for (size_t i = 0; i < gate->report.count; i++) {
		struct report_finding *finding = &gate->report.findings[i];

		if (finding->model != NO_MODEL && gate->fetched[finding->model] == FETCH_DONE &&
		    finding_kinds[finding->id].remedy == REMEDY_REFETCHED)
			finding->fix =
			        "a fetch has just compared all that the repository has: remove the file where it is none of them; otherwise the hub itself has these bytes, so pin another revision, or leave it out by exclude";
	}
}

static enum status fetch_wanted(struct gate *gate, const enum want *want, struct progress *progress,
                                struct text *why)
{
	struct fetch_settings settings;
	struct settings_input input = settings_of(gate);
	char sentence[512];
	struct text fault = TEXT_OVER(sentence);
	enum status status;
	bool well = true;

	if (!fetch_settings_init(&settings, &input, &fault)) {
		fetch_settings_release(&settings);
		gate_raise(gate, FINDING_FETCH_SETTINGS, 0, "%s", sentence);
		return gate_inspect(gate, why);
	}
	status = fetch_places(gate, want, &settings, progress, &well, why);
	fetch_settings_release(&settings);
	progress_end(progress);
	if (status != STATUS_OK)
		return status;
	if (well) {
		status = gate_inspect(gate, why);
		replace_fixes(gate);
		return status;
	}
	/* There is no time, or no trust, for a second look: what was to be fetched is said to be unfinished. */
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (want[i] > WANT_LOOKUP && gate->fetched[i] == FETCH_NONE)
			take_failure(gate, (int)i, FINDING_FETCH_UNFINISHED,
			             gate_raise_about(gate, i, FINDING_FETCH_UNFINISHED,
			                              "the fetch of %s was not finished",
			                              gate->policy.models[i].repo));
	gate_drop_answered(gate);
	gate->report.elapsed_ns = clock_now_ns() - gate->started_ns;
	return STATUS_OK;
}

enum status gate_refetch(struct gate *gate, struct text *why)
{
	size_t count = gate->policy.model_count;
	enum want *want;
	struct progress progress;
	char sentence[256];
	struct text names = TEXT_OVER(sentence);
	enum status status = STATUS_OK;
	bool any = false;

	want = calloc(count + 1, sizeof(*want));
	gate->fetched = calloc(count + 1, sizeof(*gate->fetched));
	if (want == NULL || gate->fetched == NULL) {
		free(want);
		text_add(why, "out of memory");
		return STATUS_SYSTEM;
	}
	progress_begin(&progress, style_of(gate), STDERR_FILENO, &gate->policy, clock_now_ns());
	for (size_t i = 0; i < count; i++) {
		want[i] = want_of(gate, i);
		any = any || want[i] != WANT_NOTHING;
	}
	if (any && says_offline(gate, &names)) {
		refuse_all(gate, want, sentence);
		status = gate_inspect(gate, why);
	} else if (any) {
		for (size_t i = 0; i < count; i++)
			if (want[i] == WANT_MISSING || want[i] == WANT_DAMAGED)
				progress_tell(&progress, (int)i,
				              want[i] == WANT_MISSING ? "missing" : "damaged",
				              "fetch");
		status = fetch_wanted(gate, want, &progress, why);
	}
	free(want);
	return status;
}

bool gate_is_offline(const struct gate *gate)
{
	char names[256];
	struct text text = TEXT_OVER(names);

	return says_offline(gate, &text);
}

/* Small files of git's arrive in a directory of their own, which nobody reads and which goes again. */
static bool make_scratch(const struct gate *gate, char *path, size_t size, struct text *why)
{
	const char *base = environment_get(&gate->own, "TMPDIR");
	struct text text = text_over(path, size);

	text_addf(&text, "%s/aweigh-lock-XXXXXX", base != NULL && base[0] == '/' ? base : "/tmp");
	if (!text.cut && mkdtemp(path) != NULL)
		return true;
	text_addf(why, "no directory for small files can be made in %s: %s",
	          base != NULL && base[0] == '/' ? base : "/tmp", strerror(errno));
	return false;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static enum status list_into(struct gate *gate, const struct fetch_job *asked, struct text *why)
{
	struct fetch_settings settings;
	struct settings_input input = settings_of(gate);
	struct progress progress;
	char sentence[512];
	struct text fault = TEXT_OVER(sentence);
	struct fetch_job job = *asked;
	struct place place = { .gate = gate, .job = &job, .progress = &progress };
	enum status status = STATUS_OK;
	bool well = false;

	progress_begin(&progress, PROGRESS_NONE, STDERR_FILENO, &gate->policy, clock_now_ns());
	job.settings = &settings;
	if (!fetch_settings_init(&settings, &input, &fault))
		gate_raise(gate, FINDING_FETCH_SETTINGS, 0, "%s", sentence);
	else
		status = fetch_place(&place, &well, why);
	fetch_settings_release(&settings);
	progress_end(&progress);
	return status;
}

static enum status list_wanted(struct gate *gate, const enum want *want, struct text *why)
{
	char scratch[MAX_PATH_BYTES];
	struct fetch_job job = { .policy = &gate->policy,
		                 .want = want,
		                 .path = scratch,
		                 .lock = gate->has_lock ? &gate->lock : NULL,
		                 .locking = true };
	enum status status;

	if (!make_scratch(gate, scratch, sizeof(scratch), why))
		return STATUS_IO;
	status = list_into(gate, &job, why);
	(void)nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return status;
}

enum status gate_list(struct gate *gate, struct text *why)
{
	size_t count = gate->policy.model_count;
	enum want *want = calloc(count + 1, sizeof(*want));
	enum status status = STATUS_OK;
	bool any = false;

	gate->fetched = calloc(count + 1, sizeof(*gate->fetched));
	if (want == NULL || gate->fetched == NULL) {
		free(want);
		text_add(why, "out of memory");
		return STATUS_SYSTEM;
	}
	for (size_t i = 0; i < count; i++) {
		const struct model *model = &gate->policy.models[i];

		want[i] = model->selected && model->repo != NULL ? WANT_MISSING : WANT_NOTHING;
		any = any || want[i] != WANT_NOTHING;
	}
	if (any)
		status = list_wanted(gate, want, why);
	free(want);
	return status;
}

void gate_tell_models(const struct gate *gate)
{
	struct progress progress;
	unsigned mode = gate->policy.mode;

	if (!gate_may_fetch(gate))
		return;
	progress_begin(&progress, style_of(gate), STDERR_FILENO, &gate->policy, 0);
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (gate->report.models[i].seen &&
		    gate->report.models[i].findings.worst < SEVERITY_ERROR &&
		    gate->report.models[i].found)
			progress_tell(&progress, (int)i, "ok",
			              gate->fetching == FETCHING_ORDERED ? "none" :
			              mode == MODE_ONLINE                ? "online" :
			                                                   "offline");
}

const char *gate_fetch_libraries(void)
{
	return request_libraries();
}
