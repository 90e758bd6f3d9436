/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry/fetch/: a hub on the loopback interface that answers anyhow, by a seed, and after every step what download.h
 * says must hold. What the hub says of files is the truth; what it sends is not to be trusted.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scan.h"
#include "base/text.h"
#include "fetch/download.h"
#include "fetch/fetch.h"
#include "fetch/http/failure.h"
#include "fetch/http/request.h"
#include "fetch/http/retry.h"
#include "fetch/hub/ask.h"
#include "fetch/part.h"
#include "fetch/plan.h"
#include "fetch/session.h"
#include "fetch/store/publish.h"
#include "fetch/store/store.h"
#include "fetcher.h"
#include "hub/digest.h"
#include "place.h"
#include "process/child.h"
#include "process/clock.h"
#include "util.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define LARGE_BYTES (9ul << 20) /* three runs */
#define HANG_LIMIT_NS 60000000000ull
#define FILES 4u

static const struct {
	const char *name;
	size_t size;
} files[FILES] = { { "model.safetensors", LARGE_BYTES },
	           { "tokenizer.json", 70000 },
	           { "a/config.json", 300 },
	           { "b.txt", 1 } };
static unsigned char *content[FILES];
static char digests[FILES][SHA256_HEX + 1];

/* The hub */

static struct hub {
	int fd;
	uint16_t port;
	_Atomic bool over;
	_Atomic unsigned lies; /* that are left; then it is honest */
	_Atomic uint64_t random;
	pthread_t thread;
} hub;

static uint64_t next_random(void)
{
	uint64_t r = atomic_load(&hub.random), x;

	do {
		x = r * 6364136223846793005ull + 1442695040888963407ull;
	} while (!atomic_compare_exchange_weak(&hub.random, &r, x));
	return x >> 33;
}

static bool lies(void)
{
	unsigned left = atomic_load(&hub.lies);

	while (left > 0 && !atomic_compare_exchange_weak(&hub.lies, &left, left - 1))
		;
	return left > 0;
}

static bool put_all(int fd, const void *bytes, size_t length)
{
	for (const char *at = bytes; length > 0;) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		length -= (size_t)sent;
	}
	return true;
}

static bool __attribute__((format(printf, 2, 3))) put_head(int fd, const char *format, ...)
{
	char head[1024];
	struct text text = TEXT_OVER(head);
	va_list arguments;

	va_start(arguments, format);
	text_addv(&text, format, arguments);
	va_end(arguments);
	return put_all(fd, head, text.length);
}

static bool put_json(int fd, const char *json)
{
	return put_head(fd,
	                "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nX-Repo-Commit: " COMMIT
	                "\r\n\r\n",
	                strlen(json)) &&
	       put_all(fd, json, strlen(json));
}

static bool put_tree(int fd)
{
	char json[2048];
	struct text text = TEXT_OVER(json);

	for (size_t i = 0; i < FILES; i++)
		text_addf(&text,
		          "%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%zu,\"oid\":\"" COMMIT
		          "\",\"lfs\":{\"oid\":\"%s\",\"size\":%zu}}",
		          i == 0 ? "[" : ",", files[i].name, files[i].size, digests[i],
		          files[i].size);
	text_add(&text, "]");
	return put_json(fd, json);
}

enum lie {
	LIE_WHOLE, /* 200 to a part */
	LIE_OTHER_BYTES, /* 206, the right range, the wrong bytes */
	LIE_OTHER_RANGE,
	LIE_CUT,
	LIE_NO_LENGTH,
	LIE_STATUS,
	LIE_SILENCE, /* a connection that ends without an answer */
	LIE_DIGEST, /* in the header */
	LIES
};

