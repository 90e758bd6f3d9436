/* SPDX-License-Identifier: Apache-2.0 */
#include "service/target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/scan.h"
#include "process/clock.h"
#include "service/patterns.h"
#include "service/tls.h"
#include "util.h"
#include "version.h"

#define HEADER_BYTES 8192u
#define BODY_BYTES 65536u

/* Parsing */

static bool is_local(const char *host)
{
	return host[0] == '\0' || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* HOST[:PORT] or [ADDRESS][:PORT]; the port stays as it is where none is named. */
static bool take_host(struct target *target, const char *text, size_t length, struct text *why)
{
	bool bracket = length > 0 && text[0] == '[';
	const char *end = text + length, *stop = bracket ? memchr(text, ']', length) : text;
	unsigned char address[sizeof(struct in6_addr)];
	struct text host = TEXT_OVER(target->host);
	uint64_t port = target->port;

	while (!bracket && stop < end && *stop != ':')
		stop++;
	if (stop != NULL)
		text_add_bytes(&host, text + bracket, (size_t)(stop - text) - bracket);
	if (stop != NULL && bracket)
		stop++;
	if (length == 0 || stop == NULL || host.cut ||
	    (stop < end && (*stop != ':' || !scan_u64(stop + 1, (size_t)(end - stop) - 1, &port) ||
	                    port == 0 || port > UINT16_MAX))) {
		text_addf(why, "'%.200s' has no address and port, 1 to 65535", target->text);
		return false;
	}
	target->port = (uint16_t)port;
	if (strcmp(target->host, "localhost") == 0)
		target->host[0] = '\0';
	if (target->host[0] != '\0' && inet_pton(AF_INET, target->host, address) != 1 &&
	    inet_pton(AF_INET6, target->host, address) != 1) {
		text_addf(why, "'%.200s' names a host: write its address, or localhost",
		          target->text);
		return false;
	}
	return true;
}

static bool parse_http(struct target *target, struct text *why)
{
	const char *host = strchr(target->text, '/') + 2, *path = strpbrk(host, "/?#");

	target->kind = TARGET_HTTP;
	target->secure = target->text[4] == 's';
	target->port = target->secure ? 443 : 80;
	target->rest = path == NULL || path[0] != '/' ? "/" : path;
	for (const char *at = target->rest; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~' || *at == '#') {
			text_addf(why, "'%.200s' has a path that no request can ask for",
			          target->text);
			return false;
		}
	if (!take_host(target, host, path == NULL ? strlen(host) : (size_t)(path - host), why))
		return false;
	if (!target->secure || is_local(target->host))
		return true;
	text_addf(
	        why,
	        "'%.200s': https is asked on this machine alone, since no certificate is verified",
	        target->text);
	return false;
}

static bool parse_tcp(struct target *target, struct text *why)
{
	const char *text = target->text + strlen("tcp:");
	uint64_t port;

	target->kind = TARGET_TCP;
	if (scan_u64(text, strlen(text), &port) && port > 0 && port <= UINT16_MAX) {
		target->port = (uint16_t)port;
		return true;
	}
	if (text[strspn(text, "0123456789")] != '\0' && !take_host(target, text, strlen(text), why))
		return false;
	if (target->port != 0)
		return true;
	text_addf(why, "'%.200s' has no port, 1 to 65535", target->text);
	return false;
}

static bool parse_path(struct target *target, enum target_kind kind, size_t length,
                       struct text *why)
{
	target->kind = kind;
	target->rest = target->text + length;
	if (target->rest[0] == '/' &&
	    (kind != TARGET_UNIX ||
	     strlen(target->rest) < sizeof(((struct sockaddr_un *)NULL)->sun_path)))
		return true;
	text_addf(why, "'%.200s' has no absolute path%s", target->text,
	          kind == TARGET_UNIX ? " of less than 108 bytes" : "");
	return false;
}

bool target_parse(struct target *target, const char *text, struct text *why)
{
	bool has_host = strncmp(text, "log:", 4) != 0 && strncmp(text, "file:", 5) != 0 &&
	                strncmp(text, "unix:", 5) != 0;
	const char *host = has_host ? strstr(text, "://") : NULL;

	*target = (struct target){ .text = text, .rest = "" };
	if (host != NULL && memchr(host, '@', 3 + strcspn(host + 3, "/?#")) != NULL) {
		text_add(
		        why,
		        "an address with a user or a password in it, and none is sent: leave it out");
		return false;
	}
	if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0)
		return parse_http(target, why);
	if (strncmp(text, "tcp:", 4) == 0)
		return parse_tcp(target, why);
	if (strncmp(text, "unix:", 5) == 0)
		return parse_path(target, TARGET_UNIX, 5, why);
	if (strncmp(text, "file:", 5) == 0)
		return parse_path(target, TARGET_FILE, 5, why);
	if (strncmp(text, "log:", 4) == 0 && text[4] != '\0') {
		target->kind = TARGET_LOG;
		target->rest = text + 4;
		return true;
	}
	if (strcmp(text, "notify") == 0 || strcmp(text, "exit") == 0) {
		target->kind = text[0] == 'n' ? TARGET_NOTIFY : TARGET_EXIT;
		return true;
	}
	text_addf(
	        why,
	        "'%.200s' is not one of http:// and https://127.0.0.1:PORT/PATH, tcp:PORT, unix:/PATH, file:/PATH, log:PATTERN, notify and exit",
	        text);
	return false;
}

