/* SPDX-License-Identifier: Apache-2.0 */
/* Hub tokens where they need not be: in the environment of an offline service, and in files of the image. */
#include <string.h>

#include "engine/inspection.h"
#include "hub/variables.h"
#include "system/mounts.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { SECRET, TOKEN_VALUE, TOKEN_FILE, TOKEN_OPEN };
static const struct finding_kind kinds[] = {
	[SECRET] = { "env.secret", SEVERITY_WARNING, STATUS_ENVIRONMENT,
	             "the service gets a hub token that an offline service does not need",
	             "take the token out of the deployment, or name it in [environment unset]" },
	[TOKEN_VALUE] = { "env.token-value", SEVERITY_WARNING, STATUS_ENVIRONMENT,
	                  "a hub token is empty, has blanks in it, or contradicts another",
	                  "give the service one token, without blanks or newline" },
	[TOKEN_FILE] = { "secret.file", SEVERITY_WARNING, STATUS_PERMISSION,
	                 "a file with a hub token lies where images are built from",
	                 "take the file out of the image; mount it as a secret where it is needed" },
	[TOKEN_OPEN] = { "secret.readable", SEVERITY_ERROR, STATUS_PERMISSION,
	                 "a file with a hub token can be read by its group or by everyone",
	                 "chmod 0600 the file, or take it away" },
};

static void check_environment(struct look *look)
{
	const char *first = environment_get(look->env, "HF_TOKEN"),
	           *second = environment_get(look->env, "HUGGING_FACE_HUB_TOKEN");

	for (size_t i = 0; i < library_variable_count; i++) {
		const struct library_variable *variable = &library_variables[i];
		const char *value = environment_get(look->env, variable->name);

		if (variable->role != VARIABLE_SECRET || value == NULL)
			continue;
		if (look->mode == MODE_OFFLINE && value[0] != '\0')
			look_report(
			        look, &kinds[SECRET], (struct report_at){ .path = variable->name },
			        "%s is set, though the service is offline: anyone who reads its environment has the token",
			        variable->name);
		if (value[strcspn(value, " \t\r\n\"'")] != '\0' ||
		    (value[0] == '\0' && look->mode != MODE_OFFLINE))
			look_report(look, &kinds[TOKEN_VALUE],
			            (struct report_at){ .path = variable->name }, "%s %s",
			            variable->name,
			            value[0] == '\0' ? "is set but empty" :
			                               "has blanks, quotes or a newline in it");
	}
	if (first != NULL && second != NULL && first[0] != '\0' && strcmp(first, second) != 0)
		look_report(look, &kinds[TOKEN_VALUE],
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

static bool names_the_hub(const struct look *look, const char *path)
{
	CLEANUP(cleanup_free) char *text = NULL;
	size_t length;

	return tree_read(look->tree, path, MAX_PASSWD_BYTES, &text, &length) == 0 &&
	       strstr(text, "huggingface.co") != NULL;
}

static void check_file(struct look *look, const char *path, bool only_hub)
{
	struct stat st;

	if (tree_stat(look->tree, path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return;
	if (only_hub && !names_the_hub(look, path))
		return;
	if ((st.st_mode & 077) != 0 && !is_secret_mount(path))
		look_report(look, &kinds[TOKEN_OPEN], (struct report_at){ .path = path },
		            "holds a token and has mode %04o: others can read it",
		            (unsigned)(st.st_mode & 07777));
	else if (!is_secret_mount(path))
		look_report(look, &kinds[TOKEN_FILE], (struct report_at){ .path = path },
		            "holds a token, and whoever has the image has the file");
}

static void check(struct look *look)
{
	static const char *const in_hf_home[] = { "token", "stored_tokens" };
	static const char *const in_home[] = { ".huggingface/token", ".netrc", ".git-credentials" };
	const char *home = environment_get(look->env, "HOME"), *origin,
	           *named = environment_get(look->env, "HF_TOKEN_PATH");
	char hf_home[MAX_PATH_BYTES], path[MAX_PATH_BYTES];

	check_environment(look);
	if (named != NULL && named[0] == '/')
		check_file(look, named, false);
	if (library_hf_home(look->env, look->who->home, look->working_directory, hf_home,
	                    sizeof(hf_home), &origin) == LOCATION_OK)
		for (size_t i = 0; i < LENGTH_OF(in_hf_home); i++)
			if (path_join(path, sizeof(path), hf_home, in_hf_home[i]) &&
			    (named == NULL || strcmp(named, path) != 0))
				check_file(look, path, false);
	for (size_t i = 0; home != NULL && home[0] == '/' && i < LENGTH_OF(in_home); i++)
		if (path_join(path, sizeof(path), home, in_home[i]))
			check_file(look, path, i > 0);
}

const struct check check_env_secret = { "env_secret", SCOPE_RUN,        LEVEL_PRESENCE,
	                                kinds,        LENGTH_OF(kinds), check };
