/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the model is where the service's libraries will look, and if not, where else it is. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "engine/inspection.h"
#include "hub/cache.h"
#include "engine/inspect.h"
#include "hub/variables.h"
#include "system/mounts.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { MISSING, ELSEWHERE, REFUSED, NAME };
static const struct finding_kind kinds[] = {
	[MISSING] = { "model.missing", SEVERITY_ERROR, STATUS_MISSING,
	              "the model is not there at all",
	              "fetch it into the cache, or copy it into the image" },
	[ELSEWHERE] = { "model.elsewhere", SEVERITY_ERROR, STATUS_MISSING,
	                "the model is in another folder than the one where the service will look",
	                "set the variable that is named, or move the folder" },
	[REFUSED] = { "model.unreadable", SEVERITY_ERROR, STATUS_PERMISSION,
	              "the service's user may not open the model's folder or a folder above it",
	              "give the user search and read permission: chmod -R a+rX" },
	[NAME] = { "model.name", SEVERITY_ERROR, STATUS_MISSING,
	           "the cache has a model of nearly the same name",
	           "spell the repository id exactly as it was fetched" },
};

/* Says which component refuses, with its owner and mode and who was refused. */
static void report_refusal(struct look *look, const char *path, int error)
{
	struct refusal refusal;
	char fix[MAX_PATH_BYTES + 64];
	struct text text = TEXT_OVER(fix);

	if (!tree_explain(look->tree, path, &refusal) || !refusal.has_stat || error != EACCES) {
		look_report(
		        look, &kinds[REFUSED],
		        (struct report_at){
		                .path = path,
		                .fix = error == ENOTCONN || error == ESTALE ?
		                               "wait until the volume is mounted, then start again" :
		                               NULL },
		        "cannot be opened: %s", strerror(error));
		return;
	}
	text_addf(&text, "chmod a+%s %.3900s, or run as its owner",
	          S_ISDIR(refusal.st.st_mode) ? "rx" : "r", refusal.path);
	look_report(look, &kinds[REFUSED], (struct report_at){ .path = path, .fix = fix },
	            "%.900s refuses uid %u: owner %u:%u, mode %04o", refusal.path,
	            (unsigned)look->who->uid, (unsigned)refusal.st.st_uid,
	            (unsigned)refusal.st.st_gid, (unsigned)(refusal.st.st_mode & 07777));
}

struct search {
	struct look *look;
	char folder[MAX_NAME_BYTES];
	char found[MAX_PATH_BYTES]; /* the cache in which the folder was found */
};

static bool try_cache(struct search *search, const char *cache)
{
	char path[MAX_PATH_BYTES], snapshots[MAX_PATH_BYTES];
	struct stat st;

	if (search->look->hub_cache != NULL && strcmp(cache, search->look->hub_cache) == 0)
		return false;
	if (!path_join(path, sizeof(path), cache, search->folder) ||
	    !path_join(snapshots, sizeof(snapshots), path, "snapshots") ||
	    tree_stat(search->look->tree, snapshots, &st) != 0 || !S_ISDIR(st.st_mode))
		return false;
	memcpy(search->found, cache, strlen(cache) + 1);
	return true;
}

/* A folder that some variable names: it may be the cache itself, its parent, or its grandparent. */
static bool try_around(struct search *search, const char *folder)
{
	static const char *const below[] = { "", "hub", "huggingface/hub" };
	char path[MAX_PATH_BYTES];

	for (size_t i = 0; i < LENGTH_OF(below); i++)
		if (path_join(path, sizeof(path), folder, below[i]) && try_cache(search, path))
			return true;
	return false;
}

