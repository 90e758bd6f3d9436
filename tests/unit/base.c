/* SPDX-License-Identifier: Apache-2.0 */
/* checks/base: bounded text, numbers, patterns, JSON. */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/glob.h"
#include "base/json.h"
#include "base/list.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "base/words.h"
#include "place.h"
#include "policy.h"
#include "util.h"

static void text_never_overflows(void **state)
{
	char buffer[8];
	struct text text = TEXT_OVER(buffer);

	(void)state;
	text_add(&text, "1234");
	text_addf(&text, "%d", 56789);
	assert_string_equal(buffer, "1234567");
	assert_true(text.cut);
	text_mark_cut(&text);
	assert_string_equal(buffer, "1234...");
	text_shorten(&text, 2);
	assert_string_equal(buffer, "12");
}

static void paths_are_joined_and_compared(void **state)
{
	char out[16];

	(void)state;
	assert_true(path_join(out, sizeof(out), "/a", "b"));
	assert_string_equal(out, "/a/b");
	assert_true(path_join(out, sizeof(out), "/", "/b"));
	assert_string_equal(out, "/b");
	assert_false(path_join(out, sizeof(out), "/aaaaaaaaa", "bbbbbbbb"));
	assert_true(path_is_beneath("/a/b", "/a"));
	assert_true(path_is_beneath("/a", "/a/"));
	assert_true(path_is_beneath("/a", "/"));
	assert_false(path_is_beneath("/ab", "/a"));
}

static void numbers_are_strict(void **state)
{
	static const char *const bad[] = {
		"", " 1", "1 ", "+1", "-1", "0x1", "18446744073709551616", "1e3"
	};
	uint64_t out = 7;

	(void)state;
	assert_true(scan_u64("18446744073709551615", 20, &out));
	assert_true(out == UINT64_MAX);
	for (size_t i = 0; i < LENGTH_OF(bad); i++)
		assert_false(scan_u64(bad[i], strlen(bad[i]), &out));
	assert_true(scan_octal("0022", 4, &out) && out == 022);
	assert_false(scan_octal("8", 1, &out));
}

static void units_of_sizes_and_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} sizes[] = { { "80M", 80000000 },   { "4G", 4000000000 }, { "1.5k", 1500 },
		      { "16MiB", 16777216 }, { "0", 0 },           { "7B", 7 } },
	  durations[] = { { "200s", 200000 }, { "250ms", 250 },  { "1.5s", 1500 },
		          { "5m", 300000 },   { "2h", 7200000 }, { "3", 3000 } };
	static const char *const bad[] = { "",    "M",  "1.",           ".5G", "1.5.5G",
		                           "5 M", "1Q", "99999999999G", "-1M" };
	uint64_t out;

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(sizes); i++)
		assert_true(scan_size(sizes[i].text, strlen(sizes[i].text), &out) &&
		            out == sizes[i].value);
	for (size_t i = 0; i < LENGTH_OF(durations); i++)
		assert_true(scan_duration(durations[i].text, strlen(durations[i].text), &out) &&
		            out == durations[i].value);
	for (size_t i = 0; i < LENGTH_OF(bad); i++)
		assert_false(scan_size(bad[i], strlen(bad[i]), &out));
}

static void utf8_is_told_from_what_looks_like_it(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = { { "a", 1 },
		      { "\xC3\xA9", 2 },
		      { "\xE2\x82\xAC", 3 },
		      { "\xF0\x9F\x98\x80", 4 },
		      { "\x80", 0 },
		      { "\xC0\xAF", 0 },
		      { "\xED\xA0\x80", 0 },
		      { "\xF4\x90\x80\x80", 0 },
		      { "\xE2\x82", 0 },
		      { "\xFF", 0 } };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		size_t length = strlen(cases[i].bytes);

		assert_int_equal(
		        scan_utf8((unsigned char *)guarded(cases[i].bytes, length), length),
		        cases[i].length);
	}
}

