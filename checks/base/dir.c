/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "bounds.h"
#include "util.h"

/*
 * Not by readdir(3): musl asks for 2,048 bytes, and lowntfs-3g forgets what of an answer of its own, of 4,096, has no room
 * there. struct dirent is what getdents64(2) fills in.
 */
#define NAMES_BYTES 32768u

struct dir dir_over(int fd, size_t limit)
{
	struct dir dir = { .left = limit };

	if (fd < 0) {
		dir.error = -fd;
		return dir;
	}
	dir.fd = fd;
	dir.names = malloc(NAMES_BYTES);
	if (dir.names == NULL) {
		dir.error = ENOMEM;
		(void)close(fd);
	}
	return dir;
}

struct dir dir_open(int directory_fd, const char *name, size_t limit)
{
	int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return dir_over(fd < 0 ? -errno : fd, limit);
}

/* false: there are no more, or an error. */
static bool read_names(struct dir *dir)
{
	long got = syscall(SYS_getdents64, dir->fd, dir->names, NAMES_BYTES);

	dir->at = 0;
	dir->end = got > 0 ? (size_t)got : 0;
	dir->error = got < 0 ? errno : 0;
	return got > 0;
}

struct dirent *dir_next(struct dir *dir)
{
	struct dirent *entry;

	while (dir->names != NULL && dir->left > 0) {
		if (dir->at == dir->end && !read_names(dir))
			return NULL;
		entry = (struct dirent *)(void *)(dir->names + dir->at);
		dir->at += entry->d_reclen;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		dir->left--;
		return entry;
	}
	return NULL;
}

int dir_fd(const struct dir *dir)
{
	return dir->names == NULL ? -1 : dir->fd;
}

void dir_close(struct dir *dir)
{
	int saved = errno;

	if (dir->names != NULL)
		(void)close(dir->fd);
	free(dir->names);
	dir->names = NULL;
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

struct dir_walk {
	const struct tree *tree;
	const char *from;
	dir_visit *visit;
	void *context;
	struct text path;
};

static enum dir_step walk(struct dir_walk *walking, int fd, unsigned depth);

/* Where a link leads to, within the tree; one that leads nowhere is what it is. */
static bool look(const struct dir_walk *walking, int directory_fd, const char *name,
                 struct stat *st)
{
	char path[MAX_PATH_BYTES];

	if (walking->path.cut || fstatat(directory_fd, name, st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	if (S_ISLNK(st->st_mode) && path_join(path, sizeof(path), walking->from, walking->path.at))
		(void)tree_stat(walking->tree, path, st);
	return true;
}

static enum dir_step walk_name(struct dir_walk *walking, int directory_fd, const char *name,
                               unsigned depth)
{
	enum dir_step step;
	struct stat st;

	if (!look(walking, directory_fd, name, &st))
		return DIR_ON;
	step = walking->visit(walking->context, walking->path.at, &st);
	if (step != DIR_ON || !S_ISDIR(st.st_mode) || depth + 1 >= MAX_DEPTH_DIRECTORIES)
		return step;
	return walk(walking,
	            openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	            depth + 1);
}

static enum dir_step walk(struct dir_walk *walking, int fd, unsigned depth)
{
	struct dir dir = dir_over(fd, MAX_DIRECTORY_ENTRIES);
	size_t length = walking->path.length;
	enum dir_step step = DIR_ON;
	struct dirent *entry;

	while (step != DIR_END && (entry = dir_next(&dir)) != NULL) {
		text_addf(&walking->path, "%s%s", length > 0 ? "/" : "", entry->d_name);
		step = walk_name(walking, dir_fd(&dir), entry->d_name, depth);
		text_shorten(&walking->path, length);
		walking->path.cut = false;
	}
	dir_close(&dir);
	return step;
}

void dir_walk(const struct tree *tree, const char *path, dir_visit *visit, void *context)
{
	char beneath[MAX_PATH_BYTES];
	struct dir_walk walking = { tree, path, visit, context, TEXT_OVER(beneath) };

	(void)walk(&walking, tree_open(tree, path, O_RDONLY | O_DIRECTORY), 0);
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
