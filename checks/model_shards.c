/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights in parts: every part that an index names and the policy wants must be there, and so must the
 * others of a part that is numbered NAME-00001-of-00003.
 */
#include <string.h>

#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "families/families.h"
#include "formats/shard_index.h"
#include "hub/cache.h"
#include "util.h"

/* The directory of a path, "" for the model's own. */
static void directory_of(const char *path, char *out, size_t size)
{
	struct text text = text_over(out, size);
	const char *slash = strrchr(path, '/');

	if (slash != NULL)
		text_add_bytes(&text, path, (size_t)(slash - path));
}

struct parts {
	size_t there, wanted; /* wanted: of those that are not there */
	uint64_t bytes;
	bool whole;
};

static void look_for(struct inspection *inspection, const struct shard_index *index, size_t i,
                     const char *path, struct parts *parts, bool tell)
{
	const char *name = index->names[i];
	char directory[MAX_PATH_BYTES], shard[MAX_PATH_BYTES];
	uint64_t size;

	directory_of(path, directory, sizeof(directory));
	if (strlen(name) != index->name_lengths[i] ||
	    !repo_path_is_legal(name, index->name_lengths[i]) ||
	    !path_join(shard, sizeof(shard), directory, name)) {
		parts->whole = false;
		parts->wanted++;
		if (tell)
			inspection_report(
			        inspection, FINDING_MODEL_INDEX, (struct report_at){ .path = path },
			        "names [%.256s] as a shard, which is not a file of the model",
			        name);
	} else if (model_has(inspection, shard, &size)) {
		parts->there++;
		if (__builtin_add_overflow(parts->bytes, size, &parts->bytes))
			parts->bytes = UINT64_MAX;
	} else {
		parts->whole = false;
		if (!model_wants(inspection, shard))
			return;
		parts->wanted++;
		if (tell)
			inspection_report(inspection, FINDING_MODEL_SHARD,
			                  (struct report_at){ .path = shard },
			                  "is missing: %.256s keeps tensors in it", path);
	}
}

static struct parts look_for_all(struct inspection *inspection, const struct shard_index *index,
                                 const char *path, bool tell)
{
	struct parts parts = { .whole = true };

	for (size_t i = 0; i < index->count; i++)
		look_for(inspection, index, i, path, &parts, tell);
	return parts;
}

/* What an index says is weighed once all files were met; false: now. */
static bool put_off(struct model_view *view, const char *path)
{
	struct text text;

	if (view->late_indexes == LENGTH_OF(view->late_index) ||
	    strlen(path) >= sizeof(view->late_index[0]))
		return false;
	text = TEXT_OVER(view->late_index[view->late_indexes]);
	text_add(&text, path);
	view->late_indexes++;
	return true;
}

/* The whole model once more, as exporters put it beneath its folder (optimum, transformers.js): original/ is none. */
static bool has_exported_set(const struct inspection *inspection)
{
	return family_directory_has_weights(inspection, "onnx") ||
	       family_directory_has_weights(inspection, "openvino");
}

/* Other weights beside the index: then one without its shards counts for nothing. */
static bool stands_beside_weights(const struct inspection *inspection, const char *path)
{
	char directory[MAX_PATH_BYTES];

	directory_of(path, directory, sizeof(directory));
	return family_directory_has_weights(inspection, directory) ||
	       (directory[0] == '\0' && has_exported_set(inspection));
}

/* model.safetensors.index.json that has model.safetensors for a shard: then that is no whole set of its own. */
static bool has_whole_for_shard(const struct shard_index *index, const char *path)
{
	const char *name = path_name(path);
	size_t length = strlen(name) - strlen(".index.json");

	for (size_t i = 0; i < index->count; i++)
		if (index->name_lengths[i] == length && memcmp(index->names[i], name, length) == 0)
			return true;
	return false;
}

static void check_shards(struct inspection *inspection, const char *path,
                         const struct shard_index *index)
{
	struct model_view *view = inspection->model;
	struct parts parts = look_for_all(inspection, index, path, false);
	/* total_size counts tensors, not headers; loaders never look at it, and quantized models keep the old one. */
	bool small = parts.whole && view->level >= LEVEL_SIZE &&
	             index->total_size / 10 * 9 > parts.bytes;

	if (parts.wanted > 0 && parts.there > 0 &&
	    (has_whole_for_shard(index, path) || !family_is_spare(inspection, path))) {
		(void)look_for_all(inspection, index, path, true);
		return;
	}
	if ((parts.wanted == 0 && !small) || put_off(view, path))
		return;
	if (parts.wanted > 0 && !stands_beside_weights(inspection, path))
		(void)look_for_all(inspection, index, path, true);
	if (small && !view->manifest_complete) /* which has the shards' own sizes */
		inspection_report(
		        inspection, FINDING_MODEL_INDEX_SIZE, (struct report_at){ .path = path },
		        "states %llu bytes of tensors, its shards have %llu",
		        (unsigned long long)index->total_size, (unsigned long long)parts.bytes);
}

