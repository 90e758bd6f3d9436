/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentence-transformers: modules.json is [{"idx", "name", "path", "type"}]; a path of "" or "." is the model's
 * own directory, and each other has a config.json but those of modules without settings
 * (SentenceTransformer.py, _load_sbert_model).
 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "hub/cache.h"
#include "util.h"

struct modules {
	struct inspection *inspection;
	char path[MAX_NAME_BYTES], type[MAX_NAME_BYTES];
};

static void copy_text(char *out, size_t size, const struct json_value *value)
{
	struct text text = text_over(out, size);

	text_add_bytes(&text, value->text, value->length);
}

static bool is_of(const struct modules *modules, const char *kind)
{
	return strstr(modules->type, kind) != NULL;
}

/* Of the library itself; what another names decides for itself. */
static bool is_known(const struct modules *modules)
{
	return strncmp(modules->type, "sentence_transformers.", 22) == 0;
}

/* Modules that keep weights in their directory, or in a backend's beneath it. */
static bool has_weights_missing(const struct modules *modules)
{
	static const char *const kinds[] = { "Dense",
		                             "LSTM",
		                             "CNN",
		                             "Transformer",
		                             "CLIPModel",
		                             "LayerNorm",
		                             "WeightedLayerPooling",
		                             "WordEmbeddings",
		                             "SparseAutoEncoder" };
	static const char *const beneath[] = { "", "onnx", "openvino" };
	bool keeps = false;

	/* By these names alone (StaticEmbedding.load()): a head of model2vec's beside them is none. */
	if (is_of(modules, "StaticEmbedding"))
		return !family_directory_has_file(modules->inspection, modules->path,
		                                  "model.safetensors") &&
		       !family_directory_has_file(modules->inspection, modules->path,
		                                  "pytorch_model.bin");
	for (size_t i = 0; i < LENGTH_OF(kinds); i++)
		keeps |= path_ends(modules->type, kinds[i]) || is_of(modules, kinds[i]);
	for (size_t i = 0; keeps && i < LENGTH_OF(beneath); i++) {
		char directory[MAX_PATH_BYTES];

		if (path_join(directory, sizeof(directory), modules->path, beneath[i]) &&
		    family_directory_has_weights(modules->inspection, directory))
			return false;
	}
	return keeps;
}

static void check_weights(struct modules *modules)
{
	struct inspection *inspection = modules->inspection;
	char weights[MAX_PATH_BYTES];

	if (!is_known(modules) ||
	    !path_join(weights, sizeof(weights), modules->path, "model.safetensors") ||
	    !model_wants(inspection, weights) || !has_weights_missing(modules))
		return;
	inspection_report(inspection, FINDING_MODEL_PART, (struct report_at){ .path = weights },
	                  "is missing, or other weights in its place: modules.json names a %s",
	                  strrchr(modules->type, '.') + 1);
}

static void check_tokenizer(const struct modules *modules)
{
	char name[MAX_PATH_BYTES];

	if (is_known(modules) && is_of(modules, "StaticEmbedding") &&
	    path_join(name, sizeof(name), modules->path, "tokenizer.json"))
		family_require_file(modules->inspection, "modules.json", name, 0);
}

/* AutoConfig reads config.json, or that of an adapter, before anything else (base/modules/transformer.py). */
static bool check_configuration(const struct modules *modules)
{
	struct inspection *inspection = modules->inspection;
	char config[MAX_PATH_BYTES], adapter[MAX_PATH_BYTES];

	if (!is_known(modules) ||
	    !(path_ends(modules->type, "Transformer") || is_of(modules, "CLIPModel")) ||
	    !path_join(config, sizeof(config), modules->path, "config.json") ||
	    !path_join(adapter, sizeof(adapter), modules->path, "adapter_config.json") ||
	    !model_wants(inspection, config) || model_has(inspection, config, NULL) ||
	    model_has(inspection, adapter, NULL))
		return true;
	inspection_report(inspection, FINDING_MODEL_PART, (struct report_at){ .path = config },
	                  "is missing: modules.json names a %s", strrchr(modules->type, '.') + 1);
	return false;
}

