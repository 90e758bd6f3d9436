/* SPDX-License-Identifier: Apache-2.0 */
/* Why a request did not do: what failed, whether another try may help, and a sentence with host and subject. */
#ifndef AWEIGH_FAILURE_H
#define AWEIGH_FAILURE_H

#include <curl/curl.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>

#include "finding.h"

struct failure {
	enum finding_id id;
	bool temporary; /* another try may help */
	bool broken; /* in the midst of an answer */
	unsigned http; /* status; 0: none */
	const char *fix; /* static; NULL: the finding's usual one */
	char message[768];
};

struct request;
/* A refusal of whoever reads the answer: half a sentence. */
void request_fail(struct request *request, enum finding_id id, bool temporary, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* Fills failure from what curl and the status say; a refusal gets host and subject in front. */
void request_explain(struct request *request, CURLcode code);
/* The same for an address that is not asked at all; `fix` as in struct failure. */
void request_fail_address(struct request *request, const char *fault, const char *fix);
/* OpenSSL's: remembers who issued the certificate that is not trusted; curl's own message does not say it. */
int request_on_verify(int good, X509_STORE_CTX *store);

#endif
