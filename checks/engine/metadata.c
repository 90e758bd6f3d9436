/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/metadata.h"

#include <string.h>

#include "base/text.h"
#include "engine/walk.h"
#include "hub/cache.h"
#include "hub/digest.h"
#include "util.h"

/* Moves the line at *at into `out`; false: it is too long, or has no end. */
static bool take_line(const char **at, char *out, size_t size)
{
	const char *end = strchr(*at, '\n');
	size_t length = end == NULL ? size : (size_t)(end - *at);

	if (length >= size)
		return false;
	memcpy(out, *at, length);
	out[length] = '\0';
	*at = end + 1;
	return true;
}

bool metadata_read(const struct inspection *inspection, const char *path, struct metadata *out)
{
	char name[MAX_PATH_BYTES], text[256];
	const char *at = text;
	struct text join = TEXT_OVER(name);
	int fd;
	ssize_t got;

	text_addf(&join, ".cache/huggingface/download/%s.metadata", path);
	fd = model_open(inspection, name, NULL);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	cleanup_fd(&fd);
	if (got <= 0 || join.cut)
		return false;
	text[got] = '\0';
	return take_line(&at, out->commit, sizeof(out->commit)) &&
	       take_line(&at, out->digest, sizeof(out->digest)) &&
	       revision_is_commit(out->commit) && digest_kind_of(out->digest) != DIGEST_NONE;
}
