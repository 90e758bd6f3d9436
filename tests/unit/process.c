/* SPDX-License-Identifier: Apache-2.0 */
/* entry/process/: children that send records, stop requests, and the clock that both are held to. */
#include "unit.h"
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "process/channel.h"
#include "process/child.h"
#include "process/clock.h"
#include "process/family.h"
#include "process/patient.h"
#include "process/signals.h"
#include "util.h"

#define SECOND_NS 1000000000ull

struct work {
	size_t records; /* that the child sends */
	enum { THEN_DONE, THEN_EXIT, THEN_CRASH, THEN_HANG, THEN_LIE } then;
	size_t taken;
};

static void send_and_end(void *context, int pipe_fd)
{
	const struct work *work = context;
	struct sender sender = { .fd = pipe_fd };
	struct record record = { .magic = RECORD_MAGIC, .type = RECORD_FINDING, .model = NO_MODEL };

	for (size_t i = 0; i < work->records; i++)
		if (sender_put(&sender, &record) != 0)
			_exit(9);
	if (work->then == THEN_LIE) {
		record.kind = FINDING_COUNT;
		(void)sender_put(&sender, &record);
	}
	(void)(work->then == THEN_DONE ? sender_done(&sender) : sender_flush(&sender));
	if (work->then == THEN_HANG || work->then == THEN_LIE)
		for (;;)
			(void)pause();
	if (work->then == THEN_CRASH)
		(void)raise(SIGKILL);
	_exit(work->then == THEN_EXIT ? 7 : 0);
}

static void count_record(void *context, const struct record *record)
{
	struct work *work = context;

	work->taken += record->type == RECORD_FINDING;
}

static struct child follow(struct work *work, const struct signals *signals, uint64_t within_ns)
{
	struct child_limits limits = { .signals = signals,
		                       .deadline_ns = clock_now_ns() + within_ns };
	enum child_ending ending;
	struct child child;

	assert_int_equal(child_start(&child, send_and_end, work), 0);
	ending = child_follow(&child, &limits, count_record, work);
	assert_int_equal(ending, child.ending);
	assert_true(child.reaped);
	return child;
}

static void children_end_in_one_of_five_ways(void **state)
{
	static const struct {
		struct work work;
		enum child_ending ending;
		const char *words;
	} cases[] = {
		{ { .records = 100, .then = THEN_DONE }, CHILD_DONE, "" },
		{ { .records = 3, .then = THEN_EXIT }, CHILD_DIED, "7" },
		{ { .records = 3, .then = THEN_CRASH }, CHILD_DIED, "signal 9" },
		{ { .records = 17, .then = THEN_HANG }, CHILD_DEADLINE, "" },
		{ { .records = 1, .then = THEN_LIE }, CHILD_BAD_RECORD, "worker" },
	};
	const struct signals *signals = *state;

	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		struct work work = cases[i].work;
		char said[256] = "";
		struct text text = TEXT_OVER(said);
		struct child child = follow(
		        &work, signals, work.then == THEN_HANG ? SECOND_NS / 5 : 20 * SECOND_NS);

		assert_int_equal(child.ending, cases[i].ending);
		assert_int_equal(work.taken, work.records);
		child_explain(&child, "worker", &text);
		/* The deadline is the gate's to explain. */
		assert_int_equal(said[0] != '\0',
		                 child.ending != CHILD_DONE && child.ending != CHILD_DEADLINE);
		if (strstr(said, cases[i].words) == NULL)
			fail_msg("%s", said);
	}
}

static void a_stop_request_ends_the_wait(void **state)
{
	const struct signals *signals = *state;
	struct work work = { .then = THEN_HANG };
	struct child child;

	assert_int_equal(kill(getpid(), SIGTERM), 0);
	child = follow(&work, signals, 60 * SECOND_NS);
	assert_int_equal(child.ending, CHILD_STOPPED);
	assert_int_equal(child.stop, SIGTERM);
	assert_int_equal(signals_stop_request(signals), 0); /* it was taken */
}

static void records_are_whole_or_nothing(void **state)
{
	struct record record = { .magic = RECORD_MAGIC, .type = RECORD_DONE, .model = NO_MODEL };
	struct channel channel = { 0 };
	int pipe_fds[2];

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
	channel.fd = pipe_fds[0];
	assert_int_equal(channel_take(&channel), -EAGAIN);
	assert_int_equal(write(pipe_fds[1], &record, 100), 100);
	assert_int_equal(channel_take(&channel), -EAGAIN);
	assert_int_equal(write(pipe_fds[1], (const char *)&record + 100, sizeof(record) - 100),
	                 (ssize_t)sizeof(record) - 100);
	assert_int_equal(channel_take(&channel), 1);
	assert_memory_equal(&channel.record, &record, sizeof(record));
	(void)close(pipe_fds[1]);
	assert_int_equal(channel_take(&channel), 0);
	(void)close(pipe_fds[0]);
}

