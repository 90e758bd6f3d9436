/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a model's own manifest names: each loader opens them by that name, so that one that is not there is proof. */
#include <string.h>

#include "base/json.h"
#include "base/scan.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "hub/cache.h"
#include "util.h"

void family_require_file(struct inspection *inspection, const char *manifest, const char *name,
                         uint64_t bytes)
{
	uint64_t size;

	if (!repo_path_is_legal(name, strlen(name)) || !model_wants(inspection, name) ||
	    model_is_broken(inspection))
		return;
	if (!model_has(inspection, name, &size))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = name }, "is missing: %s names it",
		                  manifest);
	else if (bytes != 0 && size != bytes && inspection->model->level >= LEVEL_SIZE)
		inspection_report(inspection, FINDING_FILE_SIZE, (struct report_at){ .path = name },
		                  "has %llu bytes, and %s states %llu", (unsigned long long)size,
		                  manifest, (unsigned long long)bytes);
}

struct names {
	struct inspection *inspection;
	const char *manifest, *key; /* of strings that are files; NULL: of all */
	unsigned level; /* of that key, or of the map whose values are files */
	const char *map; /* key of the map at level 0; NULL: none */
	char name[MAX_NAME_BYTES]; /* MLC: of the record at hand */
	uint64_t bytes;
};

static void require(const struct names *names, const struct json_value *value)
{
	char name[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(name);

	text_add_bytes(&text, value->text, value->length);
	if (!text.cut)
		family_require_file(names->inspection, names->manifest, name, 0);
}

/* {"records": [{"dataPath": "params_shard_0.bin", "nbytes": 123, "records": [...]}]} (TVM, tensor_cache_support.cc) */
static bool visit_records(void *context, const struct json_value *value)
{
	struct names *names = context;
	struct text text;

	if (value->depth == 2 && value->kind == JSON_OBJECT) {
		names->name[0] = '\0';
		names->bytes = 0;
	} else if (value->depth == 3 && value->kind == JSON_STRING &&
	           json_key_is(value, 2, "dataPath")) {
		text = TEXT_OVER(names->name);
		text_add_bytes(&text, value->text, value->length);
	} else if (value->depth == 3 && value->kind == JSON_NUMBER &&
	           json_key_is(value, 2, "nbytes")) {
		(void)scan_u64(value->text, value->length, &names->bytes);
	} else if (value->depth == 2 && value->kind == JSON_OBJECT_END && names->name[0] != '\0') {
		family_require_file(names->inspection, names->manifest, names->name, names->bytes);
	}
	return true;
}

/* {"weight_map": {"/layers/dense/vars": ["model_00000.weights.h5"]}} of Keras: names, or lists of names. */
static bool visit_map(void *context, const struct json_value *value)
{
	const struct names *names = context;

	if (value->kind == JSON_STRING && (value->depth == 2 || value->depth == 3) &&
	    json_key_is(value, 0, names->map))
		require(names, value);
	return true;
}

/* {"model": {"decoder": {"filename": "model.onnx"}}}: the key, wherever it stands; or, at the top, one key alone. */
static bool visit_keys(void *context, const struct json_value *value)
{
	const struct names *names = context;

	if (value->kind == JSON_STRING && value->depth > 0 && value->depth <= names->level &&
	    json_key_is(value, value->depth - 1, names->key))
		require(names, value);
	return true;
}

static void read_names(struct names *names, json_visit *visit)
{
	CLEANUP(cleanup_fd) int fd = model_open(names->inspection, names->manifest, NULL);
	int error;

	if (fd >= 0)
		(void)json_read(fd, MAX_INDEX_BYTES, visit, names, &error);
}

void mlc_check(struct inspection *inspection)
{
	static const char *const manifests[] = { "ndarray-cache.json", "tensor-cache.json" };

	for (size_t i = 0; i < LENGTH_OF(manifests); i++) {
		struct names names = { .inspection = inspection, .manifest = manifests[i] };

		read_names(&names, visit_records);
	}
}

void genai_check(struct inspection *inspection)
{
	struct names names = { .inspection = inspection,
		               .manifest = "genai_config.json",
		               .key = "filename",
		               .level = 6 };

	read_names(&names, visit_keys);
}

void keras_check(struct inspection *inspection)
{
	struct names names = { .inspection = inspection,
		               .manifest = "model.weights.json",
		               .map = "weight_map" };

	read_names(&names, visit_map);
}

void mnn_check(struct inspection *inspection)
{
	static const char *const keys[] = { "llm_model", "llm_weight" };

	for (size_t i = 0; i < LENGTH_OF(keys); i++) {
		struct names names = { .inspection = inspection,
			               .manifest = "config.json",
			               .key = keys[i],
			               .level = 1 };

		read_names(&names, visit_keys);
	}
}

/* variables.index says which tensors lie where in variables.data-00000-of-00001 (BundleReader). */
void tensorflow_check(struct inspection *inspection)
{
	if (model_has(inspection, "variables/variables.index", NULL) &&
	    !family_directory_has_name(inspection, "variables", "variables.data-"))
		family_require_file(inspection, "variables/variables.index",
		                    "variables/variables.data-00000-of-00001", 0);
}

/* The graph without which its weights are of no use; where others stand beside them, its loader is not meant. */
void openvino_check(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	size_t openvino = (size_t)(format_find("openvino", 8) - formats);

	if (model_has(inspection, "openvino_model.bin", NULL) &&
	    view->of_format[openvino].files == view->weight_files)
		family_require_file(inspection, "openvino_model.bin", "openvino_model.xml", 0);
}
