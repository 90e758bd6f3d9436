/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys, made from keys.def, and the names of the sections. */
#ifndef AWEIGH_KEYS_H
#define AWEIGH_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "policy.h"

enum key_type {
	TYPE_TEXT,
	TYPE_PATH,
	TYPE_BOOL,
	TYPE_ENUM,
	TYPE_SIZE,
	TYPE_DURATION,
	TYPE_COUNT,
	TYPE_LIST,
	TYPE_REQUIRE, /* commas: all of; bars: one of */
	TYPE_FORMATS, /* names of formats/formats.c */
	TYPE_MODE,
	TYPE_USER,
	TYPE_VARIABLE,
	TYPE_REVISION,
	TYPE_REPO,
	TYPE_URL, /* may hold a password: never printed whole */
	TYPE_URLS,
	TYPE_CAPABILITIES,
	TYPE_EGRESS,
	TYPE_PORTS,
	TYPE_COUNT_OF
};

struct key {
	enum key_section section : 8;
	enum key_type type : 8;
	uint32_t offset; /* of the field in struct model, or struct policy */
	const char *name;
	const char *const *words; /* of an enum, by value; NULL: not an enum */
	uint64_t least, most; /* in the type's unit */
	const char *initial; /* "" where there is no default */
	const char *help;
};
extern const struct key policy_keys[KEY_COUNT];
extern const char *const policy_section_names[SECTION_COUNT];

/* The key of that section and name, or NULL. */
const struct key *key_find(enum key_section section, const char *name);
/* What the key takes, as half a sentence: "yes or no", "offline, auto or online". */
struct text;
void key_expects(const struct key *key, struct text *out);

#endif
