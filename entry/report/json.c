/* SPDX-License-Identifier: Apache-2.0 */
/* The report for programs: one object, whose schema is docs/report.schema.json. */
#include <string.h>
#include <yajl/yajl_gen.h>

#include "base/scan.h"
#include "engine/findings.h"
#include "hub/variables.h"
#include "report/escape.h"
#include "report/format.h"
#include "util.h"
#include "version.h"

report_write report_write_json;

static void key(yajl_gen gen, const char *name)
{
	(void)yajl_gen_string(gen, (const unsigned char *)name, strlen(name));
}

/* Text from outside: what is not printable UTF-8 is escaped as everywhere, so JSON never breaks. */
static void put_text(yajl_gen gen, const char *name, const char *text)
{
	char escaped[4 * MAX_PATH_BYTES];

	key(gen, name);
	if (text == NULL) {
		(void)yajl_gen_null(gen);
		return;
	}
	escape_into(escaped, sizeof(escaped), text);
	key(gen, escaped);
}

static void put_number(yajl_gen gen, const char *name, uint64_t number)
{
	key(gen, name);
	(void)yajl_gen_integer(gen, number > INT64_MAX ? INT64_MAX : (long long)number);
}

/* yajl would print every digit of the double: 1.3580000000000001. */
static void put_milliseconds(yajl_gen gen, const char *name, uint64_t nanoseconds)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%.3f", (double)nanoseconds / 1e6);

	key(gen, name);
	(void)yajl_gen_number(gen, text, (size_t)length);
}

static void put_bool(yajl_gen gen, const char *name, bool value)
{
	key(gen, name);
	(void)yajl_gen_bool(gen, value);
}

static void put_model(yajl_gen gen, const struct report *report, size_t index)
{
	static const char *const results[SEVERITY_COUNT] = { "ok", "ok", "warning", "refused" };
	const struct model *model = &report->policy->models[index];
	const struct report_model *found = &report->models[index];
	char path[MAX_PATH_BYTES];

	report_model_path(report, index, path, sizeof(path));
	(void)yajl_gen_map_open(gen);
	put_text(gen, "name", model->name);
	put_text(gen, "repo", model->repo);
	put_text(gen, "revision", model->revision);
	put_text(gen, "commit", found->commit[0] != '\0' ? found->commit : NULL);
	put_text(gen, "path", path[0] != '\0' ? path : NULL);
	put_number(gen, "files", found->files);
	put_number(gen, "bytes", found->bytes);
	put_text(gen, "level", level_words[found->level]);
	put_text(gen, "result", results[found->worst]);
	(void)yajl_gen_map_close(gen);
}

static void put_finding(yajl_gen gen, const struct report *report,
                        const struct report_finding *finding)
{
	(void)yajl_gen_map_open(gen);
	put_text(gen, "code", finding_kinds[finding->id].code);
	put_text(gen, "severity", severity_words[finding->severity]);
	put_text(gen, "model",
	         finding->model == NO_MODEL ? NULL : report->policy->models[finding->model].name);
	put_text(gen, "path", finding->path[0] != '\0' ? finding->path : NULL);
	put_text(gen, "message", finding->message);
	put_text(gen, "fix", finding->fix[0] != '\0' ? finding->fix : NULL);
	put_text(gen, "hint",
	         finding->model == NO_MODEL ? NULL : report->policy->models[finding->model].hint);
	put_text(gen, "policy_file",
	         finding->line != 0 ? report->policy->file[finding->source] : NULL);
	key(gen, "policy_line");
	if (finding->line != 0)
		(void)yajl_gen_integer(gen, finding->line);
	else
		(void)yajl_gen_null(gen);
	(void)yajl_gen_map_close(gen);
}

static void put_policy(yajl_gen gen, const struct report *report)
{
	key(gen, "policy");
	(void)yajl_gen_map_open(gen);
	put_text(gen, "file", report->policy->file[SOURCE_POLICY]);
	put_text(gen, "mode", mode_words[report->policy->mode]);
	put_text(gen, "verify", level_words[report->policy->verify]);
	put_bool(gen, "enforce", report->enforced);
	put_text(gen, "user", report->who->name[0] != '\0' ? report->who->name : NULL);
	put_number(gen, "uid", report->who->uid);
	put_number(gen, "gid", report->who->gid);
	put_text(gen, "hub_cache", report->hub_cache);
	put_text(gen, "hub_cache_origin", report->hub_cache_origin);
	(void)yajl_gen_map_close(gen);
}

/* Of the service, where the policy asks for it. */
static void put_confinement(yajl_gen gen, const struct report *report)
{
	if (!report->confinement.looked_at)
		return;
	put_text(gen, "egress", report->policy->said[KEY_EGRESS].text);
	put_bool(gen, "egress_tcp_enforced", report->confinement.tcp);
	put_bool(gen, "egress_others_enforced", report->confinement.others);
	put_text(gen, "models_read_only", models_kept_words[report->confinement.models]);
}

/* What the libraries read of the environment; never a secret's value. */
static void put_environment(yajl_gen gen, const struct report *report)
{
	key(gen, "environment");
	(void)yajl_gen_map_open(gen);
	for (size_t i = 0; report->env != NULL && i < library_variable_count; i++) {
		const struct library_variable *variable = &library_variables[i];
		const char *value = environment_get(report->env, variable->name);

		if (value != NULL && strcmp(variable->name, "HF_TOKEN_PATH") != 0)
			put_text(gen, variable->name,
			         variable_is_secret(variable->name) ? "(not shown)" : value);
	}
	(void)yajl_gen_map_close(gen);
	key(gen, "confinement");
	(void)yajl_gen_map_open(gen);
	put_bool(gen, "inspector_is_service_user", report->exact);
	put_bool(gen, "inspector_landlock", report->landlock == NULL);
	put_text(gen, "landlock_reason", report->landlock);
	put_confinement(gen, report);
	(void)yajl_gen_map_close(gen);
}

static void print(void *context, const char *text, size_t length)
{
	(void)fwrite(text, 1, length, context);
}

void report_write_json(const struct report *report, const struct report_style *style, FILE *out)
{
	yajl_gen gen = yajl_gen_alloc(NULL);

	(void)style;
	if (gen == NULL)
		return;
	(void)yajl_gen_config(gen, yajl_gen_beautify, 1);
	(void)yajl_gen_config(gen, yajl_gen_indent_string, "  ");
	(void)yajl_gen_config(gen, yajl_gen_print_callback, print, out);
	(void)yajl_gen_map_open(gen);
	put_text(gen, "aweigh", AWEIGH_VERSION);
	put_policy(gen, report);
	put_text(gen, "verdict",
	         report->status == STATUS_OK || !report->enforced ? "pass" : "refused");
	put_number(gen, "status", report->enforced ? (uint64_t)report->status : 0);
	put_milliseconds(gen, "elapsed_ms", report->elapsed_ns);
	key(gen, "models");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; report->models != NULL && i < report->policy->model_count; i++)
		if (report->policy->models[i].selected && report->models[i].seen)
			put_model(gen, report, i);
	(void)yajl_gen_array_close(gen);
	put_environment(gen, report);
	key(gen, "findings");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < report->count; i++)
		put_finding(gen, report, &report->findings[i]);
	(void)yajl_gen_array_close(gen);
	put_number(gen, "findings_dropped", report->dropped);
	(void)yajl_gen_map_close(gen);
	yajl_gen_free(gen);
}
