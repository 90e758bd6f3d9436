/* SPDX-License-Identifier: Apache-2.0 */
/* checks/engine/, checks/families/ and the checks: what is said about a model that lies on the disk. */
#include "unit.h"

#include <sched.h>
#include <unistd.h>

#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/digests.h"
#include "engine/findings.h"
#include "engine/inspect.h"
#include "engine/locate.h"
#include "engine/walk.h"
#include "families/families.h"
#include "inspector.h"
#include "place.h"
#include "policy/read.h"
#include "process/child.h"
#include "process/clock.h"
#include "system/cgroup.h"
#include "system/passwd.h"
#include "util.h"

static const struct check checks[] = {
#define CHECK(name, scope, level) { #name, SCOPE_##scope, LEVEL_##level, check_##name },
#include "checks.def"
#undef CHECK
};

/* What was said about the one model of the policy. */
struct told {
	unsigned count[FINDING_COUNT];
	struct record model, last; /* RECORD_MODEL; the last finding that is an error */
	size_t errors;
};

static int take(struct inspection *inspection, const struct record *record)
{
	struct told *told = inspection->send_context;

	assert_int_equal(record->magic, RECORD_MAGIC);
	if (record->type == RECORD_MODEL)
		told->model = *record;
	if (record->type != RECORD_FINDING)
		return 0;
	told->count[record->kind]++;
	if (record->model != NO_MODEL && finding_kinds[record->kind].severity == SEVERITY_ERROR) {
		told->errors++;
		told->last = *record;
	}
	return 0;
}

static const char *const no_rows[] = { NULL };
static const struct environment nothing = { no_rows, 0 };

/* Inspects `path = PLACE` with these further rows of its section. */
static struct told inspect_place(const struct place *place, const char *rows)
{
	struct policy_input input = { .file = "policy.ini", .environment = &nothing, .level = -1 };
	const struct user_files users = { 0 };
	struct identity who = { .uid = geteuid(), .gid = getegid() };
	struct tree tree;
	struct policy policy;
	char ini[1024];
	struct text text = TEXT_OVER(ini);
	struct told told = { .errors = 0 };
	struct inspection inspection = { .checks = checks,
		                         .check_count = LENGTH_OF(checks),
		                         .policy = &policy,
		                         .tree = &tree,
		                         .env = &nothing,
		                         .given = &nothing,
		                         .who = &who,
		                         .users = &users,
		                         .working_directory = "/",
		                         .deepest = LEVEL_DIGEST,
		                         .send = take,
		                         .send_context = &told };

	text_addf(&text, "[model m]\npath = %s\n%s", place->path, rows);
	assert_int_equal(tree_init(&tree, NULL), 0);
	assert_int_equal(policy_parse(&policy, &input, ini, text.length), 0);
	assert_int_equal(policy.error_count, 0);
	inspect(&inspection);
	assert_int_equal(inspection.failed, 0);
	assert_int_equal(told.model.type, RECORD_MODEL);
	policy_release(&policy);
	tree_release(&tree);
	return told;
}

static void refused(const struct told *told, enum finding_id id, const char *path)
{
	if (told->count[id] == 0)
		fail_msg("no %s; the last error: %s %s", finding_kinds[id].code,
		         finding_kinds[told->last.kind].code, told->last.message);
	assert_true(told->errors > 0);
	if (path != NULL && told->count[told->last.kind] > 0)
		assert_non_null(strstr(told->last.path, path));
}

/* One tensor of eight bytes. */
static const char header[] = "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";

static void put_weights(const struct place *place, const char *name, size_t data)
{
	char bytes[256] = { (char)(sizeof(header) - 1) };

	memcpy(bytes + 8, header, sizeof(header) - 1);
	memset(bytes + 8 + sizeof(header) - 1, 1, 16);
	place_put(place, name, bytes, 8 + sizeof(header) - 1 + data);
}

static struct place make_model(void)
{
	struct place place = place_make();

	place_text(&place, "config.json", "{\"model_type\": \"bert\"}");
	place_text(&place, "tokenizer.json", "{\"version\": \"1.0\"}");
	put_weights(&place, "model.safetensors", 8);
	return place;
}

static void what_is_whole_passes_at_every_level(void **state)
{
	static const char *const levels[] = { "presence", "size", "structure", "digest" };
	struct place place = make_model();

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(levels); i++) {
		char rows[64];
		struct text text = TEXT_OVER(rows);
		struct told told;

		text_addf(&text, "verify = %s\n", levels[i]);
		told = inspect_place(&place, rows);
		if (told.errors != 0)
			fail_msg("%s: %s", levels[i], told.last.message);
		assert_int_equal(told.model.files, 3);
		assert_string_equal(told.model.path, place.path);
	}
	place_remove(&place);
}

