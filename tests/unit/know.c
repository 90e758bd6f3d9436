/* SPDX-License-Identifier: Apache-2.0 */
/* checks: names, digests, users, versions, truth as the libraries have it. */
#include "unit.h"

#include "engine/inspection.h"
#include "formats/lfs_pointer.h"
#include "formats/safetensors.h"
#include "hub/cache.h"
#include "hub/digest.h"
#include "hub/manifest.h"
#include "hub/variables.h"
#include "system/mounts.h"
#include "system/passwd.h"
#include "system/python.h"
#include "util.h"

static void digests_have_their_known_values(void **state)
{
	char hex[SHA256_HEX + 1];

	(void)state;
	digest_bytes("Hello, World!", 13, DIGEST_GIT_SHA1, hex);
	assert_string_equal(hex, "b45ef6fec89518d314f546fd6c3025367b721684");
	digest_bytes("", 0, DIGEST_GIT_SHA1, hex);
	assert_string_equal(hex, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
	digest_bytes("", 0, DIGEST_SHA256, hex);
	assert_string_equal(hex,
	                    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_int_equal(digest_kind_of(hex), DIGEST_SHA256);
	assert_int_equal(digest_kind_of("b45ef6fec89518d314f546fd6c3025367b721684-gzip"),
	                 DIGEST_NONE);
}

static void repository_names(void **state)
{
	static const char *const good[] = { "gpt2", "org/name", "Org-1/n.a_m-e",
		                            "datasets/org/name", "a" };
	static const char *const bad[] = {
		"",   "/",  "a/",    "/a",  "a/b/c", "a--b", "a..b",
		"-a", "a.", "x.git", "a b", "../x",  "a\nb", "datasets/a/b/c"
	};
	char directory[64];

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(good); i++)
		assert_null(repo_id_fault(good[i]));
	for (size_t i = 0; i < LENGTH_OF(bad); i++)
		assert_non_null(repo_id_fault(bad[i]));
	assert_true(repo_directory_name("org/name", directory, sizeof(directory)));
	assert_string_equal(directory, "models--org--name");
	assert_true(repo_directory_name("datasets/org/name", directory, sizeof(directory)));
	assert_string_equal(directory, "datasets--org--name");
}

static void names_in_a_repository(void **state)
{
	static const char *const good[] = {
		"a", "a/b", "..a", "a..", ".hidden", "a b", "\xC3\xA9"
	};
	static const char *const bad[] = { "",     "/",    "/a",    "a/",       "a//b", ".",   "..",
		                           "a/..", "../a", "a/./b", "a\\..\\b", "a\nb", "\x01" };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(good); i++)
		assert_true(repo_path_is_legal(good[i], strlen(good[i])));
	for (size_t i = 0; i < LENGTH_OF(bad); i++)
		if (repo_path_is_legal(bad[i], strlen(bad[i])))
			fail_msg("'%s' passes", bad[i]);
	assert_false(repo_path_is_legal("a\0b", 3));
}

static void paths_of_a_cache(void **state)
{
	static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
	static const char *const none[] = { "",
		                            "/",
		                            "/hub/models--o--n",
		                            "/hub/models--o--n/x/y",
		                            "/hub/models--o--n/snapshots/main/x",
		                            "/hub/models--o--n/snapshots/",
		                            "models--o--n/refs/main" };
	char path[128];
	struct text text = TEXT_OVER(path);
	struct cache_path parts;

	(void)state;
	text_addf(&text, "/models--x/hub/models--o--n/snapshots/%s/a/b.json", commit);
	assert_true(cache_path_read(path, &parts));
	assert_int_equal(parts.cache, strlen("/models--x/hub"));
	assert_int_equal(parts.repository_length, strlen("models--o--n"));
	assert_ptr_equal(parts.repository, path + parts.cache + 1);
	assert_string_equal(parts.commit, commit);
	assert_string_equal(parts.file, "a/b.json");
	text_shorten(&text, text.length - strlen("/a/b.json"));
	assert_true(cache_path_read(path, &parts));
	assert_string_equal(parts.commit, commit);
	assert_null(parts.file);
	assert_true(cache_path_read("/h/models--o--n/refs/pr/1", &parts));
	assert_string_equal(parts.beneath, "/refs/pr/1");
	assert_string_equal(parts.commit, "");
	for (size_t i = 0; i < LENGTH_OF(none); i++)
		if (cache_path_read(none[i], &parts))
			fail_msg("'%s' is taken", none[i]);
}