static void signals_have_their_numbers(void **state)
{
	static const struct {
		const char *name;
		int number;
	} cases[] = { { "SIGTERM", SIGTERM },
		      { "TERM", SIGTERM },
		      { "15", 15 },
		      { "SIGRTMIN", 34 },
		      { "SIGRTMIN+3", 37 },
		      { "RTMAX-1", 63 },
		      { "SIGRTMAX", 64 },
		      { "SIGRTMAX-0", 64 },
		      { "SIGNOT", 0 },
		      { "0", 0 },
		      { "65", 0 },
		      { "SIGRTMIN+31", 0 },
		      { "", 0 },
		      { "SIG", 0 },
		      { "-15", 0 },
		      { "15 ", 0 } };
	uint8_t pair[2];

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++)
		if (signal_number(guarded(cases[i].name, strlen(cases[i].name)),
		                  strlen(cases[i].name)) != cases[i].number)
			fail_msg("%s", cases[i].name);
	assert_true(signals_pair("SIGTERM", "SIGINT", pair) && pair[0] == SIGTERM &&
	            pair[1] == SIGINT);
	assert_true(signals_pair("SIGHUP", "none", pair) && pair[1] == 0);
	assert_false(signals_pair("SIGKILL", "SIGINT", pair)); /* nobody can catch it */
	assert_false(signals_pair("SIGTERM", "nothing", pair));
	assert_true(statuses_pair("143", "0", pair) && pair[0] == 143 && pair[1] == 0);
	assert_false(statuses_pair("256", "0", pair));
	assert_false(statuses_pair("", "0", pair));
}

static void the_clock_rounds_up_and_ends_at_zero(void **state)
{
	(void)state;
	assert_int_equal(clock_left_ms(clock_now_ns()), 0);
	assert_int_equal(clock_left_ms(0), 0);
	assert_true(clock_left_ms(clock_now_ns() + SECOND_NS) > 900);
	assert_int_equal(clock_left_ms(UINT64_MAX), 86400000); /* poll(2) takes an int */
}

static void a_family_is_signalled_but_for_its_exceptions(void **state)
{
	pid_t one = fork(), other;
	struct family family;
	size_t refused;
	int status;

	(void)state;
	if (one == 0)
		for (;;)
			(void)pause();
	other = fork();
	if (other == 0)
		for (;;)
			(void)pause();
	assert_true(one > 0 && other > 0);
	assert_true(family_begin(&family, getpid())); /* both were there before */
	assert_int_equal(family_signal(&family, SIGKILL, &refused), 0);
	family_forget(&family, one);
	assert_int_equal(family_signal(&family, SIGKILL, &refused), 1);
	assert_int_equal(waitpid(one, &status, 0), one);
	assert_int_equal(waitpid(other, &status, WNOHANG), 0);
	family_forget(&family, other);
	assert_int_equal(family_signal(&family, SIGKILL, &refused), 1);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(family_signal(&family, SIGKILL, &refused), 0);
	assert_int_equal(refused, 0);
	family_release(&family);
}

/* By a child, as where a mount lies on the way, it is the same file with the same mode. */
static void files_are_read_with_patience(void **state)
{
	struct place place = place_make();
	struct tree trees[2];
	char path[96];
	struct text text = TEXT_OVER(path);

	place_text(&place, "sub/file", "content");
	text_addf(&text, "%s/sub/file", place.path);
	assert_int_equal(chmod(path, 0750), 0);
	for (int i = 0; i < 2; i++) {
		char *data = NULL, parent[96];
		struct text above = TEXT_OVER(parent);
		size_t length;
		struct stat st;
		int fd;

		assert_int_equal(tree_init(&trees[i], NULL), 0);
		trees[i].by_hand |= i == 1;
		fd = patient_open(&trees[i], path, 7, *state);
		assert_true(fd >= 0 && fstat(fd, &st) == 0);
		assert_int_equal(st.st_mode & (S_IFMT | 0666), S_IFREG | 0640);
		(void)close(fd);
		assert_int_equal(patient_read(&trees[i], path, 7, *state, &data, &length), 0);
		assert_int_equal(length, 7);
		assert_string_equal(data, "content");
		free(data);
		text_addf(&above, "%s/sub", place.path);
		assert_int_equal(patient_open(&trees[i], path, 6, *state), -EFBIG);
		assert_int_equal(patient_open(&trees[i], parent, 6, NULL), -EISDIR);
		assert_int_equal(patient_open(&trees[i], "/nowhere", 6, NULL), -ENOENT);
		assert_int_equal(patient_open(&trees[i], "/dev/null", 6, NULL), -EINVAL);
		tree_release(&trees[i]);
	}
	assert_string_equal(patient_words(-ETIMEDOUT), "its volume does not answer");
	place_remove(&place);
}

static int begin(void **state)
{
	static struct signals signals;

	*state = &signals;
	return signals_init(&signals);
}

static int end(void **state)
{
	signals_restore(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_end_in_one_of_five_ways),
		cmocka_unit_test(a_stop_request_ends_the_wait),
		cmocka_unit_test(records_are_whole_or_nothing),
		cmocka_unit_test(signals_have_their_numbers),
		cmocka_unit_test(the_clock_rounds_up_and_ends_at_zero),
		cmocka_unit_test(files_are_read_with_patience),
		cmocka_unit_test(a_family_is_signalled_but_for_its_exceptions),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
