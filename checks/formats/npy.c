/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array of numpy's (numpy/lib/format.py): the magic, two bytes of version, the header's length in two bytes or, from
 * version 2, in four, and the header as a dictionary in Python's spelling: {'descr': '<f4', 'fortran_order': False,
 * 'shape': (3, 4), }. Arrays of objects and records state no size of an element here.
 */
#include <string.h>

#include "base/scan.h"
#include "formats/formats.h"

bool npy_begins(const unsigned char *head, size_t length)
{
	return length >= 6 && memcmp(head, "\x93NUMPY", 6) == 0;
}

/* What stands behind `key` in the header. */
static const char *value_of(const char *header, size_t length, const char *key)
{
	const char *at = memmem(header, length, key, strlen(key));

	return at == NULL ? NULL : at + strlen(key);
}

/* '<f4', '|u1', '<U16': bytes of an element; 0: not told. */
static uint64_t element_bytes(const char *descr, const char *end)
{
	uint64_t number;

	if (descr == NULL || end - descr < 5 || descr[0] != '\'' ||
	    strchr("biufcSUV", descr[2]) == NULL ||
	    !scan_u64(descr + 3, strspn(descr + 3, "0123456789"), &number) || number > 1u << 20)
		return 0;
	return descr[2] == 'U' ? 4 * number : number;
}

/* (3, 4): false: not told. */
static bool multiply(const char *shape, uint64_t *bytes)
{
	if (shape == NULL || *shape++ != '(')
		return false;
	for (;;) {
		size_t digits;
		uint64_t number;

		shape += strspn(shape, ", ");
		if (*shape == ')')
			return true;
		digits = strspn(shape, "0123456789");
		if (!scan_u64(shape, digits, &number) ||
		    __builtin_mul_overflow(*bytes, number, bytes))
			return false;
		shape += digits;
	}
}

void npy_examine(const struct examined *file, struct extent *extent)
{
	size_t start = file->head_length > 12 && file->head[6] > 1 ? 12 : 10, length;
	char header[512];
	uint64_t bytes;

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	if (file->head_length < start || !npy_begins(file->head, file->head_length))
		return;
	length = start == 12 ? load_le32(file->head + 8) :
	                       (size_t)(file->head[8] | file->head[9] << 8);
	if (length > sizeof(header) - 1 || file->head_length < start + length) {
		if (file->size < start + length) {
			extent->result = EXTENT_SHORT;
			extent->expected = start + length;
		}
		return;
	}
	memcpy(header, file->head + start, length);
	header[length] = '\0';
	bytes = element_bytes(value_of(header, length, "'descr': "), header + length);
	if (bytes > 0 && multiply(value_of(header, length, "'shape': "), &bytes) &&
	    !__builtin_add_overflow(bytes, start + length, &bytes) && bytes > file->size) {
		extent->result = EXTENT_SHORT;
		extent->expected = bytes;
	}
}
