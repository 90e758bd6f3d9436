/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python code that a model brings along: auto_map of its configurations (transformers), types of modules.json
 * (sentence-transformers), libraries of model_index.json (diffusers), what these files import beside them,
 * and any other *.py.
 */
#include <fcntl.h>
#include <string.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/json.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "hub/cache.h"
#include "hub/digest.h"
#include "util.h"

#define MAX_PYTHON_BYTES (4ul << 20) /* modelling files are below 200 kB */
#define MAX_CONFIG_DEPTH 8u /* directories; deepest seen is 2 */
#define MAX_PYTHON_FILES 64u /* that are followed by their imports */

struct search {
	struct inspection *inspection;
	const char *config;
	char component[MAX_NAME_BYTES]; /* of model_index.json: its first string */
	const char *repo, *snapshot; /* of code from another repository; NULL: the model's own */
	unsigned found;
	unsigned followed;
	size_t entries; /* of directories that were looked into */
	uint64_t met[MAX_PYTHON_FILES]; /* hashes of names */
};

static bool is_denied(struct search *search, const char *what, const char *reference)
{
	struct inspection *inspection = search->inspection;
	const struct model *model = inspection->model->model;

	search->found++;
	if (model->remote_code != CODE_DENY)
		return false;
	inspection_report(inspection, FINDING_MODEL_REMOTE_CODE,
	                  (struct report_at){ .path = search->config,
	                                      .said = MODEL_SAID(model, REMOTE_CODE) },
	                  "its %s names the code %.256s, which runs with remote_code = allow alone",
	                  what, reference);
	return true;
}

static void follow(struct search *search, const char *file);

/* `from .name import x` and `import .name`, as transformers' get_relative_imports() reads them. */
static void follow_import(struct search *search, const char *file, const char *line, size_t length)
{
	const char *slash = strrchr(file, '/'), *end = line + length, *name;
	char path[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(path);

	while (line < end && scan_is_space(*line))
		line++;
	if (end - line > 6 && memcmp(line, "from ", 5) == 0)
		name = line + 5;
	else if (end - line > 8 && memcmp(line, "import ", 7) == 0)
		name = line + 7;
	else
		return;
	while (name < end && (*name == ' ' || *name == '\t'))
		name++;
	if (name == end || *name++ != '.')
		return;
	if (slash != NULL)
		text_add_bytes(&text, file, (size_t)(slash - file) + 1);
	for (length = 0; name + length < end && (scan_is_name(name[length]) || name[length] == '.');
	     length++)
		text_add_bytes(&text, name[length] == '.' ? "/" : name + length, 1);
	if (length == 0 || name[0] == '.')
		return; /* `from . import x`, and what lies above the model */
	text_add(&text, ".py");
	if (!text.cut && repo_path_is_legal(path, strlen(path)))
		follow(search, path);
}

/* The entry of another repository's code: of a model of the policy that may bring locked code. NULL: there is none. */
static const struct lock_file *locked_elsewhere(const struct inspection *inspection,
                                                const char *repo, const char *file)
{
	for (size_t i = 0; i < inspection->policy->model_count; i++) {
		const struct model *model = &inspection->policy->models[i];
		const struct lock_model *locked = lock_find_model(inspection->lock, model->name);

		if (model->repo != NULL && strcmp(model->repo, repo) == 0 &&
		    model->remote_code == CODE_LOCKED && locked != NULL)
			return lock_find_file(locked, file);
	}
	return NULL;
}

/* Whether what the loader will take, at main of the cache, is what was locked. code is NULL where it cannot be read. */
static bool is_locked_code(const struct inspection *inspection, const char *repo, const char *file,
                           const char *code, size_t length)
{
	char locked[SHA256_HEX + 1], actual[SHA256_HEX + 1];
	const struct lock_file *entry;

	if (inspection->model->model->remote_code != CODE_LOCKED || inspection->locking)
		return true;
	entry = inspection->lock == NULL ? NULL : locked_elsewhere(inspection, repo, file);
	if (entry == NULL || code == NULL)
		return false;
	hex_encode(locked, entry->sha256, sizeof(entry->sha256));
	digest_bytes(code, length, DIGEST_SHA256, actual);
	return strcmp(locked, actual) == 0;
}

static int open_code(const struct search *search, const char *file)
{
	char path[MAX_PATH_BYTES];

	if (search->repo == NULL)
		return model_open(search->inspection, file, NULL);
	return search->snapshot[0] != '\0' &&
	                       path_join(path, sizeof(path), search->snapshot, file) ?
	               tree_open(search->inspection->tree, path, O_RDONLY) :
	               -ENOENT;
}

static void report_missing(struct search *search, const char *file)
{
	struct inspection *inspection = search->inspection;

	if (search->repo != NULL)
		inspection_report(
		        inspection, FINDING_MODEL_CODE_MISSING,
		        (struct report_at){ .path = search->config },
		        "its auto_map takes %s from %s, of which the cache has no such file", file,
		        search->repo);
	else if (model_wants(inspection, file))
		inspection_report(inspection, FINDING_MODEL_CODE_MISSING,
		                  (struct report_at){ .path = file },
		                  "is missing: %s names it, or code that it names imports it",
		                  search->config);
}

static void report_unlocked(struct search *search, const char *file)
{
	struct inspection *inspection = search->inspection;

	inspection_report(
	        inspection, FINDING_MODEL_REMOTE_CODE,
	        (struct report_at){
	                .path = search->config,
	                .said = MODEL_SAID(inspection->model->model, REMOTE_CODE),
	                .fix = "add that repository to the policy with remote_code = locked and its revision that main has here, and run aweigh lock" },
	        "its auto_map takes %s from %s, whose main has another file than the lock file, or one that it does not name",
	        file, search->repo);
}

static bool is_met(struct search *search, const char *file)
{
	uint64_t hash = hash_bytes(file, strlen(file));

	if (search->repo != NULL)
		hash ^= hash_bytes(search->repo, strlen(search->repo));
	for (unsigned i = 0; i < search->followed; i++)
		if (search->met[i] == hash)
			return true;
	if (search->followed == MAX_PYTHON_FILES)
		return true;
	search->met[search->followed++] = hash;
	return false;
}

/* A file of Python that the loader imports: it must be there, and so must what it imports beside it. */
static void follow(struct search *search, const char *file)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_free) char *code = NULL;
	size_t length = 0;

	if (is_met(search, file))
		return;
	fd = open_code(search, file);
	if (fd == -ENOENT || (fd < 0 && search->repo != NULL)) {
		report_missing(search, file);
		return;
	}
	if (fd >= 0)
		(void)read_whole(fd, MAX_PYTHON_BYTES, &code, &length);
	if (search->repo != NULL &&
	    !is_locked_code(search->inspection, search->repo, file, code, length))
		report_unlocked(search, file);
	for (const char *at = code; code != NULL && at < code + length;) {
		size_t line = strcspn(at, "\n");

		follow_import(search, file, at, line);
		at += line + 1;
	}
}

