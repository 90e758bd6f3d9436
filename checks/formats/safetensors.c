/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/safetensors.h"

#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "base/scan.h"
#include "bounds.h"
#include "formats/formats.h"
#include "util.h"

struct span {
	uint64_t begin, end;
	uint64_t name_hash; /* a collision would need a forged file, and only refuses it */
};

/* Gathers one tensor after the other while the header streams by. */
struct gather {
	struct span *spans;
	size_t count, room;
	enum safetensors_result result;
	uint64_t unknown_types;
	unsigned bits; /* of the tensor at hand; 0: unknown dtype */
	bool has_type, has_shape, has_offsets, metadata, has_metadata;
	uint64_t elements;
	uint64_t offset[2];
	unsigned offsets;
};

static unsigned bits_of(const struct json_value *value)
{
	static const struct {
		const char *name;
		unsigned bits;
	} types[] = {
		{ "F4", 4 },      { "F6_E2M3", 6 },     { "F6_E3M2", 6 },     { "BOOL", 8 },
		{ "U8", 8 },      { "I8", 8 },          { "F8_E5M2", 8 },     { "F8_E4M3", 8 },
		{ "F8_E8M0", 8 }, { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 }, { "I16", 16 },
		{ "U16", 16 },    { "F16", 16 },        { "BF16", 16 },       { "I32", 32 },
		{ "U32", 32 },    { "F32", 32 },        { "I64", 64 },        { "U64", 64 },
		{ "F64", 64 },    { "C64", 64 },
	};

	for (size_t i = 0; i < LENGTH_OF(types); i++)
		if (json_text_is(value, types[i].name))
			return types[i].bits;
	return 0;
}

static bool fail(struct gather *gather, enum safetensors_result why)
{
	gather->result = why;
	return false;
}

static bool finish_tensor(struct gather *gather, const struct json_value *value)
{
	uint64_t bits;

	if (!gather->has_type || !gather->has_shape || gather->offsets != 2)
		return fail(gather, SAFETENSORS_NOT_JSON);
	if (gather->offset[1] < gather->offset[0])
		return fail(gather, SAFETENSORS_OFFSETS);
	if (gather->bits == 0)
		gather->unknown_types++;
	else if (__builtin_mul_overflow(gather->elements, gather->bits, &bits) || bits % 8 != 0 ||
	         bits / 8 != gather->offset[1] - gather->offset[0])
		return fail(gather, SAFETENSORS_OFFSETS);
	if (!ARRAY_MAKE_ROOM(gather->spans, gather->count, gather->room))
		return fail(gather, SAFETENSORS_MEMORY);
	if (gather->count >= MAX_TENSORS)
		return fail(gather, SAFETENSORS_TOO_MANY);
	gather->spans[gather->count++] =
	        (struct span){ gather->offset[0], gather->offset[1],
		               hash_bytes(value->key[0], value->key_length[0]) };
	return true;
}

static bool read_number(struct gather *gather, const struct json_value *value, bool shape)
{
	uint64_t number;

	if (!scan_u64(value->text, value->length, &number))
		return fail(gather, SAFETENSORS_NOT_JSON);
	if (shape)
		return !__builtin_mul_overflow(gather->elements, number, &gather->elements) ||
		       fail(gather, SAFETENSORS_OFFSETS);
	if (gather->offsets >= 2)
		return fail(gather, SAFETENSORS_NOT_JSON);
	gather->offset[gather->offsets++] = number;
	return true;
}

