/* SPDX-License-Identifier: Apache-2.0 */
/* One loop over the names of a directory, and one over all that lies beneath it, bounded: `.` and `..` are left out. */
#ifndef AWEIGH_DIR_H
#define AWEIGH_DIR_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct dir {
	char *names; /* as getdents64(2) gives them; NULL: there is nothing to read, see error */
	size_t at, end; /* of those that are left in `names` */
	int fd;
	size_t left; /* names that may still be handed out */
	int error; /* errno of opening or reading; 0: none */
};

/*
 * Takes the descriptor, which may be a negative errno instead. At most `limit` names are handed out:
 *
 *     CLEANUP(dir_close) struct dir dir = dir_over(fd, MAX_DIRECTORY_ENTRIES);
 *     while ((entry = dir_next(&dir)) != NULL)
 */
struct dir dir_over(int fd, size_t limit);
/* The directory `name` beneath `directory_fd`; a link is not followed. */
struct dir dir_open(int directory_fd, const char *name, size_t limit);
struct dirent *dir_next(struct dir *dir);
/* The descriptor, for *at() calls on a name; -1: not open. */
int dir_fd(const struct dir *dir);
void dir_close(struct dir *dir);
/* What becomes of the walk after a name. */
enum dir_step {
	DIR_ON,
	DIR_PASS_BY, /* a directory is not entered */
	DIR_END,
};
/* `path` from where the walk began; `st` of what a link leads to, or of the link where that is nothing in the tree. */
typedef enum dir_step dir_visit(void *context, const char *path, const struct stat *st);
struct tree;
/*
 * All that lies beneath the directory `path` of the tree, which no link leads out of: at most MAX_DIRECTORY_ENTRIES
 * names of a directory, MAX_DEPTH_DIRECTORIES deep. Links to directories are not entered; what cannot be looked at
 * is left out.
 */
void dir_walk(const struct tree *tree, const char *path, dir_visit *visit, void *context);
/* What /proc says that the descriptor is: a path, or "anon_inode:[io_uring]"; "" where it says nothing. */
void descriptor_name(int fd, char *out, size_t size);
/* The process's own descriptors, from /proc/self/fd: error says that there is no /proc. */
struct dir dir_of_descriptors(void);
/* The next of them, but for the directory's own; -1: no more. */
int dir_next_descriptor(struct dir *dir);

#endif
