/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/locate.h"

#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "base/tree.h"
#include "hub/cache.h"
#include "util.h"

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
	memcpy(view->place.repo_path, view->place.path, sizeof(view->place.path));
	view->place.dir_fd = tree_open(inspection->tree, view->place.path, O_RDONLY | O_DIRECTORY);
	if (view->place.dir_fd < 0)
		view->place.error = -view->place.dir_fd;
	else
		view->place.kind = PLACE_DIRECTORY;
	if (revision_is_commit(view->model->revision))
		memcpy(view->place.commit, view->model->revision, COMMIT_HEX + 1);
	else if (view->place.dir_fd >= 0)
		(void)directory_commit(tree_open_beneath(inspection->tree, view->place.dir_fd,
		                                         DIRECTORY_TREES, O_RDONLY | O_DIRECTORY),
		                       view->place.commit);
}

const char *model_title(const struct model *model)
{
	const char *path = model->path;

	return path != NULL ? path : model->repo;
}
