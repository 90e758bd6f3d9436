/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <string.h>

#include "base/arena.h"
#include "base/scan.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/locate.h"
#include "hub/cache.h"
#include "report/watched.h"
#include "util.h"

const char *report_keep(struct report *report, const char *text)
{
	const char *copy = text[0] == '\0' ? "" : arena_copy(report->arena, text, strlen(text));

	return copy == NULL ? "" : copy;
}

static const char *const subject_words[SUBJECT_COUNT][2] = {
	[SUBJECT_POLICY] = { "policy", "the policy" },
	[SUBJECT_ENVIRONMENT] = { "environment", "the environment" },
	[SUBJECT_SERVICE] = { "service", "the service" },
};

enum subject finding_subject(enum finding_id id)
{
	for (int subject = 0; subject < SUBJECT_COUNT; subject++) {
		size_t length = strlen(subject_words[subject][0]);

		if (strncmp(finding_kinds[id].code, subject_words[subject][0], length) == 0 &&
		    finding_kinds[id].code[length] == '.')
			return (enum subject)subject;
	}
	return SUBJECT_ENVIRONMENT;
}

const char *report_subject(const struct report *report, enum subject subject)
{
	bool taken = false;

	for (size_t i = 0; i < report->policy->model_count; i++)
		taken |= strcmp(report->policy->models[i].name, subject_words[subject][0]) == 0;
	return subject_words[subject][taken];
}

const char *report_hint(const struct report *report, const struct report_finding *finding)
{
	return finding->model == NO_MODEL ? NULL : report->policy->models[finding->model].hint;
}

const char *report_about(const struct report *report, const struct report_finding *finding)
{
	return finding->model == NO_MODEL ? report_subject(report, finding_subject(finding->id)) :
	                                    report->policy->models[finding->model].name;
}

void report_model_path(const struct report *report, size_t index, char *out, size_t size)
{
	const struct model *model = &report->policy->models[index];
	const char *path = model->path;
	char repo[MAX_PATH_BYTES];
	struct text text = text_over(out, size);

	if (path != NULL)
		text_add(&text, path);
	else if (report->models[index].found && report->hub_cache != NULL &&
	         repo_path(report->hub_cache, model->repo, repo, sizeof(repo)))
		text_addf(&text, "%s/snapshots/%s", repo, report->models[index].commit);
}

void report_add_verified(const struct report *report, size_t index, struct text *out)
{
	const struct report_model *found = &report->models[index];

	if (!found->found) {
		text_add(out, "nothing was looked at");
		return;
	}
	text_addf(out, "%llu file%s, %s, verified: %s", (unsigned long long)found->files,
	          found->files == 1 ? "" : "s", size_text(found->bytes).text,
	          level_words[found->level]);
	if (found->level < LEVEL_DIGEST &&
	    model_level(report->policy, &report->policy->models[index]) == LEVEL_DIGEST)
		text_addf(out, ", %llu of %llu by digest", (unsigned long long)found->verified,
		          (unsigned long long)found->files);
}

/* Whether the message names the path itself, and not one that goes on behind it: x.onnx is not x.onnx.json. */
static bool is_named(const char *message, const char *path)
{
	const char *at = message;

	while ((at = strstr(at, path)) != NULL) {
		at += strlen(path);
		if (!scan_is_name(at[0]) && at[0] != '-' && (at[0] != '.' || at[1] == '\0'))
			return true;
	}
	return false;
}

/* As it is called in the cache, whose own path is told once. */
static const char *path_in_cache(const struct report *report, const char *path)
{
	if (report->hub_cache != NULL && path_is_beneath(path, report->hub_cache) &&
	    path[strlen(report->hub_cache)] == '/')
		return path + strlen(report->hub_cache) + 1;
	return path;
}

const char *report_path(const struct report *report, const struct report_finding *finding)
{
	const char *path = finding->path;
	char directory[MAX_PATH_BYTES] = "";

	if (finding->model != NO_MODEL)
		report_model_path(report, (size_t)finding->model, directory, sizeof(directory));
	if (path[0] == '\0' || is_named(finding->message, path) || strcmp(path, directory) == 0)
		return "";
	if (directory[0] != '\0' && path_is_beneath(path, directory))
		return path + strlen(directory) + 1;
	return path_in_cache(report, path);
}

void report_sentence(const struct report *report, const struct report_finding *finding,
                     struct text *out)
{
	const char *path = report_path(report, finding);
	size_t length;

	/* No line above it names the model's directory. */
	if (path[0] == '\0' && finding->path[0] != '\0' &&
	    !is_named(finding->message, finding->path))
		path = path_in_cache(report, finding->path);
	length = strlen(path);
	text_add(out, path);
	if (length > 0) /* FILE:LINE: has its own */
		text_add(out, path[length - 1] == ':' ? " " : ": ");
	text_add(out, finding->message);
}

static void add_models(const struct report *report, struct text *out)
{
	size_t selected = 0, refused = 0;

	for (size_t i = 0; i < report->policy->model_count; i++) {
		selected += report->policy->models[i].selected;
		refused += report->models != NULL &&
		           report->models[i].findings.worst == SEVERITY_ERROR;
	}
	if (report->policy->error_count > 0)
		text_add(out, ": the policy is wrong, and no model was looked at");
	else if (refused > 0)
		text_addf(out, ": %zu of %zu model%s", refused, selected, selected == 1 ? "" : "s");
	else if (selected > 0)
		text_addf(out, ": %zu model%s", selected, selected == 1 ? "" : "s");
	else
		text_add(out, ": no model");
	if (report->service.looked_at) {
		text_add(out, ", and the service");
		watched_add_reach(out, &report->service);
	}
}

void report_verdict(const struct report *report, struct text *out)
{
	size_t warnings = 0;

	for (size_t i = 0; i < report->count; i++)
		warnings += report->findings[i].severity == SEVERITY_WARNING;
	if (report->status == STATUS_OK)
		text_add(out, "pass");
	else
		text_addf(out, "%s (%d)", report->enforced ? "refused" : "not enforced",
		          (int)report->status);
	if (warnings > 0 && report->status == STATUS_OK)
		text_addf(out, " with %zu warning%s", warnings, warnings == 1 ? "" : "s");
	add_models(report, out);
}

bool report_has_model(const struct report *report, size_t index)
{
	return report->models != NULL && report->policy->models[index].selected &&
	       (report->models[index].seen || report->models[index].findings.first != 0);
}

bool report_has_subject(const struct report *report, enum subject subject)
{
	return report->rest[subject].worst > SEVERITY_NOTE ||
	       (subject == SUBJECT_ENVIRONMENT && report->policy->error_count == 0) ||
	       (subject == SUBJECT_SERVICE && report->service.looked_at);
}
