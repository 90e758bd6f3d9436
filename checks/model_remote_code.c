/* SPDX-License-Identifier: Apache-2.0 */
/* Python code that a model brings along: auto_map of its configurations, modules of other libraries, *.py. */
#include <string.h>

#include "engine/inspection.h"
#include "hub/cache.h"
#include "engine/inspect.h"
#include "base/json.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { REMOTE_CODE, CODE_MISSING, PYTHON };
static const struct finding_kind kinds[] = {
	[REMOTE_CODE] = { "model.remote-code", SEVERITY_ERROR, STATUS_DATA,
	                  "the model wants to run Python code of its own",
	                  "load it without trust_remote_code, or say remote_code = allow and pin the revision" },
	[CODE_MISSING] = { "model.code-missing", SEVERITY_ERROR, STATUS_MISSING,
	                   "code that the model's configuration names is not aboard, so it cannot be loaded offline",
	                   "fetch the repository that has the code, too" },
	[PYTHON] = { "model.python-file", SEVERITY_NOTE, STATUS_DATA,
	             "the model's folder has Python files that no configuration names",
	             "leave them out with files, unless the service runs them" },
};

struct search {
	struct look *look;
	const char *config;
	unsigned found;
};

/* `file.Class`, or `org/name--file.Class`: code from another repository. */
static void check_reference(struct search *search, const char *reference)
{
	struct look *look = search->look;
	const char *separator = strstr(reference, "--"),
	           *module = separator == NULL ? reference : separator + 2;
	const char *dot = strchr(module, '.');
	char repo[MAX_NAME_BYTES], folder[MAX_NAME_BYTES + 16], file[MAX_NAME_BYTES],
	        path[MAX_PATH_BYTES];
	struct text repo_text = TEXT_OVER(repo), file_text = TEXT_OVER(file);
	struct stat st;

	search->found++;
	if (MODEL_SET(look->model->model, REMOTE_CODE).number == 0) {
		look_report(look, &kinds[REMOTE_CODE],
		            (struct report_at){
		                    .path = search->config,
		                    .setting = &MODEL_SET(look->model->model, REMOTE_CODE) },
		            "its auto_map names the code %.256s, which the policy denies",
		            reference);
		return;
	}
	text_add_bytes(&file_text, module, dot == NULL ? strlen(module) : (size_t)(dot - module));
	text_add(&file_text, ".py");
	if (separator == NULL) {
		if (!repo_path_is_legal(file, strlen(file)) || !model_has(look, file, NULL))
			look_report(look, &kinds[CODE_MISSING], (struct report_at){ .path = file },
			            "is missing: the auto_map of %s names it", search->config);
		return;
	}
	text_add_bytes(&repo_text, reference, (size_t)(separator - reference));
	if (repo_id_fault(repo) != NULL || !repo_folder_name(repo, folder, sizeof(folder)) ||
	    look->hub_cache == NULL || !path_join(path, sizeof(path), look->hub_cache, folder))
		look_report(look, &kinds[CODE_MISSING],
		            (struct report_at){ .path = search->config },
		            "its auto_map names [%.256s], which is no repository", reference);
	else if (tree_stat(look->tree, path, &st) != 0)
		look_report(look, &kinds[CODE_MISSING], (struct report_at){ .path = path },
		            "is missing: the auto_map of %s takes code from %s", search->config,
		            repo);
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

static void check(struct look *look)
{
	static const char *const configs[] = { "config.json", "tokenizer_config.json",
		                               "processor_config.json",
		                               "preprocessor_config.json" };
	struct search search = { .look = look };

	for (size_t i = 0; i < LENGTH_OF(configs); i++) {
		CLEANUP(cleanup_fd) int fd = model_open(look, configs[i], NULL);
		int error;

		search.config = configs[i];
		if (fd >= 0)
			(void)json_read(fd, MAX_CONFIG_BYTES, visit, &search, &error);
	}
	if (search.found == 0 && look->model->python_files > 0 &&
	    MODEL_SET(look->model->model, REMOTE_CODE).number == 0)
		look_report(
		        look, &kinds[PYTHON],
		        (struct report_at){ .path = look->model->first_python[0] != '\0' ?
		                                            look->model->first_python :
		                                            NULL },
		        "is Python code (%llu such files) that no configuration of the model names",
		        (unsigned long long)look->model->python_files);
}

const struct check check_model_remote_code = { "model_remote_code", SCOPE_MODEL,
	                                       LEVEL_PRESENCE,      kinds,
	                                       LENGTH_OF(kinds),    check };
