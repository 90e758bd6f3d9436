/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/list.h"
#include "base/scan.h"
#include "base/tree.h"
#include "fetch/http/url.h"
#include "hub/variables.h"
#include "util.h"

#define DEFAULT_ENDPOINT "https://huggingface.co" /* constants.py, ENDPOINT */

static const char *first_of(const struct environment *env, const char *const *names,
                            const char **found)
{
	for (; *names != NULL; names++) {
		const char *value = environment_get(env, *names);

		if (value != NULL && value[0] != '\0') {
			*found = *names;
			return value;
		}
	}
	return NULL;
}

/* Without the slashes at its end, which huggingface_hub strips too. */
static const char *keep_endpoint(struct arena *arena, const char *text, size_t length)
{
	while (length > 0 && text[length - 1] == '/')
		length--;
	return arena_copy(arena, text, length);
}

static bool add_endpoint(struct fetch_settings *settings, struct arena *arena, const char *text,
                         size_t length, struct text *why)
{
	const char *endpoint = keep_endpoint(arena, text, length);
	struct url url;

	if (endpoint == NULL || !url_parse(endpoint, &url)) {
		text_addf(
		        why,
		        "%s is not an address of a hub: https://HOST[/PATH], without user and password",
		        settings->endpoint_origin);
		return false;
	}
	if (!url.https && !settings->allow_http) {
		text_addf(
		        why,
		        "%s names %.300s: plain http is not allowed unless fetch.allow_http = yes",
		        settings->endpoint_origin, endpoint);
		return false;
	}
	settings->endpoints[settings->endpoint_count++] = endpoint;
	return true;
}

static bool take_endpoints(struct fetch_settings *settings, const struct settings_input *input,
                           struct text *why)
{
	const struct list *named = &input->policy->endpoint;
	const char *given = environment_get(input->env, "HF_ENDPOINT"), *at = NULL, *element;
	bool is_given = given != NULL && given[0] != '\0';
	size_t length;

	settings->endpoint_origin = named->count > 0 ? "fetch.endpoint" :
	                            is_given         ? "HF_ENDPOINT" :
	                                               "default";
	for (size_t i = 0; i < named->count; i++)
		if (!add_endpoint(settings, input->arena, named->items[i], strlen(named->items[i]),
		                  why))
			return false;
	given = is_given ? given : DEFAULT_ENDPOINT;
	while (named->count == 0 && settings->endpoint_count < MAX_ENDPOINTS &&
	       (element = list_next(given, ',', &at, &length)) != NULL)
		if (!add_endpoint(settings, input->arena, element, length, why))
			return false;
	return true;
}

/* CR and LF anywhere and blanks around it are dropped, as utils/_auth.py (_clean_token) does. */
static bool clean_token(char *token)
{
	size_t to = 0, from = 0;

	for (size_t i = 0; token[i] != '\0'; i++)
		if (token[i] != '\r' && token[i] != '\n')
			token[to++] = token[i];
	while (to > 0 && scan_is_space(token[to - 1]))
		to--;
	token[to] = '\0';
	while (scan_is_space(token[from]))
		from++;
	memmove(token, token + from, to - from + 1);
	for (size_t i = 0; token[i] != '\0'; i++)
		if (token[i] <= ' ' || token[i] > '~')
			return false;
	return true;
}

static bool token_from(struct fetch_settings *settings, const char *text, size_t length)
{
	if (length >= sizeof(settings->token))
		return false;
	memcpy(settings->token, text, length);
	settings->token[length] = '\0';
	if (clean_token(settings->token))
		return true;
	explicit_bzero(settings->token, sizeof(settings->token));
	return false;
}

/* 0; -ENOENT: there is none; another negative errno: it cannot be taken. */
static int token_from_file(struct fetch_settings *settings, const char *path)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char buffer[MAX_TOKEN_BYTES + 1];
	struct stat st;
	ssize_t got;
	bool well;

	if (fd < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	got = read(fd, buffer, sizeof(buffer));
	if (got < 0)
		return -errno;
	well = token_from(settings, buffer, (size_t)got);
	explicit_bzero(buffer, sizeof(buffer));
	return well ? 0 : -EINVAL;
}

/* The order of utils/_auth.py (get_token): variable, old variable, file; token_file stands before all. */
static bool take_token(struct fetch_settings *settings, const struct settings_input *input,
                       struct text *why)
{
	static const char *const names[] = { "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", NULL };
	const char *file = input->policy->token_file;
	const char *variable = "", *value, *origin,
	           *path = environment_get(input->env, "HF_TOKEN_PATH");
	char home[MAX_PATH_BYTES], name[MAX_PATH_BYTES];
	int error;

