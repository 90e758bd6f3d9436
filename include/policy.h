/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy as it was read: plain data, each setting with the line that it stands on.
 * keys.def is the one list of keys; a setting's typed value is found by its identifier:
 * policy->set[KEY_DEADLINE].number. Strings belong to the policy and die with it.
 */
#ifndef AWEIGH_POLICY_H
#define AWEIGH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"

enum key_section {
	SECTION_POLICY,
	SECTION_MODEL,
	SECTION_ENVIRONMENT,
	SECTION_FETCH,
	SECTION_CONFINE,
	SECTION_SERVICE,
	SECTION_PATHS,
	/* Sections whose keys are the user's own names: */
	SECTION_SEVERITY,
	SECTION_ENV_SET,
	SECTION_ENV_REQUIRE,
	SECTION_ENV_FORBID,
	SECTION_ENV_UNSET,
	SECTION_PACKAGES,
	SECTION_REPORT,
	SECTION_COUNT
};

enum key_type {
	TYPE_TEXT,
	TYPE_PATH,
	TYPE_BOOL,
	TYPE_ENUM,
	TYPE_SIZE,
	TYPE_DURATION,
	TYPE_COUNT,
	TYPE_LIST,
	TYPE_MODE,
	TYPE_USER,
	TYPE_VARIABLE,
	TYPE_REVISION,
	TYPE_REPO,
	TYPE_URL, /* may hold a password: never printed whole */
	TYPE_URLS,
	TYPE_CAPABILITIES,
	TYPE_EGRESS
};
enum key_effect { EFFECT_NOW, EFFECT_LATER };

/* Keys of [model NAME] have identifiers of their own range, so that a model holds only these. */
enum key_id {
#define KEY(section, id, name, type, argument, initial, effect, help) KEY_##id,
#include "keys.def"
#undef KEY
	KEY_COUNT
};
#define FIRST_MODEL_KEY KEY_REPO
#define LAST_MODEL_KEY KEY_HINT
#define MODEL_KEY_COUNT (LAST_MODEL_KEY - FIRST_MODEL_KEY + 1)

struct key {
	enum key_section section;
	const char *name;
	enum key_type type;
	const char *argument;
	const char *initial; /* "" where there is no default */
	enum key_effect effect;
};
extern const struct key policy_keys[KEY_COUNT];
extern const char *const policy_section_names[SECTION_COUNT];

struct setting {
	const char *text; /* NULL: neither set nor has a default */
	uint64_t number; /* bool, enum, size (bytes), duration (ms), count, mode */
	uint32_t line; /* 0: the default */
	uint16_t source; /* enum policy_source */
};

struct model {
	const char *name;
	uint32_t line;
	uint16_t source;
	bool selected; /* by --only and policy.only */
	struct setting set[MODEL_KEY_COUNT];
};
#define MODEL_SET(model, id) ((model)->set[KEY_##id - FIRST_MODEL_KEY])

/* A row of a section with free names, or forward.*, remap.*, free.*, mount.*. */
struct row {
	enum key_section section;
	const char *name;
	const char *text;
	uint64_t
	        number; /* free.PATH: bytes; severity: enum severity; forward, remap: from << 8 | to */
	uint32_t line;
};

enum mode { MODE_OFFLINE, MODE_AUTO, MODE_ONLINE };
enum level { LEVEL_PRESENCE, LEVEL_SIZE, LEVEL_STRUCTURE, LEVEL_DIGEST };
enum offline_rule { OFFLINE_SET, OFFLINE_REQUIRE, OFFLINE_LEAVE };

struct policy_error {
	const struct finding_kind *kind;
	const char *message, *fix;
	uint32_t line;
	uint16_t source;
};

struct arena;
struct policy {
	const char *file[SOURCE_COUNT]; /* as given; NULL: none */
	struct setting set[KEY_COUNT]; /* those of models hold the defaults */
	struct model *models;
	size_t model_count;
	struct row *rows;
	size_t row_count;
	struct policy_error errors[MAX_POLICY_ERRORS];
	size_t error_count; /* may exceed the array: counted all the same */
	struct arena *arena;
};

/* The words of a level and a mode, for messages and reports. */
const char *level_name(unsigned level);
const char *mode_name(unsigned mode);

/*
 * Walks a list: elements between commas, blanks trimmed, empty ones skipped. Starts with *at = NULL;
 * returns the element's start and its length, or NULL at the end.
 */
const char *list_next(const char *list, char separator, const char **at, size_t *length);

#endif
