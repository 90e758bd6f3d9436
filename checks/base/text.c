/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct text text_over(char *buffer, size_t size)
{
	buffer[0] = '\0';
	return (struct text){ .at = buffer, .size = size };
}

void text_add_bytes(struct text *text, const char *bytes, size_t length)
{
	size_t room = text->size - 1 - text->length;

	if (length > room) {
		length = room;
		text->cut = true;
	}
	memcpy(text->at + text->length, bytes, length);
	text->length += length;
	text->at[text->length] = '\0';
}

void text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

void text_addv(struct text *text, const char *format, va_list arguments)
{
	size_t room = text->size - text->length;
	int written = vsnprintf(text->at + text->length, room, format, arguments);

	if (written < 0) {
		text->at[text->length] = '\0';
		text->cut = true;
	} else if ((size_t)written >= room) {
		text->length = text->size - 1;
		text->cut = true;
	} else {
		text->length += (size_t)written;
	}
}

void text_addf(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_addv(text, format, arguments);
	va_end(arguments);
}

void text_shorten(struct text *text, size_t length)
{
	if (length < text->length)
		text->length = length;
	text->at[text->length] = '\0';
}

void text_mark_cut(struct text *text)
{
	if (text->cut && text->length >= 3)
		memcpy(text->at + text->length - 3, "...", 3);
}

void hex_encode(char *out, const unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	out[2 * length] = '\0';
}

bool hex_decode(unsigned char *out, const char *hex, size_t digits)
{
	/* A digit's value plus one; 0: none. */
	static const unsigned char values[256] = { ['0'] = 1, 2,  3,          4,  5,  6,  7,  8,
		                                   9,         10, ['a'] = 11, 12, 13, 14, 15, 16 };
	bool well = true;

	for (size_t i = 0; i + 1 < digits; i += 2) {
		unsigned high = values[(unsigned char)hex[i]],
		         low = values[(unsigned char)hex[i + 1]];

		out[i / 2] = (unsigned char)((high - 1) << 4 | (low - 1));
		well = well && high != 0 && low != 0;
	}
	return well;
}

bool path_join(char *out, size_t size, const char *directory, const char *name)
{
	struct text text = text_over(out, size);

	text_add(&text, directory);
	if (text.length > 0 && text.at[text.length - 1] != '/' && name[0] != '\0')
		text_add(&text, "/");
	while (name[0] == '/')
		name++;
	text_add(&text, name);
	return !text.cut;
}

bool path_is_beneath(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	while (length > 1 && directory[length - 1] == '/')
		length--;
	if (strncmp(path, directory, length) != 0)
		return false;
	return path[length] == '\0' || path[length] == '/' || directory[length - 1] == '/';
}

const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

void path_squeeze(char *path)
{
	char *to = path + (path[0] == '/');

	for (const char *at = path; *at != '\0';) {
		size_t length;

		at += strspn(at, "/");
		length = strcspn(at, "/");
		if (length > 0 && !(length == 1 && at[0] == '.')) {
			if (to > path && to[-1] != '/')
				*to++ = '/';
			memmove(to, at, length);
			to += length;
		}
		at += length;
	}
	*to = '\0';
}

int text_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool path_ends(const char *path, const char *ending)
{
	size_t length = strlen(path), more = strlen(ending);

	return length > more && strcmp(path + length - more, ending) == 0;
}

struct size_text size_text(unsigned long long bytes)
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB", "PB" };
	struct size_text out = { .text = "" };
	struct text text = TEXT_OVER(out.text);
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	if (unit == 0)
		text_addf(&text, "%llu %s", bytes, bytes == 1 ? "byte" : units[0]);
	else
		text_addf(&text, "%.1f %s", value, units[unit]);
	return out;
}
