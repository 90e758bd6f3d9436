/* SPDX-License-Identifier: Apache-2.0 */
/* One table, for the summary of a job or as a comment of a merge request. */
#include <string.h>

#include "base/text.h"
#include "engine/findings.h"
#include "engine/locate.h"
#include "report/escape.h"
#include "report/format.h"
#include "util.h"

/* Whatever Markdown, HTML, a mention or a reference begins with is written as an entity, which no cell takes for one. */
static void put(FILE *out, const char *text)
{
	char escaped[4 * REPORT_SENTENCE_BYTES];

	escape_into(escaped, sizeof(escaped), text);
	for (const char *at = escaped; *at != '\0'; at++)
		if (strchr("|`<>&*_[]\\@#~!$", *at) != NULL)
			(void)fprintf(out, "&#%u;", (unsigned char)*at);
		else
			(void)fputc(*at, out);
}

static void put_row(FILE *out, const struct report *report, const struct report_finding *finding)
{
	char text[REPORT_SENTENCE_BYTES];
	struct text words = TEXT_OVER(text);

	report_sentence(report, finding, &words);
	(void)fputs("| ", out);
	put(out, report_about(report, finding));
	(void)fprintf(out, " | %s | %s | ", severity_words[finding->severity],
	              finding_kinds[finding->id].code);
	put(out, text);
	(void)fputs(" | ", out);
	put(out, finding->fix);
	if (report_hint(report, finding) != NULL) {
		(void)fputs(" (hint: ", out);
		put(out, report_hint(report, finding));
		(void)fputc(')', out);
	}
	(void)fputs(" |\n", out);
}

static void put_model(FILE *out, const struct report *report, size_t index)
{
	const struct report_model *found = &report->models[index];
	char text[REPORT_SENTENCE_BYTES];
	struct text words = TEXT_OVER(text);

	text_add(&words, model_title(&report->policy->models[index]));
	if (found->commit[0] != '\0')
		text_addf(&words, " at %.8s", found->commit);
	text_add(&words, ": ");
	report_add_verified(report, index, &words);
	(void)fputs("| ", out);
	put(out, report->policy->models[index].name);
	(void)fputs(" | ok | | ", out);
	put(out, text);
	(void)fputs(" | |\n", out);
}

void report_write_markdown(const struct report *report, const struct report_style *style, FILE *out)
{
	enum severity least = style->verbose ? SEVERITY_NOTE : SEVERITY_WARNING;
	char text[256];
	struct text words = TEXT_OVER(text);
	size_t put_findings = 0;

	report_verdict(report, &words);
	(void)fputs("### aweigh: ", out);
	put(out, text);
	(void)fputs("\n\n| model | result | code | what | fix |\n| --- | --- | --- | --- | --- |\n",
	            out);
	for (int severity = SEVERITY_ERROR; severity >= (int)least; severity--)
		for (size_t i = 0; i < report->count; i++)
			if ((int)report->findings[i].severity == severity &&
			    (style->most == 0 || put_findings < style->most)) {
				put_row(out, report, &report->findings[i]);
				put_findings++;
			}
	for (size_t i = 0; report->models != NULL && i < report->policy->model_count; i++)
		if (report->policy->models[i].selected && report->models[i].seen &&
		    report->models[i].findings.worst < SEVERITY_WARNING &&
		    (style->most == 0 || i < style->most))
			put_model(out, report, i);
	if (report->service.looked_at && report->service.ready &&
	    report->rest[SUBJECT_SERVICE].worst < SEVERITY_WARNING)
		(void)fprintf(out, "| service | ok | | ready after %.2f s | |\n",
		              (double)report->service.ready_ms / 1e3);
	if (style->most > 0 && put_findings < report->count)
		(void)fputs("\nMore findings are left out: the whole would be too long here.\n",
		            out);
}
