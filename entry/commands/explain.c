/* SPDX-License-Identifier: Apache-2.0 */
/* Every effective setting, path and variable, and where each came from. */

#include <string.h>

#include "base/text.h"
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/inspection.h"
#include "gate/output.h"
#include "gate/prepare.h"
#include "gate/refetch.h"
#include "gate/verdict.h"
#include "hub/cache.h"
#include "hub/variables.h"
#include "policy/errors.h"
#include "policy/keys.h"
#include "report/complain.h"
#include "report/explain.h"
#include "util.h"

static const char *origin_of(const struct policy *policy, const struct origin *said,
                             char out[static MAX_PATH_BYTES])
{
	struct text text = text_over(out, MAX_PATH_BYTES);

	if (said->line != 0)
		text_addf(&text, "%s:%u", path_name(policy->file[said->source]), said->line);
	else
		text_add(&text, "default");
	return out;
}

static void add_setting(struct explanation *explanation, const struct policy *policy,
                        const char *section, const struct key *key, const struct origin *said)
{
	char value[MAX_SETTING_BYTES], origin[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(value);

	if (said->text == NULL)
		return;
	if (key->type == TYPE_URL || key->type == TYPE_URLS)
		address_show(said->text, &text);
	else
		text_add(&text, said->text);
	policy_hide(policy, value);
	if (key == &policy_keys[KEY_NO_NEW_PRIVILEGES] && !policy->no_new_privileges &&
	    policy->egress.kind != EGRESS_ALLOW)
		text_add(&text, "   [egress sets it]");
	explanation_add(explanation, section, key->name, value, origin_of(policy, said, origin));
}

/* Sections without a line of the policy are left out, but for the two that decide most. */
static bool is_said(const struct policy *policy, enum key_section section)
{
	bool any = section == SECTION_POLICY || section == SECTION_ENVIRONMENT;

	for (size_t i = 0; i < KEY_COUNT; i++)
		any |= policy_keys[i].section == section && policy->said[i].line != 0;
	for (size_t i = 0; i < policy->row_count; i++)
		any |= policy->rows[i].section == section;
	return any;
}

static void add_section(struct explanation *explanation, const struct policy *policy,
                        enum key_section section)
{
	char title[64], origin[MAX_PATH_BYTES], shown[MAX_SETTING_BYTES];
	struct text text = TEXT_OVER(title);

	if (!is_said(policy, section))
		return;
	text_addf(&text, "[%s]", policy_section_names[section]);
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].section == section)
			add_setting(explanation, policy, title, &policy_keys[i], &policy->said[i]);
	for (size_t i = 0; i < policy->row_count; i++) {
		const struct row *row = &policy->rows[i];
		struct origin said = { .line = row->line };
		struct text value = TEXT_OVER(shown);

		if (row->section != section)
			continue;
		if (section >= SECTION_ENV_SET && section <= SECTION_ENV_UNSET)
			variable_show(row->name, row->text, &value);
		else
			text_add(&value, row->text);
		policy_hide(policy, shown);
		explanation_add(explanation, title, row->name, shown,
		                origin_of(policy, &said, origin));
	}
}

static void add_model(struct explanation *explanation, const struct gate *gate, size_t index)
{
	const struct model *model = &gate->policy.models[index];
	char title[MAX_NAME_BYTES], path[MAX_PATH_BYTES] = "";
	struct text text = TEXT_OVER(title);

	text_addf(&text, "[model %s]%s", model->name, model->selected ? "" : "   not selected");
	for (size_t k = 0; k < MODEL_KEY_COUNT; k++)
		add_setting(explanation, &gate->policy, title, &policy_keys[FIRST_MODEL_KEY + k],
		            &model->said[k]);
	if (gate->report.models[index].found)
		report_model_path(&gate->report, index, path, sizeof(path));
	if (path[0] != '\0')
		explanation_add(explanation, title, "found in", path, NULL);
	else if (model->path == NULL && model->repo != NULL && gate->hub_cache_origin != NULL &&
	         repo_path(gate->hub_cache, model->repo, path, sizeof(path)))
		explanation_add(explanation, title, "looked for in", path, NULL);
}

static void add_variable(struct explanation *explanation, const struct policy *policy,
                         const struct environ_row *row, const char *name, const char *value)
{
	char origin[MAX_SETTING_BYTES], shown[MAX_SETTING_BYTES];
	struct text text = TEXT_OVER(origin), out = TEXT_OVER(shown);

	text_add(&text, environ_origin_name(row->origin));
	if (row->replaced != NULL) {
		text_add(&text, ", was ");
		variable_show(name, row->replaced, &text);
	}
	if (row->origin == ORIGIN_FILE)
		text_add(&out, "(not shown)");
	else
		variable_show(name, value, &out);
	policy_hide(policy, shown);
	policy_hide(policy, origin);
	explanation_add(explanation, "environment of the service", name, shown, origin);
}

