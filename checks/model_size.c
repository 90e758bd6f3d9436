/* SPDX-License-Identifier: Apache-2.0 */
/* min_size and max_size: the sum of the model's files, links followed. */
#include "engine/inspection.h"
#include "base/text.h"
#include "util.h"

enum { SMALL, LARGE };
static const struct finding_kind kinds[] = {
	[SMALL] = { "model.too-small", SEVERITY_ERROR, STATUS_DATA,
	            "the model's files are smaller together than the policy's min_size: weights are missing",
	            "fetch the model anew" },
	[LARGE] = { "model.too-large", SEVERITY_ERROR, STATUS_DATA,
	            "the model's files are larger together than the policy's max_size: another variant lies there",
	            "fetch the variant that the policy means" },
};

static void check(struct look *look)
{
	const struct model_view *view = look->model;
	const struct setting *least = &MODEL_SET(view->model, MIN_SIZE),
	                     *most = &MODEL_SET(view->model, MAX_SIZE);
	char have[32], want[32];
	struct text text = TEXT_OVER(have), limit = TEXT_OVER(want);

	text_add_size(&text, view->bytes);
	if (least->text != NULL && view->bytes < least->number) {
		text_add_size(&limit, least->number);
		look_report(look, &kinds[SMALL],
		            (struct report_at){ .path = view->path, .setting = least },
		            "weights too small: %s < %s", have, want);
	} else if (most->text != NULL && view->bytes > most->number) {
		text_add_size(&limit, most->number);
		look_report(look, &kinds[LARGE],
		            (struct report_at){ .path = view->path, .setting = most },
		            "unexpected variant: %s > %s", have, want);
	}
}

const struct check check_model_size = { "model_size", SCOPE_MODEL,      LEVEL_PRESENCE,
	                                kinds,        LENGTH_OF(kinds), check };