bool target_may_be_asked(const struct target *target, bool remote, struct text *why)
{
	if (is_local(target->host) || remote)
		return true;
	text_addf(
	        why,
	        "'%.200s' is another machine's: a service is asked on its own, unless --allow-remote is given",
	        target->text);
	return false;
}

bool target_can_be_tried(const struct target *target)
{
	return target->kind <= TARGET_FILE;
}

/* Trying */

/* Waits for `events`; false: the time is up. */
static bool wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd ready = { .fd = fd, .events = events };
	int left, count;

	do {
		left = clock_left_ms(deadline_ns);
		count = poll(&ready, 1, left);
	} while (count < 0 && errno == EINTR);
	return count > 0;
}

/* Where nobody listens, a port that connections begin from may be given to this one: it then talks to itself. */
static bool is_connected_to_itself(int fd)
{
	struct sockaddr_storage own = { 0 }, peer = { 0 };
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer);

	return getsockname(fd, (struct sockaddr *)&own, &own_size) == 0 &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 &&
	       own.ss_family != AF_UNIX && own_size == peer_size &&
	       memcmp(&own, &peer, own_size) == 0;
}

/* A descriptor, or a negative errno. */
static int connect_to(const struct sockaddr *address, socklen_t size, uint64_t deadline_ns)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;
	socklen_t length = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, address, size) != 0)
		error = errno;
	if (error == EINPROGRESS)
		error = !wait_for(fd, POLLOUT, deadline_ns)                        ? ETIMEDOUT :
		        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 ? errno :
		                                                                     error;
	if (error == 0 && is_connected_to_itself(fd))
		error = ECONNREFUSED;
	if (error == 0)
		return fd;
	(void)close(fd);
	return -error;
}

static int connect_ip(const char *host, uint16_t port, uint64_t deadline_ns)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
		return connect_to((const struct sockaddr *)&four, sizeof(four), deadline_ns);
	if (inet_pton(AF_INET6, host, &six.sin6_addr) == 1)
		return connect_to((const struct sockaddr *)&six, sizeof(six), deadline_ns);
	return -EINVAL;
}