static bool try_variables(struct search *search)
{
	static const char *const names[] = { "HF_HUB_CACHE",
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
	const struct look *look = search->look;
	char path[MAX_PATH_BYTES];

	for (size_t i = 0; i < LENGTH_OF(names); i++) {
		const char *value = environment_get(look->env, names[i]);

		if (value != NULL &&
		    library_location(look->env, look->who->home, look->working_directory, value,
		                     path, sizeof(path)) == LOCATION_OK &&
		    try_around(search, path))
			return true;
	}
	return false;
}

static bool try_homes(struct search *search)
{
	int fd = tree_open(search->look->tree, "/home", O_RDONLY | O_DIRECTORY);
	DIR *homes = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char path[MAX_PATH_BYTES];
	bool found = false;

	if (homes == NULL) {
		cleanup_fd(&fd);
		return false;
	}
	for (unsigned seen = 0; !found && seen < 64 && (entry = readdir(homes)) != NULL; seen++) {
		struct text text = TEXT_OVER(path);

		text_addf(&text, "/home/%s/.cache/huggingface/hub", entry->d_name);
		found = entry->d_name[0] != '.' && try_cache(search, path);
	}
	(void)closedir(homes);
	return found;
}

static bool find_elsewhere(struct search *search)
{
	const struct look *look = search->look;
	char path[MAX_PATH_BYTES];

	if (look->hub_cache != NULL) {
		if (path_join(path, sizeof(path), look->hub_cache, "hub") &&
		    try_cache(search, path))
			return true;
		if (path_join(path, sizeof(path), look->hub_cache, "") &&
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
static bool find_flat(struct look *look, char *out, size_t size)
{
	const char *home = environment_get(look->env, "SENTENCE_TRANSFORMERS_HOME"),
	           *repo = MODEL_SET(look->model->model, REPO).text;
	char folder[MAX_NAME_BYTES], hf_home[MAX_PATH_BYTES], legacy[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(folder);
	const char *origin;
	struct stat st;

	for (; *repo != '\0'; repo++)
		text_add_bytes(&text, *repo == '/' ? "_" : repo, 1);
	if (home != NULL && home[0] == '/' && path_join(out, size, home, folder) &&
	    tree_stat(look->tree, out, &st) == 0)
		return true;
	return library_hf_home(look->env, look->who->home, look->working_directory, hf_home,
	                       sizeof(hf_home), &origin) == LOCATION_OK &&
	       path_join(legacy, sizeof(legacy), hf_home, "sentence-transformers") &&
	       path_join(out, size, legacy, folder) && tree_stat(look->tree, out, &st) == 0;
}

/* models--BAAI--x for baai/x, an organisation left out, or a dataset of the name. */
static bool find_near_name(const struct look *look, const char *folder, char *out, size_t size)
{
	int fd = look->hub_cache == NULL ?
	                 -1 :
	                 tree_open(look->tree, look->hub_cache, O_RDONLY | O_DIRECTORY);
	DIR *cache = fd < 0 ? NULL : fdopendir(fd);
	const char *name = folder + strlen("models--");
	struct dirent *entry;
	bool found = false;

	if (cache == NULL) {
		cleanup_fd(&fd);
		return false;
	}
	for (unsigned seen = 0;
	     !found && seen < MAX_FOLDER_ENTRIES && (entry = readdir(cache)) != NULL; seen++) {
		const char *other = entry->d_name, *rest = strstr(other, "--");
		size_t length = strlen(other), name_length = strlen(name);

		if (rest == NULL || strcmp(other, folder) == 0)
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
	(void)closedir(cache);
	return found;
}

static void add_mount_note(struct look *look, struct text *why)
{
	CLEANUP(cleanup_free) char *mounts = NULL;
	struct mount mount;
	size_t length;

	if (look->hub_cache == NULL || look->tree->root_fd >= 0 ||
	    mounts_read(&mounts, &length) != 0 ||
	    !mount_of(mounts, length, look->hub_cache, &mount) || strcmp(mount.point, "/") == 0)
		return;
	text_addf(why, "; a %s mount at %s hides what the image has there", mount.type,
	          mount.point);
}

static void report_missing_repo(struct look *look)
{
	struct search search = { .look = look };
	char other[MAX_PATH_BYTES], message[1024], fix[1024];
	struct text why = TEXT_OVER(message), how = TEXT_OVER(fix);
	struct report_at at = { .path = look->model->repo_path, .fix = fix };
	struct stat st;

	(void)repo_folder_name(MODEL_SET(look->model->model, REPO).text, search.folder,
	                       sizeof(search.folder));
	if (find_near_name(look, search.folder, other, sizeof(other))) {
		text_addf(&how, "is repo meant to be what %s stands for? names are case-sensitive",
		          other);
		look_report(look, &kinds[NAME], at, "the cache %.512s has no %s, but it has %s",
		            look->hub_cache, search.folder, other);
		return;
	}
	if (find_elsewhere(&search)) {
		text_addf(&how, "set HF_HUB_CACHE=%.900s", search.found);
		look_report(look, &kinds[ELSEWHERE], at,
		            "found in %.512s, but the service will look in %.512s (from %s)",
		            search.found,
		            look->hub_cache == NULL ? "no cache at all" : look->hub_cache,
		            look->hub_cache_origin);
		return;
	}
	if (find_flat(look, other, sizeof(other))) {
		text_addf(&how, "set path = %.900s, or fetch the model into the hub cache", other);
		look_report(look, &kinds[ELSEWHERE], at,
		            "found in the layout of sentence-transformers before 2.3 at %.512s",
		            other);
		return;
	}
	text_addf(
	        &how,
	        "fetch it when the image is built, and remember that the content of a RUN --mount=type=cache is not part of the image");
	if (look->hub_cache == NULL)
		text_add(&why, "the cache cannot be located");
	else if (look->model->outcome == CACHE_NO_HUB)
		text_addf(&why, "the cache %.700s (from %s) is not there", look->hub_cache,
		          look->hub_cache_origin);
	else
		text_addf(&why, "is not in the cache %.700s (from %s)", look->hub_cache,
		          look->hub_cache_origin);
	add_mount_note(look, &why);
	if (look->hub_cache != NULL && tree_stat(look->tree, look->hub_cache, &st) == 0 &&
	    !S_ISDIR(st.st_mode))
		text_add(&why, "; it is no folder");
	look_report(look, &kinds[MISSING], at, "%s", message);
}

static void check_folder(struct look *look)
{
	struct model_view *view = look->model;
	struct dirent *entry;
	bool empty = true;
	DIR *folder;
	int fd;

	if (view->place == PLACE_NONE && (view->error == ENOENT || view->error == ENOTDIR)) {
		look_report(look, &kinds[MISSING], (struct report_at){ .path = view->path }, "%s",
		            view->error == ENOENT ? "the folder is not there" : "is no folder");
		return;
	}
	if (view->place == PLACE_NONE) {
		report_refusal(look, view->path, view->error);
		return;
	}
	fd = openat(view->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	folder = fd < 0 ? NULL : fdopendir(fd);
	while (folder != NULL && empty && (entry = readdir(folder)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		        strcmp(entry->d_name, ".cache") == 0;
	if (folder != NULL)
		(void)closedir(folder);
	if (empty) {
		look_report(look, &kinds[MISSING], (struct report_at){ .path = view->path },
		            "the folder is empty");
		view->place = PLACE_NONE;
	}
}

static void check(struct look *look)
{
	struct model_view *view = look->model;

	if (MODEL_SET(view->model, PATH).text != NULL)
		check_folder(look);
	else if (view->outcome == CACHE_NO_HUB || view->outcome == CACHE_NO_REPO)
		report_missing_repo(look);
	else if (view->outcome == CACHE_REFUSED)
		report_refusal(look, view->path[0] != '\0' ? view->path : view->repo_path,
		               view->error);
}

const struct check check_model_presence = { "model_presence", SCOPE_PLACE, LEVEL_PRESENCE, kinds,
	                                    LENGTH_OF(kinds), check };
