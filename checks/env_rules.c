/* SPDX-License-Identifier: Apache-2.0 */
/* [environment require] and [environment forbid], on what the service will get. */
#include <string.h>

#include "base/glob.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "util.h"

/* A row's value is a pattern: `*` means any value. An empty one means any value that is not empty. */
static bool value_fits(const char *pattern, const char *value)
{
	return pattern[0] == '\0' ? value[0] != '\0' : glob_matches(pattern, value);
}

static void check_required(struct inspection *inspection, const struct named_row *row)
{
	struct report_at at = { .path = row->name, .line = row->line };
	const char *value = environment_get(inspection->env, row->name);

	if (value == NULL)
		inspection_report(inspection, FINDING_ENV_REQUIRED, at,
		                  "%s is not set, which the policy requires", row->name);
	else if (!value_fits(row->value, value))
		inspection_report(inspection, FINDING_ENV_REQUIRED, at,
		                  "%s is set, but its value does not match '%.128s'", row->name,
		                  row->value[0] == '\0' ? "*" : row->value);
}

static void check_forbidden(struct inspection *inspection, const struct named_row *row)
{
	const char *value = environment_get(inspection->env, row->name);

	if (value != NULL && (row->value[0] == '\0' || value_fits(row->value, value)))
		inspection_report(inspection, FINDING_ENV_FORBIDDEN,
		                  (struct report_at){ .path = row->name, .line = row->line },
		                  "%s is set, which the policy forbids", row->name);
}

void check_env_rules(struct inspection *inspection)
{
	const struct policy *policy = inspection->policy;

	for (size_t i = 0; i < policy->env_require_count; i++)
		check_required(inspection, &policy->env_require[i]);
	for (size_t i = 0; i < policy->env_forbid_count; i++)
		check_forbidden(inspection, &policy->env_forbid[i]);
}
