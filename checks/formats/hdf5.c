/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HDF5 (Keras' .h5): the superblock at the beginning states where the file ends (HDF5 File Format Specification 3.0,
 * II.A). Versions 0 and 1 have the addresses behind 24 or 28 bytes, 2 and 3 behind 12: base, another, end of file.
 */
#include <string.h>
#include <unistd.h>

#include "base/scan.h"
#include "formats/formats.h"

bool hdf5_begins(const unsigned char *head, size_t length)
{
	return length >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0;
}

bool hdf5_is_behind(const struct examined *file)
{
	bool found = false;
	unsigned char bytes[8];

	for (uint64_t at = 512; !found && at < file->size && at <= INT64_MAX; at *= 2)
		found = pread(file->fd, bytes, sizeof(bytes), (off_t)at) == sizeof(bytes) &&
		        hdf5_begins(bytes, sizeof(bytes));
	return found;
}

void hdf5_examine(const struct examined *file, struct extent *extent)
{
	static const unsigned char starts[] = { 24, 28, 12, 12 };
	const unsigned char *head = file->head;
	uint64_t end;

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	/* With a block of the user's own before it the signature stands elsewhere: nothing is said then. */
	if (file->head_length < 52 || !hdf5_begins(head, file->head_length) || head[8] > 3 ||
	    head[head[8] < 2 ? 13 : 9] != 8)
		return;
	head += starts[head[8]];
	end = load_le64(head + 16);
	if (load_le64(head) == 0 && end > file->size) {
		extent->result = EXTENT_SHORT;
		extent->expected = end;
	}
}
