/* SPDX-License-Identifier: Apache-2.0 */
/* Names that nothing reads, old names, empty directories, and numbers that end the service at import. */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/locate.h"
#include "hub/variables.h"
#include "util.h"

static bool is_alias(const struct inspection *inspection, const char *name, size_t length)
{
	const struct list *aliases = &inspection->policy->aliases;

	for (size_t i = 0; i < aliases->count; i++)
		if (strlen(aliases->items[i]) == length &&
		    memcmp(aliases->items[i], name, length) == 0)
			return true;
	return false;
}

static bool starts_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Python's int(): blanks around, a sign, digits with single underscores between them. */
static bool is_python_integer(const char *text)
{
	bool digit = false;

	while (scan_is_space(*text))
		text++;
	text += *text == '+' || *text == '-';
	for (; (*text >= '0' && *text <= '9') || (*text == '_' && digit); text++)
		digit = *text != '_';
	while (scan_is_space(*text))
		text++;
	return digit && *text == '\0';
}

/* Servers such as TGI and TEI read the old name of the cache: it may stay, beside the new one. */
static bool says_the_same(const struct inspection *inspection,
                          const struct library_variable *variable, const char *value)
{
	const char *now = environment_get(inspection->env, variable->instead);

	return now != NULL && strcmp(now, value) == 0;
}

static bool is_of_the_cache(const struct library_variable *variable)
{
	return strcmp(variable->instead, "HF_HUB_CACHE") == 0;
}

/* A name that counts where no nearer one says where the cache is, and a model is looked for there. */
static bool decides_nothing(const struct inspection *inspection, const char *name)
{
	/* From the nearest; XDG_CACHE_HOME is behind them all. */
	static const char *const nearer[] = { "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME" };

	if (!any_model_of_the_cache(inspection))
		return strcmp(name, "HF_MODULES_CACHE") != 0 || !any_model_with_code(inspection);
	for (size_t i = 0; i < LENGTH_OF(nearer) && strcmp(name, nearer[i]) != 0; i++)
		if (environment_get(inspection->env, nearer[i]) != NULL)
			return strcmp(name, "HF_HOME") == 0 || strcmp(name, "XDG_CACHE_HOME") == 0;
	return false;
}

/* Where models are looked for, or what they bring is written: others are of datasets and of caches beside them. */
static bool is_of_models(const char *name)
{
	static const char *const names[] = { "HF_HOME",
		                             "HF_HUB_CACHE",
		                             "HUGGINGFACE_HUB_CACHE",
		                             "TRANSFORMERS_CACHE",
		                             "PYTORCH_TRANSFORMERS_CACHE",
		                             "PYTORCH_PRETRAINED_BERT_CACHE",
		                             "DIFFUSERS_CACHE",
		                             "HF_MODULES_CACHE",
		                             "SENTENCE_TRANSFORMERS_HOME",
		                             "XDG_CACHE_HOME" };

	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void check_known(struct inspection *inspection, const struct library_variable *variable,
                        const char *value)
{
	char fix[256];
	struct text text = TEXT_OVER(fix);

	if (variable->role == VARIABLE_DEAD) {
		text_addf(&text, "set %s instead", variable->instead);
		inspection_report(inspection, FINDING_ENV_MISSPELT,
		                  (struct report_at){ .path = variable->name, .fix = fix },
		                  "no library reads %s; did you mean %s?", variable->name,
		                  variable->instead);
	} else if (variable->role == VARIABLE_OLD && !says_the_same(inspection, variable, value)) {
		text_addf(
		        &text,
		        is_of_the_cache(variable) ?
		                "let %s and %s name one directory: some servers still read the old name" :
		                "set %s instead and remove %s",
		        variable->instead, variable->name);
		inspection_report(
		        inspection, FINDING_ENV_DEPRECATED,
		        (struct report_at){ .path = variable->name, .fix = fix },
		        "%s is an old name that some library versions obey and others ignore; today it is %s",
		        variable->name, variable->instead);
	}
	if (value[0] == '\0' && is_of_models(variable->name) &&
	    !decides_nothing(inspection, variable->name))
		inspection_report(
		        inspection, FINDING_ENV_EMPTY_PATH,
		        (struct report_at){ .path = variable->name },
		        "%s is set but empty: to the libraries that is the working directory, not 'unset'",
		        variable->name);
	if (variable->role == VARIABLE_INTEGER && !is_python_integer(value))
		inspection_report(
		        inspection, FINDING_ENV_NOT_A_NUMBER,
		        (struct report_at){ .path = variable->name },
		        "%s=[%.64s] is not a whole number: 'import huggingface_hub' raises ValueError",
		        variable->name, value);
}

static void check_unknown(struct inspection *inspection, const char *name)
{
	const char *near;

	if (!starts_with(name, "HF_") && !starts_with(name, "HUGGINGFACE_") &&
	    !starts_with(name, "HUGGING_FACE_") && !starts_with(name, "TRANSFORMERS_") &&
	    strstr(name, "OFFLINE") == NULL)
		return;
	near = library_nearest(name);
	if (near == NULL && strstr(name, "OFFLINE") != NULL &&
	    (starts_with(name, "HF_") || starts_with(name, "HUGGING")))
		near = "HF_HUB_OFFLINE";
	if (near != NULL)
		inspection_report(inspection, FINDING_ENV_MISSPELT,
		                  (struct report_at){ .path = name },
		                  "no library reads %.64s; did you mean %s?", name, near);
}

static void check_duplicates(struct inspection *inspection)
{
	for (size_t i = 0; i < inspection->given->count; i++) {
		const char *row = inspection->given->rows[i], *value = strchr(row, '='), *first;
		char name[128];
		struct text text = TEXT_OVER(name);

		if (value == NULL || (size_t)(value - row) >= sizeof(name))
			continue;
		text_add_bytes(&text, row, (size_t)(value - row));
		first = environment_get(inspection->given, name);
		if (first != NULL && first != value + 1 && strcmp(first, value + 1) != 0)
			inspection_report(inspection, FINDING_ENV_DUPLICATE,
			                  (struct report_at){ .path = name },
			                  "%s is set twice in the environment, to different values",
			                  name);
	}
}

void check_env_names(struct inspection *inspection)
{
	check_duplicates(inspection);
	for (size_t i = 0; i < inspection->env->count; i++) {
		const char *row = inspection->env->rows[i], *value = strchr(row, '=');
		const struct library_variable *variable;
		char name[128];
		struct text text = TEXT_OVER(name);

		if (value == NULL || (size_t)(value - row) >= sizeof(name) ||
		    is_alias(inspection, row, (size_t)(value - row)))
			continue;
		text_add_bytes(&text, row, (size_t)(value - row));
		variable = library_variable(name, text.length);
		if (variable != NULL)
			check_known(inspection, variable, value + 1);
		else
			check_unknown(inspection, name);
	}
}
