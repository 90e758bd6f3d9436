/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diffusers: model_index.json is {"unet": ["diffusers", "UNet2DConditionModel"], ...}; null components are
 * left out. A component that saves its settings as config.json is a model, and has weights beside them
 * (diffusers pipeline_utils.py, from_pretrained).
 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "hub/cache.h"
#include "util.h"

struct components {
	struct inspection *inspection;
	bool present;
};

static void check_component(struct inspection *inspection, const char *name)
{
	char config[MAX_PATH_BYTES], weights[MAX_PATH_BYTES];

	if (!path_join(config, sizeof(config), name, "config.json") ||
	    !path_join(weights, sizeof(weights), name, "diffusion_pytorch_model.safetensors"))
		return;
	if (!model_has_directory(inspection, name)) {
		if (model_wants(inspection, config) || model_wants(inspection, weights) ||
		    model_wants(inspection, name))
			inspection_report(inspection, FINDING_MODEL_PART,
			                  (struct report_at){ .path = name },
			                  "is missing: model_index.json names it as a component");
	} else if (model_has(inspection, config, NULL) && model_wants(inspection, weights) &&
	           inspection->model->broken_files == 0 &&
	           !family_directory_has_weights(inspection, name)) {
		inspection_report(
		        inspection, FINDING_MODEL_PART, (struct report_at){ .path = name },
		        "has config.json, but no weights: model_index.json names it as a component");
	}
}

static bool visit_component(void *context, const struct json_value *value)
{
	struct components *components = context;

	if (value->depth == 1 && value->kind == JSON_ARRAY)
		components->present = false;
	else if (value->depth == 2 && value->kind == JSON_STRING)
		components->present = true;
	if (value->depth != 1 || value->kind != JSON_ARRAY_END || !components->present ||
	    value->key[0][0] == '_')
		return true;
	if (repo_path_is_legal(value->key[0], value->key_length[0]))
		check_component(components->inspection, value->key[0]);
	else
		inspection_report(components->inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = "model_index.json" },
		                  "names [%.128s] as a component, which is not a directory",
		                  value->key[0]);
	return true;
}

void diffusers_check(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "model_index.json", NULL);
	struct components components = { .inspection = inspection };
	int error;

	if (fd < 0)
		return;
	(void)json_read(fd, MAX_CONFIG_BYTES, visit_component, &components, &error);
	family_report_no_weights(inspection, "model_index.json");
}
