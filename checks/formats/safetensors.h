/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a safetensors file: it proves by 8 + N bytes that the file is whole. Rules of the
 * reference reader (safetensors/src/tensor.rs, 24b0b28): N at most 100 MB, tensors without holes or
 * overlaps, and 8 + N + the last end is exactly the file's size.
 */
#ifndef AWEIGH_SAFETENSORS_H
#define AWEIGH_SAFETENSORS_H

#include <stdint.h>
#include <sys/types.h>

enum safetensors_result {
	SAFETENSORS_OK,
	SAFETENSORS_SHORT, /* `expected` bytes are needed, the file has fewer */
	SAFETENSORS_LONG, /* `expected` bytes are needed, the file has more */
	SAFETENSORS_NO_HEADER, /* fewer than 8 bytes */
	SAFETENSORS_HEADER_SIZE, /* N above the limit */
	SAFETENSORS_NOT_JSON, /* the header does not parse, or is no object of tensors */
	SAFETENSORS_DUPLICATE,
	SAFETENSORS_OFFSETS, /* holes, overlaps, or offsets that do not fit dtype and shape */
	SAFETENSORS_TOO_MANY, /* more than MAX_TENSORS */
	SAFETENSORS_READ, /* errno in `error` */
	SAFETENSORS_MEMORY,
};

struct safetensors {
	uint64_t header_bytes; /* N */
	uint64_t expected; /* the size that the header demands */
	uint64_t tensors;
	uint64_t unknown_types; /* tensors whose dtype is newer than this table */
	int error;
};

enum safetensors_result safetensors_read(int fd, uint64_t size, struct safetensors *out);
/* The JSON header in memory, N bytes: what safetensors_read() does with it. For tests and fuzzing. */
enum safetensors_result safetensors_parse(const void *header, uint64_t length, uint64_t size,
                                          struct safetensors *out);
const char *safetensors_words(enum safetensors_result result);

#endif
