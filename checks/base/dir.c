/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/scan.h"
#include "base/text.h"

struct dir dir_over(int fd, size_t limit)
{
	struct dir dir = { .left = limit };

	if (fd < 0) {
		dir.error = -fd;
		return dir;
	}
	dir.stream = fdopendir(fd);
	if (dir.stream == NULL) {
		dir.error = errno;
		(void)close(fd);
	}
	return dir;
}

struct dir dir_open(int directory_fd, const char *name, size_t limit)
{
	int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return dir_over(fd < 0 ? -errno : fd, limit);
}

struct dirent *dir_next(struct dir *dir)
{
	struct dirent *entry;

	while (dir->stream != NULL && dir->left > 0) {
		errno = 0;
		entry = readdir(dir->stream);
		if (entry == NULL) {
			dir->error = errno;
			return NULL;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		dir->left--;
		return entry;
	}
	return NULL;
}

int dir_fd(const struct dir *dir)
{
	return dir->stream == NULL ? -1 : dirfd(dir->stream);
}

void dir_close(struct dir *dir)
{
	int saved = errno;

	if (dir->stream != NULL)
		(void)closedir(dir->stream);
	dir->stream = NULL;
	errno = saved;
}

struct dir dir_of_descriptors(void)
{
	return dir_open(AT_FDCWD, "/proc/self/fd", SIZE_MAX); /* RLIMIT_NOFILE bounds it */
}

int dir_next_descriptor(struct dir *dir)
{
	const struct dirent *entry;
	uint64_t fd;

	while ((entry = dir_next(dir)) != NULL)
		if (scan_u64(entry->d_name, strlen(entry->d_name), &fd) && fd <= INT_MAX &&
		    (int)fd != dir_fd(dir))
			return (int)fd;
	return -1;
}

void descriptor_name(int fd, char *out, size_t size)
{
	char name[32];
	struct text text = TEXT_OVER(name);
	ssize_t length;

	text_addf(&text, "/proc/self/fd/%d", fd);
	length = readlink(name, out, size - 1);
	out[length < 0 ? 0 : length] = '\0';
}
