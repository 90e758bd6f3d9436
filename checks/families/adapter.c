/* SPDX-License-Identifier: Apache-2.0 */
/* PEFT: adapter_config.json, weights of the adapter's own, and the base model that it works on. */
#include "base/text.h"
#include "base/tree.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "util.h"

/* Newer PEFT asks for the revision that the adapter was trained on (PeftConfigMixin), older for main. */
static bool has_its_revision(const struct inspection *inspection, const char *base)
{
	char revision[MAX_NAME_BYTES], name[2 * MAX_NAME_BYTES];
	struct text text = TEXT_OVER(name);

	if (!family_json_string(inspection, "adapter_config.json", "revision", revision,
	                        sizeof(revision)) ||
	    revision[0] == '\0')
		return false;
	text_addf(&text, "%s@%s", base, revision);
	return family_repository_is_aboard(inspection, name);
}

void adapter_check(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	char base[MAX_NAME_BYTES];
	struct stat st;

	/* Its own: those of checkpoints beneath it are not looked for (load_peft_weights). */
	if (!family_directory_has_weights(inspection, "") && view->weight_files > 0 &&
	    !model_is_broken(inspection) && model_wants(inspection, "adapter_model.safetensors"))
		inspection_report(inspection, FINDING_MODEL_PART,
		                  (struct report_at){ .path = "adapter_model.safetensors" },
		                  "is missing: adapter_config.json has no weights beside it");
	else
		family_report_no_weights(inspection, "adapter_config.json");
	if (!family_json_string(inspection, "adapter_config.json", "base_model_name_or_path", base,
	                        sizeof(base)) ||
	    base[0] == '\0')
		return;
	/* Where it was trained, as often as not: the service may name the base itself. */
	if (base[0] == '/' && tree_stat(inspection->tree, base, &st) != 0)
		inspection_report(inspection, FINDING_MODEL_REPOSITORY,
		                  (struct report_at){
		                          .path = "adapter_config.json",
		                          .fix = "let the service name the base model's own path" },
		                  "names the base model %.200s, which is not there", base);
	if (family_repository_is_aboard(inspection, base) || has_its_revision(inspection, base))
		return;
	/* A base under another name may be handed over by the service: PeftModel.from_pretrained(base, path). */
	if (inspection->policy->model_count > 1) {
		family_report_repository(inspection, base, "adapter_config.json");
		return;
	}
	inspection_report(
	        inspection, FINDING_MODEL_BASE, (struct report_at){ .path = "adapter_config.json" },
	        "names the base model %.200s, of which the cache has no snapshot of main", base);
}
