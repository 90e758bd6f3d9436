/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the lock file does not name. What can act by being there is told at once, each; the rest is told
 * together, so that many harmless names do not hide one that is not.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/glob.h"
#include "base/text.h"
#include "checks.h"
#include "engine/acts.h"
#include "engine/digests.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "util.h"

/* The element of files that wants it, if that element wants nothing that the lock file has; otherwise NULL. */
static const char *unlocked_element(const struct model_view *view, const char *path)
{
	const struct list *files = &view->model->files;

	for (size_t i = 0; i < files->count; i++)
		if ((view->files_locked >> i & 1) == 0 && glob_matches(files->items[i], path))
			return files->items[i];
	return NULL;
}

static bool leads_nowhere(const struct inspection *inspection, const char *path)
{
	struct stat st;

	return fstatat(inspection->model->place.dir_fd, path, &st, 0) != 0 && errno == ENOENT;
}

/* What the policy excludes is known to be there, and counts with what is harmless. */
static bool acts(const struct model_view *view, const char *path)
{
	return name_can_act(path) && !glob_any(&view->model->exclude, path);
}

static void report_stale(struct inspection *inspection, const char *path, const char *element)
{
	const struct model *model = inspection->model->model;

	if (inspection->model->only != NULL)
		inspection_report(
		        inspection, FINDING_LOCK_STALE,
		        (struct report_at){ .path = path, .said = MODEL_SAID(model, PATH) },
		        "is what path names, and is not in the lock file");
	else
		inspection_report(
		        inspection, FINDING_LOCK_STALE,
		        (struct report_at){ .path = path, .said = MODEL_SAID(model, FILES) },
		        "is wanted by files (%.200s), of which the lock file has nothing", element);
}

void check_lock_extra(struct inspection *inspection)
{
	struct model_view *view = inspection->model;
	const char *path = inspection->file->path, *element;

	if (lock_find_file(view->locked, path) != NULL || is_lock_file(inspection, path) ||
	    leads_nowhere(inspection, path))
		return;
	element = model_wants(inspection, path) ? unlocked_element(view, path) : NULL;
	if (element != NULL || view->only != NULL) {
		report_stale(inspection, path, element);
	} else if (view->model->remote_code == CODE_LOCKED && path_ends(path, ".py")) {
		inspection_report(
		        inspection, FINDING_MODEL_REMOTE_CODE,
		        (struct report_at){ .path = path,
		                            .said = MODEL_SAID(view->model, REMOTE_CODE) },
		        "is code that the lock file does not name");
	} else if (acts(view, path)) {
		inspection_report(
		        inspection, FINDING_LOCK_EXTRA,
		        (struct report_at){ .path = path, .severity = SEVERITY_ERROR },
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
