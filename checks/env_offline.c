/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the service's libraries will stay offline, by their own truth rules. */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "hub/variables.h"
#include "util.h"

static bool is_known_false(const char *value)
{
	static const char *const words[] = { "", "0", "OFF", "NO", "FALSE" };

	for (size_t i = 0; i < LENGTH_OF(words); i++)
		if (text_equals_any_case(value, strlen(value), words[i]))
			return true;
	return false;
}

/* ` true`, `"1"` and `enabled` read as false: nothing is trimmed, only four words are true. */
static void check_values(struct inspection *inspection)
{
	for (size_t i = 0; i < library_variable_count; i++) {
		const struct library_variable *variable = &library_variables[i];
		const char *value;

		if (variable->role != VARIABLE_OFFLINE && variable->role != VARIABLE_BOOL)
			continue;
		value = environment_get(inspection->given, variable->name);
		if (value == NULL || library_is_true(value) || is_known_false(value))
			continue;
		inspection_report(
		        inspection, FINDING_ENV_VALUE, (struct report_at){ .path = variable->name },
		        "%s=[%.64s] is false to the library: only 1, ON, YES and TRUE in any case are true, and nothing is trimmed",
		        variable->name, value);
	}
}

static void check_contradictions(struct inspection *inspection)
{
	const char *decided_by,
	        *datasets = environment_get(inspection->given, "HF_DATASETS_OFFLINE");
	bool offline = library_is_offline(inspection->given, &decided_by);
	uint64_t rule = inspection->policy->offline;

	if (inspection->mode != MODE_OFFLINE) {
		if (inspection->mode == MODE_ONLINE && offline)
			inspection_report(
			        inspection, FINDING_ENV_CONFLICT,
			        (struct report_at){ .path = decided_by,
			                            .said = &inspection->policy->said[KEY_MODE] },
			        "the mode is online, but %s says offline, and offline wins",
			        decided_by);
		return;
	}
	for (size_t i = 0; i < OFFLINE_VARIABLES; i++) {
		const char *value = environment_get(inspection->given, offline_variables[i]);

		if (value == NULL || value[0] == '\0' || library_is_true(value))
			continue;
		inspection_report(
		        inspection, FINDING_ENV_CONFLICT,
		        (struct report_at){
		                .path = offline_variables[i],
		                .said = &inspection->policy->said[KEY_MODE],
		                .fix = rule == OFFLINE_SET ?
		                               "remove the variable from the image or the deployment; aweigh has set it to 1 for the service" :
		                               "remove the variable from the image or the deployment, or set it to 1" },
		        "%s=[%.64s] says online, but the policy's mode is offline",
		        offline_variables[i], value);
	}
	if (offline && datasets != NULL && !datasets_is_offline(inspection->given) &&
	    rule != OFFLINE_SET)
		inspection_report(
		        inspection, FINDING_ENV_CONFLICT,
		        (struct report_at){ .path = "HF_DATASETS_OFFLINE" },
		        "HF_DATASETS_OFFLINE alone decides for datasets and says online: each of its hub calls will fail");
}

static void check_offline(struct inspection *inspection)
{
	const char *decided_by;
	uint64_t rule = inspection->policy->offline;

	if (inspection->mode != MODE_OFFLINE || rule == OFFLINE_LEAVE ||
	    library_is_offline(inspection->env, &decided_by))
		return;
	inspection_report(
	        inspection, FINDING_ENV_ONLINE,
	        (struct report_at){ .path = decided_by,
	                            .said = &inspection->policy->said[KEY_OFFLINE] },
	        "%s does not say offline: every start of the service would call the hub even when all models are aboard",
	        decided_by);
}

void check_env_offline(struct inspection *inspection)
{
	check_values(inspection);
	check_contradictions(inspection);
	check_offline(inspection);
}
