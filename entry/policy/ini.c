/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/ini.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/scan.h"
#include "base/text.h"
#include "policy/errors.h"
#include "util.h"

struct reader {
	struct policy *policy;
	const struct ini_events *events;
	const char *at, *end;
	unsigned line;
	bool continued; /* the line at hand is indented: more of the value above */
	bool in_section;
	char section[128];
	/* The key whose value is being gathered, until the next one begins: */
	char key[MAX_NAME_BYTES];
	unsigned key_line;
	char value[MAX_SETTING_BYTES];
	struct text value_text;
};

static void complain(struct reader *reader, const char *fix, const char *message)
{
	policy_error(reader->policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY, reader->line, fix, "%s",
	             message);
}

/* The value at hand is whole: the next key, section or the end has come. */
static void finish_key(struct reader *reader)
{
	if (reader->key[0] == '\0')
		return;
	if (reader->value_text.cut)
		policy_error(reader->policy, FINDING_POLICY_VALUE, SOURCE_POLICY, reader->key_line,
		             NULL, "the value is longer than %u bytes", MAX_SETTING_BYTES);
	else if (reader->in_section)
		reader->events->value(reader->events->context, reader->key, reader->value,
		                      reader->key_line);
	reader->key[0] = '\0';
}

/* inih calls this for each key, and again for each indented line below it. */
static int on_key(void *context, const char *section, const char *name, const char *value)
{
	struct reader *reader = context;

	(void)section; /* what it keeps of a long one; begin_section() has all of it */
	if (reader->continued && reader->key[0] != '\0') {
		text_add(&reader->value_text, "\n");
		text_add(&reader->value_text, value);
		return 1;
	}
	finish_key(reader);
	if (name[0] == '\0') {
		complain(reader, "write NAME = VALUE", "value without a key");
		return 1;
	}
	if (strlen(name) >= sizeof(reader->key)) {
		complain(reader, NULL, "the key is longer than 255 bytes");
		return 1;
	}
	memcpy(reader->key, name, strlen(name) + 1);
	reader->key_line = reader->line;
	reader->value_text = TEXT_OVER(reader->value);
	text_add(&reader->value_text, value);
	if (!reader->in_section && reader->section[0] == '\0')
		complain(reader, "begin with a section such as [policy]",
		         "key before the first section");
	return 1;
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && scan_is_space(*at))
		at++;
	return at;
}

static bool begin_section(struct reader *reader, const char *start, const char *end)
{
	const char *close = memchr(start, ']', (size_t)(end - start)), *rest;
	struct text text;

	finish_key(reader); /* it is of the section before, whose name it is told with */
	text = TEXT_OVER(reader->section);
	reader->in_section = false;
	if (close == NULL) {
		complain(reader, NULL, "the section name has no closing ']'");
		return false;
	}
	rest = skip_blanks(close + 1, end);
	if (rest < end && *rest != ';' && *rest != '#')
		complain(reader, "write the section's name alone on its line",
		         "unexpected text after the section's ']'");
	text_add_bytes(&text, start + 1, (size_t)(close - start - 1));
	if (text.cut) {
		complain(reader, "choose a shorter name",
		         "the section name is longer than 127 bytes");
		return false;
	}
	reader->in_section = true;
	reader->events->section(reader->events->context, reader->section, reader->line);
	return true;
}

/* What a list may have in front of a colon: https://..., gguf:FILE, and what a service is ready by. */
static bool is_scheme(const char *name, size_t length, const char *rest, const char *end)
{
	static const char schemes[] = "tcp unix file log gguf";
	char word[8] = "";

	if (end - rest >= 2 && memcmp(rest, "//", 2) == 0)
		return true;
	if (length < sizeof(word))
		memcpy(word, name, length);
	return length < sizeof(word) && list_has(schemes, ' ', word);
}

