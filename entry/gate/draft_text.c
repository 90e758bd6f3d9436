/* SPDX-License-Identifier: Apache-2.0 */
/* A drafted policy as it is written. */
#include <inttypes.h>
#include <string.h>

#include "base/scan.h"
#include "formats/formats.h"
#include "gate/drafting.h"
#include "gate/locked.h"
#include "report/escape.h"
#include "util.h"

#define NOTE_BYTES 1000u
#define NOTE_LINE_BYTES 180u
#define LISTED_FILES 60u /* more than that is named by patterns: MAX_MARKED_ELEMENTS */

static void write_require(const struct drafted_model *model, FILE *out)
{
	size_t listed = 0;

	for (size_t i = 0; i < model->count; i++)
		listed += !model->files[i].excluded && draft_is_element(model->files[i].path);
	if (listed == 0 || listed > LISTED_FILES)
		return;
	(void)fputs("require  =", out);
	for (size_t i = 0, put = 0; i < model->count; i++)
		if (!model->files[i].excluded && draft_is_element(model->files[i].path))
			(void)fprintf(out, "%s %s", put++ == 0 ? "" : ",\n          ",
			              model->files[i].path);
	(void)fputc('\n', out);
}

static uint64_t unwanted(const struct drafted_model *model)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < model->count; i++)
		bytes += model->files[i].size;
	return model->there > bytes ? model->there - bytes : 0;
}

/* Of one format that can be told by its name alone. */
static void write_formats(const struct drafted_model *model, FILE *out)
{
	const struct format *only = NULL;

	if (model->of_many_formats || (unwanted(model) > 0 && model->count > LISTED_FILES))
		return;
	for (size_t i = 0; i < model->count; i++) {
		const struct format *format = format_by_name(model->files[i].path);

		if (model->files[i].excluded || format == NULL || !format->weights)
			continue;
		if (only != NULL && only != format)
			return;
		only = format;
	}
	if (only != NULL && format_is_certain(only))
		(void)fprintf(out, "formats  = %s\n", only->name);
}

/* What would mean something else in a list is any character (?). */
static void write_pattern(const char *path, FILE *out)
{
	for (const char *at = path; *at != '\0'; at++) {
		char one[2] = { *at, '\0' };

		(void)fputc(*at == ' ' || !draft_is_element(one) ? '?' : *at, out);
	}
}

static void write_exclude(const struct drafted_model *model, FILE *out)
{
	uint64_t bytes = 0;
	size_t put = 0;

	for (size_t i = 0; i < model->count; i++)
		bytes += model->files[i].excluded ? model->files[i].size : 0;
	if (bytes == 0)
		return;
	(void)fprintf(
	        out,
	        "; the same weights for other frameworks, %s that an image need not hold\nexclude  =",
	        size_text(bytes).text);
	for (size_t i = 0; i < model->count; i++)
		if (model->files[i].excluded) {
			(void)fputs(put++ == 0 ? " " : ", ", out);
			write_pattern(model->files[i].path, out);
		}
	(void)fputc('\n', out);
}

/* Where only a part of what lies there is wanted. */
static void write_files(const struct draft *draft, const struct drafted_model *model, FILE *out)
{
	if (!model->partly || unwanted(model) == 0 || model->count > LISTED_FILES)
		return;
	(void)fprintf(
	        out,
	        model->named && draft->ran ?
	                "; what was named, and what the service opened; %s besides lie there\n" :
	        model->named ? "; what was named; %s besides lie there\n" :
	        draft->ran   ? "; what the service opened; %s besides were never opened\n" :
	                       "; what the manifest selects; %s besides lie there\n",
	        size_text(unwanted(model)).text);
	(void)fputs("files    =", out);
	for (size_t i = 0; i < model->count; i++) {
		(void)fputs(i == 0 ? " " : ",\n           ", out);
		write_pattern(model->files[i].path, out);
	}
	(void)fputc('\n', out);
}

static void write_model(const struct draft *draft, const struct drafted_model *model, FILE *out)
{
	uint64_t bytes = 0;
	size_t files = 0;

	for (size_t i = 0; i < model->count; i++)
		if (!model->files[i].excluded) {
			bytes += model->files[i].size;
			files++;
		}
	(void)fprintf(out, "\n; %zu file%s, %s\n[model %s]\n", files, files == 1 ? "" : "s",
	              size_text(bytes).text, model->name);
	if (model->repo != NULL)
		(void)fprintf(out, "repo     = %s\nrevision = %s\n", model->repo, model->commit);
	else
		(void)fprintf(out, "path     = %s\n", model->path);
	write_files(draft, model, out);
	write_exclude(model, out);
	write_require(model, out);
	write_formats(model, out);
	(void)fprintf(out, "min_size = %" PRIu64 "\n", bytes / 10 * 9);
	if (model->code != NULL) {
		(void)fputs("; it brings code of its own: ", out);
		(void)escape_print(out, model->code);
		(void)fputs("\nremote_code = allow\n", out);
	}
	if (model->export != NULL)
		(void)fprintf(out, "export   = %s\n", model->export);
}

