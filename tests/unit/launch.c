/* SPDX-License-Identifier: Apache-2.0 */
/* entry/launch/: the service's environment row by row, its command, and how it is supervised. */
#include "unit.h"

#include <errno.h>
#include <signal.h>

#include "base/text.h"
#include "environment.h"
#include "launch/command.h"
#include "launch/environ.h"
#include "launch/init.h"
#include "launch/launch.h"
#include "policy/read.h"
#include "place.h"
#include "util.h"

static const struct identity who = { .uid = 1000, .gid = 1000, .name = "app", .home = "/home/app" };

/* The service's environment by this policy, from these rows. */
static struct service_environ compute(const char *text, const char *const *rows)
{
	struct environment given = { rows, 0 };
	struct policy_input input = { .file = "policy.ini", .environment = &given, .level = -1 };
	struct service_environ service;
	static struct policy policy;

	policy_release(&policy);
	while (rows[given.count] != NULL)
		given.count++;
	assert_int_equal(policy_parse(&policy, &input, text, strlen(text)), 0);
	assert_int_equal(policy.error_count, 0);
	assert_int_equal(
	        service_environ_compute(&service, &policy, &given, &who, policy.home == HOME_SET),
	        0);
	assert_null(service.view[service.count]);
	return service;
}

static const char *value(const struct service_environ *service, const char *name)
{
	const struct environment view = service_environ_view(service);

	return environment_get(&view, name);
}

static void offline_is_set_by_mode(void **state)
{
	static const char *const rows[] = { "HF_HUB_OFFLINE=0", NULL };
	static const struct {
		const char *text, *offline;
	} cases[] = {
		{ "", "1" },
		{ "[policy]\nmode = auto\n", "1" },
		{ "[policy]\nmode = online\n", "0" },
		{ "[environment]\noffline = leave\n", "0" },
		{ "[environment]\noffline = require\n", "0" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		struct service_environ service = compute(cases[i].text, rows);

		assert_string_equal(value(&service, "HF_HUB_OFFLINE"), cases[i].offline);
		assert_int_equal(service.offline, cases[i].offline[0] == '1');
		service_environ_release(&service);
	}
}

static void an_alias_says_offline_in_any_mode(void **state)
{
	static const char *const rows[] = { "CI_OFFLINE=true", NULL };
	struct service_environ service =
	        compute("[policy]\nmode = online\n[environment]\naliases = CI_OFFLINE\n", rows);

	(void)state;
	assert_string_equal(service.alias, "CI_OFFLINE");
	assert_string_equal(value(&service, "TRANSFORMERS_OFFLINE"), "1");
	service_environ_release(&service);
}

static void the_cache_is_told_where_nothing_else_tells_it(void **state)
{
	static const char text[] = "[policy]\nhub_cache = /models/hub\n";
	static const char *const none[] = { "PATH=/bin", NULL }, *const home[] = { "HF_HOME=/hf",
		                                                                   NULL };
	struct service_environ service = compute(text, none);

	(void)state;
	assert_string_equal(value(&service, "HF_HUB_CACHE"), "/models/hub");
	service_environ_release(&service);
	service = compute(text, home);
	assert_null(value(&service, "HF_HUB_CACHE"));
	service_environ_release(&service);
}

static void rows_are_set_and_taken_away(void **state)
{
	static const char *const rows[] = { "A=1",     "B=2",        "A=3", "HF_TOKEN=secret",
		                            "no name", "HOME=/root", NULL };
	struct service_environ service = compute(
	        "[policy]\nhome = set\n[environment set]\nB = two\n[environment unset]\nHF_TOKEN =\nABSENT =\n",
	        rows);

	(void)state;
	assert_string_equal(value(&service, "A"),
	                    "1"); /* the first, as getenv(3) finds it, and once */
	assert_string_equal(value(&service, "B"), "two");
	assert_null(value(&service, "HF_TOKEN"));
	assert_string_equal(value(&service, "HOME"), "/home/app");
	assert_string_equal(value(&service, "USER"), "app");
	assert_int_equal(service.unset_count, 1);
	for (size_t i = 0, seen = 0; i < service.count; i++) {
		seen += strncmp(service.rows[i].row, "A=", 2) == 0;
		assert_true(seen <= 1);
		if (strncmp(service.rows[i].row, "B=", 2) == 0) {
			assert_int_equal(service.rows[i].origin, ORIGIN_SET);
			assert_string_equal(service.rows[i].replaced, "2");
		}
	}
	assert_string_equal(environ_origin_name(ORIGIN_EXPORT), "export");
	service_environ_release(&service);
}

static void make_file(const struct place *place, const char *name, const char *content, mode_t mode)
{
	place_text(place, name, content);
	assert_int_equal(fchmodat(place->fd, name, mode, 0), 0);
}

static void commands_are_found_as_execvp_finds_them(void **state)
{
	struct place place = place_make();
	char row[128], found[128];
	const char *rows[] = { row, NULL };
	struct environment environment = { rows, 1 };
	struct text text = TEXT_OVER(row);

	(void)state;
	text_addf(&text, "PATH=/nonexistent:%s", place.path);
	make_file(&place, "plain", "#!/bin/sh\n", 0644);
	make_file(&place, "program", "#!/bin/sh\n", 0755);
	assert_int_equal(mkdirat(place.fd, "folder", 0755), 0);
	assert_true(command_find("program", &environment, found, sizeof(found)));
	assert_int_equal(strncmp(found, place.path, strlen(place.path)), 0);
	assert_false(command_find("plain", &environment, found, sizeof(found)));
	assert_int_equal(errno, EACCES); /* 126: it is there */
	assert_false(command_find("folder", &environment, found, sizeof(found)));
	assert_int_equal(errno, ENOENT);
	assert_false(command_find("absent", &environment, found, sizeof(found)));
	assert_int_equal(errno, ENOENT);
	assert_string_equal(found, "absent");
	/* With a slash it is a path, there or not. */
	assert_true(command_find("./absent", &environment, found, sizeof(found)));
	assert_string_equal(found, "./absent");
	assert_false(command_find("./much-too-long-for-its-place", &environment, found, 8));
	place_remove(&place);
}

static void failures_name_their_reason(void **state)
{
	static const struct {
		const char *name, *content, *words;
		mode_t mode;
		int error;
		enum status status;
	} cases[] = {
		{ "a", "#!/no/such/python -u\n", "interpreter '/no/such/python'", 0755, ENOENT,
		  STATUS_NOT_FOUND },
		{ "a", "#!/bin/sh\r\n", "Windows line ends", 0755, ENOENT, STATUS_NOT_FOUND },
		{ "a", "#!", "cannot start", 0755, ENOENT, STATUS_NOT_FOUND },
		{ "a", "\177ELF", "cannot start", 0755, ENOEXEC, STATUS_NOT_EXECUTABLE },
		{ "a", "text", "chmod +x", 0644, EACCES, STATUS_NOT_EXECUTABLE },
		{ "a", "text", "as many processes", 0755, EAGAIN, STATUS_TEMPORARY },
	};
	struct place place = place_make();

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		char path[128], why[512];
		struct text text = TEXT_OVER(path), said = TEXT_OVER(why);

		text_addf(&text, "%s/%s", place.path, cases[i].name);
		make_file(&place, cases[i].name, cases[i].content, cases[i].mode);
		assert_int_equal(command_explain_failure(path, cases[i].error, &said),
		                 cases[i].status);
		/* root may execute nothing that nobody may, so access(2) says the same to it */
		if (strstr(why, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].words, why);
		assert_int_equal(unlinkat(place.fd, cases[i].name, 0), 0);
	}
	place_remove(&place);
}