/* false: the connection is over. */
static bool put_file(int fd, size_t index, bool ranged, size_t first, size_t last)
{
	static const char *const statuses[] = { "404 Not Found", "429 Too Many", "500 Oops",
		                                "503 Busy",      "416 No",       "403 No" };
	enum lie lie = lies() ? (enum lie)(next_random() % LIES) : LIES;
	size_t length = last - first + 1;
	unsigned char *wrong = NULL;
	bool well;

	if (lie == LIE_STATUS)
		return put_head(fd, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n",
		                statuses[next_random() % LENGTH_OF(statuses)]);
	if (lie == LIE_SILENCE)
		return false;
	if (lie == LIE_WHOLE || !ranged) {
		first = 0;
		length = files[index].size;
		ranged = false;
	}
	if (lie == LIE_OTHER_BYTES) {
		wrong = malloc(length);
		assert_non_null(wrong);
		memset(wrong, 'x', length);
	}
	well = put_head(fd, "HTTP/1.1 %s\r\nETag: \"%s\"\r\n",
	                ranged ? "206 Partial Content" : "200 OK",
	                lie == LIE_DIGEST ? digests[(index + 1) % FILES] : digests[index]);
	if (ranged)
		well = well && put_head(fd, "Content-Range: bytes %zu-%zu/%zu\r\n",
		                        lie == LIE_OTHER_RANGE ? first + 1 : first,
		                        first + length - 1, files[index].size);
	if (lie == LIE_NO_LENGTH)
		well = well && put_head(fd, "Connection: close\r\n\r\n");
	else
		well = well && put_head(fd, "Content-Length: %zu\r\n\r\n", length);
	if (lie == LIE_CUT || lie == LIE_NO_LENGTH)
		length = length * (next_random() % 100) / 100;
	well = well && put_all(fd, wrong != NULL ? wrong : content[index] + first, length);
	free(wrong);
	return well && lie != LIE_CUT && lie != LIE_NO_LENGTH;
}

static bool answer(int fd, const char *request)
{
	const char *range = strstr(request, "\r\nRange: bytes=");
	unsigned long first = 0, last = 0;

	if (strncmp(request, "GET /api/models/org/m/revision/", 31) == 0)
		return put_json(fd, "{\"sha\": \"" COMMIT "\"}");
	if (strncmp(request, "GET /api/models/org/m/tree/", 27) == 0)
		return put_tree(fd);
	for (size_t i = 0; i < FILES; i++) {
		char line[160];
		struct text text = TEXT_OVER(line);

		text_addf(&text, "GET /org/m/resolve/" COMMIT "/%s ", files[i].name);
		if (strncmp(request, line, text.length) != 0)
			continue;
		last = files[i].size - 1;
		if (range != NULL && sscanf(range, "\r\nRange: bytes=%lu-%lu", &first, &last) != 2)
			return false;
		return put_file(fd, i, range != NULL, first, last);
	}
	return put_head(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void *serve(void *context)
{
	char request[8192];
	size_t filled = 0;
	int fd = *(int *)context;

	free(context);
	while (!atomic_load(&hub.over)) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t got;
		char *end;

		if (poll(&ready, 1, 100) != 1)
			continue;
		got = recv(fd, request + filled, sizeof(request) - 1 - filled, 0);
		if (got <= 0)
			break;
		filled += (size_t)got;
		request[filled] = '\0';
		end = strstr(request, "\r\n\r\n");
		if (end == NULL)
			continue;
		filled = 0;
		if (!answer(fd, request))
			break;
	}
	(void)close(fd);
	return NULL;
}

/* A thread a connection, all of which are waited for. */
static void *listen_on(void *context)
{
	static pthread_t threads[4096];
	size_t count = 0;

	(void)context;
	while (!atomic_load(&hub.over) && count < LENGTH_OF(threads)) {
		struct pollfd ready = { .fd = hub.fd, .events = POLLIN };
		int *fd;

		if (poll(&ready, 1, 100) != 1)
			continue;
		fd = malloc(sizeof(*fd));
		assert_non_null(fd);
		*fd = accept(hub.fd, NULL, NULL);
		if (*fd < 0 || pthread_create(&threads[count], NULL, serve, fd) != 0)
			free(fd);
		else
			count++;
	}
	while (count > 0)
		(void)pthread_join(threads[--count], NULL);
	return NULL;
}

static void hub_listen(uint64_t seed, unsigned to_lie)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	atomic_store(&hub.over, false);
	atomic_store(&hub.random, seed * 7919 + 17);
	atomic_store(&hub.lies, to_lie);
	hub.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(hub.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(hub.fd, 64), 0);
	assert_int_equal(getsockname(hub.fd, (struct sockaddr *)&address, &size), 0);
	hub.port = ntohs(address.sin_port);
}

