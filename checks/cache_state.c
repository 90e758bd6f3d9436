/* SPDX-License-Identifier: Apache-2.0 */
/* What is left lying in a repository's folder: interrupted downloads, stale markers, a shadowing folder. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "engine/inspection.h"
#include "hub/cache.h"
#include "engine/inspect.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { INTERRUPTED, FOLDER_INTERRUPTED, NO_EXIST, SHADOW, TWO_COPIES };
static const struct finding_kind kinds[] = {
	[INTERRUPTED] = { "cache.interrupted", SEVERITY_WARNING, STATUS_DATA,
	                  "an interrupted download has left partial files",
	                  "fetch the model anew; then delete the *.incomplete files" },
	[FOLDER_INTERRUPTED] = { "model.interrupted", SEVERITY_ERROR, STATUS_DATA,
	                         "a download into a plain folder was interrupted: nothing there says what is missing",
	                         "fetch the model anew; then delete the *.incomplete files" },
	[NO_EXIST] = { "cache.no-exist", SEVERITY_WARNING, STATUS_DATA,
	               "a marker says that a file does not exist, though it does: transformers believes the marker",
	               "delete the marker" },
	[SHADOW] = { "model.shadowed", SEVERITY_WARNING, STATUS_DATA,
	             "a folder of the repository's name lies in the working directory: transformers loads that instead of the cache",
	             "rename the folder, or start the service elsewhere" },
	[TWO_COPIES] = { "model.two-copies", SEVERITY_NOTE, STATUS_DATA,
	                 "the model is in a plain folder and in the hub cache, and the two may differ",
	                 "keep one of them" },
};

static bool has_ending(const char *name, const char *ending)
{
	size_t length = strlen(name), more = strlen(ending);

	return length > more && strcmp(name + length - more, ending) == 0;
}

/* Counts partial files, the Rust and JavaScript clients' names included. */
static void check_partial(struct look *look, int at, const char *folder_name)
{
	int fd = openat(at, folder_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	uint64_t count = 0, bytes = 0;
	struct dirent *entry;
	char first[MAX_NAME_BYTES] = "", path[MAX_PATH_BYTES], size[32];
	struct text text = TEXT_OVER(size);
	struct stat st;

	if (folder == NULL) {
		cleanup_fd(&fd);
		return;
	}
	for (unsigned seen = 0; seen < MAX_FILES_PER_MODEL && (entry = readdir(folder)) != NULL;
	     seen++) {
		if (!has_ending(entry->d_name, ".incomplete") &&
		    !has_ending(entry->d_name, ".part"))
			continue;
		if (count++ == 0)
			memcpy(first, entry->d_name, strlen(entry->d_name) + 1);
		if (fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (uint64_t)st.st_size;
	}
	(void)closedir(folder);
	if (count == 0 || !path_join(path, sizeof(path), folder_name, first))
		return;
	text_add_size(&text, bytes);
	look_report(look,
	            &kinds[look->model->place == PLACE_CACHE ? INTERRUPTED : FOLDER_INTERRUPTED],
	            (struct report_at){ .path = path },
	            "is the rest of an interrupted download (%llu such files, %s)",
	            (unsigned long long)count, size);
}

/* .no_exist/COMMIT/NAME is empty by design; it only misleads where the file is there after all. */
static void check_markers(struct look *look)
{
	char name[64], path[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(name);
	struct dirent *entry;
	DIR *folder;
	int fd;

	text_addf(&text, ".no_exist/%s", look->model->commit);
	fd = openat(look->model->repo_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	folder = fd < 0 ? NULL : fdopendir(fd);
	if (folder == NULL) {
		cleanup_fd(&fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.' && model_has(look, entry->d_name, NULL) &&
		    path_join(path, sizeof(path), name, entry->d_name))
			look_report(look, &kinds[NO_EXIST], (struct report_at){ .path = path },
			            "says that %.200s does not exist, though the snapshot has it",
			            entry->d_name);
	(void)closedir(folder);
}

static void check_shadow(struct look *look)
{
	char path[MAX_PATH_BYTES];
	struct stat st;

	if (path_join(path, sizeof(path), look->working_directory,
	              MODEL_SET(look->model->model, REPO).text) &&
	    tree_stat(look->tree, path, &st) == 0 && S_ISDIR(st.st_mode))
		look_report(look, &kinds[SHADOW], (struct report_at){ .path = path },
		            "would be loaded instead of the cached model");
}

static void check_copies(struct look *look)
{
	const char *repo = MODEL_SET(look->model->model, REPO).text;
	char folder[MAX_NAME_BYTES], path[MAX_PATH_BYTES];
	struct stat st;

	if (repo != NULL && look->hub_cache != NULL &&
	    repo_folder_name(repo, folder, sizeof(folder)) &&
	    path_join(path, sizeof(path), look->hub_cache, folder) &&
	    tree_stat(look->tree, path, &st) == 0)
		look_report(look, &kinds[TWO_COPIES], (struct report_at){ .path = path },
		            "is a second copy of %.200s, beside %.400s", repo, look->model->path);
}

static void check(struct look *look)
{
	if (look->model->place == PLACE_CACHE) {
		check_partial(look, look->model->repo_fd, "blobs");
		check_markers(look);
		check_shadow(look);
	} else {
		check_partial(look, look->model->dir_fd, ".cache/huggingface/download");
		check_copies(look);
	}
}

const struct check check_cache_state = { "cache_state", SCOPE_MODEL,      LEVEL_PRESENCE,
	                                 kinds,         LENGTH_OF(kinds), check };
