/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/scan.h"
#include "base/text.h"
#include "util.h"

#define RENAME_TRIES 8u

int read_whole(int fd, size_t limit, char **data, size_t *length)
{
	size_t size = 0, room = 4096;
	char *buffer = NULL, *larger;

	for (;;) {
		ssize_t got;

		if (buffer == NULL || size + 1 >= room) {
			room = buffer == NULL ? room : room * 2;
			larger = realloc(buffer, room);
			if (larger == NULL) {
				free(buffer);
				return -ENOMEM;
			}
			buffer = larger;
		}
		got = read(fd, buffer + size, room - 1 - size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || size + (size_t)got > limit) {
			int error = got < 0 ? errno : EFBIG;

			free(buffer);
			return -error;
		}
		if (got == 0)
			break;
		size += (size_t)got;
	}
	buffer[size] = '\0';
	*data = buffer;
	*length = size;
	return 0;
}

int write_whole(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t written = write(fd, at, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -errno : -EIO;
		at += written;
		length -= (size_t)written;
	}
	return 0;
}

void random_hex(char out[static 9])
{
	unsigned char bytes[4];

	while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		;
	hex_encode(out, bytes, sizeof(bytes));
}

/*
 * Makes and opens the directory `name` of an open one; a link in its place is refused where `follow` is not
 * set. A directory on the way that may be searched but not read, such as a home of mode 0711, will do.
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

int make_directories(int base_fd, const char *path, bool follow)
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
	char directory[MAX_PATH_BYTES];

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return make_directories(base_fd, "", false);
	if ((size_t)(slash - path) >= sizeof(directory))
		return -ENAMETOOLONG;
	memcpy(directory, path, (size_t)(slash - path));
	directory[slash - path] = '\0';
	return make_directories(base_fd, directory, false);
}

int sync_file(int fd)
{
	return fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != ENOSYS ? -errno :
	                                                                                  0;
}

/* Some network file systems refuse to sync a directory, and one that may not be read cannot be: no more to be done. */
int sync_directory(int fd)
{
	int error = sync_file(fd);

	return error == -EBADF ? 0 : error;
}

int open_regular(int directory_fd, const char *name)
{
	int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	(void)close(fd);
	return -EINVAL;
}

void replacement_begin(struct replacement *replacement, int directory_fd, const char *name)
{
	struct text text = TEXT_OVER(replacement->name),
	            temporary = TEXT_OVER(replacement->temporary);
	char hex[9];

	replacement->directory_fd = replacement->temporary_fd = directory_fd;
	text_add(&text, name);
	random_hex(hex);
	text_addf(&temporary, ".%s.tmp", hex);
}

bool replacement_is_named(const char *name)
{
	return strlen(name) == 13 && name[0] == '.' && scan_is_hex(name + 1, 8, 8) &&
	       strcmp(name + 9, ".tmp") == 0;
}

int replacement_create(const struct replacement *replacement)
{
	int fd = openat(replacement->temporary_fd, replacement->temporary,
	                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);

	return fd < 0 ? -errno : fd;
}

int rename_within(int directory_fd, const char *from, const char *to)
{
	int error;

	if (renameat(directory_fd, from, directory_fd, to) == 0)
		return 0;
	error = errno;
	/* Somebody else's file in a sticky directory is refused by EPERM, too; where there is none it is the volume. */
	if ((error == EPERM || error == EXDEV) && !has_name(directory_fd, to))
		error = ENOSYS;
	return -error;
}

static int rename_over(const struct replacement *replacement)
{
	if (replacement->temporary_fd == replacement->directory_fd)
		return rename_within(replacement->directory_fd, replacement->temporary,
		                     replacement->name);
	return renameat(replacement->temporary_fd, replacement->temporary,
	                replacement->directory_fd, replacement->name) != 0 ?
	               -errno :
	               0;
}

int replacement_end(const struct replacement *replacement, int error)
{
	/* A volume that renames over nothing: the name is freed first, and another may take it meanwhile. */
	for (unsigned tries = 0; error == 0 || (error == -EEXIST && tries < RENAME_TRIES);
	     tries++) {
		if (error == -EEXIST)
			(void)unlinkat(replacement->directory_fd, replacement->name, 0);
		error = rename_over(replacement);
		if (error == 0)
			break;
	}
	if (error != 0)
		(void)unlinkat(replacement->temporary_fd, replacement->temporary, 0);
	return error;
}

/* Who may not give it its owner keeps it as his own. */
static void look_like(int fd, const struct stat *old)
{
	int refused = fchown(fd, old->st_uid, old->st_gid);

	(void)refused;
	(void)fchmod(fd, old->st_mode & 07777);
}

/* `old` NULL: with a new file's mode. */
static int replace_with(int directory_fd, const char *name, const char *content,
                        const struct stat *old)
{
	struct replacement replacement;
	CLEANUP(cleanup_fd) int fd = -1;
	int error;

	if (strlen(name) >= sizeof(replacement.name))
		return -ENAMETOOLONG;
	replacement_begin(&replacement, directory_fd, name);
	fd = replacement_create(&replacement);
	if (fd < 0)
		return fd;
	error = write_whole(fd, content, strlen(content));
	if (error == 0 && old != NULL)
		look_like(fd, old);
	if (error == 0)
		error = sync_file(fd);
	return replacement_end(&replacement, error);
}

int replace_file(int directory_fd, const char *name, const char *content)
{
	return replace_with(directory_fd, name, content, NULL);
}

int rewrite_file(int directory_fd, const char *name, const char *content)
{
	struct stat old;

	return replace_with(directory_fd, name, content,
	                    fstatat(directory_fd, name, &old, 0) == 0 ? &old : NULL);
}

bool has_name(int directory_fd, const char *name)
{
	struct stat st;

	return fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool is_file_of(int directory_fd, const char *name, uint64_t size)
{
	struct stat st;

	return fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == size;
}

void volume_free(const struct statvfs *volume, uint64_t *bytes, uint64_t *inodes)
{
	if (volume->f_blocks == 0 ||
	    __builtin_mul_overflow((uint64_t)volume->f_bavail, (uint64_t)volume->f_frsize, bytes))
		*bytes = UINT64_MAX;
	/* rclone 1.60 says 0 of 1,000,000,000: a volume on which nothing more fits says so by a failed open. */
	*inodes = volume->f_files == 0 || volume->f_ffree == 0 ? UINT64_MAX :
	                                                         (uint64_t)volume->f_favail;
}
