/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, as the checks meet them: every format's examine function over the same bytes, and what says that they are a page. */
#include <sys/mman.h>
#include <unistd.h>

#include "formats/formats.h"
#include "formats/page.h"
#include "util.h"

static void need(void *context, const char *path, uint64_t least)
{
	(void)context;
	(void)least;
	if (path[0] == '\0' && least == UINT64_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_fd) int fd = memfd_create("file", MFD_CLOEXEC);
	struct examined file = { .fd = fd,
		                 .size = size,
		                 .path = "config.json",
		                 .head = data,
		                 .head_length = size < 4096 ? size : 4096,
		                 .needs = need };
	struct extent extent;
	static const char *const paths[] = { "config.json",
		                             "m.mlpackage/Data/com.apple.CoreML/weights/weight.bin" };

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || size == 0)
		return 0;
	for (size_t i = 0; i < format_count; i++) {
		(void)page_words(&formats[i], "model", data, file.head_length, size);
		for (size_t k = 0; k < LENGTH_OF(paths) && formats[i].examine != NULL; k++) {
			file.path = paths[k];
			formats[i].examine(&file, &extent);
		}
	}
	return 0;
}