static void each_damage_has_its_finding(void **state)
{
	static const struct {
		const char *rows;
		enum finding_id id;
		const char *path, *name, *content; /* a file that takes the place of a sound one */
	} cases[] = {
		{ "", FINDING_FILE_POINTER, "model.safetensors", "model.safetensors",
		  "version https://git-lfs.github.com/spec/v1\n"
		  "oid sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nsize 123456\n" },
		{ "", FINDING_FILE_EMPTY, "model.safetensors", "model.safetensors", "" },
		{ "", FINDING_FILE_NOT_JSON, "config.json", "config.json", "{\"model_type\": " },
		{ "require = *.gguf\n", FINDING_MODEL_REQUIRED, NULL, "config.json", "{}" },
		{ "formats = gguf\n", FINDING_MODEL_FORMAT, NULL, "config.json", "{}" },
		{ "min_size = 1M\n", FINDING_MODEL_TOO_SMALL, NULL, "config.json", "{}" },
		{ "remote_code = deny\n", FINDING_MODEL_REMOTE_CODE, NULL, "config.json",
		  "{\"auto_map\": {\"AutoModel\": \"modeling_x.Model\"}}" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		struct place place = make_model();
		struct told told;

		place_text(&place, cases[i].name, cases[i].content);
		told = inspect_place(&place, cases[i].rows);
		refused(&told, cases[i].id, cases[i].path);
		place_remove(&place);
	}
}

static void a_file_cut_short_names_itself(void **state)
{
	struct place place = make_model();
	struct told told;

	(void)state;
	put_weights(&place, "model.safetensors", 7);
	told = inspect_place(&place, "");
	refused(&told, FINDING_FILE_TRUNCATED, "model.safetensors");
	/* What the policy does not want refuses nothing. */
	told = inspect_place(&place, "files = *.json\n");
	assert_int_equal(told.errors, 0);
	assert_int_equal(told.model.files, 2);
	told = inspect_place(&place, "exclude = *.safetensors, *.bin\n");
	assert_int_equal(told.errors, 0);
	place_remove(&place);
}

/* A link of the model's that leads nowhere, out of it, and round in a circle. */
static void links_are_followed_within_the_model(void **state)
{
	struct place place = make_model();
	struct told told;

	(void)state;
	assert_int_equal(symlinkat("model.safetensors", place.fd, "copy.safetensors"), 0);
	told = inspect_place(&place, "");
	assert_int_equal(told.errors, 0);
	assert_int_equal(symlinkat("absent", place.fd, "dangling.safetensors"), 0);
	told = inspect_place(&place, "");
	refused(&told, FINDING_FILE_DANGLING_LINK, "dangling");
	assert_int_equal(unlinkat(place.fd, "dangling.safetensors", 0), 0);
	assert_int_equal(symlinkat("../../etc/passwd", place.fd, "passwd.json"), 0);
	told = inspect_place(&place, "");
	refused(&told, FINDING_FILE_LINK_ESCAPES, "passwd");
	assert_int_equal(unlinkat(place.fd, "passwd.json", 0), 0);
	assert_int_equal(symlinkat(".", place.fd, "round"), 0);
	told = inspect_place(&place, "");
	assert_true(told.model.files < 200);
	place_remove(&place);
}

static void what_is_not_there_is_missing(void **state)
{
	struct place place = place_make(), gone = place;
	struct told told;

	(void)state;
	gone.path[sizeof("/tmp/aweigh-unit-") - 1] = '!';
	told = inspect_place(&gone, "");
	refused(&told, FINDING_MODEL_MISSING, NULL);
	assert_int_equal(told.model.files, 0);
	place_remove(&place);
}

/* Every family has marks of its own, and is told by each of them. */
static void families_are_told_by_their_marks(void **state)
{
	(void)state;
	for (size_t i = 0; i < family_count; i++) {
		char marks[256];
		struct text text = TEXT_OVER(marks);
		char *mark, *at = NULL;

		text_add(&text, families[i].marks);
		assert_false(text.cut);
		for (mark = strtok_r(marks, " ", &at); mark != NULL;
		     mark = strtok_r(NULL, " ", &at))
			for (size_t j = 0; j < i; j++) {
				char padded[256], word[64];
				struct text all = TEXT_OVER(padded), one = TEXT_OVER(word);

				text_addf(&all, " %s ", families[j].marks);
				text_addf(&one, " %s ", mark);
				if (strstr(padded, word) != NULL)
					fail_msg("%s and %s", families[i].name, families[j].name);
			}
	}
}

static void a_missing_part_of_a_family_is_named(void **state)
{
	static const struct {
		const char *manifest, *content, *missing;
		enum finding_id id;
	} cases[] = {
		{ "modules.json",
		  "[{\"idx\":0,\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"},"
		  "{\"idx\":1,\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models.Pooling\"}]",
		  "1_Pooling", FINDING_MODEL_INCOMPLETE },
		{ "model_index.json",
		  "{\"_class_name\":\"X\",\"unet\":[\"diffusers\",\"UNet2DConditionModel\"]}",
		  "unet", FINDING_MODEL_INCOMPLETE },
		{ "model.safetensors.index.json",
		  "{\"metadata\":{},\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\","
		  "\"b\":\"model-00002-of-00002.safetensors\"}}",
		  "00002-of-00002", FINDING_MODEL_SHARD },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		struct place place = make_model();
		struct told told;

		place_text(&place, cases[i].manifest, cases[i].content);
		put_weights(&place, "model-00001-of-00002.safetensors", 8);
		if (cases[i].id ==
		    FINDING_MODEL_SHARD) /* beside the whole nobody opens the index */
			assert_int_equal(unlinkat(place.fd, "model.safetensors", 0), 0);
		told = inspect_place(&place, "");
		if (told.errors == 0 || (strstr(told.last.message, cases[i].missing) == NULL &&
		                         strstr(told.last.path, cases[i].missing) == NULL))
			fail_msg("%s: %s %s", cases[i].manifest, told.last.path, told.last.message);
		place_remove(&place);
	}
}

