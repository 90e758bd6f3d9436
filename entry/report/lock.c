/* SPDX-License-Identifier: Apache-2.0 */
#include "report/lock.h"

#include <string.h>

#include "util.h"

/* As JSON; that it is UTF-8 is known already. */
static void put_string(FILE *out, const char *text)
{
	if (text == NULL) {
		(void)fputs("null", out);
		return;
	}
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		if ((unsigned char)*text < 0x20)
			(void)fprintf(out, "\\u%04x", (unsigned char)*text);
		else
			(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

static void put_file(FILE *out, const struct lock_file *file)
{
	char hex[SHA256_HEX + 1];

	(void)fputs("  {\"path\": ", out);
	put_string(out, file->path);
	hex_encode(hex, file->sha256, sizeof(file->sha256));
	(void)fprintf(out, ", \"size\": %llu, \"sha256\": \"%s\"", (unsigned long long)file->size,
	              hex);
	if (file->has_git_sha1) {
		hex_encode(hex, file->git_sha1, sizeof(file->git_sha1));
		(void)fprintf(out, ", \"git_sha1\": \"%s\"", hex);
	}
	(void)fputc('}', out);
}

static bool put_model(FILE *out, const struct lock_model *model)
{
	char set[SHA256_HEX + 1];

	if (!lock_set(model, set))
		return false;
	(void)fputs("{\"name\": ", out);
	put_string(out, model->name);
	(void)fputs(", \"repo\": ", out);
	put_string(out, model->repo);
	(void)fputs(", \"revision\": ", out);
	put_string(out, model->revision);
	(void)fputs(", \"commit\": ", out);
	put_string(out, model->commit[0] == '\0' ? NULL : model->commit);
	(void)fprintf(out, ", \"set\": \"sha256:%s\", \"files\": [\n", set);
	for (size_t i = 0; i < model->count; i++) {
		put_file(out, &model->files[i]);
		(void)fputs(i + 1 < model->count ? ",\n" : "\n", out);
	}
	(void)fputs("]}", out);
	return true;
}

/* The kept text that comes before `name` and was not written yet; NULL: none. */
static const struct lock_text *next_kept(const struct lock_text *kept, size_t count,
                                         const char *after, const char *before)
{
	const struct lock_text *next = NULL;

	for (size_t i = 0; i < count; i++)
		if ((after == NULL || strcmp(kept[i].name, after) > 0) &&
		    (before == NULL || strcmp(kept[i].name, before) < 0) &&
		    (next == NULL || strcmp(kept[i].name, next->name) < 0))
			next = &kept[i];
	return next;
}

bool lock_write(const struct lock *lock, const struct lock_text *kept, size_t kept_count, FILE *out)
{
	const struct lock_text *text;
	const char *last = NULL;
	bool first = true;

	(void)fputs("{\"aweigh_lock\": 1, \"models\": [", out);
	for (size_t i = 0; i <= lock->count; i++) {
		const char *name = i < lock->count ? lock->models[i].name : NULL;

		while ((text = next_kept(kept, kept_count, last, name)) != NULL) {
			(void)fputs(first ? "\n" : ",\n", out);
			(void)fwrite(text->at, 1, text->length, out);
			last = text->name;
			first = false;
		}
		if (i == lock->count)
			break;
		(void)fputs(first ? "\n" : ",\n", out);
		if (!put_model(out, &lock->models[i]))
			return false;
		first = false;
	}
	(void)fputs(first ? "]}\n" : "\n]}\n", out);
	return true;
}

size_t lock_texts(const char *file, struct lock_text *texts, size_t room)
{
	const char *start = NULL;
	bool in_string = false;
	unsigned depth = 0;
	size_t count = 0;

	/* Depth 1 is the document's object, 2 its list of models, 3 one of these; other lists hold no objects there. */
	for (const char *at = file; *at != '\0'; at++) {
		if (*at == '"')
			in_string = !in_string;
		else if (in_string && *at == '\\' && at[1] != '\0')
			at++;
		if (in_string)
			continue;
		if ((*at == '{' || *at == '[') && ++depth == 3 && *at == '{')
			start = at;
		if ((*at == '}' || *at == ']') && depth-- == 3 && start != NULL) {
			if (count < room)
				texts[count] =
				        (struct lock_text){ .at = start,
					                    .length = (size_t)(at - start) + 1 };
			count++;
			start = NULL;
		}
	}
	return count;
}
