/* SPDX-License-Identifier: Apache-2.0 */
/* Files that prove by their headers that they are whole: safetensors, GGUF, ONNX, zip archives, JSON. */
#include <string.h>

#include "engine/inspection.h"
#include "formats/gguf.h"
#include "base/json.h"
#include "formats/lfs_pointer.h"
#include "formats/onnx.h"
#include "formats/safetensors.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "engine/inspect.h"
#include "util.h"

enum { TRUNCATED, TRAILING, HEADER, NOT_JSON, SPLIT, UNSIZED };
static const struct finding_kind kinds[] = {
	[TRUNCATED] = { "file.truncated", SEVERITY_ERROR, STATUS_DATA,
	                "a weight file is shorter than its own header says",
	                "fetch the file anew: the copy or download was cut off" },
	[TRAILING] = { "file.trailing", SEVERITY_ERROR, STATUS_DATA,
	               "a weight file has bytes after its end",
	               "fetch the file anew: two writers appended to it, or it was tampered with" },
	[HEADER] = { "file.header", SEVERITY_ERROR, STATUS_DATA,
	             "a weight file's header is not what its format demands",
	             "fetch the file anew" },
	[NOT_JSON] = { "file.not-json", SEVERITY_ERROR, STATUS_DATA, "a JSON file does not parse",
	               "fetch the file anew" },
	[SPLIT] = { "file.split", SEVERITY_ERROR, STATUS_DATA,
	            "a part of a split GGUF model is not there", "fetch every part" },
	[UNSIZED] = { "file.unsized", SEVERITY_NOTE, STATUS_DATA,
	              "a weight file has tensors of a type that this version cannot size",
	              "verify it at level digest" },
};

static bool has_ending(const char *path, const char *ending)
{
	size_t length = strlen(path), more = strlen(ending);

	return length > more && text_equals_any_case(path + length - more, more, ending);
}

/* What was read before may stand for the file only if it is not a pointer or a page: those are told already. */
static bool is_text_in_place(const struct file_view *file)
{
	struct lfs_pointer pointer;

	return lfs_pointer_parse((const char *)file->head, file->head_length, &pointer) ||
	       (file->head_length > 0 && file->head[0] == '<');
}

static void report_end(struct look *look, uint64_t have, uint64_t want, bool shorter)
{
	char have_text[32], want_text[32];
	struct text text = TEXT_OVER(have_text), more = TEXT_OVER(want_text);

	text_add_size(&text, have);
	text_add_size(&more, want);
	if (shorter)
		look_report(look, &kinds[TRUNCATED], (struct report_at){ .path = look->file->path },
		            "is cut short: %s of %s, %llu bytes are missing", have_text, want_text,
		            (unsigned long long)(want - have));
	else
		look_report(look, &kinds[TRAILING], (struct report_at){ .path = look->file->path },
		            "has %llu bytes after its last tensor",
		            (unsigned long long)(have - want));
}

static void check_safetensors(struct look *look)
{
	const struct file_view *file = look->file;
	struct safetensors header;
	enum safetensors_result result =
	        safetensors_read(file->fd, (uint64_t)file->st.st_size, &header);
	struct report_at at = { .path = file->path };

	if (result == SAFETENSORS_SHORT || result == SAFETENSORS_LONG)
		report_end(look, (uint64_t)file->st.st_size, header.expected,
		           result == SAFETENSORS_SHORT);
	else if (result != SAFETENSORS_OK)
		look_report(look, &kinds[HEADER], at, "%s", safetensors_words(result));
	else if (header.unknown_types > 0)
		look_report(look, &kinds[UNSIZED], at, "has %llu tensors of an unknown dtype",
		            (unsigned long long)header.unknown_types);
}

/* prefix-00001-of-00003.gguf: all of them, by the names that llama.cpp gives them. */
static void check_split(struct look *look, const struct gguf *header)
{
	const char *path = look->file->path;
	size_t length = strlen(path);
	char part[MAX_PATH_BYTES];

	if (length < 20 || strncmp(path + length - 14, "-of-", 4) != 0)
		return;
	for (uint32_t i = 1; i <= header->split_count && i <= MAX_SHARDS; i++) {
		struct text text = TEXT_OVER(part);

		text_add_bytes(&text, path, length - 19);
		text_addf(&text, "%05u-of-%05u.gguf", i, header->split_count);
		if (!model_has(look, part, NULL))
			look_report(look, &kinds[SPLIT], (struct report_at){ .path = part },
			            "is missing: the model has %u parts", header->split_count);
	}
}

static void check_gguf(struct look *look)
{
	const struct file_view *file = look->file;
	struct gguf_source source = { .fd = file->fd, .size = (uint64_t)file->st.st_size };
	struct report_at at = { .path = file->path };
	struct gguf header;
	enum gguf_result result = gguf_read(&source, &header);

	if (result == GGUF_SHORT || result == GGUF_LONG)
		report_end(look, source.size, result == GGUF_SHORT ? header.least : header.most,
		           result == GGUF_SHORT);
	else if (result == GGUF_HEADER_SHORT)
		look_report(look, &kinds[TRUNCATED], at, "%s", gguf_words(result));
	else if (result == GGUF_UNKNOWN_TYPE)
		look_report(look, &kinds[UNSIZED], at, "%s", gguf_words(result));
	else if (result != GGUF_OK)
		look_report(look, &kinds[HEADER], at, "%s", gguf_words(result));
	else if (header.is_split && header.split_no == 0)
		check_split(look, &header);
}

