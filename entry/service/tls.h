/* SPDX-License-Identifier: Apache-2.0 */
/* TLS to a service of this machine, whose certificate is not verified: it is asked whether it answers, and told nothing. */
#ifndef AWEIGH_TLS_H
#define AWEIGH_TLS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"

struct tls;
/* A handshake over a connected, non-blocking socket, which stays the caller's. NULL: a sentence in `why`. */
struct tls *tls_open(int fd, uint64_t deadline_ns, struct text *why);
void tls_close(struct tls *tls);
/* How many bytes; 0: no more will come; -1: it failed, or the time is up. */
ssize_t tls_read(struct tls *tls, void *out, size_t size, uint64_t deadline_ns);
ssize_t tls_write(struct tls *tls, const void *bytes, size_t size, uint64_t deadline_ns);

#endif
