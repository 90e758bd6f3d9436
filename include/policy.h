/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy as it was read: plain data. A key is a field, a row of a section with free names an element
 * of a list, each parsed once; what was said, and on which line, stands beside it in said[] and rows[],
 * for `explain` and for findings. keys.def is the one list of keys. Strings belong to the policy and die
 * with it.
 */
#ifndef AWEIGH_POLICY_H
#define AWEIGH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"
#include "names.h"

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
	SECTION_ENV_FILE,
	SECTION_ENV_REQUIRE,
	SECTION_ENV_FORBID,
	SECTION_ENV_UNSET,
	SECTION_PACKAGES,
	SECTION_REPORT,
	SECTION_COUNT
};

/* Keys of [model NAME] have identifiers of their own range, so that a model holds only these. */
enum key_id {
#define KEY(section, id, ctype, field, name, type, argument, initial, help) KEY_##id,
#include "keys.def"
#undef KEY
	KEY_COUNT
};
#define FIRST_MODEL_KEY KEY_REPO
#define LAST_MODEL_KEY KEY_HINT
#define MODEL_KEY_COUNT (LAST_MODEL_KEY - FIRST_MODEL_KEY + 1)

/* What was said, and where. */
struct origin {
	const char *text; /* NULL: neither said nor has a default */
	uint32_t line; /* 0: the default, or the command line */
	uint16_t source; /* enum policy_source */
};

/* Elements between commas, blanks trimmed, empty ones left out. */
struct list {
	const char *const *items;
	size_t count;
};
/* All of these, each by one of its patterns. */
struct requirement {
	const char *text; /* as it was said */
	struct list any;
};
struct requirements {
	const struct requirement *items;
	size_t count;
};
struct capability_set {
	bool named; /* otherwise the service keeps what aweigh has */
	uint64_t mask; /* a bit a capability of linux/capability.h */
};
struct ports {
	uint16_t at[MAX_REDIRECT_PORTS];
	size_t count;
};
struct egress {
	enum { EGRESS_ALLOW, EGRESS_DENY, EGRESS_PORTS } kind;
	uint16_t ports[MAX_EGRESS_PORTS];
	size_t port_count;
};

/* The fields of a section's keys: those of the other sections vanish. */
#define KEY_FIELD_MODEL(ctype, field)
#define KEY_FIELD_POLICY(ctype, field)
#define KEY_FIELD_ENVIRONMENT(ctype, field) KEY_FIELD_POLICY(ctype, field)
#define KEY_FIELD_FETCH(ctype, field) KEY_FIELD_POLICY(ctype, field)
#define KEY_FIELD_CONFINE(ctype, field) KEY_FIELD_POLICY(ctype, field)
#define KEY_FIELD_SERVICE(ctype, field) KEY_FIELD_POLICY(ctype, field)
#define KEY_FIELD_PATHS(ctype, field) KEY_FIELD_POLICY(ctype, field)

struct model {
	const char *name;
	uint32_t line;
	uint16_t source;
	bool selected;
#undef KEY_FIELD_MODEL
#define KEY_FIELD_MODEL(ctype, field) ctype field;
#define KEY(section, id, ctype, field, name, type, argument, initial, help)                        \
	KEY_FIELD_##section(ctype, field)
#include "keys.def"
#undef KEY
#undef KEY_FIELD_MODEL
#define KEY_FIELD_MODEL(ctype, field)
	struct origin said[MODEL_KEY_COUNT];
};
#define MODEL_SAID(model, id) (&(model)->said[KEY_##id - FIRST_MODEL_KEY])

/* Rows of sections with free names, and forward.*, remap.*, free.*, mount.*, by kind: */
struct named_row { /* a variable or distribution and what is wanted of it; a report's format and file */
	const char *name, *value;
	uint32_t line;
};
struct severity_row {
	enum finding_id id;
	enum severity severity;
};
struct free_row {
	const char *path;
	uint64_t bytes;
	uint32_t line;
};
struct mount_row {
	const char *path;
	struct list types; /* patterns of file systems; empty: any */
	const char *text; /* the same as it was said */
	uint32_t line;
};
struct pair_row { /* signals, or exit statuses */
	uint8_t from, to;
	unsigned line;
};
#define POLICY_ROWS(X)                                                                             \
	X(severity_row, severities)                                                                \
	X(named_row, env_set)                                                                      \
	X(named_row, env_file)                                                                     \
	X(named_row, env_require)                                                                  \
	X(named_row, env_forbid)                                                                   \
	X(named_row, env_unset)                                                                    \
	X(named_row, packages)                                                                     \
	X(named_row, reports)                                                                      \
	X(free_row, free)                                                                          \
	X(mount_row, mounts)                                                                       \
	X(pair_row, forwards)                                                                      \
	X(pair_row, remaps)

/* Any row as it was said, in the policy's order. */
struct row {
	enum key_section section;
	const char *name, *text;
	uint32_t line;
};

struct arena;
struct policy {
	const char *file[SOURCE_COUNT]; /* as given; NULL: none */
#undef KEY_FIELD_POLICY
#define KEY_FIELD_POLICY(ctype, field) ctype field;
#define KEY(section, id, ctype, field, name, type, argument, initial, help)                        \
	KEY_FIELD_##section(ctype, field)
#include "keys.def"
#undef KEY
	struct model defaults; /* what a model begins with */
	struct origin said[KEY_COUNT]; /* those of models hold the defaults */
	struct model *models;
	size_t model_count;
#define ROWS_FIELD(type, name)                                                                     \
	struct type *name;                                                                         \
	size_t name##_count;
	POLICY_ROWS(ROWS_FIELD)
#undef ROWS_FIELD
	struct row *rows;
	size_t row_count;
	const char
	        *secrets[MAX_EXPANDED_SECRETS]; /* what variables with secret names put into it */
	size_t secret_count;
	size_t error_count;
	void (*report)(void *context, const struct record *error);
	void *report_context;
	struct arena *arena;
};

#endif
