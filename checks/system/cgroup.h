/* SPDX-License-Identifier: Apache-2.0 */
/* What the container may use of the machine: its cgroup's limits (cgroups(7)). */
#ifndef AWEIGH_CGROUP_H
#define AWEIGH_CGROUP_H

#include <stdint.h>

/* Cores that the affinity mask and the cgroup's quota leave, at least 1. */
unsigned cores_allowed(void);
/* The cgroup's memory limit in bytes; UINT64_MAX: none. */
uint64_t memory_limit(void);

#endif