static int connect_target(const struct target *target, uint64_t deadline_ns)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	int fd, six = -1;

	if (target->kind == TARGET_UNIX) {
		memcpy(local.sun_path, target->rest, strlen(target->rest) + 1);
		return connect_to((const struct sockaddr *)&local, sizeof(local), deadline_ns);
	}
	if (target->host[0] != '\0')
		return connect_ip(target->host, target->port, deadline_ns);
	fd = connect_ip("127.0.0.1", target->port, deadline_ns);
	if (fd == -ECONNREFUSED)
		six = connect_ip("::1", target->port, deadline_ns);
	return six >= 0 ? six : fd; /* a container may have no ::1, which says nothing */
}

struct channel {
	int fd;
	struct tls *tls; /* NULL: it is plain */
	uint64_t deadline_ns;
};

static ssize_t channel_write(const struct channel *channel, const char *bytes, size_t size)
{
	ssize_t more;

	if (channel->tls != NULL)
		return tls_write(channel->tls, bytes, size, channel->deadline_ns);
	do
		more = send(channel->fd, bytes, size, MSG_NOSIGNAL);
	while (more < 0 && errno == EAGAIN && wait_for(channel->fd, POLLOUT, channel->deadline_ns));
	return more;
}

/* Reads on into `buffer`, up to its size; 0: there is no more. */
static ssize_t channel_read(const struct channel *channel, char *buffer, size_t used, size_t size)
{
	ssize_t got;

	if (used >= size)
		return 0;
	if (channel->tls != NULL)
		return tls_read(channel->tls, buffer + used, size - used, channel->deadline_ns);
	do
		got = read(channel->fd, buffer + used, size - used);
	while (got < 0 && errno == EAGAIN && wait_for(channel->fd, POLLIN, channel->deadline_ns));
	return got;
}

static bool send_request(const struct channel *channel, const struct target *target)
{
	char request[MAX_SETTING_BYTES];
	struct text text = TEXT_OVER(request);
	size_t sent = 0;
	bool six = strchr(target->host, ':') != NULL;

	text_addf(&text, "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\n", target->rest, six ? "[" : "",
	          target->host[0] != '\0' ? target->host : "localhost", six ? "]" : "",
	          target->port);
	text_add(&text, "User-Agent: aweigh/" AWEIGH_VERSION
	                "\r\nAccept: */*\r\nConnection: close\r\n\r\n");
	while (sent < text.length) {
		ssize_t more = channel_write(channel, request + sent, text.length - sent);

		if (more < 0)
			return false;
		sent += (size_t)more;
	}
	return !text.cut;
}

struct answer {
	unsigned status;
	bool chunked;
	char *bytes; /* HEADER_BYTES + BODY_BYTES, and a NUL */
	size_t used, body; /* where the body begins */
	size_t skipped; /* of answers that only announce */
};

static bool parse_head(struct answer *answer)
{
	char *end = strstr(answer->bytes, "\r\n\r\n"), *line = answer->bytes;
	uint64_t status;

	if (end == NULL || strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 ||
	    line[8] != ' ' || !scan_u64(line + 9, 3, &status))
		return false;
	answer->status = (unsigned)status;
	answer->body = (size_t)(end - answer->bytes) + 4;
	while ((line = strstr(line, "\r\n")) != NULL && line < end) {
		line += 2;
		if (strncasecmp(line, "transfer-encoding:", 18) == 0)
			answer->chunked = strncasecmp(line + 18 + strspn(line + 18, " \t"),
			                              "chunked", 7) == 0;
	}
	return true;
}

/* Headers, skipping what only announces them (1xx). */
static bool read_head(const struct channel *channel, struct answer *answer)
{
	for (;;) {
		ssize_t got;

		answer->bytes[answer->used] = '\0';
		if (parse_head(answer)) {
			if (answer->status / 100 != 1)
				return true;
			memmove(answer->bytes, answer->bytes + answer->body,
			        answer->used - answer->body);
			answer->used -= answer->body;
			answer->skipped += answer->body;
			continue;
		}
		if (answer->skipped >= HEADER_BYTES)
			return false;
		got = channel_read(channel, answer->bytes, answer->used,
		                   HEADER_BYTES - answer->skipped);
		if (got <= 0)
			return false;
		answer->used += (size_t)got;
	}
}

