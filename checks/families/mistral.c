/* SPDX-License-Identifier: Apache-2.0 */
/* Mistral's own format: params.json beside consolidated.safetensors or its parts. */
#include "engine/walk.h"
#include "families/families.h"

void mistral_check(struct inspection *inspection)
{
	if (!model_has(inspection, "config.json", NULL))
		family_report_no_weights(inspection, "params.json");
}
