/* SPDX-License-Identifier: Apache-2.0 */
/* Mistral's own format: params.json beside consolidated.safetensors or its parts. */
#include "base/json.h"
#include "engine/walk.h"
#include "families/families.h"
#include "util.h"

/* Others have a params.json, too: that of a model states its size. */
static bool visit(void *context, const struct json_value *value)
{
	bool *is_model = context;

	*is_model |= value->depth == 1 &&
	             (json_key_is(value, 0, "dim") || json_key_is(value, 0, "n_layers"));
	return true;
}

void mistral_check(struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "params.json", NULL);
	bool is_model = false;
	int error;

	if (fd >= 0)
		(void)json_read(fd, MAX_CONFIG_BYTES, visit, &is_model, &error);
	if (is_model && !model_has(inspection, "config.json", NULL))
		family_report_no_weights(inspection, "params.json");
}
