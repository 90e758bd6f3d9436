/* SPDX-License-Identifier: Apache-2.0 */
/* The lock file in the forms of other tools. */
#include <string.h>

#include "report/gen.h"
#include "report/lock.h"
#include "util.h"
#include "version.h"

/* sha256sum(1): a line whose name has a backslash begins with one, and has it twice. */
static bool write_sums(const struct lock *lock, FILE *out)
{
	const struct lock_model *model = &lock->models[0];

	for (size_t i = 0; i < model->count; i++) {
		const struct lock_file *file = &model->files[i];
		char hex[SHA256_HEX + 1];

		hex_encode(hex, file->sha256, sizeof(file->sha256));
		(void)fprintf(out, "%s%s  ", strchr(file->path, '\\') != NULL ? "\\" : "", hex);
		for (const char *at = file->path; *at != '\0'; at++)
			(void)fprintf(out, *at == '\\' ? "\\\\" : "%c", *at);
		(void)fputc('\n', out);
	}
	return true;
}

static void put_sha256(yajl_gen gen, const char *name, const struct lock_file *file)
{
	char digest[sizeof("sha256:") + SHA256_HEX];
	struct text text = TEXT_OVER(digest);

	text_add(&text, "sha256:");
	hex_encode(digest + text.length, file->sha256, sizeof(file->sha256));
	gen_text(gen, name, digest);
}

static void put_hashes(yajl_gen gen, const struct lock_file *file)
{
	char hex[SHA256_HEX + 1];

	hex_encode(hex, file->sha256, sizeof(file->sha256));
	gen_word(gen, "hashes");
	(void)yajl_gen_array_open(gen);
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "alg", "SHA-256");
	gen_text(gen, "content", hex);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_array_close(gen);
}

static void put_property(yajl_gen gen, const char *name, const char *value)
{
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "name", name);
	gen_text(gen, "value", value);
	(void)yajl_gen_map_close(gen);
}

/* A file is a component of type file within its model's. */
static void put_component_file(yajl_gen gen, const struct lock_model *model,
                               const struct lock_file *file)
{
	char text[MAX_PATH_BYTES + MAX_NAME_BYTES];
	struct text ref = TEXT_OVER(text);

	text_addf(&ref, "%s:%s", model->name, file->path); /* no name of a model has a colon */
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "type", "file");
	gen_text(gen, "bom-ref", text);
	gen_text(gen, "name", file->path);
	put_hashes(gen, file);
	if (file->size != LOCK_NO_SIZE) {
		ref = TEXT_OVER(text);
		text_addf(&ref, "%llu", (unsigned long long)file->size);
		gen_word(gen, "properties");
		(void)yajl_gen_array_open(gen);
		put_property(gen, "aweigh:size", text);
		(void)yajl_gen_array_close(gen);
	}
	(void)yajl_gen_map_close(gen);
}

static bool put_component(yajl_gen gen, const struct lock_model *model)
{
	char url[2 * MAX_NAME_BYTES], set[sizeof("sha256:") + SHA256_HEX] = "sha256:";
	struct text text = TEXT_OVER(url);

	if (!lock_set(model, set + strlen(set)))
		return false;
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "type", "machine-learning-model");
	gen_text(gen, "bom-ref", model->name);
	gen_text(gen, "name", model->repo != NULL ? model->repo : model->name);
	if (model->commit[0] != '\0')
		gen_text(gen, "version", model->commit);
	if (model->repo != NULL && model->commit[0] != '\0') { /* purl-spec, type huggingface */
		text_addf(&text, "pkg:huggingface/%s@%s", model->repo, model->commit);
		gen_text(gen, "purl", url);
	}
	gen_word(gen, "properties");
	(void)yajl_gen_array_open(gen);
	put_property(gen, "aweigh:set", set);
	if (model->revision != NULL)
		put_property(gen, "aweigh:revision", model->revision);
	(void)yajl_gen_array_close(gen);
	gen_word(gen, "components");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < model->count; i++)
		put_component_file(gen, model, &model->files[i]);
	(void)yajl_gen_array_close(gen);
	(void)yajl_gen_map_close(gen);
	return true;
}