/* {"types": {"query_0_Transformer": "sentence_transformers...."}}: each key is a directory (modules/router.py, load). */
static bool visit_route(void *context, const struct json_value *value)
{
	const struct modules *router = context;
	struct inspection *inspection = router->inspection;
	struct modules module = { .inspection = inspection };
	const char *name = value->key[1];

	if (value->depth != 2 || value->kind != JSON_STRING || !json_key_is(value, 0, "types") ||
	    !repo_path_is_legal(name, value->key_length[1]) ||
	    !path_join(module.path, sizeof(module.path), router->path, name) ||
	    !model_wants(inspection, module.path))
		return true;
	if (model_has_directory(inspection, module.path)) {
		copy_text(module.type, sizeof(module.type), value);
		check_weights(&module);
		return true;
	}
	inspection_report(inspection, FINDING_MODEL_PART, (struct report_at){ .path = module.path },
	                  "is missing: the router's settings name it");
	return true;
}

/* Of a Router, or an Asym as it was called before: its modules are directories of its own (modules/router.py, load). */
static void check_router(struct modules *router)
{
	static const char *const names[] = { "router_config.json", "config.json" };
	char config[MAX_PATH_BYTES];
	int error;

	for (size_t i = 0; i < LENGTH_OF(names); i++) {
		CLEANUP(cleanup_fd)
		int fd = path_join(config, sizeof(config), router->path, names[i]) ?
		                 model_open(router->inspection, config, NULL) :
		                 -1;

		if (fd >= 0) {
			(void)json_read(fd, MAX_CONFIG_BYTES, visit_route, router, &error);
			return;
		}
	}
}

static void check_module(struct modules *modules)
{
	struct inspection *inspection = modules->inspection;
	char config[MAX_PATH_BYTES];
	bool pooling; /* with settings */

	path_squeeze(modules->path);
	if (is_known(modules) && (is_of(modules, "Router") || is_of(modules, "Asym")))
		check_router(modules);
	check_tokenizer(modules);
	if (repo_path_is_legal(modules->path, strlen(modules->path)) || modules->path[0] == '\0') {
		if (!check_configuration(modules))
			return;
	}
	if (modules->path[0] == '\0') {
		check_weights(modules);
		return;
	}
	if (is_of(modules, "Normalize") || is_of(modules, "Dropout"))
		return;
	pooling = is_of(modules, "Pooling") && !is_of(modules, "SpladePooling");
	if (!repo_path_is_legal(modules->path, strlen(modules->path)) ||
	    !path_join(config, sizeof(config), modules->path, "config.json"))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = "modules.json" },
		                  "names [%s] as a module, which is not a directory of the model",
		                  modules->path);
	else if (!model_has(inspection, config, NULL) && model_wants(inspection, config) &&
	         is_known(modules) &&
	         (pooling || is_of(modules, "Dense") ||
	          !model_has_directory(inspection, modules->path)))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = config },
		                  pooling ? "is missing: the pooling's settings are in it (%s)" :
		                            "is missing: modules.json names %s",
		                  modules->path);
	else
		check_weights(modules);
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

void sentence_transformers_check(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "modules.json", NULL);
	struct modules modules = { .inspection = inspection };
	int error;

	/* What seems to be missing may lie in a directory that cannot be read. */
	if (model_is_broken(inspection))
		return;
	if (fd >= 0)
		(void)json_read(fd, MAX_CONFIG_BYTES, visit_module, &modules, &error);
	else if (model_has_directory(inspection, "1_Pooling") && fd == -ENOENT)
		inspection_report(
		        inspection, FINDING_MODEL_PART,
		        (struct report_at){ .path = "modules.json" },
		        "is missing though 1_Pooling is there: sentence-transformers would build other vectors without saying so");
}