	if (file != NULL) {
		error = token_from_file(settings, file);
		settings->token_origin = "fetch.token_file";
		if (error == 0)
			return true;
		text_addf(why, "fetch.token_file %.300s cannot be taken: %s", file,
		          error == -EINVAL ? "it holds no token" : strerror(-error));
		return false;
	}
	if (library_is_true(environment_get(input->env, "HF_HUB_DISABLE_IMPLICIT_TOKEN")))
		return true;
	value = first_of(input->env, names, &variable);
	if (value != NULL && !token_from(settings, value, strlen(value))) {
		text_addf(why, "%s holds characters that no token has", variable);
		return false;
	}
	settings->token_origin = variable;
	if (settings->token[0] != '\0')
		return true;
	settings->token_origin = NULL;
	if (path != NULL && path[0] != '\0') {
		if (library_location(input->env, input->passwd_home, input->working_directory, path,
		                     name, sizeof(name)) != LOCATION_OK)
			return true;
	} else if (library_hf_home(input->env, input->passwd_home, input->working_directory, home,
	                           sizeof(home), &origin) != LOCATION_OK ||
	           !path_join(name, sizeof(name), home, "token")) {
		return true;
	}
	error = token_from_file(settings, name);
	if (error == 0)
		settings->token_origin = path != NULL && path[0] != '\0' ?
		                                 "HF_TOKEN_PATH" :
		                                 "the library's token file";
	if (error == 0 || error == -ENOENT)
		return true;
	text_addf(why, "the token file %.300s cannot be taken: %s", name,
	          error == -EINVAL ? "it holds no token" : strerror(-error));
	return false;
}

/* The policy, the variables of the HTTP libraries that the hub's clients use, the usual places. */
static bool take_certificates(struct fetch_settings *settings, const struct settings_input *input,
                              struct text *why)
{
	static const char *const names[] = { "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
		                             "CURL_CA_BUNDLE", NULL };
	static const char *const usual[] = {
		"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
		"/etc/pki/tls/certs/ca-bundle.crt", /* Fedora, RHEL */
		"/etc/ssl/ca-bundle.pem", /* SUSE */
		"/etc/ssl/cert.pem", /* Alpine, OpenBSD */
	};
	const char *directory = environment_get(input->env, "SSL_CERT_DIR");

	settings->ca_origin = "fetch.ca_bundle";
	settings->ca_file = input->policy->ca_bundle != NULL ?
	                            input->policy->ca_bundle :
	                            first_of(input->env, names, &settings->ca_origin);
	if (settings->ca_file != NULL) {
		struct stat st;

		if (stat(settings->ca_file, &st) == 0 &&
		    S_ISDIR(st.st_mode)) { /* requests takes both */
			settings->ca_directory = settings->ca_file;
			settings->ca_file = NULL;
			return true;
		}
		if (access(settings->ca_file, R_OK) == 0)
			return true;
		text_addf(why, "%s names the certificates %.300s, which cannot be read: %s",
		          settings->ca_origin, settings->ca_file, strerror(errno));
		return false;
	}
	if (directory != NULL && directory[0] != '\0') {
		settings->ca_directory = directory;
		settings->ca_origin = "SSL_CERT_DIR";
		return true;
	}
	settings->ca_origin = "the system";
	for (size_t i = 0; settings->ca_file == NULL && i < LENGTH_OF(usual); i++)
		if (access(usual[i], R_OK) == 0)
			settings->ca_file = usual[i];
	return true;
}

