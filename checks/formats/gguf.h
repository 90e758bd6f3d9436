/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a GGUF file, streamed: key-value records and tensor records, from which the end of
 * the data follows. Bounds and block sizes of the reference reader (ggml gguf.cpp, d99724f2).
 */
#ifndef AWEIGH_GGUF_H
#define AWEIGH_GGUF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum gguf_result {
	GGUF_OK,
	GGUF_NOT, /* no magic */
	GGUF_VERSION, /* neither 2 nor 3 */
	GGUF_BIG_ENDIAN,
	GGUF_HEADER_SHORT, /* the file ends inside its header */
	GGUF_HEADER_BAD, /* a count, type, name or offset that the format does not allow */
	GGUF_SHORT, /* the data end before `least` */
	GGUF_LONG, /* bytes after `most` */
	GGUF_UNKNOWN_TYPE, /* a tensor type newer than this table: the end cannot be told */
	GGUF_READ,
};

struct gguf {
	uint32_t version;
	uint64_t tensors, keys;
	uint64_t least, most; /* legal sizes of the file */
	uint32_t split_count; /* of parts; 0: not split */
	bool beyond; /* what ggml reads: other engines write more dimensions, or longer names */
	int error;
};

/* A source of bytes, so that a file, a test and a fuzz target run the same code. */
struct gguf_source {
	int fd; /* -1: memory */
	const unsigned char *memory;
	uint64_t size;
};
/* What so many elements of a ggml type take; false: the type is not known, or they do not fill its blocks. */
bool ggml_bytes(uint32_t type, uint64_t elements, uint64_t *bytes);
enum gguf_result gguf_read(const struct gguf_source *source, struct gguf *out);
const char *gguf_words(enum gguf_result result);

#endif
