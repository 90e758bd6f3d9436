/* SPDX-License-Identifier: Apache-2.0 */
/* From revision to commit: refs as the libraries read them, and whether the revision may move. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "engine/inspection.h"
#include "hub/cache.h"
#include "engine/inspect.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { REVISION, NO_REF, NO_SNAPSHOT, UNPINNED, PIN };
static const struct finding_kind kinds[] = {
	[REVISION] = { "model.bad-ref", SEVERITY_ERROR, STATUS_DATA,
	               "a ref of the cache holds something else than a commit's 40 digits, so the libraries find nothing",
	               "write the commit into the file without a newline: printf %s COMMIT > refs/main" },
	[NO_REF] = { "model.revision", SEVERITY_ERROR, STATUS_MISSING,
	             "the cache has no ref for the revision, so its commit cannot be told offline",
	             "set revision to the commit that the cache has, or fetch the revision" },
	[NO_SNAPSHOT] = { "model.no-snapshot", SEVERITY_ERROR, STATUS_MISSING,
	                  "the commit's snapshot is not in the cache",
	                  "fetch the commit, or set revision to one that is there" },
	[UNPINNED] = { "model.unpinned", SEVERITY_NOTE, STATUS_POLICY,
	               "the revision is a branch or tag: the next fetch may bring another model",
	               "set revision to the commit" },
	[PIN] = { "model.stale-ref", SEVERITY_NOTE, STATUS_DATA,
	          "the cache's main is another commit than the policy's pin, so code that asks for main gets another model",
	          "let the service ask for the commit too, or use the path that export gives it" },
};

/* Names up to three snapshots that are there. */
static unsigned list_snapshots(const struct look *look, struct text *out)
{
	int fd = openat(look->model->repo_fd, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	unsigned count = 0;

	if (folder == NULL) {
		cleanup_fd(&fd);
		return 0;
	}
	while ((entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.' && count++ < 3)
			text_addf(out, "%s%s", count == 1 ? "" : ", ", entry->d_name);
	(void)closedir(folder);
	return count;
}

static void report_no_ref(struct look *look, const char *revision)
{
	char snapshots[256], fix[512];
	struct text list = TEXT_OVER(snapshots), how = TEXT_OVER(fix);
	unsigned count = list_snapshots(look, &list);
	bool commit = count > 0 && strlen(snapshots) == COMMIT_HEX && revision_is_commit(snapshots);

	if (commit)
		text_addf(
		        &how,
		        "set revision = %s in the policy and in the service, or write it into refs/%.100s without a newline",
		        snapshots, revision);
	if (count == 0)
		look_report(
		        look, &kinds[NO_SNAPSHOT],
		        (struct report_at){
		                .path = look->model->repo_path,
		                .fix = "fetch the model anew: what is there is the rest of an interrupted download" },
		        "no snapshot: there is neither refs/%.128s nor anything in snapshots/",
		        revision);
	else
		look_report(
		        look, &kinds[NO_REF],
		        (struct report_at){ .path = look->model->repo_path,
		                            .fix = commit ? fix : NULL },
		        "there is no refs/%.128s, so the libraries cannot tell its commit offline; snapshots/ has %s",
		        revision, snapshots);
}

static void report_bad_ref(struct look *look, const char *revision)
{
	char text[COMMIT_HEX + 24];
	size_t length;

	hub_cache_ref_text(look->tree, look->model, revision, text, sizeof(text));
	length = strlen(text);
	if (length == COMMIT_HEX + 1 && text[COMMIT_HEX] == '\n')
		look_report(
		        look, &kinds[REVISION],
		        (struct report_at){ .path = look->model->repo_path },
		        "refs/%.128s ends in a newline, which the libraries take for a part of the commit's name",
		        revision);
	else
		look_report(
		        look, &kinds[REVISION],
		        (struct report_at){ .path = look->model->repo_path },
		        "refs/%.128s holds [%s], not a commit's 40 lower-case hexadecimal digits",
		        revision, text);
}

/* Code that does not pin gets what refs/main says. */
static void check_pin(struct look *look)
{
	char text[COMMIT_HEX + 2];

	if (look->model->repo_fd < 0)
		return;
	hub_cache_ref_text(look->tree, look->model, "main", text, sizeof(text));
	if (strlen(text) == COMMIT_HEX && strcmp(text, look->model->commit) != 0)
		look_report(look, &kinds[PIN], (struct report_at){ .path = look->model->repo_path },
		            "the policy wants %s, but refs/main is %s", look->model->commit, text);
}

static void check(struct look *look)
{
	const struct model_view *view = look->model;
	const struct setting *revision = &MODEL_SET(view->model, REVISION);
	char snapshots[256];
	struct text list = TEXT_OVER(snapshots);

	if (MODEL_SET(view->model, PATH).text != NULL)
		return;
	if (view->outcome == CACHE_NO_REF)
		report_no_ref(look, revision->text);
	else if (view->outcome == CACHE_BAD_REF)
		report_bad_ref(look, revision->text);
	else if (view->outcome == CACHE_NO_SNAPSHOT)
		look_report(look, &kinds[NO_SNAPSHOT],
		            (struct report_at){ .path = view->repo_path, .setting = revision },
		            "there is no snapshots/%s; there is %s", view->commit,
		            list_snapshots(look, &list) > 0 ? snapshots : "none");
	else if (view->outcome == CACHE_OK && revision_is_commit(revision->text))
		check_pin(look);
	else if (view->outcome == CACHE_OK)
		look_report(look, &kinds[UNPINNED], (struct report_at){ .setting = revision },
		            "revision %.128s may move; today it is %s", revision->text,
		            view->commit);
}

const struct check check_model_revision = { "model_revision", SCOPE_PLACE, LEVEL_PRESENCE, kinds,
	                                    LENGTH_OF(kinds), check };
