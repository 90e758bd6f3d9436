/* SPDX-License-Identifier: Apache-2.0 */
/* Hub tokens where they need not be: in the environment of an offline service, and in files of the image. */
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "hub/variables.h"
#include "system/mounts.h"
#include "util.h"

/* Where it comes from a file of the policy's, unsetting it changes nothing. */
static const char *fix_of(const struct inspection *inspection, const char *name)
{
	for (size_t i = 0; i < inspection->policy->env_file_count; i++)
		if (strcmp(inspection->policy->env_file[i].name, name) == 0)
			return "take it out of [environment file]";
	return NULL;
}

static void check_environment(struct inspection *inspection)
{
	const char *first = environment_get(inspection->env, "HF_TOKEN"),
	           *second = environment_get(inspection->env, "HUGGING_FACE_HUB_TOKEN");

	for (size_t i = 0; i < library_variable_count; i++) {
		const struct library_variable *variable = &library_variables[i];
		const char *value = environment_get(inspection->env, variable->name);

		if (variable->role != VARIABLE_SECRET || value == NULL)
			continue;
		/* In auto the service is offline too: nothing starts before all is aboard. */
		if (inspection->mode != MODE_ONLINE && value[0] != '\0')
			inspection_report(
			        inspection, FINDING_ENV_SECRET,
			        (struct report_at){ .path = variable->name,
			                            .fix = fix_of(inspection, variable->name) },
			        "%s is set, though the service is offline: anyone who reads its environment has the token",
			        variable->name);
		if (value[strcspn(value, " \t\r\n\"'")] != '\0' ||
		    (value[0] == '\0' && inspection->mode != MODE_OFFLINE))
			inspection_report(inspection, FINDING_ENV_TOKEN_VALUE,
			                  (struct report_at){ .path = variable->name }, "%s %s",
			                  variable->name,
			                  value[0] == '\0' ?
			                          "is set but empty" :
			                          "has blanks, quotes or a newline in it");
	}
	if (first != NULL && second != NULL && first[0] != '\0' && strcmp(first, second) != 0)
		inspection_report(inspection, FINDING_ENV_TOKEN_VALUE,
		                  (struct report_at){ .path = "HUGGING_FACE_HUB_TOKEN" },
		                  "HF_TOKEN and HUGGING_FACE_HUB_TOKEN differ; HF_TOKEN wins");
}

/* On a tmpfs a token was put there by the platform, as it should be. */
static bool is_secret_mount(const char *path)
{
	CLEANUP(cleanup_free) char *mounts = NULL;
	struct mount mount;
	size_t length;

	return mounts_read(&mounts, &length) == 0 && mount_of(mounts, length, path, &mount) &&
	       (strcmp(mount.type, "tmpfs") == 0 || strcmp(mount.type, "ramfs") == 0);
}

static bool names_the_hub(const struct inspection *inspection, const char *path)
{
	CLEANUP(cleanup_free) char *text = NULL;
	size_t length;

	return tree_read(inspection->tree, path, MAX_PASSWD_BYTES, &text, &length) == 0 &&
	       strstr(text, "huggingface.co") != NULL;
}

static void check_file(struct inspection *inspection, const char *path, bool only_hub)
{
	struct stat st;

	if (tree_stat(inspection->tree, path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return;
	if (only_hub && !names_the_hub(inspection, path))
		return;
	if ((st.st_mode & 077) != 0 && !is_secret_mount(path))
		inspection_report(inspection, FINDING_SECRET_READABLE,
		                  (struct report_at){ .path = path },
		                  "holds a token and has mode %04o: others can read it",
		                  (unsigned)(st.st_mode & 07777));
	else if (!is_secret_mount(path))
		inspection_report(inspection, FINDING_SECRET_FILE,
		                  (struct report_at){ .path = path },
		                  "holds a token, and whoever has the image has the file");
}

void check_env_secret(struct inspection *inspection)
{
	static const char *const in_hf_home[] = { "token", "stored_tokens" };
	static const char *const in_home[] = { ".huggingface/token", ".netrc", ".git-credentials" };
	const char *home = environment_get(inspection->env, "HOME"), *origin,
	           *named = environment_get(inspection->env, "HF_TOKEN_PATH");
	char hf_home[MAX_PATH_BYTES], path[MAX_PATH_BYTES];

	check_environment(inspection);
	if (named != NULL && named[0] == '/')
		check_file(inspection, named, false);
	if (library_hf_home(inspection->env, inspection->who->home, inspection->working_directory,
	                    hf_home, sizeof(hf_home), &origin) == LOCATION_OK)
		for (size_t i = 0; i < LENGTH_OF(in_hf_home); i++)
			if (path_join(path, sizeof(path), hf_home, in_hf_home[i]) &&
			    (named == NULL || strcmp(named, path) != 0))
				check_file(inspection, path, false);
	for (size_t i = 0; home != NULL && home[0] == '/' && i < LENGTH_OF(in_home); i++)
		if (path_join(path, sizeof(path), home, in_home[i]))
			check_file(inspection, path, i > 0);
}
