/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/variables.h"

#include <string.h>

#include "base/scan.h"
#include "base/words.h"
#include "util.h"

const struct library_variable library_variables[] = {
	{ "HF_HOME", VARIABLE_LOCATION, NULL },
	{ "HF_HUB_CACHE", VARIABLE_LOCATION, NULL },
	{ "HUGGINGFACE_HUB_CACHE", VARIABLE_OLD, "HF_HUB_CACHE" },
	{ "HF_ASSETS_CACHE", VARIABLE_LOCATION, NULL },
	{ "HUGGINGFACE_ASSETS_CACHE", VARIABLE_OLD, "HF_ASSETS_CACHE" },
	{ "HF_XET_CACHE", VARIABLE_LOCATION, NULL },
	{ "HF_TOKEN_PATH", VARIABLE_LOCATION, NULL },
	{ "HF_DATASETS_CACHE", VARIABLE_LOCATION, NULL },
	{ "HF_DATASETS_DOWNLOADED_DATASETS_PATH", VARIABLE_LOCATION, NULL },
	{ "HF_DATASETS_EXTRACTED_DATASETS_PATH", VARIABLE_LOCATION, NULL },
	{ "HF_MODULES_CACHE", VARIABLE_LOCATION, NULL },
	{ "XDG_CACHE_HOME", VARIABLE_LOCATION, NULL },
	{ "TRANSFORMERS_CACHE", VARIABLE_OLD, "HF_HUB_CACHE" },
	{ "PYTORCH_TRANSFORMERS_CACHE", VARIABLE_OLD, "HF_HUB_CACHE" },
	{ "PYTORCH_PRETRAINED_BERT_CACHE", VARIABLE_OLD, "HF_HUB_CACHE" },
	{ "SENTENCE_TRANSFORMERS_HOME", VARIABLE_LOCATION, NULL },
	{ "DIFFUSERS_CACHE", VARIABLE_OLD, "HF_HUB_CACHE" },
	{ "HF_HUB_OFFLINE", VARIABLE_OFFLINE, NULL },
	{ "TRANSFORMERS_OFFLINE", VARIABLE_OFFLINE, NULL },
	{ "HF_DATASETS_OFFLINE", VARIABLE_OFFLINE, NULL },
	{ "HF_EVALUATE_OFFLINE", VARIABLE_OFFLINE, NULL },
	{ "HF_UPDATE_DOWNLOAD_COUNTS", VARIABLE_BOOL, NULL },
	{ "HF_ENDPOINT", VARIABLE_OTHER, NULL },
	{ "HF_INFERENCE_ENDPOINT", VARIABLE_OTHER, NULL },
	{ "HUGGINGFACE_CO_RESOLVE_ENDPOINT", VARIABLE_OLD, "HF_ENDPOINT" },
	{ "HUGGINGFACE_CO_STAGING", VARIABLE_BOOL, NULL },
	{ "HF_TOKEN", VARIABLE_SECRET, NULL },
	{ "HUGGING_FACE_HUB_TOKEN", VARIABLE_SECRET, "HF_TOKEN" },
	{ "HF_API_TOKEN", VARIABLE_SECRET,
	  NULL }, /* text-embeddings-inference router/src/main.rs */
	{ "HF_OIDC_RESOURCE", VARIABLE_OTHER, NULL },
	{ "HF_OIDC_ID_TOKEN", VARIABLE_SECRET, NULL },
	{ "HF_HUB_DISABLE_IMPLICIT_TOKEN", VARIABLE_BOOL, NULL },
	{ "HF_HUB_ETAG_TIMEOUT", VARIABLE_INTEGER, NULL },
	{ "HF_HUB_DOWNLOAD_TIMEOUT", VARIABLE_INTEGER, NULL },
	{ "HF_HUB_DISABLE_PROGRESS_BARS", VARIABLE_BOOL, NULL },
	{ "HF_HUB_VERBOSITY", VARIABLE_OTHER, NULL },
	{ "HF_DEVICE_CODE_OAUTH_CLIENT_ID", VARIABLE_OTHER, NULL },
	{ "HF_DEBUG", VARIABLE_BOOL, NULL },
	{ "HF_HUB_DISABLE_TELEMETRY", VARIABLE_BOOL, NULL },
	{ "DISABLE_TELEMETRY", VARIABLE_BOOL, NULL },
	{ "DO_NOT_TRACK", VARIABLE_BOOL, NULL },
	{ "HF_HUB_DISABLE_UPDATE_CHECK", VARIABLE_BOOL, NULL },
	{ "HF_HUB_DISABLE_SHARED_BLOBS", VARIABLE_BOOL, NULL },
	{ "HF_HUB_DISABLE_SYMLINKS", VARIABLE_BOOL, NULL },
	{ "HF_HUB_DISABLE_SYMLINKS_WARNING", VARIABLE_BOOL, NULL },
	{ "HF_HUB_DISABLE_EXPERIMENTAL_WARNING", VARIABLE_BOOL, NULL },
	{ "HF_HUB_DISABLE_XET", VARIABLE_BOOL, NULL },
	{ "HF_XET_HIGH_PERFORMANCE", VARIABLE_BOOL, NULL },
	{ "HF_HUB_USER_AGENT_ORIGIN", VARIABLE_OTHER, NULL },
	{ "HF_HUB_ENABLE_HF_TRANSFER", VARIABLE_OLD, "HF_XET_HIGH_PERFORMANCE" },
	{ "HF_HUB_LOCAL_DIR_AUTO_SYMLINK_THRESHOLD", VARIABLE_OTHER, NULL },
	{ "HF_DATASETS_IN_MEMORY_MAX_SIZE", VARIABLE_OTHER, NULL },
	{ "HF_DATASETS_TRUST_REMOTE_CODE", VARIABLE_OTHER, NULL },
	{ "HF_ALLOW_CODE_EVAL", VARIABLE_OTHER, NULL },
	{ "TRANSFORMERS_VERBOSITY", VARIABLE_OTHER, NULL },
	{ "TRANSFORMERS_NO_ADVISORY_WARNINGS", VARIABLE_OTHER, NULL },
	/* Spellings that nothing reads. */
	{ "HF_OFFLINE", VARIABLE_DEAD, "HF_HUB_OFFLINE" },
	{ "HUGGINGFACE_OFFLINE", VARIABLE_DEAD, "HF_HUB_OFFLINE" },
	{ "HUGGINGFACE_HUB_OFFLINE", VARIABLE_DEAD, "HF_HUB_OFFLINE" },
	{ "HF_HUB_OFFLINE_MODE", VARIABLE_DEAD, "HF_HUB_OFFLINE" },
	{ "HUB_OFFLINE", VARIABLE_DEAD, "HF_HUB_OFFLINE" },
	{ "CI_OFFLINE_MODE", VARIABLE_DEAD, "HF_HUB_OFFLINE" },
	{ "TRANSFORMER_OFFLINE", VARIABLE_DEAD, "TRANSFORMERS_OFFLINE" },
	{ "HF_TRANSFORMERS_OFFLINE", VARIABLE_DEAD, "TRANSFORMERS_OFFLINE" },
	{ "DATASETS_OFFLINE", VARIABLE_DEAD, "HF_DATASETS_OFFLINE" },
	{ "HF_CACHE", VARIABLE_DEAD, "HF_HUB_CACHE" },
	{ "HF_CACHE_DIR", VARIABLE_DEAD, "HF_HUB_CACHE" },
	{ "HF_CACHE_HOME", VARIABLE_DEAD, "HF_HOME" },
	{ "HUGGINGFACE_HOME", VARIABLE_DEAD, "HF_HOME" },
	{ "HUGGINGFACE_CACHE", VARIABLE_DEAD, "HF_HUB_CACHE" },
	{ "HF_HUB_HOME", VARIABLE_DEAD, "HF_HOME" },
	{ "HF_MODEL_CACHE", VARIABLE_DEAD, "HF_HUB_CACHE" },
	{ "HF_MODELS_CACHE", VARIABLE_DEAD, "HF_HUB_CACHE" },
	{ "HUGGINGFACE_TOKEN", VARIABLE_DEAD, "HF_TOKEN" },
	{ "HUGGINGFACE_HUB_TOKEN", VARIABLE_DEAD, "HF_TOKEN" },
	{ "HF_API_KEY", VARIABLE_DEAD, "HF_TOKEN" },
	{ "HF_ACCESS_TOKEN", VARIABLE_DEAD, "HF_TOKEN" },
};
const size_t library_variable_count = LENGTH_OF(library_variables);

