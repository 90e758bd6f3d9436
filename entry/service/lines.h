/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of bytes as lines: they end at \n or \r, the last one where the stream does; one above its limit comes in pieces. */
#ifndef AWEIGH_LINES_H
#define AWEIGH_LINES_H

#include <stddef.h>

#include "bounds.h"

/* Without its end, terminated; a NUL in it is a blank. */
typedef void line_take(void *context, const char *line);
struct lines {
	line_take *take;
	void *context;
	size_t used;
	char buffer[MAX_LOG_LINE_BYTES + 1];
};

void lines_feed(struct lines *lines, const char *bytes, size_t length);
void lines_end(struct lines *lines);
/* What came since the last end. */
const char *lines_rest(struct lines *lines);

#endif
