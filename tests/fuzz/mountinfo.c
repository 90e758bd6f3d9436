/* SPDX-License-Identifier: Apache-2.0 */
#include "system/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mount mount;

	(void)mount_of((const char *)data, size, "/app/models", &mount);
	return 0;
}