static void check_index(struct inspection *inspection, const char *path, int fd)
{
	struct shard_index index;
	int error = 0;

	shard_index_read(&index, fd, &error);
	if (index.result == SHARD_INDEX_OK)
		check_shards(inspection, path, &index);
	else if (family_is_spare(inspection, path))
		; /* it is not opened */
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

/* After the walk: what stands in the directory of an index without shards tells whether they are missed. */
void check_model_indexes(struct inspection *inspection)
{
	struct model_view *view = inspection->model;
	size_t count = view->late_indexes;

	view->late_indexes = LENGTH_OF(view->late_index); /* so that each is told now */
	for (size_t i = 0; i < count; i++) {
		CLEANUP(cleanup_fd) int fd = model_open(inspection, view->late_index[i], NULL);

		if (fd >= 0)
			check_index(inspection, view->late_index[i], fd);
	}
}

static void name_part(const char *path, const struct shard_number *of, uint64_t number,
                      char part[static MAX_PATH_BYTES])
{
	struct text text = text_over(part, MAX_PATH_BYTES);

	text_add_bytes(&text, path, of->prefix);
	text_addf(&text, "%0*llu%s", (int)of->digits, (unsigned long long)number, of->rest);
}

static bool has_part(const struct inspection *inspection, const char *path,
                     const struct shard_number *of, uint64_t number,
                     char part[static MAX_PATH_BYTES])
{
	name_part(path, of, number, part);
	return model_has(inspection, part, NULL) || !model_wants(inspection, part);
}

/* transformers and diffusers find the parts of model-00001-of-00002 by the index alone; vLLM looks for itself. */
static void check_no_index(struct inspection *inspection, const struct shard_number *of,
                           const char *index)
{
	const char *path = inspection->file->path;
	char directory[MAX_PATH_BYTES];

	directory_of(path, directory, sizeof(directory));
	if (of->number == 1 && of->prefix >= 6 &&
	    strncmp(path + of->prefix - 6, "model-", 6) == 0 &&
	    family_directory_has_file(inspection, directory, "config.json") &&
	    model_wants(inspection, index))
		inspection_report(
		        inspection, FINDING_MODEL_NO_CONFIG,
		        (struct report_at){
		                .path = path,
		                .fix = "fetch it: vLLM does without, transformers does not" },
		        "has no %.256s", index);
}

/* Each part tells of those that are missing behind it, and the first that is there of those before it. */
static void check_numbered(struct inspection *inspection)
{
	const char *path = inspection->file->path;
	bool gguf = strcmp(inspection->file->format->name, "gguf") == 0;
	char part[MAX_PATH_BYTES], index[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(index);
	struct shard_number of;
	uint64_t first = 1, before;

	if (!shard_number_read(path, &of) || of.number > of.count || of.count > MAX_SHARDS ||
	    (gguf && of.number == 0))
		return;
	/* Where the parts have an index, that says what is demanded. */
	text_add_bytes(&text, path, of.prefix - 1);
	text_addf(&text, "%s.index.json", of.ending);
	if (!gguf && (model_has(inspection, index, NULL) || family_is_spare(inspection, path)))
		return;
	if (!gguf)
		check_no_index(inspection, &of, index);
	name_part(path, &of, 0, part);
	if (!gguf && model_has(inspection, part, NULL))
		first = 0;
	before = first;
	while (before < of.number && !has_part(inspection, path, &of, before, part))
		before++;
	for (uint64_t i = before == of.number ? first : of.number + 1; i < first + of.count; i++) {
		if (i == of.number)
			continue;
		if (has_part(inspection, path, &of, i, part))
			break;
		inspection_report(inspection, gguf ? FINDING_FILE_SPLIT : FINDING_MODEL_SHARD,
		                  (struct report_at){ .path = part },
		                  "is missing: %.256s says that the model has %llu parts", path,
		                  (unsigned long long)of.count);
	}
}

/* While a file is met: each of a model's indexes, however many there are, and each numbered part. */
void check_model_shards(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;

	if (file->fd < 0)
		return;
	if (shard_index_is_name(file->path))
		check_index(inspection, file->path, file->fd);
	else if (file->format != NULL && file->format->weights)
		check_numbered(inspection);
}
