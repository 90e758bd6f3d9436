/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"

#include <string.h>

#include "base/text.h"
#include "base/words.h"
#include "formats/formats.h"

#define WORDS(name) .words = name##_words, .most = UINT64_MAX
#define RANGE(from, to) .least = (from), .most = (to)
#define ANY .most = UINT64_MAX

/* Where a section's fields are. */
#define OWNER_POLICY struct policy
#define OWNER_ENVIRONMENT struct policy
#define OWNER_FETCH struct policy
#define OWNER_CONFINE struct policy
#define OWNER_SERVICE struct policy
#define OWNER_PATHS struct policy
#define OWNER_MODEL struct model

/* A build without fetch and smoke takes their keys, and says no more of them. */
#ifdef AWEIGH_NO_FETCH
#define HELP_OF(section, id, help)                                                                 \
	((section) == SECTION_FETCH || ((id) >= KEY_READY && (id) <= KEY_FILES_OPENED) ?           \
	         "for the build that fetches" :                                                    \
	         (help))
#else
#define HELP_OF(section, id, help) (help)
#endif

const struct key policy_keys[KEY_COUNT] = {
#define KEY(section_, id, ctype, field, name_, type_, argument, initial_, help_)                   \
	[KEY_##id] = { .section = SECTION_##section_,                                              \
		       .name = (name_),                                                            \
		       .type = TYPE_##type_,                                                       \
		       argument,                                                                   \
		       .initial = (initial_),                                                      \
		       .help = HELP_OF(SECTION_##section_, KEY_##id, help_),                       \
		       .offset = offsetof(OWNER_##section_, field) },
#include "keys.def"
#undef KEY
};

/* A model holds what was said of its own keys alone. */
#define KEY(section, id, ctype, field, name, type, argument, initial, help)                        \
	static_assert((SECTION_##section == SECTION_MODEL) ==                                      \
	                      (KEY_##id >= FIRST_MODEL_KEY && KEY_##id <= LAST_MODEL_KEY),         \
	              "FIRST_MODEL_KEY and LAST_MODEL_KEY are the ends of [model]: " #id);
#include "keys.def"
#undef KEY

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
	[SECTION_ENV_FILE] = "environment file",
	[SECTION_ENV_REQUIRE] = "environment require",
	[SECTION_ENV_FORBID] = "environment forbid",
	[SECTION_ENV_UNSET] = "environment unset",
	[SECTION_PACKAGES] = "packages",
	[SECTION_REPORT] = "report",
};

const struct key *key_find(enum key_section section, const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].section == section && strcmp(policy_keys[i].name, name) == 0)
			return &policy_keys[i];
	return NULL;
}

static void add_formats(struct text *out)
{
	for (size_t i = 0; i < format_count; i++)
		if (formats[i].weights && format_find(formats[i].name, strlen(formats[i].name)) ==
		                                  &formats[i]) /* a name may have several rows */
			text_addf(out, "%s%s", i == 0 ? "" : ", ", formats[i].name);
}

static void add_number(struct text *out, const struct key *key, uint64_t number)
{
	if (key->type == TYPE_SIZE)
		text_add(out, size_text(number).text);
	else if (key->type == TYPE_DURATION && number % 1000 == 0)
		text_addf(out, "%llus", (unsigned long long)number / 1000);
	else
		text_addf(out, "%llu%s", (unsigned long long)number,
		          key->type == TYPE_DURATION ? "ms" : "");
}

void key_expects(const struct key *key, struct text *out)
{
	static const char *const expected[TYPE_COUNT_OF] = {
		[TYPE_PATH] = "a path of less than 4096 bytes, ${HOME}/ for ~/",
		[TYPE_BOOL] = "yes or no",
		[TYPE_SIZE] = "a size such as 80M, 4G or 512KiB",
		[TYPE_DURATION] = "a duration such as 250ms, 30s or 5m",
		[TYPE_COUNT] = "a whole number",
		[TYPE_REQUIRE] = "patterns: commas mean all of, bars one of",
		[TYPE_MODE] = "permission bits in octal, such as 0022",
		[TYPE_USER] = "NAME, UID, NAME:GROUP, UID:GID or unchanged",
		[TYPE_VARIABLE] = "the name of a variable: letters, digits and '_'",
		[TYPE_REVISION] = "a commit of 40 hexadecimal digits, a branch or a tag",
		[TYPE_REPO] = "a repository id such as org/name",
		[TYPE_URL] = "an address that begins with https:// (or http://)",
		[TYPE_URLS] = "up to 8 addresses that begin with https:// (or http://)",
		[TYPE_CAPABILITIES] = "none, keep, or names such as net_bind_service",
		[TYPE_PORTS] = "up to 8 TCP ports such as 9000",
		[TYPE_EGRESS] = "allow, deny, or up to 64 TCP ports such as 443, 8080",
	};

	if (key->type == TYPE_FORMATS)
		add_formats(out);
	if (key->words != NULL)
		words_add(out, words_of, key->words);
	if (expected[key->type] != NULL)
		text_add(out, expected[key->type]);
	if (key->most < UINT64_MAX && key->words == NULL) {
		text_add(out, ", from ");
		add_number(out, key, key->least);
		text_add(out, " to ");
		add_number(out, key, key->most);
	}
}
