/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/lfs_pointer.h"

#include <string.h>

#include "base/scan.h"

bool lfs_pointer_parse(const char *text, size_t length, struct lfs_pointer *out)
{
	static const char *const versions[] = { "version https://git-lfs.github.com/spec/",
		                                "version https://hawser.github.com/spec/" };
	const char *end = text + length;
	bool found = false;

	memset(out, 0, sizeof(*out));
	if (length >= MAX_POINTER_BYTES)
		return false;
	for (size_t i = 0; i < 2; i++)
		found |= length > strlen(versions[i]) &&
		         memcmp(text, versions[i], strlen(versions[i])) == 0;
	while (found && text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t line;

		if (stop == NULL)
			stop = end;
		line = (size_t)(stop - text);
		if (line > 5 && memcmp(text, "size ", 5) == 0)
			(void)scan_u64(text + 5, line - 5, &out->size);
		if (line == 11 + SHA256_HEX && memcmp(text, "oid sha256:", 11) == 0 &&
		    scan_is_hex(text + 11, SHA256_HEX, SHA256_HEX))
			memcpy(out->sha256, text + 11, SHA256_HEX);
		text = stop + 1;
	}
	return found;
}
