/* SPDX-License-Identifier: Apache-2.0 */
/* Sharded weights: every file that an index names must be there. */
#include <string.h>

#include "engine/inspection.h"
#include "hub/cache.h"
#include "engine/inspect.h"
#include "formats/shard_index.h"
#include "base/text.h"
#include "util.h"

enum { SHARD, INDEX };
static const struct finding_kind kinds[] = {
	[SHARD] = { "model.shard", SEVERITY_ERROR, STATUS_DATA,
	            "a shard that the index names is not there, or the shards are smaller than their tensors",
	            "fetch the missing shards" },
	[INDEX] = { "model.index", SEVERITY_ERROR, STATUS_DATA,
	            "a shard index is not what the libraries expect, or names files outside the model",
	            "fetch the index anew" },
};

static void check_shards(struct look *look, const char *path, const struct shard_index *index)
{
	char folder[MAX_PATH_BYTES], shard[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(folder);
	const char *slash = strrchr(path, '/');
	uint64_t sum = 0, size;
	bool whole = true;

	if (slash != NULL)
		text_add_bytes(&text, path, (size_t)(slash - path));
	for (size_t i = 0; i < index->count; i++) {
		const char *name = index->names[i];

		if (strlen(name) != index->name_lengths[i] ||
		    !repo_path_is_legal(name, index->name_lengths[i]) ||
		    !path_join(shard, sizeof(shard), folder, name)) {
			look_report(look, &kinds[INDEX], (struct report_at){ .path = path },
			            "names [%.256s] as a shard, which is no file of the model",
			            name);
			whole = false;
		} else if (!model_has(look, shard, &size)) {
			look_report(look, &kinds[SHARD], (struct report_at){ .path = shard },
			            "is missing: %.256s keeps tensors in it", path);
			whole = false;
		} else if (__builtin_add_overflow(sum, size, &sum)) {
			sum = UINT64_MAX;
		}
	}
	/* total_size counts tensors, not headers: a lower bound; tied weights make it inexact, by a tenth at most. */
	if (whole && look->model->level >= LEVEL_SIZE && index->total_size / 10 * 9 > sum)
		look_report(look, &kinds[SHARD], (struct report_at){ .path = path },
		            "states %llu bytes of tensors, but its shards have %llu in all",
		            (unsigned long long)index->total_size, (unsigned long long)sum);
}

static void check_index(struct look *look, const char *path)
{
	struct shard_index index;
	int error = 0;

	shard_index_read(&index, look->file->fd, &error);
	if (index.result == SHARD_INDEX_OK)
		check_shards(look, path, &index);
	else if (index.result == SHARD_INDEX_TOO_MANY)
		look_report(look, &kinds[INDEX], (struct report_at){ .path = path },
		            "names more than %u shards", MAX_SHARDS);
	else if (index.result == SHARD_INDEX_READ)
		look_report(look, &kinds[INDEX], (struct report_at){ .path = path },
		            "cannot be read whole: %s", strerror(error));
	else if (index.result == SHARD_INDEX_SHAPE ||
	         look->model->level < LEVEL_STRUCTURE) /* at structure the file itself is told */
		look_report(look, &kinds[INDEX], (struct report_at){ .path = path },
		            "has no weight_map of tensors and files");
	shard_index_release(&index);
}

/* While the index is met: each of a model's indexes, however many there are. */
static void check(struct look *look)
{
	if (look->file->fd >= 0 && shard_index_is_name(look->file->path))
		check_index(look, look->file->path);
}

const struct check check_model_shards = { "model_shards", SCOPE_FILE,       LEVEL_PRESENCE,
	                                  kinds,          LENGTH_OF(kinds), check };
