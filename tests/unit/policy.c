/* SPDX-License-Identifier: Apache-2.0 */
/* entry/policy/: what a text means, and what of it is an error. */
#include "unit.h"

#include "base/arena.h"
#include "base/text.h"
#include "bounds.h"
#include "engine/findings.h"
#include "policy/errors.h"
#include "policy/expand.h"
#include "policy/ini.h"
#include "policy/keys.h"
#include "policy/models.h"
#include "policy/read.h"
#include "policy/rows.h"
#include "policy/values.h"
#include "util.h"

static const char *const rows[] = { "NAME=value", "EMPTY=", "TAB=a\tb", "BELL=a\ab", NULL };
static const struct environment environment = { rows, 4 };

static void remember(void *context, const struct record *error)
{
	memcpy(context, error, sizeof(*error));
}

/* The number of errors; the last one in *last. */
static size_t parse(struct policy *policy, const char *text, struct record *last)
{
	struct policy_input input = { .file = "policy.ini",
		                      .environment = &environment,
		                      .level = -1,
		                      .report = remember,
		                      .report_context = last };

	memset(last, 0, sizeof(*last));
	assert_int_equal(policy_parse(policy, &input, guarded(text, strlen(text)), strlen(text)),
	                 0);
	return policy->error_count;
}

static void fields_have_their_types(void **state)
{
	struct record last;
	struct policy policy;

	(void)state;
	assert_int_equal(parse(&policy,
	                       "[policy]\nmode = auto\ndeadline = 1.5s\nuser = ${NAME}\n"
	                       "[model m]\nrepo = org/m\nmin_size = 1.5KiB\noptional = yes\n"
	                       "require = a | b,\n c\n[confine]\negress = 443, 80\n",
	                       &last),
	                 0);
	assert_int_equal(policy.mode, MODE_AUTO);
	assert_int_equal(policy.deadline_ms, 1500);
	assert_string_equal(policy.user, "value");
	assert_int_equal(policy.model_count, 1);
	assert_int_equal(policy.models[0].min_size_bytes, 1536);
	assert_true(policy.models[0].optional);
	assert_int_equal(policy.models[0].require.count, 2);
	assert_int_equal(policy.models[0].require.items[0].any.count, 2);
	assert_string_equal(policy.models[0].require.items[1].any.items[0], "c");
	assert_int_equal(policy.egress.kind, EGRESS_PORTS);
	assert_int_equal(policy.egress.ports[1], 80);
	assert_int_equal(MODEL_SAID(&policy.models[0], MIN_SIZE)->line, 7);
	policy_release(&policy);
}

static void errors_name_their_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		enum finding_id id;
	} cases[] = {
		{ "[policy]\nmode = online\nmode = auto\n", 3, FINDING_POLICY_DUPLICATE },
		{ "[policy]\nmodes = auto\n", 2, FINDING_POLICY_UNKNOWN },
		{ "[policy]\nmodes = auto\n[paths]\n", 2, FINDING_POLICY_UNKNOWN },
		{ "[policy]\nmode = autos\n", 2, FINDING_POLICY_VALUE },
		{ "[policy] mode = auto\n", 1, FINDING_POLICY_SYNTAX },
		{ "[policy]\nmode = auto\n  user = 1\n", 3, FINDING_POLICY_SYNTAX },
		{ "[environment unset]\nA =\n  B =\n", 3, FINDING_POLICY_SYNTAX },
		{ "[policy]\nuser = ${NOT_THERE}\n", 2, FINDING_POLICY_VALUE },
		{ "[policy]\nuser = ${BELL}\n", 2, FINDING_POLICY_VALUE },
		{ "mode = auto\n", 1, FINDING_POLICY_SYNTAX },
		{ "[policy\n", 1, FINDING_POLICY_SYNTAX },
		{ "\xEF\xBB\xBF[policy]\n", 1, FINDING_POLICY_SYNTAX },
		{ "[policy]\nuser = \xff\n", 2, FINDING_POLICY_SYNTAX },
		{ "[severity]\ngate.inspector = off\n", 2, FINDING_POLICY_VALUE },
		{ "[severity]\nmodel.mising = off\n", 2, FINDING_POLICY_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		struct record last;
		struct policy policy;

		assert_int_equal(parse(&policy, cases[i].text, &last), 1);
		assert_int_equal(last.kind, cases[i].id);
		assert_int_equal(last.line, cases[i].line);
		assert_null(strstr(last.message, "[]")); /* a section's name is that of its own */
		policy_release(&policy);
	}
}

