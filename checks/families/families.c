/* SPDX-License-Identifier: Apache-2.0 */
#include "families/families.h"

#include <fcntl.h>
#include <string.h>

#include "base/dir.h"
#include "base/json.h"
#include "base/list.h"
#include "base/text.h"
#include "base/tree.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "hub/cache.h"
#include "util.h"

const struct family families[] = {
#define FAMILY(function, name, marks) { name, marks, function##_check },
#include "families/families.def"
};
const size_t family_count = LENGTH_OF(families);

bool family_is(const struct inspection *inspection, const struct family *family)
{
	size_t length;

	for (const char *at = NULL, *mark;
	     (mark = list_next(family->marks, ' ', &at, &length)) != NULL;) {
		char name[MAX_NAME_BYTES];
		struct text text = TEXT_OVER(name);

		text_add_bytes(&text, mark, length);
		if (model_has(inspection, name, NULL) || model_has_directory(inspection, name))
			return true;
	}
	return false;
}

bool family_has_weights(const struct inspection *inspection)
{
	return inspection->model->weight_files > 0 || inspection->model->unknown_files > 0;
}

/* A file of weights, or one of a format that nobody here knows and that is neither text nor picture. */
static bool stands_for_weights(const struct dir *dir, const struct dirent *entry)
{
	const struct format *format = format_by_name(entry->d_name);
	struct stat st;

	if (format != NULL || entry->d_name[0] == '.' || format_is_plain(entry->d_name))
		return format != NULL && format->weights;
	if (entry->d_type == DT_UNKNOWN) /* not every file system says it */
		return fstatat(dir_fd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		       !S_ISDIR(st.st_mode);
	return entry->d_type != DT_DIR;
}

/* A part of the model, which may be a link to another directory of it. */
static struct dir open_part(const struct inspection *inspection, const char *directory)
{
	return dir_over(tree_open_beneath(inspection->tree, inspection->model->place.dir_fd,
	                                  directory[0] == '\0' ? "." : directory,
	                                  O_RDONLY | O_DIRECTORY),
	                MAX_DIRECTORY_ENTRIES);
}

bool family_directory_has_files(const struct inspection *inspection, const char *directory)
{
	CLEANUP(dir_close) struct dir dir = open_part(inspection, directory);
	const struct dirent *entry;

	while ((entry = dir_next(&dir)) != NULL)
		if (entry->d_name[0] != '.' && !format_is_paper(entry->d_name))
			return true;
	return false;
}

bool family_directory_has_file(const struct inspection *inspection, const char *directory,
                               const char *name)
{
	char path[MAX_PATH_BYTES];

	return path_join(path, sizeof(path), directory, name) && model_has(inspection, path, NULL);
}

static bool has_set(const struct inspection *inspection, const char *directory)
{
	return family_directory_has_file(inspection, directory, "model.safetensors") ||
	       family_directory_has_file(inspection, directory, "model.safetensors.index.json") ||
	       family_directory_has_file(inspection, directory, "pytorch_model.bin");
}

/* In the order of transformers' modeling_utils.py, _get_resolved_checkpoint_files(): of its own names, without a variant. */
bool family_is_spare(const struct inspection *inspection, const char *path)
{
	static const char *const begins[] = { "model-", "pytorch_model-", "tf_model-",
		                              "flax_model-" };
	static const char *const indexes[] = { "model.safetensors.index.json",
		                               "pytorch_model.bin.index.json",
		                               "tf_model.h5.index.json",
		                               "flax_model.msgpack.index.json" };
	struct lists_met met = { 0, 0 };
	char directory[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(directory);
	const char *name = path_name(path);
	bool safe = path_ends(name, ".safetensors") || strcmp(name, indexes[0]) == 0, known = false;

	/* What a trainer saved on its way, and what the weights were made of, where the policy does not name it. */
	if (strncmp(path, "checkpoint-", 11) == 0 || strncmp(path, "original/", 9) == 0) {
		model_mark_lists(inspection->model->model, &met, path);
		return met.require == 0 && has_set(inspection, "");
	}
	for (size_t i = 0; i < LENGTH_OF(begins); i++)
		known |= strncmp(name, begins[i], strlen(begins[i])) == 0 ||
		         strcmp(name, indexes[i]) == 0;
	if (!known)
		return false;
	text_add_bytes(&text, path, name == path ? 0 : (size_t)(name - path) - 1);
	return family_directory_has_file(inspection, directory, "model.safetensors") ||
	       (!safe && (family_directory_has_file(inspection, directory, indexes[0]) ||
	                  (!path_ends(name, ".index.json") &&
	                   family_directory_has_file(inspection, directory, "pytorch_model.bin"))));
}

bool family_directory_has_weights(const struct inspection *inspection, const char *directory)
{
	CLEANUP(dir_close) struct dir dir = open_part(inspection, directory);
	const struct dirent *entry;

	while ((entry = dir_next(&dir)) != NULL)
		if (stands_for_weights(&dir, entry))
			return true;
	return false;
}

bool family_directory_has_name(const struct inspection *inspection, const char *directory,
                               const char *begin)
{
	CLEANUP(dir_close) struct dir dir = open_part(inspection, directory);
	const struct dirent *entry;

	while ((entry = dir_next(&dir)) != NULL)
		if (strncmp(entry->d_name, begin, strlen(begin)) == 0)
			return true;
	return false;
}

void family_report_no_weights(struct inspection *inspection, const char *mark)
{
	const struct model_view *view = inspection->model;

	if (family_has_weights(inspection) || view->model->require.count > 0 ||
	    view->manifest_complete || model_is_broken(inspection))
		return;
	if (view->model->files.count + view->model->exclude.count > 0 &&
	    !model_wants(inspection, "model.safetensors") &&
	    !model_wants(inspection, "pytorch_model.bin"))
		return;
	inspection_report(inspection, FINDING_MODEL_NO_WEIGHTS,
	                  (struct report_at){ .path = view->place.path }, "has %s, but no weights",
	                  mark);
}

/* NAME or NAME@REVISION, as pyannote takes them; the revision is that of the text, or main. */
static const char *split_name(const char *name, char id[static MAX_NAME_BYTES])
{
	struct text text = text_over(id, MAX_NAME_BYTES);
	size_t length = strcspn(name, "@");

	text_add_bytes(&text, name, length);
	return name[length] == '@' ? name + length + 1 : "main";
}

/* A directory of the repository with nothing but a ref is the rest of an interrupted download. */
static bool is_cached(const struct inspection *inspection, const char *cache, const char *repo)
{
	struct model_place place = { .repo_fd = -1, .dir_fd = -1 };
	char id[MAX_NAME_BYTES];
	const char *revision = split_name(repo, id);
	bool found = cache != NULL &&
	             hub_cache_locate(inspection->tree, cache, id, revision, &place) == CACHE_OK;

	cleanup_fd(&place.repo_fd);
	cleanup_fd(&place.dir_fd);
	return found;
}

bool family_repository_is_aboard(const struct inspection *inspection, const char *repo)
{
	char id[MAX_NAME_BYTES];
	const char *revision = split_name(repo, id);

	if (repo_id_fault(id) != NULL || !repo_path_is_legal(revision, strlen(revision)))
		return true; /* no name of a repository: what it means is the library's own */
	for (size_t i = 0; i < inspection->policy->model_count; i++) {
		const struct model *model = &inspection->policy->models[i];

		if ((model->path != NULL && strcmp(model->path, repo) == 0) ||
		    (model->repo != NULL && strcmp(model->repo, id) == 0 &&
		     (model->path != NULL || inspection->model->model != model)))
			return true; /* whether it is whole is that model's own verdict */
	}
	return is_cached(inspection, inspection->hub_cache, repo);
}

void family_report_repository(struct inspection *inspection, const char *repo, const char *named_by)
{
	if (repo[0] != '\0' && !family_repository_is_aboard(inspection, repo))
		inspection_report(
		        inspection, FINDING_MODEL_REPOSITORY,
		        (struct report_at){ .path = named_by },
		        "names the repository %.200s, which is not in the cache: its library may look for it",
		        repo);
}

void family_report_needed(struct inspection *inspection, const char *repo, const char *named_by,
                          const char *cache)
{
	if (inspection->hub_cache == NULL)
		family_report_repository(inspection, repo, named_by);
	else if (!family_repository_is_aboard(inspection, repo) &&
	         !is_cached(inspection, cache, repo))
		inspection_report(
		        inspection, FINDING_MODEL_BASE, (struct report_at){ .path = named_by },
		        "names the repository %.200s, which it cannot do without, and which is not in the cache",
		        repo);
}

struct wanted {
	const char *key;
	char *out;
	size_t size;
	bool found;
};

static bool visit(void *context, const struct json_value *value)
{
	struct wanted *wanted = context;
	struct text text;

	if (value->depth != 1 || value->kind != JSON_STRING || !json_key_is(value, 0, wanted->key))
		return true;
	text = text_over(wanted->out, wanted->size);
	text_add_bytes(&text, value->text, value->length);
	wanted->found = !text.cut;
	return true;
}

bool family_json_string(const struct inspection *inspection, const char *file, const char *key,
                        char *out, size_t size)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, file, NULL);
	struct wanted wanted = { .key = key, .out = out, .size = size };
	int error;

	out[0] = '\0';
	if (fd >= 0)
		(void)json_read(fd, MAX_CONFIG_BYTES, visit, &wanted, &error);
	return wanted.found;
}
