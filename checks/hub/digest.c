/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "hub/digest.h"

#include <stdio.h>
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
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
	digest_feed(
	        digest, header,
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
	hex_encode(hex, bytes, length);
}

enum digest_kind digest_kind_of(const char *hex)
{
	size_t length = strlen(hex);

	if (scan_is_hex(hex, length, SHA256_HEX))
		return DIGEST_SHA256;
	return scan_is_hex(hex, length, COMMIT_HEX) ? DIGEST_GIT_SHA1 : DIGEST_NONE;
}

#if defined(AWEIGH_SHA256_PAIRS) && defined(__x86_64__)
#include <cpuid.h>

/*
 * OpenSSL's assembler for several SHA-256 at once (crypto/sha/asm/sha256-mb-x86_64.pl), which its TLS
 * code uses and no header declares: it is linked from the pinned sources, and measured at 1.5 times
 * one stream with SHA-NI. Without SHA-NI its other code paths want four streams: one at a time then.
 */
struct lanes {
	unsigned h[SHA256_DIGEST_LENGTH / 4][8];
};
struct lane_input {
	const unsigned char *bytes;
	int blocks;
};
void sha256_multi_block(struct lanes *lanes, const struct lane_input *input, int four);

static bool has_pairs(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

/* The same number of whole blocks for two digests that stand at a block's beginning. */
static void feed_blocks(struct digest *const digests[DIGEST_PAIR],
                        unsigned char *const bytes[DIGEST_PAIR], size_t length)
{
	_Alignas(64) struct lanes lanes = { 0 };
	struct lane_input input[4] = { 0 };

	for (size_t i = 0; i < DIGEST_PAIR; i++) {
		SHA256_CTX *context = &digests[i]->context.sha256;
		uint64_t bits = ((uint64_t)context->Nh << 32 | context->Nl) + (uint64_t)length * 8;

		for (size_t word = 0; word < LENGTH_OF(lanes.h); word++)
			lanes.h[word][i] = context->h[word];
		context->Nl = (unsigned)bits;
		context->Nh = (unsigned)(bits >> 32);
		input[i] = (struct lane_input){ bytes[i], (int)(length / SHA256_CBLOCK) };
	}
	sha256_multi_block(&lanes, input, 1);
	for (size_t i = 0; i < DIGEST_PAIR; i++)
		for (size_t word = 0; word < LENGTH_OF(lanes.h); word++)
			digests[i]->context.sha256.h[word] = lanes.h[word][i];
}

static bool is_at_block(const struct digest *digest)
{
	return digest->kind == DIGEST_SHA256 && digest->context.sha256.num == 0;
}

/* What two digests can take together; the rest is fed by itself. */
static size_t feed_pair(struct digest *const digests[DIGEST_PAIR],
                        unsigned char *const bytes[DIGEST_PAIR], const size_t got[DIGEST_PAIR])
{
	size_t common = got[0] < got[1] ? got[0] : got[1];

	common -= common % SHA256_CBLOCK;
	if (common == 0 || !is_at_block(digests[0]) || !is_at_block(digests[1]))
		return 0;
	feed_blocks(digests, bytes, common);
	return common;
}
#else
static bool has_pairs(void)
{
	return false;
}

static size_t feed_pair(struct digest *const digests[DIGEST_PAIR],
                        unsigned char *const bytes[DIGEST_PAIR], const size_t got[DIGEST_PAIR])
{
	(void)digests;
	(void)bytes;
	(void)got;
	return 0;
}
#endif

/* The next bytes of a file; 0 at its end or when it failed, with file->result. */
static size_t read_next(struct digest_file *file, uint64_t *at, unsigned char *buffer)
{
	ssize_t got;

	do
		got = pread(file->fd, buffer, HASH_READ_BYTES, (off_t)*at);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		file->result = -errno;
		return 0;
	}
	*at += (uint64_t)got;
	if (*at > file->size || (got == 0 && *at != file->size)) {
		file->result =
		        -ESTALE; /* it grows while it is read, with no end in sight, or was cut */
		return 0;
	}
	return (size_t)got;
}

void digest_files(struct digest_file *files, size_t count, _Atomic uint64_t *done)
{
	CLEANUP(cleanup_free) unsigned char *memory = malloc(DIGEST_PAIR * HASH_READ_BYTES);
	unsigned char *const buffers[DIGEST_PAIR] = { memory, memory + HASH_READ_BYTES };
	struct digest digest[DIGEST_PAIR], *const digests[DIGEST_PAIR] = { &digest[0], &digest[1] };
	uint64_t at[DIGEST_PAIR] = { 0 };
	size_t got[DIGEST_PAIR] = { 1, 1 };
	bool pairs = count == DIGEST_PAIR && has_pairs();

	if (count > DIGEST_PAIR)
		BUG("more files than buffers");
	for (size_t i = 0; i < count; i++) {
		files[i].result = memory == NULL ? -ENOMEM : 0;
		digest_begin(&digest[i], files[i].kind, files[i].size);
	}
	while (memory != NULL && got[0] + (count > 1 ? got[1] : 0) > 0) {
		size_t common = 0;

		for (size_t i = 0; i < count; i++)
			got[i] = got[i] == 0 ? 0 : read_next(&files[i], &at[i], buffers[i]);
		if (pairs)
			common = feed_pair(digests, buffers, got);
		for (size_t i = 0; i < count; i++) {
			if (got[i] > common)
				digest_feed(&digest[i], buffers[i] + common, got[i] - common);
			atomic_fetch_add_explicit(done, got[i], memory_order_relaxed);
		}
	}
	for (size_t i = 0; i < count; i++)
		digest_end(&digest[i], files[i].hex);
}

void digest_bytes(const void *bytes, size_t length, enum digest_kind kind,
                  char hex[static SHA256_HEX + 1])
{
	struct digest digest;

	digest_begin(&digest, kind, length);
	digest_feed(&digest, bytes, length);
	digest_end(&digest, hex);
}
