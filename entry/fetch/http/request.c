/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http/request.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <time.h>
#include <string.h>
#include <sys/random.h>

#include "base/list.h"
#include "base/scan.h"
#include "process/clock.h"
#include "util.h"
#include "version.h"

#define LOW_SPEED_BYTES 1000L /* a second: less is standing still */
#define TLS_READ_BYTES (128ul << 10)
#define PROGRESS_BYTES                                                                             \
	(1ul << 20) /* a try that brought so much was worth it: the count begins again */

static void __attribute__((format(printf, 4, 5)))
set_failure(struct request *request, enum finding_id id, bool temporary, const char *format, ...)
{
	struct text text = TEXT_OVER(request->failure.message);
	va_list arguments;

	request->failure.id = id;
	request->failure.temporary = temporary;
	request->failure.http = (unsigned)request->status;
	va_start(arguments, format);
	text_addv(&text, format, arguments);
	va_end(arguments);
}

/* "config.json of org/m: hub.example", and the host that sent us there. */
static struct text begin_sentence(struct request *request, char *out, size_t size)
{
	struct text text = text_over(out, size);
	struct url first;

	text_addf(&text, "%s: ", request->what);
	url_add_server(&text, &request->server);
	if (request->redirects > 0 && url_parse(request->start, &first) &&
	    !url_same_server(&first, &request->server)) {
		text_add(&text, " (redirected from ");
		url_add_server(&text, &first);
		text_add(&text, ")");
	}
	return text;
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
	set_failure(request, FINDING_FETCH_PROTOCOL, false, "its header is longer than %lu bytes",
	            MAX_HEADERS_BYTES);
	request->refused = true;
	return 0;
}

static bool begin_body(struct request *request)
{
	request->begun = true;
	if (request->headers.encoded) {
		set_failure(request, FINDING_FETCH_PROTOCOL, false,
		            "it answers with a Content-Encoding, though none was asked for");
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
		set_failure(request, FINDING_FETCH_PROTOCOL, false,
		            "the answer is longer than %llu bytes",
		            (unsigned long long)request->limit);
		request->refused = true;
		return 0;
	}
	request->progressed = request->received >= PROGRESS_BYTES;
	if (request->body(request, bytes, length))
		return length;
	if (request->failure.message[0] == '\0')
		set_failure(request, FINDING_FETCH_PROTOCOL, false,
		            "the answer is not one that a hub gives");
	request->refused = true;
	return 0;
}

/* Remembers who issued the certificate that is not trusted: curl's own message does not say it. */
static int on_verify(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct request *request = ssl == NULL ? NULL : SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);

	if (!good && request != NULL && certificate != NULL && request->issuer[0] == '\0')
		(void)X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName,
		                                request->issuer, sizeof(request->issuer));
	return good;
}

