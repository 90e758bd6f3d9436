/* SPDX-License-Identifier: Apache-2.0 */
/* Links as the hub cache uses them: relative, into the repository's own blobs/. */
#include <errno.h>
#include <string.h>

#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "hub/cache.h"
#include "util.h"

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

/* A copy of models--ORG--NAME alone leaves the cache's shared blobs behind. true: that was it. */
static bool check_shared(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	const char *etag = strrchr(file->link, '/');
	char target[MAX_SHARED_TARGET];
	int fd;

	if (inspection->model->place.repo_fd < 0 || etag == NULL)
		return false;
	fd = shared_blob_open(inspection->tree, &inspection->model->place, etag + 1, target);
	cleanup_fd(&fd);
	if (target[0] == '\0' || fd >= 0)
		return false;
	inspection_report(
	        inspection, FINDING_FILE_DANGLING_LINK,
	        (struct report_at){
	                .path = file->path,
	                .fix = "copy the cache's blobs directory too, or copy with cp -aL, or download with HF_HUB_DISABLE_SHARED_BLOBS=1" },
	        "leads to %s of the cache's shared blob store, which is not there",
	        target + strlen("../../"));
	return true;
}

void check_file_link(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	struct report_at at = { .path = file->path };
	const char *plain = inspection->model->place.repo_fd >= 0 ?
	                            NULL :
	                            "copy what it leads to as well, or copy with cp -aL";

	if (file->link != NULL && (file->error == ENOENT || file->error == ENOTDIR) &&
	    check_shared(inspection))
		return;
	if (file->link != NULL && (file->error == ENOENT || file->error == ENOTDIR))
		inspection_report(inspection, FINDING_FILE_DANGLING_LINK,
		                  (struct report_at){ .path = file->path, .fix = plain },
		                  "is a link to %.700s, which is not there", file->link);
	else if (file->error == ELOOP)
		inspection_report(inspection, FINDING_FILE_LINK_LOOP, at,
		                  "is a link that leads back to itself");
	else if (file->absolute)
		inspection_report(inspection, FINDING_FILE_LINK_ABSOLUTE, at,
		                  "is a link to the absolute path %.700s", file->link);
	else if (file->escapes &&
	         (file->is_link || file->error != 0)) /* else a link above it was told */
		inspection_report(inspection, FINDING_FILE_LINK_ESCAPES, at,
		                  "is a link to %.700s, outside the model's directory",
		                  file->link == NULL ? "?" : file->link);
	else if (file->error == 0 && !file->escapes && !S_ISREG(file->st.st_mode))
		inspection_report(inspection, FINDING_FILE_SPECIAL, at, "is %s, not a file",
		                  type_name(file->st.st_mode));
	else if (file->error == ESPIPE)
		inspection_report(inspection, FINDING_FILE_SPECIAL, at,
		                  "changed into something else than a file while it was looked at");
}
