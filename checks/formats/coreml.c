/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core ML: the specification, .mlmodel, is one message of protobuf's; its tensors lie in weights/weight.bin of the package,
 * little-endian (coremltools, mlmodel/src/MILBlob/Blob/StorageFormat.hpp): 64 bytes with u32 count and u32 version 2,
 * then, each at a multiple of 64, a record of 64 bytes, u32 0xdeadbeef, u32 type, u64 bytes, u64 offset, and its bytes.
 */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "bounds.h"
#include "formats/formats.h"
#include "util.h"

#define RECORD_BYTES 64u

bool coreml_is_weights(const char *path)
{
	return path_ends(path, "/weights/weight.bin") && strstr(path, ".mlpackage/Data/") != NULL;
}

/* What the last of the records reaches to; 0: they are none of these. */
static uint64_t records_end(const struct examined *file, uint32_t count)
{
	uint64_t at = RECORD_BYTES, end = RECORD_BYTES;

	for (uint32_t i = 0; i < count && i < MAX_TENSORS; i++) {
		unsigned char record[RECORD_BYTES];

		if (pread(file->fd, record, sizeof(record), (off_t)at) != (ssize_t)sizeof(record))
			return at + RECORD_BYTES;
		if (load_le32(record) != 0xdeadbeefu ||
		    __builtin_add_overflow(load_le64(record + 8), load_le64(record + 16), &end))
			return 0;
		if (end > file->size || end < at)
			return end;
		at = (end + RECORD_BYTES - 1) / RECORD_BYTES * RECORD_BYTES;
	}
	return end;
}

void coreml_examine(const struct examined *file, struct extent *extent)
{
	uint64_t end;

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	if (!coreml_is_weights(file->path)) {
		if (file->head_length > 0 && file->head[0] == 0x08) /* specificationVersion */
			protobuf_examine(file, extent);
		return;
	}
	if (file->head_length < RECORD_BYTES || load_le32(file->head + 4) != 2)
		return;
	end = records_end(file, load_le32(file->head));
	if (end > file->size) {
		extent->result = EXTENT_SHORT;
		extent->expected = end;
	}
}
