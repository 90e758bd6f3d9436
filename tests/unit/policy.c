/* SPDX-License-Identifier: Apache-2.0 */
/* entry/policy/: what a text means, and what of it is an error. */
#include "unit.h"

#include "policy/expand.h"
#include "policy/read.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_their_types),
		cmocka_unit_test(errors_name_their_line),
		cmocka_unit_test(variables_are_put_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
