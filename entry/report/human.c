/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report for people: a line a model, its findings beneath, the verdict last. A code stands once a
 * model, with the files that it is about; as wide as the terminal is.
 */
#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "engine/findings.h"
#include "engine/locate.h"
#include "hub/variables.h"
#include "report/escape.h"
#include "report/format.h"
#include "report/watched.h"
#include "util.h"

#define INDENT 25u /* of text: the longest code and its margins */
#define SUBJECT_COLUMNS 13
#define SHOWN_PATHS 3u /* of one sentence; further ones are counted */
#define LINE_BYTES                                                                                 \
	(sizeof(((struct record *)NULL)->message) +                                                \
	 (SHOWN_PATHS + 1) * sizeof(((struct record *)NULL)->path))
static_assert(LINE_BYTES <= WRAPPED_BYTES, "a finding's line is never cut");

struct paint {
	FILE *out;
	const struct report *report;
	const struct report_style *style;
};

static void start(const struct paint *paint, enum severity severity)
{
	static const char *const codes[SEVERITY_COUNT] = { "32", "36", "33", "1;31" };

	if (paint->style->colour)
		(void)fprintf(paint->out, "\033[%sm", codes[severity]);
}

static void stop(const struct paint *paint)
{
	if (paint->style->colour)
		(void)fputs("\033[0m", paint->out);
}

static void print_wrapped(const struct paint *paint, const char *text)
{
	escape_print_wrapped(paint->out, text, INDENT, paint->style->width);
}

/* SEVERITY_OFF: without a colour. */
static void print_label(const struct paint *paint, const char *label, enum severity severity)
{
	int width;

	(void)fputs("    ", paint->out);
	if (severity != SEVERITY_OFF)
		start(paint, severity);
	width = fprintf(paint->out, "%s", label);
	if (severity != SEVERITY_OFF)
		stop(paint);
	(void)fprintf(paint->out, "%*s", width < (int)INDENT - 4 ? (int)INDENT - 4 - width : 1, "");
}

static bool is_shown(const struct report_finding *finding, const struct report_style *style)
{
	if (style->quiet)
		return finding->severity == SEVERITY_ERROR;
	return finding->severity > SEVERITY_NOTE || style->verbose;
}

static const struct report_finding *next_of(const struct report *report,
                                            const struct report_finding *finding)
{
	return finding->next == 0 ? NULL : &report->findings[finding->next - 1];
}

typedef bool same_findings(const struct report_finding *a, const struct report_finding *b);

static bool have_one_code(const struct report_finding *a, const struct report_finding *b)
{
	return a->id == b->id && a->severity == b->severity && a->line == b->line &&
	       strcmp(a->fix, b->fix) == 0;
}

static bool have_one_sentence(const struct report_finding *a, const struct report_finding *b)
{
	return have_one_code(a, b) && strcmp(a->message, b->message) == 0;
}

/* Whether one between `from` and `finding` has brought it along already. */
static bool was_printed(const struct report *report, const struct report_finding *from,
                        const struct report_finding *finding, same_findings *same)
{
	for (; from != finding; from = next_of(report, from))
		if (same(from, finding))
			return true;
	return false;
}

/* Of the files that one sentence is about the next in the order of their names: a folder's order is a disk's own. */
static const char *path_behind(const struct paint *paint, const struct report_finding *first,
                               const char *before)
{
	const char *best = NULL;

	for (const struct report_finding *at = first; at != NULL; at = next_of(paint->report, at)) {
		const char *path =
		        have_one_sentence(at, first) ? report_path(paint->report, at) : "";

		if (strcmp(path, before) > 0 && (best == NULL || strcmp(path, best) < 0))
			best = path;
	}
	return best;
}

static uint64_t count_paths(const struct paint *paint, const struct report_finding *first)
{
	uint64_t count = 0;

	for (const struct report_finding *at = first; at != NULL; at = next_of(paint->report, at))
		count += have_one_sentence(at, first) && report_path(paint->report, at)[0] != '\0';
	return count;
}

