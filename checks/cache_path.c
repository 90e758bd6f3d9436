/* SPDX-License-Identifier: Apache-2.0 */
/* Whether policy and libraries mean the same cache, and whether the directory they derive it from can serve. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "engine/locate.h"
#include "hub/variables.h"
#include "system/mounts.h"
#include "util.h"

/* llama.cpp keeps what -hf names in the hub's layout beneath LLAMA_CACHE (common/hf-cache.cpp). */
static bool is_llama_cache(const struct inspection *inspection, const char *path)
{
	const char *value = environment_get(inspection->env, "LLAMA_CACHE");
	char cache[MAX_PATH_BYTES];

	if (value == NULL || value[0] == '\0' ||
	    !path_join(cache, sizeof(cache), value[0] == '/' ? "/" : inspection->working_directory,
	               value))
		return false;
	path_squeeze(cache);
	return strcmp(cache, path) == 0;
}

/* One directory by two names, of which one may be a link. */
static bool is_same(const struct inspection *inspection, const char *a, const char *b)
{
	struct stat one, other;

	return tree_stat(inspection->tree, a, &one) == 0 &&
	       tree_stat(inspection->tree, b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

static void check_mismatch(struct inspection *inspection)
{
	const struct origin *cache = &inspection->policy->said[KEY_HUB_CACHE];
	char effective[MAX_PATH_BYTES], wanted[MAX_PATH_BYTES], fix[2 * MAX_PATH_BYTES];
	struct text text = TEXT_OVER(fix);
	const char *origin;

	if (cache->text == NULL ||
	    library_hub_cache(inspection->env, inspection->who->home, inspection->working_directory,
	                      effective, sizeof(effective), &origin) != LOCATION_OK ||
	    !path_join(wanted, sizeof(wanted),
	               cache->text[0] == '/' ? "/" : inspection->working_directory, cache->text))
		return;
	path_squeeze(effective);
	path_squeeze(wanted);
	if (strcmp(effective, wanted) == 0 || is_same(inspection, effective, wanted) ||
	    is_llama_cache(inspection, wanted))
		return;
	text_addf(&text, "set HF_HUB_CACHE=%s for the service, or policy.hub_cache = %s", wanted,
	          effective);
	inspection_report(
	        inspection, FINDING_CACHE_PATH_MISMATCH,
	        (struct report_at){ .path = wanted, .said = cache, .fix = fix },
	        "the policy looks in %.900s, the service's libraries will look in %.900s (from %s)",
	        wanted, effective, origin);
}

/* A library that reads its own variable looks elsewhere than huggingface_hub in the same process. */
static void check_disagreement(struct inspection *inspection)
{
	static const struct {
		const char *name, *reader;
	} others[] = {
		{ "TRANSFORMERS_CACHE", "transformers before 5" },
		{ "PYTORCH_TRANSFORMERS_CACHE", "transformers before 5" },
		{ "PYTORCH_PRETRAINED_BERT_CACHE", "transformers before 5" },
		{ "SENTENCE_TRANSFORMERS_HOME", "sentence-transformers" },
		{ "HUGGINGFACE_HUB_CACHE", "older huggingface_hub" },
	};
	char hub[MAX_PATH_BYTES], other[MAX_PATH_BYTES];
	const char *origin;

	if (library_hub_cache(inspection->env, inspection->who->home, inspection->working_directory,
	                      hub, sizeof(hub), &origin) != LOCATION_OK)
		return;
	path_squeeze(hub);
	for (size_t i = 0; i < LENGTH_OF(others); i++) {
		const char *value = environment_get(inspection->env, others[i].name);

		if (value == NULL || value[0] == '\0' || strcmp(origin, others[i].name) == 0 ||
		    library_location(inspection->env, inspection->who->home,
		                     inspection->working_directory, value, other,
		                     sizeof(other)) != LOCATION_OK)
			continue;
		path_squeeze(other);
		if (strcmp(hub, other) != 0)
			inspection_report(
			        inspection, FINDING_CACHE_DISAGREE,
			        (struct report_at){ .path = others[i].name },
			        "%s leads %s to %.512s, while huggingface_hub looks in %.512s (from %s)",
			        others[i].name, others[i].reader, other, hub, origin);
	}
	if (strcmp(origin, "HUGGINGFACE_HUB_CACHE") == 0 &&
	    environment_get(inspection->env, "HF_HOME") != NULL &&
	    library_hf_home(inspection->env, inspection->who->home, inspection->working_directory,
	                    other, sizeof(other), &origin) == LOCATION_OK &&
	    !(path_is_beneath(hub, other) && strcmp(hub + strlen(other), "/hub") == 0))
		inspection_report(
		        inspection, FINDING_CACHE_DISAGREE,
		        (struct report_at){ .path = "HUGGINGFACE_HUB_CACHE" },
		        "HUGGINGFACE_HUB_CACHE overrides HF_HOME: huggingface_hub looks in %.512s, not in %.512s/hub",
		        hub, other);
}

static void check_home(struct inspection *inspection)
{
	const char *home = environment_get(inspection->env, "HOME"), *origin = NULL;
	char hub[MAX_PATH_BYTES];
	enum location_error error;

	if (!any_model_of_the_cache(inspection) || inspection->policy->hub_cache != NULL)
		return;
	error = library_hub_cache(inspection->env, inspection->who->home,
	                          inspection->working_directory, hub, sizeof(hub), &origin);
	if (error == LOCATION_NO_HOME || (error == LOCATION_EMPTY && strcmp(origin, "HOME") == 0))
		inspection_report(
		        inspection, FINDING_CACHE_PATH_MISMATCH,
		        (struct report_at){ .path = "HOME",
		                            .fix = "set HF_HOME to the directory that holds hub/" },
		        "the cache cannot be located: neither HF_HUB_CACHE, HF_HOME nor HOME is set, and uid %u has no entry in /etc/passwd",
		        (unsigned)inspection->who->uid);
	else if (error == LOCATION_OK && strcmp(origin, "HOME") == 0 && strcmp(home, "/") == 0)
		inspection_report(
		        inspection, FINDING_CACHE_HOME, (struct report_at){ .path = "HOME" },
		        "HOME is /, so the cache is %s, which a user without an entry in /etc/passwd can rarely use",
		        hub);
	else if (error == LOCATION_OK && strcmp(origin, "HOME") == 0 &&
	         inspection->who->home[0] != '\0' && strcmp(home, inspection->who->home) != 0)
		inspection_report(
		        inspection, FINDING_CACHE_HOME,
		        (struct report_at){
		                .path = "HOME",
		                .fix = "set HF_HOME, or policy.home = set so that HOME follows the user" },
		        "the cache follows HOME=%.256s, but the home of %s is %.256s", home,
		        inspection->who->name, inspection->who->home);
}

/* Whatever writes to ~/.cache or reads ~/.config fails later, and names neither user nor policy. */
static void check_own_home(struct inspection *inspection)
{
	const char *home = environment_get(inspection->env, "HOME");
	int error;

	if (!inspection->who->change || home == NULL || home[0] != '/')
		return;
	error = tree_access(inspection->tree, home, X_OK);
	if (error == -EACCES)
		inspection_report(inspection, FINDING_ENV_HOME,
		                  (struct report_at){ .path = "HOME" },
		                  "HOME=%.512s is a directory that uid %u may not enter", home,
		                  (unsigned)inspection->who->uid);
	else if (error == -ENOENT || error == -ENOTDIR)
		inspection_report(
		        inspection, FINDING_ENV_HOME,
		        (struct report_at){
		                .path = "HOME",
		                .fix = "set HOME to a directory that the user may write ([environment set])" },
		        "HOME=%.512s is not a directory, so uid %u cannot store anything there",
		        home, (unsigned)inspection->who->uid);
}

/* getpass.getuser(), which torch's caches call, asks these and then the passwd file. */
static void check_name(struct inspection *inspection)
{
	static const char *const names[] = { "LOGNAME", "USER", "LNAME", "USERNAME" };
	bool named = inspection->who->name[0] != '\0';

	for (size_t i = 0; i < LENGTH_OF(names); i++)
		named |= environment_get(inspection->env, names[i]) != NULL &&
		         environment_get(inspection->env, names[i])[0] != '\0';
	if (!named)
		inspection_report(
		        inspection, FINDING_ENV_NAMELESS, (struct report_at){ .path = "USER" },
		        "uid %u has no entry in /etc/passwd, and USER is not set: getpass.getuser() fails in Python",
		        (unsigned)inspection->who->uid);
}

/* transformers copies remote code to HF_MODULES_CACHE before it imports it, offline too. */
static void check_modules(struct inspection *inspection)
{
	const char *named = environment_get(inspection->env, "HF_MODULES_CACHE"), *origin;
	char modules[MAX_PATH_BYTES], home[MAX_PATH_BYTES];
	struct stat st;
	int error;

	if (!any_model_with_code(inspection))
		return;
	if (library_hf_home(inspection->env, inspection->who->home, inspection->working_directory,
	                    home, sizeof(home), &origin) != LOCATION_OK ||
	    !path_join(modules, sizeof(modules), home, "modules"))
		return;
	if (named != NULL && named[0] != '\0' &&
	    !path_join(modules, sizeof(modules),
	               named[0] == '/' ? "/" : inspection->working_directory, named))
		return;
	/* A directory that is not there yet is made in its nearest parent. */
	while (tree_stat(inspection->tree, modules, &st) == -ENOENT &&
	       strrchr(modules, '/') != NULL && strcmp(modules, "/") != 0)
		*(strrchr(modules, '/') == modules ? strrchr(modules, '/') + 1 :
		                                     strrchr(modules, '/')) = '\0';
	error = tree_access(inspection->tree, modules, W_OK | X_OK);
	if (error < 0)
		inspection_report(
		        inspection, FINDING_CACHE_NOT_WRITABLE,
		        (struct report_at){
		                .path = modules,
		                .fix = "set HF_MODULES_CACHE to a writable directory, such as a tmpfs" },
		        "remote code is copied to HF_MODULES_CACHE before it runs, but uid %u cannot write there: %s",
		        (unsigned)inspection->who->uid, strerror(-error));
}

static void check_ephemeral(struct inspection *inspection)
{
	CLEANUP(cleanup_free) char *mounts = NULL;
	struct mount mount;
	size_t length;

	if (inspection->mode == MODE_OFFLINE || inspection->hub_cache == NULL ||
	    inspection->tree->root_fd >= 0 || !any_model_of_the_cache(inspection) ||
	    mounts_read(&mounts, &length) != 0 ||
	    !mount_of(mounts, length, inspection->hub_cache, &mount))
		return;
	if (strcmp(mount.type, "tmpfs") == 0)
		inspection_report(
		        inspection, FINDING_CACHE_EPHEMERAL,
		        (struct report_at){ .path = inspection->hub_cache },
		        "lies on a tmpfs: what is fetched there is lost at a restart and counted as memory");
	else if (strcmp(mount.type, "overlay") == 0)
		inspection_report(
		        inspection, FINDING_CACHE_EPHEMERAL,
		        (struct report_at){ .path = inspection->hub_cache },
		        "lies in the container's own layer: what is fetched there is lost with the container");
}

void check_cache_path(struct inspection *inspection)
{
	if (any_model_of_the_cache(inspection))
		check_mismatch(inspection);
	check_disagreement(inspection);
	check_own_home(inspection);
	check_name(inspection);
	check_home(inspection);
	check_modules(inspection);
	check_ephemeral(inspection);
}
