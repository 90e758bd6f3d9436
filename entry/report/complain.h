/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWEIGH_COMPLAIN_H
#define AWEIGH_COMPLAIN_H

#include "status.h"

/* "aweigh: ", the sentence, a newline on standard error; returns the status. */
int complain(enum status status, const char *sentence);

#endif
