/* SPDX-License-Identifier: Apache-2.0 */
/* Completeness by lists: the manifest of the commit, the policy's files and require. */
#include <fcntl.h>
#include <string.h>

#include "base/glob.h"
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "hub/cache.h"
#include "hub/manifest.h"
#include "util.h"

struct pass {
	struct inspection *inspection;
	uint64_t unwanted_missing;
	bool incomplete; /* something wanted is missing or of another size */
	char first_unwanted[256];
};

/* false: it is there, as a link that leads nowhere, which has been told already. */
static bool report_missing(struct inspection *inspection, const char *path, const char *who)
{
	struct stat st;
	bool there = fstatat(inspection->model->place.dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (there && !S_ISDIR(st.st_mode))
		return false;
	inspection_report(inspection, FINDING_MODEL_INCOMPLETE, (struct report_at){ .path = path },
	                  "is %s: %s names it", there ? "a directory, not a file" : "missing", who);
	/* One cause, one finding: the policy's own lists have nothing to add. */
	if (inspection_refuses(inspection, FINDING_MODEL_INCOMPLETE))
		model_mark_lists(inspection->model->model, &inspection->model->met, path);
	return true;
}

static bool visit(void *context, const struct manifest_file *file)
{
	struct pass *pass = context;
	struct inspection *inspection = pass->inspection;
	uint64_t size;

	if (strlen(file->path) != file->path_length ||
	    !repo_path_is_legal(file->path, file->path_length)) {
		inspection_report(inspection, FINDING_CACHE_MANIFEST,
		                  (struct report_at){ .path = file->path },
		                  "is named by the manifest, but that is not a legal file name");
		return true;
	}
	if (!model_has(inspection, file->path, &size)) {
		if (!model_wants(inspection, file->path)) {
			if (pass->unwanted_missing++ == 0) {
				struct text text = TEXT_OVER(pass->first_unwanted);

				text_add(&text, file->path);
			}
		} else if (report_missing(inspection, file->path, "the commit's manifest")) {
			pass->incomplete = true;
		}
	} else if (inspection->model->level >= LEVEL_SIZE && size != file->size &&
	           model_wants(inspection, file->path)) {
		pass->incomplete = true;
		inspection_report(inspection, FINDING_FILE_SIZE,
		                  (struct report_at){ .path = file->path },
		                  "has %llu bytes, but the manifest says %llu",
		                  (unsigned long long)size, (unsigned long long)file->size);
	}
	return inspection->failed == 0;
}

/* The lock file's list goes before any other: what it names is demanded, where the policy wants it. */
static void check_lock(struct inspection *inspection)
{
	const struct lock_model *locked = inspection->model->locked;
	bool whole = true;

	for (size_t i = 0; i < locked->count && inspection->failed == 0; i++) {
		const struct lock_file *file = &locked->files[i];
		uint64_t size;

		if (!model_wants(inspection, file->path))
			continue;
		if (!model_has(inspection, file->path, &size)) {
			whole = false;
			(void)report_missing(inspection, file->path, "the lock file");
		} else if (inspection->model->level >= LEVEL_SIZE && file->size != LOCK_NO_SIZE &&
		           size != file->size) {
			whole = false;
			inspection_report(inspection, FINDING_FILE_SIZE,
			                  (struct report_at){ .path = file->path },
			                  "has %llu bytes, but the lock file says %llu",
			                  (unsigned long long)size, (unsigned long long)file->size);
		}
	}
	inspection->model->manifest_complete = whole && inspection->model->broken_files == 0;
}

static void check_manifest(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open_manifest(inspection);
	struct pass pass = { .inspection = inspection };
	const char *revision = inspection->model->model->revision;

	if (fd < 0) {
		if (fd != -ENOENT)
			inspection_report(
			        inspection, FINDING_CACHE_MANIFEST,
			        (struct report_at){ .path = inspection->model->place.path },
			        "its manifest trees/%s.json cannot be opened: %s",
			        inspection->model->place.commit, strerror(-fd));
		else if (inspection->model->place.kind == PLACE_CACHE &&
		         inspection->mode == MODE_OFFLINE && revision_is_commit(revision))
			inspection_report(
			        inspection, FINDING_CACHE_NO_MANIFEST,
			        (struct report_at){ .path = inspection->model->place.repo_path },
			        "there is no trees/%s.json", inspection->model->place.commit);
		return;
	}
	if (!manifest_read(fd, NULL, NULL)) {
		inspection_report(
		        inspection, FINDING_CACHE_MANIFEST,
		        (struct report_at){ .path = inspection->model->place.path },
		        "its manifest trees/%s.json is not of format_version 1; it counts for nothing",
		        inspection->model->place.commit);
		return;
	}
	inspection->model->has_manifest = true;
	if (inspection->model->locked != NULL)
		return;
	(void)manifest_read(fd, visit, &pass);
	inspection->model->manifest_complete =
	        !pass.incomplete && inspection->model->broken_files == 0;
	if (pass.unwanted_missing > 0)
		inspection_report(
		        inspection, FINDING_CACHE_PARTIAL,
		        (struct report_at){ .path = pass.first_unwanted },
		        "%llu files of the commit are not here, this one first: the policy does not want them, but the library may",
		        (unsigned long long)pass.unwanted_missing);
}

/* The walk has marked the elements that some file met. */
static void report_unmet_files(struct inspection *inspection)
{
	struct model_view *view = inspection->model;
	const struct list *files = &view->model->files;
	struct report_at at = { .path = view->place.path, .said = MODEL_SAID(view->model, FILES) };
	struct report_at none = at;

	if (view->model->repo == NULL)
		none.fix = "fix files and exclude, or copy there what they select";

	for (size_t i = 0; i < files->count; i++)
		if ((view->met.files >> i & 1) == 0 && glob_is_literal(files->items[i]))
			inspection_report(inspection, FINDING_MODEL_INCOMPLETE, at,
			                  "%.200s is missing: the policy's files name it",
			                  files->items[i]);
	if (view->files == 0 && files->count > 0 &&
	    !inspection_refuses(inspection, FINDING_MODEL_INCOMPLETE))
		inspection_report(inspection, FINDING_MODEL_INCOMPLETE, none,
		                  "no file matches any pattern of files");
}

static void report_unmet_requirements(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;

	for (size_t i = 0; i < view->model->require.count; i++) {
		bool broken = (view->broken.require >> i & 1) != 0;
		struct report_at at = { .path = view->place.path,
			                .said = MODEL_SAID(view->model, REQUIRE),
			                .fix = broken ? "make the unreadable files readable" :
			                       view->model->repo == NULL ?
			                                "fix require, or copy the file there" :
			                                NULL };

		if ((view->met.require >> i & 1) == 0)
			inspection_report(inspection, FINDING_MODEL_REQUIRED, at,
			                  "%s matches %.200s",
			                  broken ? "no file that can be opened" : "no file",
			                  view->model->require.items[i].text);
	}
}

void check_model_complete(struct inspection *inspection)
{
	/* A file that is there, and why it cannot be opened, has been told. */
	if (model_is_broken(inspection))
		inspection->model->met.files |= inspection->model->broken.files;
	check_manifest(inspection);
	if (inspection->model->locked != NULL)
		check_lock(inspection);
	report_unmet_files(inspection);
	report_unmet_requirements(inspection);
	if (inspection->model->files == 0 && inspection->model->model->files.count == 0 &&
	    !inspection->model->has_manifest)
		inspection_report(inspection, FINDING_MODEL_INCOMPLETE,
		                  (struct report_at){ .path = inspection->model->place.path },
		                  "the snapshot is empty");
}