static CURLcode on_context(CURL *easy, void *context, void *request)
{
	(void)easy;
	SSL_CTX_set_app_data(context, request);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
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

/* No proxy would read it: there is none, or NO_PROXY names the host as it stands there, or all. */
static bool goes_direct(const struct fetch_settings *settings, const struct url *server)
{
	const char *at = NULL, *element;
	size_t length;

	while ((element = list_next(settings->no_proxy, ',', &at, &length)) != NULL)
		if ((length == 1 && *element == '*') ||
		    text_equals_any_case(element, length, server->host))
			return true;
	return settings->http_proxy[0] == '\0';
}

static bool may_see_token(const struct request *request)
{
	const struct network *network = request->network;

	return network->settings->token[0] != '\0' && request->has_endpoint &&
	       url_same_server(&request->server, &request->endpoint) &&
	       (request->server.https || (url_is_loopback(&request->server) &&
	                                  goes_direct(network->settings, &request->server)));
}

/*
 * What c-ares 1.18 does not do and C libraries do, once a try has shown that it is wanted: the name as it
 * stands, where a search domain's server fails (a final dot keeps it from being searched for; SNI and Host stay
 * without it), and IPv4 alone, where AAAA questions are dropped.
 */
static void set_resolving(struct request *request, const char *proxy)
{
	char row[sizeof(request->server.host) + 16];
	struct text text = TEXT_OVER(row);
	struct in_addr literal;

	curl_slist_free_all(request->connect_to);
	request->connect_to = NULL;
	if (request->only_ipv4)
		(void)curl_easy_setopt(request->easy, CURLOPT_IPRESOLVE, (long)CURL_IPRESOLVE_V4);
	if (!request->as_it_stands || proxy[0] != '\0' || request->server.host[0] == '[' ||
	    strchr(request->server.host, '.') == NULL ||
	    inet_pton(AF_INET, request->server.host, &literal) == 1)
		return;
	text_addf(&text, "::%s.:", request->server.host);
	request->connect_to = curl_slist_append(NULL, row);
	(void)curl_easy_setopt(request->easy, CURLOPT_CONNECT_TO, request->connect_to);
}

/* A try that failed for the name: the next one asks the other way, and what has worked is how others begin. */
static void learn_resolving(struct request *request, CURLcode code)
{
	struct network *network = request->network;
	char *address = NULL; /* curl's; "": nothing was ever connected to */

	(void)curl_easy_getinfo(request->easy, CURLINFO_PRIMARY_IP, &address);
	if (code == CURLE_COULDNT_RESOLVE_HOST)
		request->as_it_stands = !request->as_it_stands;
	if (code == CURLE_OPERATION_TIMEDOUT && (address == NULL || address[0] == '\0'))
		request->only_ipv4 = !request->only_ipv4;
	else if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT)
		request->only_ipv4 = network->only_ipv4 = false;
	if (request->status == 0)
		return;
	network->only_ipv4 = request->only_ipv4;
	network->as_it_stands = request->as_it_stands;
}