const struct library_variable *library_variable(const char *name, size_t length)
{
	for (size_t i = 0; i < library_variable_count; i++)
		if (strlen(library_variables[i].name) == length &&
		    memcmp(library_variables[i].name, name, length) == 0)
			return &library_variables[i];
	return NULL;
}

/* One of the words between underscores. */
static bool has_component(const char *name, const char *const *words, size_t count)
{
	for (size_t length; *name != '\0'; name += length + (name[length] == '_')) {
		length = strcspn(name, "_");
		for (size_t i = 0; i < count; i++)
			if (strlen(words[i]) == length &&
			    text_equals_any_case(name, length, words[i]))
				return true;
	}
	return false;
}

bool variable_is_secret(const char *name)
{
	static const char *const words[] = { "TOKEN",      "SECRET", "PASSWORD",   "PASSWD",
		                             "PASSPHRASE", "APIKEY", "CREDENTIAL", "MYSQL_PWD" };
	static const char *const components[] = { "KEY",    "PAT", "AUTH", "CREDS",
		                                  "PASS",   "PSK", "SALT", "COOKIE",
		                                  "BEARER", "DSN", "JWT",  "SAS" };
	const struct library_variable *variable = library_variable(name, strlen(name));

	if (variable != NULL && variable->role != VARIABLE_DEAD)
		return variable->role == VARIABLE_SECRET;
	for (size_t i = 0; i < LENGTH_OF(words); i++)
		if (strcasestr(name, words[i]) != NULL)
			return true;
	return has_component(name, components, LENGTH_OF(components));
}

