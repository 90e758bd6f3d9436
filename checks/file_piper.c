/* SPDX-License-Identifier: Apache-2.0 */
/* Piper: NAME.onnx.json is the settings of a voice, NAME.onnx (piper-tts, voice.py, PiperVoice.load()). */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "checks.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "families/families.h"
#include "util.h"

static bool visit(void *context, const struct json_value *value)
{
	bool *is_voice = context;

	*is_voice |= value->depth == 1 && json_key_is(value, 0, "phoneme_id_map");
	return true;
}

void check_file_piper(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	char voice[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(voice);
	bool is_voice = false;
	int error;

	if (file->fd < 0 || !path_ends(file->path, ".onnx.json"))
		return;
	text_add_bytes(&text, file->path, strlen(file->path) - strlen(".json"));
	if (text.cut || !model_wants(inspection, voice) || model_has(inspection, voice, NULL))
		return;
	(void)json_read(file->fd, MAX_CONFIG_BYTES, visit, &is_voice, &error);
	if (is_voice)
		family_require_beside(inspection, voice, file->path, "has its settings");
}