/* Of whole characters, as long as a line of a comment may be. */
static size_t first_piece(const char *text)
{
	size_t length = 0, more;

	while (text[length] != '\0') {
		more = scan_utf8((const unsigned char *)text + length, strlen(text + length));
		if (length + more > NOTE_LINE_BYTES)
			break;
		length += more > 0 ? more : 1;
	}
	return length;
}

static void write_notes(const struct draft *draft, FILE *out)
{
	if (draft->note_count > 0)
		(void)fputs("; When the service ran for it:\n", out);
	for (size_t i = 0; i < draft->note_count; i++) {
		char shown[NOTE_BYTES];
		const char *indent = "";

		escape_into(shown, sizeof(shown), draft->notes[i]);
		for (const char *at = shown; *at != '\0'; indent = "  ") {
			size_t length = first_piece(at);

			(void)fprintf(out, ";   %s%.*s\n", indent, (int)length, at);
			at += length;
		}
	}
}

static void write_service(const struct draft *draft, FILE *out)
{
	if (draft->ready != NULL)
		(void)fprintf(out, "\n; What aweigh smoke waits for:\n[service]\nready     = %s\n",
		              draft->ready);
	else
		(void)fputs(
		        "\n; What aweigh smoke waits for:\n; [service]\n; ready     = http://127.0.0.1:8000/health\n",
		        out);
	(void)fputs(
	        "; what smoke refuses besides: reaching out, and lines that tell of a download\n; network    = refuse\n; log_forbid = huggingface\n",
	        out);
	(void)fputs("; what docker stop wants of PID 1\n; init      = yes\n; remap.143 = 0\n", out);
}

/* To the same place in the image, from beneath the build's context; by its JSON form where a word would not be one. */
static void write_copy(const char *path, FILE *out)
{
	if (strpbrk(path, "\\'") != NULL) /* a Dockerfile takes neither as it is, in no form */
		return;
	if (strchr(path, ' ') == NULL) {
		(void)fprintf(out, ";   COPY %s %s\n", path + 1, path);
		return;
	}
	(void)fprintf(out, ";   COPY [\"%s\", \"%s\"]\n", path + 1, path);
}

static bool states_digests(const struct draft *draft)
{
	for (size_t i = 0; i < draft->count; i++)
		if (!draft->models[i].undigested)
			return true;
	return false;
}

void draft_write(const struct draft *draft, bool lock, FILE *out)
{
	(void)fprintf(out,
	              "; Drafted by aweigh from what %s. Read it, and say what else must hold.\n",
	              draft->ran && draft->named ? "lay there and what the service opened" :
	              draft->ran                 ? "the service opened" :
	                                           "lay there");
	write_notes(draft, out);
	(void)fputs("[policy]\nmode      = offline\n", out);
	if (draft->hub_cache != NULL)
		(void)fprintf(
		        out,
		        "; where it lies here; in an image, where it is copied to\nhub_cache = %s\n",
		        draft->hub_cache);
	if (draft->is_owned && !draft->is_mixed && draft->uid != 0)
		(void)fprintf(out, "; the files' owner\nuser      = %u:%u\n", (unsigned)draft->uid,
		              (unsigned)draft->gid);
	else if (draft->is_mixed)
		(void)fputs(
		        "; its files have several owners: say as whom the service runs (user)\n",
		        out);
	if (lock)
		(void)fputs("lock      = " USUAL_LOCK "\n", out);
	(void)fputs(
	        lock || states_digests(draft) ?
	                "; every byte, at every start; structure is faster, and finds what is missing or cut off\nverify    = digest\n" :
	                "; nothing here states a digest: with the lock file of aweigh lock, digest looks at every byte\nverify    = structure\n",
	        out);
	for (size_t i = 0; i < draft->count; i++)
		write_model(draft, &draft->models[i], out);
	write_service(draft, out);
	(void)fputs(
	        "\n; In a Dockerfile:\n;   COPY aweigh /aweigh\n;   COPY policy.ini /etc/aweigh/policy.ini\n",
	        out);
	if (lock)
		(void)fputs(";   COPY " USUAL_LOCK " /etc/aweigh/" USUAL_LOCK "\n", out);
	if (draft->hub_cache != NULL)
		(void)fputs(";   COPY hub /models/hub     (and hub_cache = /models/hub above)\n",
		            out);
	for (size_t i = 0; i < draft->count; i++)
		if (draft->models[i].path != NULL)
			write_copy(draft->models[i].path, out);
	(void)fputs(";   RUN [\"/aweigh\", \"check\"]\n;   ENTRYPOINT [\"/aweigh\", \"--\"]\n",
	            out);
}
