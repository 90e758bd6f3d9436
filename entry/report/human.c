/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people: a line a model, its findings beneath, the verdict last; readable at 80 columns. */
#include <string.h>

#include "base/text.h"
#include "engine/findings.h"
#include "engine/locate.h"
#include "report/escape.h"
#include "report/format.h"
#include "util.h"

#define WIDTH 80u
#define INDENT 25u

report_write report_write_human;

struct paint {
	FILE *out;
	bool colour;
};

static void start(const struct paint *paint, enum severity severity)
{
	static const char *const codes[SEVERITY_COUNT] = { "32", "36", "33", "1;31" };

	if (paint->colour)
		(void)fprintf(paint->out, "\033[%sm", codes[severity]);
}

static void stop(const struct paint *paint)
{
	if (paint->colour)
		(void)fputs("\033[0m", paint->out);
}

/* Wraps at blanks; what has none is left whole, so that a path can be copied. */
static void print_wrapped(FILE *out, const char *text, size_t column)
{
	char escaped[4 * 1280];
	const char *at = escaped;

	escape_into(escaped, sizeof(escaped), text);
	while (*at != '\0') {
		size_t length = strcspn(at, " ");

		if (column > INDENT && column + length + 1 > WIDTH) {
			(void)fprintf(out, "\n%*s", (int)INDENT, "");
			column = INDENT;
		} else if (at > escaped) {
			(void)fputc(' ', out);
			column++;
		}
		(void)fwrite(at, 1, length, out);
		column += length;
		at += length;
		while (*at == ' ')
			at++;
	}
	(void)fputc('\n', out);
}

static void print_label(const struct paint *paint, const char *label, enum severity severity,
                        bool coloured)
{
	int width;

	(void)fputs("           ", paint->out);
	if (coloured)
		start(paint, severity);
	width = fprintf(paint->out, "%s", label);
	if (coloured)
		stop(paint);
	if (width < (int)(INDENT - 11))
		(void)fprintf(paint->out, "%*s", (int)(INDENT - 11) - width, "");
	else
		(void)fprintf(paint->out, "\n%*s", (int)INDENT, "");
}

/*
 * A finding's path as its line needs it: not at all where the message names it or the model's own
 * line does, and without the model's directory or the cache in front, which stand above already.
 */
static const char *shown_path(const struct report *report, const struct report_finding *finding,
                              char shown[static MAX_PATH_BYTES])
{
	const char *path = finding->path;
	char directory[MAX_PATH_BYTES] = "";
	struct text text = text_over(shown, MAX_PATH_BYTES);

	if (finding->model != NO_MODEL)
		report_model_path(report, (size_t)finding->model, directory, sizeof(directory));
	if (path[0] == '\0' || strstr(finding->message, path) != NULL ||
	    strcmp(path, directory) == 0)
		return shown;
	if (directory[0] != '\0' && path_is_beneath(path, directory))
		path += strlen(directory) + 1;
	else if (report->hub_cache != NULL && path_is_beneath(path, report->hub_cache) &&
	         path[strlen(report->hub_cache)] == '/')
		path += strlen(report->hub_cache) + 1;
	text_addf(&text, "%s ", path);
	return shown;
}