/*
 * One sentence with the files that it is about: "a, b, c and 10 more: sentence". `more` are known by their number alone.
 * Beside worse ones it says what it is.
 */
static void print_sentence(const struct paint *paint, const struct report_finding *finding,
                           uint64_t more, enum severity worst)
{
	char line[LINE_BYTES];
	struct text text = TEXT_OVER(line);
	const char *path = "";
	size_t shown = 0;

	if (finding->severity < worst)
		text_addf(&text, "%s: ", severity_words[finding->severity]);
	more += count_paths(paint, finding);
	while (shown < SHOWN_PATHS && (path = path_behind(paint, finding, path)) != NULL) {
		text_addf(&text, "%s%s", shown++ == 0 ? "" : ", ", path);
		more--;
	}
	if (more > 0 && shown > 0)
		text_addf(&text, " and %llu more", (unsigned long long)more);
	if (shown > 0) /* FILE:LINE: has its own */
		text_add(&text, text.at[text.length - 1] == ':' ? " " : ": ");
	text_add(&text, finding->message);
	print_wrapped(paint, line);
}

static void print_fix(const struct paint *paint, const struct report_finding *finding)
{
	const char *file = paint->report->policy->file[finding->source];
	char line[LINE_BYTES];
	struct text text = TEXT_OVER(line);

	if (finding->fix[0] == '\0')
		return;
	text_add(&text, finding->fix);
	if (finding->line != 0 && file != NULL && strstr(finding->path, file) == NULL)
		text_addf(&text, " (%s:%u)", path_name(file), finding->line);
	print_label(paint, "fix", SEVERITY_OFF);
	print_wrapped(paint, line);
}

/* Of a code about one model: its sentences, and the number of those that are only counted. */
static size_t count_sentences(const struct paint *paint, const struct report_finding *first,
                              uint64_t *more)
{
	size_t sentences = 0;

	*more = 0;
	for (const struct report_finding *at = first; at != NULL; at = next_of(paint->report, at)) {
		if (!have_one_code(at, first))
			continue;
		*more += at->more;
		sentences +=
		        at->more == 0 && !was_printed(paint->report, first, at, have_one_sentence);
	}
	return sentences;
}

/* A code with all that it has to say of one model, and what to do about it. */
static void print_group(const struct paint *paint, const struct report_finding *first,
                        enum severity worst)
{
	uint64_t more;
	bool one = count_sentences(paint, first, &more) == 1; /* so the others are like it */

	print_label(paint, finding_kinds[first->id].code, first->severity);
	for (const struct report_finding *at = first; at != NULL; at = next_of(paint->report, at)) {
		if (!have_one_code(at, first) || (one && at->more > 0) ||
		    was_printed(paint->report, first, at, have_one_sentence))
			continue;
		if (at != first)
			(void)fprintf(paint->out, "%*s", (int)INDENT, "");
		print_sentence(paint, at, one ? more : 0, worst);
	}
	print_fix(paint, first);
}

static void print_findings(const struct paint *paint, const struct report_list *list,
                           enum severity worst, const char *hint)
{
	const struct report *report = paint->report;
	const struct report_finding *first =
	        list->first == 0 ? NULL : &report->findings[list->first - 1];
	bool any = false;

	for (const struct report_finding *at = first; at != NULL; at = next_of(report, at)) {
		if (!is_shown(at, paint->style) || was_printed(report, first, at, have_one_code))
			continue;
		print_group(paint, at, worst);
		any = true;
	}
	if (any && hint != NULL) { /* once, since it is the same for each */
		print_label(paint, "hint", SEVERITY_OFF);
		print_wrapped(paint, hint);
	}
}

