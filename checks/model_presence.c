/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the model is where the service's libraries will look, and if not, where else it is. */
#include <fcntl.h>
#include <string.h>

#include "base/dir.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "families/families.h"
#include "hub/cache.h"
#include "hub/variables.h"
#include "system/mounts.h"
#include "util.h"

/* Says which component refuses, with its owner and mode and who was refused. */
static void report_refusal(struct inspection *inspection, const char *path, int error)
{
	struct refusal refusal;
	char fix[MAX_PATH_BYTES + 64];
	struct text text = TEXT_OVER(fix);

	if (!tree_explain(inspection->tree, path, &refusal) || !refusal.has_stat ||
	    error != EACCES) {
		inspection_report(
		        inspection, FINDING_MODEL_UNREADABLE,
		        (struct report_at){ .path = path,
		                            .fix = error == ENOTCONN || error == ESTALE ?
		                                           "wait until the volume is mounted" :
		                                           NULL },
		        "cannot be opened: %s", strerror(error));
		return;
	}
	fix_refusal(inspection, path, &refusal, &text);
	inspection_report(inspection, FINDING_MODEL_UNREADABLE,
	                  (struct report_at){ .path = path, .fix = fix },
	                  "%.900s refuses uid %u: owner %u:%u, mode %04o", refusal.path,
	                  (unsigned)inspection->who->uid, (unsigned)refusal.st.st_uid,
	                  (unsigned)refusal.st.st_gid, (unsigned)(refusal.st.st_mode & 07777));
}

struct search {
	struct inspection *inspection;
	char directory[MAX_NAME_BYTES];
	char found[MAX_PATH_BYTES]; /* the cache in which the directory was found */
};

static bool try_cache(struct search *search, const char *cache)
{
	char path[MAX_PATH_BYTES], snapshots[MAX_PATH_BYTES];
	struct stat st;

	if (search->inspection->hub_cache != NULL &&
	    strcmp(cache, search->inspection->hub_cache) == 0)
		return false;
	if (!path_join(path, sizeof(path), cache, search->directory) ||
	    !path_join(snapshots, sizeof(snapshots), path, "snapshots") ||
	    tree_stat(search->inspection->tree, snapshots, &st) != 0 || !S_ISDIR(st.st_mode))
		return false;
	memcpy(search->found, cache, strlen(cache) + 1);
	return true;
}

/* A directory that some variable names: it may be the cache itself, its parent, or its grandparent. */
static bool try_around(struct search *search, const char *directory)
{
	static const char *const below[] = { "", "hub", "huggingface/hub" };
	char path[MAX_PATH_BYTES];

	for (size_t i = 0; i < LENGTH_OF(below); i++)
		if (path_join(path, sizeof(path), directory, below[i]) && try_cache(search, path))
			return true;
	return false;
}

static bool try_variables(struct search *search)
{
	static const char *const names[] = { "HF_HUB_CACHE",
		                             "LLAMA_CACHE",
		                             "HUGGINGFACE_HUB_CACHE",
		                             "HF_HOME",
		                             "TRANSFORMERS_CACHE",
		                             "SENTENCE_TRANSFORMERS_HOME",
		                             "PYTORCH_TRANSFORMERS_CACHE",
		                             "PYTORCH_PRETRAINED_BERT_CACHE",
		                             "XDG_CACHE_HOME",
		                             "MODEL_CACHE_PATH",
		                             "HF_CACHE",
		                             "HF_CACHE_DIR" };
	const struct inspection *inspection = search->inspection;
	char path[MAX_PATH_BYTES];

	for (size_t i = 0; i < LENGTH_OF(names); i++) {
		const char *value = environment_get(inspection->env, names[i]);

		if (value != NULL &&
		    library_location(inspection->env, inspection->who->home,
		                     inspection->working_directory, value, path,
		                     sizeof(path)) == LOCATION_OK &&
		    try_around(search, path))
			return true;
	}
	return false;
}

