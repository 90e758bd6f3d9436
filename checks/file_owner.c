/* SPDX-License-Identifier: Apache-2.0 */
/* Owners and modes: what the policy wants of them, and files that anyone may change. */
#include <string.h>

#include "engine/inspection.h"
#include "system/passwd.h"
#include "util.h"

enum { OWNER, MODE, WRITABLE };
static const struct finding_kind kinds[] = {
	[OWNER] = { "file.owner", SEVERITY_ERROR, STATUS_PERMISSION,
	            "a file of the model has another owner than the policy wants",
	            "chown -R the model's folder, or COPY --chown" },
	[MODE] = { "file.mode", SEVERITY_ERROR, STATUS_PERMISSION,
	           "a file of the model has permission bits that the policy's mode_mask forbids",
	           "chmod the file" },
	[WRITABLE] = { "file.world-writable", SEVERITY_WARNING, STATUS_PERMISSION,
	               "anyone in the container may change the file", "chmod o-w the file" },
};

static void check_owner(struct look *look, const struct setting *owner)
{
	const struct file_view *file = look->file;
	uid_t uid = 0;
	gid_t gid = 0;
	bool has_gid = false, known = owner_parse(look->users, owner->text, &uid, &gid, &has_gid);

	if (known && file->st.st_uid == uid && (!has_gid || file->st.st_gid == gid))
		return;
	look_report(look, &kinds[OWNER], (struct report_at){ .path = file->path, .setting = owner },
	            known ? "belongs to %u:%u, but the policy wants %s" :
	                    "belongs to %u:%u, and the image does not know the policy's owner %s",
	            (unsigned)file->st.st_uid, (unsigned)file->st.st_gid, owner->text);
}

static void check(struct look *look)
{
	const struct file_view *file = look->file;
	const struct setting *mask = &MODEL_SET(look->model->model, MODE_MASK),
	                     *owner = &MODEL_SET(look->model->model, OWNER);
	unsigned mode = (unsigned)(file->st.st_mode & 07777);

	if (file->error != 0 || !S_ISREG(file->st.st_mode))
		return;
	if (owner->text != NULL)
		check_owner(look, owner);
	if (mask->text != NULL && (mode & mask->number) != 0)
		look_report(look, &kinds[MODE],
		            (struct report_at){ .path = file->path, .setting = mask },
		            "has mode %04o, but the policy's mode_mask %04o forbids bits of it",
		            mode, (unsigned)mask->number);
	else if ((mode & 0002) != 0)
		look_report(look, &kinds[WRITABLE], (struct report_at){ .path = file->path },
		            "has mode %04o: anyone may change it", mode);
}

const struct check check_file_owner = { "file_owner", SCOPE_FILE,       LEVEL_PRESENCE,
	                                kinds,        LENGTH_OF(kinds), check };
