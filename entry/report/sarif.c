/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SARIF 2.1.0 (OASIS) with what GitHub's code scanning takes of it: the catalogue's findings that came are the rules, and
 * each result stands at the policy's line, which lies in the repository; the model's file is among its properties.
 */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "engine/findings.h"
#include "report/format.h"
#include "report/gen.h"
#include "util.h"
#include "version.h"

static const char *const levels[SEVERITY_COUNT] = { "none", "note", "warning", "error" };

static void put_text(yajl_gen gen, const char *name, const char *text)
{
	gen_word(gen, name);
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "text", text);
	(void)yajl_gen_map_close(gen);
}

/* "file.pointer" -> "FilePointer". */
static void put_name(yajl_gen gen, const char *code)
{
	char name[64];
	struct text text = TEXT_OVER(name);
	bool first = true;

	for (; *code != '\0'; code++) {
		bool raise = *code >= 'a' && *code <= 'z' && first;
		char c = (char)(raise ? *code - 'a' + 'A' : *code);

		first = *code == '.' || *code == '-';
		if (!first)
			text_add_bytes(&text, &c, 1);
	}
	gen_text(gen, "name", name);
}

static void put_rule(yajl_gen gen, enum finding_id id)
{
	const struct finding_kind *kind = &finding_kinds[id];

	(void)yajl_gen_map_open(gen);
	gen_text(gen, "id", kind->code);
	put_name(gen, kind->code);
	put_text(gen, "shortDescription", kind->meaning);
	put_text(gen, "fullDescription", kind->meaning);
	put_text(gen, "help", kind->fix);
	gen_word(gen, "defaultConfiguration");
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "level", levels[kind->severity]);
	(void)yajl_gen_map_close(gen);
	gen_word(gen, "properties");
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "precision", kind->basis == BASIS_PROOF ? "very-high" : "medium");
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_map_close(gen);
}

/* A path as the reference of a URI: RFC 3986, section 3.3. */
static void put_uri(yajl_gen gen, const char *path)
{
	char uri[3 * MAX_PATH_BYTES + 8];
	struct text text = TEXT_OVER(uri);

	if (path[0] == '/')
		text_add(&text, "file://");
	for (; *path != '\0'; path++)
		if (scan_is_name(*path) || strchr("/.-~", *path) != NULL)
			text_add_bytes(&text, path, 1);
		else
			text_addf(&text, "%%%02X", (unsigned char)*path);
	gen_text(gen, "uri", uri);
}

static void put_location(yajl_gen gen, const char *file, uint32_t line)
{
	gen_word(gen, "locations");
	(void)yajl_gen_array_open(gen);
	(void)yajl_gen_map_open(gen);
	gen_word(gen, "physicalLocation");
	(void)yajl_gen_map_open(gen);
	gen_word(gen, "artifactLocation");
	(void)yajl_gen_map_open(gen);
	put_uri(gen, file);
	(void)yajl_gen_map_close(gen);
	gen_word(gen, "region");
	(void)yajl_gen_map_open(gen);
	gen_number(gen, "startLine", line == 0 ? 1 : line);
	gen_number(gen, "startColumn", 1);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_array_close(gen);
}

/* What tells one result from another between runs: what it is about, and not where the policy has its line. */
static void put_fingerprint(yajl_gen gen, const struct report *report,
                            const struct report_finding *finding)
{
	const char *model =
	        finding->model == NO_MODEL ? "" : report->policy->models[finding->model].name;
	const char *const parts[] = { finding_kinds[finding->id].code, model, finding->path };
	uint64_t hash = HASH_BEGIN;
	char hex[32];
	struct text text = TEXT_OVER(hex);

	for (size_t i = 0; i < LENGTH_OF(parts); i++)
		hash = hash_more(hash, parts[i], strlen(parts[i]) + 1);
	text_addf(&text, "%016llx:1", (unsigned long long)hash);
	gen_word(gen, "partialFingerprints");
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "primaryLocationLineHash", hex);
	(void)yajl_gen_map_close(gen);
}

/* What is to be mended: each result is an alert in code scanning, and a pass has none. */
static bool is_result(const struct report_finding *finding)
{
	return finding->severity > SEVERITY_NOTE;
}

static void put_result(yajl_gen gen, const struct report *report,
                       const struct report_finding *finding, size_t rule)
{
	const char *file = report->location[finding->source] != NULL ?
	                           report->location[finding->source] :
	                           report->location[SOURCE_POLICY];
	char text[REPORT_SENTENCE_BYTES];
	struct text words = TEXT_OVER(text);

	report_sentence(report, finding, &words);
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "ruleId", finding_kinds[finding->id].code);
	gen_number(gen, "ruleIndex", rule);
	gen_text(gen, "kind", "fail");
	gen_text(gen, "level", levels[finding->severity]);
	put_text(gen, "message", text);
	if (file != NULL)
		put_location(gen, file, finding->line);
	put_fingerprint(gen, report, finding);
	gen_word(gen, "properties");
	(void)yajl_gen_map_open(gen);
	if (finding->model != NO_MODEL)
		gen_text(gen, "model", report->policy->models[finding->model].name);
	if (finding->path[0] != '\0')
		gen_text(gen, "path", finding->path);
	if (finding->fix[0] != '\0')
		gen_text(gen, "fix", finding->fix);
	if (report_hint(report, finding) != NULL)
		gen_text(gen, "hint", report_hint(report, finding));
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_map_close(gen);
}

/* The rules of the findings that came; *index has each one's place. */
static void put_driver(yajl_gen gen, const struct report *report, size_t index[FINDING_COUNT])
{
	size_t count = 0;

	gen_word(gen, "tool");
	(void)yajl_gen_map_open(gen);
	gen_word(gen, "driver");
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "name", "aweigh");
	gen_text(gen, "semanticVersion", AWEIGH_VERSION);
	gen_word(gen, "rules");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < report->count; i++)
		if (is_result(&report->findings[i]) && index[report->findings[i].id] == SIZE_MAX) {
			index[report->findings[i].id] = count++;
			put_rule(gen, report->findings[i].id);
		}
	(void)yajl_gen_array_close(gen);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_map_close(gen);
}

static void put_invocation(yajl_gen gen, const struct report *report)
{
	gen_word(gen, "automationDetails");
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "id", "aweigh/");
	(void)yajl_gen_map_close(gen);
	gen_word(gen, "invocations");
	(void)yajl_gen_array_open(gen);
	(void)yajl_gen_map_open(gen);
	gen_bool(gen, "executionSuccessful", report->policy->error_count == 0);
	gen_number(gen, "exitCode", report->enforced ? (uint64_t)report->status : 0);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_array_close(gen);
}

void report_write_sarif(const struct report *report, const struct report_style *style, FILE *out)
{
	size_t index[FINDING_COUNT];
	yajl_gen gen = gen_new(out, true);

	(void)style;
	if (gen == NULL)
		return;
	for (size_t i = 0; i < FINDING_COUNT; i++)
		index[i] = SIZE_MAX;
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	gen_text(gen, "version", "2.1.0");
	gen_word(gen, "runs");
	(void)yajl_gen_array_open(gen);
	(void)yajl_gen_map_open(gen);
	put_driver(gen, report, index);
	put_invocation(gen, report);
	gen_word(gen, "results"); /* none closes what an earlier run opened */
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < report->count; i++)
		if (is_result(&report->findings[i]))
			put_result(gen, report, &report->findings[i],
			           index[report->findings[i].id]);
	(void)yajl_gen_array_close(gen);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_array_close(gen);
	(void)yajl_gen_map_close(gen);
	yajl_gen_free(gen);
}
