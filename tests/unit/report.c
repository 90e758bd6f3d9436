/* SPDX-License-Identifier: Apache-2.0 */
/* entry/report/: what people and programs get to read. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"
#include "engine/findings.h"
#include "report/catalogue.h"
#include "report/complain.h"
#include "report/explain.h"
#include "report/format.h"
#include "report/gen.h"
#include "report/hashing.h"
#include "report/progress.h"
#include "report/report.h"
#include "report/watched.h"
#include "util.h"

static FILE *out;
static char *printed;
static size_t printed_bytes;

static void print_begin(void)
{
	out = open_memstream(&printed, &printed_bytes);
	assert_non_null(out);
}

static const char *print_end(void)
{
	assert_int_equal(fclose(out), 0);
	return printed;
}

#define HOSTILE "a\n::error::b\x1b[2J\"\\\xff"

/* One model with one finding, both with what an attacker would call them. */
struct made {
	struct policy policy;
	struct model model;
	struct report_model seen;
	struct report_finding finding;
	struct identity who;
	struct environment env;
	struct report report;
};

static void make(struct made *made)
{
	memset(made, 0, sizeof(*made));
	made->model = (struct model){ .name = "m", /* the policy takes no other names */
		                      .path = "/models/" HOSTILE,
		                      .revision = "main",
		                      .selected = true };
	made->seen = (struct report_model){ .files = 2,
		                            .bytes = 1024,
		                            .seen = true,
		                            .found = true,
		                            .findings = { 1, 1, SEVERITY_ERROR } };
	made->finding = (struct report_finding){ .id = FINDING_FILE_DIGEST,
		                                 .severity = SEVERITY_ERROR,
		                                 .model = 0,
		                                 .path = HOSTILE,
		                                 .message = "is not " HOSTILE,
		                                 .fix = "fetch " HOSTILE };
	made->policy.models = &made->model;
	made->policy.model_count = 1;
	made->policy.file[SOURCE_POLICY] = "policy.ini";
	made->report = (struct report){ .policy = &made->policy,
		                        .who = &made->who,
		                        .env = &made->env,
		                        .findings = &made->finding,
		                        .count = 1,
		                        .models = &made->seen,
		                        .exact = true,
		                        .status = STATUS_DATA,
		                        .enforced = true };
}

static void no_format_lets_bytes_through(void **state)
{
	struct report_style style = { .width = 80, .verbose = true };
	struct made made;
	size_t written = 0;

	(void)state;
	make(&made);
	for (size_t i = 0; i < report_format_count; i++) {
		const char *text;

		if (report_formats[i].write == NULL)
			continue;
		print_begin();
		report_formats[i].write(&made.report, &style, out);
		text = print_end();
		assert_non_null(strstr(text, "file.digest"));
		for (size_t at = 0; at < printed_bytes; at++)
			if ((unsigned char)text[at] < ' ' && text[at] != '\n')
				fail_msg("%s prints the byte %d: %s", report_formats[i].name,
				         text[at], text);
		if (strcmp(report_formats[i].name, "github") != 0) /* whose lines are commands */
			assert_null(strstr(text, "\n::"));
		assert_null(strchr(text, '\xff'));
		free(printed);
		written++;
	}
	assert_true(written >= 2);
	assert_null(report_format_find("jsonl", 5));
	assert_string_equal(report_format_find("jsonl", 4)->name, "json");
}

static void lines_fit_the_width(void **state)
{
	struct made made;

	(void)state;
	make(&made);
	made.model.path = "/models/m";
	made.finding.message =
	        "is not what was stated, and this is said in a sentence that is longer than any "
	        "terminal of sixty columns could show in one line of its own";
	for (size_t width = 60; width <= 160; width += 20) {
		struct report_style style = { .width = width };
		char *line;

		print_begin();
		report_write_human(&made.report, &style, out);
		(void)print_end();
		for (line = strtok(printed, "\n"); line != NULL; line = strtok(NULL, "\n"))
			if (strlen(line) > width || line[strlen(line) - 1] == ' ')
				fail_msg("%zu: '%s'", width, line);
		free(printed);
	}
}

static void json_is_written_by_a_generator(void **state)
{
	yajl_gen gen;

	(void)state;
	print_begin();
	gen = gen_new(out, true);
	assert_non_null(gen);
	(void)yajl_gen_map_open(gen);
	gen_word(gen, "word");
	gen_word(gen, "value");
	gen_text(gen, "text", "a\"b\x01");
	gen_text(gen, "none", NULL);
	gen_number(gen, "number", UINT64_MAX); /* what yajl can write */
	gen_bool(gen, "bool", true);
	(void)yajl_gen_map_close(gen);
	yajl_gen_free(gen);
	assert_non_null(strstr(print_end(), "9223372036854775807"));
	assert_non_null(strstr(printed, "\"a\\\"b\\\\x01\""));
	assert_non_null(strstr(printed, "\"none\": null"));
	free(printed);
}

