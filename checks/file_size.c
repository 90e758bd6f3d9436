/* SPDX-License-Identifier: Apache-2.0 */
/* Empty files, and weights whose end was never written. */
#include <string.h>

#include "engine/inspection.h"
#include "util.h"

enum { EMPTY, ZERO_TAIL };
static const struct finding_kind kinds[] = {
	[EMPTY] = { "file.empty", SEVERITY_ERROR, STATUS_DATA,
	            "a file that must hold something is empty",
	            "fetch the file anew: the disk was full, or the download was cut off" },
	[ZERO_TAIL] = { "file.zero-tail", SEVERITY_ERROR, STATUS_DATA,
	                "the last megabyte of a weight file is zero: it was preallocated, and its end was lost",
	                "fetch the file anew" },
};

static bool may_be_empty(const struct file_view *file)
{
	size_t length = strlen(file->path);
	const char *name = strrchr(file->path, '/');

	name = name == NULL ? file->path : name + 1;
	/* git keeps such files empty on purpose: Python packages, markers, placeholders. */
	return (length > 3 && strcmp(file->path + length - 3, ".py") == 0) || name[0] == '.' ||
	       strcmp(name, "merges.txt") == 0 ||
	       (!file->weights && strstr(name, ".json") == NULL && strstr(name, ".txt") == NULL &&
	        strstr(name, ".model") == NULL);
}

static bool is_zero(const unsigned char *bytes, size_t length)
{
	return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* From the end backwards: the first bytes almost always settle it. */
static bool has_zero_tail(int fd, uint64_t size)
{
	unsigned char bytes[4096];

	for (uint64_t back = sizeof(bytes); back <= ZERO_TAIL_BYTES; back += sizeof(bytes)) {
		ssize_t got = pread(fd, bytes, sizeof(bytes), (off_t)(size - back));

		if (got != (ssize_t)sizeof(bytes) || !is_zero(bytes, sizeof(bytes)))
			return false;
	}
	return true;
}

static void check(struct look *look)
{
	const struct file_view *file = look->file;
	uint64_t size = (uint64_t)file->st.st_size;

	if (file->fd < 0)
		return;
	if (size == 0 && !may_be_empty(file))
		look_report(look, &kinds[EMPTY], (struct report_at){ .path = file->path },
		            "is empty");
	if (look->model->level >= LEVEL_STRUCTURE && file->weights &&
	    size >= 4 * (uint64_t)ZERO_TAIL_BYTES && has_zero_tail(file->fd, size))
		look_report(look, &kinds[ZERO_TAIL], (struct report_at){ .path = file->path },
		            "its last %lu bytes are all zero: the size is right, the end is lost",
		            ZERO_TAIL_BYTES);
}

const struct check check_file_size = { "file_size", SCOPE_FILE,       LEVEL_SIZE,
	                               kinds,       LENGTH_OF(kinds), check };
