/* SPDX-License-Identifier: Apache-2.0 */
/* The report for programs: one object, whose schema is docs/report.schema.json. */
#include <string.h>
#include <sys/wait.h>

#include "base/scan.h"
#include "engine/findings.h"
#include "hub/variables.h"
#include "report/escape.h"
#include "report/format.h"
#include "report/gen.h"
#include "util.h"
#include "version.h"

/* yajl would print every digit of the double: 1.3580000000000001. */
static void put_milliseconds(yajl_gen gen, const char *name, uint64_t nanoseconds)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%.3f", (double)nanoseconds / 1e6);

	gen_word(gen, name);
	(void)yajl_gen_number(gen, text, (size_t)length);
}

static void put_model(yajl_gen gen, const struct report *report, size_t index)
{
	static const char *const results[SEVERITY_COUNT] = { "ok", "ok", "warning", "refused" };
	const struct model *model = &report->policy->models[index];
	const struct report_model *found = &report->models[index];
	char path[MAX_PATH_BYTES];

	report_model_path(report, index, path, sizeof(path));
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "name", model->name);
	gen_text(gen, "repo", model->repo);
	gen_text(gen, "revision", model->revision);
	gen_text(gen, "commit", found->commit[0] != '\0' ? found->commit : NULL);
	gen_text(gen, "path", path[0] != '\0' ? path : NULL);
	gen_number(gen, "files", found->files);
	gen_number(gen, "bytes", found->bytes);
	gen_text(gen, "level", level_words[found->level]);
	gen_number(gen, "verified_files", found->verified);
	gen_text(gen, "result", results[found->findings.worst]);
	(void)yajl_gen_map_close(gen);
}

static void put_finding(yajl_gen gen, const struct report *report,
                        const struct report_finding *finding)
{
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "code", finding_kinds[finding->id].code);
	gen_text(gen, "severity", severity_words[finding->severity]);
	gen_text(gen, "model",
	         finding->model == NO_MODEL ? NULL : report->policy->models[finding->model].name);
	gen_text(gen, "path", finding->path[0] != '\0' ? finding->path : NULL);
	gen_text(gen, "message", finding->message);
	gen_text(gen, "fix", finding->fix[0] != '\0' ? finding->fix : NULL);
	gen_text(gen, "hint", report_hint(report, finding));
	gen_text(gen, "policy_file",
	         finding->line != 0 ? report->policy->file[finding->source] : NULL);
	gen_word(gen, "policy_line");
	if (finding->line != 0)
		(void)yajl_gen_integer(gen, finding->line);
	else
		(void)yajl_gen_null(gen);
	(void)yajl_gen_map_close(gen);
}

static void put_policy(yajl_gen gen, const struct report *report)
{
	gen_word(gen, "policy");
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "file", report->policy->file[SOURCE_POLICY]);
	gen_text(gen, "mode", mode_words[report->policy->mode]);
	gen_text(gen, "verify", level_words[report->policy->verify]);
	gen_bool(gen, "enforce", report->enforced);
	gen_text(gen, "user", report->who->name[0] != '\0' ? report->who->name : NULL);
	gen_number(gen, "uid", report->who->uid);
	gen_number(gen, "gid", report->who->gid);
	gen_text(gen, "hub_cache", report->hub_cache);
	gen_text(gen, "hub_cache_origin", report->hub_cache_origin);
	(void)yajl_gen_map_close(gen);
}

/* Of the service, where the policy asks for it. */
static void put_confinement(yajl_gen gen, const struct report *report)
{
	if (!report->confinement.looked_at)
		return;
	gen_text(gen, "egress", report->policy->said[KEY_EGRESS].text);
	gen_bool(gen, "egress_tcp_enforced", report->confinement.tcp);
	gen_bool(gen, "egress_others_enforced", report->confinement.others);
	gen_text(gen, "models_read_only", models_kept_words[report->confinement.models]);
}

/* What the libraries read of the environment; never a secret's value. */
static void put_environment(yajl_gen gen, const struct report *report, bool whole)
{
	char shown[MAX_SETTING_BYTES];
	struct text text;

	gen_word(gen, "environment");
	(void)yajl_gen_map_open(gen);
	for (size_t i = 0; whole && report->env != NULL && i < library_variable_count; i++) {
		const struct library_variable *variable = &library_variables[i];
		const char *value = environment_get(report->env, variable->name);

		if (value != NULL && strcmp(variable->name, "HF_TOKEN_PATH") != 0) {
			text = TEXT_OVER(shown);
			variable_show(variable->name, value, &text);
			gen_text(gen, variable->name, shown);
		}
	}
	(void)yajl_gen_map_close(gen);
	gen_word(gen, "confinement");
	(void)yajl_gen_map_open(gen);
	gen_bool(gen, "inspector_is_service_user", report->exact);
	gen_bool(gen, "inspector_landlock", report->landlock == NULL);
	gen_text(gen, "landlock_reason", report->landlock);
	put_confinement(gen, report);
	(void)yajl_gen_map_close(gen);
}

