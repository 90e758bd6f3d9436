/* SPDX-License-Identifier: Apache-2.0 */
/* [paths]: directories to be written, free space and inodes, and what is mounted where. */
#include <string.h>
#include <sys/statvfs.h>

#include <fcntl.h>

#include "base/file.h"
#include "base/glob.h"
#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "system/mounts.h"
#include "util.h"

static void check_writable(struct inspection *inspection, const char *path)
{
	int error = tree_access(inspection->tree, path, W_OK | X_OK);

	if (error < 0)
		inspection_report(
		        inspection, FINDING_PATHS_NOT_WRITABLE,
		        (struct report_at){ .path = path,
		                            .said = &inspection->policy->said[KEY_WRITABLE] },
		        "uid %u cannot write there: %s", (unsigned)inspection->who->uid,
		        strerror(-error));
}

static void check_free(struct inspection *inspection, const struct free_row *row)
{
	CLEANUP(cleanup_fd) int fd = tree_open(inspection->tree, row->path, O_RDONLY);
	struct report_at at = { .path = row->path, .line = row->line };
	struct statvfs fs;
	uint64_t bytes, inodes;

	if (fd < 0 || fstatvfs(fd, &fs) != 0) {
		inspection_report(inspection, FINDING_PATHS_FULL, at,
		                  "cannot determine its free space: %s",
		                  strerror(fd < 0 ? -fd : errno));
		return;
	}
	volume_free(&fs, &bytes, &inodes);
	if (bytes < row->bytes)
		inspection_report(inspection, FINDING_PATHS_FULL, at,
		                  "has %s free, but the policy wants %s", size_text(bytes).text,
		                  size_text(row->bytes).text);
	else if (inodes < 64)
		inspection_report(inspection, FINDING_PATHS_FULL, at, "has only %llu free inodes",
		                  (unsigned long long)inodes);
}

static void check_mount(struct inspection *inspection, const struct mount_row *row,
                        const char *mounts, size_t length)
{
	struct report_at at = { .path = row->path, .line = row->line };
	struct mount mount;

	if (mounts == NULL)
		inspection_report(
		        inspection, FINDING_PATHS_NOT_MOUNTED, at,
		        "may or may not be a mount point: /proc/self/mountinfo cannot be read");
	else if (!mount_of(mounts, length, row->path, &mount) ||
	         !path_is_beneath(mount.point, row->path))
		inspection_report(inspection, FINDING_PATHS_NOT_MOUNTED, at,
		                  "is not a mount point: the volume is not there");
	else if (row->types.count > 0 && !glob_any(&row->types, mount.type))
		inspection_report(inspection, FINDING_PATHS_NOT_MOUNTED, at,
		                  "is mounted as %s, but the policy wants %s", mount.type,
		                  row->text);
}

void check_paths(struct inspection *inspection)
{
	const struct policy *policy = inspection->policy;
	CLEANUP(cleanup_free) char *mounts = NULL;
	size_t length = 0;

	for (size_t i = 0; i < policy->writable.count; i++)
		check_writable(inspection, policy->writable.items[i]);
	for (size_t i = 0; i < policy->free_count; i++)
		check_free(inspection, &policy->free[i]);
	if (policy->mounts_count > 0)
		(void)mounts_read(&mounts, &length);
	for (size_t i = 0; i < policy->mounts_count; i++)
		check_mount(inspection, &policy->mounts[i], mounts, length);
}