static void run_inspector(void *context, int pipe_fd)
{
	struct inspection *inspection = context;
	struct tree tree;

	if (tree_init(&tree, NULL) != 0)
		_exit(1);
	inspection->tree = &tree;
	inspector_run(inspection, &tree, NULL, pipe_fd);
}

static void take_finding(void *context, const struct record *record)
{
	if (record->type == RECORD_FINDING && record->model == 0)
		((unsigned *)context)[record->kind]++;
}

/* The same in a process that has given up all that it can: what it says is what was said here. */
static void the_inspector_sees_as_much(void **state)
{
	struct place place = make_model();
	struct policy_input input = { .file = "policy.ini", .environment = &nothing, .level = -1 };
	const struct user_files users = { 0 };
	struct identity who = { .uid = geteuid(), .gid = getegid() };
	struct policy policy;
	char ini[256];
	struct text text = TEXT_OVER(ini);
	unsigned seen[FINDING_COUNT] = { 0 };
	struct inspection inspection = { .policy = &policy,
		                         .env = &nothing,
		                         .given = &nothing,
		                         .who = &who,
		                         .users = &users,
		                         .working_directory = "/",
		                         .deepest = LEVEL_DIGEST };
	struct child_limits limits = { .deadline_ns = clock_now_ns() + 60000000000ull,
		                       .models = 1 };
	struct signals signals;
	struct child child;

	(void)state;
	put_weights(&place, "model.safetensors", 7);
	text_addf(&text, "[model m]\npath = %s\n", place.path);
	assert_int_equal(policy_parse(&policy, &input, ini, text.length), 0);
	assert_int_equal(signals_init(&signals), 0);
	limits.signals = &signals;
	assert_int_equal(child_start(&child, run_inspector, &inspection), 0);
	assert_int_equal(child_follow(&child, &limits, take_finding, seen), CHILD_DONE);
	assert_int_equal(seen[FINDING_FILE_TRUNCATED], 1);
	signals_restore(&signals);
	policy_release(&policy);
	place_remove(&place);
}

static void the_machine_has_a_core_and_some_memory(void **state)
{
	cpu_set_t before, one;

	(void)state;
	assert_true(cores_allowed() >= 1);
	assert_true(memory_limit() > 1u << 20);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((size_t)i, &before) && CPU_COUNT(&one) == 0)
			CPU_SET((size_t)i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(cores_allowed(), 1);
	(void)sched_setaffinity(0, sizeof(before), &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_whole_passes_at_every_level),
		cmocka_unit_test(each_damage_has_its_finding),
		cmocka_unit_test(a_file_cut_short_names_itself),
		cmocka_unit_test(links_are_followed_within_the_model),
		cmocka_unit_test(what_is_not_there_is_missing),
		cmocka_unit_test(families_are_told_by_their_marks),
		cmocka_unit_test(a_missing_part_of_a_family_is_named),
		cmocka_unit_test(the_inspector_sees_as_much),
		cmocka_unit_test(the_machine_has_a_core_and_some_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
