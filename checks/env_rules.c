/* SPDX-License-Identifier: Apache-2.0 */
/* [environment require] and [environment forbid], on what the service will get. */
#include <string.h>

#include "engine/inspection.h"
#include "base/glob.h"
#include "util.h"

enum { REQUIRED, FORBIDDEN };
static const struct finding_kind kinds[] = {
	[REQUIRED] = { "env.required", SEVERITY_ERROR, STATUS_ENVIRONMENT,
	               "a variable that the policy requires is not set, or has another value",
	               "set the variable in the image or the deployment" },
	[FORBIDDEN] = { "env.forbidden", SEVERITY_ERROR, STATUS_ENVIRONMENT,
	                "a variable is set that the policy forbids",
	                "take the variable out of the image or the deployment" },
};

/* A row's value is a pattern: `*` means any value. An empty one means any value that is not empty. */
static bool value_fits(const char *pattern, const char *value)
{
	return pattern[0] == '\0' ? value[0] != '\0' :
	                            glob_matches(pattern, strlen(pattern), value);
}

static void check(struct look *look)
{
	for (size_t i = 0; i < look->policy->row_count; i++) {
		const struct row *row = &look->policy->rows[i];
		struct report_at at = { .path = row->name, .line = row->line };
		const char *value;

		if (row->section != SECTION_ENV_REQUIRE && row->section != SECTION_ENV_FORBID)
			continue;
		value = environment_get(look->env, row->name);
		if (row->section == SECTION_ENV_FORBID && value != NULL &&
		    (row->text[0] == '\0' || value_fits(row->text, value)))
			look_report(look, &kinds[FORBIDDEN], at,
			            "%s is set, which the policy forbids", row->name);
		else if (row->section == SECTION_ENV_REQUIRE && value == NULL)
			look_report(look, &kinds[REQUIRED], at,
			            "%s is not set, which the policy requires", row->name);
		else if (row->section == SECTION_ENV_REQUIRE && !value_fits(row->text, value))
			look_report(look, &kinds[REQUIRED], at,
			            "%s is set, but its value does not match '%.128s'", row->name,
			            row->text[0] == '\0' ? "*" : row->text);
	}
}

const struct check check_env_rules = { "env_rules", SCOPE_RUN,        LEVEL_PRESENCE,
	                               kinds,       LENGTH_OF(kinds), check };
