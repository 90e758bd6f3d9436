/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http/request.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/list.h"
#include "base/scan.h"
#include "fetch/http/retry.h"
#include "process/clock.h"
#include "util.h"
#include "version.h"

#define TLS_READ_BYTES (128ul << 10)
/* A try that brought so much was worth it: the count begins again. Some middleboxes cut what is longer than 100 kB. */
#define PROGRESS_BYTES (64ul << 10)
#define PROGRESS_ANEW_BYTES (1ul << 20) /* where the next try begins anew */

/* The last line of them counts, as resolv.conf(5) says. */
static void read_domains(struct network *network)
{
	CLEANUP(cleanup_fd) int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *data = NULL, *rest = NULL, *words = NULL, *word;
	size_t length;

	if (fd < 0 || read_whole(fd, MAX_RESOLV_BYTES, &data, &length) != 0)
		return;
	for (char *line = strtok_r(data, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		word = strtok_r(line, " \t\r", &words);
		if (word == NULL || (strcmp(word, "search") != 0 && strcmp(word, "domain") != 0))
			continue;
		network->domain_count = 0;
		while (network->domain_count < MAX_SEARCH_DOMAINS &&
		       (word = strtok_r(NULL, " \t\r", &words)) != NULL) {
			struct text text = TEXT_OVER(network->domains[network->domain_count]);

			text_add(&text, word);
			network->domain_count += !text.cut && strcmp(word, ".") != 0;
		}
	}
	free(data);
}

int network_init(struct network *network, const struct fetch_settings *settings)
{
	char line[MAX_TOKEN_BYTES + 32];
	struct text text = TEXT_OVER(line);
	struct curl_slist *more;

	memset(network, 0, sizeof(*network));
	network->settings = settings;
	if (getrandom(&network->random, sizeof(network->random), GRND_NONBLOCK) < 0)
		network->random = clock_now_ns();
	read_domains(network);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	network->multi = curl_multi_init();
	network->plain = curl_slist_append(NULL, "Accept-Encoding: identity");
	network->with_token = curl_slist_append(NULL, "Accept-Encoding: identity");
	text_addf(&text, "Authorization: Bearer %s", settings->token);
	more = settings->token[0] == '\0' ? network->with_token :
	                                    curl_slist_append(network->with_token, line);
	explicit_bzero(line, sizeof(line));
	if (network->multi == NULL || network->plain == NULL || more == NULL)
		return -ENOMEM;
	(void)curl_multi_setopt(network->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
	                        (long)settings->connections);
	(void)curl_multi_setopt(network->multi, CURLMOPT_MAXCONNECTS, (long)settings->connections);
	return 0;
}

void network_release(struct network *network)
{
	if (network->settings == NULL)
		return;
	if (network->multi != NULL)
		(void)curl_multi_cleanup(network->multi);
	curl_slist_free_all(network->plain);
	curl_slist_free_all(network->with_token);
	curl_global_cleanup();
}

/* Callbacks */

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct request *request = context;
	size_t length = size * count;

	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* a response begins, perhaps again */
		size_t bytes = request->headers.bytes;

		headers_begin(&request->headers);
		request->headers.bytes = bytes;
	}
	headers_take(&request->headers, line, length);
	if (request->headers.bytes <= MAX_HEADERS_BYTES)
		return length;
	request_fail(request, FINDING_FETCH_PROTOCOL, false, "its header is longer than %lu bytes",
	             MAX_HEADERS_BYTES);
	request->refused = true;
	return 0;
}

static bool begin_body(struct request *request)
{
	request->begun = true;
	if (request->headers.coding != NULL) {
		request_fail(request, FINDING_FETCH_PROTOCOL, false,
		             "it answers with Content-Encoding: %s, though none was asked for",
		             request->headers.coding);
		return false;
	}
	return request->begin == NULL || request->begin(request);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
	struct request *request = context;
	size_t length = size * count;

	(void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &request->status);
	if (request->status < 200 || request->status > 299) { /* what a refusal says of itself */
		size_t room = ERROR_BODY_BYTES - request->error_body_length;

		if (length < room)
			room = length;
		memcpy(request->error_body + request->error_body_length, bytes, room);
		request->error_body_length += room;
		return request->error_body_length < ERROR_BODY_BYTES ? length : 0;
	}
	if (!request->begun && !begin_body(request)) {
		request->refused = true;
		return 0;
	}
	request->received += length;
	if (request->received > request->limit) {
		request_fail(request, FINDING_FETCH_PROTOCOL, false,
		             "the answer is longer than %llu bytes",
		             (unsigned long long)request->limit);
		request->refused = true;
		return 0;
	}
	request->progressed =
	        request->received >= (request->length > 0 ? PROGRESS_BYTES : PROGRESS_ANEW_BYTES);
	if (request->body(request, bytes, length))
		return length;
	if (request->failure.message[0] == '\0') {
		request_fail(request, FINDING_FETCH_PROTOCOL, false,
		             "the answer is not one that a hub gives");
		request->misfit = true;
	}
	request->refused = true;
	return 0;
}

