/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diffusers: model_index.json is {"unet": ["diffusers", "UNet2DConditionModel"], ...}; null components are
 * left out. A component that saves its settings as config.json is a model, and has weights beside them
 * (diffusers pipeline_utils.py, from_pretrained).
 */
#include <string.h>

#include "base/json.h"
#include "base/list.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "hub/cache.h"
#include "util.h"

struct components {
	struct inspection *inspection;
	bool present;
	char library[32], class[64]; /* of the component at hand */
};

/* Has settings of its own, and no weights. */
static bool is_without_weights(const struct components *components)
{
	static const char *const kinds[] = { "Tokenizer", "Processor", "FeatureExtractor",
		                             "Scheduler" };

	for (size_t i = 0; i < LENGTH_OF(kinds); i++)
		if (strstr(components->class, kinds[i]) != NULL)
			return true;
	return false;
}

/* Models of diffusers' own begin with config.json (configuration_utils.py, load_config); transformers' may do without. */
static bool must_have_config(const struct components *components)
{
	return strcmp(components->library, "diffusers") == 0 &&
	       strcmp(components->class, "OnnxRuntimeModel") != 0 &&
	       !is_without_weights(components);
}

static bool wants_any(const struct inspection *inspection, const char *directory, const char *names)
{
	char path[MAX_PATH_BYTES];
	size_t length;

	for (const char *at = NULL, *name; (name = list_next(names, ' ', &at, &length)) != NULL;) {
		struct text text = TEXT_OVER(path);

		text_addf(&text, "%s/%.*s", directory, (int)length, name);
		if (!text.cut && model_wants(inspection, path))
			return true;
	}
	return false;
}

/* In whichever variant: the loader takes the other where the one that it was asked for is not there. */
static const char weights[] =
        "diffusion_pytorch_model-00001-of-00002.safetensors "
        "diffusion_pytorch_model.safetensors diffusion_pytorch_model.fp16.safetensors "
        "diffusion_pytorch_model.bf16.safetensors diffusion_pytorch_model.bin diffusion_pytorch_model.fp16.bin "
        "model.safetensors model.fp16.safetensors pytorch_model.bin model.onnx";
static const char settings[] =
        "config.json tokenizer_config.json scheduler_config.json preprocessor_config.json";

static bool wants_weights(const struct inspection *inspection, const char *directory)
{
	return wants_any(inspection, directory, weights);
}

static bool wants_settings(const struct inspection *inspection, const char *directory)
{
	return wants_any(inspection, directory, settings);
}

static void check_component(const struct components *components, const char *name)
{
	struct inspection *inspection = components->inspection;
	char config[MAX_PATH_BYTES];

	if (!path_join(config, sizeof(config), name, "config.json"))
		return;
	if (!model_has_directory(inspection, name)) {
		if (wants_settings(inspection, name) || wants_weights(inspection, name))
			inspection_report(inspection, FINDING_MODEL_PART,
			                  (struct report_at){ .path = name },
			                  "is missing: model_index.json names it as a component");
	} else if (model_is_broken(inspection)) {
		return;
	} else if (strcmp(components->library, "diffusers") == 0 &&
	           (wants_settings(inspection, name) || wants_weights(inspection, name)) &&
	           !family_directory_has_files(inspection, name)) {
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = name },
		                  "is empty: model_index.json names it as a component");
	} else if (!model_has(inspection, config, NULL) && model_wants(inspection, config) &&
	           must_have_config(components) &&
	           family_directory_has_name(inspection, name, "diffusion_pytorch_model")) {
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = config },
		                  "is missing: model_index.json names the component %s", name);
	} else if (model_has(inspection, config, NULL) && wants_weights(inspection, name) &&
	           !is_without_weights(components) &&
	           !family_directory_has_weights(inspection, name)) {
		inspection_report(
		        inspection, FINDING_MODEL_PART, (struct report_at){ .path = name },
		        "has config.json, but no weights: model_index.json names it as a component");
	}
}

/* The first word is the library, the second the class. */
static void take_word(struct components *components, const struct json_value *value)
{
	struct text text =
	        components->present ? TEXT_OVER(components->class) : TEXT_OVER(components->library);

	text_add_bytes(&text, value->text, value->length);
	if (!components->present)
		components->class[0] = '\0';
	components->present = true;
}

static bool visit_component(void *context, const struct json_value *value)
{
	struct components *components = context;

	if (value->depth == 1 && value->kind == JSON_ARRAY)
		components->present = false;
	else if (value->depth == 2 && value->kind == JSON_STRING)
		take_word(components, value);
	if (value->depth != 1 || value->kind != JSON_ARRAY_END || !components->present ||
	    value->key[0][0] == '_')
		return true;
	if (repo_path_is_legal(value->key[0], value->key_length[0]))
		check_component(components, value->key[0]);
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
