/* SPDX-License-Identifier: Apache-2.0 */
#include "report/explain.h"

#include <string.h>

#include "base/arena.h"
#include "base/array.h"
#include "report/escape.h"
#include "report/gen.h"
#include "util.h"

static const char *keep(struct explanation *explanation, const char *text)
{
	const char *copy = text == NULL ? "" : arena_copy(explanation->arena, text, strlen(text));

	if (copy == NULL)
		explanation->failed = true;
	return copy == NULL ? "" : copy;
}

void explanation_add(struct explanation *explanation, const char *section, const char *name,
                     const char *value, const char *origin)
{
	if (explanation->arena == NULL)
		explanation->arena = arena_new();
	if (explanation->arena == NULL) {
		explanation->failed = true;
		return;
	}
	if (!ARRAY_MAKE_ROOM(explanation->rows, explanation->count, explanation->room)) {
		explanation->failed = true;
		return;
	}
	explanation->rows[explanation->count++] =
	        (struct explanation_row){ keep(explanation, section), keep(explanation, name),
		                          keep(explanation, value),
		                          origin == NULL ? NULL : keep(explanation, origin) };
}

void explanation_print(const struct explanation *explanation, FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < explanation->count; i++) {
		const struct explanation_row *row = &explanation->rows[i];

		if (strcmp(section, row->section) != 0)
			(void)fprintf(out, "\n%s\n", row->section);
		section = row->section;
		(void)fprintf(out, section[0] == '\0' ? "%-18s " : "  %-18s ", row->name);
		(void)escape_print(out, row->value);
		if (row->origin != NULL) {
			(void)fputs("   (", out);
			(void)escape_print(out, row->origin);
			(void)fputc(')', out);
		}
		(void)fputc('\n', out);
	}
}

void explanation_print_json(const struct explanation *explanation, FILE *out)
{
	yajl_gen gen = gen_new(out, true);

	if (gen == NULL)
		return;
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < explanation->count; i++) {
		const struct explanation_row *row = &explanation->rows[i];

		(void)yajl_gen_map_open(gen);
		gen_text(gen, "section", row->section);
		gen_text(gen, "name", row->name);
		gen_text(gen, "value", row->value);
		gen_text(gen, "origin", row->origin);
		(void)yajl_gen_map_close(gen);
	}
	(void)yajl_gen_array_close(gen);
	yajl_gen_free(gen);
}

void explanation_release(struct explanation *explanation)
{
	free(explanation->rows);
	if (explanation->arena != NULL)
		arena_free(explanation->arena);
	*explanation = (struct explanation){ 0 };
}