static CURLcode on_context(CURL *easy, void *context, void *request)
{
	(void)easy;
	SSL_CTX_set_app_data(context, request);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, request_on_verify);
#if LIBCURL_VERSION_NUM >= 0x080e00
	/*
	 * Several records a system call, where OpenSSL would make two calls a record. Older versions of
	 * curl wait for the socket while a record that was read ahead lies in OpenSSL: 8.14 reads until
	 * there is nothing left (lib/transfer.c, sendrecv_dl).
	 */
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, TLS_READ_BYTES);
#endif
	return CURLE_OK;
}

/* A try */

static const char *proxy_of(const struct fetch_settings *settings, const struct url *server)
{
	return server->https ? settings->https_proxy : settings->http_proxy;
}

/*
 * No proxy would read it: there is none, or NO_PROXY is * as a whole, or names the host as it stands there. libcurl takes
 * more for a name of the host, and nothing of this for less; of an address in brackets it never finds one.
 */
static bool goes_direct(const struct fetch_settings *settings, const struct url *server)
{
	const char *at = NULL, *element;
	size_t length;

	if (proxy_of(settings, server)[0] == '\0' || strcmp(settings->no_proxy, "*") == 0)
		return true;
	while ((element = list_next(settings->no_proxy, ',', &at, &length)) != NULL)
		if (server->host[0] != '[' && text_equals_any_case(element, length, server->host))
			return true;
	return false;
}

static bool may_see_token(const struct request *request)
{
	const struct network *network = request->network;

	return network->settings->token[0] != '\0' && request->has_endpoint &&
	       url_same_server(&request->server, &request->endpoint) &&
	       (request->server.https || (url_is_loopback(&request->server) &&
	                                  goes_direct(network->settings, &request->server)));
}

/* An address, of which no name server is asked. */
static bool is_literal(const struct url *server)
{
	struct in_addr four;

	return server->host[0] == '[' || inet_pton(AF_INET, server->host, &four) == 1;
}

/*
 * What c-ares 1.18 does not do and C libraries do, once a try has shown that it is wanted: the name as it stands
 * (way 1) and in each search domain (from 2 on), where the first domain's server fails, and IPv4 alone, where AAAA
 * questions are dropped. A final dot keeps a name from being searched for; SNI and Host stay as they are.
 */
static void set_resolving(struct request *request, const char *proxy)
{
	const struct network *network = request->network;
	char row[sizeof(request->server.host) + MAX_NAME_BYTES + 16];
	struct text text = TEXT_OVER(row);

	curl_slist_free_all(request->connect_to);
	request->connect_to = NULL;
	if (request->only_ipv4)
		(void)curl_easy_setopt(request->easy, CURLOPT_IPRESOLVE, (long)CURL_IPRESOLVE_V4);
	if (request->way == 0 || proxy[0] != '\0' ||
	    (request->way == 1 && strchr(request->server.host, '.') == NULL) ||
	    is_literal(&request->server))
		return;
	text_addf(&text, "::%s.", request->server.host);
	if (request->way > 1)
		text_addf(&text, "%s.", network->domains[request->way - 2]);
	text_add(&text, ":");
	request->connect_to = curl_slist_append(NULL, row);
	(void)curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, request->connect_to);
}

