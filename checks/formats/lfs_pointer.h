/* SPDX-License-Identifier: Apache-2.0 */
/* Git LFS pointers: the text that stands for a file which was never fetched (git-lfs docs/spec.md). */
#ifndef AWEIGH_LFS_POINTER_H
#define AWEIGH_LFS_POINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"

struct lfs_pointer {
	uint64_t size; /* of the real file; 0 where the pointer does not say */
	char sha256[SHA256_HEX + 1]; /* "" where the pointer does not say */
};

bool lfs_pointer_parse(const char *text, size_t length, struct lfs_pointer *out);

#endif
