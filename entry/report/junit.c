/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JUnit's XML as CI systems read it (GitLab's lib/gitlab/ci/parsers/test/junit.rb, Jenkins' plugin): a suite a model, and one
 * each for the environment, the service that smoke saw, and what is wrong with the policy; a case a finding or what was verified. Names are unique, the text stands in the element's content, and there is no
 * element for a warning: such a case passes and says so.
 */
#include <string.h>

#include "base/text.h"
#include "engine/findings.h"
#include "engine/locate.h"
#include "report/escape.h"
#include "report/format.h"
#include "util.h"

/* XML 1.0, 2.2: no control characters, which are escaped as everywhere, and neither U+FFFE nor U+FFFF. */
static void put_xml(FILE *out, const char *text)
{
	char escaped[4 * REPORT_SENTENCE_BYTES];

	escape_into(escaped, sizeof(escaped), text);
	for (const char *at = escaped; *at != '\0'; at++)
		if (strncmp(at, "\xef\xbf\xbe", 3) == 0 || strncmp(at, "\xef\xbf\xbf", 3) == 0) {
			(void)fputs("\\xef\\xbf", out);
			(void)fputs(at[2] == '\xbe' ? "\\xbe" : "\\xbf", out);
			at += 2;
		} else if (*at == '<') {
			(void)fputs("&lt;", out);
		} else if (*at == '>') {
			(void)fputs("&gt;", out);
		} else if (*at == '&') {
			(void)fputs("&amp;", out);
		} else if (*at == '"') {
			(void)fputs("&quot;", out);
		} else {
			(void)fputc(*at, out);
		}
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
	(void)fprintf(out, " %s=\"", name);
	put_xml(out, value);
	(void)fputc('"', out);
}

struct counts {
	size_t tests, failures, skipped;
	bool unlisted; /* the failure is one that the list had no room for */
};

/* A missing model that may be missing. */
static bool is_skipped(const struct report *report, const struct report_finding *finding)
{
	return finding->severity == SEVERITY_WARNING && finding->model != NO_MODEL &&
	       report->policy->models[finding->model].optional &&
	       finding_kinds[finding->id].severity == SEVERITY_ERROR;
}

static const struct report_finding *first_of(const struct report *report,
                                             const struct report_list *list)
{
	return list->first == 0 ? NULL : &report->findings[list->first - 1];
}

static const struct report_finding *next_of(const struct report *report,
                                            const struct report_finding *finding)
{
	return finding->next == 0 ? NULL : &report->findings[finding->next - 1];
}

/* Notes are no tests; a suite has one of its own, which says what was looked at, unless something failed. */
static struct counts count(const struct report *report, const struct report_list *list)
{
	struct counts counts = { 0 };

	for (const struct report_finding *at = first_of(report, list); at != NULL;
	     at = next_of(report, at)) {
		counts.tests += at->severity > SEVERITY_NOTE;
		counts.failures += at->severity == SEVERITY_ERROR;
		counts.skipped += is_skipped(report, at);
	}
	counts.unlisted = list->worst == SEVERITY_ERROR && counts.failures == 0;
	counts.failures += counts.unlisted;
	counts.tests += counts.unlisted;
	counts.tests += counts.failures + counts.skipped == 0;
	return counts;
}

static void put_case(FILE *out, const struct report *report, const struct report_finding *finding,
                     const char *suite, unsigned which)
{
	char text[REPORT_SENTENCE_BYTES];
	struct text words = TEXT_OVER(text);
	const char *element = finding->severity == SEVERITY_ERROR ? "failure" :
	                      is_skipped(report, finding)         ? "skipped" :
	                                                            "system-out";

	text_addf(&words, "%s%s%s", finding_kinds[finding->id].code,
	          finding->path[0] != '\0' ? " " : "", finding->path);
	if (which > 1)
		text_addf(&words, " (%u)", which);
	(void)fputs("    <testcase", out);
	put_attribute(out, "classname", suite);
	put_attribute(out, "name", text);
	(void)fputs(" time=\"0.000\"", out);
	if (finding->line != 0 && report->location[finding->source] != NULL) {
		put_attribute(out, "file", report->location[finding->source]);
		(void)fprintf(out, " line=\"%u\"", finding->line);
	}
	words = TEXT_OVER(text);
	report_sentence(report, finding, &words);
	(void)fprintf(out, "><%s", element);
	if (finding->severity == SEVERITY_ERROR)
		put_attribute(out, "type", finding_kinds[finding->id].code);
	if (element[0] != 's' || element[1] == 'k')
		put_attribute(out, "message", text);
	(void)fputc('>', out);
	put_xml(out, text);
	if (finding->fix[0] != '\0') {
		(void)fputs("\nfix: ", out);
		put_xml(out, finding->fix);
	}
	if (report_hint(report, finding) != NULL) {
		(void)fputs("\nhint: ", out);
		put_xml(out, report_hint(report, finding));
	}
	(void)fprintf(out, "</%s></testcase>\n", element);
}