/* Answers of Python's fnmatch.fnmatchcase, which huggingface_hub uses. */
static void patterns_match_as_in_python(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} cases[] = {
		{ "*.safetensors", "a/b/c.safetensors", true },
		{ "config.json", "a/config.json", false },
		{ "onnx/*", "onnx/x/y", true },
		{ "onnx/", "onnx/x/y", true },
		{ "onnx/", "onnx", false },
		{ "?.txt", "a.txt", true },
		{ "?.txt", "é.txt", true },
		{ "[ab].txt", "b.txt", true },
		{ "[!ab].txt", "b.txt", false },
		{ "[!ab].txt", "c.txt", true },
		{ "[a-c]x", "bx", true },
		{ "[]]x", "]x", true },
		{ "[x", "[x", true },
		{ "[x", "x", false },
		{ "*", "", true },
		{ "", "", true },
		{ "", "a", false },
		{ "a*b*c", "aXbXbXc", true },
		{ "a*b*c", "aXbXbX", false },
		{ "**", "a/b", true },
		{ ".*", ".hidden", true },
		{ "*", ".hidden", true },
		{ "A", "a", false },
		{ "[^a]", "^", true },
		{ "a\\*", "a\\b", true },
		{ "[à-ü]", "é", true },
	};
	static const char *const patterns[] = { "*.json", "*.txt" };
	const struct list two = { patterns, 2 }, none = { NULL, 0 };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++)
		if (glob_matches(cases[i].pattern, cases[i].path) != cases[i].matches)
			fail_msg("'%s' against '%s'", cases[i].pattern, cases[i].path);
	assert_true(glob_any(&two, "a.txt"));
	assert_false(glob_any(&two, "a.bin"));
	assert_false(glob_any(&none, "a.txt"));
}

static void lists_skip_blanks_and_empty_elements(void **state)
{
	const char *at = NULL, *element;
	size_t length, count = 0;

	(void)state;
	while ((element = list_next(" a ,, b c ,\n", ',', &at, &length)) != NULL)
		count += count == 0 ? length == 1 && *element == 'a' :
		                      length == 3 && *element == 'b';
	assert_int_equal(count, 2);
	assert_true(list_has("run smoke", ' ', "run") && list_has("run smoke", ' ', "smoke"));
	assert_false(list_has("run smoke", ' ', "smok") || list_has("run smoke", ' ', "n") ||
	             list_has("", ' ', "") || list_has("run smoke", ' ', "run smoke"));
}

struct seen {
	char path[64];
	unsigned values;
};

static bool remember(void *context, const struct json_value *value)
{
	struct seen *seen = context;

	seen->values++;
	if (value->kind == JSON_STRING && value->depth == 3) {
		struct text text = TEXT_OVER(seen->path);

		text_addf(&text, "%s/%s/%llu=%.*s", value->key[0], value->key[1],
		          (unsigned long long)value->index[2], (int)value->length, value->text);
	}
	return true;
}

static void json_values_come_with_their_path(void **state)
{
	static const char document[] =
	        "{\"a\": {\"x\": 1, \"b\": [true, null, \"here\", {}]}, \"c\": []}";
	struct seen seen = { 0 };

	(void)state;
	assert_int_equal(json_parse(guarded(document, sizeof(document) - 1), sizeof(document) - 1,
	                            remember, &seen),
	                 JSON_OK);
	assert_string_equal(seen.path, "a/b/2=here");
}

static void json_is_the_same_in_any_pieces(void **state)
{
	static const char document[] =
	        "{\"k\\u00e9y\": [1.5e3, \"\\ud83d\\ude00\", false], \"z\": {\"y\": \"x\"}}";

	(void)state;
	for (size_t cut = 0; cut < sizeof(document) - 1; cut++) {
		struct seen seen = { 0 };
		struct json json;

		json_begin(&json, remember, &seen);
		json_feed(&json, guarded(document, cut), cut);
		json_feed(&json, document + cut, sizeof(document) - 1 - cut);
		assert_int_equal(json_end(&json), JSON_OK);
		assert_int_equal(seen.values, 10);
		seen.values = 0;
		assert_int_equal(json_parse(document, cut, remember, &seen),
		                 cut == 0 ? JSON_SYNTAX : JSON_CUT);
	}
}

static void json_has_limits(void **state)
{
	static char deep[400];
	struct seen seen = { 0 };

	(void)state;
	memset(deep, '[', sizeof(deep));
	assert_int_equal(json_parse(deep, sizeof(deep), remember, &seen), JSON_DEEP);
	assert_int_equal(json_parse("\"\xff\"", 3, remember, &seen), JSON_SYNTAX);
	assert_int_equal(json_parse("1 2", 3, remember, &seen), JSON_SYNTAX);
}

struct keys {
	size_t count;
	uint64_t hashes[8];
};

