/* SPDX-License-Identifier: Apache-2.0 */
/* The lock file: what is read, what its set is, what is written again, and who is believed while one is made. */
#include "unit.h"

#include <unistd.h>

#include "base/arena.h"
#include "engine/acts.h"
#include "engine/locate.h"
#include "engine/metadata.h"
#include "engine/walk.h"
#include "gate/drafting.h"
#include "gate/opened.h"
#include "gate/locked.h"
#include "gate/locking.h"
#include "hub/lock.h"
#include "report/lock.h"
#include "util.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static bool read_text(struct lock *lock, const char *text, char *sentence, size_t size)
{
	struct text why = text_over(sentence, size);
	int fd = memfd_create("lock", 0);
	bool well;

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_true(lock_init(lock));
	well = lock_read(lock, fd, &why);
	assert_true(well || why.length > 0);
	(void)close(fd);
	return well;
}

static void a_list_of_sha256sum(void **state)
{
	struct lock lock;
	char why[512], set[SHA256_HEX + 1];

	(void)state;
	assert_true(read_text(&lock, B64 "  ./b/x\n" A64 " *a\r\n", why, sizeof(why)));
	assert_true(lock.is_list && lock.count == 1 && lock.models[0].count == 2);
	assert_string_equal(lock.models[0].files[0].path, "a");
	assert_non_null(lock_find_file(&lock.models[0], "b/x"));
	assert_null(lock_find_file(&lock.models[0], "b"));
	assert_true(lock_find_model(&lock, "any") == &lock.models[0]);
	/* printf '%s' "$A  a\n$B  b/x" | sha256sum */
	assert_true(lock_set(&lock.models[0], set));
	assert_string_equal(set,
	                    "95896023db3d08a611a0594f2c8e6ff3ce03a5a1fa8f6338078194fcf55b25b0");
	lock_release(&lock);
	assert_false(read_text(&lock, A64 "  ../a\n", why, sizeof(why)));
	lock_release(&lock);
	assert_false(read_text(&lock, A64 "  a\n" B64 "  a\n", why, sizeof(why)));
	assert_non_null(strstr(why, "twice"));
	lock_release(&lock);
}

static void what_is_written_is_read_again(void **state)
{
	struct lock lock, again;
	char why[512], *text = NULL;
	struct lock_text kept[4];
	size_t length;
	FILE *out = open_memstream(&text, &length);
	struct lock_model *model;
	struct lock_file *file;

	(void)state;
	assert_true(out != NULL && lock_init(&lock));
	for (size_t i = 0; i < 2; i++) {
		model = lock_add_model(&lock, i == 0 ? "z" : "a", "org/m", NULL);
		assert_non_null(model);
		file = lock_add_file(&lock, model, "q\"{[", 4);
		assert_non_null(file);
		file->size = 7;
		assert_null(lock_close_model(model));
	}
	lock_sort_models(&lock);
	assert_true(lock_write(&lock, NULL, 0, out));
	assert_int_equal(fclose(out), 0);
	assert_true(read_text(&again, text, why, sizeof(why)));
	assert_int_equal(again.count, 2);
	assert_string_equal(again.models[0].name, "a");
	assert_string_equal(again.models[1].files[0].path, "q\"{[");
	assert_int_equal(lock_texts(text, kept, LENGTH_OF(kept)), 2);
	assert_int_equal(strncmp(kept[1].at, "{\"name\": \"z\"", 12), 0);
	assert_int_equal(kept[1].at[kept[1].length - 1], '}');
	lock_release(&lock);
	lock_release(&again);
	free(text);
}

static void names_that_act(void **state)
{
	static const char *const acting[] = { "a.py",
		                              "x/pytorch_model.bin",
		                              "chat_template.txt",
		                              "additional_chat_templates/a.jinja",
		                              "tokenizer_config.json",
		                              "k.so",
		                              "data.pkl",
		                              "model-00001-of-00002.safetensors" };
	static const char *const harmless[] = { "README.md",   "notes.txt",  "LICENSE",
		                                "picture.png", "other.gguf", ".gitattributes" };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(acting); i++)
		assert_true(name_can_act(acting[i]));
	for (size_t i = 0; i < LENGTH_OF(harmless); i++)
		assert_false(name_can_act(harmless[i]));
}

