/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level digest: contents against the digest that the blob's name, the manifest or the directory's
 * download metadata states. Files of all models are hashed together, the biggest first, on all cores.
 */
#include <string.h>
#include "base/text.h"
#include "checks.h"
#include "engine/digests.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "hub/digest.h"
#include "util.h"

/* PATH.metadata of a plain directory: commit, digest, time, a line each (huggingface_hub _local_folder.py). */
static bool metadata_digest(const struct inspection *inspection, const char *path, char *out)
{
	char name[MAX_PATH_BYTES], text[256];
	struct text join = TEXT_OVER(name);
	const char *line, *end;
	int fd;
	ssize_t got;

	text_addf(&join, ".cache/huggingface/download/%s.metadata", path);
	fd = model_open(inspection, name, NULL);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	cleanup_fd(&fd);
	if (got <= 0 || join.cut)
		return false;
	text[got] = '\0';
	line = strchr(text, '\n');
	end = line == NULL ? NULL : strchr(line + 1, '\n');
	if (end == NULL || end - line - 1 > (ptrdiff_t)SHA256_HEX)
		return false;
	memcpy(out, line + 1, (size_t)(end - line - 1));
	out[end - line - 1] = '\0';
	return digest_kind_of(out) != DIGEST_NONE;
}

void check_file_digest(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	const char *blob = file->link == NULL ? NULL : strrchr(file->link, '/');
	char metadata[SHA256_HEX + 1] = "";

	if (file->fd < 0)
		return;
	if (blob != NULL && digest_kind_of(blob + 1) != DIGEST_NONE)
		digest_queue_add(inspection, file->path, &file->st, blob + 1, "its blob's name");
	else if (inspection->model->place.kind == PLACE_DIRECTORY &&
	         metadata_digest(inspection, file->path, metadata))
		digest_queue_add(inspection, file->path, &file->st, metadata, "its metadata");
	else
		digest_queue_add(inspection, file->path, &file->st, "", "nothing");
}
