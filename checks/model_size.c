/* SPDX-License-Identifier: Apache-2.0 */
/* min_size and max_size: the sum of the model's files, links followed. */
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "util.h"

void check_model_size(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	uint64_t least = view->model->min_size_bytes, most = view->model->max_size_bytes;

	if (view->broken_files > 0) /* what cannot be opened is told already, and was not counted */
		return;
	if (view->bytes < least) {
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
