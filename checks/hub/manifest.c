/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/manifest.h"

#include <string.h>

#include "base/scan.h"

struct pass {
	manifest_visit *visit;
	void *context;
	struct manifest_file file;
	bool version, stopped;
};

static bool visit_field(struct pass *pass, const struct json_value *value)
{
	struct manifest_file *file = &pass->file;

	if (json_key_is(value, 2, "size")) {
		file->has_size = value->kind == JSON_NUMBER &&
		                 scan_u64(value->text, value->length, &file->size);
		return file->has_size;
	}
	if (json_key_is(value, 2, "blob_id"))
		return json_copy_hex(value, file->blob_id, COMMIT_HEX);
	if (json_key_is(value, 2, "lfs_sha256"))
		return json_copy_hex(value, file->sha256, SHA256_HEX);
	if (json_key_is(value, 2, "xet_hash"))
		return json_copy_hex(value, file->xet_hash, SHA256_HEX);
	return true;
}

static bool visit(void *context, const struct json_value *value)
{
	struct pass *pass = context;
	bool files = json_key_is(value, 0, "files");

	if (value->depth == 0)
		return value->kind == JSON_OBJECT || value->kind == JSON_OBJECT_END;
	if (value->depth == 1 && json_key_is(value, 0, "format_version")) {
		pass->version =
		        value->kind == JSON_NUMBER && value->length == 1 && value->text[0] == '1';
		return pass->version;
	}
	if (value->depth == 1 && files)
		return value->kind == JSON_OBJECT || value->kind == JSON_OBJECT_END;
	if (value->depth == 2 && files && value->kind == JSON_OBJECT) {
		memset(&pass->file, 0, sizeof(pass->file));
		return true;
	}
	if (value->depth == 2 && files && value->kind == JSON_OBJECT_END) {
		/* A path above 1 kB, of which no more than the beginning is here. */
		if (json_key_is_cut(value, 1))
			return false;
		pass->file.path = value->key[1];
		pass->file.path_length = value->key_length[1];
		if (!pass->file.has_size || pass->file.blob_id[0] == '\0')
			return false;
		if (pass->visit == NULL || pass->visit(pass->context, &pass->file))
			return true;
		pass->stopped = true;
		return false;
	}
	if (value->depth == 2 && files)
		return false;
	return value->depth != 3 || !files || visit_field(pass, value);
}

bool manifest_parse(const void *bytes, size_t length, manifest_visit *visit_file, void *context)
{
	struct pass pass = { .visit = visit_file, .context = context };

	return (json_parse(bytes, length, visit, &pass) == JSON_OK && pass.version) || pass.stopped;
}

bool manifest_read(int fd, manifest_visit *visit_file, void *context)
{
	struct pass pass = { .visit = visit_file, .context = context };
	int error;
	enum json_result result = json_read(fd, MAX_INDEX_BYTES, visit, &pass, &error);

	return (result == JSON_OK && error == 0 && pass.version) || pass.stopped;
}