/* ECMA-424 (CycloneDX 1.6); no time stamp and no serial number, so that the same lock gives the same bytes. */
static bool put_cyclonedx(yajl_gen gen, const struct lock *lock)
{
	bool well = true;

	gen_text(gen, "$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json");
	gen_text(gen, "bomFormat", "CycloneDX");
	gen_text(gen, "specVersion", "1.6");
	gen_number(gen, "version", 1);
	gen_word(gen, "metadata");
	(void)yajl_gen_map_open(gen);
	gen_word(gen, "tools");
	(void)yajl_gen_map_open(gen);
	gen_word(gen, "components");
	(void)yajl_gen_array_open(gen);
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "type", "application");
	gen_text(gen, "name", "aweigh");
	gen_text(gen, "version", AWEIGH_VERSION);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_array_close(gen);
	(void)yajl_gen_map_close(gen);
	(void)yajl_gen_map_close(gen);
	gen_word(gen, "components");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; well && i < lock->count; i++)
		well = put_component(gen, &lock->models[i]);
	(void)yajl_gen_array_close(gen);
	return well;
}

static void put_source(yajl_gen gen, const struct lock_model *model)
{
	char uri[2 * MAX_NAME_BYTES], fingerprint[sizeof("commit:") + COMMIT_HEX];
	struct text text = TEXT_OVER(uri), commit = TEXT_OVER(fingerprint);

	gen_word(gen, "sources");
	(void)yajl_gen_array_open(gen);
	if (model->repo != NULL) {
		text_addf(&text, "hf://%s%s%s", model->repo, model->revision != NULL ? "@" : "",
		          model->revision != NULL ? model->revision : "");
		text_addf(&commit, "commit:%s", model->commit);
		(void)yajl_gen_map_open(gen);
		gen_text(gen, "uri", uri);
		if (model->commit[0] != '\0')
			gen_text(gen, "fingerprint", fingerprint);
		(void)yajl_gen_map_close(gen);
	}
	(void)yajl_gen_array_close(gen);
}

static bool put_weights(yajl_gen gen, const struct lock_model *model)
{
	char set[sizeof("sha256:") + SHA256_HEX] = "sha256:";
	uint64_t size = 0;
	bool sized = true;

	if (!lock_set(model, set + strlen(set)))
		return false;
	(void)yajl_gen_map_open(gen);
	gen_text(gen, "name", model->name);
	put_source(gen, model);
	gen_text(gen, "setDigest", set);
	gen_word(gen, "files");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; i < model->count; i++) {
		const struct lock_file *file = &model->files[i];

		(void)yajl_gen_map_open(gen);
		gen_text(gen, "path", file->path);
		if (file->size != LOCK_NO_SIZE)
			gen_number(gen, "size", file->size);
		put_sha256(gen, "digest", file);
		(void)yajl_gen_map_close(gen);
		sized = sized && file->size != LOCK_NO_SIZE;
		size += file->size;
	}
	(void)yajl_gen_array_close(gen);
	if (sized)
		gen_number(gen, "size", size);
	(void)yajl_gen_map_close(gen);
	return true;
}

static bool put_cog(yajl_gen gen, const struct lock *lock)
{
	bool well = true;

	gen_text(gen, "version", "v1");
	gen_word(gen, "weights");
	(void)yajl_gen_array_open(gen);
	for (size_t i = 0; well && i < lock->count; i++)
		well = put_weights(gen, &lock->models[i]);
	(void)yajl_gen_array_close(gen);
	return well;
}

bool lock_write_as(const struct lock *lock, enum lock_form form, FILE *out)
{
	yajl_gen gen = form == LOCK_AS_SHA256SUMS ? NULL : gen_new(out, true);
	bool well;

	if (gen == NULL)
		return form == LOCK_AS_SHA256SUMS && write_sums(lock, out);
	(void)yajl_gen_map_open(gen);
	well = form == LOCK_AS_COG ? put_cog(gen, lock) : put_cyclonedx(gen, lock);
	(void)yajl_gen_map_close(gen);
	yajl_gen_free(gen);
	return well;
}
