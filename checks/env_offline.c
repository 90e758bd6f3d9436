/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the service's libraries will stay offline, by their own truth rules. */
#include <string.h>

#include "engine/inspection.h"
#include "hub/variables.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

enum { ONLINE, CONFLICT, VALUE };
static const struct finding_kind kinds[] = {
	[ONLINE] = { "env.online", SEVERITY_ERROR, STATUS_ENVIRONMENT,
	             "the service's libraries would call the hub although the mode says offline",
	             "set HF_HUB_OFFLINE=1, TRANSFORMERS_OFFLINE=1 and HF_DATASETS_OFFLINE=1" },
	[CONFLICT] = { "env.conflict", SEVERITY_WARNING, STATUS_ENVIRONMENT,
	               "offline variables contradict each other or the policy's mode",
	               "give HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE and HF_DATASETS_OFFLINE the same value" },
	[VALUE] = { "env.value", SEVERITY_ERROR, STATUS_ENVIRONMENT,
	            "a variable has a value that its library takes for something else, or dies of at import",
	            "write 1, ON, YES or TRUE for true and 0, OFF, NO or FALSE for false, without blanks or quotes" },
};

static const char *const names[] = { "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
	                             "HF_DATASETS_OFFLINE" };

static bool is_known_false(const char *value)
{
	static const char *const words[] = { "", "0", "OFF", "NO", "FALSE" };

	for (size_t i = 0; i < LENGTH_OF(words); i++)
		if (text_equals_any_case(value, strlen(value), words[i]))
			return true;
	return false;
}

/* ` true`, `"1"` and `enabled` read as false: nothing is trimmed, only four words are true. */
static void check_values(struct look *look)
{
	for (size_t i = 0; i < library_variable_count; i++) {
		const struct library_variable *variable = &library_variables[i];
		const char *value;

		if (variable->role != VARIABLE_OFFLINE && variable->role != VARIABLE_BOOL)
			continue;
		value = environment_get(look->given, variable->name);
		if (value == NULL || library_is_true(value) || is_known_false(value))
			continue;
		look_report(
		        look, &kinds[VALUE], (struct report_at){ .path = variable->name },
		        "%s=[%.64s] is false to the library: only 1, ON, YES and TRUE in any case are true, and nothing is trimmed",
		        variable->name, value);
	}
}

static void check_contradictions(struct look *look)
{
	const char *decided_by, *datasets = environment_get(look->given, "HF_DATASETS_OFFLINE");
	bool offline = library_is_offline(look->given, &decided_by);
	uint64_t rule = look->policy->set[KEY_OFFLINE].number;

	if (look->mode != MODE_OFFLINE) {
		if (look->mode == MODE_ONLINE && offline)
			look_report(look, &kinds[CONFLICT],
			            (struct report_at){ .path = decided_by,
			                                .setting = &look->policy->set[KEY_MODE] },
			            "the mode is online, but %s says offline, and offline wins",
			            decided_by);
		return;
	}
	for (size_t i = 0; i < LENGTH_OF(names); i++) {
		const char *value = environment_get(look->given, names[i]);

		if (value == NULL || value[0] == '\0' || library_is_true(value))
			continue;
		look_report(
		        look, &kinds[CONFLICT],
		        (struct report_at){
		                .path = names[i],
		                .setting = &look->policy->set[KEY_MODE],
		                .fix = rule == OFFLINE_SET ?
		                               "remove the variable from the image or the deployment; aweigh has set it to 1 for the service" :
		                               "remove the variable from the image or the deployment, or set it to 1" },
		        "%s=[%.64s] says online, but the policy's mode is offline", names[i],
		        value);
	}
	if (offline && datasets != NULL && !datasets_is_offline(look->given) && rule != OFFLINE_SET)
		look_report(
		        look, &kinds[CONFLICT], (struct report_at){ .path = "HF_DATASETS_OFFLINE" },
		        "HF_DATASETS_OFFLINE alone decides for datasets and says online; each of its hub calls will then fail");
}

static void check_offline(struct look *look)
{
	const char *decided_by;
	uint64_t rule = look->policy->set[KEY_OFFLINE].number;

	if (look->mode != MODE_OFFLINE || rule == OFFLINE_LEAVE ||
	    library_is_offline(look->env, &decided_by))
		return;
	look_report(
	        look, &kinds[ONLINE],
	        (struct report_at){ .path = decided_by,
	                            .setting = &look->policy->set[KEY_OFFLINE] },
	        "%s does not say offline: every start of the service would call the hub even when all models are aboard",
	        decided_by);
}

static void check(struct look *look)
{
	check_values(look);
	check_contradictions(look);
	check_offline(look);
}

const struct check check_env_offline = { "env_offline", SCOPE_RUN,        LEVEL_PRESENCE,
	                                 kinds,         LENGTH_OF(kinds), check };