static bool visit(void *context, const struct json_value *value)
{
	struct gather *gather = context;
	bool shape = json_key_is(value, 1, "shape"),
	     offsets = json_key_is(value, 1, "data_offsets");

	if (value->depth == 0)
		return value->kind == JSON_OBJECT || value->kind == JSON_OBJECT_END ||
		       fail(gather, SAFETENSORS_NOT_JSON);
	if (value->depth == 1 && json_key_is(value, 0, "__metadata__") &&
	    (value->kind == JSON_OBJECT || value->kind == JSON_NULL)) {
		if (gather->has_metadata)
			return fail(gather, SAFETENSORS_NOT_JSON);
		gather->has_metadata = true;
		gather->metadata = value->kind == JSON_OBJECT;
		return true;
	}
	if (value->depth == 1 && value->kind == JSON_OBJECT) {
		gather->metadata = false;
		gather->has_type = gather->has_shape = gather->has_offsets = false;
		gather->offsets = 0;
		gather->elements = 1;
		return true;
	}
	if (value->depth == 1 && value->kind == JSON_OBJECT_END)
		return gather->metadata || finish_tensor(gather, value);
	if (value->depth == 1)
		return fail(gather, SAFETENSORS_NOT_JSON);
	if (gather->metadata)
		return (value->depth == 2 && value->kind == JSON_STRING) ||
		       fail(gather, SAFETENSORS_NOT_JSON);
	if (!shape && !offsets && !json_key_is(value, 1, "dtype"))
		return true; /* as serde does */
	if (value->depth == 2 && value->kind == JSON_STRING && json_key_is(value, 1, "dtype") &&
	    !gather->has_type) {
		gather->has_type = true;
		gather->bits = bits_of(value);
		return true;
	}
	if (value->depth == 2 && (shape || offsets) &&
	    (value->kind == JSON_ARRAY || value->kind == JSON_ARRAY_END)) {
		if (value->kind == JSON_ARRAY && (shape ? gather->has_shape : gather->has_offsets))
			return fail(gather, SAFETENSORS_NOT_JSON);
		gather->has_shape |= shape;
		gather->has_offsets |= offsets;
		return true;
	}
	if (value->depth == 3 && value->kind == JSON_NUMBER && (shape || offsets))
		return read_number(gather, value, shape);
	return fail(gather, SAFETENSORS_NOT_JSON);
}

static int by_place(const void *a, const void *b)
{
	const struct span *left = a, *right = b;

	if (left->begin != right->begin)
		return left->begin < right->begin ? -1 : 1;
	return left->end < right->end ? -1 : left->end > right->end;
}

static int by_name(const void *a, const void *b)
{
	const struct span *left = a, *right = b;

	return left->name_hash < right->name_hash ? -1 : left->name_hash > right->name_hash;
}

static enum safetensors_result judge(struct gather *gather, uint64_t size, struct safetensors *out)
{
	uint64_t at = 0;

	if (gather->count > 1)
		qsort(gather->spans, gather->count, sizeof(*gather->spans), by_name);
	for (size_t i = 1; i < gather->count; i++)
		if (gather->spans[i].name_hash == gather->spans[i - 1].name_hash)
			return SAFETENSORS_DUPLICATE;
	if (gather->count > 1)
		qsort(gather->spans, gather->count, sizeof(*gather->spans), by_place);
	for (size_t i = 0; i < gather->count; at = gather->spans[i++].end)
		if (gather->spans[i].begin != at)
			return SAFETENSORS_OFFSETS;
	if (__builtin_add_overflow(at, 8 + out->header_bytes, &out->expected))
		return SAFETENSORS_OFFSETS;
	if (size != out->expected)
		return size < out->expected ? SAFETENSORS_SHORT : SAFETENSORS_LONG;
	return SAFETENSORS_OK;
}

static enum safetensors_result finish(struct json *json, struct gather *gather, uint64_t size,
                                      struct safetensors *out)
{
	enum json_result parsed = json_end(json);
	enum safetensors_result result = gather->result;

	if (result == SAFETENSORS_OK && parsed != JSON_OK)
		result = parsed == JSON_MEMORY ? SAFETENSORS_MEMORY : SAFETENSORS_NOT_JSON;
	out->tensors = gather->count;
	out->unknown_types = gather->unknown_types;
	if (result == SAFETENSORS_OK)
		result = judge(gather, size, out);
	free(gather->spans);
	return result;
}