static bool take_key(void *context, const struct json_value *value)
{
	struct keys *keys = context;

	if (value->depth == 1 && value->kind == JSON_NUMBER) {
		assert_true(value->key_length[0] == strlen(value->key[0]) &&
		            value->key_length[0] < MAX_JSON_KEY_BYTES);
		keys->hashes[keys->count++] = hash_bytes(value->key[0], value->key_length[0]);
	}
	return true;
}

/* Of a vocabulary's blanks, say: JSON's readers take a key of any length. */
static void long_keys_are_told_apart(void **state)
{
	static char document[8 * MAX_JSON_KEY_BYTES];
	static const int lengths[] = { MAX_JSON_KEY_BYTES - 1, MAX_JSON_KEY_BYTES,
		                       MAX_JSON_KEY_BYTES + 1, 3 * MAX_JSON_KEY_BYTES };
	struct text text = TEXT_OVER(document);
	struct keys keys = { 0 };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(lengths); i++)
		text_addf(&text, "%s\"%0*d\": 1", i == 0 ? "{" : ", ", lengths[i], 0);
	text_add(&text, "}");
	assert_int_equal(json_parse(document, text.length, take_key, &keys), JSON_OK);
	assert_int_equal(keys.count, LENGTH_OF(lengths));
	for (size_t i = 0; i < keys.count; i++)
		for (size_t k = 0; k < i; k++)
			assert_true(keys.hashes[i] != keys.hashes[k]);
}

static void slips_of_the_finger_are_near(void **state)
{
	(void)state;
	assert_int_equal(edit_distance("mode", "mode"), 0);
	assert_int_equal(edit_distance("mdoe", "mode"), 1);
	assert_int_equal(edit_distance("HF_HUB_OFLINE", "HF_HUB_OFFLINE"), 1);
	assert_true(edit_distance("abc", "xyz") > 2);
}

static void words_are_listed(void **state)
{
	static const char *const three[] = { "a", "b", "c", NULL };
	char out[16];
	struct text text = TEXT_OVER(out);

	(void)state;
	words_add(&text, words_of, three + 2);
	words_add(&text, words_of, three);
	assert_string_equal(out, "ca, b or c");
}

static void arenas_hand_out_aligned_memory(void **state)
{
	struct arena *arena = arena_new();
	char *copy, *before = NULL;

	(void)state;
	assert_non_null(arena);
	for (size_t size = 1; size < 300000; size = size * 3 + 1) {
		char *bytes = arena_take(arena, size);

		assert_non_null(bytes);
		assert_true((uintptr_t)bytes % 8 == 0 && bytes != before);
		memset(bytes, 7, size);
		before = bytes;
	}
	copy = arena_copy(arena, guarded("abcdef", 3), 3);
	assert_string_equal(copy, "abc");
	arena_free(arena);
	arena_free(NULL);
}

static void directories_are_read_to_a_limit(void **state)
{
	struct place place = place_make();
	struct dir dir;
	size_t count = 0;
	int fd;

	(void)state;
	place_text(&place, "a", "");
	place_text(&place, "b/c", "");
	assert_int_equal(symlinkat("b", place.fd, "link"), 0);
	dir = dir_open(place.fd, ".", 100);
	while (dir_next(&dir) != NULL)
		count++;
	assert_int_equal(count, 3); /* without . and .. */
	assert_int_equal(dir.error, 0);
	assert_true(dir_fd(&dir) >= 0);
	dir_close(&dir);
	dir = dir_open(place.fd, ".", 2);
	for (count = 0; dir_next(&dir) != NULL; count++)
		;
	assert_int_equal(count, 2);
	dir_close(&dir);
	dir = dir_open(place.fd, "link", 100); /* not followed */
	assert_true(dir.error != 0 && dir_next(&dir) == NULL && dir_fd(&dir) == -1);
	dir_close(&dir);
	dir = dir_over(-ENOENT, 100);
	assert_int_equal(dir.error, ENOENT);
	dir_close(&dir);
	dir = dir_of_descriptors();
	for (count = 0; (fd = dir_next_descriptor(&dir)) >= 0;)
		count += fd == place.fd;
	assert_int_equal(count, 1);
	dir_close(&dir);
	place_remove(&place);
}

