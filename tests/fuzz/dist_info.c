/* SPDX-License-Identifier: Apache-2.0 */
#include "system/python.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), name[MAX_NAME_BYTES], version[MAX_NAME_BYTES];

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)dist_info_name(text, name, sizeof(name), version, sizeof(version));
	if (version_spec_is_valid(text))
		(void)version_fits("1.2.3", text);
	(void)version_compare(text, "2.0rc1");
	free(text);
	return 0;
}
