/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a pickle begins: by protocol 2 to 5 (PROTO, pickletools.py), by an opcode of protocol 0 or 1, or inside an archive or
 * a compression that torch.load(), joblib and pickle's users take. Nothing in it says where it ends without running it.
 */
#include <string.h>

#include "formats/formats.h"
#include "util.h"

static bool begins(const struct examined *file, size_t at, const char *with, size_t length)
{
	return file->head_length >= at + length && memcmp(file->head + at, with, length) == 0;
}

void pickle_examine(const struct examined *file, struct extent *extent)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t length;
	} known[] = {
		{ 0, "PK", 2 },
		{ 257, "ustar", 5 },
		{ 0, "\x1f\x8b", 2 },
		{ 0, "BZh", 3 },
		{ 0,
		  "\xfd"
		  "7zXZ",
		  5 },
		{ 0, "\x04\"M\x18", 4 },
		{ 0, "x", 1 },
	};
	/* MARK, EMPTY_*, and what puts a first object on the stack; lzma and zstd begin with a bracket, too. */
	static const char opcodes[] = "(])}clINFSVKMJLXUTGi";
	bool is = file->head_length > 0 && strchr(opcodes, file->head[0]) != NULL &&
	          file->head[0] != '\0';

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	is = is || (file->head_length > 1 && file->head[0] == 0x80 && file->head[1] >= 2 &&
	            file->head[1] <= 5);
	for (size_t i = 0; i < LENGTH_OF(known) && !is; i++)
		is = begins(file, known[i].at, known[i].bytes, known[i].length);
	if (!is) {
		extent->result = EXTENT_BROKEN;
		extent->words = "does not begin like a pickle, nor like an archive of one";
	}
}
