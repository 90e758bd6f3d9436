/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "base/dir.h"
#include "base/list.h"
#include "base/scan.h"
#include "fetch/http/request.h"
#include "util.h"

void request_fail(struct request *request, enum finding_id id, bool temporary, const char *format,
                  ...)
{
	struct text text = TEXT_OVER(request->failure.message);
	va_list arguments;

	request->failure.id = id;
	request->failure.temporary = temporary;
	request->failure.http = (unsigned)request->status;
	request->failure.fix = NULL;
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

int request_on_verify(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct request *request = ssl == NULL ? NULL : SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);

	if (!good && request != NULL && certificate != NULL && request->issuer[0] == '\0')
		(void)X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName,
		                                request->issuer, sizeof(request->issuer));
	if (!good && request != NULL && certificate != NULL) {
		(void)ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &request->valid_from);
		(void)ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &request->valid_to);
	}
	return good;
}

/* Behind a byte-order mark and blanks: what the body begins with. */
static const char *body_begin(const struct request *request)
{
	const char *at = request->error_body, *end = at + request->error_body_length;

	if (end - at >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0)
		at += 3;
	while (at < end && scan_is_space(*at))
		at++;
	return at;
}

/* A sentence, not a word such as "Forbidden" or two. */
static bool has_words(const char *at, size_t length)
{
	size_t blanks = 0;

	for (size_t i = 0; i < length; i++)
		blanks += at[i] == ' ';
	return blanks >= 3;
}

/*
 * Whether the answer is somebody else's than a hub's or mirror's: a filter's or a proxy's own page. Hubs give reasons in
 * headers, and what stores answer is JSON or XML with a code in it.
 */
static bool is_page(const struct request *request)
{
	const char *at = body_begin(request);
	size_t length = (size_t)(request->error_body + request->error_body_length - at);

	if (request->headers.is_hub || length == 0 || *at == '{' ||
	    memmem(at, length, "<Error>", 7) != NULL)
		return false;
	return *at == '<' || (!request->headers.has_request_id && has_words(at, length));
}

/* Moves over a tag, or over a whole <style> or <script>; returns where text goes on. */
static const char *skip_tag(const char *at, const char *end)
{
	static const char *const silent[] = { "style", "script" };
	const char *close;

	for (size_t i = 0; i < LENGTH_OF(silent); i++) {
		char last[16];
		struct text text = TEXT_OVER(last);

		text_addf(&text, "</%s", silent[i]);
		if ((size_t)(end - at) <= strlen(silent[i]) + 1 ||
		    !text_equals_any_case(at + 1, strlen(silent[i]), silent[i]))
			continue;
		while (at < end && !((size_t)(end - at) >= text.length &&
		                     text_equals_any_case(at, text.length, last)))
			at++;
	}
	close = at < end ? memchr(at, '>', (size_t)(end - at)) : NULL;
	return close == NULL ? end : close + 1;
}

/* The first words of a page: tags are left out, and part words. */
static void add_page(const struct request *request, struct text *text)
{
	const char *at = body_begin(request),
	           *end = request->error_body + request->error_body_length;
	size_t from = text->length;
	bool apart = false;

	text_add(text, " with a page that does not come from a hub");
	if (request->headers.server[0] != '\0')
		text_addf(text, " (Server: %s)", request->headers.server);
	if (request->headers.coding != NULL) {
		text_addf(text, ", in %s", request->headers.coding);
		return;
	}
	text_add(text, ": '");
	while (at < end && text->length < from + 300) {
		if (*at == '<') {
			at = skip_tag(at, end);
			apart = true;
		} else if (scan_is_space(*at)) {
			apart = true;
			at++;
		} else {
			if (apart && text->at[text->length - 1] != '\'')
				text_add(text, " ");
			apart = false;
			text_add_bytes(text, at++, 1);
		}
	}
	text_add(text, "'");
}

/* {"error": "..."}: where the header does not say it. */
static void add_reason(const struct request *request, struct text *text)
{
	static const char mark[] = "\"error\"";
	const char *end = request->error_body + request->error_body_length,
	           *at = memmem(request->error_body, request->error_body_length, mark,
	                        sizeof(mark) - 1);

	if (request->headers.error_message[0] != '\0' || at == NULL)
		return;
	for (at += sizeof(mark) - 1; at < end && (scan_is_space(*at) || *at == ':'); at++)
		;
	if (at == end || *at++ != '"')
		return;
	text_add(text, ": ");
	for (size_t i = 0; at < end && *at != '"' && i < 300; i++, at++) {
		bool escaped = *at == '\\' && end - at > 1;

		at += escaped;
		if (escaped && *at == 'u') { /* of no ASCII letter, as a rule */
			text_add(text, "?");
			at += end - at > 4 ? 4 : 0;
		} else {
			text_add_bytes(text, escaped && strchr("nrtbf", *at) != NULL ? " " : at, 1);
		}
	}
}

