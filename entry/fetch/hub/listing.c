/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/hub/listing.h"

#include <string.h>

#include "base/scan.h"

/* A path with a NUL or too long to be one is kept as an empty one, which nobody takes for legal. */
static bool copy_path(char path[static MAX_JSON_KEY_BYTES], const struct json_value *value)
{
	path[0] = '\0';
	if (value->kind != JSON_STRING || value->length >= MAX_JSON_KEY_BYTES ||
	    memchr(value->text, '\0', value->length) != NULL)
		return value->kind == JSON_STRING;
	memcpy(path, value->text, value->length);
	path[value->length] = '\0';
	return true;
}

/* One that is none, as of a directory, is as if it were not stated. */
static void take_size(struct manifest_file *file, const struct json_value *value)
{
	uint64_t size = 0;

	file->has_size = value->kind == JSON_NUMBER &&
	                 scan_u64(value->text, value->length, &size) && size <= MAX_FETCH_BYTES;
	file->size = file->has_size ? size : 0;
}

/* Fields of an element at `level`; its "lfs" object lies one deeper. */
static bool take_field(struct manifest_file *file, const struct json_value *value, unsigned level,
                       const char *oid, const char *sha256)
{
	if (value->depth == level + 1 && json_key_is(value, level, "size")) {
		take_size(file, value);
		return true;
	}
	if (value->depth == level + 1 && json_key_is(value, level, oid)) {
		/* Not one of git's SHA-1 ids: as if it were not there, and the file is asked for its own. */
		(void)json_copy_hex(value, file->blob_id, COMMIT_HEX);
		return true;
	}
	if (value->depth == level + 1 && json_key_is(value, level, "xetHash")) {
		(void)json_copy_hex(value, file->xet_hash, SHA256_HEX); /* nothing here needs it */
		return true;
	}
	if (value->depth == level + 2 && json_key_is(value, level, "lfs") &&
	    json_key_is(value, level + 1, sha256))
		return json_copy_hex(value, file->sha256, SHA256_HEX);
	return true;
}

static bool hand_out(struct manifest_file *file, const char *path, manifest_visit *visit,
                     void *context, bool *stopped)
{
	file->path = path;
	file->path_length = strlen(path);
	*stopped = !visit(context, file);
	return !*stopped;
}

static bool visit_info(void *context, const struct json_value *value)
{
	struct revision_info *info = context;
	bool siblings =
	        info->visit != NULL && value->depth >= 1 && json_key_is(value, 0, "siblings");

	if (value->depth == 0)
		return value->kind == JSON_OBJECT || value->kind == JSON_OBJECT_END;
	if (value->depth == 1 && json_key_is(value, 0, "sha"))
		return json_copy_hex(value, info->commit, COMMIT_HEX);
	if (!siblings || value->depth < 2)
		return true;
	if (value->depth == 2 && value->kind == JSON_OBJECT) {
		memset(&info->file, 0, sizeof(info->file));
		info->path[0] = '\0';
		return true;
	}
	if (value->depth == 2)
		return value->kind == JSON_OBJECT_END &&
		       hand_out(&info->file, info->path, info->visit, info->context,
		                &info->stopped);
	if (value->depth == 3 && json_key_is(value, 2, "rfilename"))
		return copy_path(info->path, value);
	return take_field(&info->file, value, 2, "blobId", "sha256");
}

void revision_info_begin(struct revision_info *info, manifest_visit *visit, void *context)
{
	info->commit[0] = '\0';
	info->visit = visit;
	info->context = context;
	info->stopped = false;
	json_begin(&info->json, visit_info, info);
	info->json.python =
	        true; /* a title cut within a character, as JavaScript writes it, refuses nothing */
}

bool revision_info_end(struct revision_info *info)
{
	return json_end(&info->json) == JSON_OK && info->commit[0] != '\0';
}

static bool visit_page(void *context, const struct json_value *value)
{
	struct tree_page *page = context;

	if (value->depth == 0)
		return value->kind == JSON_ARRAY || value->kind == JSON_ARRAY_END;
	if (value->depth == 1 && value->kind == JSON_OBJECT) {
		memset(&page->file, 0, sizeof(page->file));
		page->path[0] = '\0';
		page->is_file = false;
		return true;
	}
	if (value->depth == 1)
		return value->kind == JSON_OBJECT_END &&
		       (!page->is_file || hand_out(&page->file, page->path, page->visit,
		                                   page->context, &page->stopped));
	if (value->depth == 2 && json_key_is(value, 1, "type"))
		page->is_file = json_text_is(value, "file");
	if (value->depth == 2 && json_key_is(value, 1, "path")) {
		page->names = hash_more(page->names, value->text, value->length);
		page->names = hash_more(page->names, "/", 1);
		page->entries++;
		return copy_path(page->path, value);
	}
	return take_field(&page->file, value, 1, "oid", "oid");
}

void tree_page_begin(struct tree_page *page, manifest_visit *visit, void *context)
{
	page->visit = visit;
	page->context = context;
	page->stopped = false;
	page->names = HASH_BEGIN;
	page->entries = 0;
	json_begin(&page->json, visit_page, page);
	page->json.python = true;
}

bool tree_page_end(struct tree_page *page)
{
	return json_end(&page->json) == JSON_OK;
}
