/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/gguf.h"

#include <string.h>

#include "base/array.h"
#include "base/scan.h"
#include "bounds.h"
#include "formats/formats.h"
#include "formats/shard_index.h"
#include "util.h"

enum {
	VALUE_U8,
	VALUE_I8,
	VALUE_U16,
	VALUE_I16,
	VALUE_U32,
	VALUE_I32,
	VALUE_F32,
	VALUE_BOOL,
	VALUE_STRING,
	VALUE_ARRAY,
	VALUE_U64,
	VALUE_I64,
	VALUE_F64,
	VALUE_COUNT
};

static const unsigned char value_bytes[VALUE_COUNT] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

/* Elements and bytes of a block by type number; 0: removed, or given out by another engine (BitNet: 36). */
static const struct {
	unsigned short elements, bytes;
} blocks[] = {
	[0] = { 1, 4 },      [1] = { 1, 2 },      [2] = { 32, 18 },    [3] = { 32, 20 },
	[6] = { 32, 22 },    [7] = { 32, 24 },    [8] = { 32, 34 },    [9] = { 32, 36 },
	[10] = { 256, 84 },  [11] = { 256, 110 }, [12] = { 256, 144 }, [13] = { 256, 176 },
	[14] = { 256, 210 }, [15] = { 256, 292 }, [16] = { 256, 66 },  [17] = { 256, 74 },
	[18] = { 256, 98 },  [19] = { 256, 50 },  [20] = { 32, 18 },   [21] = { 256, 110 },
	[22] = { 256, 82 },  [23] = { 256, 136 }, [24] = { 1, 1 },     [25] = { 1, 2 },
	[26] = { 1, 4 },     [27] = { 1, 8 },     [28] = { 1, 8 },     [29] = { 256, 56 },
	[30] = { 1, 2 },     [34] = { 256, 54 },  [35] = { 256, 66 },  [39] = { 32, 17 },
	[40] = { 64, 36 },   [41] = { 128, 18 },  [42] = { 64, 18 },
};

struct names {
	uint64_t *hash;
	size_t count, room;
};

struct stream {
	struct names names;
	const struct gguf_source *source;
	uint64_t at; /* of the next byte to hand out */
	unsigned char buffer[READ_BYTES];
	uint64_t buffer_at;
	size_t buffered;
	int error; /* errno, or ENODATA at the end, or EFBIG */
};

static bool take(struct stream *stream, void *out, size_t length)
{
	unsigned char *to = out;

	while (length > 0) {
		uint64_t skip = stream->at - stream->buffer_at;
		size_t here;

		if (stream->at < stream->buffer_at || skip >= stream->buffered) {
			ssize_t got = 0;

			if (stream->at > MAX_GGUF_HEADER_BYTES) {
				stream->error = EFBIG;
				return false;
			}
			if (stream->source->fd >= 0) {
				got = pread(stream->source->fd, stream->buffer,
				            sizeof(stream->buffer), (off_t)stream->at);
			} else if (stream->source->memory != NULL &&
			           stream->at < stream->source->size) {
				uint64_t left = stream->source->size - stream->at;

				got = (ssize_t)(left < sizeof(stream->buffer) ?
				                        left :
				                        sizeof(stream->buffer));
				memcpy(stream->buffer, stream->source->memory + stream->at,
				       (size_t)got);
			}
			if (got <= 0) {
				stream->error = got < 0 ? errno : ENODATA;
				return false;
			}
			stream->buffer_at = stream->at;
			stream->buffered = (size_t)got;
			continue;
		}
		here = stream->buffered - (size_t)skip < length ? stream->buffered - (size_t)skip :
		                                                  length;
		if (to != NULL) {
			memcpy(to, stream->buffer + skip, here);
			to += here;
		}
		stream->at += here;
		length -= here;
	}
	return true;
}

/* Moves on without reading; what is skipped must lie within the file. */
static bool skip(struct stream *stream, uint64_t length)
{
	if (length > stream->source->size || stream->at > stream->source->size - length) {
		stream->error = ENODATA;
		return false;
	}
	stream->at += length;
	return true;
}

static bool take_u32(struct stream *stream, uint32_t *out)
{
	unsigned char bytes[4];

	if (!take(stream, bytes, sizeof(bytes)))
		return false;
	*out = load_le32(bytes);
	return true;
}

static bool take_u64(struct stream *stream, uint64_t *out)
{
	unsigned char bytes[8];

	if (!take(stream, bytes, sizeof(bytes)))
		return false;
	*out = load_le64(bytes);
	return true;
}

static bool bad(struct stream *stream)
{
	stream->error = EBADMSG;
	return false;
}

/* A collision would need a forged file, and only refuses it. */
static bool keep_name(struct stream *stream, const char *name, size_t length)
{
	struct names *names = &stream->names;

	if (!ARRAY_MAKE_ROOM(names->hash, names->count, names->room)) {
		stream->error = ENOMEM;
		return false;
	}
	names->hash[names->count++] = hash_bytes(name, length);
	return true;
}

