/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys, and how a value of each type is read. */
#include <errno.h>
#include <string.h>

#include "confine/caps.h"
#include "confine/egress.h"
#include "hub/cache.h"
#include "engine/raised.h"
#include "policy/read.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"
#include "base/arena.h"

const struct key policy_keys[KEY_COUNT] = {
#define KEY(section_, id, name_, type_, argument_, initial_, effect_, help_)                       \
	[KEY_##id] = { SECTION_##section_, name_,    TYPE_##type_,                                 \
		       argument_,          initial_, EFFECT_##effect_ },
#include "keys.def"
#undef KEY
};

const char *const policy_section_names[SECTION_COUNT] = {
	[SECTION_POLICY] = "policy",
	[SECTION_MODEL] = "model",
	[SECTION_ENVIRONMENT] = "environment",
	[SECTION_FETCH] = "fetch",
	[SECTION_CONFINE] = "confine",
	[SECTION_SERVICE] = "service",
	[SECTION_PATHS] = "paths",
	[SECTION_SEVERITY] = "severity",
	[SECTION_ENV_SET] = "environment set",
	[SECTION_ENV_REQUIRE] = "environment require",
	[SECTION_ENV_FORBID] = "environment forbid",
	[SECTION_ENV_UNSET] = "environment unset",
	[SECTION_PACKAGES] = "packages",
	[SECTION_REPORT] = "report",
};

const char *list_next(const char *list, char separator, const char **at, size_t *length)
{
	const char *start = *at == NULL ? list : *at;

	while (*start != '\0') {
		const char *end = strchr(start, separator), *next;

		if (end == NULL)
			end = start + strlen(start);
		next = *end == '\0' ? end : end + 1;
		while (start < end && scan_is_space(*start))
			start++;
		while (end > start && scan_is_space(end[-1]))
			end--;
		if (end > start) {
			*at = next;
			*length = (size_t)(end - start);
			return start;
		}
		start = next;
	}
	*at = start;
	return NULL;
}

/* The index of a word in "a|b|c", or -1. */
static int enum_index(const char *words, const char *word, size_t length)
{
	const char *at = NULL, *element;
	size_t element_length;

	for (int i = 0; (element = list_next(words, '|', &at, &element_length)) != NULL; i++)
		if (element_length == length && strncmp(element, word, length) == 0)
			return i;
	return -1;
}

const char *level_name(unsigned level)
{
	static const char *const names[] = { "presence", "size", "structure", "digest" };

	return level < LENGTH_OF(names) ? names[level] : "?";
}

const char *mode_name(unsigned mode)
{
	static const char *const names[] = { "offline", "auto", "online" };

	return mode < LENGTH_OF(names) ? names[mode] : "?";
}

static bool in_range(const struct key *key, uint64_t number)
{
	const char *dots = strstr(key->argument, "..");
	uint64_t least, most;

	if (dots == NULL || !scan_u64(key->argument, (size_t)(dots - key->argument), &least) ||
	    !scan_u64(dots + 2, strlen(dots + 2), &most))
		return true;
	return number >= least && number <= most;
}

static bool is_variable_name(const char *text)
{
	size_t length = 0;

	if (*text >= '0' && *text <= '9')
		return false;
	while (scan_is_name(text[length]))
		length++;
	return length > 0 && length < MAX_NAME_BYTES && text[length] == '\0';
}

/* http:// or https://, a host, and nothing that no address has; "{repo}" of a template may be there. */
static bool is_url(const char *text, size_t length)
{
	size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 :
	                strncmp(text, "http://", 7) == 0  ? 7 :
	                                                    0;

	if (scheme == 0 || length <= scheme || length >= MAX_URL_BYTES / 2 || text[scheme] == '/')
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("\"\\<>`#", text[i]) != NULL)
			return false;
	return true;
}

static bool are_urls(const char *text)
{
	const char *at = NULL, *url;
	size_t length, count = 0;

	while ((url = list_next(text, ',', &at, &length)) != NULL)
		if (!is_url(url, length) || ++count > MAX_ENDPOINTS)
			return false;
	return true;
}

