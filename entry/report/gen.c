/* SPDX-License-Identifier: Apache-2.0 */
#include "report/gen.h"

#include <string.h>

#include "bounds.h"
#include "report/escape.h"

static void print(void *context, const char *text, size_t length)
{
	(void)fwrite(text, 1, length, context);
}

yajl_gen gen_new(FILE *out, bool beautiful)
{
	yajl_gen gen = yajl_gen_alloc(NULL);

	if (gen == NULL)
		return NULL;
	(void)yajl_gen_config(gen, yajl_gen_beautify, beautiful);
	(void)yajl_gen_config(gen, yajl_gen_indent_string, "  ");
	(void)yajl_gen_config(gen, yajl_gen_print_callback, print, out);
	return gen;
}

void gen_word(yajl_gen gen, const char *word)
{
	(void)yajl_gen_string(gen, (const unsigned char *)word, strlen(word));
}

void gen_text(yajl_gen gen, const char *name, const char *text)
{
	char escaped[4 * MAX_PATH_BYTES];

	gen_word(gen, name);
	if (text == NULL) {
		(void)yajl_gen_null(gen);
		return;
	}
	escape_into(escaped, sizeof(escaped), text);
	gen_word(gen, escaped);
}

void gen_number(yajl_gen gen, const char *name, uint64_t number)
{
	gen_word(gen, name);
	(void)yajl_gen_integer(gen, number > INT64_MAX ? INT64_MAX : (long long)number);
}

void gen_bool(yajl_gen gen, const char *name, bool value)
{
	gen_word(gen, name);
	(void)yajl_gen_bool(gen, value);
}
