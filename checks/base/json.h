/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as a stream of values with the path that leads to each: yajl underneath, so memory does not
 * grow with the document. Bounds: nesting MAX_JSON_DEPTH, a token MAX_JSON_TOKEN_BYTES, of a key
 * MAX_JSON_KEY_BYTES are kept; text must be UTF-8 (RFC 8259, section 8.1), nothing may follow the value.
 *
 *     struct json json;
 *     json_begin(&json, visit, context);
 *     while (more) json_feed(&json, bytes, length);    // stops taking input after the first error
 *     enum json_result result = json_end(&json);       // releases everything, always call it
 */
#ifndef AWEIGH_JSON_H
#define AWEIGH_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bounds.h"

enum json_result {
	JSON_OK,
	JSON_SYNTAX,
	JSON_CUT, /* sound as far as it goes, but it ends in the middle */
	JSON_DEEP,
	JSON_LONG,
	JSON_STOPPED,
	JSON_MEMORY
};
enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_OBJECT,
	JSON_ARRAY,
	JSON_OBJECT_END,
	JSON_ARRAY_END
};

#define JSON_TRACKED                                                                               \
	5u /* keys of the outermost levels are kept; nothing aweigh reads lies deeper */

struct json_value {
	enum json_kind kind;
	const char *text; /* strings and numbers; not terminated */
	size_t length;
	unsigned depth; /* 0: the document itself */
	const char *key[JSON_TRACKED]; /* key[i] leads from level i to i + 1; "" in an array */
	size_t key_length[JSON_TRACKED];
	uint64_t index[JSON_TRACKED]; /* position in the array or object at level i */
};

/* Of a key that is so long its beginning and its hash are given: it is told from others, and no text of theirs. */
static inline bool json_key_is_cut(const struct json_value *value, unsigned level)
{
	return value->key_length[level] == MAX_JSON_KEY_BYTES - 1;
}

/* Returns false to stop: json_end() then says JSON_STOPPED. */
typedef bool json_visit(void *context, const struct json_value *value);

#define JSON_POOL_BYTES 16384u

struct json {
	void *parser;
	json_visit *visit;
	void *context;
	enum json_result result;
	unsigned depth;
	/*
	 * As Python's json takes it: NaN, Infinity and -Infinity are numbers, which transformers writes into
	 * configurations. Set it between json_begin() and json_feed(); they arrive as 0.
	 */
	bool python;
	bool in_string, escaped; /* of the filter that replaces them */
	/* Of an escape such as \ud83d, where halves of pairs are refused: digits to come, what they say, the first half. */
	unsigned hex_left, hex;
	bool half;
	char word[12];
	size_t word_length;
	unsigned char utf8_left, utf8_low, utf8_high; /* of the character at hand */
	size_t since_value; /* bytes fed since yajl last said anything */
	bool is_array[MAX_JSON_DEPTH + 1];
	uint64_t count[JSON_TRACKED + 1];
	char key[JSON_TRACKED][MAX_JSON_KEY_BYTES];
	size_t key_length[JSON_TRACKED];
	/* yajl's own memory: a parser for a small file costs no system call. */
	size_t pool_used;
	_Alignas(16) unsigned char pool[JSON_POOL_BYTES];
};

void json_begin(struct json *json, json_visit *visit, void *context);
bool json_feed(struct json *json, const void *bytes, size_t length);
enum json_result json_end(struct json *json);
const char *json_words(enum json_result result);

/* A whole document in memory, strictly. */
enum json_result json_parse(const void *bytes, size_t length, json_visit *visit, void *context);
/* A whole file from the beginning as Python takes it, at most `limit` bytes; *error gets errno of a failed read or EFBIG. */
enum json_result json_read(int fd, uint64_t limit, json_visit *visit, void *context, int *error);
/* The same, as Python or as everybody else takes it. */
enum json_result json_read_as(int fd, uint64_t limit, bool python, json_visit *visit, void *context,
                              int *error);

bool json_key_has(const struct json_value *value, unsigned level, const char *key, size_t length);
/* Whether the key that leads from this level is `key`, whose length the compiler knows. */
static inline bool json_key_is(const struct json_value *value, unsigned level, const char *key)
{
	return json_key_has(value, level, key, strlen(key));
}
bool json_text_is(const struct json_value *value, const char *text);
/* A string of exactly so many lower-case hexadecimal digits; `out` has room for them and a NUL. */
bool json_copy_hex(const struct json_value *value, char *out, size_t digits);

#endif
