/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model of its kind needs: transformers, sentence-transformers, diffusers, PEFT, GGUF. A policy
 * that says `require` has taken this into its own hands, as far as weights go.
 */
#include <string.h>

#include "engine/inspection.h"
#include "hub/cache.h"
#include "engine/inspect.h"
#include "base/json.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { WEIGHTS, CONFIG, PART, TOKENIZER, BASE };
static const struct finding_kind kinds[] = {
	[WEIGHTS] = { "model.no-weights", SEVERITY_ERROR, STATUS_DATA,
	              "the model has its configuration, but no weights",
	              "fetch the weights; a download that was cut off leaves the small files" },
	[CONFIG] = { "model.no-config", SEVERITY_ERROR, STATUS_DATA,
	             "the model has weights or a tokenizer, but no configuration to load them by",
	             "fetch config.json; or say in require what this model is made of" },
	[PART] = { "model.part", SEVERITY_ERROR, STATUS_DATA,
	           "a part that the model's own list names is not there",
	           "fetch the model anew, folders included" },
	[TOKENIZER] = { "model.tokenizer", SEVERITY_WARNING, STATUS_DATA,
	                "the model has neither a tokenizer nor a preprocessor",
	                "fetch tokenizer.json, or the vocabulary that the model's tokenizer reads" },
	[BASE] = { "model.base", SEVERITY_ERROR, STATUS_MISSING,
	           "an adapter's base model is not in the cache",
	           "add the base model to the policy and fetch it" },
};

static bool has_weights(const struct look *look)
{
	return look->model->weight_files > 0;
}

static void check_transformers(struct look *look)
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
	const struct model *model = look->model->model;

	if (!has_weights(look) && MODEL_SET(model, REQUIRE).text == NULL &&
	    (MODEL_SET(model, FILES).text == NULL || model_wants(look, "model.safetensors")))
		look_report(look, &kinds[WEIGHTS], (struct report_at){ .path = look->model->path },
		            "has config.json, but no weights%s",
		            look->model->broken_files > 0 ? " that open" : "");
	if (MODEL_SET(model, FILES).text != NULL || look->model->broken_files > 0)
		return;
	for (size_t i = 0; i < LENGTH_OF(tokenizers); i++)
		if (model_has(look, tokenizers[i], NULL))
			return;
	look_report(look, &kinds[TOKENIZER], (struct report_at){ .path = look->model->path },
	            "has neither tokenizer.json nor another vocabulary or preprocessor");
}

/* modules.json: [{"idx", "name", "path", "type"}]; each path but "" and Normalize has a config.json. */
struct modules {
	struct look *look;
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
	struct look *look = modules->look;
	char config[MAX_PATH_BYTES];

