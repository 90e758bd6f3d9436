/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflow commands of GitHub Actions (actions/runner, ActionCommand.cs and CommandExtension.cs): annotations at the
 * policy's lines. A step shows ten of a kind, so the worst come first and the rest is counted.
 */
#include <string.h>

#include "base/text.h"
#include "engine/findings.h"
#include "report/escape.h"
#include "report/format.h"
#include "util.h"

#define MOST_OF_A_KIND 10u

/* Data knows three escapes, a property two more. */
static void put(FILE *out, const char *text, bool property)
{
	char escaped[4 * REPORT_SENTENCE_BYTES];

	escape_into(escaped, sizeof(escaped), text);
	for (const char *at = escaped; *at != '\0'; at++)
		if (*at == '%' || *at == '\r' || *at == '\n' ||
		    (property && (*at == ':' || *at == ',')))
			(void)fprintf(out, "%%%02X", (unsigned char)*at);
		else
			(void)fputc(*at, out);
}

static void put_finding(FILE *out, const struct report *report,
                        const struct report_finding *finding, const char *kind)
{
	char text[REPORT_SENTENCE_BYTES];
	struct text words = TEXT_OVER(text);

	(void)fprintf(out, "::%s title=", kind);
	text_add(&words, finding_kinds[finding->id].code);
	if (finding->model != NO_MODEL)
		text_addf(&words, " (%s)", report->policy->models[finding->model].name);
	put(out, text, true);
	if (finding->line != 0 && report->location[finding->source] != NULL) {
		(void)fputs(",file=", out);
		put(out, report->location[finding->source], true);
		(void)fprintf(out, ",line=%u", finding->line);
	}
	(void)fputs("::", out);
	words = TEXT_OVER(text);
	report_sentence(report, finding, &words);
	put(out, text, false);
	if (finding->fix[0] != '\0') {
		(void)fputs("%0Afix: ", out);
		put(out, finding->fix, false);
	}
	if (report_hint(report, finding) != NULL) {
		(void)fputs("%0Ahint: ", out);
		put(out, report_hint(report, finding), false);
	}
	(void)fputc('\n', out);
}

void report_write_github(const struct report *report, const struct report_style *style, FILE *out)
{
	static const char *const kinds[SEVERITY_COUNT] = { NULL, "notice", "warning", "error" };
	char text[256];
	struct text words = TEXT_OVER(text);

	for (int severity = SEVERITY_ERROR; severity >= SEVERITY_NOTE; severity--) {
		size_t count = 0;
		/* The verdict is a notice, too. */
		size_t most = severity == SEVERITY_NOTE ? MOST_OF_A_KIND - 1 : MOST_OF_A_KIND;

		if (severity == SEVERITY_NOTE && !style->verbose)
			break;
		for (size_t i = 0; i < report->count; i++)
			if ((int)report->findings[i].severity == severity && count++ < most)
				put_finding(out, report, &report->findings[i], kinds[severity]);
		if (count > most)
			(void)fprintf(out, "%zu more (%s) without an annotation\n", count - most,
			              severity_words[severity]);
	}
	report_verdict(report, &words);
	(void)fputs("::notice title=aweigh::", out);
	put(out, text, false);
	(void)fputc('\n', out);
}