/* A try that failed for the name: the next one asks in another way, and what has worked is how others begin. */
static void learn_resolving(struct request *request, CURLcode code)
{
	struct network *network = request->network;
	char *address = NULL; /* curl's; "": nothing was ever connected to */
	curl_off_t took = 0; /* microseconds */

	(void)curl_easy_getinfo(request->easy, CURLINFO_PRIMARY_IP, &address);
	(void)curl_easy_getinfo(request->easy, CURLINFO_TOTAL_TIME_T, &took);
	request->name_failed = code == CURLE_COULDNT_RESOLVE_HOST ||
	                       (code == CURLE_OPERATION_TIMEDOUT && !is_literal(&request->server) &&
	                        (address == NULL || address[0] == '\0'));
	/* Silence is not searched on through: the C library does not do it either. */
	request->ways = 2 + (code == CURLE_COULDNT_RESOLVE_HOST && took < SILENT_NAME_MS * 1000l ?
	                             network->domain_count :
	                             0);
	if (code == CURLE_COULDNT_RESOLVE_HOST)
		request->way = (request->way + 1) % request->ways;
	if (code == CURLE_OPERATION_TIMEDOUT && (address == NULL || address[0] == '\0'))
		request->only_ipv4 = !request->only_ipv4;
	else if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT)
		request->only_ipv4 = network->only_ipv4 = false;
	if (request->status == 0)
		return;
	network->only_ipv4 = request->only_ipv4;
	network->way = request->way;
}

/* A server that hangs costs seconds where another has the same. */
static uint64_t hurried(const struct request *request, uint64_t ms, uint64_t most)
{
	return request->elsewhere && ms > most ? most : ms;
}

static void set_options(struct request *request)
{
	const struct network *network = request->network;
	const struct fetch_settings *settings = network->settings;
	const char *proxy = proxy_of(settings, &request->server);
	CURL *easy = request->easy;
	char range[64];

	curl_easy_reset(easy);
	(void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
	                       settings->allow_http ? "https,http" : "https");
	request->token_sent = may_see_token(request);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
	                       request->token_sent ? network->with_token : network->plain);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "aweigh/" AWEIGH_VERSION);
	/* Parts of one file want connections of their own; HTTP/2 would put them on one. */
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* The fastest first: 128 bits are enough for public files and for a token. */
	(void)curl_easy_setopt(easy, CURLOPT_TLS13_CIPHERS,
	                       "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
	(void)curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
	(void)curl_easy_setopt(easy, CURLOPT_CAPATH, settings->ca_directory);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, request);
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
	(void)curl_easy_setopt(easy, CURLOPT_NOPROXY, settings->no_proxy);
	set_resolving(request, proxy);
	(void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(
	        easy, CURLOPT_CONNECTTIMEOUT_MS,
	        (long)hurried(request, settings->connect_timeout_ms, HURRIED_CONNECT_MS));
	request->stall_ms = hurried(request, settings->stall_timeout_ms, HURRIED_STALL_MS);
	(void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, STALLED_BYTES);
	(void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
	                       (long)((request->stall_ms + 999) / 1000));
	(void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)FETCH_BUFFER_BYTES);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error);
	(void)curl_easy_setopt(easy, CURLOPT_NOBODY, request->head ? 1L : 0L);
	if (request->length > 0) {
		struct text text = TEXT_OVER(range);

		text_addf(&text, "%llu-%llu", (unsigned long long)request->first,
		          (unsigned long long)(request->first + request->length - 1));
		(void)curl_easy_setopt(easy, CURLOPT_RANGE, range);
	}
}

/* NULL: the address may be connected to; otherwise why not, to be put behind the host, and what to do in *fix. */
static const char *address_fault(struct request *request, const char **fix)
{
	const struct fetch_settings *settings = request->network->settings;

	if (!url_parse(request->url, &request->server))
		return "no http or https address";
	*fix = "use https, or set fetch.allow_http = yes where plain http is meant";
	if (!request->server.https && !settings->allow_http)
		return "plain http is not allowed; set fetch.allow_http = yes where it is meant";
	*fix = "set fetch.redirect_ports to the ports that the hub redirects to";
	/* Behind a proxy its port is what is connected to. */
	if (goes_direct(settings, &request->server) &&
	    !fetch_settings_allow_port(settings, request->server.port))
		return "the fetcher connects to 443 and the ports of endpoints and mirror alone: set fetch.redirect_ports to this port where the hub is meant to redirect there";
	return NULL;
}

static void send_request(struct request *request)
{
	struct network *network = request->network;
	const char *fix = NULL, *fault = address_fault(request, &fix);

	headers_begin(&request->headers);
	request->begun = request->refused = request->misfit = false;
	request->error_body_length = 0;
	request->received = 0;
	request->status = 0;
	request->failure.message[0] = '\0';
	request->issuer[0] = request->curl_error[0] = '\0';
	if (fault == NULL && request->easy == NULL) {
		request->easy = curl_easy_init();
		fault = request->easy == NULL ? "out of memory" : NULL;
		fix = NULL;
	}
	if (fault != NULL) {
		request_fail_address(request, fault, fix);
		request->done(request, false);
		return;
	}
	set_options(request);
	request->running = true;
	(void)curl_multi_add_handle(network->multi, request->easy);
}

