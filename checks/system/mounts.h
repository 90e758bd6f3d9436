/* SPDX-License-Identifier: Apache-2.0 */
/* What the container's platform says of itself: mounts (proc(5), mountinfo) and cgroup limits. */
#ifndef AWEIGH_PLATFORM_H
#define AWEIGH_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "base/tree.h"

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

/* Cores that the affinity mask and the cgroup's quota leave, at least 1. */
unsigned cores_allowed(void);
/* The cgroup's memory limit in bytes; UINT64_MAX: none. */
uint64_t memory_limit(void);

#endif
