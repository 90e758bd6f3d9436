/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON file as a whole: whether it parses, or, where that costs too much, whether both ends fit together. */
#include "base/json.h"

#include <string.h>

#include "base/list.h"
#include "base/scan.h"
#include "base/text.h"
#include "bounds.h"
#include "formats/formats.h"
#include "formats/shard_index.h"
#include "util.h"

static bool visit(void *context, const struct json_value *value)
{
	bool *object = context;

	if (value->depth == 0 && value->kind == JSON_OBJECT)
		*object = true;
	return true;
}

/* Vocabularies are megabytes that only a tokenizer reads: a few kB of both ends must do. */
static bool is_large_vocabulary(const struct examined *file)
{
	return file->size > WHOLE_JSON_BYTES && !file->thorough &&
	       list_has("tokenizer.json vocab.json vocabulary.json", ' ', path_name(file->path));
}

/* tokenizers reads it by serde_json; everything else is read by Python. */
static bool is_for_python(const struct examined *file)
{
	return strcmp(path_name(file->path), "tokenizer.json") != 0;
}

/* Whether the beginning is sound JSON, as far as it goes, and the end closes what it opened. */
static bool ends_match(const struct examined *file, enum json_result *beginning)
{
	unsigned char tail[4096];
	ssize_t got = pread(file->fd, tail, sizeof(tail), (off_t)(file->size - sizeof(tail)));
	const unsigned char *head = file->head;
	struct json json;
	size_t at = 0;
	bool object;

	json_begin(&json, visit, &object);
	json.python = is_for_python(file);
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

/* What is read as an object: null, a number or a list in its place ends a loader. */
static bool must_be_object(const char *path)
{
	/* Not every NAME_config.json: all-MiniLM's data_config.json is a list. */
	static const char names[] =
	        "config.json tokenizer_config.json generation_config.json preprocessor_config.json "
	        "adapter_config.json sentence_bert_config.json model_index.json tokenizer.json";

	return list_has(names, ' ', path_name(path)) || shard_index_is_name(path);
}

static bool begins_object(const struct examined *file)
{
	size_t at = 0;

	while (at < file->head_length && scan_is_space((char)file->head[at]))
		at++;
	return at < file->head_length && file->head[at] == '{';
}

static enum json_result parse_small(const struct examined *file, bool *object)
{
	struct json json;

	json_begin(&json, visit, object);
	json.python = is_for_python(file);
	json_feed(&json, file->head, file->head_length);
	return json_end(&json);
}

/* .ipynb_checkpoints and their like. */
static bool is_hidden(const char *path)
{
	return path[0] == '.' || strstr(path, "/.") != NULL;
}

/*
 * Configurations, vocabularies and indexes. Others, such as examples and results in lines of JSON, are read by
 * nobody who loads the model, and only an end in the middle says that the copy is damaged.
 */
bool json_is_read_by_loaders(const char *path)
{
	static const char *const ends[] = {
		"config.json",        "tokenizer.json",
		"vocab.json",         "vocabulary.json",
		".index.json",        "modules.json",
		"model_index.json",   "added_tokens.json",
		"params.json",        "config_sentence_transformers.json",
		"chat_template.json", "special_tokens_map.json",
		"merges.json",        "ndarray-cache.json"
	};

	for (size_t i = 0; i < LENGTH_OF(ends); i++)
		if (path_ends(path, ends[i]) || strcmp(path, ends[i]) == 0)
			return !is_hidden(path);
	return false;
}

void json_examine(const struct examined *file, struct extent *extent)
{
	enum json_result result = JSON_OK;
	int error = 0;
	bool object = false;

	*extent = (struct extent){ .result = EXTENT_WHOLE, .words = "is whole" };
	if (is_large_vocabulary(file)) {
		if (!ends_match(file, &result) && result == JSON_OK) {
			extent->result = EXTENT_BROKEN;
			extent->words = "is not JSON: its end does not close its beginning";
			return;
		}
		object = begins_object(file);
	} else if (file->size == file->head_length) {
		result = parse_small(file, &object);
	} else {
		result = json_read_as(file->fd, MAX_INDEX_BYTES, is_for_python(file), visit,
		                      &object, &error);
	}
	if (error != 0) {
		extent->result = EXTENT_UNREADABLE;
		extent->error = error;
	} else if ((result == JSON_CUT && !is_hidden(file->path)) ||
	           (result != JSON_OK && json_is_read_by_loaders(file->path))) {
		extent->result = EXTENT_BROKEN;
		extent->words = json_words(result);
	} else if (result == JSON_OK && must_be_object(file->path) && !object) {
		extent->result = EXTENT_BROKEN;
		extent->words = "is JSON, but not an object";
	}
}
