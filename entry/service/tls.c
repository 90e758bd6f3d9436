/* SPDX-License-Identifier: Apache-2.0 */
#include "service/tls.h"

#include <limits.h>
#include <openssl/ssl.h>
#include <poll.h>

#include "process/clock.h"
#include "util.h"

struct tls {
	SSL_CTX *context;
	SSL *ssl;
	int fd;
};

/* Whether to try again: what OpenSSL waits for has come. */
static bool may_go_on(const struct tls *tls, int result, uint64_t deadline_ns)
{
	int error = SSL_get_error(tls->ssl, result);
	struct pollfd ready = { .fd = tls->fd };

	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		return false;
	ready.events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
	return poll(&ready, 1, clock_left_ms(deadline_ns)) > 0;
}

static bool shake_hands(struct tls *tls, uint64_t deadline_ns)
{
	int result;

	tls->context = SSL_CTX_new(TLS_client_method());
	if (tls->context == NULL)
		return false;
	SSL_CTX_set_verify(tls->context, SSL_VERIFY_NONE, NULL);
	tls->ssl = SSL_new(tls->context);
	if (tls->ssl == NULL || SSL_set_fd(tls->ssl, tls->fd) != 1)
		return false;
	do
		result = SSL_connect(tls->ssl);
	while (result != 1 && may_go_on(tls, result, deadline_ns));
	return result == 1;
}

struct tls *tls_open(int fd, uint64_t deadline_ns, struct text *why)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (tls != NULL) {
		tls->fd = fd;
		if (shake_hands(tls, deadline_ns))
			return tls;
	}
	text_add(why, "no handshake of TLS");
	tls_close(tls);
	return NULL;
}

void tls_close(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	SSL_CTX_free(tls->context);
	free(tls);
}

ssize_t tls_read(struct tls *tls, void *out, size_t size, uint64_t deadline_ns)
{
	int result;

	do
		result = SSL_read(tls->ssl, out, size < INT_MAX ? (int)size : INT_MAX);
	while (result <= 0 && may_go_on(tls, result, deadline_ns));
	if (result > 0)
		return result;
	return SSL_get_error(tls->ssl, result) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t tls_write(struct tls *tls, const void *bytes, size_t size, uint64_t deadline_ns)
{
	int result;

	do
		result = SSL_write(tls->ssl, bytes, size < INT_MAX ? (int)size : INT_MAX);
	while (result <= 0 && may_go_on(tls, result, deadline_ns));
	return result > 0 ? result : -1;
}