/* Those of libcurl (CURLOPT_PROXY(3)); no scheme means http. The address is not printed: it may hold a password. */
static bool is_proxy(const char *address)
{
	static const char *const schemes[] = { "http://",    "https://",  "socks4://",
		                               "socks4a://", "socks5://", "socks5h://" };

	for (size_t i = 0; i < LENGTH_OF(schemes); i++)
		if (strncasecmp(address, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return strstr(address, "://") == NULL;
}

static bool take_proxies(struct fetch_settings *settings, const struct settings_input *input,
                         struct text *why)
{
	static const char *const https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
		                             NULL },
	                         *const http[] = { "http_proxy", "HTTP_PROXY", "all_proxy",
		                                   "ALL_PROXY", NULL },
	                         *const none[] = { "no_proxy", "NO_PROXY", NULL };
	const char *from;

	settings->https_proxy = first_of(input->env, https, &from);
	settings->http_proxy = first_of(input->env, http, &from);
	settings->no_proxy = first_of(input->env, none, &from);
	if (input->policy->proxy != NULL)
		settings->https_proxy = settings->http_proxy = input->policy->proxy;
	/* An empty string keeps libcurl from looking at the environment by itself. */
	settings->https_proxy = settings->https_proxy == NULL ? "" : settings->https_proxy;
	settings->http_proxy = settings->http_proxy == NULL ? "" : settings->http_proxy;
	settings->no_proxy = settings->no_proxy == NULL ? "" : settings->no_proxy;
	if (is_proxy(settings->https_proxy) && is_proxy(settings->http_proxy))
		return true;
	text_add(
	        why,
	        "the proxy (fetch.proxy, https_proxy, http_proxy or all_proxy) has a scheme other than http, https, socks4, socks4a, socks5 and socks5h");
	return false;
}

/* HF_HUB_DOWNLOAD_TIMEOUT is how long the library lets a read stand still; a policy's word comes first. */
static uint64_t stall_timeout(const struct settings_input *input)
{
	const char *given = environment_get(input->env, "HF_HUB_DOWNLOAD_TIMEOUT");
	uint64_t seconds;

	if (input->policy->said[KEY_STALL_TIMEOUT].line == 0 && given != NULL &&
	    scan_u64(given, strlen(given), &seconds) && seconds > 0 && seconds <= 3600)
		return seconds * 1000;
	return input->policy->stall_timeout_ms;
}

bool fetch_settings_allow_port(const struct fetch_settings *settings, uint16_t port)
{
	for (size_t i = 0; i < settings->port_count; i++)
		if (settings->ports[i] == port)
			return true;
	return false;
}

static void add_port(struct fetch_settings *settings, uint16_t port)
{
	if (!fetch_settings_allow_port(settings, port) && settings->port_count < MAX_FETCH_PORTS)
		settings->ports[settings->port_count++] = port;
}

/* Its address is a template: {repo}, {commit} and {path} are put in for each file. */
/* A template of other words than the three stands for nothing; without {path} all files are one. */
static bool is_template(const char *mirror)
{
	for (const char *at = mirror; (at = strchr(at, '{')) != NULL; at++)
		if (strncmp(at, "{repo}", 6) != 0 && strncmp(at, "{commit}", 8) != 0 &&
		    strncmp(at, "{path}", 6) != 0)
			return false;
	return strstr(mirror, "{path}") != NULL;
}

static bool check_mirror(const struct fetch_settings *settings, struct text *why)
{
	if (settings->mirror != NULL && !is_template(settings->mirror)) {
		text_add(
		        why,
		        "fetch.mirror is a template with {path}, and {repo} and {commit} where the mirror has them, and no others");
		return false;
	}
	if (settings->mirror == NULL || settings->allow_http ||
	    strncasecmp(settings->mirror, "http://", 7) != 0)
		return true;
	/* Its address is not printed: it may hold a password. */
	text_add(
	        why,
	        "fetch.mirror is an address of plain http, which is not allowed unless fetch.allow_http = yes");
	return false;
}

static void add_port_of(struct fetch_settings *settings, const char *address)
{
	const char *host = strstr(address, "://"), *at;
	char plain[MAX_URL_BYTES];
	struct text text = TEXT_OVER(plain);
	struct url url;

	if (address[0] == '\0')
		return;
	/* A proxy's address may hold user and password, and may leave the scheme out. */
	at = strrchr(host == NULL ? address : host, '@');
	text_addf(&text, "https://%s", at != NULL ? at + 1 : host != NULL ? host + 3 : address);
	if (url_parse(plain, &url))
		add_port(settings,
		         url.port == 443 && strncmp(address, "http://", 7) == 0 ? 80 : url.port);
}

static void take_ports(struct fetch_settings *settings, const struct ports *redirect)
{
	for (size_t i = 0; i < redirect->count; i++)
		add_port(settings, redirect->at[i]);
	add_port(settings, 443); /* where CDN hosts are */
	add_port(settings, 53); /* names, where the answer does not fit into UDP */
	if (settings->allow_http)
		add_port(settings, 80);
	for (size_t i = 0; i < settings->endpoint_count; i++)
		add_port_of(settings, settings->endpoints[i]);
	if (settings->mirror != NULL)
		add_port_of(settings, settings->mirror);
	if (settings->https_proxy[0] != '\0' || settings->http_proxy[0] != '\0')
		add_port(settings, 1080); /* a proxy without a port: CURLOPT_PROXY(3) */
	add_port_of(settings, settings->https_proxy);
	add_port_of(settings, settings->http_proxy);
}

bool fetch_settings_init(struct fetch_settings *settings, const struct settings_input *input,
                         struct text *why)
{
	const struct policy *policy = input->policy;

	memset(settings, 0, sizeof(*settings));
	settings->allow_http = policy->allow_http;
	settings->mirror = policy->mirror;
	settings->retries = (unsigned)policy->retries;
	settings->connections = (unsigned)policy->connections;
	settings->retry_delay_ms = policy->retry_delay_ms;
	settings->retry_max_delay_ms = policy->retry_max_delay_ms;
	settings->connect_timeout_ms = policy->connect_timeout_ms;
	settings->stall_timeout_ms = stall_timeout(input);
	settings->keep_free_bytes = policy->keep_free_bytes;
	settings->deadline_ns = input->deadline_ns;
	if (!take_proxies(settings, input, why) || !take_endpoints(settings, input, why) ||
	    !check_mirror(settings, why))
		return false;
	take_ports(settings, &policy->redirect_ports);
	return take_token(settings, input, why) && take_certificates(settings, input, why);
}

void fetch_settings_release(struct fetch_settings *settings)
{
	explicit_bzero(settings->token, sizeof(settings->token));
}