static void wait_until(struct request *request, uint64_t due_ns)
{
	struct request **at = &request->network->waiting;

	request->due_ns = due_ns;
	while (*at != NULL && (*at)->due_ns <= due_ns)
		at = &(*at)->next;
	request->next = *at;
	*at = request;
}

void request_start(struct network *network, struct request *request, const char *endpoint,
                   const char *url)
{
	struct text start = TEXT_OVER(request->start), text = TEXT_OVER(request->url);
	struct url to;

	request->network = network;
	request->has_endpoint = endpoint != NULL && url_parse(endpoint, &request->endpoint);
	request->redirects = request->attempts = request->refreshed = 0;
	request->redirected = request->progressed = false;
	request->name_failed = false;
	request->other_ways = 0;
	request->way = network->way;
	request->only_ipv4 = network->only_ipv4;
	memset(&request->failure, 0, sizeof(request->failure));
	headers_begin(&request->hub);
	request->server.host[0] = '\0';
	text_add(&start, url);
	text_add(&text, url);
	if (text.cut)
		request->url[0] = '\0'; /* what does not fit is not an address */
	/* Through the list even when it is due: done() must not run before this returns. */
	wait_until(request, url_parse(url, &to) && url_same_server(&to, &network->pausing) ?
	                            network->not_before_ns :
	                            0);
}

static void stop_running(struct request *request)
{
	if (!request->running)
		return;
	(void)curl_multi_remove_handle(request->network->multi, request->easy);
	request->running = false;
}

void request_cancel(struct request *request)
{
	if (request->network == NULL)
		return;
	stop_running(request);
	for (struct request **at = &request->network->waiting; *at != NULL; at = &(*at)->next)
		if (*at == request) {
			*at = request->next;
			break;
		}
}

void request_release(struct request *request)
{
	request_cancel(request);
	if (request->easy != NULL)
		curl_easy_cleanup(request->easy);
	request->easy = NULL;
	curl_slist_free_all(request->connect_to);
	request->connect_to = NULL;
}

/* Trying again */

/* The time of the next try; false: none. */
static bool plan_retry(struct request *request, uint64_t *due_ns)
{
	struct network *network = request->network;
	struct retry retry = { .tries = network->settings->retries,
		               .wait_s = UINT64_MAX,
		               .now_ns = clock_now_ns() };

	if (!request->failure.temporary)
		return false;
	if (request->progressed)
		request->attempts = 0;
	request->progressed = false;
	/* Turned away, ill, or not answering: what can be had elsewhere or later need not be waited for here. */
	if (request->few_tries && retry.tries > 1 &&
	    (request->elsewhere || request->status == 503 || request->status == 0))
		retry.tries =
		        request->elsewhere && request->failure.id == FINDING_FETCH_STALLED ? 0 : 1;
	if (request->status == 429 || request->status == 503)
		retry.wait_s = request->headers.wait_s;
	if (request->elsewhere && retry.wait_s != UINT64_MAX && retry.wait_s > MAX_IDLE_WAIT_S)
		return false;
	/* The name has been asked for in one of its ways: the others are no new tries. */
	if (request->name_failed && request->other_ways + 1 < request->ways) {
		request->other_ways++;
		*due_ns = retry.now_ns;
		return true;
	}
	retry.attempt = request->attempts++;
	if (!retry_plan(network->settings, &retry, &network->random, due_ns))
		return false;
	if (retry.wait_s != UINT64_MAX) { /* for whatever is asked of this server */
		network->not_before_ns = *due_ns;
		network->pausing = request->server;
	}
	return true;
}

/* A redirect: to a place on the same server, or to where the bytes are. */
static bool follow(struct request *request)
{
	char next[MAX_URL_BYTES];
	struct url to, from = request->server;

	if (request->status < 301 || request->status > 308 || request->status == 304 ||
	    request->headers.location[0] == '\0' || request->redirects >= MAX_REDIRECTS)
		return false;
	if (!url_resolve(request->url, request->headers.location, next) || !url_parse(next, &to))
		return false;
	if (request->redirects++ == 0 || request->hub.location[0] == '\0')
		request->hub = request->headers;
	if (!url_same_server(&to, &from)) {
		request->redirected = true;
		request->other_ways = 0;
	}
	memcpy(request->url, next, sizeof(next));
	return true;
}

