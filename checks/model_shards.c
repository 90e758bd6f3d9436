/* SPDX-License-Identifier: Apache-2.0 */
/* Sharded weights: every file that an index names must be there. */
#include <string.h>

#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "formats/shard_index.h"
#include "hub/cache.h"
#include "util.h"

static void check_shards(struct inspection *inspection, const char *path,
                         const struct shard_index *index)
{
	char directory[MAX_PATH_BYTES], shard[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(directory);
	const char *slash = strrchr(path, '/');
	uint64_t sum = 0, size;
	bool whole = true;

	if (slash != NULL)
		text_add_bytes(&text, path, (size_t)(slash - path));
	for (size_t i = 0; i < index->count; i++) {
		const char *name = index->names[i];

		if (strlen(name) != index->name_lengths[i] ||
		    !repo_path_is_legal(name, index->name_lengths[i]) ||
		    !path_join(shard, sizeof(shard), directory, name)) {
			inspection_report(
			        inspection, FINDING_MODEL_INDEX, (struct report_at){ .path = path },
			        "names [%.256s] as a shard, which is no file of the model", name);
			whole = false;
		} else if (!model_has(inspection, shard, &size)) {
			inspection_report(inspection, FINDING_MODEL_SHARD,
			                  (struct report_at){ .path = shard },
			                  "is missing: %.256s keeps tensors in it", path);
			whole = false;
		} else if (__builtin_add_overflow(sum, size, &sum)) {
			sum = UINT64_MAX;
		}
	}
	/* total_size counts tensors, not headers: a lower bound; tied weights make it inexact, by a tenth at most. */
	if (whole && inspection->model->level >= LEVEL_SIZE && index->total_size / 10 * 9 > sum)
		inspection_report(inspection, FINDING_MODEL_SHARD,
		                  (struct report_at){ .path = path },
		                  "states %llu bytes of tensors, but its shards have %llu in all",
		                  (unsigned long long)index->total_size, (unsigned long long)sum);
}

static void check_index(struct inspection *inspection, const char *path)
{
	struct shard_index index;
	int error = 0;

	shard_index_read(&index, inspection->file->fd, &error);
	if (index.result == SHARD_INDEX_OK)
		check_shards(inspection, path, &index);
	else if (index.result == SHARD_INDEX_TOO_MANY)
		inspection_report(inspection, FINDING_MODEL_INDEX,
		                  (struct report_at){ .path = path }, "names more than %u shards",
		                  MAX_SHARDS);
	else if (index.result == SHARD_INDEX_READ)
		inspection_report(inspection, FINDING_MODEL_INDEX,
		                  (struct report_at){ .path = path }, "cannot be read whole: %s",
		                  strerror(error));
	else if (index.result == SHARD_INDEX_SHAPE ||
	         inspection->model->level <
	                 LEVEL_STRUCTURE) /* at structure the file itself is told */
		inspection_report(inspection, FINDING_MODEL_INDEX,
		                  (struct report_at){ .path = path },
		                  "has no weight_map of tensors and files");
	shard_index_release(&index);
}

/* While the index is met: each of a model's indexes, however many there are. */
void check_model_shards(struct inspection *inspection)
{
	if (inspection->file->fd >= 0 && shard_index_is_name(inspection->file->path))
		check_index(inspection, inspection->file->path);
}
