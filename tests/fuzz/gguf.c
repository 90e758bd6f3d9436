/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/gguf.h"
#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gguf_source source = { .fd = -1, .memory = data, .size = size };
	struct gguf out;

	(void)gguf_read(&source, &out);
	return 0;
}
