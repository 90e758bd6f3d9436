/* SPDX-License-Identifier: Apache-2.0 */
/* Completeness by lists: the manifest of the commit, the policy's files and require. */
#include <fcntl.h>
#include <string.h>

#include "engine/inspection.h"
#include "base/glob.h"
#include "hub/cache.h"
#include "engine/inspect.h"
#include "hub/manifest.h"
#include "base/text.h"
#include "util.h"

enum { INCOMPLETE, REQUIRED, SIZE, PARTIAL, MANIFEST, NO_MANIFEST };
static const struct finding_kind kinds[] = {
	[INCOMPLETE] = { "model.incomplete", SEVERITY_ERROR, STATUS_DATA,
	                 "a file that the commit's manifest or the policy's files name is not there",
	                 "fetch the model anew, or name in files what the service needs" },
	[REQUIRED] = { "model.required", SEVERITY_ERROR, STATUS_DATA,
	               "nothing in the model matches what the policy requires",
	               "fetch what is missing, or mend require" },
	[SIZE] = { "file.size", SEVERITY_ERROR, STATUS_DATA,
	           "a file has another size than the manifest says", "fetch the file anew" },
	[PARTIAL] = { "cache.partial", SEVERITY_NOTE, STATUS_DATA,
	              "files that the policy does not want are missing: huggingface_hub 1.22 and newer refuse snapshot_download offline without the same patterns",
	              "give the service the same patterns (allow_patterns), or the path that export gives it" },
	[MANIFEST] = { "cache.manifest", SEVERITY_WARNING, STATUS_DATA,
	               "the commit's manifest cannot be used",
	               "make the file readable (huggingface_hub writes it with mode 0600), or fetch the model anew" },
	[NO_MANIFEST] = { "cache.no-manifest", SEVERITY_NOTE, STATUS_DATA,
	                  "a pinned commit has no manifest: snapshot_download of huggingface_hub 1.26 and newer asks the hub for it, offline too",
	                  "fetch the model with huggingface_hub 1.22 or newer, or let the service use the path that export gives it" },
};

struct pass {
	struct look *look;
	uint64_t unwanted_missing;
	char first_unwanted[256];
};

static bool visit(void *context, const struct manifest_file *file)
{
	struct pass *pass = context;
	struct look *look = pass->look;
	uint64_t size;

	if (strlen(file->path) != file->path_length ||
	    !repo_path_is_legal(file->path, file->path_length)) {
		look_report(look, &kinds[MANIFEST], (struct report_at){ .path = file->path },
		            "is named by the manifest, but is no legal name of a file");
		return true;
	}
	if (!model_has(look, file->path, &size)) {
		struct stat st;
		bool there =
		        fstatat(look->model->dir_fd, file->path, &st, AT_SYMLINK_NOFOLLOW) == 0;

		if (!model_wants(look, file->path)) {
			if (pass->unwanted_missing++ == 0) {
				struct text text = TEXT_OVER(pass->first_unwanted);

				text_add(&text, file->path);
			}
		} else if (
		        !there ||
		        S_ISDIR(st.st_mode)) { /* a link that leads nowhere has been told already */
			look_report(look, &kinds[INCOMPLETE],
			            (struct report_at){ .path = file->path },
			            "is %s: the commit's manifest names it",
			            there ? "a folder, not a file" : "missing");
		}
	} else if (look->model->level >= LEVEL_SIZE && size != file->size &&
	           model_wants(look, file->path)) {
		look_report(look, &kinds[SIZE], (struct report_at){ .path = file->path },
		            "has %llu bytes, but the manifest says %llu", (unsigned long long)size,
		            (unsigned long long)file->size);
	}
	return look->failed == 0;
}

static void check_manifest(struct look *look)
{
	CLEANUP(cleanup_fd) int fd = model_open_manifest(look);
	struct pass pass = { .look = look };
	const char *revision = MODEL_SET(look->model->model, REVISION).text;

	if (fd < 0) {
		if (fd != -ENOENT)
			look_report(look, &kinds[MANIFEST],
			            (struct report_at){ .path = look->model->path },
			            "its manifest trees/%s.json cannot be opened: %s",
			            look->model->commit, strerror(-fd));
		else if (look->model->place == PLACE_CACHE && look->mode == MODE_OFFLINE &&
		         revision_is_commit(revision))
			look_report(look, &kinds[NO_MANIFEST],
			            (struct report_at){ .path = look->model->repo_path },
			            "there is no trees/%s.json", look->model->commit);
		return;
	}
	if (!manifest_read(fd, NULL, NULL)) {
		look_report(
		        look, &kinds[MANIFEST], (struct report_at){ .path = look->model->path },
		        "its manifest trees/%s.json is not of format_version 1; it counts for nothing",
		        look->model->commit);
		return;
	}
	look->model->has_manifest = true;
	(void)manifest_read(fd, visit, &pass);
	if (pass.unwanted_missing > 0)
		look_report(
		        look, &kinds[PARTIAL], (struct report_at){ .path = pass.first_unwanted },
		        "%llu files of the commit are not here, this one first: the policy does not want them, but the library may",
		        (unsigned long long)pass.unwanted_missing);
}

/* The walk has marked the elements that some file met. */
static void report_unmet(struct look *look, const struct setting *setting, uint64_t met,
                         bool require)
{
	const char *at = NULL, *element;
	size_t length;

	for (unsigned i = 0;
	     i < GLOB_MARKS && (element = list_next(setting->text, ',', &at, &length)) != NULL;
	     i++) {
		int shown = (int)(length > 200 ? 200 : length);

		if ((met >> i & 1) != 0)
			continue;
		if (require)
			look_report(
			        look, &kinds[REQUIRED],
			        (struct report_at){ .path = look->model->path, .setting = setting },
			        "no file matches %.*s", shown, element);
		else if (glob_is_literal(element, length))
			look_report(
			        look, &kinds[INCOMPLETE],
			        (struct report_at){ .path = look->model->path, .setting = setting },
			        "%.*s is missing: the policy's files name it", shown, element);
	}
}

static void check_lists(struct look *look)
{
	const struct setting *files = &MODEL_SET(look->model->model, FILES);
	const struct setting *require = &MODEL_SET(look->model->model, REQUIRE);

	if (files->text != NULL)
		report_unmet(look, files, look->model->files_met, false);
	if (require->text != NULL)
		report_unmet(look, require, look->model->require_met, true);
	if (look->model->files == 0 && files->text != NULL)
		look_report(look, &kinds[INCOMPLETE],
		            (struct report_at){ .path = look->model->path, .setting = files },
		            "no file matches any pattern of files");
}

static void check(struct look *look)
{
	check_manifest(look);
	check_lists(look);
	if (look->model->files == 0 && MODEL_SET(look->model->model, FILES).text == NULL &&
	    !look->model->has_manifest)
		look_report(look, &kinds[INCOMPLETE],
		            (struct report_at){ .path = look->model->path },
		            "the snapshot is empty");
}

const struct check check_model_complete = { "model_complete", SCOPE_MODEL, LEVEL_PRESENCE, kinds,
	                                    LENGTH_OF(kinds), check };