static void arrays_grow_and_keep_what_they_have(void **state)
{
	uint32_t *numbers = NULL;
	size_t room = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		assert_true(ARRAY_MAKE_ROOM(numbers, i, room));
		assert_true(room > i);
		numbers[i] = i;
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i);
	free(numbers);
}

struct met {
	char paths[256];
	struct text text;
	const char *end_at;
};

static enum dir_step meet(void *context, const char *path, const struct stat *st)
{
	struct met *met = context;

	text_addf(&met->text, "%s%s ", path,
	          S_ISDIR(st->st_mode) ? "/" :
	          S_ISLNK(st->st_mode) ? "@" :
	                                 "");
	if (met->end_at != NULL && strcmp(path, met->end_at) == 0)
		return DIR_END;
	return strcmp(path, "passed") == 0 ? DIR_PASS_BY : DIR_ON;
}

static void all_beneath_a_directory_is_met(void **state)
{
	struct place place = place_make();
	struct tree here, image;
	struct met met;

	(void)state;
	assert_int_equal(tree_init(&here, NULL), 0);
	assert_int_equal(tree_init(&image, place.path), 0);
	place_text(&place, "sub/a", "1");
	place_text(&place, "sub/deep/b", "2");
	place_text(&place, "passed/c", "3");
	assert_int_equal(symlinkat(".", place.fd, "self"), 0);
	assert_int_equal(symlinkat("nowhere", place.fd, "broken"), 0);
	assert_int_equal(symlinkat("sub/a", place.fd, "link"), 0);
	met.text = TEXT_OVER(met.paths);
	met.end_at = NULL;
	dir_walk(&here, place.path, meet, &met);
	assert_non_null(strstr(met.paths, "sub/ "));
	assert_non_null(strstr(met.paths, "sub/a "));
	assert_non_null(strstr(met.paths, "sub/deep/b "));
	assert_non_null(strstr(met.paths, "passed/ "));
	assert_non_null(strstr(met.paths, "self/ "));
	assert_non_null(strstr(met.paths, "link "));
	assert_null(strstr(met.paths, "passed/c"));
	assert_null(strstr(met.paths, "self/s"));
	assert_non_null(strstr(met.paths, "broken@ "));
	met.text = TEXT_OVER(met.paths);
	met.end_at = "sub/deep/b";
	dir_walk(&here, place.path, meet, &met);
	assert_string_equal(met.paths + strlen(met.paths) - strlen("sub/deep/b "), "sub/deep/b ");
	dir_walk(&here, "/nowhere", meet, &met);
	/* In an image a link leads to the image's own file. */
	assert_int_equal(symlinkat("/sub/a", place.fd, "inner"), 0);
	assert_int_equal(symlinkat("/proc/self/status", place.fd, "outer"), 0);
	met.text = TEXT_OVER(met.paths);
	met.end_at = NULL;
	dir_walk(&image, "/", meet, &met);
	assert_non_null(strstr(met.paths, "inner "));
	assert_non_null(strstr(met.paths, "outer@ "));
	tree_release(&image);
	tree_release(&here);
	place_remove(&place);
}

