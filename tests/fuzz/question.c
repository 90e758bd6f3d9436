/* SPDX-License-Identifier: Apache-2.0 */
/* The name that a DNS query asks for, and the lines of a log: bytes of a service's. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "service/lines.h"
#include "service/question.h"

static void take(void *context, const char *line)
{
	size_t *most = context;

	if (strlen(line) > MAX_LOG_LINE_BYTES || strpbrk(line, "\r\n") != NULL)
		abort();
	*most = strlen(line) > *most ? strlen(line) : *most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[QUESTION_NAME_BYTES];
	static struct lines lines;
	size_t most = 0;

	if (question_read(data, size, name) && (name[0] == '\0' || strlen(name) > 255))
		abort();
	lines = (struct lines){ .take = take, .context = &most };
	lines_feed(&lines, (const char *)data, size / 2);
	lines_feed(&lines, (const char *)data + size / 2, size - size / 2);
	lines_end(&lines);
	return 0;
}
