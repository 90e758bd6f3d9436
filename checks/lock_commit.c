/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is there says of itself that it is another commit than the lock file's. */
#include <fcntl.h>
#include <string.h>

#include "base/glob.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/metadata.h"
#include "hub/cache.h"
#include "util.h"

/* What a plain directory says: a snapshot's name, its one manifest, or what was noted of its first locked file. */
static bool directory_says(struct inspection *inspection, char commit[static COMMIT_HEX + 1])
{
	const struct model_view *view = inspection->model;
	const char *name = strrchr(view->place.path, '/');
	struct metadata metadata;

	if (view->place.repo_fd >= 0 && name != NULL && revision_is_commit(name + 1)) {
		memcpy(commit, name + 1, COMMIT_HEX + 1);
		return true;
	}
	if (directory_commit(tree_open_beneath(inspection->tree, view->place.dir_fd,
	                                       DIRECTORY_TREES, O_RDONLY | O_DIRECTORY),
	                     commit))
		return true;
	if (view->locked->count == 0 ||
	    !metadata_read(inspection, view->locked->files[0].path, &metadata))
		return false;
	memcpy(commit, metadata.commit, sizeof(metadata.commit));
	return true;
}

/* Once a model: for each element of files whether the lock file has something of it. */
static void mark_files(struct model_view *view)
{
	const struct list *files = &view->model->files;

	view->files_locked = 0;
	for (size_t i = 0; i < files->count; i++)
		for (size_t k = 0; k < view->locked->count; k++)
			if (glob_matches(files->items[i], view->locked->files[k].path)) {
				view->files_locked |= 1ull << i;
				break;
			}
}

void check_lock_commit(struct inspection *inspection)
{
	struct model_view *view = inspection->model;
	char commit[COMMIT_HEX + 1] = "";

	/* An optional model need not be locked as long as it is not there. */
	if (inspection->lock != NULL && !inspection->locking && view->locked == NULL &&
	    view->place.kind != PLACE_NONE)
		inspection_report(inspection, FINDING_LOCK_STALE,
		                  (struct report_at){ .path = view->place.path },
		                  "is there, and the model is not in the lock file");
	if (view->locked != NULL)
		mark_files(view);

	if (view->locked == NULL || view->locked->commit[0] == '\0' ||
	    view->place.kind == PLACE_NONE)
		return;
	if (view->place.kind == PLACE_CACHE)
		memcpy(commit, view->place.commit, sizeof(commit));
	else if (!directory_says(inspection, commit))
		return;
	if (strcmp(commit, view->locked->commit) != 0)
		inspection_report(inspection, FINDING_LOCK_COMMIT,
		                  (struct report_at){ .path = view->place.path },
		                  "is of the commit %s; the lock file has %s", commit,
		                  view->locked->commit);
}
