/* SPDX-License-Identifier: Apache-2.0 */
#include "raised.h"

const struct finding_kind raised_kinds[RAISED_COUNT] = {
	[RAISED_POLICY_MISSING] = { "policy.missing", SEVERITY_ERROR, STATUS_POLICY,
		"the policy, its manifest or a file that it names cannot be read",
		"name the policy with --policy FILE or AWEIGH_POLICY, or put it at /etc/aweigh/policy.ini" },
	[RAISED_POLICY_SYNTAX] = { "policy.syntax", SEVERITY_ERROR, STATUS_POLICY,
		"a line of the policy is not INI, too long, or not UTF-8 text", "mend the line; aweigh-policy(5) has the grammar" },
	[RAISED_POLICY_UNKNOWN] = { "policy.unknown", SEVERITY_ERROR, STATUS_POLICY,
		"a section, key, model or finding code that aweigh does not know", "see aweigh-policy(5) for the names" },
	[RAISED_POLICY_VALUE] = { "policy.value", SEVERITY_ERROR, STATUS_POLICY,
		"a value that its key does not take", "see aweigh-policy(5) for what the key takes" },
	[RAISED_POLICY_DUPLICATE] = { "policy.duplicate", SEVERITY_ERROR, STATUS_POLICY,
		"a section or key that stands twice", "keep one of the two" },
	[RAISED_POLICY_NOT_YET] = { "policy.not-yet", SEVERITY_WARNING, STATUS_POLICY,
		"a key that this version reads and checks, but does not act on", "do not rely on it with this version" },
	[RAISED_GATE_DEADLINE] = { "gate.deadline", SEVERITY_ERROR, STATUS_TEMPORARY,
		"the checks did not finish within policy.deadline", "raise policy.deadline, or lower policy.verify" },
	[RAISED_GATE_INSPECTOR] = { "gate.inspector", SEVERITY_ERROR, STATUS_SYSTEM,
		"the inspector could not start, died, or sent what no inspector sends", "report it with the files that it looked at" },
	[RAISED_CONFINE_UNAVAILABLE] = { "confine.unavailable", SEVERITY_NOTE, STATUS_ENVIRONMENT,
		"the kernel or the platform withholds a guarantee", "run where Landlock is there, or accept that the inspector is confined by its user alone" },
	[RAISED_CONFINE_IDENTITY] = { "confine.identity", SEVERITY_WARNING, STATUS_PERMISSION,
		"aweigh may not become the service's user, so access was tried as another", "start aweigh as that user or as root" },
	[RAISED_REPORT_FAILED] = { "report.failed", SEVERITY_WARNING, STATUS_IO,
		"a report could not be written", "let the file's folder be there and be writable for whoever starts aweigh" },
};
const unsigned raised_count = RAISED_COUNT;