static void variables_are_put_in(void **state)
{
	static const struct {
		const char *value, *out; /* NULL: an error */
	} cases[] = { { "a${NAME}b", "avalueb" }, { "${EMPTY}", "" },   { "${EMPTY:-d}", "d" },
		      { "${NO:-}", "" },          { "${TAB}", "a\tb" }, { "$NAME", "$NAME" },
		      { "${NO}", NULL },          { "${NAME", NULL },   { "${}", NULL },
		      { "${BELL}", NULL } };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		struct policy policy = { .report = NULL };
		char out[64];
		struct text text = TEXT_OVER(out);

		assert_int_equal(policy_expand(&policy, &environment, cases[i].value, 1, &text),
		                 cases[i].out != NULL);
		assert_int_equal(policy.error_count, cases[i].out == NULL);
		if (cases[i].out != NULL)
			assert_string_equal(out, cases[i].out);
	}
}

struct events {
	char said[512];
	struct text text;
};

static void on_section(void *context, const char *name, unsigned line)
{
	text_addf(&((struct events *)context)->text, "[%s]%u ", name, line);
}

static void on_value(void *context, const char *key, const char *value, unsigned line)
{
	text_addf(&((struct events *)context)->text, "%s=%s@%u ", key, value, line);
}

static void lines_are_inihs_but_for_what_it_swallows(void **state)
{
	static const struct {
		const char *text, *said;
		size_t errors;
	} cases[] = {
		{ "[a]\nk = v ; comment\n# more\n\n[b c]\nk=w\n", "[a]1 k=v@2 [b c]5 k=w@6 ", 0 },
		{ "[a]\nk = one,\n two\n\tthree\nl = x\n", "[a]1 k=one,\ntwo\nthree@2 l=x@5 ", 0 },
		{ "[a]\r\nk = v\r\n", "[a]1 k=v@2 ", 0 },
		{ "k = v\n[a]\n", "[a]2 ", 1 },
		{ "[a] k = v\n", "[a]1 ", 1 },
		{ "[a]\nk = v\n  l = w\n", NULL, 1 },
		{ "[a]\nno equals sign\n", "[a]1 ", 1 },
		{ "[a]\n= v\n", "[a]1 ", 1 },
		{ "[a]\n:v\nk = w\n", "[a]1 k=w@3 ", 1 },
		{ "[a\n", NULL, 1 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		struct policy policy = { .error_count = 0 };
		struct events events = { .said = "" };
		const struct ini_events to = { &events, on_section, on_value };
		size_t length = strlen(cases[i].text);

		events.text = TEXT_OVER(events.said);
		assert_int_equal(ini_read(&policy, guarded(cases[i].text, length), length, &to), 0);
		if (cases[i].said != NULL)
			assert_string_equal(events.said, cases[i].said);
		assert_int_equal(policy.error_count, cases[i].errors);
	}
}

/* Every key: its default is a value of its type, its words are unique, and its help is a sentence without a point. */
static void keys_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEY_COUNT; i++) {
		const struct key *key = &policy_keys[i];
		struct policy policy = { .arena = arena_new() };
		struct model model = { .name = "m" };
		char expected[512];
		struct text text = TEXT_OVER(expected);

		assert_ptr_equal(key_find(key->section, key->name), key);
		assert_true(strlen(key->help) > 8 && key->help[strlen(key->help) - 1] != '.');
		key_expects(key, &text);
		assert_false(text.cut);
		if (key->initial[0] != '\0')
			value_store(&policy, &model, (enum key_id)i, key->initial, 0,
			            SOURCE_POLICY);
		if (policy.error_count > 0)
			fail_msg("the default of %s is no value of it", key->name);
		arena_free(policy.arena);
	}
	assert_null(key_find(SECTION_POLICY, "repo"));
}

static void values_out_of_range_are_errors(void **state)
{
	static const struct {
		enum key_id id;
		const char *text;
	} cases[] = { { KEY_MODE, "offlin" },          { KEY_DEADLINE, "99ms" },
		      { KEY_DEADLINE, "25h" },         { KEY_DEADLINE, "-1s" },
		      { KEY_UMASK, "0888" },           { KEY_CONNECTIONS, "1000000" },
		      { KEY_KEEP_FREE, "1.5X" },       { KEY_ENFORCE, "maybe" },
		      { KEY_CAPABILITIES, "cap_all" }, { KEY_EGRESS, "http" },
		      { KEY_ENDPOINT, "ftp://a" } };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		struct policy policy = { .arena = arena_new() };
		struct record last = { .line = 0 };

		policy.report = remember;
		policy.report_context = &last;
		value_store(&policy, NULL, cases[i].id, cases[i].text, 7, SOURCE_POLICY);
		if (policy.error_count != 1 || last.line != 7)
			fail_msg("%s = %s", policy_keys[cases[i].id].name, cases[i].text);
		arena_free(policy.arena);
	}
}

