/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of decision trees: LightGBM's text states the bytes of its trees in its first lines and closes them with a line
 * (gbdt_model_text.cpp), XGBoost's UBJSON is one object (ubjson.org).
 */
#include <string.h>

#include "base/scan.h"
#include "bounds.h"
#include "formats/formats.h"
#include "util.h"

#define PARAMETER_BYTES (16ul << 20) /* behind that line: names of features, and the parameters */

bool lightgbm_begins(const unsigned char *head, size_t length)
{
	static const char first[] = "tree\nversion=v";

	/* v2 and older have no such line. */
	return length > sizeof(first) && memcmp(head, first, sizeof(first) - 1) == 0 &&
	       head[sizeof(first) - 1] >= '3';
}

/* Backwards, in pieces that overlap by the line: a few kilobytes of parameters stand behind it. */
void lightgbm_examine(const struct examined *file, struct extent *extent)
{
	static const char line[] = "\nend of trees\n";
	char buffer[READ_BYTES];

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	for (uint64_t end = file->size; end > 0 && file->size - end < PARAMETER_BYTES;) {
		uint64_t start = end < sizeof(buffer) ? 0 : end - sizeof(buffer);
		ssize_t got = pread(file->fd, buffer, (size_t)(end - start), (off_t)start);

		if (got < 0 || memmem(buffer, (size_t)got, line, sizeof(line) - 1) != NULL)
			return;
		end = start == 0 ? 0 : start + sizeof(line) - 1;
	}
	if (file->size > PARAMETER_BYTES)
		return;
	extent->result = EXTENT_SHORT;
	extent->words = "has no end of trees: it is cut short";
}

void ubjson_examine(const struct examined *file, struct extent *extent)
{
	char tail[64];
	size_t length = file->size < sizeof(tail) ? (size_t)file->size : sizeof(tail);
	ssize_t got = pread(file->fd, tail, length, (off_t)(file->size - length));

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	/* An object that says how many it has ({# and {$) is not closed; N does nothing. */
	if (got <= 0 || file->head_length < 2 || file->head[0] != '{' || file->head[1] == '#' ||
	    file->head[1] == '$')
		return;
	while (got > 0 && (scan_is_space(tail[got - 1]) || tail[got - 1] == 'N'))
		got--;
	if (got > 0 && tail[got - 1] != '}') {
		extent->result = EXTENT_SHORT;
		extent->words = "ends inside its data: it is cut short";
	}
}
