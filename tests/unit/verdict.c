/* SPDX-License-Identifier: Apache-2.0 */
/* entry/gate/ and entry/commands/: from a command line to a verdict, and what must hold for a pass. */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"
#include "commands/commands.h"
#include "gate/confinement.h"
#include "gate/gate.h"
#include "gate/given.h"
#include "gate/home.h"
#include "gate/inspection.h"
#include "gate/output.h"
#include "gate/prepare.h"
#include "gate/refetch.h"
#include "gate/secrets.h"
#include "gate/verdict.h"
#include "gate/waiting.h"
#include "place.h"
#include "process/signals.h"
#include "util.h"
#include "version.h"

static const struct command commands[] = {
	{ "check", "[options]", "checks", command_check, COMMAND_LOOKS },
	{ "checks", "[CODE]", "the catalogue", command_checks, COMMAND_ASKS },
	{ "explain", "[options]", "explains", command_explain, COMMAND_LOOKS },
	{ "help", "[WORD]", "helps", command_help, COMMAND_ASKS },
	{ NULL, NULL, NULL, NULL, COMMAND_LOOKS },
};
static char *const rows[] = { (char[]){ "PATH=/bin" }, (char[]){ "HOME=/nonexistent" }, NULL };

/* Two models, the second optional. */
struct world {
	struct place place;
	char policy[128];
	struct run run;
};

static void write_policy(struct world *world, const char *more)
{
	char ini[1024];
	struct text text = TEXT_OVER(ini), path = TEXT_OVER(world->policy);

	text_addf(&text,
	          "[model one]\npath = %s/one\n[model two]\npath = %s/two\noptional = yes\n%s",
	          world->place.path, world->place.path, more);
	place_text(&world->place, "policy.ini", ini);
	text_addf(&path, "%s/policy.ini", world->place.path);
}

static bool parse(struct world *world, const char *command, const char *word)
{
	static char words[4][160];
	char *line[] = { words[0], words[1], words[2], words[3], NULL };
	char sentence[256];
	struct text why = TEXT_OVER(sentence), option = TEXT_OVER(words[2]),
	            of = TEXT_OVER(words[1]), last = TEXT_OVER(words[3]);

	text_add(&of, command);
	text_addf(&option, "--policy=%s", world->policy);
	text_add(&last, word);
	line[3] = word[0] == '\0' ? NULL : line[3];
	return options_parse(&world->run.options, commands, line, &why);
}

static int begin(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->place = place_make();
	world->run.environ = rows;
	assert_int_equal(signals_init(&world->run.signals), 0);
	place_text(&world->place, "one/a.json", "{}");
	place_text(&world->place, "one/notes.txt", "text");
	place_text(&world->place, "two/notes.txt", "text");
	write_policy(world, "");
	assert_true(parse(world, "check", ""));
	*state = world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	signals_restore(&world->run.signals);
	place_remove(&world->place);
	free(world);
	return 0;
}

static enum status judge(struct world *world, struct gate *gate)
{
	char sentence[512];
	struct text why = TEXT_OVER(sentence);

	memset(gate, 0, sizeof(*gate));
	return gate_judge(gate, &world->run.options, &world->run.signals, rows, FETCHING_NEVER,
	                  &why);
}

/* Each fact that a pass rests on, taken away by itself. */
static void a_pass_needs_every_fact(void **state)
{
	static const enum {
		NOTHING,
		INSPECTED,
		FIRST_SEEN,
		SECOND_SEEN,
		NO_POLICY_ERROR,
		NO_ERROR,
		NO_LOST_ERROR,
		FACTS
	} facts[] = { NOTHING,         INSPECTED, FIRST_SEEN,   SECOND_SEEN,
		      NO_POLICY_ERROR, NO_ERROR,  NO_LOST_ERROR };
	static const enum status statuses[FACTS] = { 0, 71, 71, 71, 78, 65, 74 };
	struct world *world = *state;

	for (size_t i = 0; i < LENGTH_OF(facts); i++) {
		struct record record = { .magic = RECORD_MAGIC,
			                 .type = RECORD_FINDING,
			                 .kind = FINDING_FILE_DIGEST,
			                 .model = 0 };
		struct gate gate;

		assert_int_equal(judge(world, &gate), STATUS_OK);
		assert_int_equal(gate.report.status, STATUS_OK);
		assert_true(gate.inspected);
		switch (facts[i]) {
		case INSPECTED:
			gate.inspected = false;
			break;
		case FIRST_SEEN:
			gate.report.models[0].seen = false;
			break;
		case SECOND_SEEN: /* optional: still, nobody looked at it */
			gate.report.models[1].seen = false;
			break;
		case NO_POLICY_ERROR:
			gate.policy.error_count = 1;
			break;
		case NO_ERROR:
			assert_int_equal(gate_add_finding(&gate, &record), SEVERITY_ERROR);
			break;
		case NO_LOST_ERROR:
			gate.report.lost = gate.report.status = STATUS_IO;
			break;
		case NOTHING:
		case FACTS:
			break;
		}
		gate_conclude(&gate);
		assert_int_equal(gate.report.status, statuses[i]);
		assert_true(gate.report.enforced);
		gate_release(&gate);
	}
}

