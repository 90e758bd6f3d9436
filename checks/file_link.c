/* SPDX-License-Identifier: Apache-2.0 */
/* Links as the hub cache uses them: relative, into the repository's own blobs/. */
#include <errno.h>
#include <string.h>

#include "engine/inspection.h"
#include "util.h"

enum { DANGLING, ESCAPES, LOOP, ABSOLUTE, SPECIAL };
static const struct finding_kind kinds[] = {
	[DANGLING] = { "file.dangling-link", SEVERITY_ERROR, STATUS_DATA,
	               "a link leads to a file that is not there",
	               "copy the whole models--ORG--NAME folder, blobs/ included, or copy with cp -aL" },
	[ESCAPES] = { "file.link-escapes", SEVERITY_ERROR, STATUS_DATA,
	              "a link leads out of the model's folder",
	              "put the file itself where the link is" },
	[LOOP] = { "file.link-loop", SEVERITY_ERROR, STATUS_DATA, "links lead to each other",
	           "fetch the model anew" },
	[ABSOLUTE] = { "file.link-absolute", SEVERITY_WARNING, STATUS_DATA,
	               "a link is absolute: it breaks when the cache is mounted elsewhere",
	               "fetch the model anew, with an absolute path for the cache" },
	[SPECIAL] = { "file.special", SEVERITY_ERROR, STATUS_DATA,
	              "what should be a file is a folder, FIFO, socket or device",
	              "fetch the model anew" },
};

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a folder";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

static void check(struct look *look)
{
	const struct file_view *file = look->file;
	struct report_at at = { .path = file->path };

	if (file->link != NULL && (file->error == ENOENT || file->error == ENOTDIR))
		look_report(look, &kinds[DANGLING], at, "is a link to %.700s, which is not there",
		            file->link);
	else if (file->error == ELOOP)
		look_report(look, &kinds[LOOP], at, "is a link that leads back to itself");
	else if (file->absolute)
		look_report(look, &kinds[ABSOLUTE], at, "is a link to the absolute path %.700s",
		            file->link);
	else if (file->escapes)
		look_report(look, &kinds[ESCAPES], at,
		            "is a link to %.700s, outside the model's folder",
		            file->link == NULL ? "?" : file->link);
	else if (file->error == 0 && !S_ISREG(file->st.st_mode))
		look_report(look, &kinds[SPECIAL], at, "is %s, not a file",
		            type_name(file->st.st_mode));
	else if (file->error == ESPIPE)
		look_report(look, &kinds[SPECIAL], at,
		            "changed into something else than a file while it was looked at");
}

const struct check check_file_link = { "file_link", SCOPE_FILE,       LEVEL_PRESENCE,
	                               kinds,       LENGTH_OF(kinds), check };
