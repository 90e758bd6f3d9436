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
	const struct model_place *place = &inspection->model->place;
	const char *whole;
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
	/* One sentence and one fix for all files of the model that are refused alike. */
	whole = place->repo_path[0] != '\0' ? place->repo_path : place->path;
	if (S_ISREG(refusal.st.st_mode) && inspection->model->only == NULL &&
	    path_is_beneath(refusal.path, whole)) {
		text_addf(&text, "chmod -R a+rX %.3900s, or COPY --chown=%u:%u", whole,
		          (unsigned)inspection->who->uid, (unsigned)inspection->who->gid);
		refusal.path[0] = '\0';
	} else {
		fix_refusal(inspection, path, &refusal, &text);
	}
	inspection_report(inspection, FINDING_FILE_UNREADABLE,
	                  (struct report_at){ .path = file->path, .fix = fix },
	                  "%s%.700s%srefuses uid %u: owner %u:%u, mode %04o",
	                  S_ISDIR(refusal.st.st_mode) ? "the directory " : "", refusal.path,
	                  refusal.path[0] != '\0' ? " " : "", (unsigned)inspection->who->uid,
	                  (unsigned)refusal.st.st_uid, (unsigned)refusal.st.st_gid,
	                  (unsigned)(refusal.st.st_mode & 07777));
}
