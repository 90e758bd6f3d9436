/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const rows[] = { "HOME=/root", "LIST=a,b" };
	struct environment environment = { rows, 2 };
	struct policy_input input = { .file = "policy.ini",
		                      .environment = &environment,
		                      .level = -1 };
	struct policy policy = { 0 };

	(void)policy_parse(&policy, &input, (const char *)data, size);
	policy_release(&policy);
	return 0;
}
