/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that stand where a file should be: Git LFS pointers, and error pages of a proxy or a hub. */
#include <string.h>

#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "formats/formats.h"
#include "formats/lfs_pointer.h"
#include "util.h"

/* Of the files that people read, and those that a model was made from: a clone without them loads. */
static bool is_no_loaders(const char *path)
{
	return format_is_paper(path) || format_has_ending(path, ".ipynb .csv .tsv .parquet .mp4") ||
	       strstr(path, ".tfevents.") != NULL;
}

void check_file_pointer(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	struct report_at at = { .path = file->path };
	struct lfs_pointer pointer;

	if (file->fd < 0 || is_no_loaders(file->path))
		return;
	if ((uint64_t)file->st.st_size == file->head_length &&
	    lfs_pointer_parse((const char *)file->head, file->head_length, &pointer)) {
		inspection_report(
		        inspection, FINDING_FILE_POINTER, at,
		        "is a Git LFS pointer of %zu bytes, not the %s that it stands for",
		        file->head_length,
		        pointer.size > 0 ? size_text(pointer.size).text : "file");
	} else if (file->page != NULL) {
		inspection_report(inspection, FINDING_FILE_ERROR_PAGE, at, "%s", file->page);
	}
}
