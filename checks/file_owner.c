/* SPDX-License-Identifier: Apache-2.0 */
/* Owners and modes: what the policy wants of files and directories, and what anyone may change. */
#include <string.h>

#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "system/passwd.h"
#include "util.h"

static void check_owner(struct inspection *inspection, const struct origin *owner)
{
	const struct file_view *file = inspection->file;
	uid_t uid = 0;
	gid_t gid = 0;
	bool has_gid = false,
	     known = owner_parse(inspection->users, owner->text, &uid, &gid, &has_gid);

	if (known && file->st.st_uid == uid && (!has_gid || file->st.st_gid == gid))
		return;
	inspection_report(
	        inspection, FINDING_FILE_OWNER,
	        (struct report_at){ .path = file->path, .said = owner },
	        known ? "belongs to %u:%u, but the policy wants %s" :
	                "belongs to %u:%u, and the image does not know the policy's owner %s",
	        (unsigned)file->st.st_uid, (unsigned)file->st.st_gid, owner->text);
}

void check_file_owner(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	const struct model *model = inspection->model->model;
	unsigned mask = (unsigned)model->mode_mask;
	unsigned mode = (unsigned)(file->st.st_mode & 07777);

	/* Who may write a directory may exchange what is in it; a sticky one keeps others from that. */
	if (file->error != 0 || (!S_ISREG(file->st.st_mode) && !S_ISDIR(file->st.st_mode)))
		return;
	if (S_ISDIR(file->st.st_mode)) {
		mode = (mode & S_ISVTX) != 0 ? mode & ~0022u : mode;
		mask &= 0022; /* a directory needs its x, and may have a set-group-ID bit */
	}
	if (model->owner != NULL)
		check_owner(inspection, MODEL_SAID(model, OWNER));
	if ((mode & mask) != 0)
		inspection_report(
		        inspection, FINDING_FILE_MODE,
		        (struct report_at){ .path = file->path,
		                            .said = MODEL_SAID(model, MODE_MASK) },
		        "has mode %04o, but the policy's mode_mask %04o forbids bits of it", mode,
		        mask);
	else if ((mode & 0002) != 0)
		inspection_report(inspection, FINDING_FILE_WORLD_WRITABLE,
		                  (struct report_at){ .path = file->path },
		                  S_ISDIR(file->st.st_mode) ?
		                          "has mode %04o: anyone may exchange what is in it" :
		                          "has mode %04o: anyone may change it",
		                  mode);
}

void check_directory_owner(struct inspection *inspection)
{
	check_file_owner(inspection);
}
