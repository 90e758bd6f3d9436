/* SPDX-License-Identifier: Apache-2.0 */
/* What a model of its family needs; a model of no family is judged by what it states of itself. */
#include <string.h>

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
	if (!told && view->files > 0 && view->paper_files == view->files &&
	    view->model->files.count == 0 && !model_is_broken(inspection))
		inspection_report(inspection, FINDING_MODEL_NO_WEIGHTS,
		                  (struct report_at){ .path = view->place.path },
		                  "holds nothing that a loader reads");
	else if (!told)
		check_headless(inspection);
}
