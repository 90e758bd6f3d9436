/* SPDX-License-Identifier: Apache-2.0 */
#include "base/scan.h"

#include <string.h>

char scan_lower(char c)
{
	if (c < 'A' || c > 'Z')
		return c;
	return (char)(c - 'A' + 'a');
}

bool scan_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

bool scan_is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool scan_base(const char *text, size_t length, unsigned base, uint64_t *out)
{
	uint64_t value = 0;

	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned digit = (unsigned)(unsigned char)text[i] - '0';

		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*out = value;
	return true;
}

bool scan_u64(const char *text, size_t length, uint64_t *out)
{
	return scan_base(text, length, 10, out);
}

bool scan_octal(const char *text, size_t length, uint64_t *out)
{
	return scan_base(text, length, 8, out);
}

bool text_equals_any_case(const char *a, size_t a_length, const char *b)
{
	size_t i = 0;

	for (; i < a_length && b[i] != '\0'; i++)
		if (scan_lower(a[i]) != scan_lower(b[i]))
			return false;
	return i == a_length && b[i] == '\0';
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A number with up to three decimals and one of the units: value * factor, rounded down. */
static bool scan_with_unit(const char *text, size_t length, const struct unit *units, uint64_t *out)
{
	size_t digits = 0, decimals = 0;
	uint64_t whole, fraction = 0, scale = 1;

	while (digits < length && text[digits] >= '0' && text[digits] <= '9')
		digits++;
	if (!scan_u64(text, digits, &whole))
		return false;
	text += digits;
	length -= digits;
	if (length > 0 && text[0] == '.') {
		while (decimals + 1 < length && decimals < 3 && text[decimals + 1] >= '0' &&
		       text[decimals + 1] <= '9') {
			decimals++;
			scale *= 10;
		}
		if (!scan_u64(text + 1, decimals, &fraction))
			return false;
		text += decimals + 1;
		length -= decimals + 1;
	}
	for (; units->name != NULL; units++) {
		uint64_t value;

		if (!text_equals_any_case(text, length, units->name))
			continue;
		if (__builtin_mul_overflow(whole, units->factor, &value) ||
		    __builtin_add_overflow(value, fraction * units->factor / scale, &value))
			return false;
		*out = value;
		return true;
	}
	return false;
}

bool scan_size(const char *text, size_t length, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "k", 1000 },
		{ "kB", 1000 },
		{ "M", 1000000 },
		{ "MB", 1000000 },
		{ "G", 1000000000 },
		{ "GB", 1000000000 },
		{ "T", 1000000000000 },
		{ "TB", 1000000000000 },
		{ "Ki", 1ull << 10 },
		{ "KiB", 1ull << 10 },
		{ "Mi", 1ull << 20 },
		{ "MiB", 1ull << 20 },
		{ "Gi", 1ull << 30 },
		{ "GiB", 1ull << 30 },
		{ "Ti", 1ull << 40 },
		{ "TiB", 1ull << 40 },
		{ NULL, 0 },
	};

	return scan_with_unit(text, length, units, bytes);
}

bool scan_duration(const char *text, size_t length, uint64_t *milliseconds)
{
	static const struct unit units[] = {
		{ "", 1000 },     { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
		{ "min", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
	};

	return scan_with_unit(text, length, units, milliseconds);
}

bool scan_bool(const char *text, size_t length, bool *out)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_equals_any_case(text, length, words[i])) {
			*out = i % 2 == 1;
			return true;
		}
	return false;
}

bool scan_is_hex(const char *text, size_t length, size_t wanted)
{
	if (length != wanted)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	return true;
}

/* The well-formed sequences of table 3-7 of the Unicode standard, chapter 3. */
size_t scan_utf8(const unsigned char *at, size_t left)
{
	unsigned char low = 0x80, high = 0xBF;
	size_t length;

	if (left == 0)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xC2 && at[0] <= 0xDF) {
		length = 2;
	} else if (at[0] >= 0xE0 && at[0] <= 0xEF) {
		length = 3;
		low = at[0] == 0xE0 ? 0xA0 : low;
		high = at[0] == 0xED ? 0x9F : high;
	} else if (at[0] >= 0xF0 && at[0] <= 0xF4) {
		length = 4;
		low = at[0] == 0xF0 ? 0x90 : low;
		high = at[0] == 0xF4 ? 0x8F : high;
	} else {
		return 0;
	}
	if (left < length || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (at[i] < 0x80 || at[i] > 0xBF)
			return 0;
	return length;
}

uint64_t hash_more(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash;
}

uint64_t hash_bytes(const char *bytes, size_t length)
{
	return hash_more(HASH_BEGIN, bytes, length);
}
