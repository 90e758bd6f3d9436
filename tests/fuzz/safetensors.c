/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/safetensors.h"
#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct safetensors out;

	(void)safetensors_parse(data, size, size * 3, &out);
	return 0;
}
