/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "report/escape.h"
#include "report/lock.h"
#include "util.h"

static size_t put(FILE *out, const struct lock_model *model, const char *path, const char *words)
{
	(void)escape_print(out, model->name);
	(void)fputs(": ", out);
	(void)escape_print(out, path);
	(void)fprintf(out, " %s\n", words);
	return 1;
}

static const char *said(const char *text)
{
	return text == NULL || text[0] == '\0' ? "none" : text;
}

static size_t put_change(FILE *out, const struct lock_model *model, const char *what,
                         const char *before, const char *after)
{
	if (strcmp(said(before), said(after)) == 0)
		return 0;
	(void)escape_print(out, model->name);
	(void)fprintf(out, ": the lock file has the %s ", what);
	(void)escape_print(out, said(before));
	(void)fputs(", now it is ", out);
	(void)escape_print(out, said(after));
	(void)fputc('\n', out);
	return 1;
}

static size_t put_sizes(FILE *out, const struct lock_model *model, const struct lock_file *before,
                        const struct lock_file *after)
{
	char words[128];
	struct text text = TEXT_OVER(words);

	if (before->size != after->size)
		text_addf(&text, "has %llu bytes, the lock file says %llu",
		          (unsigned long long)after->size, (unsigned long long)before->size);
	else if (memcmp(before->sha256, after->sha256, sizeof(before->sha256)) != 0)
		text_add(&text, "has another content than the lock file says");
	return text.length == 0 ? 0 : put(out, model, after->path, words);
}

/* Both lists are sorted by path. */
static size_t put_files(FILE *out, const struct lock_model *before, const struct lock_model *after)
{
	size_t count = 0, i = 0, k = 0;

	while (i < before->count || k < after->count) {
		int order = i == before->count ? 1 :
		            k == after->count  ? -1 :
		                                 strcmp(before->files[i].path, after->files[k].path);

		if (order < 0)
			count += put(out, before, before->files[i++].path,
			             "is in the lock file, and gone");
		else if (order > 0)
			count += put(out, after, after->files[k++].path, "is not in the lock file");
		else
			count += put_sizes(out, after, &before->files[i++], &after->files[k++]);
	}
	return count;
}

size_t lock_write_difference(const struct lock_model *before, const struct lock_model *after,
                             FILE *out)
{
	if (before == NULL || after == NULL) {
		(void)escape_print(out, before != NULL ? before->name : after->name);
		(void)fputs(before != NULL ? ": is in the lock file, and no model of the policy\n" :
		                             ": is not in the lock file\n",
		            out);
		return 1;
	}
	return put_change(out, after, "repository", before->repo, after->repo) +
	       put_change(out, after, "revision", before->revision, after->revision) +
	       put_change(out, after, "commit", before->commit, after->commit) +
	       put_files(out, before, after);
}
