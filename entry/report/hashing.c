/* SPDX-License-Identifier: Apache-2.0 */
#include "report/hashing.h"

#include <poll.h>
#include <unistd.h>

#include "base/text.h"

bool hash_progress(const struct record *record, bool quiet)
{
	char line[128];
	struct text text = TEXT_OVER(line);
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (quiet || !isatty(STDERR_FILENO))
		return false;
	text_addf(&text, "\r\033[Kaweigh: hashed %s of %s, %u %%", size_text(record->files).text,
	          size_text(record->bytes).text,
	          record->bytes == 0 ? 0u : (unsigned)(record->files * 100 / record->bytes));
	return poll(&ready, 1, 0) == 1 && write(STDERR_FILENO, line, text.length) > 0;
}

void hash_progress_end(bool drawn)
{
	if (drawn)
		(void)!write(STDERR_FILENO, "\r\033[K", 4);
}
