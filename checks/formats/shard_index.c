/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/shard_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "bounds.h"
#include "formats/formats.h"

static bool fail(struct shard_index *index, enum shard_index_result why)
{
	index->result = why;
	return false;
}

/* Tensors of one shard stand together, so the last name is looked at first. */
static bool add_name(struct shard_index *index, const char *name, size_t length)
{
	for (size_t i = index->count; i-- > 0;)
		if (index->name_lengths[i] == length && memcmp(index->names[i], name, length) == 0)
			return true;
	if (index->count >= MAX_SHARDS)
		return fail(index, SHARD_INDEX_TOO_MANY);
	if (index->names == NULL) {
		index->names = calloc(MAX_SHARDS, sizeof(*index->names));
		index->name_lengths = calloc(MAX_SHARDS, sizeof(*index->name_lengths));
		if (index->names == NULL || index->name_lengths == NULL)
			return fail(index, SHARD_INDEX_READ);
	}
	index->names[index->count] = malloc(length + 1);
	if (index->names[index->count] == NULL)
		return fail(index, SHARD_INDEX_READ);
	memcpy(index->names[index->count], name, length);
	index->names[index->count][length] = '\0';
	index->name_lengths[index->count++] = length;
	return true;
}

static bool visit(void *context, const struct json_value *value)
{
	struct shard_index *index = context;

	if (value->depth == 0)
		return value->kind == JSON_OBJECT || value->kind == JSON_OBJECT_END ||
		       fail(index, SHARD_INDEX_SHAPE);
	if (value->depth == 1 && json_key_is(value, 0, "weight_map"))
		return value->kind == JSON_OBJECT || value->kind == JSON_OBJECT_END ||
		       fail(index, SHARD_INDEX_SHAPE);
	if (value->depth == 2 && json_key_is(value, 0, "weight_map")) {
		if (value->kind != JSON_STRING)
			return fail(index, SHARD_INDEX_SHAPE);
		return add_name(index, value->text, value->length);
	}
	if (value->depth == 2 && value->kind == JSON_NUMBER && json_key_is(value, 0, "metadata") &&
	    json_key_is(value, 1, "total_size"))
		(void)scan_u64(value->text, value->length, &index->total_size);
	return true;
}

static void finish(struct shard_index *index)
{
	if (index->result != SHARD_INDEX_OK)
		return;
	if (index->json != JSON_OK)
		index->result = SHARD_INDEX_NOT_JSON;
	else if (index->count == 0)
		index->result = SHARD_INDEX_SHAPE;
}

void shard_index_parse(struct shard_index *index, const void *bytes, size_t length)
{
	memset(index, 0, sizeof(*index));
	index->json = json_parse(bytes, length, visit, index);
	finish(index);
}

void shard_index_read(struct shard_index *index, int fd, int *error)
{
	memset(index, 0, sizeof(*index));
	index->json = json_read(fd, MAX_INDEX_BYTES, visit, index, error);
	if (*error != 0)
		index->result = SHARD_INDEX_READ;
	finish(index);
}

void shard_index_release(struct shard_index *index)
{
	for (size_t i = 0; i < index->count; i++)
		free(index->names[i]);
	free(index->names);
	free(index->name_lengths);
	memset(index, 0, sizeof(*index));
}

/* model.safetensors.index.json, pytorch_model.bin.index.fp16.json: the name of weights, then `.index.`. */
bool shard_index_is_name(const char *path)
{
	const char *index = strstr(path, ".index.");
	char weights[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(weights);
	const struct format *format;

	if (index == NULL || !path_ends(path, ".json"))
		return false;
	text_add_bytes(&text, path, (size_t)(index - path));
	format = format_by_name(weights);
	return format != NULL && format->weights;
}

bool shard_number_read(const char *path, struct shard_number *out)
{
	const char *at = strstr(path, "-of-");

	size_t before = 0, after;

	while (at != NULL && strstr(at + 1, "-of-") != NULL)
		at = strstr(at + 1, "-of-");
	if (at == NULL)
		return false;
	while (at - before > path && at[-1 - (ptrdiff_t)before] >= '0' &&
	       at[-1 - (ptrdiff_t)before] <= '9')
		before++;
	after = strspn(at + 4, "0123456789");
	if (before < 5 || after < 5 || at - before == path || at[-1 - (ptrdiff_t)before] != '-' ||
	    at[4 + after] != '.' || !scan_u64(at - before, before, &out->number) ||
	    !scan_u64(at + 4, after, &out->count))
		return false;
	out->prefix = (size_t)(at - before - path);
	out->digits = before;
	out->rest = at;
	out->ending = at + 4 + after;
	return true;
}