static void print_finding(const struct paint *paint, const struct report *report,
                          const struct report_finding *finding)
{
	static const char *const words[SEVERITY_COUNT] = { "off", "note: ", "warning: ", "" };
	char line[sizeof(((struct record *)NULL)->path) + sizeof(((struct record *)NULL)->message) +
	          32];
	char fix[sizeof(((struct record *)NULL)->fix) + MAX_PATH_BYTES];
	char model_path[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(line), how = TEXT_OVER(fix);
	const char *file = report->policy->file[finding->source];

	text_add(&text, words[finding->severity]);
	text_add(&text, shown_path(report, finding, model_path));
	text_add(&text, finding->message);
	print_label(paint, finding_kinds[finding->id].code, finding->severity, true);
	print_wrapped(paint->out, line, INDENT);
	if (finding->fix[0] == '\0')
		return;
	text_add(&how, finding->fix);
	if (finding->line != 0 && file != NULL)
		text_addf(&how, " (%s:%u)",
		          strrchr(file, '/') != NULL ? strrchr(file, '/') + 1 : file,
		          finding->line);
	print_label(paint, "fix", finding->severity, false);
	print_wrapped(paint->out, fix, INDENT);
}

static bool is_shown(const struct report_finding *finding, const struct report_style *style)
{
	if (style->quiet)
		return finding->severity == SEVERITY_ERROR;
	return finding->severity > SEVERITY_NOTE || style->verbose;
}

static void print_findings(const struct paint *paint, const struct report *report,
                           const struct report_style *style, int model)
{
	const char *hint = model == NO_MODEL ? NULL : report->policy->models[model].hint;
	const struct report_list *list =
	        model == NO_MODEL ? &report->rest : &report->models[model].findings;
	bool any = false;

	for (size_t i = list->first; i != 0; i = report->findings[i - 1].next)
		if (is_shown(&report->findings[i - 1], style)) {
			print_finding(paint, report, &report->findings[i - 1]);
			any = true;
		}
	if (any && hint != NULL) { /* once, since it is the same for each */
		print_label(paint, "hint", SEVERITY_OFF, false);
		print_wrapped(paint->out, hint, INDENT);
	}
}

static void print_verdict_word(const struct paint *paint, enum severity worst)
{
	start(paint, worst == SEVERITY_ERROR   ? SEVERITY_ERROR :
	             worst == SEVERITY_WARNING ? SEVERITY_WARNING :
	                                         SEVERITY_OFF);
	(void)fprintf(paint->out, "  %-8s",
	              worst == SEVERITY_ERROR   ? "refused" :
	              worst == SEVERITY_WARNING ? "warning" :
	                                          "ok");
	stop(paint);
}

static void print_model(const struct paint *paint, const struct report *report, size_t index)
{
	const struct model *model = &report->policy->models[index];
	const struct report_model *found = &report->models[index];
	char title[MAX_PATH_BYTES];

	print_verdict_word(paint, found->worst);
	escape_into(title, sizeof(title), model_title(model));
	(void)fprintf(paint->out, " %-12s  %s", model->name, title);
	if (found->commit[0] != '\0')
		(void)fprintf(paint->out, " @%.8s", found->commit);
	if (found->found)
		(void)fprintf(paint->out, "\n%*s%llu file%s   %s   %s", (int)INDENT, "",
		              (unsigned long long)found->files, found->files == 1 ? "" : "s",
		              size_text(found->bytes).text, level_words[found->level]);
	(void)fputc('\n', paint->out);
}

static enum severity worst_of_rest(const struct report *report)
{
	enum severity worst = SEVERITY_OFF;

	for (size_t i = report->rest.first; i != 0; i = report->findings[i - 1].next)
		if (report->findings[i - 1].severity > worst)
			worst = report->findings[i - 1].severity;
	return worst;
}

static void print_environment(const struct paint *paint, const struct report *report)
{
	static const char *const names[] = { "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
		                             "HF_DATASETS_OFFLINE" };
	bool any = false;

	print_verdict_word(paint, worst_of_rest(report));
	(void)fprintf(paint->out, " %-12s ", "environment");
	for (size_t i = 0; i < LENGTH_OF(names); i++) {
		const char *value = environment_get(report->env, names[i]);

		if (value == NULL)
			continue;
		(void)fprintf(paint->out, i == 2 ? "\n%*s%s=" : "%*s%s=", i == 2 ? (int)INDENT : 1,
		              "", names[i]);
		(void)escape_print(paint->out, value);
		any = true;
	}
	(void)fputs(any ? "\n" : " no offline variable is set\n", paint->out);
}

/* What is enforced, as promised: what is not is a finding below. */
static void print_confinement(const struct paint *paint, const struct report *report)
{
	const struct confinement *confinement = &report->confinement;
	bool egress = confinement->tcp && confinement->others,
	     models = confinement->models != MODELS_NOT_KEPT;

	if (!egress && !models)
		return;
	print_verdict_word(paint, SEVERITY_OFF);
	(void)fprintf(paint->out, " %-12s  %s%s%s%s%s\n", "confinement", egress ? "egress " : "",
	              egress ? report->policy->said[KEY_EGRESS].text : "",
	              egress && models ? ", " : "", models ? "models read-only by " : "",
	              models ? models_kept_words[confinement->models] : "");
}

static void print_head(const struct paint *paint, const struct report *report)
{
	(void)fputs("aweigh: ", paint->out);
	(void)escape_print(paint->out, report->policy->file[SOURCE_POLICY] != NULL ?
	                                       report->policy->file[SOURCE_POLICY] :
	                                       "no policy");
	(void)fprintf(paint->out, ", %s", mode_words[report->policy->mode]);
	if (report->who->name[0] != '\0')
		(void)fprintf(paint->out, ", as %s (%u:%u)\n\n", report->who->name,
		              (unsigned)report->who->uid, (unsigned)report->who->gid);
	else
		(void)fprintf(paint->out, ", as %u:%u\n\n", (unsigned)report->who->uid,
		              (unsigned)report->who->gid);
}

static void print_end(const struct paint *paint, const struct report *report)
{
	size_t selected = 0, refused = 0;

	for (size_t i = 0; i < report->policy->model_count; i++) {
		selected += report->policy->models[i].selected;
		refused += report->models != NULL && report->models[i].worst == SEVERITY_ERROR;
	}
	(void)fputc('\n', paint->out);
	if (report->dropped > 0)
		(void)fprintf(paint->out, "%zu further findings are not shown\n", report->dropped);
	start(paint, report->status == STATUS_OK ? SEVERITY_OFF : SEVERITY_ERROR);
	if (report->status == STATUS_OK)
		(void)fputs("pass", paint->out);
	else
		(void)fprintf(paint->out, "%s (%d)", report->enforced ? "refused" : "not enforced",
		              (int)report->status);
	stop(paint);
	if (refused > 0)
		(void)fprintf(paint->out, ": %zu of %zu", refused, selected);
	else if (selected > 0)
		(void)fprintf(paint->out, ": %zu model%s", selected, selected == 1 ? "" : "s");
	(void)fprintf(paint->out, ", in %.1f ms\n", (double)report->elapsed_ns / 1e6);
}

void report_write_human(const struct report *report, const struct report_style *style, FILE *out)
{
	struct paint paint = { out, style->colour };

	if (style->quiet && report->status == STATUS_OK)
		return;
	print_head(&paint, report);
	for (size_t i = 0; report->models != NULL && i < report->policy->model_count; i++) {
		if (!report->policy->models[i].selected || !report->models[i].seen ||
		    (style->quiet && report->models[i].worst < SEVERITY_ERROR))
			continue;
		print_model(&paint, report, i);
		if (report->models[i].worst != SEVERITY_OFF)
			print_findings(&paint, report, style, (int)i);
	}
	if (report->env != NULL)
		print_environment(&paint, report);
	print_confinement(&paint, report);
	print_findings(&paint, report, style, NO_MODEL);
	print_end(&paint, report);
}
