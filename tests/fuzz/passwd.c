/* SPDX-License-Identifier: Apache-2.0 */
#include "system/passwd.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t half = size / 2;
	char *passwd = calloc(1, half + 1), *group = calloc(1, size - half + 1), sentence[256];
	struct user_files files = { passwd, group };
	struct identity *who = calloc(1, sizeof(*who));
	struct text why = TEXT_OVER(sentence);

	if (passwd != NULL && group != NULL && who != NULL) {
		memcpy(passwd, data, half);
		memcpy(group, data + half, size - half);
		(void)identity_parse(who, &files, "a", &why);
		(void)identity_parse(who, &files, "1:b", &why);
		(void)identity_parse_groups(who, &files, "b,2", &why);
	}
	user_files_release(&files);
	free(who);
	return 0;
}
