/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/models.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/words.h"
#include "policy/errors.h"
#include "util.h"

struct model *policy_add_model(struct policy *policy, const char *name, size_t length,
                               unsigned line, enum policy_source source)
{
	struct model *model;

	if ((policy->model_count & (policy->model_count - 1)) ==
	    0) { /* room is the next power of two */
		size_t room = policy->model_count == 0 ? 1 : policy->model_count * 2;
		struct model *larger = realloc(policy->models, room * sizeof(*larger));

		if (larger == NULL)
			return NULL;
		policy->models = larger;
	}
	if (policy->model_count >= MAX_MODELS) {
		policy_error(policy, FINDING_POLICY_VALUE, source, line, NULL,
		             "more than %u models", MAX_MODELS);
		return NULL;
	}
	model = &policy->models[policy->model_count++];
	*model = policy->defaults;
	model->name = arena_copy(policy->arena, name, length);
	model->line = line;
	model->source = (uint16_t)source;
	model->selected = true;
	return model;
}

static const char *next_model(const void *context, size_t index)
{
	const struct policy *policy = context;

	return index < policy->model_count ? policy->models[index].name : NULL;
}

static void report_unknown_model(struct policy *policy, const char *name, unsigned line)
{
	char names[512];
	struct text text = TEXT_OVER(names);
	const char *near = words_nearest(name, next_model, policy);

	for (size_t i = 0; i < policy->model_count; i++)
		text_addf(&text, "%s%s", i == 0 ? "" : ", ", policy->models[i].name);
	text_mark_cut(&text);
	policy_error(policy, FINDING_POLICY_UNKNOWN, SOURCE_POLICY, line,
	             "name models of the policy, or add a [model NAME] section",
	             "unknown model '%.100s'; the models are: %s%s%s%s", name,
	             policy->model_count == 0 ? "none" : names,
	             near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
	             near != NULL ? "'?" : "");
}

void policy_select_models(struct policy *policy, const struct list *list, unsigned line)
{
	for (size_t i = 0; i < policy->model_count; i++)
		policy->models[i].selected = list->count == 0;
	for (size_t k = 0; k < list->count; k++) {
		bool all = strcmp(list->items[k], "all") == 0, found = all;

		for (size_t i = 0; i < policy->model_count; i++)
			if (all || strcmp(policy->models[i].name, list->items[k]) == 0)
				policy->models[i].selected = found = true;
		if (!found)
			report_unknown_model(policy, list->items[k], line);
	}
}
