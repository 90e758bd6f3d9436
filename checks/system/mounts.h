/* SPDX-License-Identifier: Apache-2.0 */
/* What is mounted where: proc(5), mountinfo. */
#ifndef AWEIGH_MOUNTS_H
#define AWEIGH_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tree.h"
#include "bounds.h"

struct mount {
	char point[MAX_PATH_BYTES];
	char type[64];
	char source[256];
	char root[256]; /* the part of the source that is mounted */
	bool read_only;
};

/* The mounts as text; *data is the caller's to free. */
int mounts_read(char **data, size_t *length);
/* The mount that `path` (absolute, without links) lies on. */
bool mount_of(const char *mounts, size_t length, const char *path, struct mount *out);
/* One line of mountinfo. */
bool mount_parse(const char *line, size_t length, struct mount *out);

#endif
