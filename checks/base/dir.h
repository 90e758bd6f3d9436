/* SPDX-License-Identifier: Apache-2.0 */
/* One loop over the names of a directory, bounded: `.` and `..` are left out. */
#ifndef AWEIGH_DIR_H
#define AWEIGH_DIR_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

struct dir {
	DIR *stream; /* NULL: there is nothing to read, see error */
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
/* What /proc says that the descriptor is: a path, or "anon_inode:[io_uring]"; "" where it says nothing. */
void descriptor_name(int fd, char *out, size_t size);
/* The process's own descriptors, from /proc/self/fd: error says that there is no /proc. */
struct dir dir_of_descriptors(void);
/* The next of them, but for the directory's own; -1: no more. */
int dir_next_descriptor(struct dir *dir);

#endif
