/* SPDX-License-Identifier: Apache-2.0 */
/* GLiNER: gliner_config.json names its backbone, whose configuration and tokenizer are loaded by name. */
#include "families/families.h"

void gliner_check(struct inspection *inspection)
{
	char name[MAX_NAME_BYTES];

	family_report_no_weights(inspection, "gliner_config.json");
	if (family_json_string(inspection, "gliner_config.json", "model_name", name, sizeof(name)))
		family_report_repository(inspection, name, "gliner_config.json");
}
