/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zip archive ends with its directory's record (APPNOTE.TXT 4.3.16): the cheapest proof that the end is there, and
 * the way to the names that its readers go by.
 */
#include <string.h>

#include "base/scan.h"
#include "bounds.h"
#include "formats/formats.h"
#include "util.h"

#define END_RECORD_REACH 65557u /* 22 bytes and a comment of up to 65,535 */

/* Where the archive's directory lies, in the file. */
struct directory {
	uint64_t offset, bytes;
};

/*
 * Whether the directory of an end record lies right before it, or before the record that a locator in between points to (4.3.14,
 * 4.3.15): for what does not fit into 32 bits. torch writes a locator in any case, and the true numbers may be there alone.
 */
static bool is_in_place(int fd, const unsigned char *record, bool large, uint64_t start,
                        struct directory *out)
{
	unsigned char wide[56];

	*out = (struct directory){ load_le32(record + 16), load_le32(record + 12) };
	if (large) {
		start = load_le64(record - 12);
		if (pread(fd, wide, sizeof(wide), (off_t)start) != (ssize_t)sizeof(wide) ||
		    memcmp(wide, "PK\6\6", 4) != 0)
			return false;
		if (out->offset + out->bytes != start)
			*out = (struct directory){ load_le64(wide + 48), load_le64(wide + 40) };
	}
	/* Where nothing is in it, nothing says where it is. */
	return out->offset + out->bytes == start || (!large && out->offset + out->bytes == 0);
}

/*
 * The record that ends the file or has its comment behind it, and its directory where it must be: a stored archive has
 * one of its own. Readers pass over what lies behind the record (zipfile's _EndRecData(), miniz): there it is not empty.
 */
static bool find_directory(int fd, const unsigned char *tail, size_t length, uint64_t size,
                           struct directory *out)
{
	for (size_t at = length < 22 ? 0 : length - 21; at-- > 0;) {
		const unsigned char *record = tail + at;
		uint64_t start = size - length + at;
		size_t end = at + 22 + (record[20] | (size_t)record[21] << 8);
		bool large = at >= 20 && memcmp(record - 20, "PK\6\7", 4) == 0;

		if (memcmp(record, "PK\5\6", 4) == 0 && end <= length &&
		    is_in_place(fd, record, large, start, out) && (end == length || out->bytes > 0))
			return true;
	}
	return false;
}

/* The end of the file, as far back as a comment may push the record; to be freed. NULL: errno says why. */
static unsigned char *read_tail(int fd, uint64_t size, size_t *length)
{
	uint64_t back = size < END_RECORD_REACH ? size : END_RECORD_REACH;
	unsigned char *tail = malloc(back + 1);
	ssize_t got = tail == NULL ? -1 : pread(fd, tail, back, (off_t)(size - back));

	*length = got < 0 ? 0 : (size_t)got;
	if (got >= 0)
		return tail;
	free(tail);
	return NULL;
}

/* Entries of the directory (4.3.12) by the end of their names; `all` of them, or any. */
static bool entries_end(const unsigned char *entry, size_t left, const char *ending, bool all)
{
	size_t count = 0, more, length = strlen(ending);

	for (; left >= 46 && memcmp(entry, "PK\1\2", 4) == 0; count++) {
		size_t name = (size_t)(entry[28] | entry[29] << 8);
		bool ends = false;

		more = name + (size_t)(entry[30] | entry[31] << 8) +
		       (size_t)(entry[32] | entry[33] << 8);
		if (more > left - 46)
			return false;
		ends = name >= length && memcmp(entry + 46 + name - length, ending, length) == 0;
		if (ends != all)
			return ends;
		entry += 46 + more;
		left -= 46 + more;
	}
	return all && count > 0 && left == 0;
}

static bool directory_ends(int fd, uint64_t size, const char *ending, bool all)
{
	size_t length;
	CLEANUP(cleanup_free) unsigned char *tail = read_tail(fd, size, &length);
	CLEANUP(cleanup_free) unsigned char *entries = NULL;
	struct directory directory;

	if (tail == NULL || !find_directory(fd, tail, length, size, &directory) ||
	    directory.bytes > MAX_ZIP_DIRECTORY_BYTES || directory.offset > size)
		return false;
	entries = malloc(directory.bytes + 1);
	return entries != NULL &&
	       pread(fd, entries, directory.bytes, (off_t)directory.offset) ==
	               (ssize_t)directory.bytes &&
	       entries_end(entries, directory.bytes, ending, all);
}

bool zip_is_of_arrays(int fd, uint64_t size)
{
	return directory_ends(fd, size, ".npy", true);
}

bool zip_holds_pickle(int fd, uint64_t size)
{
	return directory_ends(fd, size, "data.pkl", false);
}

void zip_examine(const struct examined *file, struct extent *extent)
{
	size_t length;
	CLEANUP(cleanup_free) unsigned char *tail = read_tail(file->fd, file->size, &length);
	struct directory directory;

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	if (tail == NULL) {
		extent->result = EXTENT_UNREADABLE;
		extent->error = errno;
	} else if (!find_directory(file->fd, tail, length, file->size, &directory)) {
		extent->result = EXTENT_SHORT;
		extent->words =
		        "is a zip archive whose directory is not in its place: a part is missing";
	}
}

/* Keras' and skops' files, which nothing reads that is neither such an archive nor HDF5. */
void archive_examine(const struct examined *file, struct extent *extent)
{
	size_t length;
	CLEANUP(cleanup_free) unsigned char *tail = NULL;

	/* Keras before its version 3 wrote HDF5 under this name. */
	if (hdf5_begins(file->head, file->head_length)) {
		hdf5_examine(file, extent);
		return;
	}
	zip_examine(file, extent);
	if (extent->result != EXTENT_SHORT ||
	    (file->head_length >= 4 && memcmp(file->head, "PK\3\4", 4) == 0))
		return;
	/* Readers go by the directory, whatever stands before the archive. */
	tail = read_tail(file->fd, file->size, &length);
	if (tail != NULL && memmem(tail, length, "PK\5\6", 4) == NULL && !hdf5_is_behind(file))
		*extent = (struct extent){ .result = EXTENT_BROKEN, .words = "is not an archive" };
	else
		*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
}
