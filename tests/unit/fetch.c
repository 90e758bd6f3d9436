/* SPDX-License-Identifier: Apache-2.0 */
/* entry/fetch/: headers, listings, addresses, partial files, writing and hashing beside the transfers. */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "fetch/http/headers.h"
#include "fetch/http/url.h"
#include "fetch/hub/listing.h"
#include "fetch/settings.h"
#include "fetch/store/partial.h"
#include "fetch/store/volume.h"
#include "fetch/threads/hasher.h"
#include "fetch/threads/writer.h"
#include "place.h"
#include "util.h"

#define SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA1 "b45ef6fec89518d314f546fd6c3025367b721684"

static void take(struct headers *headers, const char *line)
{
	headers_take(headers, guarded(line, strlen(line)), strlen(line));
}

static void etags_are_normalised_or_nothing(void **state)
{
	static const struct {
		const char *line, *expected;
	} rows[] = {
		{ "ETag: \"" SHA1 "\"\r\n", SHA1 },
		{ "etag: W/\"" SHA1 "\"", SHA1 },
		{ "ETAG:" SHA, SHA },
		{ "ETag: \"" SHA1 "-gzip\"", "" },
		{ "ETag: \"d41d8cd98f00b204e9800998ecf8427e\"", "" },
		{ "ETag: \"../../../etc/passwd\"", "" },
		{ "ETag:", "" },
		{ "ETag", "" },
		{ "", "" },
	};
	struct headers headers;

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(rows); i++) {
		headers_begin(&headers);
		take(&headers, rows[i].line);
		assert_string_equal(headers.etag, rows[i].expected);
	}
	headers_begin(&headers);
	take(&headers, "X-Linked-ETag: \"" SHA "\"");
	take(&headers, "ETag: \"" SHA1 "\"");
	assert_string_equal(headers.etag, SHA);
}

static void numbers_and_links(void **state)
{
	struct headers headers;

	(void)state;
	headers_begin(&headers);
	take(&headers, "Content-Range: bytes 100-199/1000");
	assert_int_equal(headers.range_first, 100);
	assert_int_equal(headers.range_total, 1000);
	headers_begin(&headers);
	take(&headers, "Content-Range: bytes 0-99/*");
	take(&headers, "Content-Range: bytes */1000");
	take(&headers, "Content-Range: items 0-9/10");
	take(&headers, "Content-Length: -5");
	take(&headers, "X-Linked-Size: 99999999999999999999999");
	assert_true(headers.range_total == UINT64_MAX && headers.length == UINT64_MAX &&
	            headers.linked_size == UINT64_MAX);
	take(&headers, "RateLimit: \"api\";r=5;t=55");
	assert_true(headers.wait_s == UINT64_MAX);
	take(&headers, "RateLimit: \"api\";r=0;t=55");
	take(&headers, "Retry-After: 3"); /* the window's end is the better word */
	assert_int_equal(headers.wait_s, 55);
	take(&headers, "Link: <https://h/api?cursor=a%20b>; rel=\"next\"");
	assert_string_equal(headers.next, "https://h/api?cursor=a%20b");
	take(&headers, "Location: https://cdn/x\r\n");
	assert_string_equal(headers.location, "https://cdn/x");
	headers_begin(&headers);
	take(&headers, "Location: https://cdn/\x01");
	take(&headers, "Link: <no end; rel=\"next\"");
	take(&headers, "X-Error-Code: a b");
	assert_true(headers.location[0] == '\0' && headers.next[0] == '\0' &&
	            headers.error_code[0] == '\0');
}

static void who_may_see_the_token(void **state)
{
	struct url a, b;

	(void)state;
	assert_true(url_parse("https://Hub.example/prefix", &a) &&
	            url_parse("https://hub.EXAMPLE:443/other", &b));
	assert_true(url_same_server(&a, &b));
	assert_true(url_parse("https://hub.example:8443/", &b) && !url_same_server(&a, &b));
	assert_true(url_parse("http://hub.example/", &b) && !url_same_server(&a, &b));
	assert_true(url_parse("https://hub.example.evil/", &b) && !url_same_server(&a, &b));
	assert_true(url_parse("https://evil/hub.example", &b) && !url_same_server(&a, &b));
	assert_false(url_parse("https://hub.example@evil/", &b)); /* a user, not a host */
	assert_false(url_parse("file:///etc/passwd", &b));
	assert_false(url_parse("https://", &b));
	assert_true(url_parse("http://127.0.0.1:9/", &b) && url_is_loopback(&b));
	assert_true(url_parse("http://[::1]:9/", &b) && url_is_loopback(&b));
	assert_true(url_parse("http://127.0.0.1.evil/", &b));
}