static void hub_serve(void)
{
	assert_int_equal(pthread_create(&hub.thread, NULL, listen_on, NULL), 0);
}

static void hub_start(uint64_t seed, unsigned to_lie)
{
	hub_listen(seed, to_lie);
	hub_serve();
}

static void hub_stop(void)
{
	atomic_store(&hub.over, true);
	(void)pthread_join(hub.thread, NULL);
	(void)close(hub.fd);
}

/* What must hold */

static size_t parts_of(const struct session *session, const struct download *download)
{
	size_t count = 0;

	for (size_t i = 0; i < session->settings->connections; i++)
		count += session->parts[i].download == download;
	return count;
}

static void check_download(const struct session *session, const struct download *download)
{
	assert_int_equal(parts_of(session, download), download->parts);
	if (download->phase == PHASE_FREE) {
		assert_true(download->parts == 0 && download->unwritten == 0 && !download->sealed);
		assert_true(download->lock_fd == -1 && download->partial.fd == -1);
		return;
	}
	assert_true(download->phase == PHASE_FETCH ||
	            (download->parts == 0 && download->unwritten == 0));
	if (download->sealed)
		assert_true(download->parts == 0 && download->unwritten == 0 &&
		            download->partial.fd == -1 && partial_is_whole(&download->partial));
	assert_true(download->partial.present <= download->partial.chunk_count);
}

