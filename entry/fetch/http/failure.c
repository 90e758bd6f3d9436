/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http/failure.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

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
	return good;
}

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

/* Whether the token was seen: what a 401 means depends on it. */
static void add_token(const struct request *request, struct text *text)
{
	const struct fetch_settings *settings = request->network->settings;

	if (settings->token[0] == '\0')
		text_add(text, "; no token was given");
	else if (request->token_sent)
		text_addf(text, "; the token of %.100s was sent", settings->token_origin);
	else if (!request->redirected && !request->server.https)
		text_addf(
		        text,
		        "; the token of %.100s was not sent, since the address is neither https nor this machine's own",
		        settings->token_origin);
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
		else if (status == 401)
			text_add(
			        text,
			        request->token_sent ?
			                ": the token is not accepted, or the repository is not there" :
			                ": the repository is private or not there");
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
	if (failure->id == FINDING_FETCH_UNAUTHORIZED)
		add_token(request, text);
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

void request_explain(struct request *request, CURLcode code)
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

void request_fail_address(struct request *request, const char *fault)
{
	struct text text =
	        begin_sentence(request, request->failure.message, sizeof(request->failure.message));

	text_addf(&text, ": %s", fault);
	request->failure.id = FINDING_FETCH_PROTOCOL;
	request->failure.temporary = false;
	request->failure.http = 0;
}
