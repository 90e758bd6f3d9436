/* SPDX-License-Identifier: Apache-2.0 */
/* entry/service: targets, lines, questions, and what an observer keeps; gate/seen.h and confine/observe.h as far as no process is needed. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "confine/observe.h"
#include "gate/seen.h"
#include "service/lines.h"
#include "service/observer.h"
#include "service/patterns.h"
#include "service/question.h"
#include "service/stream.h"
#include "service/target.h"
#include "service/tls.h"
#include "service/watch.h"
#include "util.h"

static void targets(void **state)
{
	static const struct {
		const char *text, *host, *rest;
		enum target_kind kind;
		unsigned port;
	} good[] = {
		{ "http://127.0.0.1:8001/api/?x=1", "127.0.0.1", "/api/?x=1", TARGET_HTTP, 8001 },
		{ "http://localhost", "", "/", TARGET_HTTP, 80 },
		{ "http://[::1]:9/", "::1", "/", TARGET_HTTP, 9 },
		{ "tcp:65535", "", "", TARGET_TCP, 65535 },
		{ "tcp:127.1.2.3:7", "127.1.2.3", "", TARGET_TCP, 7 },
		{ "unix:/s", "", "/s", TARGET_UNIX, 0 },
		{ "log:a*b", "", "a*b", TARGET_LOG, 0 },
		{ "exit", "", "", TARGET_EXIT, 0 },
	};
	static const char *const bad[] = {
		"",       "http://", "http://:0/", "tcp:",         "tcp:1:",    "tcp:1x",
		"unix:s", "log:",    "notify:x",   "http://[::1/", "http://a/", "http://8.8.8.8/"
	};
	char sentence[512];
	struct target target;

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(good); i++) {
		struct text why = TEXT_OVER(sentence);

		if (!target_parse(&target, good[i].text, &why))
			fail_msg("%s", sentence);
		assert_string_equal(target.host, good[i].host);
		assert_string_equal(target.rest, good[i].rest);
		assert_int_equal(target.kind, good[i].kind);
		assert_int_equal(target.port, good[i].port);
	}
	for (size_t i = 0; i < LENGTH_OF(bad); i++) {
		struct text why = TEXT_OVER(sentence);

		assert_false(target_parse(&target, bad[i], &why) &&
		             target_may_be_asked(&target, false, &why));
		assert_true(why.length > 0);
	}
}

static void take(void *context, const char *line)
{
	struct text *text = context;

	text_addf(text, "[%s]", line);
}

static void lines_end_where_they_end(void **state)
{
	static struct lines lines;
	char out[256];
	struct text text = TEXT_OVER(out);

	(void)state;
	lines = (struct lines){ .take = take, .context = &text };
	lines_feed(&lines, "a\r10%\r\n", 7);
	lines_feed(&lines, "b", 1);
	lines_feed(&lines, "\0c\nlast", 7);
	lines_end(&lines);
	assert_string_equal(out, "[a][10%][b c][last]");
}

static void a_name_that_is_asked_for(void **state)
{
	static const unsigned char query[] = "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x0bhuggingface\x02"
	                                     "co\0\0\x01\0\x01";
	char name[QUESTION_NAME_BYTES];

	(void)state;
	assert_true(question_read(query, sizeof(query) - 1, name));
	assert_string_equal(name, "huggingface.co");
	for (size_t length = 0; length < sizeof(query) - 1; length++)
		assert_false(
		        question_read((const unsigned char *)guarded(query, length), length, name));
}

static void lines_meet_patterns(void **state)
{
	(void)state;
	assert_true(pattern_holds("model loaded in 3 s", "loaded"));
	assert_true(pattern_holds("model loaded in 3 s", "model * 3"));
	assert_true(pattern_holds("model loaded in 3 s", "*in ? s"));
	assert_false(pattern_holds("model loaded", "loaded in"));
	assert_string_equal(pattern_meets("a b", "b"), "b");
	assert_null(pattern_meets("a b", "c"));
	assert_null(pattern_meets("Downloading shards", "huggingface"));
	assert_non_null(pattern_meets("x LocalEntryNotFoundError: y", "huggingface"));
	assert_non_null(pattern_meets("Retrying in 1s [Retry 1/5].", "huggingface"));
	assert_non_null(pattern_meets("Fetching 5 files:  20%|##", "huggingface"));
	assert_non_null(pattern_meets("error: certificate verify failed (expired)", "huggingface"));
}

static void count_line(void *context, const char *line)
{
	*(size_t *)context += strlen(line);
}

static void a_stream_is_passed_on_and_looked_at(void **state)
{
	int from[2], to[2];
	size_t seen = 0;
	char bytes[16] = "";
	struct stream stream = { .name = "stdout", .from = -1, .to = -1 };

	(void)state;
	stream.lines.take = count_line;
	stream.lines.context = &seen;
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	stream.from = from[0];
	assert_int_equal(stream_start_writer(&stream, to[1], NULL, -1), 0);
	assert_true(stream_has_room(&stream));
	assert_int_equal(write(from[1], "ab\n", 3), 3);
	assert_true(stream_pass_on(&stream));
	assert_int_equal(write(from[1], "cde", 3), 3);
	(void)close(from[1]);
	stream_look_at_rest(&stream); /* from here on nothing is passed on */
	assert_int_equal(seen, 5);
	assert_int_equal(waitpid(stream.writer, NULL, 0), stream.writer);
	(void)close(to[1]);
	assert_int_equal(read(to[0], bytes, sizeof(bytes)), 3);
	assert_string_equal(bytes, "ab\n");
	(void)close(to[0]);
}

static void no_handshake_with_nobody(void **state)
{
	char sentence[64];
	struct text why = TEXT_OVER(sentence);

	(void)state;
	assert_null(tls_open(-1, 0, &why));
	assert_string_equal(sentence, "no handshake of TLS");
	tls_close(NULL);
}

static void nothing_is_observed_without_a_listener(void **state)
{
	struct observer observer = { 0 };
	struct observed observed = { .pid = getpid(),
		                     .listener_fd = STDIN_FILENO,
		                     .memory_fd = -1 };
	char bytes[8];

	(void)state;
	assert_true(!observer_turn(&observer, STDIN_FILENO) || observer.file_count == 0);
	assert_int_equal(observe_read(&observed, 1, bytes, sizeof(bytes)), 0);
	observer_release(&observer);
}

static void a_service_that_was_not_observed_says_so(void **state)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	struct watched *seen = calloc(1, sizeof(*seen));
	const char *ready[] = { "exit" };

	(void)state;
	assert_true(gate != NULL && seen != NULL);
	gate->report.arena = arena_new();
	gate->policy.ready = (struct list){ ready, 1 };
	seen->ready = seen->ended = true;
	gate_take_service(gate, seen, NULL);
	assert_int_equal(gate->report.count, 1);
	assert_int_equal(gate->report.findings[0].id, FINDING_SERVICE_UNOBSERVED);
	assert_int_equal(gate->report.status, STATUS_OK);
	arena_free(gate->report.arena);
	free(gate->report.findings);
	free(gate);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets),
		cmocka_unit_test(lines_end_where_they_end),
		cmocka_unit_test(a_name_that_is_asked_for),
		cmocka_unit_test(lines_meet_patterns),
		cmocka_unit_test(a_stream_is_passed_on_and_looked_at),
		cmocka_unit_test(no_handshake_with_nobody),
		cmocka_unit_test(nothing_is_observed_without_a_listener),
		cmocka_unit_test(a_service_that_was_not_observed_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
