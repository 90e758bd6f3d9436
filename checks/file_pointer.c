/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that stand where a file should be: Git LFS pointers, and error pages of a proxy or a hub. */
#include <string.h>

#include "engine/inspection.h"
#include "formats/lfs_pointer.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

enum { POINTER, PAGE };
static const struct finding_kind kinds[] = {
	[POINTER] = { "file.pointer", SEVERITY_ERROR, STATUS_DATA,
	              "a Git LFS pointer stands where the file should be",
	              "run git lfs pull in the clone, or fetch the file from the hub" },
	[PAGE] = { "file.error-page", SEVERITY_ERROR, STATUS_DATA,
	           "an error page or message was saved under the file's name",
	           "fetch the file anew; a proxy, a login page or a missing token answered" },
};

static bool begins(const struct file_view *file, const char *with)
{
	const char *at = (const char *)file->head, *end = at + file->head_length;

	while (at < end && (scan_is_space(*at) || (unsigned char)*at == 0xEF ||
	                    (unsigned char)*at == 0xBB || (unsigned char)*at == 0xBF))
		at++;
	return (size_t)(end - at) >= strlen(with) && text_equals_any_case(at, strlen(with), with);
}

static void check(struct look *look)
{
	const struct file_view *file = look->file;
	struct report_at at = { .path = file->path };
	struct lfs_pointer pointer;
	char real[32];
	struct text text = TEXT_OVER(real);
	size_t length = strlen(file->path);

	if (file->fd < 0)
		return;
	if ((uint64_t)file->st.st_size == file->head_length &&
	    lfs_pointer_parse((const char *)file->head, file->head_length, &pointer)) {
		text_add_size(&text, pointer.size);
		look_report(look, &kinds[POINTER], at,
		            "is a Git LFS pointer of %zu bytes, not the %s that it stands for",
		            file->head_length, pointer.size > 0 ? real : "file");
	} else if (length < 5 || (strcmp(file->path + length - 5, ".html") != 0 &&
	                          strcmp(file->path + length - 3, ".md") != 0)) {
		if (begins(file, "<!doctype html") || begins(file, "<html"))
			look_report(look, &kinds[PAGE], at, "is an HTML page");
		else if (begins(file, "{\"error\":") && file->weights)
			look_report(look, &kinds[PAGE], at, "is an error message in JSON");
		else if (begins(file, "<?xml") && file->weights)
			look_report(
			        look, &kinds[PAGE], at,
			        "is an XML message, as storage servers answer when an address has expired");
	}
}

const struct check check_file_pointer = { "file_pointer", SCOPE_FILE,       LEVEL_SIZE,
	                                  kinds,          LENGTH_OF(kinds), check };