static int by_hash(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* Whether no name was kept twice; forgets them. */
static bool names_differ(struct stream *stream)
{
	struct names *names = &stream->names;

	if (names->count > 1)
		qsort(names->hash, names->count, sizeof(*names->hash), by_hash);
	for (size_t i = 1; i < names->count; i++)
		if (names->hash[i] == names->hash[i - 1])
			return bad(stream);
	names->count = 0;
	return true;
}

/* Keeps the first bytes of a string, terminated, and skips the rest. */
static bool take_string(struct stream *stream, char *out, size_t size, uint64_t *length)
{
	size_t keep;

	if (!take_u64(stream, length))
		return false;
	keep = *length < size - 1 ? (size_t)*length : size - 1;
	if (!take(stream, out, keep))
		return false;
	out[keep] = '\0';
	return skip(stream, *length - keep);
}

static bool skip_array(struct stream *stream)
{
	uint32_t type;
	uint64_t count, length;

	if (!take_u32(stream, &type) || !take_u64(stream, &count))
		return false;
	if (type >= VALUE_COUNT || type == VALUE_ARRAY || count > MAX_GGUF_ARRAY)
		return bad(stream);
	if (type != VALUE_STRING)
		return skip(stream, count * value_bytes[type]);
	if (count > stream->source->size / 8)
		return bad(stream);
	for (uint64_t i = 0; i < count; i++)
		if (!take_u64(stream, &length) || !skip(stream, length))
			return false;
	return true;
}

static bool take_key(struct stream *stream, struct gguf *out, uint32_t *alignment)
{
	char key[1024];
	uint64_t length, number = 0;
	unsigned char bytes[8] = { 0 };
	uint32_t type;

	if (!take_string(stream, key, sizeof(key), &length) || !take_u32(stream, &type))
		return false;
	if (length == 0 || type >= VALUE_COUNT ||
	    (strcmp(key, "general.alignment") == 0 && type != VALUE_U32))
		return bad(stream);
	if (length < sizeof(key) && !keep_name(stream, key, (size_t)length))
		return false;
	if (type == VALUE_STRING)
		return take_u64(stream, &length) && skip(stream, length);
	if (type == VALUE_ARRAY)
		return skip_array(stream);
	if (!take(stream, bytes, value_bytes[type]))
		return false;
	number = load_le64(bytes);
	if (strcmp(key, "general.alignment") == 0) {
		if (type != VALUE_U32 || number == 0 || (number & (number - 1)) != 0)
			return bad(stream);
		*alignment = (uint32_t)number;
	} else if (strcmp(key, "split.count") == 0 && type == VALUE_U16) {
		out->split_count = (uint32_t)number;
	}
	return true;
}

bool ggml_bytes(uint32_t type, uint64_t elements, uint64_t *bytes)
{
	return type < LENGTH_OF(blocks) && blocks[type].elements != 0 &&
	       elements % blocks[type].elements == 0 &&
	       !__builtin_mul_overflow(elements / blocks[type].elements, blocks[type].bytes, bytes);
}

/* One tensor record: its bytes, by type and dimensions. */
static bool take_tensor(struct stream *stream, struct gguf *out, uint64_t *offset, uint64_t *bytes,
                        bool *known)
{
	char name[MAX_GGUF_NAME_BYTES + 1];
	uint64_t length, elements = 1, row = 1, dimension;
	uint32_t dimensions, type;

	if (!take_string(stream, name, sizeof(name), &length) || !take_u32(stream, &dimensions))
		return false;
	if (length >= sizeof(name) || dimensions > MAX_GGUF_DIMENSIONS)
		return bad(stream);
	out->beyond |= length > GGML_NAME_BYTES || dimensions > GGML_DIMENSIONS;
	if (!keep_name(stream, name, strlen(name)))
		return false;
	for (uint32_t i = 0; i < dimensions; i++) {
		if (!take_u64(stream, &dimension))
			return false;
		if (dimension > INT64_MAX || (i > 0 && dimension == 0) ||
		    __builtin_mul_overflow(elements, dimension, &elements) || elements > INT64_MAX)
			return bad(stream);
		row = i == 0 ? dimension : row;
	}
	if (!take_u32(stream, &type) || !take_u64(stream, offset))
		return false;
	*known = type < LENGTH_OF(blocks) && blocks[type].elements != 0;
	if (!*known)
		return true;
	if (row % blocks[type].elements != 0 || !ggml_bytes(type, elements, bytes))
		return bad(stream);
	return true;
}

static bool align(uint64_t *value, uint32_t alignment)
{
	uint64_t up;

	if (__builtin_add_overflow(*value, alignment - 1, &up))
		return false;
	*value = up & ~((uint64_t)alignment - 1);
	return true;
}

static bool take_header(struct stream *stream, struct gguf *out, bool *known)
{
	uint32_t alignment = 32;
	uint64_t running = 0, unpadded = 0;

	if (!take_u64(stream, &out->tensors) || !take_u64(stream, &out->keys))
		return false;
	if (out->tensors > stream->source->size / 24 || out->keys > stream->source->size / 13)
		return bad(stream);
	for (uint64_t i = 0; i < out->keys; i++)
		if (!take_key(stream, out, &alignment))
			return false;
	if (!names_differ(stream))
		return false;
	*known = true;
	for (uint64_t i = 0; i < out->tensors; i++) {
		uint64_t offset, bytes = 0;
		bool sized;

		if (!take_tensor(stream, out, &offset, &bytes, &sized))
			return false;
		*known = *known && sized;
		if (!*known)
			continue;
		if (offset != running || __builtin_add_overflow(running, bytes, &unpadded))
			return bad(stream);
		running = unpadded;
		if (!align(&running, alignment))
			return bad(stream);
	}
	if (!names_differ(stream))
		return false;
	out->least = stream->at;
	if (out->tensors > 0 && !align(&out->least, alignment))
		return bad(stream);
	out->most = stream->at;
	if (!align(&out->most, alignment) ||
	    __builtin_add_overflow(out->most, running, &out->most) ||
	    __builtin_add_overflow(out->least, unpadded, &out->least))
		return bad(stream);
	return true;
}

enum gguf_result gguf_read(const struct gguf_source *source, struct gguf *out)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	enum gguf_result result = GGUF_OK;
	unsigned char magic[4];
	bool known = true;

	*out = (struct gguf){ 0 };
	if (stream == NULL) {
		out->error = ENOMEM;
		return GGUF_READ;
	}
	stream->source = source;
	if (!take(stream, magic, sizeof(magic)) || memcmp(magic, "GGUF", 4) != 0) {
		result = stream->error != 0 && stream->error != ENODATA ? GGUF_READ : GGUF_NOT;
	} else if (!take_u32(stream, &out->version)) {
		result = GGUF_HEADER_SHORT;
	} else if (out->version != 2 && out->version != 3) {
		result = (out->version & 0xFFFF) == 0 && out->version != 0 ? GGUF_BIG_ENDIAN :
		                                                             GGUF_VERSION;
	} else if (!take_header(stream, out, &known)) {
		result = stream->error == ENODATA                           ? GGUF_HEADER_SHORT :
		         stream->error == EBADMSG || stream->error == EFBIG ? GGUF_HEADER_BAD :
		                                                              GGUF_READ;
	} else if (!known) {
		result = GGUF_UNKNOWN_TYPE;
	} else if (source->size < out->least) {
		result = GGUF_SHORT;
	} else if (source->size > out->most) {
		result = GGUF_LONG;
	}
	out->error = stream->error;
	free(stream->names.hash);
	free(stream);
	return result;
}