static void set_options(struct request *request)
{
	const struct network *network = request->network;
	const struct fetch_settings *settings = network->settings;
	const char *proxy = request->server.https ? settings->https_proxy : settings->http_proxy;
	CURL *easy = request->easy;
	char range[64];

	curl_easy_reset(easy);
	(void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
	                       settings->allow_http ? "https,http" : "https");
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
	                       may_see_token(request) ? network->with_token : network->plain);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "aweigh/" AWEIGH_VERSION);
	/* Parts of one file want connections of their own; HTTP/2 would put them on one. */
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* All of TLS 1.3's, the fastest first: 128 bits are enough for public files and for a token. */
	(void)curl_easy_setopt(
	        easy, CURLOPT_TLS13_CIPHERS,
	        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
	(void)curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
	(void)curl_easy_setopt(easy, CURLOPT_CAPATH, settings->ca_directory);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, request);
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
	(void)curl_easy_setopt(easy, CURLOPT_NOPROXY, settings->no_proxy);
	set_resolving(request, proxy);
	(void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
	(void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	(void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
	                       (long)((settings->stall_timeout_ms + 999) / 1000));
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

/* NULL: the address may be connected to; otherwise why not, to be put behind the host. */
static const char *address_fault(struct request *request)
{
	const struct fetch_settings *settings = request->network->settings;

	if (!url_parse(request->url, &request->server))
		return "no http or https address";
	if (!request->server.https && !settings->allow_http)
		return "plain http is not allowed; set fetch.allow_http = yes where it is meant";
	/* Behind a proxy its port is what is connected to. */
	if ((request->server.https ? settings->https_proxy : settings->http_proxy)[0] == '\0' &&
	    !fetch_settings_allow_port(settings, request->server.port))
		return "the port is neither 443 nor one of fetch.endpoint or fetch.mirror, and the fetcher may connect to no other";
	return NULL;
}

static void send_request(struct request *request)
{
	struct network *network = request->network;
	const char *fault = address_fault(request);

	headers_begin(&request->headers);
	request->begun = request->refused = false;
	request->error_body_length = 0;
	request->received = 0;
	request->status = 0;
	request->failure.message[0] = '\0';
	request->issuer[0] = request->curl_error[0] = '\0';
	if (fault == NULL && request->easy == NULL) {
		request->easy = curl_easy_init();
		fault = request->easy == NULL ? "out of memory" : NULL;
	}
	if (fault != NULL) {
		struct text text = begin_sentence(request, request->failure.message,
		                                  sizeof(request->failure.message));

		text_addf(&text, ": %s", fault);
		request->failure.id = FINDING_FETCH_PROTOCOL;
		request->failure.temporary = false;
		request->failure.http = 0;
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

	request->network = network;
	request->has_endpoint = endpoint != NULL && url_parse(endpoint, &request->endpoint);
	request->redirects = request->attempts = request->refreshed = 0;
	request->redirected = request->progressed = false;
	request->as_it_stands = network->as_it_stands;
	request->only_ipv4 = network->only_ipv4;
	memset(&request->failure, 0, sizeof(request->failure));
	headers_begin(&request->hub);
	request->server.host[0] = '\0';
	text_add(&start, url);
	text_add(&text, url);
	if (text.cut)
		request->url[0] = '\0'; /* what does not fit is not an address */
	/* Through the list even when it is due: done() must not run before this returns. */
	wait_until(request, network->not_before_ns);
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

/* What went wrong */

static bool is_page(const struct request *request)
{
	static const char *const begin[] = { "<!doctype html", "<html" };

	for (size_t i = 0; i < LENGTH_OF(begin); i++)
		if (request->error_body_length >= strlen(begin[i]) &&
		    text_equals_any_case(request->error_body, strlen(begin[i]), begin[i]))
			return true;
	return false;
}

/* The words of a page that no hub sends: a filter's or a proxy's own. Tags are left out. */
static void add_page(const struct request *request, struct text *text)
{
	bool tag = false;

	text_add(text, " with a page that is no hub's: '");
	for (size_t i = 0; i < request->error_body_length && i < 300; i++) {
		char c = request->error_body[i];

		if (c == '<' || c == '>')
			tag = c == '<';
		else if (!tag && c >= ' ' && c <= '~')
			text_add_bytes(text, &c, 1);
	}
	text_add(text, "'");
}

static void explain_status(struct request *request, struct text *text)
{
	const struct headers *headers = &request->headers;
	struct failure *failure = &request->failure;
	long status = request->status;

	text_addf(text, " answers %ld", status);
	if (headers->error_code[0] != '\0')
		text_addf(text, " %s", headers->error_code);
	failure->temporary = false;
	failure->id = FINDING_FETCH_PROTOCOL;
	if ((status == 401 || status == 403) && !headers->is_hub && is_page(request)) {
		failure->id = FINDING_FETCH_PROXY;
		add_page(request, text);
	} else if (status == 401 || status == 403) {
		failure->id = FINDING_FETCH_UNAUTHORIZED;
		if (strcmp(headers->error_code, "GatedRepo") == 0)
			text_add(text, ": the repository is gated");
		else if (status == 401 && request->network->settings->token[0] == '\0')
			text_add(
			        text,
			        ": no token was given, and the repository is private or not there");
		else if (status == 401)
			text_add(text,
			         ": the token is not accepted, or the repository is not there");
	} else if (status == 404 || status == 410) {
		failure->id = FINDING_FETCH_NOT_FOUND;
		if (strcmp(headers->error_code, "RevisionNotFound") == 0)
			text_add(text, ": there is no such revision");
		else if (strcmp(headers->error_code, "EntryNotFound") == 0)
			text_add(text, ": there is no such file");
		else if (strcmp(headers->error_code, "RepoNotFound") == 0)
			text_add(text, ": there is no such repository");
	} else if (status == 429) {
		failure->id = FINDING_FETCH_RATE_LIMITED;
		failure->temporary = true;
	} else if (status == 408 || status >= 500) {
		failure->id = FINDING_FETCH_SERVER;
		failure->temporary = true;
	}
	if (headers->error_message[0] != '\0')
		text_addf(text, ": %s", headers->error_message);
}

static void explain_certificate(const struct request *request, const char *words, struct text *text)
{
	const struct fetch_settings *settings = request->network->settings;

	long verified = 0;

	(void)curl_easy_getinfo(request->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
	if (verified == X509_V_ERR_CERT_HAS_EXPIRED || verified == X509_V_ERR_CERT_NOT_YET_VALID) {
		text_addf(
		        text,
		        ": the certificate %s, by this machine's clock (%lld s since 1970): look at the clock, then at the server's certificate",
		        verified == X509_V_ERR_CERT_HAS_EXPIRED ? "has expired" :
		                                                  "is not yet valid",
		        (long long)time(NULL));
		return;
	}
	text_add(text, ": the certificate is not trusted");
	if (request->issuer[0] != '\0')
		text_addf(text, "; it was issued by '%.200s'", request->issuer);
	if (settings->ca_file != NULL)
		text_addf(text, ", and trusted are those in %.200s (from %s)", settings->ca_file,
		          settings->ca_origin);
	else if (settings->ca_directory == NULL)
		text_add(text, "; no file of trusted certificates was found");
	if (request->issuer[0] == '\0')
		text_addf(text, ": %.200s", words);
}

static void explain_curl(struct request *request, CURLcode code, struct text *text)
{
	struct failure *failure = &request->failure;
	const char *words =
	        request->curl_error[0] != '\0' ? request->curl_error : curl_easy_strerror(code);
	long connect_code = 0, os_error = 0;
	curl_off_t connected = 0; /* microseconds; 0: it never came to a request */

	(void)curl_easy_getinfo(request->easy, CURLINFO_HTTP_CONNECTCODE, &connect_code);
	failure->temporary = true;
	failure->id = FINDING_FETCH_CONNECT;
	if (connect_code >= 300) {
		failure->id = FINDING_FETCH_PROXY;
		failure->temporary = connect_code >= 500;
		text_addf(text,
		          connect_code == 407 ? ": the proxy wants authentication (%ld)" :
		                                ": the proxy refuses the connection (%ld)",
		          connect_code);
		return;
	}
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
		failure->id = FINDING_FETCH_PROXY;
		text_add(text, ": the proxy's name cannot be resolved");
		return;
	case CURLE_COULDNT_RESOLVE_HOST:
		failure->id = FINDING_FETCH_DNS;
		text_add(text, ": the name cannot be resolved");
		return;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		failure->id = FINDING_FETCH_TLS;
		failure->temporary = false;
		explain_certificate(request, words, text);
		return;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
		failure->id = FINDING_FETCH_TLS;
		text_addf(text, ": no TLS connection: %.200s", words);
		return;
	case CURLE_OPERATION_TIMEDOUT:
		(void)curl_easy_getinfo(request->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
		if (connected == 0) {
			text_addf(text, ": connect timeout: %.200s", words);
			return;
		}
		failure->id = FINDING_FETCH_STALLED;
		text_addf(text, ": fewer than %ld bytes a second for %llu s", LOW_SPEED_BYTES,
		          (unsigned long long)request->network->settings->stall_timeout_ms / 1000);
		return;
#if LIBCURL_VERSION_NUM >= 0x080600 /* its own bound on headers */
	case CURLE_TOO_LARGE:
#endif
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		failure->id = FINDING_FETCH_PROTOCOL;
		failure->temporary = false;
		text_addf(text, ": %.200s", words);
		return;
	default:
		text_addf(text, ": %.200s", words);
	}
	/* "Could not connect" has many reasons: refused, unreachable, timed out. */
	if (code == CURLE_COULDNT_CONNECT &&
	    curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_error) == CURLE_OK &&
	    os_error != 0)
		text_addf(text, " (%s)", strerror((int)os_error));
}

/* Fills failure from what curl and the status say; the owner's own refusal gets host and subject in front. */
static void explain(struct request *request, CURLcode code)
{
	char own[sizeof(request->failure.message)];
	struct text text;

	memcpy(own, request->failure.message, sizeof(own));
	text = begin_sentence(request, request->failure.message, sizeof(request->failure.message));
	request->failure.http = (unsigned)request->status;
	if (request->refused)
		text_addf(&text, ": %s", own);
	else if (request->status >= 300)
		explain_status(request, &text);
	else
		explain_curl(request, code, &text);
}

/* Trying again */

static uint64_t jittered(struct network *network, uint64_t ms)
{
	/* xorshift64: spreads replicas that failed at once, nothing more. */
	network->random ^= network->random << 13;
	network->random ^= network->random >> 7;
	network->random ^= network->random << 17;
	return ms + (ms > 3 ? network->random % (ms / 4) : 0);
}

/* The wait before the next try; false: none. */
static bool plan_retry(struct request *request, uint64_t *due_ns)
{
	struct network *network = request->network;
	const struct fetch_settings *settings = network->settings;
	uint64_t delay = settings->retry_delay_ms, now = clock_now_ns(), tries = settings->retries;

	if (!request->failure.temporary)
		return false;
	if (request->progressed)
		request->attempts = 0;
	request->progressed = false;
	/* Turned away, or not answered: what can be had elsewhere or later need not be waited for here. */
	if (request->few_tries && settings->retries > 1 &&
	    (request->status == 503 || request->status == 0))
		tries = 1;
	if (request->attempts++ >= tries)
		return false;
	for (unsigned i = 1; i < request->attempts && delay < settings->retry_max_delay_ms; i++)
		delay *= 2;
	if (delay > settings->retry_max_delay_ms)
		delay = settings->retry_max_delay_ms;
	*due_ns = now + jittered(network, delay) * 1000000u;
	if (request->headers.wait_s != UINT64_MAX &&
	    (request->status == 429 || request->status == 503)) {
		/* Its own word for how long; a second more, since its clock is not ours. */
		uint64_t wait = request->headers.wait_s > 86400 ? 86400 : request->headers.wait_s;

		*due_ns = now + wait * 1000000000u + jittered(network, 1000) * 1000000u;
		network->not_before_ns = *due_ns;
	}
	return *due_ns < settings->deadline_ns;
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
	request->redirected = request->redirected || !url_same_server(&to, &from);
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

static void ended(struct request *request, CURLcode code)
{
	uint64_t due_ns;

	(void)curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &request->status);
	stop_running(request);
	learn_resolving(request, code);
	if (code == CURLE_OK && request->status >= 200 && request->status <= 299) {
		/* Redirects within the endpoint, as after a renaming, say nothing of the file. */
		if (!request->redirected)
			request->hub = request->headers;
		if (!request->begun && !begin_body(request)) { /* an empty body */
			request->refused = true;
			code = CURLE_WRITE_ERROR;
		} else {
			request->refreshed = 0;
			request->done(request, true);
			return;
		}
	}
	/* A redirect to where the bytes are is the end of a question about them. */
	if (!request->refused && request->head && code == CURLE_OK && request->status >= 301 &&
	    request->status <= 308 && url_has_host(request->headers.location)) {
		request->hub = request->headers;
		request->done(request, true);
		return;
	}
	if (!request->refused && follow(request)) {
		wait_until(request, 0);
		return;
	}
	if (!request->refused && refresh(request)) {
		go_again(request, 0);
		return;
	}
	explain(request, code);
	if (request->redirects >= MAX_REDIRECTS) {
		request->failure.temporary = false;
		request->failure.id = FINDING_FETCH_PROTOCOL;
	}
	if (plan_retry(request, &due_ns)) {
		/* After a redirect the endpoint is asked again: another CDN host may be well. */
		memcpy(request->url, request->start, sizeof(request->url));
		request->redirects = 0;
		request->redirected = false;
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
