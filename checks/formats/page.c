/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/page.h"

#include <string.h>

#include "base/json.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

#define LOOKED_AT 256u

struct head {
	const char *at, *end; /* behind a byte-order mark and blanks */
};

static bool begins(const struct head *head, const char *with)
{
	return (size_t)(head->end - head->at) >= strlen(with) &&
	       text_equals_any_case(head->at, strlen(with), with);
}

static bool holds(const struct head *head, const char *word)
{
	return memmem(head->at, (size_t)(head->end - head->at), word, strlen(word)) != NULL;
}

/* The beginning of a safetensors file may be a '<', too: a length, with NUL bytes behind it. */
static bool is_text(const struct head *head)
{
	size_t length = (size_t)(head->end - head->at);

	for (size_t i = 0; i < length && i < LOOKED_AT; i++)
		if (((unsigned char)head->at[i] < 0x20 && !scan_is_space(head->at[i])) ||
		    head->at[i] == 0x7F)
			return false;
	return length > 0;
}

static bool is_tag(const struct head *head)
{
	char second = ' ';

	if (head->end - head->at > 1)
		second = scan_lower(head->at[1]);
	return head->at < head->end && head->at[0] == '<' &&
	       ((second >= 'a' && second <= 'z') || strchr("!?/", second) != NULL) && is_text(head);
}

/* A sentence or a JSON object, as a hub answers. Pickles of protocol 0 are texts that end in a dot. */
static bool is_message(const struct head *head)
{
	return is_text(head) && (begins(head, "{") || holds(head, " ")) && head->end[-1] != '.' &&
	       head->end - head->at <= (ptrdiff_t)LOOKED_AT;
}

/* Of an answer's own keys, and no other: one of the first says something, in a text, or in what a list or an object has. */
static bool visit_key(void *context, const struct json_value *value)
{
	static const char *const words[] = { "error",  "errors",     "message",   "detail", "code",
		                             "status", "statusCode", "timestamp", "path" };
	bool *speaks = context;

	if (value->depth == 0)
		return value->kind == JSON_OBJECT || value->kind == JSON_OBJECT_END;
	for (size_t i = 0; i < 4 && value->depth > 1; i++)
		*speaks |= json_key_is(value, 0, words[i]);
	if (value->depth > 1)
		return true;
	for (size_t i = 0; i < LENGTH_OF(words); i++)
		if (json_key_is(value, 0, words[i])) {
			*speaks |= i < 4 && value->kind == JSON_STRING && value->length > 0;
			return true;
		}
	return false;
}

/* {"error": "..."}: a vocabulary may have the word, too, but a number for it. */
static bool is_error_object(const struct head *head)
{
	bool speaks = false;
	struct json json;

	if (!begins(head, "{"))
		return false;
	json_begin(&json, visit_key, &speaks);
	(void)json_feed(&json, head->at, (size_t)(head->end - head->at));
	return json_end(&json) == JSON_OK && speaks;
}

const char *page_words(const struct format *format, const char *path, const unsigned char *head,
                       size_t length, uint64_t size)
{
	struct head text = { (const char *)head, (const char *)head + length };
	bool weights = format != NULL && format->weights;
	bool json = format != NULL && strcmp(format->name, "json") == 0;

	while (text.at < text.end &&
	       (scan_is_space(*text.at) || strchr("\xEF\xBB\xBF", *text.at) != NULL) &&
	       *text.at != '\0')
		text.at++;
	if (format_has_ending(path, ".html .htm .md") || text.at == text.end)
		return NULL;
	if (!weights && !json && format_is_paper(path))
		return NULL;
	if (begins(&text, "<!doctype html") || begins(&text, "<html"))
		return "is an HTML page";
	if (begins(&text, "<Error>") && format_is_vocabulary(path))
		return "is an XML message, as storage servers answer when an address has expired";
	if (begins(&text, "<?xml") && (weights || json || holds(&text, "<Error>")))
		return "is an XML message, as storage servers answer when an address has expired";
	if ((weights || json) && is_tag(&text))
		return "is a page, not the file";
	if ((weights || format_is_vocabulary(path) ||
	     (json && (json_is_read_by_loaders(path) || begins(&text, "{\"error\":")))) &&
	    size == length && is_error_object(&text))
		return "is an error message in JSON";
	/* A vocabulary of SentencePiece is a protocol buffer. */
	return (weights || format_has_ending(path, ".model .spm")) && size == length &&
	                       is_message(&text) ?
	               "is a short text, as a server answers, not weights" :
	               NULL;
}
