/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yajl/yajl_parse.h>

#include "base/scan.h"
#include "base/text.h"

static bool stop(struct json *json, enum json_result why)
{
	json->result = why;
	return false;
}

/* Hands a value on with its path, and counts it in the container around it. */
static bool tell(struct json *json, struct json_value *value)
{
	unsigned level = json->depth < JSON_TRACKED ? json->depth : JSON_TRACKED;
	bool end = value->kind == JSON_OBJECT_END || value->kind == JSON_ARRAY_END;

	json->since_value = 0;
	value->depth = json->depth;
	for (unsigned i = 0; i < level; i++) {
		value->key[i] = json->is_array[i + 1] ? "" : json->key[i];
		value->key_length[i] = json->is_array[i + 1] ? 0 : json->key_length[i];
		value->index[i] = json->count[i + 1] - (i + 1 < json->depth || end);
	}
	if (!end && json->depth > 0 && json->depth <= JSON_TRACKED)
		json->count[json->depth]++;
	if (!json->visit(json->context, value))
		return stop(json, JSON_STOPPED);
	return true;
}

static int on_null(void *context)
{
	return tell(context, &(struct json_value){ .kind = JSON_NULL });
}

static int on_bool(void *context, int truth)
{
	(void)truth;
	return tell(context, &(struct json_value){ .kind = JSON_BOOL });
}

static int on_number(void *context, const char *text, size_t length)
{
	return tell(context,
	            &(struct json_value){ .kind = JSON_NUMBER, .text = text, .length = length });
}

static int on_string(void *context, const unsigned char *text, size_t length)
{
	return tell(context, &(struct json_value){ .kind = JSON_STRING,
	                                           .text = (const char *)text,
	                                           .length = length });
}

static int open_container(struct json *json, bool array)
{
	struct json_value value = { .kind = array ? JSON_ARRAY : JSON_OBJECT };

	if (json->depth >= (json->python ? MAX_JSON_DEPTH : MAX_STRICT_JSON_DEPTH))
		return stop(json, JSON_DEEP);
	if (!tell(json, &value))
		return false;
	json->depth++;
	json->is_array[json->depth] = array;
	if (json->depth <= JSON_TRACKED)
		json->count[json->depth] = 0;
	return true;
}

static int close_container(struct json *json, bool array)
{
	struct json_value value = { .kind = array ? JSON_ARRAY_END : JSON_OBJECT_END };

	json->depth--;
	return tell(json, &value);
}

static int on_object(void *context)
{
	return open_container(context, false);
}

static int on_object_end(void *context)
{
	return close_container(context, false);
}

static int on_array(void *context)
{
	return open_container(context, true);
}

static int on_array_end(void *context)
{
	return close_container(context, true);
}

/* See json_key_is_cut(). */
static void keep_key(struct json *json, unsigned level, const char *key, size_t length)
{
	struct text kept = TEXT_OVER(json->key[level]);
	size_t room = sizeof(json->key[level]) - 1;

	text_add_bytes(&kept, key, length <= room ? length : room - 16);
	if (length > room)
		text_addf(&kept, "%016llx", (unsigned long long)hash_bytes(key, length));
	json->key_length[level] = kept.length;
}

static int on_key(void *context, const unsigned char *text, size_t length)
{
	struct json *json = context;
	unsigned level = json->depth - 1;

	json->since_value = 0;
	if (level < JSON_TRACKED)
		keep_key(json, level, (const char *)text, length);
	return true;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_object_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_array_end,
};

/* Blocks of the pool are never given back one by one, and carry their size for realloc. */
static bool in_pool(const struct json *json, const void *block)
{
	return (const unsigned char *)block >= json->pool &&
	       (const unsigned char *)block < json->pool + JSON_POOL_BYTES;
}

static void *pool_take(void *context, size_t size)
{
	struct json *json = context;
	size_t room = (size + 16 + 15) & ~(size_t)15;
	unsigned char *block = json->pool + json->pool_used;

	if (room < size || room > JSON_POOL_BYTES - json->pool_used)
		return malloc(size);
	memcpy(block, &size, sizeof(size));
	json->pool_used += room;
	return block + 16;
}

