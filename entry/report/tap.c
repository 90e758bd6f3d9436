/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TAP version 13, which readers of 14 take, too, and Perl's of Debian 12 no other: a test a model, and one each for the environment, the service
 * that smoke saw, and what is wrong with the policy;
 * what is wrong with it in a YAML block. Policies that cannot be read end it with "Bail out!".
 */
#include <string.h>

#include "base/text.h"
#include "engine/findings.h"
#include "report/escape.h"
#include "report/format.h"
#include "util.h"

/* Half of the readers take "\#" for an escape, and the others "#" for a directive: neither stands in a description. */
static void put_description(FILE *out, const char *text)
{
	char escaped[4 * REPORT_SENTENCE_BYTES];

	escape_into(escaped, sizeof(escaped), text);
	for (const char *at = escaped; *at != '\0'; at++)
		(void)fputc(*at == '#' || *at == '\\' ? '_' : *at, out);
}

/* A double-quoted scalar. */
static void put_scalar(FILE *out, const char *name, const char *text)
{
	char escaped[4 * REPORT_SENTENCE_BYTES];

	if (text == NULL || text[0] == '\0')
		return;
	escape_into(escaped, sizeof(escaped), text);
	(void)fprintf(out, "    %s: \"", name);
	for (const char *at = escaped; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\')
			(void)fputc('\\', out);
		(void)fputc(*at, out);
	}
	(void)fputs("\"\n", out);
}

static void put_finding(FILE *out, const struct report *report,
                        const struct report_finding *finding)
{
	char text[REPORT_SENTENCE_BYTES];
	struct text words = TEXT_OVER(text);

	report_sentence(report, finding, &words);
	(void)fprintf(out, "  - code: %s\n    severity: %s\n", finding_kinds[finding->id].code,
	              severity_words[finding->severity]);
	put_scalar(out, "message", text);
	put_scalar(out, "fix", finding->fix);
	put_scalar(out, "hint", report_hint(report, finding));
	if (finding->line != 0) {
		put_scalar(out, "file", report->location[finding->source]);
		(void)fprintf(out, "    line: %u\n", finding->line);
	}
}

/* One test, with what is more than a note beneath. */
static void put_test(FILE *out, const struct report *report, size_t number, const char *name,
                     const struct report_list *list, bool optional)
{
	bool any = false;

	(void)fprintf(out, "%s %zu - ", list->worst == SEVERITY_ERROR ? "not ok" : "ok", number);
	put_description(out, name);
	(void)fputs(optional && list->worst == SEVERITY_WARNING ? " # SKIP optional\n" : "\n", out);
	for (size_t at = list->first; at != 0; at = report->findings[at - 1].next) {
		if (report->findings[at - 1].severity <= SEVERITY_NOTE)
			continue;
		if (!any)
			(void)fputs("  ---\n", out);
		any = true;
		put_finding(out, report, &report->findings[at - 1]);
	}
	if (any)
		(void)fputs("  ...\n", out);
}

void report_write_tap(const struct report *report, const struct report_style *style, FILE *out)
{
	char text[256];
	struct text words = TEXT_OVER(text);
	size_t count = 0, number = 0;

	(void)style;
	for (size_t i = 0; i < report->policy->model_count; i++)
		count += report_has_model(report, i);
	for (int subject = 0; subject < SUBJECT_COUNT; subject++)
		count += report_has_subject(report, (enum subject)subject);
	(void)fprintf(out, "TAP version 13\n1..%zu\n", count);
	for (size_t i = 0; i < report->policy->model_count; i++)
		if (report_has_model(report, i))
			put_test(out, report, ++number, report->policy->models[i].name,
			         &report->models[i].findings, report->policy->models[i].optional);
	for (int subject = 0; subject < SUBJECT_COUNT; subject++)
		if (report_has_subject(report, (enum subject)subject))
			put_test(out, report, ++number,
			         report_subject(report, (enum subject)subject),
			         &report->rest[subject], false);
	report_verdict(report, &words);
	if (report->policy->error_count > 0)
		(void)fputs("Bail out! The policy has errors\n", out);
	else
		(void)fprintf(out, "# %s\n", text);
}
