/* SPDX-License-Identifier: Apache-2.0 */
/* policy.manifest */
#include "policy/models_file.h"
#include "policy/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct environment environment = { NULL, 0 };
	struct policy_input input = { .file = "policy.ini",
		                      .environment = &environment,
		                      .level = -1 };
	struct policy policy = { 0 };

	if (policy_parse(&policy, &input, "", 0) == 0)
		models_file_parse(&policy, (const char *)data, size);
	policy_release(&policy);
	return 0;
}
