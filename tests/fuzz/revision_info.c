/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's word on a revision: its commit, and its files where there is no other list. */
#include "base/scan.h"
#include "fetch/hub/listing.h"
#include "util.h"

static bool visit(void *context, const struct manifest_file *file)
{
	(void)context;
	if (strlen(file->path) != file->path_length || file->size > MAX_FETCH_BYTES)
		abort();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct revision_info info;

	revision_info_begin(&info, visit, NULL);
	(void)json_feed(&info.json, data, size);
	if (revision_info_end(&info) && !scan_is_hex(info.commit, strlen(info.commit), COMMIT_HEX))
		abort();
	return 0;
}
