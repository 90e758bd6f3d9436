/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the service's user can open the file, and which directory refuses. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "util.h"

void check_file_access(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	char path[MAX_PATH_BYTES], fix[MAX_PATH_BYTES + 64];
	struct text text = TEXT_OVER(fix);
	struct refusal refusal;

	if (file->error == 0 || file->error == ENOENT || file->error == ENOTDIR ||
	    file->error == ELOOP || file->error == EXDEV || file->error == ESPIPE)
		return;
	if ((file->error != EACCES && file->error != EPERM) ||
	    !path_join(path, sizeof(path), inspection->model->place.path, file->path) ||
	    !tree_explain(inspection->tree, path, &refusal) || !refusal.has_stat) {
		inspection_report(inspection,
		                  file->error == EACCES || file->error == EPERM ?
		                          FINDING_FILE_UNREADABLE :
		                          FINDING_FILE_IO_ERROR,
		                  (struct report_at){ .path = file->path }, "cannot be opened: %s",
		                  strerror(file->error));
		return;
	}
	fix_refusal(inspection, path, &refusal, &text);
	inspection_report(inspection, FINDING_FILE_UNREADABLE,
	                  (struct report_at){ .path = file->path, .fix = fix },
	                  "%s%.700s refuses uid %u: owner %u:%u, mode %04o",
	                  S_ISDIR(refusal.st.st_mode) ? "the directory " : "", refusal.path,
	                  (unsigned)inspection->who->uid, (unsigned)refusal.st.st_uid,
	                  (unsigned)refusal.st.st_gid, (unsigned)(refusal.st.st_mode & 07777));
}
