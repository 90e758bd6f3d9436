/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/onnx.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "bounds.h"
#include "formats/formats.h"
#include "formats/protobuf.h"
#include "util.h"

enum {
	MODEL_GRAPH = 7,
	MODEL_FUNCTION = 25,
	FUNCTION_NODE = 7,
	GRAPH_NODE = 1,
	GRAPH_INITIALIZER = 5,
	GRAPH_SPARSE_INITIALIZER = 15,
	NODE_ATTRIBUTE = 5,
	ATTRIBUTE_TENSOR = 5,
	ATTRIBUTE_GRAPH = 6,
	ATTRIBUTE_TENSORS = 10,
	ATTRIBUTE_GRAPHS = 11,
	ATTRIBUTE_SPARSE_TENSOR = 22,
	ATTRIBUTE_SPARSE_TENSORS = 23,
	SPARSE_VALUES = 1,
	SPARSE_INDICES = 2,
	TENSOR_EXTERNAL = 13,
	TENSOR_DATA_LOCATION = 14,
	LOCATION_EXTERNAL = 1,
	ENTRY_KEY = 1,
	ENTRY_VALUE = 2
};

#define MAX_LOCATIONS 1024u

struct parser {
	struct wire wire;
	enum onnx_result result; /* where the wire says nothing */
	bool has_graph;
	struct {
		char name[MAX_NAME_BYTES];
		uint64_t end;
	} location[MAX_LOCATIONS];
	size_t locations;
};

static bool fail(struct parser *parser, enum onnx_result why)
{
	parser->result = why;
	return false;
}

static bool take_text(struct parser *parser, const struct field *field, char *out, size_t size)
{
	size_t to = 0;

	for (uint64_t at = field->start; at < field->end && to + 1 < size; at++) {
		unsigned char byte;

		if (!wire_byte(&parser->wire, at, &byte))
			return false;
		out[to++] = (char)byte;
	}
	out[to] = '\0';
	return true;
}

/* Where a tensor's data is, if not in the model. */
struct external {
	char location[MAX_NAME_BYTES];
	uint64_t offset, length;
	bool wrong; /* offset or length is no number */
};

/* StringStringEntryProto: location, offset, length, checksum. */
static bool read_entry(struct parser *parser, const struct field *entry, struct external *external)
{
	char key[16] = "", value[MAX_NAME_BYTES] = "";
	uint64_t at = entry->start, bytes = 0;
	struct field field;
	bool is_offset;

	while (at < entry->end) {
		if (!wire_field(&parser->wire, &at, entry->end, &field))
			return false;
		if (field.wire != WIRE_BYTES)
			continue;
		if (field.number == ENTRY_KEY && !take_text(parser, &field, key, sizeof(key)))
			return false;
		if (field.number == ENTRY_VALUE && !take_text(parser, &field, value, sizeof(value)))
			return false;
		bytes = field.number == ENTRY_VALUE ? field.end - field.start : bytes;
	}
	is_offset = strcmp(key, "offset") == 0;
	if (strcmp(key, "location") == 0)
		memcpy(external->location, value, sizeof(value));
	else if (is_offset || strcmp(key, "length") == 0)
		external->wrong |= bytes >= sizeof(value) ||
		                   !scan_u64(value, (size_t)bytes,
		                             is_offset ? &external->offset : &external->length);
	return true;
}

static bool keep_location(struct parser *parser, const char *name, uint64_t end)
{
	size_t i = 0;

	while (i < parser->locations && strcmp(parser->location[i].name, name) != 0)
		i++;
	if (i == MAX_LOCATIONS)
		return fail(parser, ONNX_TOO_MANY_FILES);
	if (i == parser->locations) {
		parser->locations++;
		memcpy(parser->location[i].name, name, strlen(name) + 1);
	}
	if (end > parser->location[i].end)
		parser->location[i].end = end;
	return true;
}

