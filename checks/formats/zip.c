/* SPDX-License-Identifier: Apache-2.0 */
/* A zip archive ends with its directory's record (APPNOTE.TXT 4.3.16): the cheapest proof that the end is there. */
#include <string.h>

#include "base/scan.h"
#include "formats/formats.h"
#include "util.h"

#define END_RECORD_REACH 65557u /* 22 bytes and a comment of up to 65,535 */

/* The record that ends the file, its comment and its directory where they must be; a stored archive has one of its own. */
static bool ends_archive(const unsigned char *tail, size_t length, uint64_t size)
{
	for (size_t at = length < 22 ? 0 : length - 21; at-- > 0;) {
		const unsigned char *record = tail + at;
		uint64_t start = size - length + at, bytes, offset;

		if (memcmp(record, "PK\5\6", 4) != 0 ||
		    at + 22 + (record[20] | (size_t)record[21] << 8) != length)
			continue;
		bytes = load_le32(record + 12);
		offset = load_le32(record + 16);
		/* All ones: the true numbers are in a record of zip64 before it, whose locator torch writes in any case. */
		if (bytes == 0 || bytes == UINT32_MAX || offset == UINT32_MAX ||
		    offset + bytes == start || (at >= 20 && memcmp(record - 20, "PK\6\7", 4) == 0))
			return true;
	}
	return false;
}

void zip_examine(const struct examined *file, struct extent *extent)
{
	uint64_t back = file->size < END_RECORD_REACH ? file->size : END_RECORD_REACH;
	CLEANUP(cleanup_free) unsigned char *tail = malloc(back);
	ssize_t got = tail == NULL ? -1 : pread(file->fd, tail, back, (off_t)(file->size - back));

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	if (got < 0) {
		extent->result = EXTENT_UNREADABLE;
		extent->error = errno;
	} else if (!ends_archive(tail, (size_t)got, file->size)) {
		extent->result = EXTENT_SHORT;
		extent->words = "is a zip archive without its end: it is cut short";
	}
}
