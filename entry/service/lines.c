/* SPDX-License-Identifier: Apache-2.0 */
#include "service/lines.h"

const char *lines_rest(struct lines *lines)
{
	lines->buffer[lines->used] = '\0';
	return lines->buffer;
}

void lines_end(struct lines *lines)
{
	if (lines->used > 0)
		lines->take(lines->context, lines_rest(lines));
	lines->used = 0;
}

void lines_feed(struct lines *lines, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n' || bytes[i] == '\r' || lines->used == MAX_LOG_LINE_BYTES)
			lines_end(lines);
		if (bytes[i] != '\n' && bytes[i] != '\r')
			lines->buffer[lines->used++] = (char)(bytes[i] == '\0' ? ' ' : bytes[i]);
	}
}
