/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/protobuf.h"

#include <errno.h>

#include "bounds.h"
#include "formats/formats.h"
#include "util.h"

static bool fail(struct wire *wire, enum wire_result why)
{
	wire->result = why;
	return false;
}

bool wire_byte(struct wire *wire, uint64_t at, unsigned char *out)
{
	if (at < wire->buffer_at || at - wire->buffer_at >= wire->buffered) {
		ssize_t got = pread(wire->fd, wire->buffer, sizeof(wire->buffer), (off_t)at);

		if (got < 0)
			wire->error = errno;
		if (got <= 0)
			return fail(wire, got < 0 ? WIRE_UNREADABLE : WIRE_SHORT);
		wire->buffer_at = at;
		wire->buffered = (size_t)got;
	}
	*out = wire->buffer[at - wire->buffer_at];
	return true;
}

/* At most so many bytes: protobuf's readers refuse more, even of zeros. */
static bool take_varint(struct wire *wire, uint64_t *at, uint64_t end, unsigned most, uint64_t *out)
{
	unsigned char byte;

	*out = 0;
	for (unsigned shift = 0; shift < 7 * most; shift += 7) {
		if (*at >= end)
			return fail(wire, WIRE_SHORT);
		if (!wire_byte(wire, *at, &byte))
			return false;
		(*at)++;
		*out |= (uint64_t)(byte & 0x7F) << shift;
		if ((byte & 0x80) == 0)
			return true;
	}
	return fail(wire, WIRE_NOT);
}

bool wire_field(struct wire *wire, uint64_t *at, uint64_t end, struct field *field)
{
	uint64_t tag, length = 0;

	if (++wire->fields > MAX_PROTOBUF_FIELDS)
		return fail(wire, WIRE_TOO_MANY);
	if (!take_varint(wire, at, end, 5, &tag))
		return false;
	field->number = (uint32_t)(tag >> 3);
	field->wire = (uint32_t)(tag & 7);
	if (field->number == 0 || tag > UINT32_MAX)
		return fail(wire, WIRE_NOT);
	if (field->wire == WIRE_VARINT)
		return take_varint(wire, at, end, 10, &field->value);
	if (field->wire == WIRE_BYTES) {
		if (!take_varint(wire, at, end, 5, &length))
			return false;
	} else if (field->wire == WIRE_64 || field->wire == WIRE_32) {
		length = field->wire == WIRE_64 ? 8 : 4;
	} else {
		return fail(wire, WIRE_NOT);
	}
	if (length > end - *at)
		return fail(wire, WIRE_SHORT);
	field->start = *at;
	*at += length;
	field->end = *at;
	return true;
}

/* What the format proves of a message without knowing it: its fields, one behind another, end where the file ends. */
void protobuf_examine(const struct examined *file, struct extent *extent)
{
	struct wire wire = { .fd = file->fd };
	struct field field;
	uint64_t at = 0;

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	while (at < file->size && wire_field(&wire, &at, file->size, &field))
		;
	if (wire.result == WIRE_UNREADABLE) {
		extent->result = EXTENT_UNREADABLE;
		extent->error = wire.error;
	} else if (wire.result == WIRE_SHORT || wire.result == WIRE_NOT) {
		extent->result = EXTENT_SHORT;
		extent->words = "ends inside its data: it is cut short";
	}
}

/*
 * By name a .model may be anything. ModelProto (sentencepiece_model.proto) begins with a piece, {0x0a, bytes}, whose
 * fields are its text, {0x0a, bytes}, and its score, {0x15, float}, or its type, {0x18, number}.
 */
void sentencepiece_examine(const struct examined *file, struct extent *extent)
{
	const unsigned char *head = file->head;
	size_t next = file->head_length > 4 ? 4u + head[3] : 0;

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	if (next > 0 && next < file->head_length && head[0] == 0x0a && head[2] == 0x0a &&
	    head[1] < 0x80 && next < 2u + head[1] && (head[next] == 0x15 || head[next] == 0x18))
		protobuf_examine(file, extent);
}
