/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights in parts: every part that an index names and the policy wants must be there, and so must the
 * others of a part that is numbered NAME-00001-of-00003.
 */
#include <string.h>

#include "base/scan.h"
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

/* An index of which nothing was met counts only where nothing else stands for weights: see check_absent(). */
static bool remember_absent(struct model_view *view, const char *path)
{
	struct text text;

	if (view->absent_indexes == LENGTH_OF(view->absent_index) ||
	    strlen(path) >= sizeof(view->absent_index[0]))
		return false;
	text = TEXT_OVER(view->absent_index[view->absent_indexes]);
	text_add(&text, path);
	view->absent_indexes++;
	return true;
}

/* Weights of the format that loaders take first: an index of the other is never opened then. */
static bool has_other_set(const struct inspection *inspection, const char *path)
{
	char directory[MAX_PATH_BYTES], name[MAX_PATH_BYTES];

	directory_of(path, directory, sizeof(directory));
	return path_ends(path, ".bin.index.json") &&
	       ((path_join(name, sizeof(name), directory, "model.safetensors") &&
	         model_has(inspection, name, NULL)) ||
	        (path_join(name, sizeof(name), directory, "model.safetensors.index.json") &&
	         model_has(inspection, name, NULL)));
}

static void check_shards(struct inspection *inspection, const char *path,
                         const struct shard_index *index)
{
	struct parts parts = look_for_all(inspection, index, path, false);

	if (parts.wanted > 0 && ((parts.there > 0 && !has_other_set(inspection, path)) ||
	                         !remember_absent(inspection->model, path)))
		(void)look_for_all(inspection, index, path, true);
	/* total_size counts tensors, not headers; loaders never look at it, and quantized models keep the old one. */
	if (parts.whole && inspection->model->level >= LEVEL_SIZE &&
	    index->total_size / 10 * 9 > parts.bytes)
		inspection_report(
		        inspection, FINDING_MODEL_INDEX_SIZE, (struct report_at){ .path = path },
		        "states %llu bytes of tensors, but its shards have %llu in all",
		        (unsigned long long)index->total_size, (unsigned long long)parts.bytes);
}

static void check_index(struct inspection *inspection, const char *path, int fd)
{
	struct shard_index index;
	int error = 0;

	shard_index_read(&index, fd, &error);
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

/* After the walk: what stands in the directory of an index without shards tells whether they are missed. */
void check_model_indexes(struct inspection *inspection)
{
	struct model_view *view = inspection->model;
	size_t count = view->absent_indexes;

	view->absent_indexes = LENGTH_OF(view->absent_index); /* so that each is told now */
	for (size_t i = 0; i < count; i++) {
		const char *path = view->absent_index[i];
		char directory[MAX_PATH_BYTES];
		CLEANUP(cleanup_fd) int fd = -1;

		directory_of(path, directory, sizeof(directory));
		if (family_directory_has_weights(inspection, directory))
			continue;
		fd = model_open(inspection, path, NULL);
		if (fd >= 0)
			check_index(inspection, path, fd);
	}
}

/* NAME-00002-of-00003.ENDING: where the number begins, or NULL. */
static const char *number_of(const char *path, uint64_t *number, uint64_t *count,
                             const char **ending)
{
	const char *at = strstr(path, "-of-");

	while (at != NULL && strstr(at + 1, "-of-") != NULL)
		at = strstr(at + 1, "-of-");
	if (at == NULL || at - path < 6 || at[-6] != '-' || strlen(at) < 10 || at[9] != '.' ||
	    !scan_u64(at - 5, 5, number) || !scan_u64(at + 4, 5, count))
		return NULL;
	*ending = at + 9;
	return at - 5;
}

static bool has_part(const struct inspection *inspection, const char *path, size_t prefix,
                     uint64_t number, uint64_t count, const char *ending,
                     char part[static MAX_PATH_BYTES])
{
	struct text text = text_over(part, MAX_PATH_BYTES);

	text_add_bytes(&text, path, prefix);
	text_addf(&text, "%05llu-of-%05llu%s", (unsigned long long)number,
	          (unsigned long long)count, ending);
	return model_has(inspection, part, NULL) || !model_wants(inspection, part);
}

/* Whether the parts have an index, which then says what is demanded. */
static bool has_index(const struct inspection *inspection, const char *path, size_t prefix,
                      const char *ending)
{
	char name[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(name);

	text_add_bytes(&text, path, prefix - 1);
	text_addf(&text, "%s.index.json", ending);
	return model_has(inspection, name, NULL);
}

/* Each part tells of those that are missing behind it, and the first that is there of those before it. */
static void check_numbered(struct inspection *inspection)
{
	const char *path = inspection->file->path, *ending, *at;
	bool gguf = strcmp(inspection->file->format->name, "gguf") == 0;
	char part[MAX_PATH_BYTES];
	uint64_t number, count, before = 1;
	size_t prefix;

	at = number_of(path, &number, &count, &ending);
	if (at == NULL || number == 0 || number > count || count > MAX_SHARDS)
		return;
	prefix = (size_t)(at - path);
	if (!gguf && has_index(inspection, path, prefix, ending))
		return;
	while (before < number && !has_part(inspection, path, prefix, before, count, ending, part))
		before++;
	for (uint64_t i = before == number ? 1 : number + 1; i <= count; i++) {
		if (i == number)
			continue;
		if (has_part(inspection, path, prefix, i, count, ending, part))
			break;
		inspection_report(inspection, gguf ? FINDING_FILE_SPLIT : FINDING_MODEL_SHARD,
		                  (struct report_at){ .path = part },
		                  "is missing: %.256s says that the model has %llu parts", path,
		                  (unsigned long long)count);
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