static bool try_homes(struct search *search)
{
	int fd = tree_open(search->inspection->tree, "/home", O_RDONLY | O_DIRECTORY);
	CLEANUP(dir_close) struct dir homes = dir_over(fd, 64);
	struct dirent *entry;
	char path[MAX_PATH_BYTES];
	bool found = false;

	while (!found && (entry = dir_next(&homes)) != NULL) {
		struct text text = TEXT_OVER(path);

		text_addf(&text, "/home/%s/.cache/huggingface/hub", entry->d_name);
		found = entry->d_name[0] != '.' && try_cache(search, path);
	}
	return found;
}

static bool find_elsewhere(struct search *search)
{
	const struct inspection *inspection = search->inspection;
	char path[MAX_PATH_BYTES];

	if (inspection->hub_cache != NULL) {
		if (path_join(path, sizeof(path), inspection->hub_cache, "hub") &&
		    try_cache(search, path))
			return true;
		if (path_join(path, sizeof(path), inspection->hub_cache, "") &&
		    strrchr(path, '/') > path) {
			*strrchr(path, '/') = '\0';
			if (try_cache(search, path))
				return true;
		}
	}
	return try_variables(search) || try_cache(search, "/root/.cache/huggingface/hub") ||
	       try_homes(search);
}

/* sentence-transformers before 2.3 kept `org_name` flat in its home. */
static bool find_flat(struct inspection *inspection, char *out, size_t size)
{
	const char *home = environment_get(inspection->env, "SENTENCE_TRANSFORMERS_HOME"),
	           *repo = inspection->model->model->repo;
	char directory[MAX_NAME_BYTES], hf_home[MAX_PATH_BYTES], legacy[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(directory);
	const char *origin;
	struct stat st;

	for (; *repo != '\0'; repo++)
		text_add_bytes(&text, *repo == '/' ? "_" : repo, 1);
	if (home != NULL && home[0] == '/' && path_join(out, size, home, directory) &&
	    tree_stat(inspection->tree, out, &st) == 0)
		return true;
	return library_hf_home(inspection->env, inspection->who->home,
	                       inspection->working_directory, hf_home, sizeof(hf_home),
	                       &origin) == LOCATION_OK &&
	       path_join(legacy, sizeof(legacy), hf_home, "sentence-transformers") &&
	       path_join(out, size, legacy, directory) &&
	       tree_stat(inspection->tree, out, &st) == 0;
}

/* models--BAAI--x for baai/x, an organisation left out, or a dataset of the name. */
static bool find_near_name(const struct inspection *inspection, const char *directory, char *out,
                           size_t size)
{
	int fd = inspection->hub_cache == NULL ?
	                 -1 :
	                 tree_open(inspection->tree, inspection->hub_cache, O_RDONLY | O_DIRECTORY);
	CLEANUP(dir_close) struct dir cache = dir_over(fd, MAX_DIRECTORY_ENTRIES);
	const char *name = directory + strlen("models--");
	struct dirent *entry;
	bool found = false;

	while (!found && (entry = dir_next(&cache)) != NULL) {
		const char *other = entry->d_name, *rest = strstr(other, "--");
		size_t length = strlen(other), name_length = strlen(name);

		if (rest == NULL || strcmp(other, directory) == 0)
			continue;
		found = text_equals_any_case(rest + 2, strlen(rest + 2), name) ||
		        (strstr(name, "--") == NULL && length > name_length + 2 &&
		         strcmp(other + length - name_length, name) == 0 &&
		         other[length - name_length - 1] == '-' &&
		         other[length - name_length - 2] == '-');
		if (found) {
			struct text text = text_over(out, size);

			text_add(&text, other);
		}
	}
	return found;
}

static void add_mount_note(struct inspection *inspection, struct text *why)
{
	CLEANUP(cleanup_free) char *mounts = NULL;
	struct mount mount;
	size_t length;

	if (inspection->hub_cache == NULL || inspection->tree->root_fd >= 0 ||
	    mounts_read(&mounts, &length) != 0 ||
	    !mount_of(mounts, length, inspection->hub_cache, &mount) ||
	    strcmp(mount.point, "/") == 0)
		return;
	text_addf(why, "; a %s mount at %s hides what the image has there", mount.type,
	          mount.point);
}

static void report_missing_repo(struct inspection *inspection)
{
	struct search search = { .inspection = inspection };
	char other[MAX_PATH_BYTES], message[1024], fix[1024];
	struct text why = TEXT_OVER(message), how = TEXT_OVER(fix);
	struct report_at at = { .path = inspection->model->place.repo_path, .fix = fix };
	struct stat st;

	(void)repo_directory_name(inspection->model->model->repo, search.directory,
	                          sizeof(search.directory));
	if (find_near_name(inspection, search.directory, other, sizeof(other))) {
		text_addf(&how, "spell repo as %s has it, with / for --: names are case-sensitive",
		          other);
		inspection_report(inspection, FINDING_MODEL_NAME, at,
		                  "the cache %.512s has no %s, but it has %s",
		                  inspection->hub_cache, search.directory, other);
		return;
	}
	if (find_elsewhere(&search)) {
		bool by_policy = inspection->hub_cache_origin != NULL &&
		                 strcmp(inspection->hub_cache_origin, "policy.hub_cache") == 0;

		text_addf(&how, "set HF_HUB_CACHE=%.900s", search.found);
		if (by_policy)
			text_add(&how, ", and policy.hub_cache, which decides here, to the same");
		if (inspection->hub_cache == NULL)
			inspection_report(
			        inspection, FINDING_MODEL_ELSEWHERE, at,
			        "found in %.512s, but the service will find no cache: neither HF_HUB_CACHE, HF_HOME nor HOME is set%s",
			        search.found,
			        inspection->tree->root_fd >= 0 ?
			                " (an image's own environment comes by --image-config or --env-file)" :
			                "");
		else
			inspection_report(
			        inspection, FINDING_MODEL_ELSEWHERE, at,
			        "found in %.512s, but the service will look in %.512s (from %s)",
			        search.found, inspection->hub_cache, inspection->hub_cache_origin);
		return;
	}
	if (find_flat(inspection, other, sizeof(other))) {
		text_addf(&how, "set path = %.900s, or fetch the model into the hub cache", other);
		inspection_report(
		        inspection, FINDING_MODEL_ELSEWHERE, at,
		        "found in the layout of sentence-transformers before 2.3 at %.512s", other);
		return;
	}
	text_addf(
	        &how,
	        "run aweigh fetch, or let policy.hub_cache name the cache that has it; in an image: when it is built, and not into a RUN --mount=type=cache");
	if (inspection->hub_cache == NULL)
		text_add(&why, "the cache cannot be located");
	else if (inspection->model->outcome == CACHE_NO_HUB)
		text_addf(&why, "the cache %.700s (from %s) is not there", inspection->hub_cache,
		          inspection->hub_cache_origin);
	else
		text_addf(&why, "is not in the cache %.700s (from %s)", inspection->hub_cache,
		          inspection->hub_cache_origin);
	add_mount_note(inspection, &why);
	if (inspection->hub_cache != NULL &&
	    tree_stat(inspection->tree, inspection->hub_cache, &st) == 0 && !S_ISDIR(st.st_mode))
		text_add(&why, "; it is not a directory");
	inspection_report(inspection, FINDING_MODEL_MISSING, at, "%s", message);
}

/* A directory whose repository nobody named cannot be fetched. */
static struct report_at missing_directory(const struct model_view *view)
{
	return (struct report_at){
		.path = view->place.path,
		.fix = view->model->repo != NULL ?
		               NULL :
		               "copy the model there, or name its repository (repo = ORG/NAME) for aweigh fetch",
	};
}

/* A path that is a link, to what is not there. */
static bool leads_nowhere(struct inspection *inspection)
{
	const char *path = inspection->model->place.path;
	char target[MAX_PATH_BYTES];
	ssize_t length =
	        inspection->tree->root_fd >= 0 ? -1 : readlink(path, target, sizeof(target) - 1);

	if (length < 0)
		return false;
	target[length] = '\0';
	inspection_report(inspection, FINDING_FILE_DANGLING_LINK,
	                  (struct report_at){ .path = path },
	                  "is a link to %.700s, which is not there", target);
	return true;
}

/* What a model's directory is by the names in it. */
struct contents {
	bool any; /* besides .cache, which a download makes first */
	bool is_cache; /* CACHE/models--ORG--NAME or its blobs, CACHE itself, or HF_HOME above it */
};

/* Blobs are named by what the hub calls their ETag: SHA-256, or git's SHA-1. */
static bool is_blob_name(const char *name)
{
	size_t length = strlen(name);

	return scan_is_hex(name, length, SHA256_HEX) || scan_is_hex(name, length, COMMIT_HEX);
}

static struct contents look_into(int directory_fd, const char *name)
{
	CLEANUP(dir_close)
	struct dir directory = dir_open(directory_fd, name, MAX_DIRECTORY_ENTRIES);
	struct contents contents = { false, false };
	bool snapshots = false, others = false, named = false;
	struct dirent *entry;

	while ((entry = dir_next(&directory)) != NULL) {
		contents.any |= strcmp(entry->d_name, ".cache") != 0;
		contents.is_cache |= strncmp(entry->d_name, "models--", 8) == 0;
		snapshots |= strcmp(entry->d_name, "snapshots") == 0;
		others |= strcmp(entry->d_name, "refs") == 0 || strcmp(entry->d_name, "blobs") == 0;
		named |= !is_blob_name(entry->d_name);
	}
	contents.is_cache |= (snapshots && others) || (contents.any && !named);
	return contents;
}

static void check_directory(struct inspection *inspection)
{
	struct model_view *view = inspection->model;
	struct contents contents;

	if (view->place.kind == PLACE_NONE && view->place.error == ENOENT &&
	    leads_nowhere(inspection)) {
		return;
	} else if (view->place.kind == PLACE_NONE &&
	           (view->place.error == ENOENT || view->place.error == ENOTDIR)) {
		inspection_report(inspection, FINDING_MODEL_MISSING, missing_directory(view), "%s",
		                  view->place.error == ENOENT ? "is not there" :
		                                                "is not a directory");
		return;
	}
	if (view->place.kind == PLACE_NONE) {
		report_refusal(inspection, view->place.path, view->place.error);
		return;
	}
	contents = look_into(view->place.dir_fd, ".");
	/* HF_HOME; a library may as well have put a hub into a model's directory. */
	if (!model_has(inspection, "config.json", NULL) &&
	    !family_directory_has_weights(inspection, "") &&
	    look_into(view->place.dir_fd, "hub").is_cache)
		contents.is_cache = true;
	if (contents.is_cache) {
		inspection_report(inspection, FINDING_MODEL_MISSING,
		                  (struct report_at){ .path = view->place.path,
		                                      .fix = "write repo = ORG/NAME instead" },
		                  "is a hub cache, or a part of one");
		view->place.kind = PLACE_NONE;
		return;
	}
	if (!contents.any) {
		inspection_report(inspection, FINDING_MODEL_MISSING, missing_directory(view),
		                  "the directory is empty");
		view->place.kind = PLACE_NONE;
	}
}

void check_model_presence(struct inspection *inspection)
{
	struct model_view *view = inspection->model;

	/* Its names may be read, and nothing that they name: it would look empty. */
	if (view->place.kind != PLACE_NONE && faccessat(view->place.dir_fd, ".", F_OK, 0) != 0 &&
	    errno == EACCES) {
		report_refusal(inspection, view->place.path, EACCES);
		view->place.kind = PLACE_NONE;
		return;
	}
	if (view->model->path != NULL)
		check_directory(inspection);
	else if (view->outcome == CACHE_NO_HUB || view->outcome == CACHE_NO_REPO)
		report_missing_repo(inspection);
	else if (view->outcome == CACHE_REFUSED)
		report_refusal(inspection,
		               view->place.path[0] != '\0' ? view->place.path :
		                                             view->place.repo_path,
		               view->place.error);
}
