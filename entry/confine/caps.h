/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capabilities that a service has, exactly, after its own exec too (capabilities(7)). The order
 * around the change of user: capabilities_bound(), capabilities_keep(), identity_assume(),
 * capabilities_become(). Functions return 0 or a negative errno.
 */
#ifndef AWEIGH_CAPS_H
#define AWEIGH_CAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/capability.h>

#include "policy.h"

/* `keep`, `none`, or names with or without cap_, in any case. false: none of these, and *out is as it was. */
bool capabilities_parse(const char *list, struct capability_set *out);
/*
 * Takes all others out of the bounding set. Without CAP_SETPCAP that is not to be had: then new
 * privileges are forbidden, which comes to the same at exec.
 */
int capabilities_bound(uint64_t mask);
/* They survive the change of user as permitted ones. */
int capabilities_keep(uint64_t mask);
/* Permitted, effective, inheritable and ambient are these and no others; -EPERM: some are not to be had. */
int capabilities_become(uint64_t mask);
/*
 * For aweigh's own processes: those of the mask that are held stay permitted and effective, none is
 * handed on by exec.
 */
int capabilities_drop(uint64_t mask);
/* What a change of fsuid took out of the effective ones is put back: all that is permitted (capabilities(7)). */
int capabilities_raise(void);
bool capability_is_held(int value);
/*
 * Whether somebody who is not root has more than exec(2) leaves to him, the ambient ones: then the file has capabilities
 * (setcap(8)). AT_SECURE would say that as well, and of a change of SELinux domain, which is every container's beginning.
 */
bool capabilities_came_with_the_file(void);
/* What root passes over file permissions by: without them an inspector would see less than a root service. */
#define CAPABILITIES_OF_FILES (1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH)

#endif
