/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one strict reader of numbers and characters from outside: no locale, no blanks, no signs, no
 * overflow. Readers return true and store, or return false and store nothing.
 */
#ifndef AWEIGH_SCAN_H
#define AWEIGH_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool scan_u64(const char *text, size_t length, uint64_t *out);
bool scan_octal(const char *text, size_t length, uint64_t *out);
/* 80M, 4G, 1.5G, 72kB, 16MiB: decimal units unless the "i" is there; a bare number is bytes. */
bool scan_size(const char *text, size_t length, uint64_t *bytes);
/* 200s, 1.5s, 30m, 2h, 250ms; a bare number is seconds. */
bool scan_duration(const char *text, size_t length, uint64_t *milliseconds);
/* yes, no, true, false, on, off, 1, 0 in any case. */
bool scan_bool(const char *text, size_t length, bool *out);
bool scan_is_hex(const char *text, size_t length, size_t wanted); /* lower case only */

/* The length of the UTF-8 character at `at`, 1 to 4; 0: not UTF-8 (overlong and surrogates too). */
size_t scan_utf8(const unsigned char *at, size_t left);
bool scan_is_space(char c);
bool scan_is_name(char c); /* letters, digits, '_' */
char scan_lower(char c);
bool text_equals_any_case(const char *a, size_t a_length, const char *b);

static inline uint32_t load_le32(const unsigned char *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static inline uint64_t load_le64(const unsigned char *at)
{
	return (uint64_t)load_le32(at) | (uint64_t)load_le32(at + 4) << 32;
}

/* FNV-1a, 64 bits: to find equal names, not to withstand who forges them. */
uint64_t hash_bytes(const char *bytes, size_t length);
/* The same in pieces: begins with HASH_BEGIN, goes on with what the piece before gave. */
#define HASH_BEGIN 0xcbf29ce484222325u
uint64_t hash_more(uint64_t hash, const void *bytes, size_t length);

#endif
