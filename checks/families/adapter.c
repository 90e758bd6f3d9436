/* SPDX-License-Identifier: Apache-2.0 */
/* PEFT: adapter_config.json, weights of the adapter's own, and the base model that it works on. */
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "util.h"

void adapter_check(struct inspection *inspection)
{
	char base[MAX_NAME_BYTES];

	family_report_no_weights(inspection, "adapter_config.json");
	if (!family_json_string(inspection, "adapter_config.json", "base_model_name_or_path", base,
	                        sizeof(base)) ||
	    base[0] == '\0' || family_repository_is_aboard(inspection, base))
		return;
	inspection_report(
	        inspection, FINDING_MODEL_BASE, (struct report_at){ .path = "adapter_config.json" },
	        "names the base model %.200s, of which the cache has no snapshot of main", base);
}