static void the_catalogue_is_printed_both_ways(void **state)
{
	(void)state;
	print_begin();
	catalogue_print(FINDING_FILE_DIGEST, out);
	assert_non_null(strstr(print_end(), finding_kinds[FINDING_FILE_DIGEST].fix));
	free(printed);
	print_begin();
	catalogue_print_json(0, FINDING_COUNT, out);
	assert_int_equal(print_end()[0], '[');
	assert_non_null(strstr(printed, "\"code\": \"file.digest\""));
	free(printed);
}

static void rows_are_explained_with_their_origin(void **state)
{
	struct explanation explanation = { .count = 0 };

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		explanation_add(&explanation, i == 0 ? "policy" : "model", "name", HOSTILE,
		                i == 0 ? NULL : "policy.ini:3");
	assert_false(explanation.failed);
	assert_int_equal(explanation.count, 300);
	print_begin();
	explanation_print(&explanation, out);
	assert_null(strchr(print_end(), '\x1b'));
	assert_non_null(strstr(printed, "policy.ini:3"));
	free(printed);
	print_begin();
	explanation_print_json(&explanation, out);
	assert_int_equal(print_end()[0], '[');
	free(printed);
	explanation_release(&explanation);
}

static const char *drained(int fd)
{
	static char bytes[8192];
	ssize_t got = read(fd, bytes, sizeof(bytes) - 1);

	bytes[got > 0 ? got : 0] = '\0';
	return bytes;
}

static void progress_is_told_in_its_style(void **state)
{
	static const enum progress_style styles[] = { PROGRESS_NONE, PROGRESS_LINES, PROGRESS_JSON,
		                                      PROGRESS_TERMINAL };
	struct model model = { .name = "m", .repo = "org/m" };
	struct policy policy = { .models = &model, .model_count = 1 };
	struct record
	        begins = { .type = RECORD_FETCH_MODEL, .files = 1, .bytes = 100, .path = "org/m" },
	        comes = { .type = RECORD_FETCH_FILE,
		          .files = 50,
		          .bytes = 100,
		          .path = "a\x1b[2J" },
	        done = { .type = RECORD_FETCH_DONE, .files = 1, .bytes = 100, .path = "org/m" };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(styles); i++) {
		struct progress progress;
		const char *text;
		int pipe_fds[2];

		assert_int_equal(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
		progress_begin(&progress, styles[i], pipe_fds[1], &policy, 0);
		progress_take(&progress, &begins, 1);
		progress_take(&progress, &comes, 20000000000u);
		progress_take(&progress, &done, 40000000000u);
		progress_tell(&progress, 0, "ok", "fetched");
		progress_end(&progress);
		text = drained(pipe_fds[0]);
		assert_int_equal(text[0] == '\0', styles[i] == PROGRESS_NONE);
		assert_null(strstr(text, "a\x1b[2J"));
		if (styles[i] == PROGRESS_JSON)
			assert_int_equal(text[0], '{');
		(void)close(pipe_fds[0]);
		(void)close(pipe_fds[1]);
	}
}

/* Standard error is a pipe here: no line that is drawn over belongs into a log. */
static void sentences_go_to_standard_error(void **state)
{
	struct record record = { .type = RECORD_PROGRESS, .files = 1, .bytes = 2 };
	int pipe_fds[2], kept = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	assert_int_equal(complain(STATUS_IO, "the disk\nis full"), STATUS_IO);
	assert_false(hash_progress(&record, false));
	hash_progress_end(false);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	assert_string_equal(drained(pipe_fds[0]), "aweigh: the disk\\x0ais full\n");
	(void)close(kept);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

static void a_service_is_told_in_one_sentence(void **state)
{
	struct report_service service = {
		.looked_at = true, .end_ms = 2500, .memory_bytes = 1500000, .lines = 1
	};
	char sentence[4096];
	struct text text = TEXT_OVER(sentence);

	(void)state;
	watched_add(&text, &service);
	assert_string_equal(sentence,
	                    "not ready, ended with status 0 after 2.50 s; 1.5 MB at most, 1 line");
	service.ready = true;
	service.ready_ms = 1250;
	service.status = 9; /* of a signal: wait(2) */
	service.ports[0] = 8000;
	for (size_t i = 0; i < 7; i++)
		service.programs[i] = "/bin/ls";
	text = TEXT_OVER(sentence);
	watched_add(&text, &service);
	assert_string_equal(
	        sentence,
	        "ready after 1.25 s, ended by signal 9 after 2.50 s; 1.5 MB at most, 1 line; "
	        "listened on 8000; started /bin/ls, /bin/ls, /bin/ls, /bin/ls, /bin/ls and 2 more");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_format_lets_bytes_through),
		cmocka_unit_test(lines_fit_the_width),
		cmocka_unit_test(json_is_written_by_a_generator),
		cmocka_unit_test(the_catalogue_is_printed_both_ways),
		cmocka_unit_test(rows_are_explained_with_their_origin),
		cmocka_unit_test(progress_is_told_in_its_style),
		cmocka_unit_test(sentences_go_to_standard_error),
		cmocka_unit_test(a_service_is_told_in_one_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
