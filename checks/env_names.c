/* SPDX-License-Identifier: Apache-2.0 */
/* Names that nothing reads, old names, empty folders, and numbers that end the service at import. */
#include <string.h>

#include "engine/inspection.h"
#include "hub/variables.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

enum { MISSPELT, OLD, EMPTY, NUMBER };
static const struct finding_kind kinds[] = {
	[MISSPELT] = { "env.misspelt", SEVERITY_WARNING, STATUS_ENVIRONMENT,
	               "a variable looks like one of the Hugging Face libraries', but none of them reads it",
	               "use the name that is suggested, or take the variable away" },
	[OLD] = { "env.deprecated", SEVERITY_WARNING, STATUS_ENVIRONMENT,
	          "a variable is read by some versions of the libraries only", "use today's name" },
	[EMPTY] = { "env.empty-path", SEVERITY_ERROR, STATUS_ENVIRONMENT,
	            "a variable that names a folder is set but empty, which means the working directory",
	            "give the variable an absolute path, or do not set it" },
	[NUMBER] = { "env.not-a-number", SEVERITY_ERROR, STATUS_ENVIRONMENT,
	             "a timeout is not a whole number: huggingface_hub ends with ValueError when it is imported",
	             "write whole seconds without a unit, or do not set the variable" },
};

static bool is_alias(const struct look *look, const char *name, size_t length)
{
	const char *aliases = look->policy->set[KEY_ALIASES].text, *at = NULL, *alias;
	size_t alias_length;

	while (aliases != NULL && (alias = list_next(aliases, ',', &at, &alias_length)) != NULL)
		if (alias_length == length && memcmp(alias, name, length) == 0)
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

static void check_known(struct look *look, const struct library_variable *variable,
                        const char *value)
{
	char fix[256];
	struct text text = TEXT_OVER(fix);

	if (variable->role == VARIABLE_DEAD) {
		text_addf(&text, "set %s instead", variable->instead);
		look_report(look, &kinds[MISSPELT],
		            (struct report_at){ .path = variable->name, .fix = fix },
		            "no library reads %s; did you mean %s?", variable->name,
		            variable->instead);
	} else if (variable->role == VARIABLE_OLD) {
		text_addf(&text, "set %s instead and take %s away", variable->instead,
		          variable->name);
		look_report(
		        look, &kinds[OLD], (struct report_at){ .path = variable->name, .fix = fix },
		        "%s is an old name that some library versions obey and others ignore; today it is %s",
		        variable->name, variable->instead);
	}
	if ((variable->role == VARIABLE_LOCATION ||
	     (variable->role == VARIABLE_OLD && strstr(variable->name, "CACHE") != NULL)) &&
	    value[0] == '\0')
		look_report(
		        look, &kinds[EMPTY], (struct report_at){ .path = variable->name },
		        "%s is set but empty: to the libraries that is the working directory, not 'unset'",
		        variable->name);
	if (variable->role == VARIABLE_INTEGER && !is_python_integer(value))
		look_report(
		        look, &kinds[NUMBER], (struct report_at){ .path = variable->name },
		        "%s=[%.64s] is not a whole number: 'import huggingface_hub' raises ValueError",
		        variable->name, value);
}

static void check_unknown(struct look *look, const char *name)
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
		look_report(look, &kinds[MISSPELT], (struct report_at){ .path = name },
		            "no library reads %.64s; did you mean %s?", name, near);
}

static void check(struct look *look)
{
	for (size_t i = 0; i < look->env->count; i++) {
		const char *row = look->env->rows[i], *value = strchr(row, '=');
		const struct library_variable *variable;
		char name[128];
		struct text text = TEXT_OVER(name);

		if (value == NULL || (size_t)(value - row) >= sizeof(name) ||
		    is_alias(look, row, (size_t)(value - row)))
			continue;
		text_add_bytes(&text, row, (size_t)(value - row));
		variable = library_variable(name, text.length);
		if (variable != NULL)
			check_known(look, variable, value + 1);
		else
			check_unknown(look, name);
	}
}

const struct check check_env_names = { "env_names", SCOPE_RUN,        LEVEL_PRESENCE,
	                               kinds,       LENGTH_OF(kinds), check };
