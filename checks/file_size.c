/* SPDX-License-Identifier: Apache-2.0 */
/* Empty files, and weights whose end was never written. */
#include <string.h>

#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "util.h"

static bool belongs_to_openvino(const char *path)
{
	return strncmp(path_name(path), "openvino_", 9) == 0 && path_ends(path, ".bin");
}

/* What a loader reads must hold something; git keeps other files empty on purpose: packages, notices, markers. */
static bool must_hold_something(const struct model_view *view, const struct file_view *file)
{
	const char *name = path_name(file->path);

	if (view->only != NULL && strcmp(view->only, file->path) == 0)
		return true;
	if (file->format != NULL && file->format->weights)
		return !belongs_to_openvino(
		        file->path); /* file_openvino knows whether there are constants */
	return json_is_read_by_loaders(file->path) ||
	       (name[0] != '.' && format_is_vocabulary(file->path));
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

void check_file_size(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	uint64_t size = (uint64_t)file->st.st_size;

	if (file->fd < 0)
		return;
	if (size == 0 && must_hold_something(inspection->model, file))
		inspection_report(inspection, FINDING_FILE_EMPTY,
		                  (struct report_at){ .path = file->path }, "is empty");
	if (inspection->model->level == LEVEL_STRUCTURE && file->format != NULL &&
	    file->format->weights && size >= 4 * (uint64_t)ZERO_TAIL_BYTES &&
	    has_zero_tail(file->fd, size))
		inspection_report(
		        inspection, FINDING_FILE_ZERO_TAIL,
		        (struct report_at){ .path = file->path },
		        "its last %lu bytes are all zero: the size is right, the end is lost",
		        ZERO_TAIL_BYTES);
}
