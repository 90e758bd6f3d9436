/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the lock file does not name. What can act by being there is told at once, each; the rest is told
 * together, so that many harmless names do not hide one that is not.
 */
#include <string.h>

#include "base/glob.h"
#include "base/text.h"
#include "checks.h"
#include "engine/acts.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "util.h"

/* The element of files that wants it, if that element wants nothing that the lock file has; otherwise NULL. */
static const char *unlocked_element(const struct model_view *view, const char *path)
{
	const struct list *files = &view->model->files;

	for (size_t i = 0; i < files->count; i++) {
		bool any = false;

		if (!glob_matches(files->items[i], path))
			continue;
		for (size_t k = 0; !any && k < view->locked->count; k++)
			any = glob_matches(files->items[i], view->locked->files[k].path);
		if (!any)
			return files->items[i];
	}
	return NULL;
}

/* The lock file itself, in the directory that it is of. */
static bool is_the_lock(const struct inspection *inspection, const char *path)
{
	char absolute[MAX_PATH_BYTES];

	return inspection->lock_path != NULL &&
	       path_join(absolute, sizeof(absolute), inspection->model->place.path, path) &&
	       strcmp(absolute, inspection->lock_path) == 0;
}

void check_lock_extra(struct inspection *inspection)
{
	struct model_view *view = inspection->model;
	const char *path = inspection->file->path, *element;

	if (lock_find_file(view->locked, path) != NULL || is_the_lock(inspection, path))
		return;
	element = model_wants(inspection, path) ? unlocked_element(view, path) : NULL;
	if (element != NULL) {
		inspection_report(
		        inspection, FINDING_LOCK_STALE,
		        (struct report_at){ .path = path, .said = MODEL_SAID(view->model, FILES) },
		        "is wanted by files (%.200s), of which the lock file has nothing", element);
	} else if (view->model->remote_code == CODE_LOCKED && path_ends(path, ".py")) {
		inspection_report(
		        inspection, FINDING_MODEL_REMOTE_CODE,
		        (struct report_at){ .path = path,
		                            .said = MODEL_SAID(view->model, REMOTE_CODE) },
		        "is code that the lock file does not name");
	} else if (name_can_act(path)) {
		inspection_report(
		        inspection, FINDING_LOCK_EXTRA, (struct report_at){ .path = path },
		        "is not in the lock file, and is of a kind that libraries act on when it is there");
	} else if (view->extra_files++ == 0) {
		struct text text = TEXT_OVER(view->first_extra);

		text_add(&text, path);
	}
}

void check_lock_extras(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;

	if (view->extra_files == 1)
		inspection_report(inspection, FINDING_LOCK_EXTRA,
		                  (struct report_at){ .path = view->first_extra },
		                  "is not in the lock file");
	else if (view->extra_files > 1)
		inspection_report(inspection, FINDING_LOCK_EXTRA,
		                  (struct report_at){ .path = view->first_extra },
		                  "is not in the lock file, nor are %llu more",
		                  (unsigned long long)view->extra_files - 1);
}
