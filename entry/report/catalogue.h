/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue of findings, for people and for programs. */
#ifndef AWEIGH_CATALOGUE_H
#define AWEIGH_CATALOGUE_H

#include <stdio.h>

#include "finding.h"

void catalogue_print(enum finding_id id, FILE *out);
/* From `first`, `count` of them: an array of objects with code, severity, status, meaning and fix. */
void catalogue_print_json(unsigned first, unsigned count, FILE *out);

#endif
