/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cursor.h"

#include <string.h>

#include "base/scan.h"
#include "util.h"

bool cursor_take(struct cursor *cursor, void *out, size_t length)
{
	uint64_t before = cursor->at - cursor->buffer_at;

	if (cursor->at < cursor->buffer_at || before > cursor->buffered ||
	    cursor->buffered - before < length) {
		ssize_t got = pread(cursor->file->fd, cursor->buffer, sizeof(cursor->buffer),
		                    (off_t)cursor->at);

		cursor->buffer_at = cursor->at;
		cursor->buffered = got < 0 ? 0 : (size_t)got;
		before = 0;
	}
	if (cursor->buffered - before < length || cursor->at + length > cursor->file->size)
		return false;
	memcpy(out, cursor->buffer + before, length);
	cursor->at += length;
	return true;
}

bool cursor_take_u32(struct cursor *cursor, uint32_t *out)
{
	unsigned char bytes[4];

	if (!cursor_take(cursor, bytes, sizeof(bytes)))
		return false;
	*out = load_le32(bytes);
	return true;
}

bool cursor_skip(struct cursor *cursor, uint64_t length)
{
	return !__builtin_add_overflow(cursor->at, length, &cursor->at) &&
	       cursor->at <= cursor->file->size;
}
