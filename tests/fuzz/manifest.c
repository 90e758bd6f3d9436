/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/cache.h"
#include "hub/manifest.h"

static bool visit(void *context, const struct manifest_file *file)
{
	*(size_t *)context += repo_path_is_legal(file->path, file->path_length);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t legal = 0;

	(void)manifest_parse(data, size, visit, &legal);
	return 0;
}
