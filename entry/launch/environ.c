/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/environ.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "hub/variables.h"
#include "util.h"

const char *environ_origin_name(enum environ_origin origin)
{
	static const char *const names[] = {
		"given",  "[environment set]", "offline", "policy.home", "policy.hub_cache",
		"export", "[environment file]"
	};

	return names[origin];
}

static bool names_row(const char *row, const char *name)
{
	size_t length = strlen(name);

	return strncmp(row, name, length) == 0 && row[length] == '=';
}

/* Takes every row of the name away; returns the last one's value. */
static const char *remove_rows(struct service_environ *service, const char *name)
{
	const char *value = NULL;
	size_t to = 0;

	for (size_t i = 0; i < service->count; i++) {
		if (names_row(service->rows[i].row, name))
			value = service->rows[i].row + strlen(name) + 1;
		else
			service->rows[to++] = service->rows[i];
	}
	service->count = to;
	return value;
}

/* The view follows the rows, with room for the NULL at the end. */
static int make_room(struct service_environ *service, size_t wanted)
{
	struct environ_row *rows;
	const char **view;

	if (wanted < service->room)
		return 0;
	rows = realloc(service->rows, (wanted + 16) * sizeof(*rows));
	if (rows == NULL)
		return -ENOMEM;
	service->rows = rows;
	view = realloc(service->view, (wanted + 17) * sizeof(*view));
	if (view == NULL)
		return -ENOMEM;
	service->view = view;
	service->room = wanted + 16;
	return 0;
}

static void update_view(struct service_environ *service)
{
	for (size_t i = 0; i < service->count; i++)
		service->view[i] = service->rows[i].row;
	service->view[service->count] = NULL;
}

int service_environ_set(struct service_environ *service, const char *name, const char *value,
                        enum environ_origin origin)
{
	size_t size = strlen(name) + strlen(value) + 2;
	const char *replaced = remove_rows(service, name);
	struct text text;
	char *row;

	if (make_room(service, service->count + 1) != 0)
		return -ENOMEM;
	row = arena_take(service->arena, size);
	if (row == NULL)
		return -ENOMEM;
	text = text_over(row, size);
	text_addf(&text, "%s=%s", name, value);
	service->rows[service->count++] = (struct environ_row){ row, origin, replaced };
	update_view(service);
	return 0;
}

static int apply_rows(struct service_environ *service, const struct policy *policy)
{
	int error = 0;

	service->unset = calloc(policy->env_unset_count + 1, sizeof(*service->unset));
	if (service->unset == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < policy->env_set_count && error == 0; i++)
		error = service_environ_set(service, policy->env_set[i].name,
		                            policy->env_set[i].value, ORIGIN_SET);
	for (size_t i = 0; i < policy->env_unset_count; i++)
		if (remove_rows(service, policy->env_unset[i].name) != NULL)
			service->unset[service->unset_count++] = policy->env_unset[i].name;
	return error;
}

static int set_home(struct service_environ *service, const struct identity *who)
{
	int error = service_environ_set(service, "HOME", who->home[0] != '\0' ? who->home : "/",
	                                ORIGIN_HOME);

	if (error == 0 && who->name[0] != '\0')
		error = service_environ_set(service, "USER", who->name, ORIGIN_HOME);
	if (error == 0 && who->name[0] != '\0')
		error = service_environ_set(service, "LOGNAME", who->name, ORIGIN_HOME);
	return error;
}

static void find_alias(struct service_environ *service, const struct policy *policy,
                       const struct environment *given)
{
	for (size_t i = 0; i < policy->aliases.count; i++)
		if (library_is_true(environment_get(given, policy->aliases.items[i])))
			service->alias = policy->aliases.items[i];
}

static int set_offline(struct service_environ *service)
{
	int error = 0;

	service->offline = true;
	for (size_t i = 0; i < OFFLINE_VARIABLES && error == 0; i++)
		error = service_environ_set(service, offline_variables[i], "1", ORIGIN_OFFLINE);
	return error;
}

/* policy.hub_cache is the one place of truth where the environment says nothing of the cache. */
static int set_cache(struct service_environ *service, const struct policy *policy)
{
	static const char *const names[] = { "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
		                             "TRANSFORMERS_CACHE" };
	const struct environment view = service_environ_view(service);
	const char *value;

	if (policy->hub_cache == NULL)
		return 0;
	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if ((value = environment_get(&view, names[i])) != NULL &&
		    (strcmp(names[i], "TRANSFORMERS_CACHE") != 0 ||
		     strcmp(value, policy->hub_cache) != 0)) /* huggingface_hub does not read it */
			return 0;
	return service_environ_set(service, "HF_HUB_CACHE", policy->hub_cache, ORIGIN_CACHE);
}

/* A name that stands twice goes on once, with the value that getenv(3) finds: bash, for one, hands on the last. */
static void take_given(struct service_environ *service, const struct environment *given)
{
	for (size_t i = 0; i < given->count; i++) {
		char name[MAX_NAME_BYTES];
		size_t length = strcspn(given->rows[i], "=");
		const char *first = NULL;

		if (given->rows[i][length] == '=' && length < sizeof(name)) {
			memcpy(name, given->rows[i], length);
			name[length] = '\0';
			first = environment_get(given, name);
		}
		if (first == NULL || first == given->rows[i] + length + 1)
			service->rows[service->count++] =
			        (struct environ_row){ given->rows[i], ORIGIN_GIVEN, NULL };
	}
}

int service_environ_compute(struct service_environ *service, const struct policy *policy,
                            const struct environment *given, const struct identity *who,
                            bool home_follows)
{
	int error;

	memset(service, 0, sizeof(*service));
	service->arena = arena_new();
	if (service->arena == NULL || make_room(service, given->count + 8) != 0)
		return -ENOMEM;
	take_given(service, given);
	update_view(service);
	find_alias(service, policy, given);
	error = home_follows ? set_home(service, who) : 0;
	if (error == 0)
		error = apply_rows(service, policy);
	if (error == 0)
		error = set_cache(service, policy);
	/* Online stays as it is; auto is offline once all is aboard, and nothing starts before that. */
	if (error == 0 && policy->offline == OFFLINE_SET &&
	    (policy->mode != MODE_ONLINE || service->alias != NULL))
		error = set_offline(service);
	update_view(service);
	return error;
}

struct environment service_environ_view(const struct service_environ *service)
{
	return (struct environment){ service->view, service->count };
}

void service_environ_release(struct service_environ *service)
{
	free(service->rows);
	free(service->view);
	free(service->unset);
	arena_free(service->arena);
	memset(service, 0, sizeof(*service));
}