static void a_directory_without_metadata(void **state)
{
	struct tree tree = { .root_fd = -1 };
	struct seen_files seen = { 0 };
	struct model_view view = { .seen = &seen, .place = { .repo_fd = -1, .dir_fd = -1 } };
	struct inspection inspection = { .tree = &tree, .model = &view };
	struct metadata metadata;

	(void)state;
	assert_false(metadata_read(&inspection, "config.json", &metadata));
}

static void what_is_wanted(void **state)
{
	const char *files[] = { "*.json" }, *exclude[] = { "x/*" };
	struct model model = { .files = { files, 1 }, .exclude = { exclude, 1 } };

	(void)state;
	assert_true(model_selects(&model, "config.json"));
	assert_false(model_selects(&model, "x/config.json"));
	assert_false(model_selects(&model, "a.txt"));
}

static void a_record_of_a_file_is_not_believed_unseen(void **state)
{
	struct model model = { .name = "m" };
	struct gate *gate = calloc(1, sizeof(*gate));
	struct record record = { .magic = RECORD_MAGIC, .type = RECORD_LOCKED, .bytes = 3 };

	(void)state;
	assert_non_null(gate);
	gate->policy.models = &model;
	gate->policy.model_count = 1;
	gate->report.arena = arena_new();
	assert_true(lock_init(&gate->made));
	memcpy(record.path, "a", 2);
	memcpy(record.message, A64, SHA256_HEX + 1);
	gate_take_locked(gate, &record); /* nobody asked */
	gate->fetching = FETCHING_LOCK;
	memcpy(record.message, "x", 2);
	gate_take_locked(gate, &record);
	memcpy(record.message, A64, SHA256_HEX + 1);
	memcpy(record.path, "../a", 5);
	gate_take_locked(gate, &record);
	memcpy(record.path, "a\xff", 3);
	gate_take_locked(gate, &record);
	assert_int_equal(gate->report.count, 4);
	assert_int_equal(gate->made.count, 0);
	memcpy(record.path, "a", 2);
	gate_take_locked(gate, &record);
	assert_int_equal(gate->report.count, 4);
	assert_int_equal(gate->made.models[0].count, 1);
	lock_release(&gate->made);
	arena_free(gate->report.arena);
	free(gate->report.findings);
	free(gate);
}

static void nothing_is_drafted_of_nothing(void **state)
{
	char sentence[512];
	struct text why = TEXT_OVER(sentence);
	char nowhere[PATH_MAX] = "/nowhere";
	struct draft draft;
	struct stat st;

	(void)state;
	assert_true(draft_begin(&draft, NULL, &why));
	assert_false(draft_find(&draft, nowhere, nowhere, &st, &why));
	assert_true(why.length > 0);
	text_shorten(&why, 0);
	assert_false(draft_take(&draft, nowhere, &why));
	assert_true(why.length > 0);
	draft_finish(&draft);
	draft_write(&draft, false, stdout);
	draft_release(&draft);
}

/* Notes are sorted, each once; a repository of the path of which nothing is there is one that it looked for. */
static void what_was_opened_becomes_notes(void **state)
{
	struct opened_file files[] = {
		{ .path = (char *)(uintptr_t) "/nowhere/models--o--n/refs/main" },
		{ .path = (char *)(uintptr_t) "/nowhere/models--o--n/refs/main" },
		{ .path = (char *)(uintptr_t) "/nowhere/models--" }
	};
	struct observer *observer = calloc(1, sizeof(*observer));
	char sentence[512];
	struct text why = TEXT_OVER(sentence);
	struct draft draft;

	(void)state;
	assert_non_null(observer);
	observer->files = files;
	observer->file_count = LENGTH_OF(files);
	observer->attempts[0] = (struct attempt){ .kind = ATTEMPT_NAME, .host = "hub.invalid" };
	observer->attempt_count = 1;
	assert_true(draft_begin(&draft, NULL, &why));
	assert_true(draft_take_opened(&draft, observer, &why));
	assert_int_equal(draft.count, 0);
	assert_int_equal(draft.note_count, 2);
	assert_string_equal(draft.notes[0], "it asked DNS for hub.invalid");
	assert_string_equal(draft.notes[1], "it looked for models--o--n, which is not in /nowhere");
	draft_release(&draft);
	free(observer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_of_sha256sum),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(names_that_act),
		cmocka_unit_test(a_directory_without_metadata),
		cmocka_unit_test(what_is_wanted),
		cmocka_unit_test(nothing_is_drafted_of_nothing),
		cmocka_unit_test(what_was_opened_becomes_notes),
		cmocka_unit_test(a_record_of_a_file_is_not_believed_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
