/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CTranslate2's model.bin, little-endian (CTranslate2 src/models/model.cc, save_model of python
 * converters): u32 version; name of the specification and u32 revision; u32 count of variables, each a name,
 * u8 rank, u32 per dimension, u8 type, u32 bytes, the bytes; then u32 count of aliases, each two names. A name
 * is u16 length, terminator included, and its bytes.
 */
#include <string.h>

#include "base/scan.h"
#include "bounds.h"
#include "formats/cursor.h"
#include "util.h"

#define NEWEST_VERSION 6u /* of this layout; another is not examined */

static bool skip_name(struct cursor *cursor)
{
	unsigned char bytes[2];

	return cursor_take(cursor, bytes, sizeof(bytes)) &&
	       cursor_skip(cursor, (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8);
}

static bool skip_variable(struct cursor *cursor)
{
	unsigned char rank, type;
	uint32_t bytes;

	return skip_name(cursor) && cursor_take(cursor, &rank, 1) &&
	       cursor_skip(cursor, 4ull * rank) && cursor_take(cursor, &type, 1) &&
	       cursor_take_u32(cursor, &bytes) && cursor_skip(cursor, bytes);
}

/* Version, a name of letters with its terminator, and a revision below 100. */
bool ctranslate2_begins(const unsigned char *head, size_t length)
{
	size_t name = length < 8 ? 0 : (size_t)(head[4] | head[5] << 8);

	if (name < 5 || name > 64 || length < 6 + name + 8 || load_le32(head) < 4 ||
	    load_le32(head) > NEWEST_VERSION || head[6 + name - 1] != '\0')
		return false;
	for (size_t i = 0; i + 1 < name; i++)
		if (!scan_is_name((char)head[6 + i]))
			return false;
	return load_le32(head + 6 + name) < 100;
}

void ctranslate2_examine(const struct examined *file, struct extent *extent)
{
	struct cursor cursor = { .file = file };
	uint32_t version, revision, variables = 0, aliases = 0;
	bool well = cursor_take_u32(&cursor, &version) && skip_name(&cursor) &&
	            cursor_take_u32(&cursor, &revision) && cursor_take_u32(&cursor, &variables);

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	if (well && variables > MAX_TENSORS) {
		extent->result = EXTENT_BROKEN;
		extent->words = "names more variables than any CTranslate2 model has";
		return;
	}
	for (uint32_t i = 0; well && i < variables; i++)
		well = skip_variable(&cursor);
	well = well && cursor_take_u32(&cursor, &aliases);
	for (uint32_t i = 0; well && i < aliases && i < MAX_TENSORS; i++)
		well = skip_name(&cursor) && skip_name(&cursor);
	if (!well) {
		extent->result = EXTENT_SHORT;
		extent->words = "ends inside its data: it is cut short";
	} else if (cursor.at != file->size) {
		extent->result = EXTENT_LONG;
		extent->expected = cursor.at;
	}
}
