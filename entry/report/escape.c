/* SPDX-License-Identifier: Apache-2.0 */
#include "report/escape.h"

#include <string.h>

#include "base/scan.h"
#include "base/text.h"

/* C1 controls (U+0080 to U+009F) and the overrides of writing direction move text about, too. */
static int is_plain(const unsigned char *at, size_t length)
{
	if (length == 1)
		return at[0] >= 0x20 && at[0] != 0x7F;
	if (length == 2 && at[0] == 0xC2 && at[1] < 0xA0)
		return 0;
	if (length == 3 && at[0] == 0xE2 && at[1] == 0x80 &&
	    ((at[2] >= 0x8E && at[2] <= 0x8F) || (at[2] >= 0xA8 && at[2] <= 0xAE)))
		return 0;
	return !(length == 3 && at[0] == 0xE2 && at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9);
}

/*
 * Runners of CI systems take "::word" at the start of a line, whatever blanks of Unicode's come first, and "##[" or
 * "##vso[" anywhere for commands (actions/runner, ActionCommand.cs; azure-pipelines-agent). Names of files must not
 * give them. What follows a character of ASCII begins no line: [::1] is an address.
 */
static int is_command(const unsigned char *text, const unsigned char *at)
{
	bool begins = at == text || at[-1] <= ' ' || at[-1] >= 0x7F;

	return at[0] == at[1] && ((at[0] == ':' && begins) || at[0] == '#');
}

void escape_into(char *out, size_t size, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t left = strlen(text);
	struct text result = text_over(out, size);

	while (left > 0) {
		size_t length = scan_utf8(at, left);

		if (length > 0 && is_plain(at, length) &&
		    !is_command((const unsigned char *)text, at)) {
			text_add_bytes(&result, (const char *)at, length);
		} else {
			length = length == 0 ? 1 : length;
			for (size_t i = 0; i < length; i++)
				text_addf(&result, "\\x%02x", at[i]);
		}
		at += length;
		left -= length;
	}
}

size_t escape_print(FILE *out, const char *text)
{
	char escaped[4 * 1280];
	size_t columns = 0;

	escape_into(escaped, sizeof(escaped), text);
	for (const char *at = escaped; *at != '\0'; at++)
		columns += ((unsigned char)*at & 0xC0) != 0x80;
	(void)fputs(escaped, out);
	return columns;
}