static void *pool_resize(void *context, void *block, size_t size)
{
	size_t before;
	void *larger;

	if (block == NULL)
		return pool_take(context, size);
	if (!in_pool(context, block))
		return realloc(block, size);
	memcpy(&before, (unsigned char *)block - 16, sizeof(before));
	larger = size <= before ? block : pool_take(context, size);
	if (larger != NULL && larger != block)
		memcpy(larger, block, before);
	return larger;
}

static void pool_free(void *context, void *block)
{
	if (!in_pool(context, block))
		free(block);
}

void json_begin(struct json *json, json_visit *visit, void *context)
{
	json->visit = visit;
	json->context = context;
	json->result = JSON_OK;
	json->depth = 0;
	json->since_value = 0;
	json->python = json->in_string = json->escaped = false;
	json->word_length = 0;
	json->utf8_left = 0;
	json->hex_left = 0;
	json->half = false;
	json->utf8_low = 0x80;
	json->utf8_high = 0xBF;
	json->pool_used = 0;
	json->parser = yajl_alloc(
	        &callbacks, &(yajl_alloc_funcs){ pool_take, pool_resize, pool_free, json }, json);
	if (json->parser == NULL)
		json->result = JSON_MEMORY;
}

static void parse(struct json *json, const unsigned char *bytes, size_t length)
{
	json->since_value += length;
	if (yajl_parse(json->parser, bytes, length) != yajl_status_ok) {
		if (json->result == JSON_OK)
			json->result = JSON_SYNTAX;
	} else if (json->since_value > MAX_JSON_TOKEN_BYTES) {
		json->result = JSON_LONG;
	}
}

/* A word outside strings is over: one of Python's three becomes 0, and yajl judges any other. */
static size_t finish_word(struct json *json, unsigned char *out)
{
	size_t length = json->word_length;

	json->word_length = 0;
	/* Blanks around it, or 1NaN would be 10. */
	if ((length == 3 && memcmp(json->word, "NaN", 3) == 0) ||
	    (length == 8 && memcmp(json->word, "Infinity", 8) == 0) ||
	    (length == 9 && memcmp(json->word, "-Infinity", 9) == 0)) {
		out[0] = out[2] = ' ';
		out[1] = '0';
		return 3;
	}
	memcpy(out, json->word, length);
	return length;
}

/* Byte by byte, by the ranges of RFC 3629. */
static bool is_utf8(struct json *json, unsigned char c)
{
	unsigned char low = json->utf8_low, high = json->utf8_high;

	json->utf8_low = 0x80;
	json->utf8_high = 0xBF;
	if (json->utf8_left > 0) {
		json->utf8_left--;
		return c >= low && c <= high;
	}
	if (c < 0x80)
		return true;
	json->utf8_left = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
	if (c == 0xE0 || c == 0xF0)
		json->utf8_low = c == 0xE0 ? 0xA0 : 0x90;
	if (c == 0xED || c == 0xF4)
		json->utf8_high = c == 0xED ? 0x9F : 0x8F;
	return c >= 0xC2 && c <= 0xF4;
}

/* Halves of surrogate pairs in escapes: Python takes one alone, nobody else does. */
static bool is_paired(struct json *json, unsigned char c)
{
	if (json->hex_left > 0) {
		bool half = json->half;

		json->hex = json->hex << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
		if (--json->hex_left > 0)
			return true;
		json->half = (json->hex & 0xFC00) == 0xD800;
		return half == ((json->hex & 0xFC00) == 0xDC00);
	}
	if (json->escaped && c == 'u') {
		json->hex_left = 4;
		json->hex = 0;
		return true;
	}
	return !json->half || (c == '\\' && !json->escaped);
}

/* Nothing of an escape is still to come. */
static bool is_paired_by_now(const struct json *json)
{
	return json->hex_left == 0 && !json->half;
}

/* A character of a string that says nothing of what follows. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/*
 * Copies, for Python's files with the three words replaced; `out` has room for a word more than `length`.
 * yajl takes vertical tabs and form feeds for blanks, and overlong forms and surrogates
 * for UTF-8, which RFC 8259 does not.
 */