/* float_data, int32_data, string_data, int64_data, raw_data, double_data, uint64_data of TensorProto. */
static bool is_data(uint32_t number)
{
	return (number >= 4 && number <= 7) || (number >= 9 && number <= 11);
}

/*
 * What stands of a location counts where data_location says EXTERNAL, or where the tensor has no data of its own:
 * converters leave old entries behind.
 */
static bool read_tensor(struct parser *parser, const struct field *tensor)
{
	struct external external = { .location = "" };
	uint64_t at = tensor->start, end;
	bool is_external = false, has_data = false;
	struct field field;

	while (at < tensor->end) {
		if (!wire_field(&parser->wire, &at, tensor->end, &field))
			return false;
		/* A value that the enum does not have is as if it were not there. */
		if (field.number == TENSOR_DATA_LOCATION && field.wire == WIRE_VARINT &&
		    field.value <= LOCATION_EXTERNAL)
			is_external = field.value == LOCATION_EXTERNAL;
		has_data |= is_data(field.number);
		if (field.number == TENSOR_EXTERNAL && field.wire == WIRE_BYTES &&
		    !read_entry(parser, &field, &external))
			return false;
	}
	if (!is_external && (has_data || external.location[0] == '\0'))
		return true;
	if (external.wrong || external.location[0] == '\0' ||
	    __builtin_add_overflow(external.offset, external.length, &end))
		return fail(parser, ONNX_NOT);
	return keep_location(parser, external.location, end);
}

/* What of a message leads to tensors: onnx.proto, whose messages nest by graphs in attributes of nodes. */
enum message { MODEL, GRAPH, FUNCTION, NODE, ATTRIBUTE, SPARSE, TENSOR };
static const struct {
	enum message of;
	uint32_t field;
	enum message is;
} paths[] = {
	{ MODEL, MODEL_GRAPH, GRAPH },
	{ MODEL, MODEL_FUNCTION, FUNCTION },
	{ FUNCTION, FUNCTION_NODE, NODE },
	{ GRAPH, GRAPH_NODE, NODE },
	{ GRAPH, GRAPH_INITIALIZER, TENSOR },
	{ GRAPH, GRAPH_SPARSE_INITIALIZER, SPARSE },
	{ NODE, NODE_ATTRIBUTE, ATTRIBUTE },
	{ ATTRIBUTE, ATTRIBUTE_TENSOR, TENSOR },
	{ ATTRIBUTE, ATTRIBUTE_TENSORS, TENSOR },
	{ ATTRIBUTE, ATTRIBUTE_GRAPH, GRAPH },
	{ ATTRIBUTE, ATTRIBUTE_GRAPHS, GRAPH },
	{ ATTRIBUTE, ATTRIBUTE_SPARSE_TENSOR, SPARSE },
	{ ATTRIBUTE, ATTRIBUTE_SPARSE_TENSORS, SPARSE },
	{ SPARSE, SPARSE_VALUES, TENSOR },
	{ SPARSE, SPARSE_INDICES, TENSOR },
};

/* A message of one kind, within so many others. */
static bool read_message(struct parser *parser, enum message message, const struct field *bytes,
                         unsigned depth)
{
	uint64_t at = bytes->start;
	struct field field;

	if (message == TENSOR)
		return read_tensor(parser, bytes);
	if (depth > MAX_PROTOBUF_DEPTH)
		return fail(parser, ONNX_TOO_DEEP);
	while (at < bytes->end) {
		if (!wire_field(&parser->wire, &at, bytes->end, &field))
			return false;
		parser->has_graph |= message == MODEL && field.number == MODEL_GRAPH;
		for (size_t i = 0; field.wire == WIRE_BYTES && i < LENGTH_OF(paths); i++)
			if (paths[i].of == message && paths[i].field == field.number &&
			    !read_message(parser, paths[i].is, &field, depth + 1))
				return false;
	}
	return true;
}

static bool read_model(struct parser *parser, uint64_t size)
{
	struct field whole = { .start = 0, .end = size };

	return read_message(parser, MODEL, &whole, 0) &&
	       (parser->has_graph || fail(parser, ONNX_NOT));
}