void address_show(const char *address, struct text *out)
{
	const char *scheme = strstr(address, "://"), *host = scheme == NULL ? address : scheme + 3,
	           *query = scheme == NULL ? NULL : strchr(host, '?'), *at = NULL;
	size_t length = query == NULL ? strlen(address) : (size_t)(query - address);

	/* The last of them, as urllib3 splits; without a scheme a proxy may be USER:PASSWORD@HOST. */
	for (const char *in = host; in < address + length; in++)
		if (*in == '@')
			at = in;
	if (at != NULL && scheme == NULL && memchr(host, ':', (size_t)(at - host)) == NULL)
		at = NULL;
	if (at != NULL) {
		text_add_bytes(out, address, (size_t)(host - address));
		text_add(out, "(not shown)");
		length -= (size_t)(at - address);
		address = at;
	}
	text_add_bytes(out, address, length);
	if (query != NULL) /* ?sig=, ?token=: an address may be its own key */
		text_add(out, "?(not shown)");
}

void variable_show(const char *name, const char *value, struct text *out)
{
	/* Server=x;Password=y; is a database's address by whatever name. */
	if (variable_is_secret(name) || strcasestr(value, "password=") != NULL)
		text_add(out, "(not shown)");
	else
		address_show(value, out);
}

const char *const offline_variables[OFFLINE_VARIABLES] = { "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
	                                                   "HF_DATASETS_OFFLINE" };

/* In the place of those that no library reads any more the first once again. */
static const char *next_variable(const void *context, size_t index)
{
	bool dead =
	        index < library_variable_count && library_variables[index].role == VARIABLE_DEAD;

	(void)context;
	return index >= library_variable_count ? NULL : library_variables[dead ? 0 : index].name;
}

const char *library_nearest(const char *name)
{
	return words_within(name, 2, next_variable, NULL);
}

bool library_is_true(const char *value)
{
	static const char *const words[] = { "1", "ON", "YES", "TRUE" };

	for (size_t i = 0; value != NULL && i < LENGTH_OF(words); i++)
		if (text_equals_any_case(value, strlen(value), words[i]))
			return true;
	return false;
}

bool library_is_offline(const struct environment *environment, const char **decided_by)
{
	const char *hub = environment_get(environment, "HF_HUB_OFFLINE");

	*decided_by = "HF_HUB_OFFLINE";
	if (hub == NULL || hub[0] == '\0') { /* Python's `or`: an empty text is false */
		const char *transformers = environment_get(environment, "TRANSFORMERS_OFFLINE");

		if (transformers != NULL)
			*decided_by = "TRANSFORMERS_OFFLINE";
		hub = transformers;
	}
	return library_is_true(hub);
}

bool datasets_is_offline(const struct environment *environment)
{
	const char *value = environment_get(environment, "HF_DATASETS_OFFLINE");
	const char *decided_by;

	return value != NULL ? library_is_true(value) :
	                       library_is_offline(environment, &decided_by);
}

/* os.path.expandvars: $NAME and ${NAME}; an unknown name stays as it is. */
static void expand_variables(struct text *out, const struct environment *environment,
                             const char *value)
{
	while (*value != '\0') {
		bool braces = value[0] == '$' && value[1] == '{';
		const char *name = value + 1 + braces;
		size_t length = 0;
		char copy[MAX_NAME_BYTES];
		const char *found;

		if (*value != '$') {
			text_add_bytes(out, value++, 1);
			continue;
		}
		while (scan_is_name(name[length]))
			length++;
		if (length == 0 || length >= sizeof(copy) || (braces && name[length] != '}')) {
			text_add_bytes(out, value++, 1);
			continue;
		}
		memcpy(copy, name, length);
		copy[length] = '\0';
		found = environment_get(environment, copy);
		if (found != NULL)
			text_add(out, found);
		else
			text_add_bytes(out, value, (size_t)(name + length + braces - value));
		value = name + length + braces;
	}
}

