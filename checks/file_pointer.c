/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that stand where a file should be: Git LFS pointers, and error pages of a proxy or a hub. */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "formats/lfs_pointer.h"
#include "util.h"

static bool begins(const struct file_view *file, const char *with)
{
	const char *at = (const char *)file->head, *end = at + file->head_length;

	while (at < end && (scan_is_space(*at) || (unsigned char)*at == 0xEF ||
	                    (unsigned char)*at == 0xBB || (unsigned char)*at == 0xBF))
		at++;
	return (size_t)(end - at) >= strlen(with) && text_equals_any_case(at, strlen(with), with);
}

void check_file_pointer(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	struct report_at at = { .path = file->path };
	struct lfs_pointer pointer;
	size_t length = strlen(file->path);
	bool weights = file->format != NULL && file->format->weights;

	if (file->fd < 0)
		return;
	if ((uint64_t)file->st.st_size == file->head_length &&
	    lfs_pointer_parse((const char *)file->head, file->head_length, &pointer)) {
		inspection_report(
		        inspection, FINDING_FILE_POINTER, at,
		        "is a Git LFS pointer of %zu bytes, not the %s that it stands for",
		        file->head_length,
		        pointer.size > 0 ? size_text(pointer.size).text : "file");
	} else if (length < 5 || (strcmp(file->path + length - 5, ".html") != 0 &&
	                          strcmp(file->path + length - 3, ".md") != 0)) {
		if (begins(file, "<!doctype html") || begins(file, "<html"))
			inspection_report(inspection, FINDING_FILE_ERROR_PAGE, at,
			                  "is an HTML page");
		else if (weights && begins(file, "{\"error\":"))
			inspection_report(inspection, FINDING_FILE_ERROR_PAGE, at,
			                  "is an error message in JSON");
		else if (weights && begins(file, "<?xml"))
			inspection_report(
			        inspection, FINDING_FILE_ERROR_PAGE, at,
			        "is an XML message, as storage servers answer when an address has expired");
	}
}