/* RFC 9112, 7.1: the chunks' own lines go; what is cut short ends there. */
static void unchunk(struct answer *answer)
{
	size_t to = answer->body, from = to;

	while (from < answer->used) {
		size_t size = 0, digits = 0;
		const char *line = strstr(answer->bytes + from, "\r\n");

		while (size < BODY_BYTES && isxdigit((unsigned char)answer->bytes[from + digits])) {
			char c = scan_lower(answer->bytes[from + digits++]);

			size = size * 16 + (size_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
		if (line == NULL || digits == 0 || size == 0)
			break;
		from = (size_t)(line - answer->bytes) + 2;
		if (size > answer->used - from)
			size = answer->used - from;
		memmove(answer->bytes + to, answer->bytes + from, size);
		to += size;
		from += size + 2;
	}
	answer->used = to;
}

static bool has_body(const struct channel *channel, struct answer *answer, const char *pattern)
{
	ssize_t got;

	while ((got = channel_read(channel, answer->bytes, answer->used,
	                           answer->body + BODY_BYTES)) > 0)
		answer->used += (size_t)got;
	answer->bytes[answer->used] = '\0';
	if (answer->chunked)
		unchunk(answer);
	answer->bytes[answer->used] = '\0';
	for (size_t i = answer->body; i < answer->used; i++)
		if (answer->bytes[i] == '\0')
			answer->bytes[i] = ' ';
	return pattern_holds(answer->bytes + answer->body, pattern);
}

static bool ask_into(char *bytes, const struct channel *channel, const struct target *target,
                     const char *body, struct text *why)
{
	struct answer answer = { .bytes = bytes };

	if (!send_request(channel, target) || !read_head(channel, &answer)) {
		text_addf(why, "%.200s %s", target->text,
		          answer.used == 0 && clock_left_ms(channel->deadline_ns) == 0 ?
		                  "gives no answer in time" :
		                  "gives no answer of HTTP");
		return false;
	}
	if (answer.status < 200 || answer.status >= 400) {
		text_addf(why, "%.200s answers %u", target->text, answer.status);
		return false;
	}
	if (body == NULL || has_body(channel, &answer, body))
		return true;
	text_addf(why, "%.200s answers %u, and its body does not hold %.200s", target->text,
	          answer.status, body);
	return false;
}

static bool ask(int fd, const struct target *target, const char *body, uint64_t deadline_ns,
                struct text *why)
{
	char *bytes = calloc(1, HEADER_BYTES + BODY_BYTES + 1);
	struct channel channel = { .fd = fd, .deadline_ns = deadline_ns };
	char sentence[128] = "";
	struct text reason = TEXT_OVER(sentence);
	bool well = false;

	if (target->secure)
		channel.tls = tls_open(fd, deadline_ns, &reason);
	if (target->secure && channel.tls == NULL)
		text_addf(why, "%.200s: %s", target->text, sentence);
	else
		well = bytes != NULL && ask_into(bytes, &channel, target, body, why);
	tls_close(channel.tls);
	free(bytes);
	return well;
}

bool target_try(const struct target *target, const char *body, uint64_t timeout_ms,
                struct text *why)
{
	uint64_t deadline_ns = clock_now_ns() + timeout_ms * 1000000u;
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (target->kind == TARGET_FILE) {
		if (stat(target->rest, &st) == 0)
			return true;
		text_addf(why, "%.200s: %s", target->text, strerror(errno));
		return false;
	}
	fd = connect_target(target, deadline_ns);
	if (fd < 0) {
		text_addf(why, "%.200s: %s", target->text, strerror(-fd));
		return false;
	}
	return target->kind != TARGET_HTTP || ask(fd, target, body, deadline_ns, why);
}
