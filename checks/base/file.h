/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories beneath an open directory, made one step at a time: no link on the way is followed
 * unless that is asked for. Functions return 0 or a descriptor, or a negative errno.
 */
#ifndef AWEIGH_FILE_H
#define AWEIGH_FILE_H

#include <sys/statvfs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"

/* At most `limit` bytes, else -EFBIG; *data is the caller's to free, terminated by a NUL. */
int read_whole(int fd, size_t limit, char **data, size_t *length);
/* All of it, however often the kernel takes a part only. */
int write_whole(int fd, const void *bytes, size_t length);

/* Eight random hexadecimal digits. */
void random_hex(char out[static 9]);
/* Makes every directory of a path beneath an open one, and opens the last. */
int make_directories(int base_fd, const char *path, bool follow);
/* The directory of a file's path, made where it is missing; *name is the file's own. */
int make_parent(int base_fd, const char *path, const char **name);
/* 0 too where the file system cannot do it: there is no more to be done. */
int sync_file(int fd);
int sync_directory(int fd);
/*
 * What a volume has left; UINT64_MAX: it does not tell. 0 blocks of 0 are no size (FUSE without statfs, ramfs),
 * and inodes that none of which is left, though the file system makes them as it goes, are no number.
 */
void volume_free(const struct statvfs *volume, uint64_t *bytes, uint64_t *inodes);
int open_regular(int directory_fd, const char *name);
/* Whether the name is there, a link that leads nowhere included. (faccessat() cannot be asked so before Linux 5.8.) */
bool has_name(int directory_fd, const char *name);
bool is_file_of(int directory_fd, const char *name, uint64_t size);

/* renameat(2) in one directory; -ENOSYS where the volume cannot, by whatever error it says so: EPERM, EXDEV. */
int rename_within(int directory_fd, const char *from, const char *to);

/*
 * The one way to put something into the place of something else: made beside it under a name that nobody
 * has, then renamed over it. A crash leaves one or the other; on a volume that renames over nothing, perhaps none.
 *
 *     replacement_begin(&replacement, directory_fd, name);
 *     fd = replacement_create(&replacement);          or symlinkat() to replacement.temporary
 *     error = replacement_end(&replacement, error);   gives up where error is not 0
 */
struct replacement {
	int directory_fd; /* the caller's */
	int temporary_fd; /* where it is made: the same, or another directory of the volume */
	char name[MAX_NAME_BYTES], temporary[16];
};
void replacement_begin(struct replacement *replacement, int directory_fd, const char *name);
/* Whether a name is one that replacements are made under: what stands there was left by a kill, or is on its way. */
bool replacement_is_named(const char *name);
/* A new file, open for writing. */
int replacement_create(const struct replacement *replacement);
int replacement_end(const struct replacement *replacement, int error);
/* The same for a small file with this content, on disk before it has its name. */
int replace_file(int directory_fd, const char *name, const char *content);
/* The same with the mode of what is there, and with its owner where that is allowed. */
int rewrite_file(int directory_fd, const char *name, const char *content);

#endif