static void findings_have_the_severity_of_their_policy(void **state)
{
	struct world *world = *state;
	struct record record = { .magic = RECORD_MAGIC,
		                 .type = RECORD_FINDING,
		                 .kind = FINDING_FILE_DIGEST };
	struct gate gate;

	write_policy(world, "[severity]\nfile.mode = warning\nfile.owner = off\n");
	assert_int_equal(judge(world, &gate), STATUS_OK);
	record.model = 0;
	assert_int_equal(gate_add_finding(&gate, &record), SEVERITY_ERROR);
	record.model = 1; /* optional */
	assert_int_equal(gate_add_finding(&gate, &record), SEVERITY_WARNING);
	record.model = 0;
	record.kind = FINDING_FILE_MODE;
	assert_int_equal(gate_add_finding(&gate, &record), SEVERITY_WARNING);
	record.kind = FINDING_FILE_OWNER;
	assert_int_equal(gate_add_finding(&gate, &record), SEVERITY_OFF);
	assert_int_equal(gate.report.status, STATUS_DATA);
	/* Before another inspection all of it is forgotten. */
	gate_begin_anew(&gate);
	assert_int_equal(gate.report.status, STATUS_OK);
	assert_int_equal(gate.report.models[0].findings.worst, SEVERITY_OFF);
	assert_false(gate.inspected);
	gate_release(&gate);
	write_policy(world, "");
}

static void an_error_of_the_policy_stops_before_anything_is_looked_at(void **state)
{
	struct world *world = *state;
	struct gate gate;

	write_policy(world, "[policy]\nmode = offlin\n");
	assert_int_equal(judge(world, &gate), STATUS_OK);
	assert_int_equal(gate.report.status, STATUS_POLICY);
	assert_false(gate.inspected || gate_may_fetch(&gate));
	assert_false(gate.report.models != NULL && gate.report.models[0].seen);
	gate_release(&gate);
	write_policy(world, "");
}

/* What is judged is what the file says, in whichever form an image's environment is written down. */
static void an_environment_comes_from_a_file(void **state)
{
	static const struct {
		const char *text;
		bool is_config, taken;
		size_t count;
	} files[] = {
		{ "# docker's\nA=1\nFROM_OUTSIDE\nB=\n=x\n", false, true, 2 },
		{ "{\"config\": {\"Env\": [\"A=1\", \"B=\"], \"User\": \"app\"}}", true, true, 2 },
		{ "[{\"Id\": \"x\", \"Config\": {\"Env\": [\"A=1\", \"B=\"]}}]", true, true, 2 },
		{ "{\"config\": {\"Env\": null}}", true, true, 0 },
		{ "{\"container_config\": {\"Env\": [\"A=1\"]}}", true, true, 0 },
		{ "{\"config\": {\"Env\": [\"A=1\"", true, false, 0 },
		{ "A=1\n", true, false, 0 },
	};
	struct world *world = *state;
	char path[160], sentence[512];
	struct text text = TEXT_OVER(path);

	text_addf(&text, "%s/given", world->place.path);
	for (size_t i = 0; i < LENGTH_OF(files); i++) {
		struct options options = { .root = "/" };
		struct gate gate = { .options = &options, .host = { .root_fd = -1 } };
		struct text why = TEXT_OVER(sentence);

		place_text(&world->place, "given", files[i].text);
		*(files[i].is_config ? &options.image_config : &options.env_file) = path;
		gate.report.arena = arena_new();
		assert_int_equal(gate_take_environment(&gate, &why), files[i].taken);
		assert_int_equal(why.length > 0, !files[i].taken);
		if (files[i].taken)
			assert_int_equal(gate.given.count, files[i].count);
		if (files[i].taken && files[i].count > 0) {
			assert_string_equal(environment_get(&gate.given, "A"), "1");
			assert_string_equal(environment_get(&gate.given, "B"), "");
		}
		arena_free(gate.report.arena);
	}
}

static void home_follows_by_the_rule_alone_where_nobody_changes(void **state)
{
	static const bool follows[] = { false, true, false };
	struct options options = { .root = NULL };

	(void)state;
	for (enum home_rule rule = HOME_KEEP; rule <= HOME_AUTO; rule++) {
		struct gate gate = { .options = &options,
			             .given = { (const char *const *)rows, 2 },
			             .tree = { .root_fd = -1 } };
		char sentence[64];
		struct text why = TEXT_OVER(sentence);
		bool said = !follows[rule];

		gate.policy.home = rule;
		assert_int_equal(gate_choose_home(&gate, &said, &why), STATUS_OK);
		assert_int_equal(said, follows[rule]);
	}
}