static void addresses_are_joined_and_encoded(void **state)
{
	char out[MAX_URL_BYTES];
	struct text text = TEXT_OVER(out);

	(void)state;
	url_add_encoded(&text, "a b+c%#?/\xC3\xA9~_-.json", true);
	assert_string_equal(out, "a%20b%2Bc%25%23%3F/%C3%A9~_-.json");
	text = TEXT_OVER(out);
	url_add_encoded(&text, "refs/pr/3", false);
	assert_string_equal(out, "refs%2Fpr%2F3");
	assert_true(url_resolve("https://h/a/b?q=1", "/c/d", out));
	assert_string_equal(out, "https://h/c/d");
	assert_true(url_resolve("https://h/a", "//other/x", out));
	assert_string_equal(out, "https://other/x");
	assert_true(url_has_host("//other/x") && url_has_host("http://x/") && !url_has_host("/x"));
}

struct seen {
	bool has_size;
	unsigned files;
	uint64_t size;
	char sha256[SHA256_HEX + 1], blob_id[COMMIT_HEX + 1];
};

static bool see(void *context, const struct manifest_file *file)
{
	struct seen *seen = context;

	seen->files++;
	seen->size = file->size;
	seen->has_size = file->has_size;
	memcpy(seen->sha256, file->sha256, sizeof(seen->sha256));
	memcpy(seen->blob_id, file->blob_id, sizeof(seen->blob_id));
	return true;
}

static bool page(const char *text, struct seen *seen)
{
	static struct tree_page page;

	*seen = (struct seen){ 0 };
	tree_page_begin(&page, see, seen);
	(void)json_feed(&page.json, guarded(text, strlen(text)), strlen(text));
	return tree_page_end(&page);
}

static void pages_of_a_tree(void **state)
{
	struct seen seen;

	(void)state;
	assert_true(page("[]", &seen) && seen.files == 0);
	assert_true(page(
	        "[{\"type\":\"directory\",\"path\":\"a\",\"oid\":\"x\"},{\"type\":\"file\",\"path\":\"b\",\"size\":7,\"oid\":\"" SHA1
	        "\",\"lfs\":{\"oid\":\"" SHA "\",\"size\":7},\"new\":{\"size\":1}}]",
	        &seen));
	assert_true(seen.files == 1 && seen.size == 7);
	assert_string_equal(seen.sha256, SHA);
	assert_false(page("{}", &seen));
	assert_false(page("[1]", &seen));
	/* What is no size or no hash is as if it were not stated, of a directory above all. */
	assert_true(
	        page("[{\"type\":\"file\",\"path\":\"b\",\"size\":-7,\"xetHash\":\"\"}]", &seen) &&
	        !seen.has_size);
	assert_true(
	        page("[{\"type\":\"file\",\"path\":\"b\",\"size\":18446744073709551615}]", &seen) &&
	        !seen.has_size);
	assert_true(page("[{\"type\":\"directory\",\"path\":\"b\",\"size\":null}]", &seen) &&
	            seen.files == 0);
	assert_true(page("[{\"type\":\"file\",\"path\":\"b\",\"oid\":\"../x\"}]", &seen) &&
	            seen.blob_id[0] == '\0');
	assert_false(page("[{\"type\":\"file\",\"path\":1}]", &seen));
	/* A commit's title that was cut within a character: no reader of hubs minds. */
	assert_true(
	        page("[{\"type\":\"file\",\"path\":\"b\",\"lastCommit\":{\"title\":\"\\ud83d\"}}]",
	             &seen));
}

static void open_repo(struct store *store, struct repo_store *repo, const struct place *place)
{
	assert_int_equal(store_open(store, place->path, false), 0);
	assert_int_equal(store_prepare(store), 0);
	assert_int_equal(repo_store_open(repo, store, "org/m"), 0);
}