/* The snapshot of another repository's main must hold the file. */
static void check_repository(struct search *search, const char *repo, const char *file)
{
	struct inspection *inspection = search->inspection;
	struct model_place place = { .repo_fd = -1, .dir_fd = -1 };

	search->repo = repo;
	search->snapshot = "";
	if (inspection->hub_cache != NULL &&
	    hub_cache_locate(inspection->tree, inspection->hub_cache, repo, "main", &place) ==
	            CACHE_OK)
		search->snapshot = place.path;
	cleanup_fd(&place.repo_fd);
	cleanup_fd(&place.dir_fd);
	follow(search, file);
	search->repo = NULL;
}

/*
 * Beside the configuration, as for a model in a directory of its own, or at the top. Deeper configurations may be of
 * whatever else lies there, so that nothing is demanded for them.
 */
static void follow_beside(struct search *search, const char *file)
{
	const char *slash = strrchr(search->config, '/');
	char beside[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(beside);

	if (slash != NULL)
		text_add_bytes(&text, search->config, (size_t)(slash - search->config) + 1);
	text_add(&text, file);
	if (slash == NULL || (!text.cut && model_has(search->inspection, beside, NULL)))
		follow(search, beside);
	else if (strchr(search->config, '/') == slash || model_has(search->inspection, file, NULL))
		follow(search, file);
}

/* `file.Class`, or `org/name--file.Class`: code from another repository. */
static void check_reference(struct search *search, const char *reference)
{
	struct inspection *inspection = search->inspection;
	const char *separator = strstr(reference, "--"),
	           *module = separator == NULL ? reference : separator + 2;
	const char *dot = strrchr(module, '.');
	char repo[MAX_NAME_BYTES], file[MAX_NAME_BYTES];
	struct text repo_text = TEXT_OVER(repo), file_text = TEXT_OVER(file);

	if (is_denied(search, "auto_map", reference))
		return;
	for (const char *at = module; at < (dot == NULL ? module + strlen(module) : dot); at++)
		text_add_bytes(&file_text, *at == '.' ? "/" : at, 1);
	text_add(&file_text, ".py");
	if (separator != NULL)
		text_add_bytes(&repo_text, reference, (size_t)(separator - reference));
	if (!repo_path_is_legal(file, strlen(file)) ||
	    (separator != NULL && repo_id_fault(repo) != NULL))
		inspection_report(
		        inspection, FINDING_MODEL_CODE_MISSING,
		        (struct report_at){ .path = search->config },
		        "its auto_map names [%.256s], which is not a file of a repository",
		        reference);
	else if (separator != NULL && inspection->model->model->repo != NULL &&
	         inspection->model->model->path == NULL && /* a folder's is taken from the cache */
	         strcmp(repo, inspection->model->model->repo) == 0)
		follow(search, file); /* its own, at its own commit */
	else if (separator != NULL)
		check_repository(search, repo, file);
	else
		follow_beside(search, file);
}

/* A module by its dotted name is the model's own code where the model has its file. */
static void check_module(struct search *search, const char *directory, const char *module)
{
	char file[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(file);
	size_t length = strcspn(module, ".");
	const char *class = strrchr(module, '.');

	text_addf(&text, "%s%s%.*s.py", directory, directory[0] == '\0' ? "" : "/", (int)length,
	          module);
	if (!text.cut && !model_has(search->inspection, file, NULL) && class != NULL) {
		/* pkg.module.Class is pkg/module.py. */
		text = TEXT_OVER(file);
		text_addf(&text, "%s%s", directory, directory[0] == '\0' ? "" : "/");
		for (const char *at = module; at < class; at++)
			text_add_bytes(&text, *at == '.' ? "/" : at, 1);
		text_add(&text, ".py");
	}
	if (text.cut || !model_has(search->inspection, file, NULL))
		return;
	if (!is_denied(search, search->config, file))
		follow(search, file);
}

static bool visit_config(void *context, const struct json_value *value)
{
	struct search *search = context;
	char reference[MAX_NAME_BYTES];
	struct text text = TEXT_OVER(reference);

	if (value->kind != JSON_STRING || value->depth < 1 || value->depth > 3)
		return true;
	text_add_bytes(&text, value->text, value->length);
	/* {"custom_pipelines": {"task": {"impl": "file.Class"}}}: transformers' pipelines/base.py */
	if (json_key_is(value, 0, "auto_map") ||
	    (json_key_is(value, 0, "custom_pipelines") && json_key_is(value, 2, "impl")))
		check_reference(search, reference);
	/* The routes of sentence-transformers' router: modules by their dotted names. */
	else if (json_key_is(value, 0, "types"))
		check_module(search, "", reference);
	else if (json_key_is(value, 0, "auto_mapping") && json_key_is(value, 1, "parent_library") &&
	         strncmp(reference, "transformers.", 13) != 0 &&
	         strncmp(reference, "diffusers.", 10) != 0)
		(void)is_denied(search, "auto_mapping", reference);
	return true;
}

static bool visit_modules(void *context, const struct json_value *value)
{
	struct search *search = context;
	char type[MAX_NAME_BYTES];
	struct text text = TEXT_OVER(type);

	if (value->kind != JSON_STRING || value->depth != 2 || !json_key_is(value, 1, "type"))
		return true;
	text_add_bytes(&text, value->text, value->length);
	/* org/name--file.Class: taken from the hub without a question where the model is a folder (sentence_transformers util/misc.py) */
	if (strstr(type, "--") != NULL)
		check_reference(search, type);
	else
		check_module(search, "", type);
	return true;
}

/* A pipeline of the model's own is a file beside model_index.json (diffusers pipeline_utils.py, custom_pipeline). */
static void check_pipeline(struct search *search, const char *module)
{
	char file[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(file);

	text_addf(&text, "%s.py", module);
	if (repo_path_is_legal(file, strlen(file)) && !model_has(search->inspection, file, NULL) &&
	    !is_denied(search, "_class_name", module) && model_wants(search->inspection, file))
		follow(search, file);
}

/* {"unet": ["my_unet", "MyUNet"], "_class_name": ["pipeline_x", "Cls"]}: the first string is a module. */
static bool visit_components(void *context, const struct json_value *value)
{
	struct search *search = context;
	char module[MAX_NAME_BYTES], directory[MAX_NAME_BYTES];
	struct text text = TEXT_OVER(module), place = TEXT_OVER(directory);

	if (value->kind != JSON_STRING || value->depth != 2 || value->index[1] != 0)
		return true;
	text_add_bytes(&text, value->text, value->length);
	text_add_bytes(&place, value->key[0], value->key_length[0]);
	if (directory[0] != '_')
		check_module(search, directory, module);
	else if (strcmp(directory, "_class_name") == 0)
		check_pipeline(search, module);
	check_module(search, "", module);
	return true;
}

static void read_with(struct search *search, const char *file, json_visit *visit)
{
	CLEANUP(cleanup_fd) int fd = model_open(search->inspection, file, NULL);
	const struct model *model = search->inspection->model->model;
	int error = 0;

	search->config = file;
	if (fd >= 0)
		(void)json_read(fd, MAX_CONFIG_BYTES, visit, search, &error);
	if (error != 0 && model->remote_code == CODE_DENY) /* what was not read is not ruled out */
		inspection_report(
		        search->inspection, FINDING_MODEL_REMOTE_CODE,
		        (struct report_at){ .path = file, .said = MODEL_SAID(model, REMOTE_CODE) },
		        "cannot be read whole (%s): code that it names cannot be ruled out",
		        error == EFBIG ? "it is larger than 8 MiB" : strerror(error));
}

/* config.json, tokenizer_config.json, unet/config.json: auto_map is read from whichever its loader opens. */
static bool is_config(const char *name)
{
	return strstr(name, "config") != NULL && path_ends(name, ".json");
}

static void read_directory(struct search *search, char path[static MAX_PATH_BYTES], unsigned depth)
{
	const struct inspection *inspection = search->inspection;
	size_t length = strlen(path);
	CLEANUP(dir_close)
	struct dir dir =
	        dir_over(tree_open_beneath(inspection->tree, inspection->model->place.dir_fd,
	                                   length == 0 ? "." : path, O_RDONLY | O_DIRECTORY),
	                 MAX_DIRECTORY_ENTRIES);
	const struct dirent *entry;

	while (search->entries < MAX_FILES_PER_MODEL && (entry = dir_next(&dir)) != NULL) {
		size_t more = strlen(entry->d_name);
		bool config = is_config(entry->d_name);

		search->entries++;
		if (entry->d_name[0] == '.' || length + more + 2 > MAX_PATH_BYTES)
			continue;
		if (length > 0)
			path[length] = '/';
		memcpy(path + length + (length > 0), entry->d_name, more + 1);
		if (config && model_wants(inspection, path))
			read_with(search, path, visit_config);
		else if (!config && entry->d_type != DT_REG && depth < MAX_CONFIG_DEPTH &&
		         (entry->d_type != DT_LNK || depth == 0) && /* links may lead in circles */
		         model_has_directory(inspection, path))
			read_directory(search, path, depth + 1);
		path[length] = '\0';
	}
}

/* At every level: what is executed is what the lock file has. Code that it does not name is lock_extra's. */
static void check_locked_code(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;

	for (size_t i = 0; i < view->locked->count; i++) {
		const struct lock_file *file = &view->locked->files[i];
		CLEANUP(cleanup_fd) int fd = -1;
		CLEANUP(cleanup_free) char *code = NULL;
		char locked[SHA256_HEX + 1], actual[SHA256_HEX + 1] = "";
		size_t length = 0;

		if (!path_ends(file->path, ".py"))
			continue;
		fd = model_open(inspection, file->path, NULL);
		if (fd == -ENOENT)
			continue; /* where it is wanted, that is told */
		hex_encode(locked, file->sha256, sizeof(file->sha256));
		if (fd >= 0 && read_whole(fd, MAX_PYTHON_BYTES, &code, &length) == 0)
			digest_bytes(code, length, DIGEST_SHA256, actual);
		if (strcmp(actual, locked) != 0)
			inspection_report(
			        inspection, FINDING_MODEL_REMOTE_CODE,
			        (struct report_at){ .path = file->path,
			                            .said = MODEL_SAID(view->model, REMOTE_CODE) },
			        "is not the code that the lock file has (SHA-256 %.16s..., and not %.16s...)",
			        locked, actual[0] != '\0' ? actual : "to be read");
	}
}

void check_model_remote_code(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	struct search search = { .inspection = inspection };
	char path[MAX_PATH_BYTES] = "";

	if (view->model->remote_code == CODE_LOCKED && view->locked != NULL)
		check_locked_code(inspection);
	read_directory(&search, path, 0);
	read_with(&search, "modules.json", visit_modules);
	read_with(&search, "model_index.json", visit_components);
	if (search.found == 0 && view->python_files > 0 && view->model->remote_code == CODE_DENY)
		inspection_report(
		        inspection, FINDING_MODEL_PYTHON_FILE,
		        (struct report_at){
		                .path = view->first_python[0] != '\0' ? view->first_python : NULL },
		        "is Python code (%llu file%s of this kind) that no configuration of the model names",
		        (unsigned long long)view->python_files, view->python_files == 1 ? "" : "s");
}
