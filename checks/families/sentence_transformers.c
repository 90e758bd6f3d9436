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

/* Dense and its like keep weights of their own in their directory. */
static void check_weights(struct modules *modules, const char *config)
{
	struct inspection *inspection = modules->inspection;
	char weights[MAX_PATH_BYTES];

	if (!is_of(modules, "Dense") && !is_of(modules, "LSTM") && !is_of(modules, "CNN"))
		return;
	if (!path_join(weights, sizeof(weights), modules->path, "model.safetensors") ||
	    !model_wants(inspection, weights) ||
	    family_directory_has_weights(inspection, modules->path))
		return;
	inspection_report(inspection, FINDING_MODEL_PART, (struct report_at){ .path = config },
	                  "is there, but no weights beside it: modules.json names %s",
	                  modules->path);
}

static void check_module(struct modules *modules)
{
	struct inspection *inspection = modules->inspection;
	char config[MAX_PATH_BYTES];

	if (modules->path[0] == '\0' || strcmp(modules->path, ".") == 0 ||
	    is_of(modules, "Normalize") || is_of(modules, "Dropout"))
		return;
	if (!repo_path_is_legal(modules->path, strlen(modules->path)) ||
	    !path_join(config, sizeof(config), modules->path, "config.json"))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = "modules.json" },
		                  "names [%s] as a module, which is not a directory of the model",
		                  modules->path);
	else if (!model_has(inspection, config, NULL) && model_wants(inspection, config) &&
	         (is_of(modules, "Pooling") || !model_has_directory(inspection, modules->path)))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = config },
		                  is_of(modules, "Pooling") ?
		                          "is missing: the pooling's settings are in it (%s)" :
		                          "is missing: modules.json names %s",
		                  modules->path);
	else
		check_weights(modules, config);
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

	if (fd >= 0)
		(void)json_read(fd, MAX_CONFIG_BYTES, visit_module, &modules, &error);
	else if (model_has_directory(inspection, "1_Pooling"))
		inspection_report(
		        inspection, FINDING_MODEL_PART,
		        (struct report_at){ .path = "modules.json" },
		        "is missing though 1_Pooling is there: sentence-transformers would build other vectors without saying so");
}
