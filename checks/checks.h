/* SPDX-License-Identifier: Apache-2.0 */
/* A function a check, in a file of its name: looks, and reports what it saw as findings. */
#ifndef AWEIGH_CHECKS_H
#define AWEIGH_CHECKS_H

struct inspection;
#define CHECK(name, scope, level) void check_##name(struct inspection *inspection);
#include "checks.def"
#undef CHECK

#endif