static const enum onnx_result of_wire[] = { [WIRE_OK] = ONNX_OK,
	                                    [WIRE_SHORT] = ONNX_SHORT,
	                                    [WIRE_NOT] = ONNX_NOT,
	                                    [WIRE_TOO_MANY] = ONNX_TOO_MANY,
	                                    [WIRE_UNREADABLE] = ONNX_READ };

enum onnx_result onnx_read(int fd, uint64_t size, onnx_visit *visit, void *context, int *error)
{
	struct parser *parser = calloc(1, sizeof(*parser));
	enum onnx_result result;

	*error = parser == NULL ? ENOMEM : 0;
	if (parser == NULL)
		return ONNX_READ;
	parser->wire.fd = fd;
	if (read_model(parser, size))
		for (size_t i = 0; i < parser->locations; i++)
			visit(context, parser->location[i].name, parser->location[i].end);
	result = parser->result != ONNX_OK ? parser->result : of_wire[parser->wire.result];
	*error = parser->wire.error;
	free(parser);
	return result;
}

const char *onnx_words(enum onnx_result result)
{
	switch (result) {
	case ONNX_OK:
		return "is whole";
	case ONNX_SHORT:
		return "is cut short";
	case ONNX_NOT:
		return "is not an ONNX model: its bytes are not the protobuf of one";
	case ONNX_TOO_MANY:
		return "has more than 4,000,000 protobuf fields";
	case ONNX_TOO_DEEP:
		return "nests graphs in graphs deeper than protobuf reads, 100 messages";
	case ONNX_TOO_MANY_FILES:
		return "keeps its tensors in more than 1,024 other files";
	case ONNX_READ:
		return "cannot be read";
	}
	return "";
}

/* Where a loader will look for external data: beside the model, never out of the directory. */
struct beside {
	const struct examined *file;
	char directory[MAX_PATH_BYTES];
};

/* Without `.` and empty parts, as the file system takes it; false: there is nothing that could be opened. */
static bool plain_location(const char *location, struct text *out)
{
	if (location[0] == '/' || path_ends(location, "/") || strstr(location, "..") != NULL)
		return false;
	for (const char *at = location; *at != '\0';) {
		size_t part = strcspn(at, "/");

		if (part > 0 && !(part == 1 && at[0] == '.')) {
			text_add(out, out->length > 0 ? "/" : "");
			text_add_bytes(out, at, part);
		}
		at += part + (at[part] == '/');
	}
	return out->length > 0 && !out->cut;
}

static void visit_external(void *context, const char *location, uint64_t end)
{
	const struct beside *beside = context;
	const struct examined *file = beside->file;
	char path[MAX_PATH_BYTES], plain[MAX_NAME_BYTES];
	struct text text = TEXT_OVER(plain);

	if (plain_location(location, &text) &&
	    path_join(path, sizeof(path), beside->directory, plain))
		location = path;
	file->needs(file->context, location, end);
}

void onnx_examine(const struct examined *file, struct extent *extent)
{
	struct beside beside = { .file = file };
	struct text directory = TEXT_OVER(beside.directory);
	const char *slash = strrchr(file->path, '/');
	enum onnx_result result;
	int error;

	if (slash != NULL)
		text_add_bytes(&directory, file->path, (size_t)(slash - file->path));
	result = onnx_read(file->fd, file->size, visit_external, &beside, &error);
	*extent = (struct extent){ .result = result == ONNX_OK    ? EXTENT_WHOLE :
		                             result == ONNX_SHORT ? EXTENT_SHORT :
		                             result == ONNX_READ  ? EXTENT_UNREADABLE :
		                                                    EXTENT_BROKEN,
		                   .error = error,
		                   .words = result == ONNX_SHORT ?
		                                    "ends inside its protobuf: it is cut short" :
		                                    onnx_words(result) };
}
