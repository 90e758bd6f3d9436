/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/store/folder.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

void random_hex(char out[static 9])
{
	unsigned char bytes[4];

	while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		;
	hex_encode(out, bytes, sizeof(bytes));
}

/*
 * Makes and opens the folder `name` of an open one; a link in its place is refused where `follow` is not
 * set. A folder on the way that may be searched but not read, such as a home of mode 0711, will do.
 */
static int enter(int fd, const char *name, bool follow)
{
	int flags = O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW), next;

	if (mkdirat(fd, name, 0777) != 0 && errno != EEXIST)
		return -errno;
	next = openat(fd, name, O_RDONLY | flags);
	if (next < 0 && errno == EACCES)
		next = openat(fd, name, O_PATH | flags);
	return next < 0 ? -errno : next;
}

int make_folders(int base_fd, const char *path, bool follow)
{
	int fd = fcntl(base_fd, F_DUPFD_CLOEXEC, 3);
	char name[MAX_NAME_BYTES];

	if (fd < 0)
		return -errno;
	while (*(path += strspn(path, "/")) != '\0') {
		size_t length = strcspn(path, "/");
		int next = -ENAMETOOLONG;

		if (length < sizeof(name)) {
			memcpy(name, path, length);
			name[length] = '\0';
			next = enter(fd, name, follow);
		}
		(void)close(fd);
		if (next < 0)
			return next;
		fd = next;
		path += length;
	}
	return fd;
}

int make_parent(int base_fd, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char folder[MAX_PATH_BYTES];

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return make_folders(base_fd, "", false);
	if ((size_t)(slash - path) >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	return make_folders(base_fd, folder, false);
}

/* Some network file systems refuse to sync a folder, and one that may not be read cannot be: no more to be done. */
int sync_folder(int fd)
{
	return fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EBADF ? -errno : 0;
}

int open_regular(int folder_fd, const char *name)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	(void)close(fd);
	return -EINVAL;
}

int replace_file(int folder_fd, const char *name, const char *content)
{
	char temporary[MAX_NAME_BYTES + 16], hex[9];
	struct text text = TEXT_OVER(temporary);
	CLEANUP(cleanup_fd) int fd = -1;
	int error;

	random_hex(hex);
	text_addf(&text, "%s.%s.tmp", name, hex);
	if (text.cut)
		return -ENAMETOOLONG;
	fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	            0666);
	if (fd < 0)
		return -errno;
	error = write_whole(fd, content, strlen(content));
	if (error == 0 && (fsync(fd) != 0 || renameat(folder_fd, temporary, folder_fd, name) != 0))
		error = -errno;
	if (error != 0)
		(void)unlinkat(folder_fd, temporary, 0);
	return error;
}

bool is_file_of(int folder_fd, const char *name, uint64_t size)
{
	struct stat st;

	return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == size;
}
