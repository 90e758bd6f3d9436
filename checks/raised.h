/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of finding that the gate and its commands raise, not a check: policy, deadline, confinement. */
#ifndef AWEIGH_RAISED_H
#define AWEIGH_RAISED_H

#include <stdbool.h>

#include "finding.h"

enum raised {
	RAISED_POLICY_MISSING,
	RAISED_POLICY_SYNTAX,
	RAISED_POLICY_UNKNOWN,
	RAISED_POLICY_VALUE,
	RAISED_POLICY_DUPLICATE,
	RAISED_POLICY_NOT_YET,
	RAISED_GATE_DEADLINE,
	RAISED_GATE_INSPECTOR,
	RAISED_CONFINE_UNAVAILABLE,
	RAISED_CONFINE_IDENTITY,
	RAISED_REPORT_FAILED,
	RAISED_GATE_FETCHER,
	RAISED_FETCH_SETTINGS,
	RAISED_FETCH_OFFLINE,
	RAISED_FETCH_UNAUTHORIZED,
	RAISED_FETCH_NOT_FOUND,
	RAISED_FETCH_RATE_LIMITED,
	RAISED_FETCH_SERVER,
	RAISED_FETCH_PROTOCOL,
	RAISED_FETCH_DNS,
	RAISED_FETCH_CONNECT,
	RAISED_FETCH_TLS,
	RAISED_FETCH_PROXY,
	RAISED_FETCH_STALLED,
	RAISED_FETCH_DIGEST,
	RAISED_FETCH_DISK,
	RAISED_FETCH_FOLDER,
	RAISED_FETCH_UNFINISHED,
	RAISED_FETCH_LOOKUP,
	RAISED_FETCH_VOLUME,
	RAISED_COUNT
};
extern const struct finding_kind raised_kinds[RAISED_COUNT];
extern const unsigned raised_count;
/* Whether it is about fetching: raised by the fetcher, or by the gate about it. */
bool raised_by_fetch(const struct finding_kind *kind);

#endif
