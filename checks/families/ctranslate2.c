/* SPDX-License-Identifier: Apache-2.0 */
/* CTranslate2: model.bin, and a vocabulary in one of three layouts. */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "util.h"

static bool has_vocabulary(const struct inspection *inspection, const char *name)
{
	static const char *const endings[] = { ".json", ".txt" };

	for (size_t i = 0; i < LENGTH_OF(endings); i++) {
		char file[64];
		struct text text = TEXT_OVER(file);

		text_addf(&text, "%s%s", name, endings[i]);
		if (model_has(inspection, file, NULL) || !model_wants(inspection, file))
			return true;
	}
	return false;
}

/* From version 6 of the binary on, what a model of text does with unknown words is said there alone (model.cc). */
static bool demands_configuration(const struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "model.bin", NULL);
	unsigned char head[64];
	ssize_t got = fd < 0 ? 0 : pread(fd, head, sizeof(head), 0);

	return got == (ssize_t)sizeof(head) && load_le32(head) >= 6 &&
	       memmem(head, sizeof(head), "Whisper", 7) == NULL &&
	       memmem(head, sizeof(head), "Wav2Vec2", 8) == NULL;
}

void ctranslate2_check(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	bool source = has_vocabulary(inspection, "source_vocabulary") ||
	              has_vocabulary(inspection, "source_1_vocabulary"),
	     second = has_vocabulary(inspection, "source_2_vocabulary"),
	     target = has_vocabulary(inspection, "target_vocabulary");
	const char *missing = source ? "target_vocabulary.json" :
	                      second ? "source_1_vocabulary.json" :
	                      target ? "source_vocabulary.json" :
	                               "vocabulary.json";

	if (view->of_format[format_find("ctranslate2", 11) - formats].files == 0 ||
	    model_is_broken(inspection))
		return;
	if (demands_configuration(inspection))
		family_require_beside(inspection, "config.json", "model.bin",
		                      "has its special words there");
	if ((source && target) || has_vocabulary(inspection, "vocabulary") ||
	    has_vocabulary(inspection, "shared_vocabulary"))
		return;
	inspection_report(
	        inspection, FINDING_MODEL_PART, (struct report_at){ .path = missing },
	        "is missing, and so are vocabulary.txt, shared_vocabulary.json and shared_vocabulary.txt: one of them has its words");
}
