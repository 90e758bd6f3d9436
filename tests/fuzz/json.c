/* SPDX-License-Identifier: Apache-2.0 */
/* config.json and its like: the values, the path that leads to each, in two pieces. */
#include "base/json.h"
#include "util.h"

static bool visit(void *context, const struct json_value *value)
{
	size_t *sum = context;

	for (unsigned i = 0; i < value->depth && i < JSON_TRACKED; i++)
		*sum += value->key_length[i] + strlen(value->key[i]) + value->index[i];
	for (size_t i = 0; i < value->length; i++)
		*sum += (unsigned char)value->text[i];
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t sum = 0, cut = size == 0 ? 0 : data[0] % size;
	struct json json;

	json_begin(&json, visit, &sum);
	json_feed(&json, data, cut);
	json_feed(&json, data + cut, size - cut);
	(void)json_end(&json);
	return 0;
}