static void truth_as_the_hub_reads_it(void **state)
{
	static const char *const yes[] = { "1", "on", "ON", "Yes", "true", "TRUE" };
	static const char *const no[] = { "",        "0",     "no", "y",     "t",
		                          "enabled", "true ", " 1", "\"1\"", "2" };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(yes); i++)
		assert_true(library_is_true(yes[i]));
	for (size_t i = 0; i < LENGTH_OF(no); i++)
		assert_false(library_is_true(no[i]));
	assert_false(library_is_true(NULL));
}

/* By their names: others of a system are no secrets, nor is what holds such a word by chance. */
static void names_of_secrets(void **state)
{
	static const char *const secret[] = { "HF_TOKEN",  "AWS_SECRET_ACCESS_KEY", "PGPASSWORD",
		                              "MYSQL_PWD", "SERVICE_JWT",           "BLOB_SAS",
		                              "my_token",  "HUGGINGFACE_TOKEN",     "SENTRY_DSN",
		                              "api_key" };
	static const char *const open[] = { "PWD",      "OLDPWD",        "HOST_PWD",  "PROJECT_PWD",
		                            "HF_HOME",  "KEYBOARD",      "PATIENT",   "AUTHOR",
		                            "SASL_DIR", "HF_TOKEN_PATH", "PASSENGER", "DSNAME" };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(secret); i++)
		if (!variable_is_secret(secret[i]))
			fail_msg("%s is shown", secret[i]);
	for (size_t i = 0; i < LENGTH_OF(open); i++)
		if (variable_is_secret(open[i]))
			fail_msg("%s is not shown", open[i]);
}

static void near_names_of_variables(void **state)
{
	(void)state;
	assert_string_equal(library_nearest("HF_HUB_OFLINE"), "HF_HUB_OFFLINE");
	assert_null(library_nearest("A"));
	assert_null(library_nearest("HF_SOMETHING_ELSE"));
	/* Dead ones are near to nothing. */
	assert_null(library_nearest("HF_HUB_HOMEE"));
}

static void check_cache(const char *const *rows, size_t count, const char *home, const char *wanted,
                        enum location_error error)
{
	struct environment environment = { rows, count };
	char out[MAX_PATH_BYTES];
	const char *origin;

	assert_int_equal(library_hub_cache(&environment, home, "/work", out, sizeof(out), &origin),
	                 error);
	if (error == LOCATION_OK)
		assert_string_equal(out, wanted);
}

/* Section 1.2 of the sources: precedence is by level, set-but-empty is not unset. */
static void where_the_cache_is(void **state)
{
	(void)state;
	check_cache((const char *[]){ "HF_HUB_CACHE=/c", "HF_HOME=/h" }, 2, "", "/c", LOCATION_OK);
	check_cache((const char *[]){ "HUGGINGFACE_HUB_CACHE=/old", "HF_HOME=/h" }, 2, "", "/old",
	            LOCATION_OK);
	check_cache((const char *[]){ "HF_HOME=/h", "XDG_CACHE_HOME=/x" }, 2, "", "/h/hub",
	            LOCATION_OK);
	check_cache((const char *[]){ "XDG_CACHE_HOME=/x" }, 1, "", "/x/huggingface/hub",
	            LOCATION_OK);
	check_cache((const char *[]){ "HOME=/u" }, 1, "/p", "/u/.cache/huggingface/hub",
	            LOCATION_OK);
	check_cache(NULL, 0, "/p", "/p/.cache/huggingface/hub", LOCATION_OK);
	check_cache(NULL, 0, "", NULL, LOCATION_NO_HOME);
	check_cache((const char *[]){ "HF_HUB_CACHE=" }, 1, "/p", NULL, LOCATION_EMPTY);
	check_cache((const char *[]){ "HF_HUB_CACHE=~/c", "HOME=/u" }, 2, "", "/u/c", LOCATION_OK);
	check_cache((const char *[]){ "HF_HUB_CACHE=$BASE/${SUB}/$NONE", "BASE=/b", "SUB=s" }, 3,
	            "", "/b/s/$NONE", LOCATION_OK);
	check_cache((const char *[]){ "HF_HUB_CACHE=rel" }, 1, "", "/work/rel", LOCATION_OK);
	check_cache((const char *[]){ "HOME=/" }, 1, "", "/.cache/huggingface/hub", LOCATION_OK);
}

