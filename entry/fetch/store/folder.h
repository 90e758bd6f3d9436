/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders and small files, made one step at a time beneath an open folder: no link on the way is followed
 * unless that is asked for. Functions return 0 or a descriptor, or a negative errno.
 */
#ifndef AWEIGH_FOLDER_H
#define AWEIGH_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

/* Eight random hexadecimal digits. */
void random_hex(char out[static 9]);
/* Makes every folder of a path beneath an open one, and opens the last. */
int make_folders(int base_fd, const char *path, bool follow);
/* The folder of a file's path, made where it is missing; *name is the file's own. */
int make_parent(int base_fd, const char *path, const char **name);
int sync_folder(int fd);
int open_regular(int folder_fd, const char *name);
bool is_file_of(int folder_fd, const char *name, uint64_t size);
/* Replaces a small file: written beside it, on disk, renamed. */
int replace_file(int folder_fd, const char *name, const char *content);

#endif
