/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict goes out: to the terminal, and to every file that options and policy name. */
#ifndef AWEIGH_OUTPUT_H
#define AWEIGH_OUTPUT_H

#include "gate/gate.h"

/* 0, or 128+n of a stop request. What cannot be written is a finding. */
enum status gate_report(struct gate *gate, int terminal_fd);

#endif