static void put_plain_case(FILE *out, const char *suite, const char *name, const char *end)
{
	(void)fputs("    <testcase", out);
	put_attribute(out, "classname", suite);
	put_attribute(out, "name", name);
	(void)fprintf(out, " time=\"0.000\"%s\n", end);
}

/* Of several cases of one name, so that a name does not change with what stands beside it. */
static unsigned number_of(const struct report *report, const struct report_list *list,
                          const struct report_finding *finding)
{
	unsigned number = 1;

	for (const struct report_finding *at = first_of(report, list); at != finding;
	     at = next_of(report, at))
		number += at->severity > SEVERITY_NOTE && at->id == finding->id &&
		          strcmp(at->path, finding->path) == 0;
	return number;
}

/* The cases of one suite. `looked_at`: what was, for the case that passes where nothing failed. */
static void put_cases(FILE *out, const struct report *report, const struct report_list *list,
                      const char *suite, const char *looked_at)
{
	struct counts counts = count(report, list);

	if (counts.failures + counts.skipped == 0)
		put_plain_case(out, suite, looked_at, "/>");
	else if (counts.unlisted)
		put_plain_case(
		        out, suite, "findings that are not listed",
		        "><failure message=\"there are more findings than a report lists\"/></testcase>");
	for (const struct report_finding *at = first_of(report, list); at != NULL;
	     at = next_of(report, at))
		if (at->severity > SEVERITY_NOTE)
			put_case(out, report, at, suite, number_of(report, list, at));
	(void)fputs("  </testsuite>\n", out);
}

static void put_suite(FILE *out, const struct report *report, const struct report_list *list,
                      const char *name)
{
	struct counts counts = count(report, list);

	(void)fputs("  <testsuite", out);
	put_attribute(out, "name", name);
	(void)fprintf(
	        out,
	        " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"0.000\">\n",
	        counts.tests, counts.failures, counts.skipped);
}

static void put_model(FILE *out, const struct report *report, size_t index)
{
	const struct model *model = &report->policy->models[index];
	const struct report_list *list = &report->models[index].findings;

	put_suite(out, report, list, model->name);
	(void)fputs("    <properties><property name=\"model\"", out);
	put_attribute(out, "value", model_title(model));
	(void)fputs("/></properties>\n", out);
	put_cases(out, report, list, model->name,
	          report->models[index].found ? level_words[report->models[index].level] :
	                                        "nothing was looked at");
}

static void put_subject(FILE *out, const struct report *report, enum subject subject)
{
	put_suite(out, report, &report->rest[subject], report_subject(report, subject));
	put_cases(out, report, &report->rest[subject], report_subject(report, subject),
	          report_subject(report, subject));
}

static void add_counts(struct counts *all, const struct report *report,
                       const struct report_list *list)
{
	struct counts counts = count(report, list);

	all->tests += counts.tests;
	all->failures += counts.failures;
	all->skipped += counts.skipped;
}

void report_write_junit(const struct report *report, const struct report_style *style, FILE *out)
{
	struct counts all = { 0 };

	(void)style;
	for (size_t i = 0; i < report->policy->model_count; i++)
		if (report_has_model(report, i))
			add_counts(&all, report, &report->models[i].findings);
	for (int subject = 0; subject < SUBJECT_COUNT; subject++)
		if (report_has_subject(report, (enum subject)subject))
			add_counts(&all, report, &report->rest[subject]);
	(void)fprintf(
	        out,
	        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"aweigh\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"%.3f\">\n",
	        all.tests, all.failures, all.skipped, (double)report->elapsed_ns / 1e9);
	for (size_t i = 0; i < report->policy->model_count; i++)
		if (report_has_model(report, i))
			put_model(out, report, i);
	for (int subject = 0; subject < SUBJECT_COUNT; subject++)
		if (report_has_subject(report, (enum subject)subject))
			put_subject(out, report, (enum subject)subject);
	(void)fputs("</testsuites>\n", out);
}
