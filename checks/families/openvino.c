/* SPDX-License-Identifier: Apache-2.0 */
/* OpenVINO: NAME.xml is the graph, NAME.bin beside it has the weights. */
#include <string.h>

#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "util.h"

void openvino_check(struct inspection *inspection)
{
	static const char *const pairs[][2] = {
		{ "openvino_model.xml", "openvino_model.bin" },
		{ "openvino_encoder_model.xml", "openvino_encoder_model.bin" },
		{ "openvino_decoder_model.xml", "openvino_decoder_model.bin" },
	};

	for (size_t i = 0; i < LENGTH_OF(pairs); i++)
		if (model_has(inspection, pairs[i][0], NULL) &&
		    model_wants(inspection, pairs[i][1]) &&
		    !model_has(inspection, pairs[i][1], NULL))
			inspection_report(inspection, FINDING_MODEL_PART,
			                  (struct report_at){ .path = pairs[i][1] },
			                  "is missing: %s has its weights there", pairs[i][0]);
}
