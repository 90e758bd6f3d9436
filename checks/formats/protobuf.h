/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf's wire format (protobuf.dev, Encoding): a message's fields, of which lengths are read, and no more than is asked for. */
#ifndef AWEIGH_PROTOBUF_H
#define AWEIGH_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum wire_result {
	WIRE_OK,
	WIRE_SHORT, /* the file, or the message, ends before its field does */
	WIRE_NOT, /* no field begins so */
	WIRE_TOO_MANY, /* MAX_PROTOBUF_FIELDS */
	WIRE_UNREADABLE, /* errno in error */
};

/* Of a file, by pread(). All but fd is zero at first. */
struct wire {
	int fd;
	unsigned char buffer[4096];
	uint64_t buffer_at;
	size_t buffered;
	uint64_t fields;
	enum wire_result result; /* why a call was false */
	int error;
};

struct field {
	uint32_t number, wire;
	uint64_t start, end; /* of its bytes, but of a WIRE_VARINT */
	uint64_t value; /* WIRE_VARINT only */
};

bool wire_byte(struct wire *wire, uint64_t at, unsigned char *out);
/* Reads a field's tag and moves *at behind the field, which ends at `end` or before. */
bool wire_field(struct wire *wire, uint64_t *at, uint64_t end, struct field *field);

#endif
