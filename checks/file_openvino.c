/* SPDX-License-Identifier: Apache-2.0 */
/* OpenVINO: NAME.xml is the graph, and NAME.bin beside it has the constants, if there are any: without, it is empty. */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/walk.h"
#include "util.h"

#define LOOK_BYTES (64ul << 20) /* of a graph: those of large language models have 10 MB */
#define TAG_BYTES 256u /* of a <data> with its attributes; what is longer is not understood */

/* What a graph keeps in the .bin. */
struct constants {
	bool any; /* layers of type Const */
	uint64_t end; /* of the last one, bytes: <data ... offset="8" size="4"/> */
};

/* The number behind `mark` within the tag that begins at `at`. */
static bool take_number(const char *at, const char *end, const char *mark, uint64_t *out)
{
	const char *close = memchr(at, '>', (size_t)(end - at));
	const char *number =
	        close == NULL ? NULL : memmem(at, (size_t)(close - at), mark, strlen(mark));

	if (number == NULL)
		return false;
	number += strlen(mark);
	return scan_u64(number, strspn(number, "0123456789"), out);
}

static void look_at(struct constants *constants, const char *from, const char *to, const char *end)
{
	static const char layer[] = "type=\"Const\"", data[] = "<data ";
	uint64_t offset, size;

	constants->any |= memmem(from, (size_t)(end - from), layer, sizeof(layer) - 1) != NULL;
	while ((from = memmem(from, (size_t)(end - from), data, sizeof(data) - 1)) != NULL &&
	       from < to) {
		if (take_number(from, end, " offset=\"", &offset) &&
		    take_number(from, end, " size=\"", &size) &&
		    !__builtin_add_overflow(offset, size, &offset) && offset > constants->end)
			constants->end = offset;
		from += sizeof(data) - 1;
	}
}

/* The whole graph, in pieces that overlap by a tag; `first_only`: as far as its first constant. */
static struct constants constants_of(int fd, uint64_t size, bool first_only)
{
	struct constants constants = { 0 };
	char buffer[READ_BYTES + TAG_BYTES + 1];
	size_t kept = 0;

	for (uint64_t at = 0; at < size && at < LOOK_BYTES && !(first_only && constants.any);) {
		ssize_t got = pread(fd, buffer + kept, READ_BYTES, (off_t)at);
		size_t length = kept + (size_t)(got < 0 ? 0 : got);

		if (got <= 0)
			break;
		at += (uint64_t)got;
		kept = at < size && length > TAG_BYTES ? TAG_BYTES : 0;
		buffer[length] = '\0';
		look_at(&constants, buffer, buffer + length - kept, buffer + length);
		memmove(buffer, buffer + length - kept, kept);
	}
	return constants;
}

/* A graph begins with <net, behind a declaration: other files of this ending are none of ours. */
static bool is_graph(const struct file_view *file)
{
	char head[512];
	ssize_t got = path_ends(file->path, ".xml") ? pread(file->fd, head, sizeof(head), 0) : 0;

	return got > 0 && memmem(head, (size_t)got, "<net", 4) != NULL;
}

/* A document ends with a tag, or a comment: blanks and NULs may stand behind it. */
static bool is_closed(int fd, uint64_t size)
{
	char tail[4096];
	size_t length = size < sizeof(tail) ? (size_t)size : sizeof(tail);
	ssize_t got = pread(fd, tail, length, (off_t)(size - length));

	while (got > 0 && (scan_is_space(tail[got - 1]) || tail[got - 1] == '\0'))
		got--;
	return got <= 0 || tail[got - 1] == '>';
}

void check_file_openvino(struct inspection *inspection)
{
	const struct file_view *file = inspection->file;
	bool sized = inspection->model->level >= LEVEL_STRUCTURE;
	char weights[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(weights);
	struct constants constants;
	uint64_t size = 0;

	if (file->fd < 0 || !is_graph(file))
		return;
	text_add_bytes(&text, file->path, strlen(file->path) - 4);
	text_add(&text, ".bin");
	if (!model_wants(inspection, weights))
		return;
	if (sized && !is_closed(file->fd, (uint64_t)file->st.st_size))
		inspection_report(inspection, FINDING_FILE_TRUNCATED,
		                  (struct report_at){ .path = file->path },
		                  "ends inside its data: it is cut short");
	constants = constants_of(file->fd, (uint64_t)file->st.st_size, !sized);
	if (constants.any && (!model_has(inspection, weights, &size) || size == 0))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = weights },
		                  "is missing or empty: %s has its weights there", file->path);
	else if (sized && size < constants.end)
		inspection_report(
		        inspection, FINDING_FILE_TRUNCATED, (struct report_at){ .path = weights },
		        "is cut short: %s needs %llu bytes of it, it has %llu", file->path,
		        (unsigned long long)constants.end, (unsigned long long)size);
}
