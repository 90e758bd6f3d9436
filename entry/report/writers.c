/* SPDX-License-Identifier: Apache-2.0 */
/* The table of formats. A format is one file and one row here. */
#include <string.h>

#include "hub/cache.h"
#include "report/report.h"
#include "base/text.h"
#include "util.h"

report_write report_write_human, report_write_json;

const struct report_format report_formats[] = {
	{ "human", report_write_human },
	{ "json", report_write_json },
	{ "junit", NULL },
	{ "tap", NULL },
	{ "github", NULL },
	{ "markdown", NULL },
	{ "gcp", NULL },
};
const size_t report_format_count = LENGTH_OF(report_formats);

const struct report_format *report_format_find(const char *name, size_t length)
{
	for (size_t i = 0; i < report_format_count; i++)
		if (strlen(report_formats[i].name) == length &&
		    memcmp(report_formats[i].name, name, length) == 0)
			return &report_formats[i];
	return NULL;
}

void report_model_path(const struct report *report, size_t index, char *out, size_t size)
{
	const struct model *model = &report->policy->models[index];
	const char *path = MODEL_SET(model, PATH).text;
	char folder[MAX_NAME_BYTES], repo[MAX_PATH_BYTES];
	struct text text = text_over(out, size);

	if (path != NULL)
		text_add(&text, path);
	else if (report->models[index].found && report->hub_cache != NULL &&
	         repo_folder_name(MODEL_SET(model, REPO).text, folder, sizeof(folder)) &&
	         path_join(repo, sizeof(repo), report->hub_cache, folder))
		text_addf(&text, "%s/snapshots/%s", repo, report->models[index].commit);
}

const char *models_kept_name(enum models_kept kept)
{
	return kept == MODELS_KEPT_BY_MOUNT    ? "mount" :
	       kept == MODELS_KEPT_BY_LANDLOCK ? "landlock" :
	                                         "no";
}