/* Rows that aweigh made, and rows that a Hugging Face library reads; the rest passes through and is counted. */
static void add_environment(struct explanation *explanation, const struct gate *gate)
{
	size_t others = 0;
	char count[64];
	struct text text = TEXT_OVER(count);

	for (size_t i = 0; i < gate->service.count; i++) {
		const struct environ_row *row = &gate->service.rows[i];
		const char *equals = strchr(row->row, '=');
		char name[MAX_NAME_BYTES];
		struct text word = TEXT_OVER(name);

		if (equals == NULL || (size_t)(equals - row->row) >= sizeof(name))
			continue;
		text_add_bytes(&word, row->row, (size_t)(equals - row->row));
		if (row->origin == ORIGIN_GIVEN && library_variable(name, word.length) == NULL &&
		    strcmp(name, "HOME") != 0)
			others++;
		else
			add_variable(explanation, &gate->policy, row, name, equals + 1);
	}
	for (size_t i = 0; i < gate->service.unset_count; i++)
		explanation_add(explanation, "environment of the service", gate->service.unset[i],
		                "removed", "[environment unset]");
	text_addf(&text, "%zu other%s, unchanged", others, others == 1 ? "" : "s");
	explanation_add(explanation, "environment of the service", "besides", count, NULL);
}

static void add_head(struct explanation *explanation, const struct gate *gate)
{
	char user[MAX_NAME_BYTES + 32];
	struct text text = TEXT_OVER(user);

	text_addf(&text, "%s%s%u:%u", gate->who.name, gate->who.name[0] != '\0' ? " " : "",
	          (unsigned)gate->who.uid, (unsigned)gate->who.gid);
	explanation_add(explanation, "", "policy", gate->policy.file[SOURCE_POLICY], NULL);
	explanation_add(explanation, "", "user", user,
	                !gate->who.change     ? "as started" :
	                !gate->who.exact      ? "which aweigh may not become here" :
	                gate->who_is_of_image ? "--image-config" :
	                                        "policy.user");
	explanation_add(explanation, "", "working directory", gate->working_directory, NULL);
	if (gate->hub_cache_origin != NULL)
		explanation_add(explanation, "", "hub", gate->hub_cache, gate->hub_cache_origin);
	else
		explanation_add(explanation, "", "hub",
		                "cannot be located: set HF_HOME or policy.hub_cache", NULL);
}

static void explain(struct explanation *explanation, const struct gate *gate)
{
	static const enum key_section sections[] = { SECTION_ENVIRONMENT, SECTION_PATHS,
		                                     SECTION_FETCH,       SECTION_CONFINE,
		                                     SECTION_SERVICE,     SECTION_PACKAGES,
		                                     SECTION_SEVERITY,    SECTION_ENV_REQUIRE,
		                                     SECTION_ENV_FORBID,  SECTION_REPORT };

	add_head(explanation, gate);
	add_section(explanation, &gate->policy, SECTION_POLICY);
	for (size_t i = 0; i < gate->policy.model_count; i++)
		add_model(explanation, gate, i);
	for (size_t i = 0; i < LENGTH_OF(sections); i++)
		add_section(explanation, &gate->policy, sections[i]);
	add_environment(explanation, gate);
	if (gate->policy.mode != MODE_OFFLINE && gate->options->root == NULL)
		gate_explain_fetch(gate, explanation);
}

/* Paths that `export` hands over are known only after a look; where a model is costs nothing to find out. */
static enum status locate_models(struct gate *gate, struct text *why)
{
	enum status status;

	gate->policy.verify = LEVEL_PRESENCE;
	for (size_t i = 0; i < gate->policy.model_count; i++)
		gate->policy.models[i].verify = LEVEL_PRESENCE;
	status = gate_inspect(gate, why);
	return status != STATUS_OK ? status : gate_export(gate, why);
}

static int print(const struct run *run, const struct gate *gate)
{
	struct explanation explanation = { 0 };

	explain(&explanation, gate);
	if (explanation.failed)
		(void)complain(STATUS_SYSTEM, "out of memory");
	else if (strcmp(run->options.format->name, "json") == 0)
		explanation_print_json(&explanation, stdout);
	else
		explanation_print(&explanation, stdout);
	explanation_release(&explanation);
	return STATUS_OK;
}

static enum status locate_and_print(struct run *run, struct gate *gate, struct text *why)
{
	enum status status = gate_prepare(gate, &run->options, &run->signals, run->environ, why);

	if (status != STATUS_OK)
		return status;
	if (gate->policy.error_count > 0) {
		gate_conclude(gate);
		status = gate_report(gate, STDERR_FILENO);
		return status != STATUS_OK ? status : gate->report.status;
	}
	status = locate_models(gate, why);
	return status != STATUS_OK ? status : (enum status)print(run, gate);
}

int command_explain(struct run *run)
{
	return command_with_gate(run, locate_and_print);
}
