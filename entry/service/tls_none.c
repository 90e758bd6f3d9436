/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h in a build without network code (FETCH=no). */
#include "service/tls.h"

#include <stddef.h>

struct tls *tls_open(int fd, uint64_t deadline_ns, struct text *why)
{
	(void)fd;
	(void)deadline_ns;
	text_add(why, "this aweigh was built without TLS (FETCH=no)");
	return NULL;
}

void tls_close(struct tls *tls)
{
	(void)tls;
}

ssize_t tls_read(struct tls *tls, void *out, size_t size, uint64_t deadline_ns)
{
	(void)tls;
	(void)out;
	(void)size;
	(void)deadline_ns;
	return -1;
}

ssize_t tls_write(struct tls *tls, const void *bytes, size_t size, uint64_t deadline_ns)
{
	(void)tls;
	(void)bytes;
	(void)size;
	(void)deadline_ns;
	return -1;
}