/* Whether the token was seen: what a 401 means depends on it. */
static void add_token(const struct request *request, struct text *text)
{
	const struct fetch_settings *settings = request->network->settings;

	if (settings->token[0] == '\0')
		text_add(text, "; no token was given");
	else if (request->token_sent)
		text_addf(text, "; the token of %.100s was sent", settings->token_origin);
	else if (!request->redirected && !request->server.https)
		text_addf(text, "; the token of %.100s was not sent, since %s",
		          settings->token_origin,
		          url_is_loopback(&request->server) ?
		                  "a proxy would read it" :
		                  "the address is neither https nor this machine's own");
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
	if ((status == 401 || status == 403 || status == 407) && is_page(request)) {
		failure->id = FINDING_FETCH_PROXY;
		failure->fix =
		        "a filter, a proxy or the mirror's own server answered: look at fetch.endpoint, HTTPS_PROXY and NO_PROXY, or ask whoever runs it";
		add_page(request, text);
	} else if (status == 407) {
		failure->id = FINDING_FETCH_PROXY;
		text_add(text, ": the proxy wants authentication");
	} else if (status == 401 || status == 403) {
		failure->id = FINDING_FETCH_UNAUTHORIZED;
		/* It never got the token, and knows no terms. */
		if (request->redirected)
			failure->fix =
			        "the store that the hub redirects to refuses: look at a filter on the way out and at this machine's clock, or ask whoever runs it";
		else if (strcmp(headers->error_code, "GatedRepo") == 0)
			text_add(text, ": the repository is gated");
		else if (status == 401) {
			failure->fix =
			        "look at the spelling of repo first: the hub answers so for one that is not there, too; then at its terms and the token (HF_TOKEN, fetch.token_file)";
			text_add(
			        text,
			        request->token_sent ?
			                ": the token is not accepted, or the repository is not there" :
			                ": the repository is private or not there");
		}
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
	} else if (status >= 300 && status < 400 && headers->location[0] != '\0') {
		text_add(
		        text,
		        request->redirects >= MAX_REDIRECTS ?
		                ", once more: it redirects in a circle" :
		                ", and the address that it redirects to is not followed: only http:// and https:// without credentials are");
	} else if (status == 408 || status >= 500) {
		failure->id = FINDING_FETCH_SERVER;
		failure->temporary = true;
	}
	if (headers->error_message[0] != '\0')
		text_addf(text, ": %s", headers->error_message);
	else if (failure->id != FINDING_FETCH_PROXY)
		add_reason(request, text);
	if (failure->id == FINDING_FETCH_UNAUTHORIZED && !request->redirected)
		add_token(request, text);
}

/* By this machine's clock, which may be what is wrong. */
static void explain_time(struct request *request, bool expired, struct text *text)
{
	const struct tm *limit = expired ? &request->valid_to : &request->valid_from;
	time_t now = time(NULL);
	struct tm today = { 0 };
	char at[32] = "", here[32] = "";

	(void)gmtime_r(&now, &today);
	(void)strftime(at, sizeof(at), "%Y-%m-%d %H:%M", limit);
	(void)strftime(here, sizeof(here), "%Y-%m-%d %H:%M", &today);
	text_addf(text, ": the certificate %s %s UTC, and this machine's clock says %s UTC",
	          expired ? "has expired: it was valid until" : "is not yet valid: it is from", at,
	          here);
	request->failure.fix =
	        "look at this machine's clock first, then let the server's certificate be renewed";
}

/* OpenSSL looks in a directory for HASH.0, which `openssl rehash` makes. */
static bool has_hashed_names(const char *directory)
{
	CLEANUP(dir_close) struct dir dir = dir_open(AT_FDCWD, directory, MAX_DIRECTORY_ENTRIES);
	const struct dirent *entry;

	while ((entry = dir_next(&dir)) != NULL)
		if (strlen(entry->d_name) == 10 && scan_is_hex(entry->d_name, 8, 8) &&
		    entry->d_name[8] == '.')
			return true;
	return false;
}

