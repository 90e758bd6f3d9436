/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the service's user can open the file, and which folder refuses. */
#include <errno.h>
#include <string.h>

#include "engine/inspection.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { UNREADABLE, BROKEN };
static const struct finding_kind kinds[] = {
	[UNREADABLE] = { "file.unreadable", SEVERITY_ERROR, STATUS_PERMISSION,
	                 "the service's user may not open a file of the model, or a folder on the way to it",
	                 "chmod -R a+rX the model's folder, or COPY --chown" },
	[BROKEN] = { "file.io-error", SEVERITY_ERROR, STATUS_IO,
	             "a file cannot be opened or read for another reason than permission",
	             "look at the volume: its file system or network may be gone" },
};

static void check(struct look *look)
{
	const struct file_view *file = look->file;
	char path[MAX_PATH_BYTES], fix[MAX_PATH_BYTES + 64];
	struct text text = TEXT_OVER(fix);
	struct refusal refusal;

	if (file->error == 0 || file->error == ENOENT || file->error == ENOTDIR ||
	    file->error == ELOOP || file->error == EXDEV || file->error == ESPIPE)
		return;
	if ((file->error != EACCES && file->error != EPERM) ||
	    !path_join(path, sizeof(path), look->model->path, file->path) ||
	    !tree_explain(look->tree, path, &refusal) || !refusal.has_stat) {
		look_report(
		        look,
		        &kinds[file->error == EACCES || file->error == EPERM ? UNREADABLE : BROKEN],
		        (struct report_at){ .path = file->path }, "cannot be opened: %s",
		        strerror(file->error));
		return;
	}
	text_addf(&text, "chmod %s %.3900s, or COPY --chown=%u:%u",
	          S_ISDIR(refusal.st.st_mode) ? "a+rx" : "a+r", refusal.path,
	          (unsigned)look->who->uid, (unsigned)look->who->gid);
	look_report(look, &kinds[UNREADABLE], (struct report_at){ .path = file->path, .fix = fix },
	            "%s%.700s refuses uid %u: owner %u:%u, mode %04o",
	            S_ISDIR(refusal.st.st_mode) ? "the folder " : "", refusal.path,
	            (unsigned)look->who->uid, (unsigned)refusal.st.st_uid,
	            (unsigned)refusal.st.st_gid, (unsigned)(refusal.st.st_mode & 07777));
}

const struct check check_file_access = { "file_access", SCOPE_FILE,       LEVEL_PRESENCE,
	                                 kinds,         LENGTH_OF(kinds), check };
