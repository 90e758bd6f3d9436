/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cloud Logging's structured JSON (cloud.google.com/logging/docs/structured-logging): a line a finding, then one for the
 * verdict. Labels are strings, and so is the number of a source's line.
 */
#include "base/text.h"
#include "engine/findings.h"
#include "report/format.h"
#include "report/gen.h"
#include "util.h"

static void put_labels(yajl_gen gen, const struct report *report,
                       const struct report_finding *finding)
{
	gen_word(gen, "logging.googleapis.com/labels");
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "program", "aweigh");
	if (finding != NULL) {
		gen_text(gen, "code", finding_kinds[finding->id].code);
		if (finding->model != NO_MODEL)
			gen_text(gen, "model", report->policy->models[finding->model].name);
	}
	(void)yajl_gen_map_close(gen);
}

static void put_source(yajl_gen gen, const struct report *report,
                       const struct report_finding *finding)
{
	char number[16];
	struct text text = TEXT_OVER(number);

	if (finding->line == 0 || report->location[finding->source] == NULL)
		return;
	text_addf(&text, "%u", finding->line);
	gen_word(gen, "logging.googleapis.com/sourceLocation");
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "file", report->location[finding->source]);
	gen_text(gen, "line", number);
	(void)yajl_gen_map_close(gen);
}

/* `finding` NULL: the verdict. */
static void put_line(FILE *out, const struct report *report, const struct report_finding *finding,
                     const char *severity, const char *message)
{
	yajl_gen gen = gen_new(out, false);

	if (gen == NULL)
		return;
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "severity", severity);
	gen_text(gen, "message", message);
	if (finding != NULL && finding->fix[0] != '\0')
		gen_text(gen, "fix", finding->fix);
	if (finding != NULL && report_hint(report, finding) != NULL)
		gen_text(gen, "hint", report_hint(report, finding));
	put_labels(gen, report, finding);
	if (finding != NULL)
		put_source(gen, report, finding);
	(void)yajl_gen_map_close(gen);
	yajl_gen_free(gen);
	(void)fputc('\n', out);
}

void report_write_gcp(const struct report *report, const struct report_style *style, FILE *out)
{
	static const char *const severities[SEVERITY_COUNT] = { "DEFAULT", "NOTICE", "WARNING",
		                                                "ERROR" };
	char text[REPORT_SENTENCE_BYTES];
	struct text words;

	for (size_t i = 0; i < report->count; i++) {
		const struct report_finding *finding = &report->findings[i];

		if (finding->severity == SEVERITY_NOTE && !style->verbose)
			continue;
		words = TEXT_OVER(text);
		if (finding->model != NO_MODEL)
			text_addf(&words, "%s: ", report->policy->models[finding->model].name);
		report_sentence(report, finding, &words);
		put_line(out, report, finding, severities[finding->severity], text);
	}
	words = TEXT_OVER(text);
	text_add(&words, "aweigh: ");
	report_verdict(report, &words);
	put_line(out, report, NULL,
	         report->status == STATUS_OK || !report->enforced ? "INFO" : "ERROR", text);
}
