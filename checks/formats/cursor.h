/* SPDX-License-Identifier: Apache-2.0 */
/* Formats that are read from their beginning to their end: small numbers are taken, names and tensors skipped. */
#ifndef AWEIGH_CURSOR_H
#define AWEIGH_CURSOR_H

#include "formats/formats.h"

/* All but file and at is zero at first. Calls are false where the file ends before, or cannot be read. */
struct cursor {
	const struct examined *file;
	uint64_t at; /* of the next byte */
	unsigned char buffer[4096];
	uint64_t buffer_at;
	size_t buffered;
};

/* At most as many bytes as the buffer has. */
bool cursor_take(struct cursor *cursor, void *out, size_t length);
bool cursor_take_u32(struct cursor *cursor, uint32_t *out); /* little-endian */
bool cursor_skip(struct cursor *cursor, uint64_t length);

#endif
