/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of weights: what the policy allows, and pickle, which executes code when it is loaded. */
#include <string.h>

#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "formats/formats.h"
#include "util.h"

static bool allows(const struct list *allowed, const char *format)
{
	for (size_t i = 0; i < allowed->count; i++)
		if (strcmp(allowed->items[i], format) == 0)
			return true;
	return false;
}

static void check_allowed(struct inspection *inspection, const struct model *model)
{
	for (size_t i = 0; i < format_count; i++) {
		const struct format_files *of = &inspection->model->of_format[i];
		struct report_at at = { .path = of->first[0] == '\0' ? NULL : of->first,
			                .said = MODEL_SAID(model, FORMATS) };

		if (of->files == 0 || allows(&model->formats, formats[i].name))
			continue;
		inspection_report(
		        inspection, FINDING_MODEL_FORMAT, at,
		        "is %s%s (%llu file%s of this kind), but formats = %.128s", formats[i].name,
		        formats[i].executes ? ", which executes code when it is loaded" : "",
		        (unsigned long long)of->files, of->files == 1 ? "" : "s", at.said->text);
	}
}

/* A list of formats is a demand: what cannot be told to be one of them is none. */
static void check_unknown(struct inspection *inspection, const struct model *model)
{
	const struct model_view *view = inspection->model;

	/* External data of ONNX has whatever names its exporter liked; what executes is told by its bytes. */
	if (allows(&model->formats, "onnx") &&
	    view->of_format[format_find("onnx", 4) - formats].files > 0)
		return;
	if (view->unknown_files > 0)
		inspection_report(
		        inspection, FINDING_MODEL_FORMAT,
		        (struct report_at){ .path = view->first_unknown,
		                            .said = MODEL_SAID(model, FORMATS) },
		        "is of no format that aweigh knows (%llu file%s of this kind), but formats = %.128s",
		        (unsigned long long)view->unknown_files,
		        view->unknown_files == 1 ? "" : "s", MODEL_SAID(model, FORMATS)->text);
}

static void check_executing(struct inspection *inspection)
{
	const struct format_files *of_format = inspection->model->of_format;
	bool safetensors = of_format[format_find("safetensors", 11) - formats].files > 0;

	for (size_t i = 0; i < format_count; i++) {
		struct report_at at = { .path = of_format[i].first[0] == '\0' ?
			                                NULL :
			                                of_format[i].first };

		if (of_format[i].files > 0 && formats[i].executes)
			inspection_report(
			        inspection, FINDING_MODEL_PICKLE, at,
			        "executes code when it is loaded (%llu file%s of this kind)%s",
			        (unsigned long long)of_format[i].files,
			        of_format[i].files == 1 ? "" : "s",
			        safetensors ? "; the model has safetensors too" : "");
	}
}

void check_model_format(struct inspection *inspection)
{
	const struct model *model = inspection->model->model;

	if (model->formats.count > 0) {
		check_allowed(inspection, model);
		check_unknown(inspection, model);
	} else {
		check_executing(inspection);
	}
}
