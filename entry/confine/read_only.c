/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/read_only.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h> /* not sys/mount.h: the two do not go together */
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "bounds.h"
#include "system/mounts.h"
#include "util.h"

/* Beneath it; true as well where that cannot be told. */
static bool has_writable_mount(const char *directory)
{
	CLEANUP(cleanup_free) char *mounts = NULL;
	char real[PATH_MAX];
	size_t length;
	struct mount mount;
	bool writable = false;

	if (mounts_read(&mounts, &length) < 0 || realpath(directory, real) == NULL)
		return true;
	for (const char *at = mounts; at < mounts + length && !writable;) {
		size_t line = strcspn(at, "\n");

		writable = mount_parse(at, line, &mount) && !mount.read_only &&
		           strcmp(mount.point, real) != 0 && path_is_beneath(mount.point, real);
		at += line + 1;
	}
	return writable;
}

bool read_only_already(const char *directory)
{
	struct statvfs file_system;

	return statvfs(directory, &file_system) == 0 && (file_system.f_flag & ST_RDONLY) != 0 &&
	       !has_writable_mount(directory);
}

static int cover(const char *directory)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	CLEANUP(cleanup_fd)
	int below = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), copy = -1;

	if (below < 0)
		return -errno;
	copy = (int)syscall(SYS_open_tree, below, "",
	                    AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (copy < 0 ||
	    syscall(SYS_mount_setattr, copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only,
	            sizeof(read_only)) != 0 ||
	    syscall(SYS_move_mount, copy, "", below, "",
	            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
		return -errno;
	return 0;
}

int read_only_mount(const char *const *directories, size_t count)
{
	char here[MAX_PATH_BYTES];
	bool known = getcwd(here, sizeof(here)) != NULL;
	int error = 0;

	if (unshare(CLONE_NEWNS) != 0 ||
	    syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
		return -errno;
	for (size_t i = 0; i < count && error == 0; i++)
		error = cover(directories[i]);
	/* The working directory may lie in one of them, beneath the new mount. */
	if (error == 0 && known && chdir(here) != 0)
		error = -errno;
	return error;
}
