/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pyannote.audio: config.yaml of a pipeline names its models by repository, such as
 * `segmentation: pyannote/segmentation-3.0`. No YAML is parsed: a line of the form NAME: ORG/NAME will do,
 * since all that follows from it is a warning.
 */
#include <string.h>

#include "base/file.h"
#include "base/scan.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
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

static void check_line(struct inspection *inspection, const char *line, size_t length)
{
	static const char *const keys[] = { "segmentation:", "embedding:", "plda:", "model:" };
	char repo[MAX_NAME_BYTES];
	struct text text = TEXT_OVER(repo);

	while (length > 0 && scan_is_space(*line)) {
		line++;
		length--;
	}
	for (size_t i = 0; i < LENGTH_OF(keys); i++) {
		size_t key = strlen(keys[i]);

		if (length <= key || memcmp(line, keys[i], key) != 0)
			continue;
		for (size_t at = key; at < length; at++)
			if (!scan_is_space(line[at]))
				text_add_bytes(&text, line + at, 1);
		if (strncmp(repo, "$model/", 7) == 0)
			check_part(inspection, repo + 7, strcmp(keys[i], "plda:") != 0);
		else if (!text.cut && strchr(repo, '/') != NULL && repo_id_fault(repo) == NULL)
			family_report_repository(inspection, repo, "config.yaml");
		return;
	}
}

void pyannote_check(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "config.yaml", NULL);
	CLEANUP(cleanup_free) char *yaml = NULL;
	size_t length = 0;

	if (fd < 0 || read_whole(fd, MAX_YAML_BYTES, &yaml, &length) < 0)
		return;
	for (const char *at = yaml; at < yaml + length;) {
		size_t line = strcspn(at, "\n");

		check_line(inspection, at, line);
		at += line + 1;
	}
}