static void print_subject(const struct paint *paint, enum severity worst, const char *name)
{
	start(paint, worst == SEVERITY_NOTE ? SEVERITY_OFF : worst);
	(void)fprintf(paint->out, "  %-8s",
	              worst == SEVERITY_ERROR   ? "refused" :
	              worst == SEVERITY_WARNING ? "warning" :
	                                          "ok");
	stop(paint);
	if (strlen(name) > SUBJECT_COLUMNS) /* the sentence has the next line */
		(void)fprintf(paint->out, " %s\n%*s", name, (int)INDENT, "");
	else
		(void)fprintf(paint->out, " %-*s ", SUBJECT_COLUMNS, name);
}

static void print_model(const struct paint *paint, size_t index)
{
	const struct model *model = &paint->report->policy->models[index];
	const struct report_model *found = &paint->report->models[index];
	char line[2 * MAX_PATH_BYTES];
	struct text text = TEXT_OVER(line);

	print_subject(paint, found->findings.worst, model->name);
	text_add(&text, model_title(model));
	if (found->commit[0] != '\0')
		text_addf(&text, " @%.8s", found->commit);
	print_wrapped(paint, line);
	if (!found->found)
		return;
	text = TEXT_OVER(line);
	report_add_verified(paint->report, index, &text);
	(void)fprintf(paint->out, "%*s", (int)INDENT, "");
	print_wrapped(paint, line);
}

/* Of a service that smoke has seen, or that cannot start; what else is told of one belongs to its environment. */
static bool has_service(const struct report *report)
{
	return report->service.looked_at || report->rest[SUBJECT_SERVICE].worst == SEVERITY_ERROR;
}

static enum severity worst_around(const struct report *report)
{
	enum severity worst = SEVERITY_OFF;

	for (int subject = 0; subject < SUBJECT_COUNT; subject++)
		if ((subject != SUBJECT_SERVICE || !has_service(report)) &&
		    report->rest[subject].worst > worst)
			worst = report->rest[subject].worst;
	return worst;
}

static void add_variable(struct text *text, const struct report *report, const char *name)
{
	const char *value = environment_get(report->env, name);

	if (value != NULL)
		text_addf(text, "%s%s=%s", text->length == 0 ? "" : " ", name, value);
}

/* What keeps the service offline, and the paths that it gets. */
static void print_environment(const struct paint *paint)
{
	const struct report *report = paint->report;
	char line[LINE_BYTES];
	struct text text = TEXT_OVER(line);

	for (size_t i = 0; i < OFFLINE_VARIABLES; i++)
		add_variable(&text, report, offline_variables[i]);
	add_variable(&text, report, "HF_HUB_CACHE");
	for (size_t i = 0; i < report->policy->model_count; i++)
		if (report->policy->models[i].export != NULL && report->policy->models[i].selected)
			add_variable(&text, report, report->policy->models[i].export);
	print_subject(paint, worst_around(report), "environment");
	print_wrapped(paint, text.length > 0 ? line : "no offline variable is set");
}

/* What is enforced, as promised: what is not is a finding below. */
static void print_confinement(const struct paint *paint)
{
	const struct confinement *confinement = &paint->report->confinement;
	bool egress = confinement->tcp && confinement->others,
	     models = confinement->models != MODELS_NOT_KEPT;
	char line[512];
	struct text text = TEXT_OVER(line);

	if (!egress && !models)
		return;
	if (egress)
		text_addf(&text, "egress %s", paint->report->policy->said[KEY_EGRESS].text);
	if (models)
		text_addf(&text, "%smodels read-only by %s", egress ? ", " : "",
		          models_kept_words[confinement->models]);
	print_subject(paint, SEVERITY_OFF, "confinement");
	print_wrapped(paint, line);
}