/* An ordinary file system can all of it, and is as it was afterwards. */
static void volumes_are_tried(void **state)
{
	struct place place = place_make();
	struct volume volume;

	(void)state;
	volume_try(place.fd, &volume);
	assert_true(volume.has_links && volume.has_locks && volume.renames_directories);
	assert_false(volume.ignores_case);
	assert_true(volume.clock_ahead_s >= -1 && volume.clock_ahead_s <= 1);
	assert_int_equal(rmdir(place.path), 0); /* empty */
	assert_int_equal(mkdir(place.path, 0755), 0);
	assert_true(volume_refuses(-EACCES) && !volume_refuses(-ENOSPC));
	assert_true(volume_renames_no_directory(EMFILE) && !volume_renames_no_directory(ENOENT));
	assert_non_null(strstr(volume_words(-ENOSYS), "rename"));
	place_remove(&place);
}

static void partials_remember_their_chunks(void **state)
{
	struct place place = place_make();
	struct store store;
	struct repo_store repo;
	struct partial partial;
	uint64_t first, length, size = 5 * CHUNK_BYTES + 17;
	char *chunk = calloc(1, CHUNK_BYTES);

	(void)state;
	open_repo(&store, &repo, &place);
	assert_int_equal(partial_open(&partial, &repo, SHA, size, true, true), 0);
	assert_int_equal(partial.chunk_count, 6);
	assert_true(partial_take_run(&partial, 2 * CHUNK_BYTES, &first, &length));
	assert_true(first == 0 && length == 2 * CHUNK_BYTES);
	assert_true(partial_take_run(&partial, UINT64_MAX, &first, &length));
	assert_true(first == 2 * CHUNK_BYTES && length == 3 * CHUNK_BYTES + 17);
	assert_false(partial_take_run(&partial, UINT64_MAX, &first, &length));
	partial_give_back(&partial, 0, CHUNK_BYTES);
	assert_true(partial_take_run(&partial, UINT64_MAX, &first, &length) && first == 0 &&
	            length == CHUNK_BYTES);
	assert_int_equal(partial_write(&partial, 0, chunk, CHUNK_BYTES), 0);
	assert_int_equal(partial_mark(&partial, 0), 0);
	assert_int_equal(partial_mark(&partial, 5), 0);
	assert_int_equal(partial_ready(&partial), CHUNK_BYTES);
	partial_release(&partial);
	repo_store_release(&repo);

	/* The next run finds it; another size does not. */
	assert_int_equal(repo_store_open(&repo, &store, "org/m"), 0);
	assert_int_equal(partial_open(&partial, &repo, SHA, size + 1, true, true), 0);
	assert_false(partial.resumed);
	partial_discard(&partial);
	assert_int_equal(partial_open(&partial, &repo, SHA, size, true, true), 0);
	assert_true(partial.resumed && partial.present == 2 && partial.lead == 1);
	partial_clear(&partial);
	assert_true(partial.present == 0 && partial.lead == 0);
	partial_discard(&partial);
	repo_store_release(&repo);
	store_release(&store);
	place_remove(&place);
	free(chunk);
}

static void huge_files_have_larger_chunks(void **state)
{
	struct place place = place_make();
	struct store store;
	struct repo_store repo;
	struct partial partial;

	(void)state;
	open_repo(&store, &repo, &place);
	assert_int_equal(partial_open(&partial, &repo, SHA, 1ull << 40, true, true), 0);
	assert_true(partial.chunk_count <= MAX_CHUNKS &&
	            partial.chunk_bytes * partial.chunk_count >= 1ull << 40);
	partial_discard(&partial);
	assert_int_equal(partial_open(&partial, &repo, SHA, 0, true, true), 0);
	assert_int_equal(partial.chunk_count, 0);
	partial_discard(&partial);
	repo_store_release(&repo);
	store_release(&store);
	place_remove(&place);
}

static void wake(void *context)
{
	(void)context;
}

static struct hash_job *await(struct hasher *hasher)
{
	struct hash_job *job;

	while ((job = hasher_take(hasher)) == NULL)
		(void)usleep(100);
	return job;
}

