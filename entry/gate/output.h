/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict goes out: to the terminal, and to every file that options and policy name. */
#ifndef AWEIGH_OUTPUT_H
#define AWEIGH_OUTPUT_H

#include "gate/gate.h"

/* What a report calls the policy's files: while their volumes have just answered, not once the deadline is over. */
void gate_locate_policy(struct gate *gate);
/*
 * 0; 128+n of a stop request; STATUS_IO or _TEMPORARY where the terminal's could not be written. What cannot be
 * written to a file is a finding.
 */
enum status gate_report(struct gate *gate, int terminal_fd);
/* As a finding that refuses, for a report that is still to come. */
void gate_raise_start(struct gate *gate, enum status status, const char *sentence);
/* After a pass whose service could not be started: the files say so, too. */
void gate_report_again(struct gate *gate, enum status status, const char *sentence);

#endif
