/* SPDX-License-Identifier: Apache-2.0 */
/* Files that prove by their headers that they are whole: as far as the table of formats can tell. */
#include <string.h>

#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "families/families.h"
#include "formats/formats.h"
#include "formats/lfs_pointer.h"
#include "formats/shard_index.h"
#include "hub/cache.h"
#include "util.h"

/* What file_pointer has told already. */
static bool is_told(const struct file_view *file)
{
	struct lfs_pointer pointer;

	return file->page != NULL ||
	       lfs_pointer_parse((const char *)file->head, file->head_length, &pointer);
}

static void need_data(void *context, const char *path, uint64_t least)
{
	struct inspection *inspection = context;
	const char *by = inspection->file->path;
	struct report_at at = { .path = path };
	uint64_t size;

	if (!repo_path_is_legal(path, strlen(path))) {
		inspection_report(inspection, FINDING_FILE_HEADER, (struct report_at){ .path = by },
		                  "names external data at %.256s, outside the model's directory",
		                  path);
	} else if (!model_has(inspection, path, &size)) {
		/* A path of one file stands for all that it needs. */
		if (inspection->model->only == NULL && !model_wants(inspection, path))
			return;
		at.fix = "fetch the file: the weights of the ONNX model are in it";
		inspection_report(inspection, FINDING_FILE_TRUNCATED, at,
		                  "is missing: %.256s keeps its weights there", by);
	} else if (size < least) {
		inspection_report(inspection, FINDING_FILE_TRUNCATED, at,
		                  "is cut short: %.256s needs %llu bytes of it, it has %llu", by,
		                  (unsigned long long)least, (unsigned long long)size);
	}
}

/* In bytes where the short forms are the same: "90.9 MB of 90.9 MB" tells nobody anything. */
static void report_short(struct inspection *inspection, uint64_t have, uint64_t want)
{
	bool same = strcmp(size_text(have).text, size_text(want).text) == 0;
	unsigned long long missing = want - have;
	struct report_at at = { .path = inspection->file->path };

	if (same)
		inspection_report(inspection, FINDING_FILE_TRUNCATED, at,
		                  "is cut short: %llu of %llu bytes, %llu are missing",
		                  (unsigned long long)have, (unsigned long long)want, missing);
	else
		inspection_report(inspection, FINDING_FILE_TRUNCATED, at,
		                  "is cut short: %s of %s, %llu bytes are missing",
		                  size_text(have).text, size_text(want).text, missing);
}

static void report_extent(struct inspection *inspection, const struct extent *extent)
{
	const struct file_view *file = inspection->file;
	struct report_at at = { .path = file->path };
	uint64_t size = (uint64_t)file->st.st_size;
	enum finding_id broken =
	        file->format->weights ? FINDING_FILE_HEADER : FINDING_FILE_NOT_JSON;

	switch (extent->result) {
	case EXTENT_WHOLE:
		break;
	case EXTENT_SHORT:
		if (extent->expected > size)
			report_short(inspection, size, extent->expected);
		else
			inspection_report(inspection, FINDING_FILE_TRUNCATED, at, "%s",
			                  extent->words);
		break;
	case EXTENT_LONG:
		inspection_report(inspection, FINDING_FILE_TRAILING, at,
		                  "has %llu bytes after its last tensor",
		                  (unsigned long long)(size - extent->expected));
		break;
	case EXTENT_UNKNOWN:
		inspection_report(inspection, FINDING_FILE_UNSIZED, at, "%s", extent->words);
		break;
	case EXTENT_UNREADABLE:
		inspection_report(inspection, broken, at, "cannot be read whole: %s",
		                  strerror(extent->error));
		break;
	case EXTENT_BROKEN:
		inspection_report(inspection, broken, at, "%s", extent->words);
		break;
	}
}

void check_file_structure(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	struct examined examined = { .fd = file->fd,
		                     .size = (uint64_t)file->st.st_size,
		                     .path = file->path,
		                     .head = file->head,
		                     .head_length = file->head_length,
		                     .thorough = inspection->model->level >= LEVEL_DIGEST,
		                     .needs = need_data,
		                     .context = inspection };
	struct extent extent;

	if (file->fd < 0 || examined.size == 0 || file->format == NULL ||
	    file->format->examine == NULL || is_told(file))
		return;
	file->format->examine(&examined, &extent);
	if (extent.result == EXTENT_BROKEN && shard_index_is_name(file->path) &&
	    family_is_spare(inspection, file->path))
		return; /* nobody opens it */
	report_extent(inspection, &extent);
}
