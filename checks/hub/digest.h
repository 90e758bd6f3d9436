/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of files: SHA-256, and git's SHA-1 of a blob object. The low-level functions of libcrypto
 * are used on purpose: EVP keeps 1.6 MB of providers alive and costs half a millisecond to start.
 */
#ifndef AWEIGH_DIGEST_H
#define AWEIGH_DIGEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/sha.h>

#include "bounds.h"

enum digest_kind { DIGEST_NONE, DIGEST_SHA256, DIGEST_GIT_SHA1 };

/* The kind by the number of hexadecimal digits: 64, 40, anything else NONE. */
enum digest_kind digest_kind_of(const char *hex);
/* Piece by piece; `size` is needed first, since git hashes it before the content. */
struct digest {
	enum digest_kind kind;
	union {
		SHA256_CTX sha256;
		SHA_CTX sha1;
	} context;
};
void digest_begin(struct digest *digest, enum digest_kind kind, uint64_t size);
void digest_feed(struct digest *digest, const void *bytes, size_t length);
void digest_end(struct digest *digest, char hex[static SHA256_HEX + 1]);
/* A file to be hashed. */
struct digest_file {
	int fd;
	uint64_t size;
	enum digest_kind kind;
	int result; /* 0, or a negative errno; -ESTALE: shorter or longer than `size` */
	char hex[SHA256_HEX + 1];
};
/*
 * Hashes one file, or two side by side on one core: a SHA-256 alone leaves half of the processor's
 * SHA unit idle, since each round waits for the last. *done is advanced by the bytes read.
 */
#define DIGEST_PAIR 2u
void digest_files(struct digest_file *files, size_t count, _Atomic uint64_t *done);
void digest_bytes(const void *bytes, size_t length, enum digest_kind kind,
                  char hex[static SHA256_HEX + 1]);

#endif
