/* SPDX-License-Identifier: Apache-2.0 */
/* Python code that a model brings along: auto_map of its configurations, modules of other libraries, *.py. */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "hub/cache.h"
#include "util.h"

struct search {
	struct inspection *inspection;
	const char *config;
	unsigned found;
};

/* `file.Class`, or `org/name--file.Class`: code from another repository. */
static void check_reference(struct search *search, const char *reference)
{
	struct inspection *inspection = search->inspection;
	const char *separator = strstr(reference, "--"),
	           *module = separator == NULL ? reference : separator + 2;
	const char *dot = strchr(module, '.');
	char repo[MAX_NAME_BYTES], directory[MAX_NAME_BYTES + 16], file[MAX_NAME_BYTES],
	        path[MAX_PATH_BYTES];
	struct text repo_text = TEXT_OVER(repo), file_text = TEXT_OVER(file);
	struct stat st;

	search->found++;
	if (inspection->model->model->remote_code == CODE_DENY) {
		inspection_report(inspection, FINDING_MODEL_REMOTE_CODE,
		                  (struct report_at){ .path = search->config,
		                                      .said = MODEL_SAID(inspection->model->model,
		                                                         REMOTE_CODE) },
		                  "its auto_map names the code %.256s, which the policy denies",
		                  reference);
		return;
	}
	text_add_bytes(&file_text, module, dot == NULL ? strlen(module) : (size_t)(dot - module));
	text_add(&file_text, ".py");
	if (separator == NULL) {
		if (!repo_path_is_legal(file, strlen(file)) || !model_has(inspection, file, NULL))
			inspection_report(inspection, FINDING_MODEL_CODE_MISSING,
			                  (struct report_at){ .path = file },
			                  "is missing: the auto_map of %s names it",
			                  search->config);
		return;
	}
	text_add_bytes(&repo_text, reference, (size_t)(separator - reference));
	if (repo_id_fault(repo) != NULL ||
	    !repo_directory_name(repo, directory, sizeof(directory)) ||
	    inspection->hub_cache == NULL ||
	    !path_join(path, sizeof(path), inspection->hub_cache, directory))
		inspection_report(inspection, FINDING_MODEL_CODE_MISSING,
		                  (struct report_at){ .path = search->config },
		                  "its auto_map names [%.256s], which is no repository", reference);
	else if (tree_stat(inspection->tree, path, &st) != 0)
		inspection_report(
		        inspection, FINDING_MODEL_CODE_MISSING, (struct report_at){ .path = path },
		        "is missing: the auto_map of %s takes code from %s", search->config, repo);
}

static bool visit(void *context, const struct json_value *value)
{
	struct search *search = context;
	char reference[MAX_NAME_BYTES];
	struct text text = TEXT_OVER(reference);

	if (value->kind != JSON_STRING || (value->depth != 2 && value->depth != 3) ||
	    !json_key_is(value, 0, "auto_map"))
		return true;
	text_add_bytes(&text, value->text, value->length);
	check_reference(search, reference);
	return true;
}

void check_model_remote_code(struct inspection *inspection)
{
	static const char *const configs[] = { "config.json", "tokenizer_config.json",
		                               "processor_config.json",
		                               "preprocessor_config.json" };
	struct search search = { .inspection = inspection };

	for (size_t i = 0; i < LENGTH_OF(configs); i++) {
		CLEANUP(cleanup_fd) int fd = model_open(inspection, configs[i], NULL);
		int error;

		search.config = configs[i];
		if (fd >= 0)
			(void)json_read(fd, MAX_CONFIG_BYTES, visit, &search, &error);
	}
	if (search.found == 0 && inspection->model->python_files > 0 &&
	    inspection->model->model->remote_code == CODE_DENY)
		inspection_report(
		        inspection, FINDING_MODEL_PYTHON_FILE,
		        (struct report_at){ .path = inspection->model->first_python[0] != '\0' ?
		                                            inspection->model->first_python :
		                                            NULL },
		        "is Python code (%llu such files) that no configuration of the model names",
		        (unsigned long long)inspection->model->python_files);
}