static void users_and_groups(void **state)
{
	struct user_files files = {
		(char[]){
		        "root:x:0:0::/root:/bin/sh\nbroken line\nann:x:1000:100:Ann:/home/ann:\n:x:5:5::/:\n" },
		(char[]){ "root:x:0:\nusers:x:100:\nvideo:x:44:bob,ann\naudio:x:45:annie\n" }
	};
	struct identity who = { 0 };
	char why[256];
	struct text text = TEXT_OVER(why);

	(void)state;
	assert_true(identity_parse(&who, &files, "ann", &text));
	assert_true(who.uid == 1000 && who.gid == 100 && who.group_count == 2 &&
	            who.groups[0] == 100 && who.groups[1] == 44);
	assert_string_equal(who.home, "/home/ann");
	assert_true(identity_parse(&who, &files, "1000:video", &text));
	assert_true(who.gid == 44 && who.group_count == 1);
	assert_true(identity_parse(&who, &files, "4242", &text));
	assert_true(who.uid == 4242 && who.gid == 0 && who.name[0] == '\0');
	assert_false(identity_parse(&who, &files, "12monkeys", &text));
	assert_false(identity_parse(&who, &files, "ann:", &text));
	assert_false(identity_parse(&who, &files, ":5", &text));
	assert_false(identity_parse(&who, &files, "4294967295", &text));
	assert_true(identity_parse_groups(&who, &files, "audio, 7", &text));
	assert_true(who.group_count == 2 && who.groups[0] == 45 && who.groups[1] == 7);
	assert_false(identity_parse_groups(&who, &files, "nosuch", &text));
}

static void versions(void **state)
{
	char name[64], version[64];

	(void)state;
	assert_true(dist_info_name("Huggingface_Hub-1.28.0.dist-info", name, sizeof(name), version,
	                           sizeof(version)));
	assert_string_equal(name, "huggingface-hub");
	assert_string_equal(version, "1.28.0");
	assert_false(dist_info_name("x.dist-info", name, sizeof(name), version, sizeof(version)));
	assert_true(version_compare("2.32.5", "2.32.5") == 0);
	assert_true(version_compare("2.9", "2.10") < 0);
	assert_true(version_compare("1.0", "1.0.0") == 0);
	assert_true(version_compare("2.0rc1", "2.0") < 0);
	assert_true(version_compare("2.0.post1", "2.0") > 0);
	assert_true(version_fits("2.31.0", ">=2.28, <3, !=2.30.0"));
	assert_false(version_fits("3.0", ">=2.28, <3"));
	assert_false(version_fits("1", "absent"));
	assert_true(version_spec_is_valid("==1.0") && !version_spec_is_valid("newest") &&
	            !version_spec_is_valid(">="));
}

static void pointers(void **state)
{
	static const char text[] =
	        "version https://git-lfs.github.com/spec/v1\noid sha256:"
	        "0123456789012345678901234567890123456789012345678901234567890123\nsize 42\n";
	struct lfs_pointer pointer;

	(void)state;
	assert_true(lfs_pointer_parse(guarded(text, sizeof(text) - 1), sizeof(text) - 1, &pointer));
	assert_true(pointer.size == 42 && strlen(pointer.sha256) == 64);
	assert_false(lfs_pointer_parse(guarded("version 1\n", 10), 10, &pointer));
	for (size_t length = 0; length < sizeof(text) - 1; length++)
		(void)lfs_pointer_parse(guarded(text, length), length, &pointer);
}

