/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded builder over the caller's buffer: never grows, always terminated. What does not fit is
 * left out and `cut` says so; text_mark_cut() then shows it to the reader.
 */
#ifndef AWEIGH_TEXT_H
#define AWEIGH_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
	char *at;
	size_t length, size;
	bool cut;
};
#define TEXT_OVER(buffer) text_over(buffer, sizeof(buffer))

struct text text_over(char *buffer, size_t size);
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_addv(struct text *text, const char *format, va_list arguments)
        __attribute__((format(printf, 2, 0)));
void text_shorten(struct text *text, size_t length);
/* Two lower-case digits a byte, into a buffer with room for them and a NUL. */
void hex_encode(char *out, const unsigned char *bytes, size_t length);
/* Back again: `digits` of them, even in number. false: one is none, or upper case, and `out` is not to be used. */
bool hex_decode(unsigned char *out, const char *hex, size_t digits);
/* Replaces the end by "..." where something was left out. */
void text_mark_cut(struct text *text);

/* Puts directory and name together with one slash between them; false: longer than MAX_PATH_BYTES. */
bool path_join(char *out, size_t size, const char *directory, const char *name)
        __attribute__((warn_unused_result));
/* Whether `path` is `directory` or lies beneath it, by its text. */
bool path_is_beneath(const char *path, const char *directory);
/* The last component of a path, as basename(3) has it for one without a slash at its end. */
const char *path_name(const char *path);
/* In place: "a//b", "./a/./b/" -> "a/b"; what goes up is left as it is, since a link may lie before it. */
void path_squeeze(char *path);
/* Of two strings by their bytes, for qsort(3) and bsearch(3) over an array of them. */
int text_order(const void *a, const void *b);
/* Whether the name has this ending, and something before it. */
bool path_ends(const char *path, const char *ending);
/* 1536 -> "1.5 kB": decimal units, as the hub and disk makers count. */
struct size_text {
	char text[24];
};
/* To be used within one expression: size_text(bytes).text. */
struct size_text size_text(unsigned long long bytes) __attribute__((const));

#endif
