/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a loader acts on only because they are there, wherever it was told what to load. */
#ifndef AWEIGH_ACTS_H
#define AWEIGH_ACTS_H

#include <stdbool.h>

/*
 * Code, what is unpickled, templates, configuration, and weights of a name that a library prefers to others.
 * Sources: transformers' utils/__init__.py (names) and processing_utils.py, dynamic_module_utils.py; diffusers'
 * utils/constants.py; peft's utils/constants.py.
 */
bool name_can_act(const char *path);

#endif
