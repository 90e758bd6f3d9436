/* SPDX-License-Identifier: Apache-2.0 */
/* What is left lying in a repository's directory: interrupted downloads, stale markers, a shadowing directory. */
#include <fcntl.h>
#include <string.h>

#include "base/dir.h"
#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "hub/cache.h"
#include "util.h"

/* Counts partial files, the Rust and JavaScript clients' names included. */
static void check_partial(struct inspection *inspection, int at, const char *directory_name)
{
	CLEANUP(dir_close) struct dir directory = dir_open(at, directory_name, MAX_FILES_PER_MODEL);
	uint64_t count = 0, bytes = 0;
	bool young = false,
	     unfinished = false; /* a fetch of ours was killed while files took their places */
	struct dirent *entry;
	char first[MAX_NAME_BYTES] = "", path[MAX_PATH_BYTES];
	struct stat st;

	while ((entry = dir_next(&directory)) != NULL) {
		if (!path_ends(entry->d_name, ".incomplete") && !path_ends(entry->d_name, ".part"))
			continue;
		unfinished |= strcmp(entry->d_name, "aweigh.incomplete") == 0;
		if (count++ == 0)
			memcpy(first, entry->d_name, strlen(entry->d_name) + 1);
		if (fstatat(dir_fd(&directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			bytes += (uint64_t)st.st_size;
			young |= file_is_young(&st);
		}
	}
	/* Beside a manifest all of whose files are there it is nobody's business. */
	if (count == 0 || !path_join(path, sizeof(path), directory_name, first) ||
	    (inspection->model->manifest_complete && !unfinished))
		return;
	inspection->model->young |= young;
	inspection_report(inspection,
	                  inspection->model->place.kind == PLACE_CACHE ? FINDING_CACHE_INTERRUPTED :
	                                                                 FINDING_MODEL_INTERRUPTED,
	                  (struct report_at){ .path = path },
	                  "is the rest of an interrupted download (%llu file%s of this kind, %s)",
	                  (unsigned long long)count, count == 1 ? "" : "s", size_text(bytes).text);
}

/* .no_exist/COMMIT/NAME is empty by design; it only misleads where the file is there after all. */
static void check_markers(struct inspection *inspection)
{
	char name[64], path[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(name);
	struct dirent *entry;
	CLEANUP(dir_close) struct dir directory = { 0 };

	text_addf(&text, ".no_exist/%s", inspection->model->place.commit);
	directory = dir_open(inspection->model->place.repo_fd, name, MAX_DIRECTORY_ENTRIES);
	while ((entry = dir_next(&directory)) != NULL)
		if (entry->d_name[0] != '.' && model_has(inspection, entry->d_name, NULL) &&
		    path_join(path, sizeof(path), name, entry->d_name))
			inspection_report(
			        inspection, FINDING_CACHE_NO_EXIST,
			        (struct report_at){ .path = path },
			        "says that %.200s does not exist, though the snapshot has it",
			        entry->d_name);
}

static void check_shadow(struct inspection *inspection)
{
	char path[MAX_PATH_BYTES];
	struct stat st;

	if (path_join(path, sizeof(path), inspection->working_directory,
	              inspection->model->model->repo) &&
	    tree_stat(inspection->tree, path, &st) == 0 && S_ISDIR(st.st_mode))
		inspection_report(inspection, FINDING_MODEL_SHADOWED,
		                  (struct report_at){ .path = path },
		                  "would be loaded instead of the cached model");
}

static void check_copies(struct inspection *inspection)
{
	const char *repo = inspection->model->model->repo;
	char path[MAX_PATH_BYTES];
	struct stat st;

	if (repo != NULL && inspection->hub_cache != NULL &&
	    repo_path(inspection->hub_cache, repo, path, sizeof(path)) &&
	    tree_stat(inspection->tree, path, &st) == 0)
		inspection_report(inspection, FINDING_MODEL_TWO_COPIES,
		                  (struct report_at){ .path = path },
		                  "is a second copy of %.200s, beside %.400s", repo,
		                  inspection->model->place.path);
}

void check_cache_state(struct inspection *inspection)
{
	if (inspection->model->place.kind == PLACE_CACHE) {
		check_partial(inspection, inspection->model->place.repo_fd, "blobs");
		check_markers(inspection);
		check_shadow(inspection);
	} else {
		check_partial(inspection, inspection->model->place.dir_fd,
		              ".cache/huggingface/download");
		check_copies(inspection);
	}
}
