/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plain directory notes of each file that was downloaded into it: .cache/huggingface/download/PATH.metadata
 * with commit, digest and time, a line each. Source: huggingface_hub 1.28.0 _local_folder.py.
 */
#ifndef AWEIGH_METADATA_H
#define AWEIGH_METADATA_H

#include "engine/inspection.h"

struct metadata {
	char commit[COMMIT_HEX + 1];
	char digest[SHA256_HEX + 1]; /* SHA-256, or git's SHA-1 */
};
/* false: there is none, or it is not sound. */
bool metadata_read(const struct inspection *inspection, const char *path, struct metadata *out);

#endif