const char *gguf_words(enum gguf_result result)
{
	switch (result) {
	case GGUF_OK:
		return "is whole";
	case GGUF_NOT:
		return "is not a GGUF file: it does not begin with the bytes GGUF";
	case GGUF_VERSION:
		return "has a GGUF version other than 2 and 3";
	case GGUF_BIG_ENDIAN:
		return "is a GGUF file for the other byte order";
	case GGUF_HEADER_SHORT:
		return "ends inside its GGUF header";
	case GGUF_HEADER_BAD:
		return "has a GGUF header that the format does not allow";
	case GGUF_SHORT:
		return "is cut short";
	case GGUF_LONG:
		return "has bytes after its last tensor";
	case GGUF_UNKNOWN_TYPE:
		return "has a tensor of a type that this version of aweigh cannot size";
	case GGUF_READ:
		return "cannot be read";
	}
	return "";
}

static bool is_numbered(const char *path)
{
	struct shard_number number;

	return shard_number_read(path, &number);
}

void gguf_examine(const struct examined *file, struct extent *extent)
{
	struct gguf_source source = { .fd = file->fd, .size = file->size };
	struct gguf header;
	enum gguf_result result = gguf_read(&source, &header);

	*extent = (struct extent){ .result = EXTENT_BROKEN,
		                   .words = gguf_words(result),
		                   .error = header.error };
	if (result == GGUF_OK && header.split_count > 1 && !is_numbered(file->path)) {
		extent->words =
		        "is one of several parts, but not named NAME-00001-of-0000N.gguf, as llama.cpp wants";
	} else if (result == GGUF_OK && header.beyond) {
		extent->result = EXTENT_UNKNOWN;
		extent->words =
		        "is whole, but has a tensor of more than 4 dimensions or 63 bytes of name, which llama.cpp does not read";
	} else if (result == GGUF_OK) {
		extent->result = EXTENT_WHOLE;
	} else if (result == GGUF_SHORT || result == GGUF_HEADER_SHORT) {
		extent->result = EXTENT_SHORT;
		extent->expected = result == GGUF_SHORT ? header.least : 0;
	} else if (result == GGUF_LONG) {
		extent->result = EXTENT_LONG;
		extent->expected = header.most;
	} else if (result == GGUF_UNKNOWN_TYPE) {
		extent->result = EXTENT_UNKNOWN;
	} else if (result == GGUF_READ) {
		extent->result = EXTENT_UNREADABLE;
	}
}