/* A signed address that has expired: once, the endpoint is asked for a new one. */
static bool refresh(struct request *request)
{
	if (!request->redirected || (request->status != 403 && request->status != 401) ||
	    request->refreshed++ > 0)
		return false;
	memcpy(request->url, request->start, sizeof(request->url));
	request->redirected = false;
	request->redirects = 0;
	return true;
}

static void go_again(struct request *request, uint64_t due_ns)
{
	if (request->prepare != NULL && request->prepare(request) == STEP_GIVE_UP) {
		request->done(request, false);
		return;
	}
	wait_until(request, due_ns);
}

/* A 2xx status; false: the body is none that will do, and the request counts as refused. */
static bool take_success(struct request *request)
{
	/* Redirects within the endpoint, as after a renaming, say nothing of the file. */
	if (!request->redirected)
		request->hub = request->headers;
	if (!request->begun && !begin_body(request)) { /* an empty body */
		request->refused = true;
		return false;
	}
	request->refreshed = 0;
	request->done(request, true);
	return true;
}

/* Goes on with where the answer leads, or with a new address; false: neither. */
static bool go_on(struct request *request)
{
	if (follow(request)) {
		wait_until(request, 0);
		return true;
	}
	if (refresh(request)) {
		go_again(request, 0);
		return true;
	}
	return false;
}

static void fail_request(struct request *request, CURLcode code)
{
	uint64_t due_ns, now_ns = clock_now_ns();

	request_explain(request, code);
	if (request->redirects >= MAX_REDIRECTS) {
		request->failure.temporary = false;
		request->failure.id = FINDING_FETCH_PROTOCOL;
	}
	if (plan_retry(request, &due_ns)) {
		/* After a redirect the endpoint is asked again: another CDN host may be well. */
		memcpy(request->url, request->start, sizeof(request->url));
		request->redirects = 0;
		request->redirected = false;
		if (request->network->retrying != NULL)
			request->network->retrying(request->network->retrying_context, request,
			                           due_ns > now_ns ? due_ns - now_ns : 0);
		go_again(request, due_ns);
		return;
	}
	if (request->failure.temporary) {
		struct text text = { .at = request->failure.message,
			             .length = strlen(request->failure.message),
			             .size = sizeof(request->failure.message) };

		text_addf(&text, "; tried %u time%s", request->attempts,
		          request->attempts == 1 ? "" : "s");
	}
	request->done(request, false);
}

static bool leads_to_bytes(const struct request *request)
{
	const struct headers *headers = &request->headers;
	struct url to;

	return headers->etag_is_linked || headers->linked_size != UINT64_MAX ||
	       (url_has_host(headers->location) && url_parse(headers->location, &to) &&
	        !url_same_server(&to, &request->server));
}

static void ended(struct request *request, CURLcode code)
{
	(void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &request->status);
	stop_running(request);
	learn_resolving(request, code);
	if (code == CURLE_OK && request->status >= 200 && request->status <= 299) {
		if (take_success(request))
			return;
		code = CURLE_WRITE_ERROR;
	}
	/* A redirect to where the bytes are is the end of a question about them; one of a renamed repository is not. */
	if (!request->refused && request->head && code == CURLE_OK && request->status >= 301 &&
	    request->status <= 308 && leads_to_bytes(request)) {
		request->hub = request->headers;
		request->done(request, true);
		return;
	}
	if (request->refused || !go_on(request))
		fail_request(request, code);
}

int network_run(struct network *network, int wait_ms)
{
	int running, left;
	uint64_t now = clock_now_ns();
	CURLMsg *message;

	while (network->waiting != NULL && network->waiting->due_ns <= now) {
		struct request *request = network->waiting;

		network->waiting = request->next;
		request->next = NULL;
		send_request(request);
	}
	if (curl_multi_perform(network->multi, &running) != CURLM_OK)
		return -EIO;
	while ((message = curl_multi_info_read(network->multi, &left)) != NULL) {
		struct request *request;

		wait_ms = 0; /* somebody may have more to ask now */
		if (message->msg == CURLMSG_DONE &&
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request) == CURLE_OK)
			ended(request, message->data.result);
	}
	if (network->waiting != NULL) {
		int due = clock_left_ms(network->waiting->due_ns);

		wait_ms = due < wait_ms ? due : wait_ms;
	}
	return curl_multi_poll(network->multi, NULL, 0, wait_ms, NULL) == CURLM_OK ? 0 : -EIO;
}

void network_wake(struct network *network)
{
	(void)curl_multi_wakeup(network->multi);
}

const char *request_libraries(void)
{
	return curl_version();
}
