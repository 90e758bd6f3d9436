/* SPDX-License-Identifier: Apache-2.0 */
/* A zip archive ends with its directory's record (APPNOTE.TXT 4.3.16): the cheapest proof that the end is there. */
#include <string.h>

#include "formats/formats.h"
#include "util.h"

#define END_RECORD_REACH 65557u /* 22 bytes and a comment of up to 65,535 */

void zip_examine(const struct examined *file, struct extent *extent)
{
	uint64_t back = file->size < END_RECORD_REACH ? file->size : END_RECORD_REACH;
	CLEANUP(cleanup_free) unsigned char *tail = malloc(back);
	ssize_t got = tail == NULL ? -1 : pread(file->fd, tail, back, (off_t)(file->size - back));

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	if (got < 0) {
		extent->result = EXTENT_UNREADABLE;
		extent->error = errno;
	} else if (memmem(tail, (size_t)got, "PK\5\6", 4) == NULL) {
		extent->result = EXTENT_SHORT;
		extent->words = "is a zip archive without its end: it is cut short";
	}
}
