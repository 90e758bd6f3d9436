/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "hub/cache.h"
#include "util.h"

const char *report_keep(struct report *report, const char *text)
{
	const char *copy = text[0] == '\0' ? "" : arena_copy(report->arena, text, strlen(text));

	return copy == NULL ? "" : copy;
}

void report_model_path(const struct report *report, size_t index, char *out, size_t size)
{
	const struct model *model = &report->policy->models[index];
	const char *path = model->path;
	char directory[MAX_NAME_BYTES], repo[MAX_PATH_BYTES];
	struct text text = text_over(out, size);

	if (path != NULL)
		text_add(&text, path);
	else if (report->models[index].found && report->hub_cache != NULL &&
	         repo_directory_name(model->repo, directory, sizeof(directory)) &&
	         path_join(repo, sizeof(repo), report->hub_cache, directory))
		text_addf(&text, "%s/snapshots/%s", repo, report->models[index].commit);
}