/* The job follows its writer in steps, and its verdict is that of the whole. */
static void hashing_follows_a_writer(void **state)
{
	char name[] = "/tmp/aweigh-unit-XXXXXX";
	int fd = mkstemp(name);
	struct hasher hasher;
	struct hash_job job = { .fd = fd, .size = 300000 }, empty = { .fd = fd, .size = 0 };
	char *bytes = malloc(300000);

	(void)state;
	memset(bytes, 7, 300000);
	digest_bytes(bytes, 300000, DIGEST_SHA256, job.expected);
	assert_int_equal(hasher_init(&hasher, 3, wake, NULL), 0);
	hasher_begin(&hasher, &job);
	for (size_t at = 0; at < 300000; at += 1000) {
		assert_int_equal(pwrite(fd, bytes + at, 1000, (off_t)at), 1000);
		hasher_advance(&hasher, &job, at + 1000);
	}
	assert_ptr_equal(await(&hasher), &job);
	assert_int_equal(job.result, 0);
	job.expected[0] ^= 1;
	hasher_begin(&hasher, &job);
	hasher_advance(&hasher, &job, job.size);
	assert_ptr_equal(await(&hasher), &job);
	assert_int_equal(job.result, -EBADMSG);
	memcpy(empty.expected, SHA, sizeof(SHA));
	hasher_begin(&hasher, &empty);
	hasher_advance(&hasher, &empty, 0);
	assert_ptr_equal(await(&hasher), &empty);
	assert_int_equal(empty.result, 0);
	for (unsigned i = 0; i < 200; i++) { /* cancelled at any moment: never handed out again */
		hasher_begin(&hasher, &job);
		hasher_advance(&hasher, &job, 1000 * (i + 1));
		hasher_cancel(&hasher, &job);
		assert_null(hasher_take(&hasher));
	}
	hasher_release(&hasher);
	(void)close(fd);
	(void)unlink(name);
	free(bytes);
}

/* More than there is room for, the file's end first: each comes back once, written, in its order. */
static void pieces_are_written_and_taken_in_order(void **state)
{
	char name[] = "/tmp/aweigh-unit-XXXXXX", got[WRITE_PIECES * 3];
	struct partial partial = { .fd = mkstemp(name) },
	               closed = { .fd = open("/dev/null", O_RDONLY | O_CLOEXEC) };
	struct piece piece = { .partial = &partial, .length = 1, .bytes = malloc(WRITE_BYTES) };
	struct piece taken;
	struct writer writer;
	size_t count = 0;

	(void)state;
	assert_int_equal(writer_init(&writer, wake, NULL), 0);
	assert_false(writer_take(&writer, &taken, true)); /* nothing was put: no wait */
	for (size_t i = 0; i < sizeof(got); i++) {
		piece.at = sizeof(got) - 1 - i;
		piece.bytes[0] = (unsigned char)piece.at;
		while (!writer_put(&writer, &piece)) {
			assert_true(writer_take(&writer, &taken, true));
			assert_int_equal(taken.at, sizeof(got) - 1 - count++);
			assert_int_equal(taken.error, 0);
		}
	}
	assert_true(count >= sizeof(got) - WRITE_PIECES);
	piece.partial = &closed;
	while (!writer_put(&writer, &piece)) {
		assert_true(writer_take(&writer, &taken, true));
		count++;
	}
	for (; count < sizeof(got); count++)
		assert_true(writer_take(&writer, &taken, true) && taken.error == 0);
	assert_true(writer_take(&writer, &taken, true));
	assert_int_equal(taken.error, -EBADF);
	assert_false(writer_take(&writer, &taken, false));
	assert_int_equal(pread(partial.fd, got, sizeof(got), 0), sizeof(got));
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], i);
	writer_release(&writer);
	free(piece.bytes);
	(void)close(partial.fd);
	(void)close(closed.fd);
	(void)unlink(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(etags_are_normalised_or_nothing),
		cmocka_unit_test(numbers_and_links),
		cmocka_unit_test(who_may_see_the_token),
		cmocka_unit_test(addresses_are_joined_and_encoded),
		cmocka_unit_test(pages_of_a_tree),
		cmocka_unit_test(volumes_are_tried),
		cmocka_unit_test(partials_remember_their_chunks),
		cmocka_unit_test(huge_files_have_larger_chunks),
		cmocka_unit_test(hashing_follows_a_writer),
		cmocka_unit_test(pieces_are_written_and_taken_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
