/* SPDX-License-Identifier: Apache-2.0 */
/* A page of the hub's list of files, fed in two pieces. */
#include "fetch/hub/listing.h"
#include "hub/cache.h"
#include "util.h"

static bool visit(void *context, const struct manifest_file *file)
{
	if (strlen(file->path) != file->path_length || file->size > MAX_FETCH_BYTES)
		abort();
	*(size_t *)context += repo_path_is_legal(file->path, file->path_length);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tree_page page;
	size_t legal = 0, half = size / 2;

	tree_page_begin(&page, visit, &legal);
	(void)(json_feed(&page.json, data, half) &&
	       json_feed(&page.json, data + half, size - half));
	(void)tree_page_end(&page);
	return 0;
}
