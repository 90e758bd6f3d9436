/* SPDX-License-Identifier: Apache-2.0 */
#include "report/escape.h"

#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "util.h"

/*
 * Controls, what moves or hides text (directions, blanks of no width, tags), what is no character, and what begins an
 * escape here.
 */
static bool is_plain(const unsigned char *at, size_t length)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = { { 0, 0x1F },        { '\\', '\\' },     { 0x7F, 0x9F },
		       { 0x61C, 0x61C },   { 0x200B, 0x200B }, { 0x200E, 0x200F },
		       { 0x2028, 0x202E }, { 0x2060, 0x206F }, { 0xFEFF, 0xFEFF },
		       { 0xFFF9, 0xFFFB }, { 0xFFFE, 0xFFFF }, { 0xE0000, 0xE007F } };
	uint32_t character = at[0];

	if (length > 1)
		character &= 0xFFu >> (length + 1);
	for (size_t i = 1; i < length; i++)
		character = character << 6 | (at[i] & 0x3F);
	for (size_t i = 0; i < LENGTH_OF(hidden); i++)
		if (character >= hidden[i].first && character <= hidden[i].last)
			return false;
	return true;
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

void escape_print_wrapped(FILE *out, const char *text, size_t indent, size_t width)
{
	char escaped[4 * WRAPPED_BYTES];
	const char *at = escaped;
	size_t column = indent;

	escape_into(escaped, sizeof(escaped), text);
	while (*at != '\0') {
		size_t length = strcspn(at, " ");

		if (column > indent && column + length + 1 > width) {
			(void)fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			(void)fputc(' ', out);
			column++;
		}
		(void)fwrite(at, 1, length, out);
		column += length;
		at += length;
		while (*at == ' ')
			at++;
	}
	(void)fputc('\n', out);
}
