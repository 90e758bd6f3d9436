/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fetch/http/url.h"
#include "hub/variables.h"
#include "base/scan.h"
#include "base/tree.h"
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

static bool take_endpoints(struct fetch_settings *settings, const struct settings_input *input,
                           struct text *why)
{
	const struct setting *policy = &input->policy->set[KEY_ENDPOINT];
	const char *given = environment_get(input->env, "HF_ENDPOINT"), *at = NULL, *element;
	const char *list = policy->text != NULL && policy->text[0] != '\0' ? policy->text :
	                   given != NULL && given[0] != '\0'               ? given :
	                                                                     DEFAULT_ENDPOINT;
	struct url url;
	size_t length;

	settings->endpoint_origin = list == given        ? "HF_ENDPOINT" :
	                            list == policy->text ? "fetch.endpoint" :
	                                                   "default";
	while ((element = list_next(list, ',', &at, &length)) != NULL &&
	       settings->endpoint_count < MAX_ENDPOINTS) {
		const char *endpoint = keep_endpoint(input->arena, element, length);

		if (endpoint == NULL || !url_parse(endpoint, &url)) {
			text_addf(
			        why,
			        "%s is no address of a hub: https://HOST[/PATH], without user and password",
			        settings->endpoint_origin);
			return false;
		}
		if (!url.https && !settings->allow_http) {
			text_addf(
			        why,
			        "%s names http://%s: plain http is not allowed unless fetch.allow_http = yes",
			        settings->endpoint_origin, url.host);
			return false;
		}
		settings->endpoints[settings->endpoint_count++] = endpoint;
	}
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
	const struct setting *file = &input->policy->set[KEY_TOKEN_FILE];
	const char *variable = "", *value, *origin,
	           *path = environment_get(input->env, "HF_TOKEN_PATH");
	char home[MAX_PATH_BYTES], name[MAX_PATH_BYTES];
	int error;

	if (file->text != NULL && file->text[0] != '\0') {
		error = token_from_file(settings, file->text);
		settings->token_origin = "fetch.token_file";
		if (error == 0)
			return true;
		text_addf(why, "fetch.token_file %.300s cannot be taken: %s", file->text,
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
	const struct setting *policy = &input->policy->set[KEY_CA_BUNDLE];
	const char *folder = environment_get(input->env, "SSL_CERT_DIR");

	settings->ca_origin = "fetch.ca_bundle";
	settings->ca_file = policy->text != NULL && policy->text[0] != '\0' ?
	                            policy->text :
	                            first_of(input->env, names, &settings->ca_origin);
	if (settings->ca_file != NULL) {
		struct stat st;

		if (stat(settings->ca_file, &st) == 0 &&
		    S_ISDIR(st.st_mode)) { /* requests takes both */
			settings->ca_folder = settings->ca_file;
			settings->ca_file = NULL;
			return true;
		}
		if (access(settings->ca_file, R_OK) == 0)
			return true;
		text_addf(why, "%s names the certificates %.300s, which cannot be read: %s",
		          settings->ca_origin, settings->ca_file, strerror(errno));
		return false;
	}
	if (folder != NULL && folder[0] != '\0')
		settings->ca_folder = folder;
	settings->ca_origin = "the system";
	for (size_t i = 0;
	     settings->ca_folder == NULL && settings->ca_file == NULL && i < LENGTH_OF(usual); i++)
		if (access(usual[i], R_OK) == 0)
			settings->ca_file = usual[i];
	return true;
}

static void take_proxies(struct fetch_settings *settings, const struct settings_input *input)
{
	static const char *const https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
		                             NULL },
	                         *const http[] = { "http_proxy", "HTTP_PROXY", "all_proxy",
		                                   "ALL_PROXY", NULL },
	                         *const none[] = { "no_proxy", "NO_PROXY", NULL };
	const struct setting *policy = &input->policy->set[KEY_PROXY];
	const char *from;

	settings->https_proxy = first_of(input->env, https, &from);
	settings->http_proxy = first_of(input->env, http, &from);
	settings->no_proxy = first_of(input->env, none, &from);
	if (policy->text != NULL && policy->text[0] != '\0')
		settings->https_proxy = settings->http_proxy = policy->text;
	/* An empty string keeps libcurl from looking at the environment by itself. */
	settings->https_proxy = settings->https_proxy == NULL ? "" : settings->https_proxy;
	settings->http_proxy = settings->http_proxy == NULL ? "" : settings->http_proxy;
	settings->no_proxy = settings->no_proxy == NULL ? "" : settings->no_proxy;
}

/* HF_HUB_DOWNLOAD_TIMEOUT is how long the library lets a read stand still; a policy's word comes first. */
static uint64_t stall_timeout(const struct settings_input *input)
{
	const struct setting *policy = &input->policy->set[KEY_STALL_TIMEOUT];
	const char *given = environment_get(input->env, "HF_HUB_DOWNLOAD_TIMEOUT");
	uint64_t seconds;

	if (policy->line == 0 && given != NULL && scan_u64(given, strlen(given), &seconds) &&
	    seconds > 0 && seconds <= 3600)
		return seconds * 1000;
	return policy->number;
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

static void take_ports(struct fetch_settings *settings)
{
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
	const struct setting *set = input->policy->set;

	memset(settings, 0, sizeof(*settings));
	settings->allow_http = set[KEY_ALLOW_HTTP].number != 0;
	settings->mirror = set[KEY_MIRROR].text != NULL && set[KEY_MIRROR].text[0] != '\0' ?
	                           set[KEY_MIRROR].text :
	                           NULL;
	settings->retries = (unsigned)set[KEY_RETRIES].number;
	settings->connections = (unsigned)set[KEY_CONNECTIONS].number;
	settings->retry_delay_ms = set[KEY_RETRY_DELAY].number;
	settings->retry_max_delay_ms = set[KEY_RETRY_MAX_DELAY].number;
	settings->connect_timeout_ms = set[KEY_CONNECT_TIMEOUT].number;
	settings->stall_timeout_ms = stall_timeout(input);
	settings->keep_free_bytes = set[KEY_KEEP_FREE].number;
	settings->deadline_ns = input->deadline_ns;
	take_proxies(settings, input);
	if (!take_endpoints(settings, input, why))
		return false;
	take_ports(settings);
	return take_token(settings, input, why) && take_certificates(settings, input, why);
}

void fetch_settings_release(struct fetch_settings *settings)
{
	explicit_bzero(settings->token, sizeof(settings->token));
}