enum safetensors_result safetensors_parse(const void *header, uint64_t length, uint64_t size,
                                          struct safetensors *out)
{
	struct gather gather = { 0 };
	struct json json;

	*out = (struct safetensors){ .header_bytes = length };
	json_begin(&json, visit, &gather);
	json_feed(&json, header, length);
	return finish(&json, &gather, size, out);
}

enum safetensors_result safetensors_read(int fd, uint64_t size, struct safetensors *out)
{
	unsigned char buffer[READ_BYTES];
	struct gather gather = { 0 };
	struct json json;
	uint64_t at = 8, end;
	ssize_t got = pread(fd, buffer, sizeof(buffer), 0);

	*out = (struct safetensors){ 0 };
	if (got < 0) {
		out->error = errno;
		return SAFETENSORS_READ;
	}
	if (got < 8)
		return SAFETENSORS_NO_HEADER;
	out->header_bytes = load_le64(buffer);
	if (out->header_bytes > MAX_SAFETENSORS_HEADER_BYTES)
		return SAFETENSORS_HEADER_SIZE;
	end = out->expected = 8 + out->header_bytes;
	if (end > size)
		return SAFETENSORS_SHORT;
	if (got > 8 && buffer[8] != '{')
		return SAFETENSORS_NOT_JSON;
	json_begin(&json, visit, &gather);
	for (size_t skip = 8; at < end; skip = 0) {
		uint64_t here = (uint64_t)got - skip;

		if (here > end - at)
			here = end - at;
		if (!json_feed(&json, buffer + skip, here))
			break;
		at += here;
		if (at == end)
			break;
		got = pread(fd, buffer, sizeof(buffer), (off_t)at);
		if (got <= 0) { /* the file shrank while it was read, or cannot be read */
			gather.result = got < 0 ? SAFETENSORS_READ : SAFETENSORS_SHORT;
			out->error = got < 0 ? errno : 0;
			break;
		}
	}
	return finish(&json, &gather, size, out);
}

const char *safetensors_words(enum safetensors_result result)
{
	switch (result) {
	case SAFETENSORS_OK:
		return "is whole";
	case SAFETENSORS_SHORT:
		return "is cut short";
	case SAFETENSORS_LONG:
		return "has bytes after its last tensor";
	case SAFETENSORS_NO_HEADER:
		return "is too short for a safetensors header";
	case SAFETENSORS_HEADER_SIZE:
		return "states a header above the format's 100 MB: it is not a safetensors file";
	case SAFETENSORS_NOT_JSON:
		return "has a header that is not the JSON of a safetensors file";
	case SAFETENSORS_DUPLICATE:
		return "names a tensor twice in its header";
	case SAFETENSORS_OFFSETS:
		return "has a header whose tensors leave holes, overlap, or do not fit their type and shape";
	case SAFETENSORS_TOO_MANY:
		return "has more than 1,000,000 tensors";
	case SAFETENSORS_READ:
		return "cannot be read";
	case SAFETENSORS_MEMORY:
		return "cannot be checked: out of memory";
	}
	return "";
}

void safetensors_examine(const struct examined *file, struct extent *extent)
{
	struct safetensors header;
	enum safetensors_result result = safetensors_read(file->fd, file->size, &header);

	*extent = (struct extent){ .result = EXTENT_BROKEN,
		                   .expected = header.expected,
		                   .words = safetensors_words(result),
		                   .error = header.error };
	if (result == SAFETENSORS_OK && header.unknown_types > 0) {
		extent->result = EXTENT_UNKNOWN;
		extent->words = "has tensors of an unknown dtype";
	} else if (result == SAFETENSORS_OK) {
		extent->result = EXTENT_WHOLE;
	} else if (result == SAFETENSORS_SHORT) {
		extent->result = EXTENT_SHORT;
	} else if (result == SAFETENSORS_LONG) {
		extent->result = EXTENT_LONG;
	} else if (result == SAFETENSORS_READ) {
		extent->result = EXTENT_UNREADABLE;
	}
}
