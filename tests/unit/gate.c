/* SPDX-License-Identifier: Apache-2.0 */
/* entry/: records from a process that may have been taken over, statuses, the catalogue. */
#include "unit.h"

#include "engine/findings.h"
#include "finding.h"
#include "process/channel.h"
#include "report/escape.h"
#include "status.h"
#include "util.h"

static struct record sound(void)
{
	return (struct record){ .magic = RECORD_MAGIC, .type = RECORD_FINDING, .model = NO_MODEL };
}

static void records_are_not_believed_unseen(void **state)
{
	struct record record = sound();

	(void)state;
	assert_true(record_is_sound(&record, 3));
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		record = sound();                                                                  \
		change;                                                                            \
		assert_false(record_is_sound(&record, 3));                                         \
	} while (0)
	REFUSED(record.magic++);
	REFUSED(record.type = 0);
	REFUSED(record.type = 99);
	REFUSED(record.kind = FINDING_COUNT);
	REFUSED(record.model = 3);
	REFUSED(record.model = -2);
	REFUSED(record.model = INT32_MIN);
	REFUSED(record.source = 2);
	REFUSED(record.level = 4);
	REFUSED(record.type = RECORD_MODEL); /* about no model */
	REFUSED(memset(record.path, 'x', sizeof(record.path)));
	REFUSED(memset(record.message, 'x', sizeof(record.message)));
	REFUSED(memset(record.fix, 'x', sizeof(record.fix)));
	REFUSED(memset(record.commit, 'a', sizeof(record.commit)));
	REFUSED(memcpy(record.commit, "../../../etc", 13));
	record = sound();
	memset(record.commit, 'a', COMMIT_HEX);
	assert_true(record_is_sound(&record, 3));
}

static void the_first_in_precedence_wins(void **state)
{
	static const enum status order[] = { 78, 77, 65, 66, 76, 69, 75, 74, 0 };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(order); i++)
		for (size_t j = i; j < LENGTH_OF(order); j++) {
			assert_int_equal(status_worse(order[i], order[j]), order[i]);
			assert_int_equal(status_worse(order[j], order[i]), order[i]);
		}
	assert_int_equal(status_worse(STATUS_OK, STATUS_SYSTEM), STATUS_SYSTEM);
}

static bool is_code(const char *code)
{
	const char *dot = strchr(code, '.');

	return dot != NULL && dot > code && dot[1] != '\0' &&
	       strspn(code, "abcdefghijklmnopqrstuvwxyz-.") == strlen(code) &&
	       strchr(dot + 1, '.') == NULL;
}

static void the_catalogue_is_sound(void **state)
{
	(void)state;
	for (unsigned id = 0; id < FINDING_COUNT; id++) {
		const struct finding_kind *kind = &finding_kinds[id];

		assert_true(is_code(kind->code));
		assert_int_equal(finding_find(kind->code), id); /* a code stands once */
		assert_true(strlen(kind->meaning) > 10 && strlen(kind->fix) > 3);
		assert_true((kind->status >= STATUS_USAGE && kind->status <= STATUS_POLICY) ||
		            kind->status == STATUS_NOT_EXECUTABLE ||
		            kind->status == STATUS_NOT_FOUND);
	}
	assert_int_equal(finding_find("no.such-code"), FINDING_COUNT);
}

static void what_is_printed_cannot_move_the_cursor(void **state)
{
	char out[256];

	(void)state;
	escape_into(out, sizeof(out), "a\nb\x1b[1m\x7f\xC2\x85\xE2\x80\xAE\xff caf\xC3\xA9");
	assert_string_equal(out, "a\\x0ab\\x1b[1m\\x7f\\xc2\\x85\\xe2\\x80\\xae\\xff caf\xC3\xA9");
	escape_into(out, 5, "\n\n\n");
	assert_string_equal(out, "\\x0a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_not_believed_unseen),
		cmocka_unit_test(the_first_in_precedence_wins),
		cmocka_unit_test(the_catalogue_is_sound),
		cmocka_unit_test(what_is_printed_cannot_move_the_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