/* `NAME = ...`, `NAME: ...` or `[...]` behind blanks: inih would take it for more of the value above. */
static bool looks_like_a_row(const char *start, const char *end)
{
	const char *at = start, *separator;

	if (*start == '[')
		return memchr(start, ']', (size_t)(end - start)) != NULL;
	while (at < end && strchr("=:<>!~ \t", *at) == NULL)
		at++;
	separator = skip_blanks(at, end);
	if (at == start || separator >= end || (*separator != '=' && *separator != ':'))
		return false;
	return *separator == '=' || !is_scheme(start, (size_t)(at - start), separator + 1, end);
}

/* Looks at a line before inih gets it; false: inih gets an empty one instead. */
static bool look_at_line(struct reader *reader, const char *line, size_t length)
{
	const char *end = line + length, *start = skip_blanks(line, end);

	reader->continued = start > line && start < end;
	if (start == end || *start == ';' || *start == '#')
		return true;
	if (reader->continued && reader->key[0] != '\0') {
		if (!looks_like_a_row(start, end))
			return true;
		policy_error(reader->policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
		             "remove the blanks before it",
		             "the indented line '%.*s' would be read as more of '%s'",
		             (int)(end - start > 64 ? 64 : end - start), start, reader->key);
		return false;
	}
	if (*start == '[')
		return begin_section(reader, start, end);
	if (memchr(start, '=', (size_t)(end - start)) == NULL &&
	    memchr(start, ':', (size_t)(end - start)) == NULL) {
		policy_error(reader->policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
		             "write KEY = VALUE", "the line '%.*s' has no '='",
		             (int)(length > 64 ? 64 : length), line);
		return false;
	}
	return true;
}

/* fgets() over memory, as inih wants it: at most `size` - 1 bytes and the terminator. */
static char *next_line(char *out, int size, void *context)
{
	struct reader *reader = context;
	const char *stop;
	size_t length, room = (size_t)size - 2;

	if (reader->at >= reader->end)
		return NULL;
	stop = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
	if (stop == NULL)
		stop = reader->end;
	length = (size_t)(stop - reader->at);
	reader->line++;
	if (length > room) {
		policy_error(reader->policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
		             "break the value over several indented lines",
		             "the line has %zu bytes, more than the %zu that are kept", length,
		             room);
		length = 0;
	} else if (!look_at_line(reader, reader->at, length)) {
		length = 0;
	}
	memcpy(out, reader->at, length);
	out[length] = '\n';
	out[length + 1] = '\0';
	reader->at = stop + 1;
	return out;
}

/* NUL bytes, a byte-order mark and what is not UTF-8: each with its line. */
static bool check_bytes(struct policy *policy, const char *text, size_t length)
{
	unsigned line = 1;

	if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
		policy_error(policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY, 1,
		             "save the file as UTF-8 without a byte-order mark",
		             "the file begins with a byte-order mark");
		return false;
	}
	for (size_t i = 0, step; i < length; i += step) {
		step = scan_utf8((const unsigned char *)text + i, length - i);
		line += text[i] == '\n';
		if (step != 0 && text[i] != '\0')
			continue;
		policy_error(policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY, line, NULL,
		             step == 0 ? "the line is not UTF-8" : "the line holds a NUL byte");
		return false;
	}
	return true;
}

int ini_read(struct policy *policy, const char *text, size_t length,
             const struct ini_events *events)
{
	struct reader *reader;
	int bad_line;

	if (!check_bytes(policy, text, length))
		return 0;
	reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return -ENOMEM;
	reader->policy = policy;
	reader->events = events;
	reader->at = text;
	reader->end = text + length;
	bad_line = ini_parse_stream(next_line, reader, on_key, reader);
	finish_key(reader);
	if (bad_line != 0 && policy->error_count == 0)
		policy_error(policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY,
		             bad_line > 0 ? (unsigned)bad_line : 0, NULL, "the line is not INI");
	free(reader);
	return 0;
}
