/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of finding that the gate and its commands raise, not a check: policy, deadline, confinement. */
#ifndef AWEIGH_RAISED_H
#define AWEIGH_RAISED_H

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
	RAISED_COUNT
};
extern const struct finding_kind raised_kinds[RAISED_COUNT];
extern const unsigned raised_count;

#endif