/* A zip archive ends with its directory's record: the cheapest proof that the end is there. */
static void check_zip(struct look *look)
{
	const struct file_view *file = look->file;
	uint64_t size = (uint64_t)file->st.st_size, back = size < 65557 ? size : 65557;
	CLEANUP(cleanup_free) unsigned char *tail = malloc(back);
	ssize_t got = tail == NULL ? -1 : pread(file->fd, tail, back, (off_t)(size - back));

	if (got > 0 && memmem(tail, (size_t)got, "PK\5\6", 4) == NULL)
		look_report(look, &kinds[TRUNCATED], (struct report_at){ .path = file->path },
		            "is a zip archive without its end: it is cut short");
}

/* Where a loader will look for external data: beside the model, never out of the folder. */
struct external {
	struct look *look;
	char folder[MAX_PATH_BYTES];
};

static void visit_external(void *context, const char *location, uint64_t end)
{
	struct external *external = context;
	struct look *look = external->look;
	char path[MAX_PATH_BYTES];
	uint64_t size;

	if (strstr(location, "..") != NULL || location[0] == '/' ||
	    !path_join(path, sizeof(path), external->folder, location)) {
		look_report(look, &kinds[HEADER], (struct report_at){ .path = look->file->path },
		            "names external data at %.256s, outside the model's folder", location);
		return;
	}
	if (!model_has(look, path, &size))
		look_report(
		        look, &kinds[TRUNCATED],
		        (struct report_at){
		                .path = path,
		                .fix = "fetch the file: the weights of the ONNX model are in it" },
		        "is missing: %.256s keeps its weights there", look->file->path);
	else if (size < end)
		look_report(look, &kinds[TRUNCATED], (struct report_at){ .path = path },
		            "is cut short: %.256s needs %llu bytes of it, it has %llu",
		            look->file->path, (unsigned long long)end, (unsigned long long)size);
}

static void check_onnx(struct look *look)
{
	const struct file_view *file = look->file;
	struct external external = { .look = look };
	struct text folder = TEXT_OVER(external.folder);
	const char *slash = strrchr(file->path, '/');
	enum onnx_result result;

	if (slash != NULL)
		text_add_bytes(&folder, file->path, (size_t)(slash - file->path));
	result = onnx_read(file->fd, (uint64_t)file->st.st_size, visit_external, &external);
	if (result == ONNX_SHORT)
		look_report(look, &kinds[TRUNCATED], (struct report_at){ .path = file->path },
		            "ends inside its protobuf: it is cut short");
	else if (result != ONNX_OK)
		look_report(look, &kinds[HEADER], (struct report_at){ .path = file->path }, "%s",
		            onnx_words(result));
}

static bool visit_json(void *context, const struct json_value *value)
{
	(void)context;
	(void)value;
	return true;
}

/* Vocabularies are megabytes that only a tokenizer reads: below level digest a few kB of both ends must do. */
static bool is_large_vocabulary(const struct look *look)
{
	static const char *const names[] = { "tokenizer.json", "vocab.json", "vocabulary.json" };
	const char *slash = strrchr(look->file->path, '/'),
	           *name = slash == NULL ? look->file->path : slash + 1;

	if ((uint64_t)look->file->st.st_size <= WHOLE_JSON_BYTES ||
	    look->model->level >= LEVEL_DIGEST)
		return false;
	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Whether the beginning is sound JSON, as far as it goes, and the end closes what it opened. */
static bool ends_match(const struct file_view *file, enum json_result *beginning)
{
	unsigned char tail[4096];
	ssize_t got = pread(file->fd, tail, sizeof(tail), file->st.st_size - (off_t)sizeof(tail));
	const unsigned char *head = file->head;
	struct json json;
	size_t at = 0;

	json_begin(&json, visit_json, NULL);
	json_feed(&json, head, file->head_length);
	*beginning = json.result;
	(void)json_end(&json);
	while (at < file->head_length && scan_is_space((char)head[at]))
		at++;
	while (got > 0 && scan_is_space((char)tail[got - 1]))
		got--;
	return at < file->head_length && got > 0 &&
	       ((head[at] == '{' && tail[got - 1] == '}') ||
	        (head[at] == '[' && tail[got - 1] == ']'));
}

static void check_json(struct look *look)
{
	const struct file_view *file = look->file;
	struct report_at at = { .path = file->path };
	enum json_result result = JSON_OK;
	int error = 0;

	if (is_large_vocabulary(look)) {
		if (!ends_match(file, &result) && result == JSON_OK)
			look_report(look, &kinds[NOT_JSON], at,
			            "is not JSON: its end does not close its beginning");
	} else if ((uint64_t)file->st.st_size == file->head_length) {
		result = json_parse(file->head, file->head_length, visit_json, NULL);
	} else {
		result = json_read(file->fd, MAX_INDEX_BYTES, visit_json, NULL, &error);
	}
	if (error != 0)
		look_report(look, &kinds[NOT_JSON], at, "cannot be read whole: %s",
		            strerror(error));
	else if (result != JSON_OK)
		look_report(look, &kinds[NOT_JSON], at, "%s", json_words(result));
}

static void check(struct look *look)
{
	const struct file_view *file = look->file;

	if (file->fd < 0 || file->st.st_size == 0 || is_text_in_place(file))
		return;
	if (has_ending(file->path, ".safetensors"))
		check_safetensors(look);
	else if (has_ending(file->path, ".gguf"))
		check_gguf(look);
	else if (has_ending(file->path, ".onnx"))
		check_onnx(look);
	else if (file->head_length >= 4 && memcmp(file->head, "PK\3\4", 4) == 0)
		check_zip(look);
	else if (has_ending(file->path, ".json"))
		check_json(look);
}

const struct check check_file_structure = { "file_structure", SCOPE_FILE, LEVEL_STRUCTURE, kinds,
	                                    LENGTH_OF(kinds), check };
