/* SPDX-License-Identifier: Apache-2.0 */
/* What answers once a service is ready, and one bounded try of it: for probe, and again and again for smoke. */
#ifndef AWEIGH_TARGET_H
#define AWEIGH_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "bounds.h"

enum target_kind {
	TARGET_HTTP, /* http:// or https://HOST[:PORT][/PATH]: a status from 200 to 399, as a kubelet takes it (pkg/probe/http) */
	TARGET_TCP, /* tcp:PORT or tcp:HOST:PORT: it accepts */
	TARGET_UNIX, /* unix:/PATH: it accepts */
	TARGET_FILE, /* file:/PATH: it is there */
	TARGET_LOG, /* log:PATTERN: a line of either stream */
	TARGET_NOTIFY, /* notify: READY=1 over NOTIFY_SOCKET (sd_notify(3)) */
	TARGET_EXIT, /* exit: it ends with 0 */
};
struct target {
	enum target_kind kind;
	const char *text; /* as it was said */
	const char *rest; /* of text: the path or pattern */
	char host[64]; /* a numeric address; "": this machine, by IPv4 or IPv6 */
	uint16_t port;
	bool secure; /* https://, of this machine alone: its certificate is not verified */
};

/* `text` must outlive the target. Hosts by their addresses, or localhost. false: a sentence in `why`. */
bool target_parse(struct target *target, const char *text, struct text *why);
/* A service is asked on its own machine, unless `remote` is given. false: a sentence in `why`. */
bool target_may_be_asked(const struct target *target, bool remote, struct text *why);
/* Whether one try of it means anything: the others are seen by whoever watches the service. */
bool target_can_be_tried(const struct target *target);
/*
 * One try. `body`: a pattern that the first 64 KiB of an answer must hold, or NULL. false: not yet, and why. It reads no
 * more than 8 KiB of headers, waits no longer than `timeout_ms`, and follows no redirect.
 */
bool target_try(const struct target *target, const char *body, uint64_t timeout_ms,
                struct text *why);

#endif
