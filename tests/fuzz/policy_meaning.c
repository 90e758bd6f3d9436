/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy says is what it means: of a policy without an error every line that is neither blank nor a comment is
 * a section, a row that was taken, or more of the row above; and what was taken, written anew, is taken as the same.
 */
#include <ctype.h>

#include "base/text.h"
#include "policy/keys.h"
#include "policy/read.h"
#include "util.h"

static const char *const nothing[] = { NULL };
static const struct environment environment = { nothing, 0 };
static const struct policy_input input = { .file = "policy.ini",
	                                   .environment = &environment,
	                                   .level = -1 };

static bool is_said_on(const struct policy *policy, unsigned line)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy->said[i].line == line)
			return true;
	for (size_t i = 0; i < policy->row_count; i++)
		if (policy->rows[i].line == line)
			return true;
	for (size_t i = 0; i < policy->model_count; i++)
		for (size_t k = 0; k < MODEL_KEY_COUNT; k++)
			if (policy->models[i].said[k].line == line)
				return true;
	return false;
}

static void check_lines(const struct policy *policy, const char *text, size_t size)
{
	unsigned line = 0;

	for (size_t at = 0, next; at < size; at = next) {
		size_t end = at, first = at;

		line++;
		while (end < size && text[end] != '\n')
			end++;
		next = end + 1;
		while (first < end && isspace((unsigned char)text[first]))
			first++;
		if (first == end || text[first] == ';' || text[first] == '#' ||
		    text[first] == '[' || first > at)
			continue;
		if (!is_said_on(policy, line)) {
			(void)fprintf(stderr, "line %u says nothing: %.*s\n", line, (int)(end - at),
			              text + at);
			abort();
		}
	}
}

/* Lines of one value were joined by '\n', and go on as more of the row above. */
static void put_row(FILE *out, const char *name, const char *text)
{
	(void)fprintf(out, "%s=", name); /* a value that begins with ; is none behind a blank */
	for (; *text != '\0'; text++)
		(void)fputs(*text == '\n' ? "\n " : (char[]){ *text, '\0' }, out);
	(void)fputc('\n', out);
}

static void put_policy(FILE *out, const struct policy *policy)
{
	for (unsigned section = 0; section < SECTION_COUNT; section++) {
		if (section == SECTION_MODEL)
			continue;
		(void)fprintf(out, "[%s]\n", policy_section_names[section]);
		for (size_t i = 0; i < KEY_COUNT; i++)
			if (policy_keys[i].section == section && policy->said[i].line != 0)
				put_row(out, policy_keys[i].name, policy->said[i].text);
		for (size_t i = 0; i < policy->row_count; i++)
			if (policy->rows[i].section == section)
				put_row(out, policy->rows[i].name, policy->rows[i].text);
	}
	for (size_t i = 0; i < policy->model_count; i++) {
		(void)fprintf(out, "[model %s]\n", policy->models[i].name);
		for (size_t k = 0; k < MODEL_KEY_COUNT; k++)
			if (policy->models[i].said[k].line != 0)
				put_row(out, policy_keys[FIRST_MODEL_KEY + k].name,
				        policy->models[i].said[k].text);
	}
}

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_same(const struct policy *a, const struct policy *b)
{
	bool well = a->model_count == b->model_count && a->row_count == b->row_count;

	for (size_t i = 0; i < KEY_COUNT; i++)
		well = well && same(a->said[i].text, b->said[i].text);
	for (size_t i = 0; well && i < a->model_count; i++)
		for (size_t k = 0; k < MODEL_KEY_COUNT; k++)
			well = well && same(a->models[i].said[k].text, b->models[i].said[k].text);
	if (!well)
		abort();
}

/* Without comments behind values and without values over several lines: those are not written back as they were. */
static bool is_plain(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] == ';' || (i > 0 && text[i - 1] == '\n' &&
		                       isspace((unsigned char)text[i]) && text[i] != '\n'))
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy policy = { 0 }, again = { 0 };
	char *text = NULL;
	size_t length = 0;
	FILE *out;

	/* What a variable or an escape put in cannot be written back. */
	if (memchr(data, '$', size) == NULL &&
	    policy_parse(&policy, &input, (const char *)data, size) == 0 &&
	    policy.error_count == 0 && (out = open_memstream(&text, &length)) != NULL) {
		check_lines(&policy, (const char *)data, size);
		put_policy(out, &policy);
		(void)fclose(out);
		if (is_plain((const char *)data, size)) {
			if (policy_parse(&again, &input, text, length) == 0 &&
			    again.error_count > 0) {
				(void)fprintf(stderr, "%s", text);
				abort();
			}
			check_same(&policy, &again);
		}
	}
	free(text);
	policy_release(&policy);
	policy_release(&again);
	return 0;
}