/* Every blob that has its name has its content; `seen` remembers which were looked at. */
static size_t check_blobs(const struct place *place, bool *seen)
{
	size_t named = 0;

	for (size_t i = 0; i < FILES; i++) {
		char path[256], actual[SHA256_HEX + 1];
		struct text text = TEXT_OVER(path);
		char *bytes = NULL;
		size_t length;
		int fd;

		text_addf(&text, "%s/models--org--m/blobs/%s", place->path, digests[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		named++;
		if (seen == NULL || !seen[i]) {
			assert_int_equal(read_whole(fd, LARGE_BYTES + 1, &bytes, &length), 0);
			assert_int_equal(length, files[i].size);
			digest_bytes(bytes, length, DIGEST_SHA256, actual);
			assert_string_equal(actual, digests[i]);
			free(bytes);
		}
		if (seen != NULL)
			seen[i] = true;
		(void)close(fd);
	}
	return named;
}

/* The driver */

struct told {
	unsigned findings;
	char last[256];
};

static int take(void *context, const struct record *record)
{
	struct told *told = context;

	if (record->type == RECORD_FINDING && record->kind != FINDING_FETCH_VOLUME) {
		struct text text = TEXT_OVER(told->last);

		told->findings++;
		text_add(&text, record->message);
	}
	return 0;
}

static struct fetch_settings settings_for(const char *endpoint)
{
	return (struct fetch_settings){ .endpoints = { endpoint },
		                        .endpoint_count = 1,
		                        .allow_http = true,
		                        .http_proxy = "",
		                        .https_proxy = "",
		                        .no_proxy = "",
		                        .retries = 5,
		                        .connections = 4,
		                        .retry_delay_ms = 1,
		                        .retry_max_delay_ms = 4,
		                        .connect_timeout_ms = 10000,
		                        .stall_timeout_ms = 10000,
		                        .deadline_ns = clock_now_ns() + HANG_LIMIT_NS,
		                        .ports = { hub.port },
		                        .port_count = 1 };
}

/* What a fetch of org/m is given; none of it moves. */
struct order {
	char endpoint[64];
	struct model model;
	struct policy policy;
	enum want want[1];
	struct fetch_settings settings;
	struct fetch_job job;
};

static void order_make(struct order *order, const struct place *place, struct told *told)
{
	struct text text = TEXT_OVER(order->endpoint);

	text_addf(&text, "http://127.0.0.1:%u", hub.port);
	order->model = (struct model){
		.name = "m", .repo = "org/m", .revision = "main", .selected = true
	};
	order->policy =
	        (struct policy){ .models = &order->model, .model_count = 1, .mode = MODE_AUTO };
	order->want[0] = WANT_MISSING;
	order->settings = settings_for(order->endpoint);
	order->job = (struct fetch_job){ .policy = &order->policy,
		                         .settings = &order->settings,
		                         .want = order->want,
		                         .path = place->path,
		                         .send = take,
		                         .send_context = told };
}

#define TAKEN_AT_MOST 3u

/* As a fetch of another machine does that takes this one for dead: the file has another name, and is another's. */
static bool take_over(const struct download *download, unsigned number)
{
	char name[SHA256_HEX + 32];
	struct text text = TEXT_OVER(name);

	text_addf(&text, "%s.%08x.incomplete", download->etag, number);
	return download->phase == PHASE_FETCH &&
	       renameat(download->partial.directory_fd, download->partial.name,
	                download->partial.directory_fd, name) == 0;
}

/* The number of blobs that have their names in the end; *told has what was said. */
static size_t fetch_once(const struct place *place, struct told *told, bool shared)
{
	struct session *session = calloc(1, sizeof(*session));
	struct order order;
	struct store store;
	struct plan_model *plan;
	bool seen[FILES] = { false };
	unsigned taken = 0;

	order_make(&order, place, told);
	assert_non_null(session);
	assert_int_equal(store_open(&store, place->path, false), 0);
	session_init(session, &order.job, &store);
	assert_int_equal(session_begin(session), 0);
	session->store.volume.may_be_shared = shared;
	plan = &session->models[session->model_count++];
	plan->model = &order.model;
	assert_int_equal(repo_store_open(&plan->repo, &session->store, order.model.repo), 0);
	assert_true(plan_model(session, plan));
	assert_int_equal(plan->count, FILES);
	plan_compare(session, plan);
	while (downloads_step(session)) {
		for (size_t i = 0; i < session->download_count; i++)
			check_download(session, &session->downloads[i]);
		for (size_t i = 0; shared && i < session->download_count; i++)
			if (taken < TAKEN_AT_MOST && next_random() % 8 == 0)
				taken += take_over(&session->downloads[i], taken);
		(void)check_blobs(place, seen);
		assert_true(clock_now_ns() < order.settings.deadline_ns);
		assert_int_equal(network_run(&session->network, 20), 0);
	}
	assert_true(plan->failed || plan->left == 0);
	session_release(session);
	free(session);
	/* All of them once more: nothing was written after they had their names. */
	return check_blobs(place, NULL);
}

static void whatever_a_hub_sends_no_blob_is_wrong(void **state)
{
	unsigned whole = 0, failed = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct place place = place_make();
		struct told told = { .findings = 0 };
		size_t named;

		hub_start(seed, (unsigned)(seed % 8) * 3);
		named = fetch_once(&place, &told, seed % 3 == 0);
		assert_int_equal(named == FILES, told.findings == 0);
		if (told.findings >
		    0) { /* what was begun is gone on with, and becomes whole by an honest hub */
			atomic_store(&hub.lies, 0);
			told.findings = 0;
			failed++;
			if (fetch_once(&place, &told, false) != FILES)
				fail_msg("seed %llu: %s", (unsigned long long)seed, told.last);
		}
		whole++;
		hub_stop();
		place_remove(&place);
	}
	print_message("%u fetches, %u of them in two goes\n", whole, failed);
}

static void waits_double_and_end(void **state)
{
	const struct fetch_settings settings = { .retry_delay_ms = 100,
		                                 .retry_max_delay_ms = 1000,
		                                 .deadline_ns = 1000000000000 };
	uint64_t random = 42, due, before = 0;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct retry retry = { .tries = 5, .attempt = i, .wait_s = UINT64_MAX };
		uint64_t least = 100000000ull << i;

		least = least > 1000000000 ? 1000000000 : least;
		assert_true(retry_plan(&settings, &retry, &random, &due));
		assert_true(due >= least && due <= least + least / 4 && due > before / 2);
		before = due;
	}
	assert_false(retry_plan(&settings, &(struct retry){ .tries = 5, .attempt = 5, .wait_s = 0 },
	                        &random, &due));
	/* The server's own word: not less, a second more at most, and never beyond the deadline. */
	assert_true(
	        retry_plan(&settings, &(struct retry){ .tries = 1, .wait_s = 7 }, &random, &due));
	assert_true(due >= 7000000000 && due <= 8250000000);
	assert_false(retry_plan(&settings, &(struct retry){ .tries = 1, .wait_s = 1u << 30 },
	                        &random, &due));
	assert_false(retry_plan(&settings,
	                        &(struct retry){ .tries = 1, .wait_s = 0, .now_ns = 1000000000001 },
	                        &random, &due));
}

