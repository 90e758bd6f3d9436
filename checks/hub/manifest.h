/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trees/COMMIT.json: the list of a commit's files that huggingface_hub 1.22 and newer leave in the
 * cache (_tree_cache.py, format_version 1): path -> size, blob_id, and for LFS files lfs_sha256. It is
 * streamed, a file at a time. Malformed: as if absent, which is how the library takes it too.
 */
#ifndef AWEIGH_MANIFEST_H
#define AWEIGH_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct manifest_file {
	const char *path; /* terminated, not yet found legal */
	size_t path_length;
	uint64_t size;
	bool has_size;
	char blob_id[COMMIT_HEX + 1]; /* git's SHA-1; of the pointer where sha256 is set */
	char sha256[SHA256_HEX + 1]; /* "" for a file that is not in LFS */
	char xet_hash[SHA256_HEX + 1];
};

typedef bool manifest_visit(void *context, const struct manifest_file *file);

/*
 * Two passes: the first (visit NULL) says whether all of it is sound, the second hands out the
 * files. false: malformed, or `version` other than 1.
 */
bool manifest_parse(const void *bytes, size_t length, manifest_visit *visit, void *context);
bool manifest_read(int fd, manifest_visit *visit, void *context);

#endif
