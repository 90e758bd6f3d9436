/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model of its kind needs: transformers, sentence-transformers, diffusers, PEFT, GGUF. A policy
 * that says `require` has taken this into its own hands, as far as weights go.
 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "hub/cache.h"
#include "util.h"

static bool has_weights(const struct inspection *inspection)
{
	return inspection->model->weight_files > 0;
}

static void check_transformers(struct inspection *inspection)
{
	static const char *const tokenizers[] = { "tokenizer.json",
		                                  "vocab.txt",
		                                  "vocab.json",
		                                  "tokenizer.model",
		                                  "spiece.model",
		                                  "sentencepiece.bpe.model",
		                                  "source.spm",
		                                  "tekken.json",
		                                  "tokenizer_config.json",
		                                  "preprocessor_config.json",
		                                  "processor_config.json",
		                                  "vocabulary.txt",
		                                  "vocabulary.json" };
	const struct model *model = inspection->model->model;

	if (!has_weights(inspection) && model->require.count == 0 &&
	    (model->files.count == 0 || model_wants(inspection, "model.safetensors")))
		inspection_report(inspection, FINDING_MODEL_NO_WEIGHTS,
		                  (struct report_at){ .path = inspection->model->place.path },
		                  "has config.json, but no weights%s",
		                  inspection->model->broken_files > 0 ? " that open" : "");
	if (model->files.count > 0 || inspection->model->broken_files > 0)
		return;
	for (size_t i = 0; i < LENGTH_OF(tokenizers); i++)
		if (model_has(inspection, tokenizers[i], NULL))
			return;
	inspection_report(inspection, FINDING_MODEL_TOKENIZER,
	                  (struct report_at){ .path = inspection->model->place.path },
	                  "has neither tokenizer.json nor another vocabulary or preprocessor");
}

/* modules.json: [{"idx", "name", "path", "type"}]; each path but "" and Normalize has a config.json. */
struct modules {
	struct inspection *inspection;
	char path[MAX_NAME_BYTES], type[MAX_NAME_BYTES];
	bool bad;
};

static void copy_text(char *out, size_t size, const struct json_value *value)
{
	struct text text = text_over(out, size);

	text_add_bytes(&text, value->text, value->length);
}

static void check_module(struct modules *modules)
{
	struct inspection *inspection = modules->inspection;
	char config[MAX_PATH_BYTES];

	if (modules->path[0] == '\0' || strstr(modules->type, "Normalize") != NULL ||
	    strstr(modules->type, "Dropout") != NULL)
		return;
	if (!repo_path_is_legal(modules->path, strlen(modules->path)) ||
	    !path_join(config, sizeof(config), modules->path, "config.json"))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = "modules.json" },
		                  "names [%s] as a module, which is not a directory of the model",
		                  modules->path);
	else if (!model_has(inspection, config, NULL) &&
	         !model_has_directory(inspection, modules->path))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = config },
		                  "is missing: modules.json names %s", modules->path);
	else if (strstr(modules->type, "Pooling") != NULL && !model_has(inspection, config, NULL))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = config },
		                  "is missing: the pooling's settings are in it");
}

static bool visit_module(void *context, const struct json_value *value)
{
	struct modules *modules = context;

	if (value->depth == 1 && value->kind == JSON_OBJECT)
		modules->path[0] = modules->type[0] = '\0';
	else if (value->depth == 2 && value->kind == JSON_STRING && json_key_is(value, 1, "path"))
		copy_text(modules->path, sizeof(modules->path), value);
	else if (value->depth == 2 && value->kind == JSON_STRING && json_key_is(value, 1, "type"))
		copy_text(modules->type, sizeof(modules->type), value);
	else if (value->depth == 1 && value->kind == JSON_OBJECT_END)
		check_module(modules);
	return true;
}

static void check_sentence_transformers(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "modules.json", NULL);
	struct modules modules = { .inspection = inspection };
	int error;

	if (fd >= 0)
		(void)json_read(fd, MAX_CONFIG_BYTES, visit_module, &modules, &error);
	else if (model_has_directory(inspection, "1_Pooling"))
		inspection_report(
		        inspection, FINDING_MODEL_PART,
		        (struct report_at){ .path = "modules.json" },
		        "is missing though 1_Pooling is there: sentence-transformers would build other vectors without saying so");
}