/* NULL: taken; otherwise what the key takes, to be put after "takes". */
static const char *read_value(const struct key *key, const char *text, uint64_t *number)
{
	size_t length = strlen(text), count;
	uint16_t ports[MAX_EGRESS_PORTS];
	char sentence[64];
	struct text why = TEXT_OVER(sentence);
	bool truth;
	int index;

	switch (key->type) {
	case TYPE_BOOL:
		if (!scan_bool(text, length, &truth))
			return "yes or no";
		*number = truth;
		return NULL;
	case TYPE_ENUM:
		index = enum_index(key->argument, text, length);
		if (index < 0)
			return key->argument;
		*number = (uint64_t)index;
		return NULL;
	case TYPE_SIZE:
		return scan_size(text, length, number) && in_range(key, *number) ?
		               NULL :
		               "a size such as 80M, 4G or 512KiB";
	case TYPE_DURATION:
		return scan_duration(text, length, number) && in_range(key, *number) ?
		               NULL :
		               "a duration such as 250ms, 30s or 5m";
	case TYPE_COUNT:
		return scan_u64(text, length, number) && in_range(key, *number) ? NULL :
		                                                                  "a whole number";
	case TYPE_MODE:
		return scan_octal(text, length, number) && *number <= 07777 ?
		               NULL :
		               "permission bits in octal, such as 0022";
	case TYPE_PATH:
		return length < MAX_PATH_BYTES ? NULL : "a path of less than 4096 bytes";
	case TYPE_VARIABLE:
		return is_variable_name(text) ? NULL :
		                                "the name of a variable: letters, digits and '_'";
	case TYPE_REPO:
		return repo_id_fault(text) == NULL ? NULL : "a repository id such as org/name";
	case TYPE_REVISION:
		return revision_fault(text) == NULL ?
		               NULL :
		               "a commit of 40 hexadecimal digits, a branch or a tag";
	case TYPE_URL:
		return is_url(text, length) ? NULL :
		                              "an address that begins with https:// (or http://)";
	case TYPE_URLS:
		return are_urls(text) ? NULL :
		                        "up to 8 addresses that begin with https:// (or http://)";
	case TYPE_CAPABILITIES:
		return strcmp(text, "keep") == 0 || capabilities_parse(text, number, &why) ?
		               NULL :
		               "none, keep, or names such as net_bind_service";
	case TYPE_EGRESS:
		return egress_parse(text, number, ports, &count) ?
		               NULL :
		               "allow, deny, or up to 64 TCP ports such as 443, 8080";
	case TYPE_TEXT:
	case TYPE_LIST:
	case TYPE_USER:
		return NULL;
	}
	return NULL;
}

void policy_store(struct policy *policy, struct setting *setting, const struct key *key,
                  const char *text, unsigned line, enum policy_source source)
{
	uint64_t number = 0;
	const char *takes = read_value(key, text, &number);
	const char *fault = key->type == TYPE_REPO ? repo_id_fault(text) : NULL;

	if (fault != NULL)
		policy_error(policy, RAISED_POLICY_VALUE, source, line,
		             "write the id as the hub spells it: org/name",
		             "repository id '%.200s' %s", text, fault);
	else if (takes != NULL && (key->type == TYPE_URL || key->type == TYPE_URLS))
		policy_error(policy, RAISED_POLICY_VALUE, source, line, NULL, "%s: takes %s",
		             key->name, takes); /* without the value: it may hold a password */
	else if (takes != NULL && strstr(key->argument, "..") != NULL)
		policy_error(policy, RAISED_POLICY_VALUE, source, line, NULL,
		             "%s = %.200s: takes %s, within %s", key->name, text, takes,
		             key->argument);
	else if (takes != NULL)
		policy_error(policy, RAISED_POLICY_VALUE, source, line, NULL,
		             "%s = %.200s: takes %s", key->name, text, takes);
	setting->text = arena_copy(policy->arena, text, strlen(text));
	setting->number = number;
	setting->line = line;
	setting->source = (uint16_t)source;
}

const char *suggest(const char *word, const char *(*next)(const void *context, size_t index),
                    const void *context)
{
	const char *near = NULL, *candidate;
	unsigned best = strlen(word) > 4 ? 3 : 2;

	for (size_t i = 0; (candidate = next(context, i)) != NULL; i++) {
		unsigned distance = edit_distance(word, candidate);

		if (distance < best) {
			best = distance;
			near = candidate;
		}
	}
	return near;
}

bool policy_expand(struct policy *policy, const struct environment *environment, const char *value,
                   unsigned line, struct text *out)
{
	while (*value != '\0') {
		const char *name = value + 2, *end, *text;
		size_t length = 0;
		char copy[MAX_NAME_BYTES];

		if (value[0] != '$' || value[1] != '{') {
			text_add_bytes(out, value++, 1);
			continue;
		}
		while (scan_is_name(name[length]))
			length++;
		end = strchr(name, '}');
		if (end == NULL || length == 0 || length >= sizeof(copy) ||
		    (name[length] != '}' && strncmp(name + length, ":-", 2) != 0)) {
			policy_error(policy, RAISED_POLICY_VALUE, SOURCE_POLICY, line,
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
			policy_error(policy, RAISED_POLICY_VALUE, SOURCE_POLICY, line,
			             "set the variable, or write a default: ${NAME:-default}",
			             "${%s} is not set in the environment", copy);
			return false;
		} else {
			text_add(out, text);
		}
		value = end + 1;
	}
	if (out->cut)
		policy_error(policy, RAISED_POLICY_VALUE, SOURCE_POLICY, line, NULL,
		             "the value is longer than %u bytes", MAX_SETTING_BYTES);
	for (size_t i = 0, step; !out->cut && i < out->length; i += step) {
		step = scan_utf8((const unsigned char *)out->at + i, out->length - i);
		if (step == 0 || (unsigned char)out->at[i] < 0x20) {
			policy_error(
			        policy, RAISED_POLICY_VALUE, SOURCE_POLICY, line, NULL,
			        "a variable put a control character or a byte that is not UTF-8 into the value");
			return false;
		}
	}
	return !out->cut;
}