	if (modules->path[0] == '\0' || strstr(modules->type, "Normalize") != NULL ||
	    strstr(modules->type, "Dropout") != NULL)
		return;
	if (!repo_path_is_legal(modules->path, strlen(modules->path)) ||
	    !path_join(config, sizeof(config), modules->path, "config.json"))
		look_report(look, &kinds[PART], (struct report_at){ .path = "modules.json" },
		            "names [%s] as a module, which is no folder of the model",
		            modules->path);
	else if (!model_has(look, config, NULL) && !model_has_folder(look, modules->path))
		look_report(look, &kinds[PART], (struct report_at){ .path = config },
		            "is missing: modules.json names %s", modules->path);
	else if (strstr(modules->type, "Pooling") != NULL && !model_has(look, config, NULL))
		look_report(look, &kinds[PART], (struct report_at){ .path = config },
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

static void check_sentence_transformers(struct look *look)
{
	CLEANUP(cleanup_fd) int fd = model_open(look, "modules.json", NULL);
	struct modules modules = { .look = look };
	int error;

	if (fd >= 0)
		(void)json_read(fd, MAX_CONFIG_BYTES, visit_module, &modules, &error);
	else if (model_has_folder(look, "1_Pooling"))
		look_report(
		        look, &kinds[PART], (struct report_at){ .path = "modules.json" },
		        "is missing though 1_Pooling is there: sentence-transformers would build other vectors without saying so");
}

/* model_index.json: {"unet": ["diffusers", "UNet2DConditionModel"], ...}; null components are left out. */
struct components {
	struct look *look;
	bool present;
};

static bool visit_component(void *context, const struct json_value *value)
{
	struct components *components = context;
	struct look *look = components->look;

	if (value->depth == 1 && value->kind == JSON_ARRAY)
		components->present = false;
	else if (value->depth == 2 && value->kind == JSON_STRING)
		components->present = true;
	else if (value->depth == 1 && value->kind == JSON_ARRAY_END && components->present &&
	         value->key[0][0] != '_') {
		if (!repo_path_is_legal(value->key[0], value->key_length[0]))
			look_report(look, &kinds[PART],
			            (struct report_at){ .path = "model_index.json" },
			            "names [%.128s] as a component, which is no folder",
			            value->key[0]);
		else if (!model_has_folder(look, value->key[0]) && model_wants(look, value->key[0]))
			look_report(look, &kinds[PART], (struct report_at){ .path = value->key[0] },
			            "is missing: model_index.json names it as a component");
	}
	return true;
}

static void check_diffusers(struct look *look)
{
	CLEANUP(cleanup_fd) int fd = model_open(look, "model_index.json", NULL);
	struct components components = { .look = look };
	int error;

	if (fd < 0)
		return;
	(void)json_read(fd, MAX_CONFIG_BYTES, visit_component, &components, &error);
	if (!has_weights(look) && MODEL_SET(look->model->model, REQUIRE).text == NULL)
		look_report(look, &kinds[WEIGHTS], (struct report_at){ .path = look->model->path },
		            "has model_index.json, but no weights");
}

static bool visit_base(void *context, const struct json_value *value)
{
	if (value->depth == 1 && value->kind == JSON_STRING &&
	    json_key_is(value, 0, "base_model_name_or_path"))
		copy_text(context, MAX_NAME_BYTES, value);
	return true;
}

static void check_adapter(struct look *look)
{
	CLEANUP(cleanup_fd) int fd = model_open(look, "adapter_config.json", NULL);
	char base[MAX_NAME_BYTES] = "", folder[MAX_NAME_BYTES + 16], path[MAX_PATH_BYTES];
	struct stat st;
	int error;

	if (fd < 0)
		return;
	(void)json_read(fd, MAX_CONFIG_BYTES, visit_base, base, &error);
	if (base[0] == '\0' || repo_id_fault(base) != NULL || look->hub_cache == NULL ||
	    !repo_folder_name(base, folder, sizeof(folder)) ||
	    !path_join(path, sizeof(path), look->hub_cache, folder))
		return;
	if (tree_stat(look->tree, path, &st) != 0)
		look_report(look, &kinds[BASE], (struct report_at){ .path = path },
		            "is missing: the adapter works on %s", base);
}

/* Names that only the transformers family uses: without config.json nothing can load them. */
static void check_headless(struct look *look)
{
	static const char *const names[] = { "model.safetensors", "model.safetensors.index.json",
		                             "pytorch_model.bin", "pytorch_model.bin.index.json",
		                             "tokenizer.json",    "tokenizer_config.json" };

	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if (model_has(look, names[i], NULL)) {
			look_report(look, &kinds[CONFIG],
			            (struct report_at){ .path = look->model->path },
			            "has %s, but no config.json", names[i]);
			return;
		}
}

static void check(struct look *look)
{
	bool sentence =
	        model_has(look, "modules.json", NULL) || model_has_folder(look, "1_Pooling");

	if (sentence)
		check_sentence_transformers(look);
	if (model_has(look, "model_index.json", NULL))
		check_diffusers(look);
	else if (model_has(look, "adapter_config.json", NULL))
		check_adapter(look);
	else if (model_has(look, "config.json", NULL))
		check_transformers(look);
	else if (MODEL_SET(look->model->model, REQUIRE).text == NULL &&
	         model_wants(look, "config.json") && look->model->broken_files == 0)
		check_headless(look);
}

const struct check check_model_kind = { "model_kind", SCOPE_MODEL,      LEVEL_PRESENCE,
	                                kinds,        LENGTH_OF(kinds), check };
