/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `*.index.json`: which shard holds which tensor (transformers utils/hub.py,
 * get_checkpoint_shard_files). Only the set of shards matters here, each named once to `visit`.
 */
#ifndef AWEIGH_SHARD_INDEX_H
#define AWEIGH_SHARD_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

enum shard_index_result {
	SHARD_INDEX_OK,
	SHARD_INDEX_NOT_JSON,
	SHARD_INDEX_SHAPE,
	SHARD_INDEX_TOO_MANY,
	SHARD_INDEX_READ
};

struct shard_index {
	enum shard_index_result result;
	enum json_result json;
	uint64_t total_size; /* sum of the tensors' bytes; 0 where it does not say */
	size_t count; /* distinct shards */
	char **names; /* terminated; legality is the caller's to check */
	size_t *name_lengths; /* longer than strlen() where a name holds a NUL */
};

void shard_index_read(struct shard_index *index, int fd, int *error);
void shard_index_parse(struct shard_index *index, const void *bytes, size_t length);
void shard_index_release(struct shard_index *index);
/* Whether the file's name says that it is one. */
bool shard_index_is_name(const char *path);

/* NAME-00002-of-00003.ENDING: one part of so many, numbered from 1 as a rule; DeepSeek-V3 has model-00001-of-000163, others begin at 0. */
struct shard_number {
	uint64_t number, count;
	size_t prefix, digits; /* bytes of the path before the number, and of the number */
	const char *rest; /* behind the number: -of-00003.ENDING */
	const char *ending; /* with its dot */
};
/* false: the name is not of that form. */
bool shard_number_read(const char *path, struct shard_number *out);

#endif
