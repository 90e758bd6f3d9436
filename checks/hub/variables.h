/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment variables of huggingface_hub, transformers, datasets and their relatives, read the
 * way these libraries read them. Source: huggingface_hub constants.py (0.36.2, 1.28.0), datasets
 * config.py (5.0.1), transformers utils/hub.py (4.5x and 5).
 */
#ifndef AWEIGH_LIBRARY_ENV_H
#define AWEIGH_LIBRARY_ENV_H

#include "base/text.h"
#include "bounds.h"
#include "environment.h"

/* True exactly for 1, ON, YES and TRUE in any case; nothing is trimmed (constants.py, _is_true). */
bool library_is_true(const char *value);
/* HF_HUB_OFFLINE, or TRANSFORMERS_OFFLINE where the first is unset or empty; the name that decided. */
bool library_is_offline(const struct environment *environment, const char **decided_by);
/* What aweigh sets for a service that is to stay offline. */
#define OFFLINE_VARIABLES 3u
extern const char *const offline_variables[OFFLINE_VARIABLES];
bool datasets_is_offline(const struct environment *environment);

enum location_error { LOCATION_OK, LOCATION_EMPTY, LOCATION_NO_HOME, LOCATION_LONG };
/*
 * Where huggingface_hub will look for repositories: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
 * XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub. `~` and `$NAME` are expanded, a relative
 * path starts at the working directory. *origin names the variable that decided.
 */
enum location_error library_hub_cache(const struct environment *environment,
                                      const char *passwd_home, const char *working_directory,
                                      char *out, size_t size, const char **origin);
/* The parent: HF_HOME, XDG_CACHE_HOME/huggingface, ~/.cache/huggingface. */
enum location_error library_hf_home(const struct environment *environment, const char *passwd_home,
                                    const char *working_directory, char *out, size_t size,
                                    const char **origin);
/* One variable's value expanded and made absolute. */
enum location_error library_location(const struct environment *environment, const char *passwd_home,
                                     const char *working_directory, const char *value, char *out,
                                     size_t size);

enum variable_role {
	VARIABLE_LOCATION, /* must not be empty */
	VARIABLE_OFFLINE,
	VARIABLE_BOOL,
	VARIABLE_INTEGER, /* Python's int() at import: anything else ends the service there */
	VARIABLE_SECRET,
	VARIABLE_OLD, /* still read by some versions; `instead` is today's name */
	VARIABLE_DEAD, /* read by nothing; `instead` is what was meant */
	VARIABLE_OTHER,
};
struct library_variable {
	const char *name;
	enum variable_role role;
	const char *instead;
};
extern const struct library_variable library_variables[];
extern const size_t library_variable_count;
const struct library_variable *library_variable(const char *name, size_t length);
/* Whether the variable's value must not be printed: a known secret, or a name that says so. */
bool variable_is_secret(const char *name);
/* An address, or a list of which the last has one, without user and password. */
void address_show(const char *address, struct text *out);
/* The value as reports may have it: no secret's, and no user and password of an address. */
void variable_show(const char *name, const char *value, struct text *out);
/* The nearest known living name, or NULL where none is near. */
const char *library_nearest(const char *name);

#endif
