/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/expand.h"

#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "hub/variables.h"
#include "policy/errors.h"
#include "util.h"

/* CREDENTIALS_DIRECTORY and HF_TOKEN_PATH say where one is; what is shorter than four letters is in every text. */
static bool note_secret(struct policy *policy, const char *name, const char *value)
{
	static const char *const places[] = { "_FILE", "_PATH", "_DIR", "_DIRECTORY" };

	for (size_t i = 0; i < LENGTH_OF(places); i++)
		if (path_ends(name, places[i]))
			return true;
	for (size_t i = 0; i < policy->secret_count; i++)
		if (policy->secrets[i] == value)
			return true;
	if (!variable_is_secret(name) || strlen(value) < 4)
		return true;
	if (policy->secret_count == LENGTH_OF(policy->secrets))
		return false;
	policy->secrets[policy->secret_count++] = value;
	return true;
}

bool policy_expand(struct policy *policy, const struct environment *environment, const char *value,
                   unsigned line, struct text *out)
{
	while (*value != '\0') {
		const char *name = value + 2, *end, *text;
		size_t length = 0;
		char copy[MAX_NAME_BYTES];

		/* A file's content, which only a variable takes: entry/policy/rows.c. */
		if (value[0] != '$' || value[1] != '{' ||
		    (strncmp(name, "file:", 5) == 0 && out->length == 0)) {
			text_add_bytes(out, value++, 1);
			continue;
		}
		while (scan_is_name(name[length]))
			length++;
		end = strchr(name, '}');
		if (end == NULL || length == 0 || length >= sizeof(copy) ||
		    (name[length] != '}' && strncmp(name + length, ":-", 2) != 0)) {
			policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, line,
			             "write ${NAME} or ${NAME:-default}",
			             "'%.64s' is not a variable", value);
			return false;
		}
		memcpy(copy, name, length);
		copy[length] = '\0';
		text = environment_get(environment, copy);
		if (name[length] == ':' && (text == NULL || text[0] == '\0')) {
			text_add_bytes(out, name + length + 2, (size_t)(end - name) - length - 2);
		} else if (text == NULL) {
			policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, line,
			             "set the variable, or write a default: ${NAME:-default}",
			             "${%s} is not set in the environment", copy);
			return false;
		} else {
			if (!note_secret(policy, copy, text)) {
				policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, line,
				             NULL, "more than %u secret variables are used",
				             MAX_EXPANDED_SECRETS);
				return false;
			}
			text_add(out, text);
		}
		value = end + 1;
	}
	if (out->cut)
		policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, line, NULL,
		             "the value is longer than %u bytes", MAX_SETTING_BYTES);
	for (size_t i = 0, step; !out->cut && i < out->length; i += step) {
		step = scan_utf8((const unsigned char *)out->at + i, out->length - i);
		if (step == 0 || ((unsigned char)out->at[i] < 0x20 && out->at[i] != '\t')) {
			policy_error(
			        policy, FINDING_POLICY_VALUE, SOURCE_POLICY, line, NULL,
			        "a variable put a control character or a byte that is not UTF-8 into the value");
			return false;
		}
	}
	return !out->cut;
}