/* os.path.expandvars(os.path.expanduser(value)), which is done once more to what is made of it: see library_hub_cache(). */
static enum location_error expand(const struct environment *environment, const char *passwd_home,
                                  const char *value, struct text *out)
{
	char from_home[MAX_PATH_BYTES];
	struct text whole = TEXT_OVER(from_home);

	if (value[0] == '~' && (value[1] == '/' || value[1] == '\0')) {
		const char *home = environment_get(environment, "HOME");

		if (home == NULL)
			home = passwd_home != NULL && passwd_home[0] != '\0' ? passwd_home : NULL;
		if (home == NULL)
			return LOCATION_NO_HOME;
		/* posixpath.expanduser: without slashes at its end, and what is empty is the root. */
		text_add(&whole, home);
		while (whole.length > 0 && from_home[whole.length - 1] == '/')
			text_shorten(&whole, whole.length - 1);
		text_add(&whole, value + 1);
		value = whole.length == 0 ? "/" : from_home;
	}
	expand_variables(out, environment, value);
	return out->cut || whole.cut ? LOCATION_LONG : LOCATION_OK;
}

static enum location_error absolute(const char *directory, const char *path, char *out, size_t size)
{
	return path_join(out, size, path[0] == '/' ? "/" : directory, path) ? LOCATION_OK :
	                                                                      LOCATION_LONG;
}

enum location_error library_location(const struct environment *environment, const char *passwd_home,
                                     const char *working_directory, const char *value, char *out,
                                     size_t size)
{
	char expanded[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(expanded);
	enum location_error error;

	if (value[0] == '\0')
		return LOCATION_EMPTY;
	error = expand(environment, passwd_home, value, &text);
	return error != LOCATION_OK ? error : absolute(working_directory, expanded, out, size);
}

/* os.path.join(): a slash between them, unless there is one or nothing before it. */
static void join(struct text *out, const char *parent, const char *name)
{
	size_t length = strlen(parent);

	text_addf(out, "%s%s%s", parent, length > 0 && parent[length - 1] != '/' ? "/" : "", name);
}

/* constants.HF_HOME as it stands there: it may be relative, and hold what looks like a variable. */
static enum location_error hf_home(const struct environment *environment, const char *passwd_home,
                                   struct text *out, const char **origin)
{
	char joined[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(joined);
	const char *value = environment_get(environment, *origin = "HF_HOME");

	if (value == NULL &&
	    (value = environment_get(environment, *origin = "XDG_CACHE_HOME")) != NULL &&
	    value[0] != '\0') {
		join(&text, value, "huggingface");
		value = joined;
	} else if (value == NULL) {
		*origin = environment_get(environment, "HOME") != NULL ? "HOME" : "/etc/passwd";
		value = "~/.cache/huggingface";
	}
	if (value[0] == '\0')
		return LOCATION_EMPTY;
	return text.cut ? LOCATION_LONG : expand(environment, passwd_home, value, out);
}

enum location_error library_hf_home(const struct environment *environment, const char *passwd_home,
                                    const char *working_directory, char *out, size_t size,
                                    const char **origin)
{
	char home[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(home);
	enum location_error error = hf_home(environment, passwd_home, &text, origin);

	return error != LOCATION_OK ? error : absolute(working_directory, home, out, size);
}

/* constants.py expands HF_HOME, and then HF_HUB_CACHE, whose default is made of it. */
enum location_error library_hub_cache(const struct environment *environment,
                                      const char *passwd_home, const char *working_directory,
                                      char *out, size_t size, const char **origin)
{
	static const char *const direct[] = { "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE" };
	char home[MAX_PATH_BYTES], joined[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(home), below = TEXT_OVER(joined);
	enum location_error error;

	for (size_t i = 0; i < LENGTH_OF(direct); i++) {
		const char *value = environment_get(environment, *origin = direct[i]);

		if (value != NULL)
			return library_location(environment, passwd_home, working_directory, value,
			                        out, size);
	}
	error = hf_home(environment, passwd_home, &text, origin);
	if (error != LOCATION_OK)
		return error;
	join(&below, home, "hub");
	return below.cut ? LOCATION_LONG :
	                   library_location(environment, passwd_home, working_directory, joined,
	                                    out, size);
}
