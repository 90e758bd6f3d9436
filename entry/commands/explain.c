/* SPDX-License-Identifier: Apache-2.0 */
/* Every effective setting, path and variable, and where each came from. */
#include <string.h>

#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/output.h"
#include "gate/prepare.h"
#include "gate/refetch.h"
#include "hub/cache.h"
#include "hub/variables.h"
#include "policy/keys.h"
#include "report/complain.h"
#include "report/escape.h"
#include "util.h"

static void print_value(const char *text)
{
	char escaped[2 * MAX_SETTING_BYTES];

	escape_into(escaped, sizeof(escaped), text);
	(void)fputs(escaped, stdout);
}

/* An address may hold user and password; what stands behind them is enough to know it by. */
static void print_address(const char *text)
{
	const char *host = strstr(text, "://"), *at = strrchr(text, '@');

	if (host != NULL && at != NULL) {
		(void)printf("%.*s://...", (int)(host - text), text);
		text = at;
	}
	print_value(text);
}

static void print_origin(const struct policy *policy, const struct origin *said)
{
	const char *file = policy->file[said->source],
	           *slash = file == NULL ? NULL : strrchr(file, '/');

	if (said->line != 0)
		(void)printf("   (%s:%u)\n", slash != NULL ? slash + 1 : file, said->line);
	else
		(void)fputs("   (default)\n", stdout);
}

static void print_setting(const struct policy *policy, const struct key *key,
                          const struct origin *said)
{
	const char *sized = key->effect == EFFECT_LATER && said->line != 0 ?
	                            "   [no effect in this version]" :
	                            "";

	if (said->text == NULL)
		return;
	(void)printf("  %-18s ", key->name);
	if (key->type == TYPE_URL)
		print_address(said->text);
	else
		print_value(said->text);
	(void)fputs(sized, stdout);
	print_origin(policy, said);
}

static void print_section(const struct policy *policy, enum key_section section)
{
	(void)printf("[%s]\n", policy_section_names[section]);
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].section == section &&
		    (policy_keys[i].effect == EFFECT_NOW || policy->said[i].line != 0))
			print_setting(policy, &policy_keys[i], &policy->said[i]);
	for (size_t i = 0; i < policy->row_count; i++)
		if (policy->rows[i].section == section)
			(void)printf("  %-18s %s   (line %u)\n", policy->rows[i].name,
			             policy->rows[i].text, policy->rows[i].line);
}

static void print_models(const struct gate *gate)
{
	for (size_t i = 0; i < gate->policy.model_count; i++) {
		const struct model *model = &gate->policy.models[i];
		char directory[MAX_NAME_BYTES];

		(void)printf("\n[model %s]%s\n", model->name,
		             model->selected ? "" : "   not selected");
		for (size_t k = 0; k < MODEL_KEY_COUNT; k++)
			print_setting(&gate->policy, &policy_keys[FIRST_MODEL_KEY + k],
			              &model->said[k]);
		if (model->path == NULL && model->repo != NULL && gate->hub_cache_origin != NULL &&
		    repo_directory_name(model->repo, directory, sizeof(directory)))
			(void)printf("  %-18s %s/%s\n", "looked for in", gate->hub_cache,
			             directory);
	}
}

/* Rows that aweigh made, and rows that a Hugging Face library reads; the rest passes through unseen. */
static void print_environment(const struct gate *gate)
{
	(void)fputs("\nenvironment of the service\n", stdout);
	for (size_t i = 0; i < gate->service.count; i++) {
		const struct environ_row *row = &gate->service.rows[i];
		const char *equals = strchr(row->row, '=');
		char name[MAX_NAME_BYTES];
		struct text text = TEXT_OVER(name);

		if (equals == NULL || (size_t)(equals - row->row) >= sizeof(name))
			continue;
		text_add_bytes(&text, row->row, (size_t)(equals - row->row));
		if (row->origin == ORIGIN_GIVEN && library_variable(name, text.length) == NULL &&
		    strcmp(name, "HOME") != 0)
			continue;
		(void)fputs("  ", stdout);
		print_value(name);
		(void)fputs("=", stdout);
		print_value(variable_is_secret(name) ? "(not shown)" : equals + 1);
		(void)printf("   (%s%s", environ_origin_name(row->origin),
		             row->replaced != NULL ? ", was " : "");
		if (row->replaced != NULL)
			print_value(variable_is_secret(name) ? "(not shown)" : row->replaced);
		(void)fputs(")\n", stdout);
	}
	for (size_t i = 0; i < gate->service.unset_count; i++)
		(void)printf("  %s is removed   ([environment unset])\n", gate->service.unset[i]);
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (gate->policy.models[i].export != NULL && gate->policy.models[i].selected)
			(void)printf("  %s=the path of %s   (export)\n",
			             gate->policy.models[i].export, gate->policy.models[i].name);
}

static void print_whole(const struct gate *gate)
{
	static const enum key_section sections[] = { SECTION_ENVIRONMENT, SECTION_PATHS,
		                                     SECTION_FETCH,       SECTION_CONFINE,
		                                     SECTION_SERVICE,     SECTION_PACKAGES,
		                                     SECTION_SEVERITY,    SECTION_ENV_REQUIRE,
		                                     SECTION_ENV_FORBID,  SECTION_REPORT };

	(void)printf("policy             %s\n", gate->policy.file[SOURCE_POLICY]);
	(void)printf("user               %s%s%u:%u, %s\n", gate->who.name,
	             gate->who.name[0] != '\0' ? " " : "", (unsigned)gate->who.uid,
	             (unsigned)gate->who.gid,
	             gate->who.change ? gate->who.exact ?
	                                "from policy.user" :
	                                "from policy.user, which aweigh may not become here" :
	                                "as started");
	(void)printf("working directory  %s\n", gate->working_directory);
	if (gate->hub_cache_origin != NULL)
		(void)printf("hub                %s   (from %s)\n\n", gate->hub_cache,
		             gate->hub_cache_origin);
	else
		(void)printf(
		        "hub                cannot be located: set HF_HOME or policy.hub_cache\n\n");
	print_section(&gate->policy, SECTION_POLICY);
	print_models(gate);
	for (size_t i = 0; i < LENGTH_OF(sections); i++) {
		bool any = false;

		for (size_t k = 0; k < KEY_COUNT; k++)
			any |= policy_keys[k].section == sections[i] &&
			       gate->policy.said[k].line != 0;
		for (size_t k = 0; k < gate->policy.row_count; k++)
			any |= gate->policy.rows[k].section == sections[i];
		if (any || sections[i] == SECTION_ENVIRONMENT) {
			(void)fputc('\n', stdout);
			print_section(&gate->policy, sections[i]);
		}
	}
	print_environment(gate);
	if (gate->policy.mode != MODE_OFFLINE && gate->options->root == NULL)
		gate_explain_fetch(gate, stdout);
}

int command_explain(struct run *run)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	char sentence[1024];
	struct text why = TEXT_OVER(sentence);
	enum status status;

	if (gate == NULL)
		return complain(STATUS_SYSTEM, "out of memory");
	status = gate_prepare(gate, &run->options, &run->signals, run->environ, &why);
	if (status != STATUS_OK) {
		(void)complain(status, sentence);
	} else if (gate->policy.error_count > 0) {
		status = gate_report(gate, STDERR_FILENO);
		status = status != STATUS_OK ? status : gate->report.status;
	} else {
		print_whole(gate);
		status = fflush(stdout) != 0 ? STATUS_IO : STATUS_OK;
	}
	gate_release(gate);
	free(gate);
	return (int)status;
}
