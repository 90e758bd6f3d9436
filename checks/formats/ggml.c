/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whisper.cpp's ggml file, little-endian (whisper.cpp, whisper_model_load()): the magic, eleven u32, the mel filters as two u32
 * and their floats, u32 count of words, each u32 bytes and them; then tensors to the end, each u32 dimensions, u32 bytes
 * of its name and u32 type, u32 a dimension, the name, the data.
 */
#include <string.h>

#include "base/scan.h"
#include "bounds.h"
#include "formats/cursor.h"
#include "formats/gguf.h"
#include "util.h"

#define MAX_DIMENSIONS 4u
#define FILTER_LENGTH 201u /* 1 + n_fft / 2, whisper.h: WHISPER_N_FFT 400 */

static bool take(struct cursor *cursor, uint32_t *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!cursor_take_u32(cursor, &out[i]))
			return false;
	return true;
}

/* false: the file ends within it, or `unknown` says that its size cannot be told. */
static bool skip_tensor(struct cursor *cursor, bool *unknown)
{
	uint32_t head[3], dimensions[MAX_DIMENSIONS];
	uint64_t elements = 1, bytes;

	if (!take(cursor, head, 3))
		return false;
	*unknown = head[0] > MAX_DIMENSIONS;
	if (*unknown || !take(cursor, dimensions, head[0]) || !cursor_skip(cursor, head[1]))
		return false;
	for (uint32_t i = 0; i < head[0] && !*unknown; i++)
		*unknown = __builtin_mul_overflow(elements, dimensions[i], &elements);
	*unknown = *unknown || !ggml_bytes(head[2], elements, &bytes);
	return !*unknown && cursor_skip(cursor, bytes);
}

bool ggml_begins(const unsigned char *head, size_t length)
{
	return length > 4 && memcmp(head, "lmgg", 4) == 0;
}

void ggml_examine(const struct examined *file, struct extent *extent)
{
	struct cursor cursor = { .file = file, .at = 4 };
	uint32_t settings[11], filters[2], words = 0, length;
	bool unknown = false, well;

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	/* Others have this magic, too: whisper's settings say how many filters there are, each of 201. */
	if (!take(&cursor, settings, 11) || !take(&cursor, filters, 2) ||
	    settings[9] != filters[0] || filters[1] != FILTER_LENGTH)
		return;
	well = cursor_skip(&cursor, 4ull * filters[0] * filters[1]) && take(&cursor, &words, 1);
	for (uint32_t i = 0; well && i < words && i < MAX_TENSORS; i++)
		well = take(&cursor, &length, 1) && cursor_skip(&cursor, length);
	for (size_t i = 0; well && cursor.at < file->size && i < MAX_TENSORS; i++)
		well = skip_tensor(&cursor, &unknown);
	if (unknown) {
		extent->result = EXTENT_UNKNOWN;
		extent->words = gguf_words(GGUF_UNKNOWN_TYPE);
	} else if (!well) {
		extent->result = EXTENT_SHORT;
		extent->words = "ends inside its data: it is cut short";
	}
}
