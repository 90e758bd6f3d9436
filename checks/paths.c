/* SPDX-License-Identifier: Apache-2.0 */
/* [paths]: folders to be written, free space and inodes, and what is mounted where. */
#include <string.h>
#include <sys/statvfs.h>

#include <fcntl.h>

#include "engine/inspection.h"
#include "base/glob.h"
#include "system/mounts.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { FULL, NOT_WRITABLE, NOT_MOUNTED };
static const struct finding_kind kinds[] = {
	[FULL] = { "paths.full", SEVERITY_ERROR, STATUS_IO,
	           "a folder has less free space, or fewer free inodes, than the policy wants",
	           "free space there, or mount a larger volume" },
	[NOT_WRITABLE] = { "paths.not-writable", SEVERITY_ERROR, STATUS_PERMISSION,
	                   "a folder that the policy lists as writable is not writable for the service's user",
	                   "make the folder writable for the user, or mount a volume there" },
	[NOT_MOUNTED] = { "paths.not-mounted", SEVERITY_ERROR, STATUS_ENVIRONMENT,
	                  "a folder is not a mount point, or another file system is mounted there than the policy wants",
	                  "mount the volume; an image's own folder does not keep what is written" },
};

static void check_writable(struct look *look)
{
	const struct setting *writable = &look->policy->set[KEY_WRITABLE];
	const char *at = NULL, *element;
	size_t length;

	while (writable->text != NULL &&
	       (element = list_next(writable->text, ',', &at, &length)) != NULL) {
		char path[MAX_PATH_BYTES];
		struct text text = TEXT_OVER(path);
		int error;

		text_add_bytes(&text, element, length);
		error = tree_access(look->tree, path, W_OK | X_OK);
		if (error < 0)
			look_report(look, &kinds[NOT_WRITABLE],
			            (struct report_at){ .path = path, .setting = writable },
			            "uid %u cannot write there: %s", (unsigned)look->who->uid,
			            strerror(-error));
	}
}

static void check_free(struct look *look, const struct row *row)
{
	CLEANUP(cleanup_fd) int fd = tree_open(look->tree, row->name, O_RDONLY);
	struct report_at at = { .path = row->name, .line = row->line };
	char have[32], want[32];
	struct text have_text = TEXT_OVER(have), want_text = TEXT_OVER(want);
	struct statvfs fs;
	uint64_t bytes;

	if (fd < 0 || fstatvfs(fd, &fs) != 0) {
		look_report(look, &kinds[FULL], at, "its free space cannot be told: %s",
		            strerror(fd < 0 ? -fd : errno));
		return;
	}
	if (__builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &bytes))
		bytes = UINT64_MAX;
	text_add_size(&have_text, bytes);
	text_add_size(&want_text, row->number);
	if (bytes < row->number)
		look_report(look, &kinds[FULL], at, "has %s free, but the policy wants %s", have,
		            want);
	else if (fs.f_files > 0 && fs.f_favail < 64)
		look_report(look, &kinds[FULL], at, "has only %llu free inodes",
		            (unsigned long long)fs.f_favail);
}

static void check_mount(struct look *look, const struct row *row, const char *mounts, size_t length)
{
	struct report_at at = { .path = row->name, .line = row->line };
	struct mount mount;

	if (!mount_of(mounts, length, row->name, &mount) ||
	    !path_is_beneath(mount.point, row->name))
		look_report(look, &kinds[NOT_MOUNTED], at,
		            "is not a mount point: the volume is not there");
	else if (row->text[0] != '\0' && !glob_list_matches(row->text, mount.type))
		look_report(look, &kinds[NOT_MOUNTED], at,
		            "is mounted as %s, but the policy wants %s", mount.type, row->text);
}

static void check(struct look *look)
{
	CLEANUP(cleanup_free) char *mounts = NULL;
	size_t length = 0;

	check_writable(look);
	for (size_t i = 0; i < look->policy->row_count; i++) {
		const struct row *row = &look->policy->rows[i];
		struct row stripped = *row;

		if (row->section != SECTION_PATHS)
			continue;
		stripped.name = row->name + strcspn(row->name, ".") + 1;
		if (row->name[0] == 'f') {
			check_free(look, &stripped);
			continue;
		}
		if (mounts == NULL && mounts_read(&mounts, &length) != 0)
			look_report(
			        look, &kinds[NOT_MOUNTED],
			        (struct report_at){ .path = stripped.name, .line = row->line },
			        "cannot be told to be a mount point: /proc/self/mountinfo cannot be read");
		else
			check_mount(look, &stripped, mounts, length);
	}
}

const struct check check_paths = { "paths", SCOPE_RUN,        LEVEL_PRESENCE,
	                           kinds,   LENGTH_OF(kinds), check };