static size_t filter(struct json *json, const unsigned char *in, size_t length, unsigned char *out)
{
	size_t to = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = in[i];
		bool letter;

		if (json->in_string && !json->escaped && json->utf8_left == 0 &&
		    is_paired_by_now(json))
			while (is_plain(c) && i + 1 < length) {
				out[to++] = c;
				c = in[++i];
			}
		letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!is_utf8(json, c) || (!json->in_string && (c == '\v' || c == '\f'))) {
			json->result = JSON_SYNTAX;
			return to;
		}
		if (json->python && !json->in_string && json->word_length < sizeof(json->word) &&
		    (json->word_length > 0 ? letter : c == 'N' || c == 'I' || c == '-')) {
			json->word[json->word_length++] = (char)c;
			continue;
		}
		if (json->word_length > 0)
			to += finish_word(json, out + to);
		if (!json->python && json->in_string && !is_paired(json, c)) {
			json->result = JSON_SYNTAX;
			return to;
		}
		if (!json->escaped && c == '"')
			json->in_string = !json->in_string;
		json->escaped = json->in_string && !json->escaped && c == '\\';
		out[to++] = c;
	}
	return to;
}

bool json_feed(struct json *json, const void *bytes, size_t length)
{
	unsigned char filtered[READ_BYTES / 4 + sizeof(json->word)];
	const unsigned char *at = bytes;

	/* yajl gathers a token that crosses inputs without a bound of its own, hence the pieces. */
	while (json->result == JSON_OK && length > 0) {
		size_t piece = length < READ_BYTES / 4 ? length : READ_BYTES / 4, wanted;

		wanted = filter(json, at, piece, filtered);
		if (json->result == JSON_OK)
			parse(json, filtered, wanted);
		at += piece;
		length -= piece;
	}
	return json->result == JSON_OK;
}

enum json_result json_end(struct json *json)
{
	unsigned char last[sizeof(json->word)];

	if (json->result == JSON_OK && json->word_length > 0)
		parse(json, last, finish_word(json, last));
	/* yajl takes a string that never ends, behind the value, for nothing. */
	if (json->result == JSON_OK &&
	    (yajl_complete_parse(json->parser) != yajl_status_ok || json->in_string) &&
	    json->result == JSON_OK)
		json->result = json->depth > 0 || json->in_string ? JSON_CUT : JSON_SYNTAX;
	if (json->parser != NULL)
		yajl_free(json->parser);
	json->parser = NULL;
	return json->result;
}

const char *json_words(enum json_result result)
{
	switch (result) {
	case JSON_OK:
		return "is sound JSON";
	case JSON_SYNTAX:
		return "is not JSON";
	case JSON_CUT:
		return "is not JSON: it ends in the middle";
	case JSON_DEEP:
		return "is JSON nested deeper than its readers go";
	case JSON_LONG:
		return "is JSON with a key or a value above 16 MB";
	case JSON_STOPPED:
		return "is JSON of another shape than expected";
	case JSON_MEMORY:
		return "cannot be parsed: out of memory";
	}
	return "";
}

enum json_result json_parse(const void *bytes, size_t length, json_visit *visit, void *context)
{
	struct json json;

	json_begin(&json, visit, context);
	json_feed(&json, bytes, length);
	return json_end(&json);
}

enum json_result json_read(int fd, uint64_t limit, json_visit *visit, void *context, int *error)
{
	return json_read_as(fd, limit, true, visit, context, error);
}

enum json_result json_read_as(int fd, uint64_t limit, bool python, json_visit *visit, void *context,
                              int *error)
{
	unsigned char buffer[READ_BYTES];
	struct json json;
	uint64_t offset = 0;

	*error = 0;
	json_begin(&json, visit, context);
	json.python = python;
	for (;;) {
		ssize_t got = pread(fd, buffer, sizeof(buffer), (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			*error = errno;
		if (got <= 0)
			break;
		offset += (uint64_t)got;
		if (offset > limit) {
			*error = EFBIG;
			break;
		}
		if (!json_feed(&json, buffer, (size_t)got))
			break;
	}
	return json_end(&json);
}

bool json_key_has(const struct json_value *value, unsigned level, const char *key, size_t length)
{
	return level < value->depth && level < JSON_TRACKED && value->key_length[level] == length &&
	       memcmp(value->key[level], key, length) == 0;
}

bool json_text_is(const struct json_value *value, const char *text)
{
	size_t length = strlen(text);

	return value->kind == JSON_STRING && value->length == length &&
	       memcmp(value->text, text, length) == 0;
}

bool json_copy_hex(const struct json_value *value, char *out, size_t digits)
{
	if (value->kind != JSON_STRING || !scan_is_hex(value->text, value->length, digits))
		return false;
	memcpy(out, value->text, digits);
	out[digits] = '\0';
	return true;
}
