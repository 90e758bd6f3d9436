/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core ML: NAME.mlpackage/Manifest.json is {"itemInfoEntries": {"ID": {"path": "com.apple.CoreML/model.mlmodel"}}}, and
 * each path lies beneath NAME.mlpackage/Data (coremltools, modelpackage/src/ModelPackage.cpp: "Item does not exist").
 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "families/families.h"
#include "hub/cache.h"
#include "util.h"

static bool visit(void *context, const struct json_value *value)
{
	struct inspection *inspection = context;
	const char *manifest = inspection->file->path;
	char item[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(item);

	if (value->depth != 3 || value->kind != JSON_STRING ||
	    !json_key_is(value, 0, "itemInfoEntries") || !json_key_is(value, 2, "path"))
		return true;
	text_add_bytes(&text, manifest, strlen(manifest) - strlen(path_name(manifest)));
	text_add(&text, "Data/");
	text_add_bytes(&text, value->text, value->length);
	if (!text.cut && repo_path_is_legal(item, strlen(item)) && model_wants(inspection, item) &&
	    !model_has(inspection, item, NULL) && !model_has_directory(inspection, item))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = item }, "is missing: %s names it",
		                  manifest);
	return true;
}

/* A package of which this is the specification has its list beside Data/. */
static void require_manifest(struct inspection *inspection)
{
	const char *path = inspection->file->path, *data = strstr(path, ".mlpackage/Data/");
	char manifest[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(manifest);

	if (data == NULL || !path_ends(path, ".mlmodel"))
		return;
	text_add_bytes(&text, path, (size_t)(data - path));
	text_add(&text, ".mlpackage/Manifest.json");
	if (!text.cut)
		family_require_beside(inspection, manifest, path, "is of a package");
}

void check_file_coreml(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	int error;

	if (file->fd >= 0 && path_ends(file->path, ".mlpackage/Manifest.json"))
		(void)json_read(file->fd, MAX_CONFIG_BYTES, visit, inspection, &error);
	require_manifest(inspection);
}
