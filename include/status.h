/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit statuses: an interface that orchestrators and CI jobs match on, so a value keeps its meaning.
 * Refusals stay within sysexits.h, clear of 0-63 and 128+n, which belong to the service.
 */
#ifndef AWEIGH_STATUS_H
#define AWEIGH_STATUS_H

enum status {
	STATUS_OK = 0,
	STATUS_USAGE = 64,
	STATUS_DATA = 65, /* present but wrong */
	STATUS_MISSING = 66, /* missing and not to be fetched */
	STATUS_UNAVAILABLE = 69, /* fetch failed for good */
	STATUS_BUG = 70,
	STATUS_SYSTEM = 71,
	STATUS_IO = 74, /* disk full, read-only, I/O error */
	STATUS_TEMPORARY = 75, /* fetch failed for now, lock or deadline passed */
	STATUS_ENVIRONMENT = 76, /* not offline, or path variables that disagree */
	STATUS_PERMISSION = 77,
	STATUS_POLICY = 78,
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128, /* plus the signal's number */
};

/* The status that wins when findings of both `a` and `b` are errors (0: none). */
enum status status_worse(enum status a, enum status b) __attribute__((const));

#endif