static void who_may_fetch(void **state)
{
	struct options options = { .root = NULL };
	struct gate gate = { .options = &options, .fetching = FETCHING_NEVER, .startable = true };

	(void)state;
	gate.policy.mode = MODE_ONLINE;
	assert_false(gate_may_fetch(&gate));
	gate.fetching = FETCHING_BY_MODE;
	assert_true(gate_may_fetch(&gate));
	gate.startable = false; /* nothing will start: what for? */
	assert_false(gate_may_fetch(&gate));
	gate.startable = true;
	gate.policy.mode = MODE_OFFLINE;
	assert_false(gate_may_fetch(&gate));
	gate.fetching = FETCHING_ORDERED;
	assert_true(gate_may_fetch(&gate));
	assert_true(strlen(gate_fetch_libraries()) > 0);
}

static size_t read_back(int fd, char *out, size_t size)
{
	ssize_t got = pread(fd, out, size - 1, 0);

	assert_true(got >= 0);
	out[got] = '\0';
	return (size_t)got;
}

static void the_report_goes_where_it_is_sent(void **state)
{
	struct world *world = *state;
	char path[160], said[8192];
	struct text text = TEXT_OVER(path);
	int terminal = open(world->place.path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), file;
	struct gate gate;

	assert_true(terminal >= 0);
	text_addf(&text, "%s/report.json", world->place.path);
	place_text(&world->place, "report.json",
	           "what was there before, and is longer than what comes");
	assert_int_equal(judge(world, &gate), STATUS_OK);
	world->run.options.reports[0].format = report_format_find("json", 4);
	world->run.options.reports[0].file = path;
	world->run.options.report_count = 1;
	assert_int_equal(gate_report(&gate, terminal), STATUS_OK);
	assert_true(read_back(terminal, said, sizeof(said)) > 0);
	assert_non_null(strstr(said, "one"));
	file = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read_back(file, said, sizeof(said)) > 0);
	assert_int_equal(said[0], '{');
	assert_non_null(strstr(said, "\"verdict\": \"pass\""));
	world->run.options.report_count = 0;
	gate_release(&gate);
	(void)close(file);
	(void)close(terminal);
}

/* A command's status, and what it printed. */
static int run_command(struct world *world, const char *command, const char *word, char *out,
                       size_t size)
{
	int kept = dup(STDOUT_FILENO),
	    file = open(world->place.path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), status;

	assert_true(kept >= 0 && file >= 0);
	assert_true(parse(world, command, word));
	(void)fflush(stdout);
	assert_true(dup2(file, STDOUT_FILENO) >= 0);
	status = command_dispatch(&world->run);
	(void)fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	(void)read_back(file, out, size);
	(void)close(file);
	(void)close(kept);
	return status;
}

static void commands_end_with_the_verdict(void **state)
{
	struct world *world = *state;
	char said[65536];

	assert_int_equal(run_command(world, "check", "", said, sizeof(said)), STATUS_OK);
	assert_int_equal(run_command(world, "check", "--version", said, sizeof(said)), STATUS_OK);
	assert_non_null(strstr(said, AWEIGH_VERSION));
	assert_int_equal(run_command(world, "explain", "", said, sizeof(said)), STATUS_OK);
	assert_non_null(strstr(said, world->policy));
	assert_int_equal(run_command(world, "checks", "file.digest", said, sizeof(said)),
	                 STATUS_OK);
	assert_int_equal(strncmp(said, "file.digest", 11), 0);
	assert_int_equal(run_command(world, "checks", "file.digset", said, sizeof(said)),
	                 STATUS_USAGE);
	assert_int_equal(run_command(world, "help", "policy.verify", said, sizeof(said)),
	                 STATUS_OK);
	write_policy(world, "[model three]\npath = /nonexistent/three\n");
	assert_int_equal(run_command(world, "check", "", said, sizeof(said)), STATUS_MISSING);
	assert_non_null(strstr(said, "model.missing"));
	write_policy(world, "");
}

static void a_child_has_no_secrets(void **state)
{
	char token[] = "HF_TOKEN=hf_abc", path[] = "PATH=/bin", password[] = "PASSWORD=abc";
	const char *given[] = { token, path };
	struct environ_row service = { .row = password, .origin = ORIGIN_FILE };
	struct gate *gate = calloc(1, sizeof(*gate));

	(void)state;
	assert_non_null(gate);
	gate->own = (struct environment){ given, 2 };
	gate->service.rows = &service;
	gate->service.count = 1;
	gate_blank_secrets(gate);
	assert_string_equal(token, "HF_TOKEN=xxxxxx");
	assert_string_equal(path, "PATH=/bin");
	assert_string_equal(password, "PASSWORD=xxx");
	free(gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_has_no_secrets),
		cmocka_unit_test(a_pass_needs_every_fact),
		cmocka_unit_test(findings_have_the_severity_of_their_policy),
		cmocka_unit_test(an_error_of_the_policy_stops_before_anything_is_looked_at),
		cmocka_unit_test(an_environment_comes_from_a_file),
		cmocka_unit_test(home_follows_by_the_rule_alone_where_nobody_changes),
		cmocka_unit_test(who_may_fetch),
		cmocka_unit_test(the_report_goes_where_it_is_sent),
		cmocka_unit_test(commands_end_with_the_verdict),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
