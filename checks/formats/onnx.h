/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX models as protobuf (onnx.proto): that every field ends within the file, and where initializers
 * keep external data. Only lengths are read, never the tensors.
 */
#ifndef AWEIGH_ONNX_H
#define AWEIGH_ONNX_H

#include <stddef.h>
#include <stdint.h>

enum onnx_result {
	ONNX_OK,
	ONNX_SHORT,
	ONNX_NOT,
	ONNX_TOO_MANY,
	ONNX_TOO_DEEP,
	ONNX_TOO_MANY_FILES,
	ONNX_READ, /* see *error */
};

/* A file beside the model that holds its tensors, and the size that it must have at least. */
typedef void onnx_visit(void *context, const char *location, uint64_t end);

/* *error gets the errno of a failed read, otherwise 0. */
enum onnx_result onnx_read(int fd, uint64_t size, onnx_visit *visit, void *context, int *error);
const char *onnx_words(enum onnx_result result);

#endif
