/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "digest.h"

#include <stdio.h>
#include <string.h>

#include "scan.h"
#include "util.h"

void digest_feed(struct digest *digest, const void *bytes, size_t length)
{
	if (digest->kind == DIGEST_SHA256)
		(void)SHA256_Update(&digest->context.sha256, bytes, length);
	else
		(void)SHA1_Update(&digest->context.sha1, bytes, length);
}

void digest_begin(struct digest *digest, enum digest_kind kind, uint64_t size)
{
	char header[32];

	digest->kind = kind;
	if (kind == DIGEST_SHA256) {
		(void)SHA256_Init(&digest->context.sha256);
		return;
	}
	/* git hash-object: "blob ", the length in decimal, a NUL, the content */
	(void)SHA1_Init(&digest->context.sha1);
	digest_feed(digest, header,
	          (size_t)snprintf(header, sizeof(header), "blob %llu", (unsigned long long)size) +
	                  1);
}

void digest_end(struct digest *digest, char hex[static SHA256_HEX + 1])
{
	unsigned char bytes[SHA256_DIGEST_LENGTH];
	size_t length = digest->kind == DIGEST_SHA256 ? SHA256_DIGEST_LENGTH : SHA_DIGEST_LENGTH;

	if (digest->kind == DIGEST_SHA256)
		(void)SHA256_Final(bytes, &digest->context.sha256);
	else
		(void)SHA1_Final(bytes, &digest->context.sha1);
	for (size_t i = 0; i < length; i++) {
		hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	hex[2 * length] = '\0';
}

enum digest_kind digest_kind_of(const char *hex)
{
	size_t length = strlen(hex);

	if (scan_is_hex(hex, length, SHA256_HEX))
		return DIGEST_SHA256;
	return scan_is_hex(hex, length, COMMIT_HEX) ? DIGEST_GIT_SHA1 : DIGEST_NONE;
}

int digest_file(int fd, uint64_t size, enum digest_kind kind, char hex[static SHA256_HEX + 1],
                _Atomic uint64_t *done)
{
	CLEANUP(cleanup_free) unsigned char *buffer = malloc(HASH_READ_BYTES);
	struct digest digest;
	uint64_t at = 0;

	if (buffer == NULL)
		return -ENOMEM;
	digest_begin(&digest, kind, size);
	for (;;) {
		ssize_t got = pread(fd, buffer, HASH_READ_BYTES, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		at += (uint64_t)got;
		if (at > size) /* it grows while it is read: no end in sight */
			return -ESTALE;
		digest_feed(&digest, buffer, (size_t)got);
		atomic_fetch_add_explicit(done, (uint64_t)got, memory_order_relaxed);
	}
	if (at != size)
		return -ESTALE;
	digest_end(&digest, hex);
	return 0;
}

void digest_bytes(const void *bytes, size_t length, enum digest_kind kind,
                  char hex[static SHA256_HEX + 1])
{
	struct digest digest;

	digest_begin(&digest, kind, length);
	digest_feed(&digest, bytes, length);
	digest_end(&digest, hex);
}
