/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/shard_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shard_index index;

	shard_index_parse(&index, data, size);
	shard_index_release(&index);
	return 0;
}
