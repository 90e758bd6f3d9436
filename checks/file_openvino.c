/* SPDX-License-Identifier: Apache-2.0 */
/* OpenVINO: NAME.xml is the graph, and NAME.bin beside it has the constants, if there are any: without, it is empty. */
#include <string.h>

#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "util.h"

#define LOOK_BYTES (8ul << 20) /* of a graph: constants come before what uses them */

/* Layers of type Const, which point into the .bin. */
static bool has_constants(int fd, uint64_t size)
{
	static const char mark[] = "type=\"Const\"";
	char buffer[READ_BYTES + sizeof(mark)];
	size_t kept = 0;

	for (uint64_t at = 0; at < size && at < LOOK_BYTES;) {
		ssize_t got = pread(fd, buffer + kept, READ_BYTES, (off_t)at);

		if (got <= 0)
			return false;
		if (memmem(buffer, kept + (size_t)got, mark, sizeof(mark) - 1) != NULL)
			return true;
		at += (uint64_t)got;
		/* The mark may lie over the end of a piece. */
		kept = kept + (size_t)got < sizeof(mark) - 1 ? kept + (size_t)got :
		                                               sizeof(mark) - 2;
		memmove(buffer, buffer + (size_t)got, kept);
	}
	return false;
}

void check_file_openvino(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	char weights[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(weights);
	uint64_t size = 0;

	if (file->fd < 0 || strncmp(path_name(file->path), "openvino_", 9) != 0 ||
	    !path_ends(file->path, ".xml"))
		return;
	text_add_bytes(&text, file->path, strlen(file->path) - 4);
	text_add(&text, ".bin");
	if (!model_wants(inspection, weights) ||
	    (model_has(inspection, weights, &size) && size > 0) ||
	    !has_constants(file->fd, (uint64_t)file->st.st_size))
		return;
	inspection_report(inspection, FINDING_MODEL_PART, (struct report_at){ .path = weights },
	                  "is missing or empty: %s has its weights there", file->path);
}