static void files_are_replaced_whole(void **state)
{
	struct place place = place_make();
	struct replacement replacement;
	struct statvfs nothing = { .f_frsize = 4096 };
	struct stat st;
	const char *last;
	char *data = NULL, hex[9];
	uint64_t bytes, inodes;
	size_t length;
	int fd;

	(void)state;
	assert_int_equal(replace_file(place.fd, "a", "one"), 0);
	assert_int_equal(replace_file(place.fd, "a", "two"), 0);
	assert_true(is_file_of(place.fd, "a", 3) && !is_file_of(place.fd, "a", 4));
	/* And keeps its mode where that is wanted. */
	assert_int_equal(fchmodat(place.fd, "a", 0600, 0), 0);
	assert_int_equal(rewrite_file(place.fd, "a", "two"), 0);
	assert_int_equal(fstatat(place.fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(rewrite_file(place.fd, "new", "1"), 0);
	/* One that fails leaves what was there, and nothing beside it. */
	replacement_begin(&replacement, place.fd, "a");
	fd = replacement_create(&replacement);
	assert_true(fd >= 0);
	assert_true(replacement_is_named(replacement.temporary));
	assert_false(replacement_is_named(".0123456.tmp") ||
	             replacement_is_named(".0123456x.tmp") ||
	             replacement_is_named(".01234567.tmp2") || replacement_is_named(""));
	assert_int_equal(write_whole(fd, "three", 5), 0);
	(void)close(fd);
	assert_int_equal(replacement_end(&replacement, -EIO), -EIO);
	assert_int_not_equal(faccessat(place.fd, replacement.temporary, F_OK, 0), 0);
	fd = open_regular(place.fd, "a");
	assert_int_equal(read_whole(fd, 3, &data, &length), 0);
	assert_string_equal(data, "two");
	free(data);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(read_whole(fd, 2, &data, &length), -EFBIG);
	(void)close(fd);
	/* No link on the way is followed. */
	assert_int_equal(symlinkat("/tmp", place.fd, "out"), 0);
	assert_true(make_directories(place.fd, "out/x", false) < 0);
	assert_true(make_parent(place.fd, "out/x/y", &last) < 0);
	assert_true(open_regular(place.fd, "out") < 0);
	fd = make_parent(place.fd, "b/c/d", &last);
	assert_true(fd >= 0);
	assert_string_equal(last, "d");
	assert_int_equal(sync_directory(fd), 0);
	(void)close(fd);
	random_hex(hex);
	assert_int_equal(strspn(hex, "0123456789abcdef"), 8);
	volume_free(&nothing, &bytes, &inodes);
	assert_true(bytes == UINT64_MAX && inodes == UINT64_MAX); /* 0 of 0 is no size */
	place_remove(&place);
}

/* With openat2(2) and by hand: what leads out is refused in both. */
static void nothing_leads_out_of_a_tree(void **state)
{
	struct place place = place_make();
	struct tree tree;
	struct refusal refusal;
	struct stat st;
	char *data = NULL;
	size_t length;

	(void)state;
	place_text(&place, "root/etc/passwd", "inside");
	place_text(&place, "outside", "outside");
	assert_int_equal(symlinkat("../outside", place.fd, "root/up"), 0);
	assert_int_equal(symlinkat("/etc/passwd", place.fd, "root/absolute"), 0);
	assert_int_equal(symlinkat("loop", place.fd, "root/loop"), 0);
	for (unsigned by_hand = 0; by_hand < 2; by_hand++) {
		char root[128];
		struct text text = TEXT_OVER(root);
		int fd;

		text_addf(&text, "%s/root", place.path);
		assert_int_equal(tree_init(&tree, root), 0);
		tree.by_hand = by_hand != 0 || tree.by_hand;
		assert_int_equal(tree_read(&tree, "/absolute", 100, &data, &length), 0);
		assert_string_equal(data, "inside"); /* beneath the root, not the machine's */
		free(data);
		assert_true(tree_stat(&tree, "/up", &st) < 0);
		assert_int_equal(tree_open(&tree, "/loop", O_RDONLY), -ELOOP);
		assert_int_equal(tree_read(&tree, "/etc/passwd", 5, &data, &length), -EFBIG);
		fd = tree_open_beneath(&tree, tree.root_fd, "up", O_RDONLY);
		assert_int_equal(fd, -EXDEV);
		assert_int_equal(tree_access(&tree, "/etc", R_OK | X_OK), 0);
		assert_true(tree_explain(&tree, "/etc/absent/x", &refusal));
		assert_int_equal(refusal.error, ENOENT);
		tree_release(&tree);
	}
	place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_never_overflows),
		cmocka_unit_test(paths_are_joined_and_compared),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(units_of_sizes_and_durations),
		cmocka_unit_test(utf8_is_told_from_what_looks_like_it),
		cmocka_unit_test(patterns_match_as_in_python),
		cmocka_unit_test(lists_skip_blanks_and_empty_elements),
		cmocka_unit_test(json_values_come_with_their_path),
		cmocka_unit_test(json_is_the_same_in_any_pieces),
		cmocka_unit_test(json_has_limits),
		cmocka_unit_test(long_keys_are_told_apart),
		cmocka_unit_test(slips_of_the_finger_are_near),
		cmocka_unit_test(words_are_listed),
		cmocka_unit_test(arenas_hand_out_aligned_memory),
		cmocka_unit_test(directories_are_read_to_a_limit),
		cmocka_unit_test(arrays_grow_and_keep_what_they_have),
		cmocka_unit_test(all_beneath_a_directory_is_met),
		cmocka_unit_test(files_are_replaced_whole),
		cmocka_unit_test(nothing_leads_out_of_a_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
