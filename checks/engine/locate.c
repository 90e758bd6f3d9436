/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/locate.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/glob.h"
#include "base/text.h"
#include "base/tree.h"
#include "formats/shard_index.h"
#include "hub/cache.h"
#include "util.h"

/* The model is the file that the path ends with: from there on the place is the directory that it is in. */
static void enter_file(struct model_view *view)
{
	char *slash = strrchr(view->place.path, '/');

	view->only = view->model->path + strlen(view->model->path) - strlen(slash + 1);
	*slash = '\0';
}

/* What could only be opened before the inspector gave up its rights: a duplicate, or -1. */
static int opened_before(const struct inspection *inspection, struct model_view *view)
{
	for (size_t i = 0; i < inspection->opened_count; i++) {
		if (inspection->opened[i].model != view->index)
			continue;
		if (inspection->opened[i].is_file)
			enter_file(view);
		return fcntl(inspection->opened[i].fd, F_DUPFD_CLOEXEC, 3);
	}
	return -1;
}

/* .../KIND--ORG--NAME/snapshots/COMMIT, or what lies in one: the length up to /snapshots/; 0: it is none. */
static size_t repository_length(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/snapshots/")) != NULL; at++)
		for (const char *name = at; name > path && name[-1] != '/'; name--)
			if (name[-1] == '-' && name[0] == '-')
				return (size_t)(at - path);
	return 0;
}

/*
 * A snapshot's links lead to the blobs of its repository. A link to a snapshot is looked through, but for that of an
 * unpacked image.
 */
static void enter_snapshot(const struct inspection *inspection, struct model_view *view)
{
	struct model_place *place = &view->place;
	char real[PATH_MAX], commit[COMMIT_HEX + 1];
	struct text name = TEXT_OVER(commit), repository = TEXT_OVER(place->repo_path);
	const char *snapshot;
	size_t length;

	if (inspection->tree->root_fd < 0 && realpath(place->path, real) != NULL &&
	    strlen(real) < sizeof(place->path) && repository_length(real) > 0)
		memcpy(place->path, real, strlen(real) + 1);
	length = repository_length(place->path);
	if (length == 0) {
		text_add(&repository, place->path);
		return;
	}
	text_add_bytes(&repository, place->path, length);
	place->repo_fd = tree_open(inspection->tree, place->repo_path, O_PATH | O_DIRECTORY);
	snapshot = place->path + length + strlen("/snapshots/");
	text_add_bytes(&name, snapshot, strcspn(snapshot, "/"));
	if (!name.cut && revision_is_commit(commit))
		memcpy(place->commit, commit, sizeof(commit));
}

/*
 * The path of a single file, as llama-server -m takes it: its directory, and nothing else of it. With a slash at its
 * end, or /., it is none (path_resolution(7)).
 */
static void enter_parent(const struct inspection *inspection, struct model_view *view)
{
	struct model_place *place = &view->place;
	const char *slash = strrchr(place->path, '/');
	struct stat st;

	if (slash == NULL || slash == place->path ||
	    strcmp(path_name(view->model->path), slash + 1) != 0 ||
	    tree_stat(inspection->tree, place->path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	enter_file(view);
	place->dir_fd = tree_open(inspection->tree, place->path, O_RDONLY | O_DIRECTORY);
}

static void locate_directory(const struct inspection *inspection, struct model_view *view)
{
	struct model_place *place = &view->place;

	place->dir_fd = opened_before(inspection, view);
	if (place->dir_fd < 0)
		place->dir_fd = tree_open(inspection->tree, place->path, O_RDONLY | O_DIRECTORY);
	if (place->dir_fd == -ENOTDIR)
		enter_parent(inspection, view);
	memcpy(place->repo_path, place->path, sizeof(place->path));
	if (place->dir_fd < 0) {
		place->error = -place->dir_fd;
		return;
	}
	place->kind = PLACE_DIRECTORY;
	enter_snapshot(inspection, view);
}

void locate(struct inspection *inspection)
{
	struct model_view *view = inspection->model;
	const char *path = view->model->path;

	if (path == NULL) {
		if (inspection->hub_cache == NULL)
			view->outcome = CACHE_NO_HUB;
		else
			view->outcome = (int)hub_cache_locate(
			        inspection->tree, inspection->hub_cache, view->model->repo,
			        view->model->revision, &view->place);
		return;
	}
	if (!path_join(view->place.path, sizeof(view->place.path),
	               path[0] == '/' ? "/" : inspection->working_directory, path))
		return;
	path_squeeze(view->place.path);
	locate_directory(inspection, view);
	if (revision_is_commit(view->model->revision))
		memcpy(view->place.commit, view->model->revision, COMMIT_HEX + 1);
	else if (view->place.dir_fd >= 0 && view->place.commit[0] == '\0')
		(void)directory_commit(tree_open_beneath(inspection->tree, view->place.dir_fd,
		                                         DIRECTORY_TREES, O_RDONLY | O_DIRECTORY),
		                       view->place.commit);
}

const char *model_title(const struct model *model)
{
	const char *path = model->path;

	return path != NULL ? path : model->repo;
}

/* NAME-00002-of-00003.gguf -> NAME-00001-of-00003.gguf: llama.cpp, and people, name the first part for all of them. */
bool split_first(const char *path, char first[static MAX_PATH_BYTES])
{
	struct shard_number part;
	size_t length = strlen(path);

	if (length >= MAX_PATH_BYTES || !shard_number_read(path, &part) ||
	    strcmp(part.ending, ".gguf") != 0)
		return false;
	memcpy(first, path, length + 1);
	memset(first + part.prefix, '0', part.digits);
	first[part.prefix + part.digits - 1] = '1';
	return true;
}

bool model_selects(const struct model *model, const char *path)
{
	char first[MAX_PATH_BYTES];

	return (model->files.count == 0 || glob_any(&model->files, path) ||
	        (split_first(path, first) && glob_any(&model->files, first))) &&
	       !glob_any(&model->exclude, path);
}

bool any_model_of_the_cache(const struct inspection *inspection)
{
	for (size_t i = 0; i < inspection->policy->model_count; i++)
		if (inspection->policy->models[i].selected &&
		    inspection->policy->models[i].path == NULL)
			return true;
	return false;
}

bool any_model_with_code(const struct inspection *inspection)
{
	for (size_t i = 0; i < inspection->policy->model_count; i++)
		if (inspection->policy->models[i].selected &&
		    inspection->policy->models[i].remote_code != CODE_DENY)
			return true;
	return false;
}

enum level model_level(const struct policy *policy, const struct model *model)
{
	return policy->verify > model->verify ? policy->verify : model->verify;
}
