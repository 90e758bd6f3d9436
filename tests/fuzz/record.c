/* SPDX-License-Identifier: Apache-2.0 */
/* Records from the inspector: what the gate believes must be safe to use. */
#include "process/channel.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record = { .magic = RECORD_MAGIC, .type = RECORD_FINDING, .model = NO_MODEL };

	memcpy((char *)&record + 4, data, size < sizeof(record) - 4 ? size : sizeof(record) - 4);
	if (!record_is_sound(&record, 3))
		return 0;
	if (record.kind >= FINDING_COUNT || record.model >= 3 ||
	    strlen(record.path) >= sizeof(record.path) || strlen(record.commit) > COMMIT_HEX)
		abort();
	return 0;
}
