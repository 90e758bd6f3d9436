/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pyannote.audio: config.yaml of a pipeline names its models by repository, such as
 * `segmentation: pyannote/segmentation-3.0`, or with a revision behind an @. No YAML is parsed: a line of the form
 * NAME: ORG/NAME is how those files are written.
 */
#include <string.h>

#include "base/file.h"
#include "base/scan.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "environment.h"
#include "formats/formats.h"
#include "hub/cache.h"
#include "util.h"

#define MAX_YAML_BYTES (64ul << 10) /* pipelines are below 2 kB */

/* `$model/segmentation`: a directory of the pipeline's own (core/pipeline.py, expand_subfolders). */
static void check_part(struct inspection *inspection, const char *name, bool weights)
{
	if (!repo_path_is_legal(name, strlen(name)) || !model_wants(inspection, name) ||
	    model_is_broken(inspection))
		return;
	if (!model_has_directory(inspection, name))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = name },
		                  "is missing: config.yaml names it");
	else if (weights && !family_directory_has_weights(inspection, name))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = name },
		                  "has no weights: config.yaml names it");
}

/* Before 4.0 it had a cache of its own (pyannote.audio 3.3, core/model.py, CACHE_DIR). */
static const char *own_cache(const struct inspection *inspection, char *path, size_t size)
{
	const char *home = environment_get(inspection->env, "HOME");
	const char *cache = environment_get(inspection->env, "PYANNOTE_CACHE");
	struct text text = text_over(path, size);

	if (cache != NULL)
		return cache;
	text_addf(&text, "%s/.cache/torch/pyannote", home == NULL ? "" : home);
	return path;
}

/* Without blanks, quotes and a comment. */
static void take_value(struct text *text, const char *from, size_t length)
{
	for (size_t i = 0; i < length && from[i] != '#'; i++)
		if (!scan_is_space(from[i]) && from[i] != '"' && from[i] != '\'')
			text_add_bytes(text, from + i, 1);
}

/* `is`: the file says that it is a pipeline of this library's; others write such lines, too. */
static void check_line(struct inspection *inspection, const char *line, size_t length, bool is)
{
	static const char *const keys[] = { "segmentation:", "embedding:", "plda:", "model:" };
	char repo[MAX_NAME_BYTES], own[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(repo);

	while (length > 0 && scan_is_space(*line)) {
		line++;
		length--;
	}
	for (size_t i = 0; i < LENGTH_OF(keys); i++) {
		size_t key = strlen(keys[i]);

		if (length <= key || memcmp(line, keys[i], key) != 0)
			continue;
		take_value(&text, line + key, length - key);
		if (strncmp(repo, "$model/", 7) == 0)
			check_part(inspection, repo + 7, strcmp(keys[i], "plda:") != 0);
		else if (text.cut || strchr(repo, '/') == NULL || format_by_name(repo) != NULL ||
		         model_has(inspection, repo, NULL))
			return; /* a file */
		else if (!is ||
		         strncmp(repo, "pyannote/", 9) != 0) /* other libraries have other caches */
			family_report_repository(inspection, repo, "config.yaml");
		else
			family_report_needed(inspection, repo, "config.yaml",
			                     own_cache(inspection, own, sizeof(own)));
		return;
	}
}

void pyannote_check(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "config.yaml", NULL);
	CLEANUP(cleanup_free) char *yaml = NULL;
	size_t length = 0;
	bool is;

	if (fd < 0 || read_whole(fd, MAX_YAML_BYTES, &yaml, &length) < 0)
		return;
	is = strstr(yaml, "pyannote.audio") != NULL;
	for (const char *at = yaml; at < yaml + length;) {
		size_t line = strcspn(at, "\n");

		check_line(inspection, at, line, is);
		at += line + 1;
	}
}