static bool count_files(void *context, const struct manifest_file *file)
{
	*(uint64_t *)context += file->size;
	return true;
}

static void manifests(void **state)
{
	static const char good[] =
	        "{\"format_version\": 1, \"files\": {\"a\": {\"size\": 5, \"blob_id\": \"0123456789012345678901234567890123456789\"},"
	        "\"b\": {\"blob_id\": \"0123456789012345678901234567890123456789\", \"size\": 7, \"more\": [1]}}}";
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"format_version\": 2, \"files\": {}}",
		"{\"format_version\": 1, \"files\": []}",
		"{\"format_version\": 1, \"files\": {\"a\": 1}}",
		"{\"format_version\": 1, \"files\": {\"a\": {\"size\": -1, \"blob_id\": \"0\"}}}"
	};
	uint64_t bytes = 0;

	(void)state;
	assert_true(manifest_parse(guarded(good, sizeof(good) - 1), sizeof(good) - 1, count_files,
	                           &bytes));
	assert_int_equal(bytes, 12);
	for (size_t i = 0; i < LENGTH_OF(bad); i++)
		assert_false(manifest_parse(bad[i], strlen(bad[i]), NULL, NULL));
}

static void mounts(void **state)
{
	static const char text[] =
	        "22 1 0:20 / / rw - overlay overlay rw\n30 22 0:30 / /my\\040data rw,nosuid - fuse.gcsfuse bucket rw\nnonsense\n"
	        "31 22 0:31 /sub /my\\040data/inner ro - tmpfs tmpfs rw\n";
	struct mount mount;

	(void)state;
	assert_true(mount_of(text, sizeof(text) - 1, "/my data/x", &mount));
	assert_string_equal(mount.type, "fuse.gcsfuse");
	assert_true(mount_of(text, sizeof(text) - 1, "/my data/inner/y", &mount) &&
	            mount.read_only);
	assert_true(mount_of(text, sizeof(text) - 1, "/other", &mount));
	assert_string_equal(mount.point, "/");
}

static void safetensors_headers(void **state)
{
	static const char header[] =
	        "{\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},\"__metadata__\":{\"format\":\"pt\"}}";
	struct safetensors out;

	(void)state;
	assert_int_equal(safetensors_parse(guarded(header, sizeof(header) - 1), sizeof(header) - 1,
	                                   8 + sizeof(header) - 1 + 12, &out),
	                 SAFETENSORS_OK);
	assert_int_equal(
	        safetensors_parse(header, sizeof(header) - 1, 8 + sizeof(header) - 1 + 11, &out),
	        SAFETENSORS_SHORT);
	assert_int_equal(
	        safetensors_parse(header, sizeof(header) - 1, 8 + sizeof(header) - 1 + 13, &out),
	        SAFETENSORS_LONG);
	assert_int_equal(safetensors_parse("{}", 2, 10, &out), SAFETENSORS_OK);
	for (size_t length = 0; length < sizeof(header) - 1; length++)
		assert_int_not_equal(safetensors_parse(guarded(header, length), length, 1000, &out),
		                     SAFETENSORS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_have_their_known_values),
		cmocka_unit_test(repository_names),
		cmocka_unit_test(names_in_a_repository),
		cmocka_unit_test(paths_of_a_cache),
		cmocka_unit_test(truth_as_the_hub_reads_it),
		cmocka_unit_test(names_of_secrets),
		cmocka_unit_test(near_names_of_variables),
		cmocka_unit_test(where_the_cache_is),
		cmocka_unit_test(users_and_groups),
		cmocka_unit_test(versions),
		cmocka_unit_test(pointers),
		cmocka_unit_test(manifests),
		cmocka_unit_test(mounts),
		cmocka_unit_test(safetensors_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