static void supervision_follows_the_policy(void **state)
{
	static const char text[] = "[service]\nforward.SIGTERM = SIGINT\nforward.SIGUSR1 = none\n"
	                           "remap.143 = 0\nsignal_target = group\ngrace = 3s\n";
	const struct environment none = { NULL, 0 };
	struct policy_input input = { .file = "policy.ini", .environment = &none, .level = -1 };
	struct policy policy;
	struct supervision set;

	(void)state;
	assert_int_equal(policy_parse(&policy, &input, text, sizeof(text) - 1), 0);
	supervision_init(&set, &policy);
	assert_int_equal(set.forward[SIGTERM], SIGINT);
	assert_int_equal(set.forward[SIGUSR1], 0);
	assert_int_equal(set.forward[SIGHUP], SIGHUP);
	assert_int_equal(set.forward[SIGCHLD], 0);
	assert_int_equal(set.forward[SIGKILL], 0);
	assert_int_equal(set.remap[143], 0);
	assert_int_equal(set.remap[137], 137);
	assert_true(set.to_group);
	assert_int_equal(set.grace_ms, 3000);
	policy_release(&policy);
}

/* A command that is not there leaves the process as it was, with a sentence. */
static void what_cannot_start_says_so(void **state)
{
	static const char *const rows[] = { "PATH=/nonexistent", NULL };
	const struct environment environment = { rows, 1 };
	const struct identity unchanged = { .change = false };
	const struct limits none = { .ruleset_fd = -1 };
	char *const absent[] = { (char[]){ "absent" }, NULL };
	struct policy policy = { .umask = -1 };
	struct signals signals;
	char said[512];
	struct text why = TEXT_OVER(said);
	struct launch launch = { .argv = absent,
		                 .environment = &environment,
		                 .who = &unchanged,
		                 .policy = &policy,
		                 .signals = &signals,
		                 .limits = &none };

	(void)state;
	assert_int_equal(signals_init(&signals), 0);
	assert_int_equal(launch_exec(&launch, &why), STATUS_NOT_FOUND);
	assert_non_null(strstr(said, "no such command"));
	why = TEXT_OVER(said);
	policy.working_directory = "/nonexistent/directory";
	assert_int_equal(launch_exec(&launch, &why), STATUS_PERMISSION);
	assert_non_null(strstr(said, "working_directory"));
	signals_restore(&signals);
	assert_string_equal(environment_get(&environment, "PATH"), "/nonexistent");
	assert_null(environment_get(&environment, "PAT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offline_is_set_by_mode),
		cmocka_unit_test(an_alias_says_offline_in_any_mode),
		cmocka_unit_test(the_cache_is_told_where_nothing_else_tells_it),
		cmocka_unit_test(rows_are_set_and_taken_away),
		cmocka_unit_test(commands_are_found_as_execvp_finds_them),
		cmocka_unit_test(failures_name_their_reason),
		cmocka_unit_test(supervision_follows_the_policy),
		cmocka_unit_test(what_cannot_start_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