/* How long it took, and the last that it said where something is wrong. */
static void print_service(const struct paint *paint)
{
	const struct report_service *service = &paint->report->service;
	enum severity worst = paint->report->rest[SUBJECT_SERVICE].worst;
	char line[LINE_BYTES];
	struct text text = TEXT_OVER(line);

	print_subject(paint, worst, "service");
	if (!service->looked_at) {
		print_wrapped(paint, "not started");
		return;
	}
	watched_add(&text, service);
	print_wrapped(paint, line);
	for (size_t i = 0; i < LENGTH_OF(service->last) && service->last[i] != NULL; i++) {
		(void)fprintf(paint->out, "%*s| ", (int)INDENT, "");
		print_wrapped(paint, service->last[i]);
	}
}

static void print_head(const struct paint *paint)
{
	const struct report *report = paint->report;
	const char *file = report->policy->file[SOURCE_POLICY];

	(void)fputs("aweigh: ", paint->out);
	(void)escape_print(paint->out, file != NULL ? file : "no policy");
	if (report->policy->error_count == 0) { /* else neither is known */
		(void)fprintf(paint->out, ", %s, as ", mode_words[report->policy->mode]);
		if (report->who->name[0] != '\0') {
			(void)escape_print(paint->out, report->who->name);
			(void)fprintf(paint->out, " (%u:%u)", (unsigned)report->who->uid,
			              (unsigned)report->who->gid);
		} else {
			(void)fprintf(paint->out, "%u:%u", (unsigned)report->who->uid,
			              (unsigned)report->who->gid);
		}
	}
	(void)fputs("\n\n", paint->out);
}

static void print_end(const struct paint *paint)
{
	const struct report *report = paint->report;
	char text[256];
	struct text words = TEXT_OVER(text);
	size_t coloured;

	(void)fputc('\n', paint->out);
	if (report->dropped > 0)
		(void)fprintf(paint->out, "%zu further findings are not shown\n", report->dropped);
	report_verdict(report, &words);
	coloured = report->status == STATUS_OK ? strlen("pass") : strcspn(text, ")") + 1;
	start(paint, report->status == STATUS_OK ? SEVERITY_OFF : SEVERITY_ERROR);
	(void)fwrite(text, 1, coloured, paint->out);
	stop(paint);
	(void)fputs(text + coloured, paint->out);
	if (report->elapsed_ns < 1000000000u)
		(void)fprintf(paint->out, ", in %.1f ms\n", (double)report->elapsed_ns / 1e6);
	else
		(void)fprintf(paint->out, ", in %.1f s\n", (double)report->elapsed_ns / 1e9);
}

void report_write_human(const struct report *report, const struct report_style *style, FILE *out)
{
	struct report_style shown = *style;
	struct paint paint = { out, report, &shown };
	enum severity worst = worst_around(report);

	shown.quiet |= style->most > 0 && report->status != STATUS_OK;
	style = &shown;
	if (style->quiet && report->status == STATUS_OK)
		return;
	print_head(&paint);
	for (size_t i = 0; report->models != NULL && i < report->policy->model_count; i++) {
		if (!report->policy->models[i].selected || !report->models[i].seen ||
		    (style->quiet && report->models[i].findings.worst < SEVERITY_ERROR))
			continue;
		print_model(&paint, i);
		if (report->models[i].findings.worst != SEVERITY_OFF)
			print_findings(&paint, &report->models[i].findings,
			               report->models[i].findings.worst,
			               report->policy->models[i].hint);
	}
	if (!style->quiet)
		print_confinement(&paint);
	if (report->env != NULL && (!style->quiet || worst == SEVERITY_ERROR))
		print_environment(&paint);
	print_findings(&paint, &report->rest[SUBJECT_POLICY], worst, NULL);
	print_findings(&paint, &report->rest[SUBJECT_ENVIRONMENT], worst, NULL);
	if (has_service(report)) {
		print_service(&paint);
		worst = report->rest[SUBJECT_SERVICE].worst;
	}
	print_findings(&paint, &report->rest[SUBJECT_SERVICE], worst, NULL);
	print_end(&paint);
}
