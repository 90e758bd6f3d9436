/* SPDX-License-Identifier: Apache-2.0 */
/* min_size and max_size: the sum of the model's files, links followed. */
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "util.h"

/* A file that is not what it stands for is why there is less. */
static bool is_told(const struct inspection *inspection)
{
	static const enum finding_id causes[] = { FINDING_FILE_POINTER,    FINDING_FILE_EMPTY,
		                                  FINDING_FILE_TRUNCATED,  FINDING_FILE_SIZE,
		                                  FINDING_FILE_ERROR_PAGE, FINDING_MODEL_SHARD,
		                                  FINDING_MODEL_INCOMPLETE };

	for (size_t i = 0; i < LENGTH_OF(causes); i++)
		if (inspection_refuses(inspection, causes[i]))
			return true;
	return false;
}

void check_model_size(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	uint64_t least = view->model->min_size_bytes, most = view->model->max_size_bytes;

	/* What cannot be opened is told already, and was not counted. */
	if (model_is_broken(inspection))
		return;
	if (view->bytes < least && !is_told(inspection)) {
		inspection_report(inspection, FINDING_MODEL_TOO_SMALL,
		                  (struct report_at){ .path = view->place.path,
		                                      .said = MODEL_SAID(view->model, MIN_SIZE) },
		                  "weights too small: %s < %s", size_text(view->bytes).text,
		                  size_text(least).text);
	} else if (view->bytes > most) {
		inspection_report(inspection, FINDING_MODEL_TOO_LARGE,
		                  (struct report_at){ .path = view->place.path,
		                                      .said = MODEL_SAID(view->model, MAX_SIZE) },
		                  "unexpected variant: %s > %s", size_text(view->bytes).text,
		                  size_text(most).text);
	}
}
