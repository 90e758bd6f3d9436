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

void family_require_beside(struct inspection *inspection, const char *name, const char *beside,
                           const char *why)
{
	if (!model_wants(inspection, name) || model_is_broken(inspection) ||
	    model_has(inspection, name, NULL))
		return;
	inspection_report(inspection, FINDING_MODEL_PART, (struct report_at){ .path = name },
	                  "is missing: %.256s %s", beside, why);
}

struct names {
	struct inspection *inspection;
	const char *manifest, *key; /* of strings that are files; NULL: of all */
	unsigned level; /* of that key, or of the map whose values are files */
	const char *map; /* key of the map at level 0; NULL: none */
	char name
	        [MAX_NAME_BYTES]; /* MLC: of the record at hand; Keras: the last one that was asked for */
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
	struct names *names = context;
	struct text text = TEXT_OVER(names->name);

	if (value->kind != JSON_STRING || (value->depth != 2 && value->depth != 3) ||
	    !json_key_is(value, 0, names->map) ||
	    (strlen(names->name) == value->length &&
	     memcmp(names->name, value->text, value->length) == 0))
		return true;
	require(names, value);
	text_add_bytes(&text, value->text,
	               value->length); /* most layers are where the one before is */
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
	family_report_no_weights(inspection, "MLC's settings");
}

void open_clip_check(struct inspection *inspection)
{
	family_report_no_weights(inspection, "open_clip_config.json");
}

void paddle_check(struct inspection *inspection)
{
	family_report_no_weights(inspection, "Paddle's settings");
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

static bool is_array(const struct inspection *inspection, const char *name)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, name, NULL);
	unsigned char head[6];
	ssize_t got = fd < 0 ? 0 : pread(fd, head, sizeof(head), 0);

	return got > 0 && npy_begins(head, (size_t)got);
}

/* bm25s' BM25.save() writes all of them, and load() opens all of them; the name of its parameters can be chosen. */
void bm25s_check(struct inspection *inspection)
{
	static const char *const parts[] = { "data.csc.index.npy", "indices.csc.index.npy",
		                             "indptr.csc.index.npy" };
	const char *there = NULL;

	for (size_t i = 0; i < LENGTH_OF(parts) && there == NULL; i++)
		there = is_array(inspection, parts[i]) ? parts[i] : NULL;
	for (size_t i = 0; there != NULL && i < LENGTH_OF(parts); i++)
		family_require_beside(inspection, parts[i], there, "is loaded with it");
}

/*
 * A meta.json of spaCy's: spacy.load() of 3.0 and newer reads the configuration beside it first (E053). That of an
 * installed package has it in a directory beneath.
 */
void spacy_check(struct inspection *inspection)
{
	char version[64];
	const char *major;

	if (!family_json_string(inspection, "meta.json", "spacy_version", version, sizeof(version)))
		return;
	major = version + strcspn(version, "0123456789");
	if (major[0] >= '3' && !model_has(inspection, "__init__.py", NULL))
		family_require_beside(inspection, "config.cfg", "meta.json",
		                      "is spaCy's, which reads it first");
}

static const char no_graph[] = "has tensors of a graph, and no graph";

void openvino_check(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	size_t openvino = (size_t)(format_find("openvino", 8) - formats);

	if (model_has(inspection, "openvino_model.bin", NULL) &&
	    view->of_format[openvino].files == view->weight_files)
		family_require_beside(inspection, "openvino_model.xml", "openvino_model.bin",
		                      no_graph);
}

void onnx_check(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	size_t onnx = (size_t)(format_find("onnx", 4) - formats);
	size_t data = (size_t)(format_by_name("model.onnx_data") - formats);
	char graph[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(graph);

	if (view->of_format[onnx].files > 0 || view->of_format[data].files == 0 ||
	    view->of_format[data].files != view->weight_files)
		return;
	text_add_bytes(&text, view->of_format[data].first,
	               strlen(view->of_format[data].first) - strlen("_data"));
	family_require_beside(inspection, graph, view->of_format[data].first, no_graph);
}