static void rows_are_parsed_once(void **state)
{
	static const struct {
		enum key_section section;
		const char *name, *text;
		enum row_result result;
	} cases[] = {
		{ SECTION_SEVERITY, "file.mode", "off", ROW_TAKEN },
		{ SECTION_SEVERITY, "file.mode", "of", ROW_WRONG },
		{ SECTION_SEVERITY, "gate.inspector", "off", ROW_WRONG },
		{ SECTION_SERVICE, "forward.SIGTERM", "SIGINT", ROW_TAKEN },
		{ SECTION_SERVICE, "forward.SIGTERM", "SIGNOT", ROW_WRONG },
		{ SECTION_SERVICE, "remap.143", "0", ROW_TAKEN },
		{ SECTION_SERVICE, "remap.x", "0", ROW_WRONG },
		{ SECTION_SERVICE, "unknown.key", "1", ROW_UNKNOWN },
		{ SECTION_PATHS, "free./data", "4G", ROW_TAKEN },
		{ SECTION_PATHS, "free./data", "4 apples", ROW_WRONG },
		{ SECTION_ENV_SET, "NAME", "value", ROW_TAKEN },
		{ SECTION_ENV_SET, "NA ME", "value", ROW_WRONG },
	};
	struct record last;
	struct policy policy;

	(void)state;
	assert_int_equal(parse(&policy, "", &last), 0);
	assert_true(rows_are_of(SECTION_SEVERITY) && !rows_are_of(SECTION_MODEL));
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		size_t before = policy.error_count;
		enum row_result result =
		        row_store(&policy, cases[i].section, cases[i].name, cases[i].text, 3);

		if (result != cases[i].result ||
		    (policy.error_count > before) != (result == ROW_WRONG))
			fail_msg("%s = %s", cases[i].name, cases[i].text);
	}
	assert_int_equal(policy.severities_count, 1);
	assert_int_equal(policy.forwards_count, 1);
	assert_int_equal(policy.free[0].bytes, 4000000000);
	policy_release(&policy);
}

static void errors_are_counted_beyond_those_that_are_told(void **state)
{
	struct record last;
	struct policy policy;
	size_t before;

	(void)state;
	assert_int_equal(parse(&policy, "[policy]\nmodes = 1\n", &last), 1);
	before = policy.error_count;
	for (unsigned i = 0; i < 2 * MAX_POLICY_ERRORS; i++)
		policy_error(&policy, FINDING_POLICY_VALUE, SOURCE_POLICY, 10 + i, "do this",
		             "number %u", i);
	assert_int_equal(policy.error_count, before + (size_t)2 * MAX_POLICY_ERRORS);
	assert_int_equal(last.line, 10 + MAX_POLICY_ERRORS - 2); /* one screenful was told */
	assert_string_equal(last.fix, "do this");
	policy_release(&policy);
}

static void models_are_selected_by_name(void **state)
{
	struct record last;
	struct policy policy;
	const char *const names[] = { "b", "absent" };
	const struct list one = { names, 1 }, both = { names, 2 }, all = { NULL, 0 };

	(void)state;
	assert_int_equal(parse(&policy, "[model a]\npath = /a\n[model b]\npath = /b\n", &last), 0);
	policy_select_models(&policy, &one, 0);
	assert_true(!policy.models[0].selected && policy.models[1].selected);
	policy_select_models(&policy, &both, 4);
	assert_int_equal(policy.error_count, 1);
	assert_non_null(strstr(last.message, "the models are: a, b"));
	policy_select_models(&policy, &all, 0);
	assert_true(policy.models[0].selected && policy.models[1].selected);
	assert_non_null(policy_add_model(&policy, "c", 1, 9, SOURCE_MANIFEST));
	assert_string_equal(policy.models[2].revision, "main");
	policy_release(&policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_their_types),
		cmocka_unit_test(errors_name_their_line),
		cmocka_unit_test(variables_are_put_in),
		cmocka_unit_test(lines_are_inihs_but_for_what_it_swallows),
		cmocka_unit_test(keys_are_sound),
		cmocka_unit_test(values_out_of_range_are_errors),
		cmocka_unit_test(rows_are_parsed_once),
		cmocka_unit_test(errors_are_counted_beyond_those_that_are_told),
		cmocka_unit_test(models_are_selected_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