/* model_index.json: {"unet": ["diffusers", "UNet2DConditionModel"], ...}; null components are left out. */
struct components {
	struct inspection *inspection;
	bool present;
};

static bool visit_component(void *context, const struct json_value *value)
{
	struct components *components = context;
	struct inspection *inspection = components->inspection;

	if (value->depth == 1 && value->kind == JSON_ARRAY)
		components->present = false;
	else if (value->depth == 2 && value->kind == JSON_STRING)
		components->present = true;
	else if (value->depth == 1 && value->kind == JSON_ARRAY_END && components->present &&
	         value->key[0][0] != '_') {
		if (!repo_path_is_legal(value->key[0], value->key_length[0]))
			inspection_report(inspection, FINDING_MODEL_PART,
			                  (struct report_at){ .path = "model_index.json" },
			                  "names [%.128s] as a component, which is not a directory",
			                  value->key[0]);
		else if (!model_has_directory(inspection, value->key[0]) &&
		         model_wants(inspection, value->key[0]))
			inspection_report(inspection, FINDING_MODEL_PART,
			                  (struct report_at){ .path = value->key[0] },
			                  "is missing: model_index.json names it as a component");
	}
	return true;
}

static void check_diffusers(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "model_index.json", NULL);
	struct components components = { .inspection = inspection };
	int error;

	if (fd < 0)
		return;
	(void)json_read(fd, MAX_CONFIG_BYTES, visit_component, &components, &error);
	if (!has_weights(inspection) && inspection->model->model->require.count == 0)
		inspection_report(inspection, FINDING_MODEL_NO_WEIGHTS,
		                  (struct report_at){ .path = inspection->model->place.path },
		                  "has model_index.json, but no weights");
}

static bool visit_base(void *context, const struct json_value *value)
{
	if (value->depth == 1 && value->kind == JSON_STRING &&
	    json_key_is(value, 0, "base_model_name_or_path"))
		copy_text(context, MAX_NAME_BYTES, value);
	return true;
}

static void check_adapter(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "adapter_config.json", NULL);
	char base[MAX_NAME_BYTES] = "", directory[MAX_NAME_BYTES + 16], path[MAX_PATH_BYTES];
	struct stat st;
	int error;

	if (fd < 0)
		return;
	(void)json_read(fd, MAX_CONFIG_BYTES, visit_base, base, &error);
	if (base[0] == '\0' || repo_id_fault(base) != NULL || inspection->hub_cache == NULL ||
	    !repo_directory_name(base, directory, sizeof(directory)) ||
	    !path_join(path, sizeof(path), inspection->hub_cache, directory))
		return;
	if (tree_stat(inspection->tree, path, &st) != 0)
		inspection_report(inspection, FINDING_MODEL_BASE,
		                  (struct report_at){ .path = path },
		                  "is missing: the adapter works on %s", base);
}

/* Names that only the transformers family uses: without config.json nothing can load them. */
static void check_headless(struct inspection *inspection)
{
	static const char *const names[] = { "model.safetensors", "model.safetensors.index.json",
		                             "pytorch_model.bin", "pytorch_model.bin.index.json",
		                             "tokenizer.json",    "tokenizer_config.json" };

	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if (model_has(inspection, names[i], NULL)) {
			inspection_report(
			        inspection, FINDING_MODEL_NO_CONFIG,
			        (struct report_at){ .path = inspection->model->place.path },
			        "has %s, but no config.json", names[i]);
			return;
		}
}

void check_model_kind(struct inspection *inspection)
{
	bool sentence = model_has(inspection, "modules.json", NULL) ||
	                model_has_directory(inspection, "1_Pooling");

	if (sentence)
		check_sentence_transformers(inspection);
	if (model_has(inspection, "model_index.json", NULL))
		check_diffusers(inspection);
	else if (model_has(inspection, "adapter_config.json", NULL))
		check_adapter(inspection);
	else if (model_has(inspection, "config.json", NULL))
		check_transformers(inspection);
	else if (inspection->model->model->require.count == 0 &&
	         model_wants(inspection, "config.json") && inspection->model->broken_files == 0)
		check_headless(inspection);
}
