/* SPDX-License-Identifier: Apache-2.0 */
/* From revision to commit: refs as the libraries read them, and whether the revision may move. */
#include <fcntl.h>
#include <string.h>

#include "base/dir.h"
#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "hub/cache.h"
#include "util.h"

/* Names up to three snapshots that are there. */
static unsigned list_snapshots(const struct inspection *inspection, struct text *out)
{
	CLEANUP(dir_close)
	struct dir directory =
	        dir_open(inspection->model->place.repo_fd, "snapshots", MAX_DIRECTORY_ENTRIES);
	struct dirent *entry;
	unsigned count = 0;

	while ((entry = dir_next(&directory)) != NULL)
		if (entry->d_name[0] != '.' && count++ < 3)
			text_addf(out, "%s%s", count == 1 ? "" : ", ", entry->d_name);
	return count;
}

static void report_no_ref(struct inspection *inspection, const char *revision)
{
	char snapshots[256], fix[512];
	struct text list = TEXT_OVER(snapshots), how = TEXT_OVER(fix);
	unsigned count = list_snapshots(inspection, &list);
	bool commit = count > 0 && strlen(snapshots) == COMMIT_HEX && revision_is_commit(snapshots);

	if (commit)
		text_addf(
		        &how,
		        "set revision = %s in the policy and in the service, or write it into refs/%.100s without a newline",
		        snapshots, revision);
	if (count == 0)
		inspection_report(
		        inspection, FINDING_MODEL_NO_SNAPSHOT,
		        (struct report_at){
		                .path = inspection->model->place.repo_path,
		                .fix = "fetch the model again: what is there is the rest of an interrupted download" },
		        "no snapshot: there is neither refs/%.128s nor anything in snapshots/",
		        revision);
	else
		inspection_report(
		        inspection, FINDING_MODEL_REVISION,
		        (struct report_at){ .path = inspection->model->place.repo_path,
		                            .fix = commit ? fix : NULL },
		        "there is no refs/%.128s, so the libraries cannot tell its commit offline; snapshots/ has %s",
		        revision, snapshots);
}

static void report_bad_ref(struct inspection *inspection, const char *revision)
{
	char text[COMMIT_HEX + 24];
	size_t length;

	hub_cache_ref_text(inspection->tree, &inspection->model->place, revision, text,
	                   sizeof(text));
	length = strlen(text);
	if (length == COMMIT_HEX + 1 && text[COMMIT_HEX] == '\n')
		inspection_report(
		        inspection, FINDING_MODEL_BAD_REF,
		        (struct report_at){ .path = inspection->model->place.repo_path },
		        "refs/%.128s ends in a newline, which the libraries take for a part of the commit's name",
		        revision);
	else
		inspection_report(
		        inspection, FINDING_MODEL_BAD_REF,
		        (struct report_at){ .path = inspection->model->place.repo_path },
		        "refs/%.128s holds [%s], not a commit's 40 lower-case hexadecimal digits",
		        revision, text);
}

/* Code that does not pin gets what refs/main says, or the name that the policy gives the commit. */
static void check_pin(struct inspection *inspection)
{
	const char *named = inspection->model->model->ref, *name = named != NULL ? named : "main";
	char text[COMMIT_HEX + 2];

	if (inspection->model->place.repo_fd < 0)
		return;
	hub_cache_ref_text(inspection->tree, &inspection->model->place, name, text, sizeof(text));
	if (text[0] == '\0')
		inspection_report(inspection, FINDING_MODEL_NO_MAIN,
		                  (struct report_at){ .path = inspection->model->place.repo_path },
		                  "there is no refs/%.128s that can be read; the commit is %s",
		                  name, inspection->model->place.commit);
	else if (strlen(text) == COMMIT_HEX && strcmp(text, inspection->model->place.commit) != 0)
		inspection_report(inspection, FINDING_MODEL_STALE_REF,
		                  (struct report_at){ .path = inspection->model->place.repo_path },
		                  "the policy wants %s, but refs/%.128s is %s",
		                  inspection->model->place.commit, name, text);
}

void check_model_revision(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	const struct origin *revision = MODEL_SAID(view->model, REVISION);
	char snapshots[256];
	struct text list = TEXT_OVER(snapshots);

	if (view->model->path != NULL)
		return;
	if (view->outcome == CACHE_NO_REF)
		report_no_ref(inspection, revision->text);
	else if (view->outcome == CACHE_BAD_REF)
		report_bad_ref(inspection, revision->text);
	else if (view->outcome == CACHE_NO_SNAPSHOT)
		inspection_report(
		        inspection, FINDING_MODEL_NO_SNAPSHOT,
		        (struct report_at){ .path = view->place.repo_path, .said = revision },
		        "there is no snapshots/%s; there is %s", view->place.commit,
		        list_snapshots(inspection, &list) > 0 ? snapshots : "none");
	else if (view->outcome == CACHE_OK && revision_is_commit(revision->text))
		check_pin(inspection);
	else if (view->outcome == CACHE_OK && !inspection->locking &&
	         (view->locked == NULL || view->locked->commit[0] == '\0'))
		inspection_report(inspection, FINDING_MODEL_UNPINNED,
		                  (struct report_at){ .said = revision },
		                  "revision %.128s may move; today it is %s", revision->text,
		                  view->place.commit);
}