static void a_snapshot_is_there_whole_or_not_at_all(void **state)
{
	struct place place = place_make();
	struct store store;
	struct repo_store repo;
	struct publication publication = { .directory_fd = -1 };
	struct published file = { .path = "a/config.json",
		                  .etag = digests[2],
		                  .size = files[2].size };
	char path[256];
	struct text text = TEXT_OVER(path);

	(void)state;
	assert_int_equal(store_open(&store, place.path, false), 0);
	assert_int_equal(store_prepare(&store), 0);
	assert_int_equal(repo_store_open(&repo, &store, "org/m"), 0);
	text_addf(&text, "models--org--m/blobs/%s", digests[2]);
	place_put(&place, path, content[2], files[2].size);
	assert_true(repo_store_has(&repo, digests[2], files[2].size));
	assert_false(repo_store_has(&repo, digests[2], files[2].size + 1));
	assert_int_equal(publication_begin(&publication, &repo, COMMIT), 0);
	assert_int_equal(publication_add(&publication, &file), 0);
	assert_int_not_equal(faccessat(place.fd, "models--org--m/snapshots/" COMMIT, F_OK, 0), 0);
	assert_int_equal(publication_end(&publication), 0);
	publication_release(&publication);
	assert_int_equal(
	        faccessat(place.fd, "models--org--m/snapshots/" COMMIT "/a/config.json", R_OK, 0),
	        0);
	assert_false(repo_store_ref(&repo, "main", path));
	assert_int_equal(repo_store_write_ref(&repo, "main", COMMIT), 0);
	assert_true(repo_store_ref(&repo, "main", path));
	assert_string_equal(path, COMMIT);
	repo_store_release(&repo);
	store_release(&store);
	place_remove(&place);
}

static void run_fetcher(void *context, int pipe_fd)
{
	fetcher_run(context, false, false, pipe_fd);
}

static void count_done(void *context, const struct record *record)
{
	*(unsigned *)context += record->type == RECORD_FETCH_DONE;
}

/* The whole of it in a process that may write beneath the place, connect to one port, and nothing else. */
static void the_fetcher_brings_all(void **state)
{
	struct place place = place_make();
	struct child_limits limits = { .deadline_ns = clock_now_ns() + HANG_LIMIT_NS, .models = 1 };
	struct signals signals;
	struct child child;
	struct order order;
	unsigned done = 0;

	(void)state;
	/* No thread before the fork: one that holds a lock of the allocator's would hold it in the child for ever. */
	hub_listen(1, 0);
	order_make(&order, &place, NULL);
	assert_int_equal(signals_init(&signals), 0);
	limits.signals = &signals;
	assert_int_equal(child_start(&child, run_fetcher, &order.job), 0);
	hub_serve();
	assert_int_equal(child_follow(&child, &limits, count_done, &done), CHILD_DONE);
	signals_restore(&signals);
	assert_int_equal(done, 1);
	assert_int_equal(check_blobs(&place, NULL), FILES);
	hub_stop();
	place_remove(&place);
}

static int begin(void **state)
{
	(void)state;
	for (size_t i = 0; i < FILES; i++) {

		content[i] = malloc(files[i].size);
		if (content[i] == NULL)
			return -1;
		for (size_t at = 0; at < files[i].size; at++)
			content[i][at] = (unsigned char)(at * 31 + at / 4096 + i);
		digest_bytes(content[i], files[i].size, DIGEST_SHA256, digests[i]);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < FILES; i++)
		free(content[i]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_and_end),
		cmocka_unit_test(a_snapshot_is_there_whole_or_not_at_all),
		cmocka_unit_test(the_fetcher_brings_all),
		cmocka_unit_test(whatever_a_hub_sends_no_blob_is_wrong),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
