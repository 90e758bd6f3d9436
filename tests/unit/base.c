/* SPDX-License-Identifier: Apache-2.0 */
/* checks/base: bounded text, numbers, patterns, JSON. */
#include "unit.h"

#include "base/glob.h"
#include "base/json.h"
#include "base/list.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/words.h"
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
	static char deep[400], wide[2 * MAX_JSON_KEY_BYTES];
	struct seen seen = { 0 };

	(void)state;
	memset(deep, '[', sizeof(deep));
	assert_int_equal(json_parse(deep, sizeof(deep), remember, &seen), JSON_DEEP);
	memset(wide, 'k', sizeof(wide));
	wide[0] = '{';
	wide[1] = wide[sizeof(wide) - 2] = '"';
	wide[sizeof(wide) - 1] = ':';
	assert_int_equal(json_parse(wide, sizeof(wide), remember, &seen), JSON_LONG);
	assert_int_equal(json_parse("\"\xff\"", 3, remember, &seen), JSON_SYNTAX);
	assert_int_equal(json_parse("1 2", 3, remember, &seen), JSON_SYNTAX);
}

static void slips_of_the_finger_are_near(void **state)
{
	(void)state;
	assert_int_equal(edit_distance("mode", "mode"), 0);
	assert_int_equal(edit_distance("mdoe", "mode"), 1);
	assert_int_equal(edit_distance("HF_HUB_OFLINE", "HF_HUB_OFFLINE"), 1);
	assert_true(edit_distance("abc", "xyz") > 2);
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
		cmocka_unit_test(slips_of_the_finger_are_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
