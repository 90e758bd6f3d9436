/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of weights: what the policy allows, and pickle, which executes code when it is loaded. */
#include <string.h>

#include "engine/inspection.h"
#include "base/scan.h"
#include "util.h"

enum { FORMAT, PICKLE };
static const struct finding_kind kinds[] = {
	[FORMAT] = { "model.format", SEVERITY_ERROR, STATUS_DATA,
	             "weights have a format that the policy's formats do not allow",
	             "take the file away, or fetch the model in an allowed format" },
	[PICKLE] = { "model.pickle", SEVERITY_WARNING, STATUS_DATA,
	             "the model has pickle files, which execute code when they are loaded",
	             "use safetensors, and say so: formats = safetensors" },
};

static bool allows(const char *formats, const char *format)
{
	const char *at = NULL, *element;
	size_t length;

	while ((element = list_next(formats, ',', &at, &length)) != NULL)
		if (text_equals_any_case(element, length, format))
			return true;
	return false;
}

static void check(struct look *look)
{
	const struct model_view *view = look->model;
	const struct setting *formats = &MODEL_SET(view->model, FORMATS);

	if (formats->text != NULL) {
		struct report_at at = { .path = view->first_pickle[0] != '\0' ? view->first_pickle :
			                                                        NULL,
			                .setting = formats };

		if (view->pickle_files > 0 && !allows(formats->text, "pickle"))
			look_report(
			        look, &kinds[FORMAT], at,
			        "is pickle, which executes code when it is loaded (%llu such files)",
			        (unsigned long long)view->pickle_files);
		at.path = NULL;
		if (view->safetensors_files > 0 && !allows(formats->text, "safetensors"))
			look_report(look, &kinds[FORMAT], at,
			            "%llu safetensors files, but formats = %.128s",
			            (unsigned long long)view->safetensors_files, formats->text);
		if (view->gguf_files > 0 && !allows(formats->text, "gguf"))
			look_report(look, &kinds[FORMAT], at,
			            "%llu GGUF files, but formats = %.128s",
			            (unsigned long long)view->gguf_files, formats->text);
		if (view->onnx_files > 0 && !allows(formats->text, "onnx"))
			look_report(look, &kinds[FORMAT], at,
			            "%llu ONNX files, but formats = %.128s",
			            (unsigned long long)view->onnx_files, formats->text);
		return;
	}
	if (view->pickle_files > 0)
		look_report(look, &kinds[PICKLE],
		            (struct report_at){ .path = view->first_pickle[0] != '\0' ?
		                                                view->first_pickle :
		                                                NULL },
		            "executes code when it is loaded (%llu such files)%s",
		            (unsigned long long)view->pickle_files,
		            view->safetensors_files > 0 ? "; the model has safetensors too" : "");
}

const struct check check_model_format = { "model_format", SCOPE_MODEL,      LEVEL_PRESENCE,
	                                  kinds,          LENGTH_OF(kinds), check };
