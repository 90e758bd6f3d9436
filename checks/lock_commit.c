/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is there says of itself that it is another commit than the lock file's. */
#include <fcntl.h>
#include <string.h>

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

void check_lock_commit(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	char commit[COMMIT_HEX + 1] = "";

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