static void put_attempt(yajl_gen gen, const struct report_attempt *attempt)
{
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "host", attempt->host);
	gen_number(gen, "port", attempt->port);
	gen_text(gen, "program", attempt->program);
	gen_number(gen, "first_ms", attempt->first_ms);
	gen_number(gen, "count", attempt->count);
	gen_bool(gen, "refused", attempt->refused);
	(void)yajl_gen_map_close(gen);
}

/* To its end, or to the first NULL. */
static void put_words(yajl_gen gen, const char *name, const char *const *words, size_t room)
{
	gen_word(gen, name);
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < room && words[i] != NULL; i++) {
		char shown[1024];

		escape_into(shown, sizeof(shown), words[i]);
		gen_word(gen, shown);
	}
	(void)yajl_gen_array_close(gen);
}

static void put_used(yajl_gen gen, const struct report_used *used)
{
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "model", used->model);
	gen_number(gen, "opened", used->opened);
	gen_number(gen, "never_opened", used->unopened);
	gen_number(gen, "never_opened_bytes", used->unopened_bytes);
	put_words(gen, "never_opened_files", used->largest, LENGTH_OF(used->largest));
	gen_number(gen, "absent", used->absent);
	put_words(gen, "absent_files", used->missed, LENGTH_OF(used->missed));
	(void)yajl_gen_map_close(gen);
}

static void put_service(yajl_gen gen, const struct report_service *service)
{
	if (!service->looked_at)
		return;
	gen_word(gen, "service");
	(void)yajl_gen_map_open(gen);
	gen_bool(gen, "ready", service->ready);
	gen_number(gen, "first_output_ms", service->first_output_ms);
	gen_number(gen, "ready_ms", service->ready_ms);
	gen_number(gen, "stop_ms", service->stop_ms);
	gen_number(gen, "end_ms", service->end_ms);
	gen_number(gen, WIFSIGNALED(service->status) ? "signal" : "exit_status",
	           (uint64_t)(WIFSIGNALED(service->status) ? WTERMSIG(service->status) :
	                                                     WEXITSTATUS(service->status)));
	gen_number(gen, "memory_bytes", service->memory_bytes);
	gen_number(gen, "lines", service->lines);
	gen_bool(gen, "observed", service->observed);
	gen_word(gen, "attempts");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < service->attempt_count; i++)
		put_attempt(gen, &service->attempts[i]);
	(void)yajl_gen_array_close(gen);
	gen_word(gen, "ports");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; service->ports[i] != 0; i++)
		(void)yajl_gen_integer(gen, service->ports[i]);
	(void)yajl_gen_array_close(gen);
	gen_word(gen, "files");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < service->used_count; i++)
		put_used(gen, &service->used[i]);
	(void)yajl_gen_array_close(gen);
	put_words(gen, "programs", service->programs, LENGTH_OF(service->programs));
	put_words(gen, "last_lines", service->last, LENGTH_OF(service->last));
	(void)yajl_gen_map_close(gen);
}

static void put_models(yajl_gen gen, const struct report *report, size_t most)
{
	gen_word(gen, "models");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0, put = 0; report->models != NULL && i < report->policy->model_count;
	     i++) {
		if (!report->policy->models[i].selected || !report->models[i].seen)
			continue;
		if (most == 0 ||
		    (report->models[i].findings.worst == SEVERITY_ERROR && put++ < most))
			put_model(gen, report, i);
	}
	(void)yajl_gen_array_close(gen);
}

/* In the order in which they came, or the worst first. Returns how many there were. */
static size_t put_findings(yajl_gen gen, const struct report *report, size_t most)
{
	size_t put = 0;

	gen_word(gen, "findings");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; most == 0 && i < report->count; i++, put++)
		put_finding(gen, report, &report->findings[i]);
	for (int severity = SEVERITY_ERROR; most > 0 && severity > SEVERITY_OFF; severity--)
		for (size_t i = 0; i < report->count && put < most; i++)
			if ((int)report->findings[i].severity == severity) {
				put_finding(gen, report, &report->findings[i]);
				put++;
			}
	(void)yajl_gen_array_close(gen);
	return put;
}

void report_write_json(const struct report *report, const struct report_style *style, FILE *out)
{
	yajl_gen gen = gen_new(out, style->most == 0);
	size_t put;

	if (gen == NULL)
		return;
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "aweigh", AWEIGH_VERSION);
	put_policy(gen, report);
	put_models(gen, report, style->most);
	put_environment(gen, report, style->most == 0);
	put_service(gen, &report->service);
	put = put_findings(gen, report, style->most);
	gen_number(gen, "findings_dropped", report->dropped + report->count - put);
	/* Last: the kubelet keeps the last 4,096 bytes of a termination message (pkg/kubelet, tail.ReadAtMost). */
	gen_text(gen, "verdict",
	         report->status == STATUS_OK || !report->enforced ? "pass" : "refused");
	gen_number(gen, "status", report->enforced ? (uint64_t)report->status : 0);
	put_milliseconds(gen, "elapsed_ms", report->elapsed_ns);
	(void)yajl_gen_map_close(gen);
	if (style->most > 0)
		(void)fputc('\n', out);
	yajl_gen_free(gen);
}
