/* SPDX-License-Identifier: Apache-2.0 */
/* What a model of its family needs; a model of no family is judged by what it states of itself. */
#include <string.h>

#include "base/dir.h"
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "families/families.h"
#include "util.h"

/* Names that mostly the transformers family uses, whose loader begins with config.json: a guess. */
static void check_headless(struct inspection *inspection)
{
	static const char *const names[] = { "model.safetensors", "model.safetensors.index.json",
		                             "pytorch_model.bin", "pytorch_model.bin.index.json",
		                             "tokenizer.json",    "tokenizer_config.json" };
	const struct model_view *view = inspection->model;

	if (view->model->require.count > 0 || view->manifest_complete ||
	    model_is_broken(inspection) || !model_wants(inspection, "config.json"))
		return;
	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if (model_has(inspection, names[i], NULL)) {
			inspection_report(inspection, FINDING_MODEL_NO_CONFIG,
			                  (struct report_at){ .path = view->place.path },
			                  "has %s, but no config.json", names[i]);
			return;
		}
}

/* All that lies at the top is one directory with a model in it: the path is the folder above its own. */
static void check_above(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	CLEANUP(dir_close) struct dir top = { 0 };
	char config[MAX_PATH_BYTES], below[MAX_NAME_BYTES] = "", fix[MAX_PATH_BYTES + 16];
	struct text name = TEXT_OVER(below), how = TEXT_OVER(fix);
	const struct dirent *entry;

	if (view->model->path == NULL || view->model->files.count > 0 ||
	    view->model->require.count > 0 || view->weight_files == 0)
		return;
	top = dir_open(view->place.dir_fd, ".", MAX_DIRECTORY_ENTRIES);
	while ((entry = dir_next(&top)) != NULL) {
		if (entry->d_name[0] == '.' || format_is_paper(entry->d_name))
			continue;
		if (name.length > 0 || !model_has_directory(inspection, entry->d_name))
			return;
		text_add(&name, entry->d_name);
	}
	if (!path_join(config, sizeof(config), below, "config.json") ||
	    !model_has(inspection, config, NULL) ||
	    !family_directory_has_weights(inspection, below))
		return;
	text_addf(&how, "path = %s/%s", view->place.path, below);
	inspection_report(inspection, FINDING_MODEL_NO_CONFIG,
	                  (struct report_at){ .path = view->place.path, .fix = fix },
	                  "has the model in its directory %s", below);
}

/* The path is one file: what lies beside it is none of the model's. */
static void check_single(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;

	if (view->weight_files > 0)
		return;
	if (view->paper_files + view->python_files > 0 || strcmp(view->only, "config.json") == 0)
		inspection_report(
		        inspection, FINDING_MODEL_NO_WEIGHTS,
		        (struct report_at){ .path = view->only,
		                            .fix = "let path name the model's directory" },
		        "is not a model");
}

void check_model_kind(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	bool told = false;

	if (view->only != NULL) {
		check_single(inspection);
		return;
	}
	for (size_t i = 0; i < family_count; i++) {
		if (!family_is(inspection, &families[i]))
			continue;
		families[i].check(inspection);
		told = true;
	}
	if (told)
		return;
	if (view->files > 0 && view->paper_files == view->files && view->model->files.count == 0 &&
	    !model_is_broken(inspection)) {
		inspection_report(inspection, FINDING_MODEL_NO_WEIGHTS,
		                  (struct report_at){ .path = view->place.path },
		                  "holds nothing that a loader reads");
		return;
	}
	check_above(inspection);
	check_headless(inspection);
}