/* Directories, with colons between them (SSL_CTX_load_verify_locations(3)): what is wrong with all of them; NULL: nothing. */
static const char *directories_fault(const char *list)
{
	const char *at = NULL, *element, *fault = "is not there";
	char path[MAX_PATH_BYTES];
	size_t length;

	while ((element = list_next(list, ':', &at, &length)) != NULL) {
		struct text text = TEXT_OVER(path);

		text_add_bytes(&text, element, length);
		if (has_hashed_names(path))
			return NULL;
		if (access(path, F_OK) == 0)
			fault = "has no certificate under the name of its hash";
	}
	return fault;
}

static void explain_trust(struct request *request, const char *words, struct text *text)
{
	const struct fetch_settings *settings = request->network->settings;
	const char *place = settings->ca_file != NULL ? settings->ca_file : settings->ca_directory;
	const char *fault =
	        place == NULL || settings->ca_file != NULL ? NULL : directories_fault(place);

	text_add(text, ": the certificate is not trusted");
	if (request->issuer[0] != '\0')
		text_addf(text, "; it was issued by '%.200s'", request->issuer);
	if (place == NULL) {
		text_add(text, "; no file of trusted certificates was found");
	} else if (fault == NULL) {
		text_addf(text, "; the trusted certificates are those in %.200s (from %s)", place,
		          settings->ca_origin);
	} else {
		text_addf(text, "; the directory %.200s (from %s) %s", place, settings->ca_origin,
		          fault);
		request->failure.fix =
		        "run openssl rehash on the directory, or name a file of certificates";
	}
	if (request->issuer[0] == '\0')
		text_addf(text, ": %.200s", words);
}

static void explain_certificate(struct request *request, CURLcode code, const char *words,
                                struct text *text)
{
	const struct fetch_settings *settings = request->network->settings;
	long verified = 0;

	(void)curl_easy_getinfo(request->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
	if (code == CURLE_SSL_CACERT_BADFILE && settings->ca_file != NULL) {
		text_addf(text, ": there is no certificate in %.200s (from %s)", settings->ca_file,
		          settings->ca_origin);
		request->failure.fix =
		        "name a file of certificates in PEM form in fetch.ca_bundle or SSL_CERT_FILE";
	} else if (verified == X509_V_ERR_CERT_HAS_EXPIRED ||
	           verified == X509_V_ERR_CERT_NOT_YET_VALID) {
		explain_time(request, verified == X509_V_ERR_CERT_HAS_EXPIRED, text);
	} else if (strstr(words, "subject name") != NULL) {
		text_addf(text, ": the certificate is trusted, but it is another host's (%.200s)",
		          words);
		request->failure.fix =
		        "name the host in fetch.endpoint, HF_ENDPOINT or fetch.mirror as its certificate does";
	} else {
		explain_trust(request, words, text);
	}
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
		explain_certificate(request, code, words, text);
		return;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
		failure->id = FINDING_FETCH_TLS;
		if (strstr(words, "wrong version number") != NULL)
			text_add(text,
			         ": the server does not speak TLS on this port; is it plain http?");
		else
			text_addf(text, ": no TLS connection: %.200s", words);
		return;
	case CURLE_OPERATION_TIMEDOUT:
		(void)curl_easy_getinfo(request->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
		if (connected == 0) {
			text_addf(text, ": connect timeout: %.200s", words);
			return;
		}
		failure->id = FINDING_FETCH_STALLED;
		text_addf(text, ": fewer than %ld bytes a second for %llu s", STALLED_BYTES,
		          (unsigned long long)request->stall_ms / 1000);
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

void request_explain(struct request *request, CURLcode code)
{
	char own[sizeof(request->failure.message)];
	struct text text;

	memcpy(own, request->failure.message, sizeof(own));
	text = begin_sentence(request, request->failure.message, sizeof(request->failure.message));
	request->failure.http = (unsigned)request->status;
	request->failure.fix = NULL;
	if (request->refused)
		text_addf(&text, ": %s", own);
	else if (request->status >= 300)
		explain_status(request, &text);
	else
		explain_curl(request, code, &text);
}

void request_fail_address(struct request *request, const char *fault, const char *fix)
{
	struct text text =
	        begin_sentence(request, request->failure.message, sizeof(request->failure.message));

	text_addf(&text, ": %s", fault);
	request->failure.fix = fix;
	request->failure.id = FINDING_FETCH_PROTOCOL;
	request->failure.temporary = false;
	request->failure.http = 0;
}
