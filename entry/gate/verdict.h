/* SPDX-License-Identifier: Apache-2.0 */
/* What a finding makes of the report: its severity here, the worst of each model, the status. */
#ifndef AWEIGH_VERDICT_H
#define AWEIGH_VERDICT_H

#include "gate/gate.h"

/* Adds a finding that a record carries; returns the severity that it has here. */
enum severity gate_add_finding(struct gate *gate, const struct record *record);
/* A finding of the gate's own about no model; `line` of the policy, or 0. */
void gate_raise(struct gate *gate, enum finding_id id, unsigned line, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* The same about a model of the policy; returns the severity that it has here. */
enum severity gate_raise_about(struct gate *gate, size_t model, enum finding_id id,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));
/* About no model, with a fix of its own, a path, or both. */
void gate_raise_at(struct gate *gate, enum finding_id id, struct report_at at, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));
/* Before an inspection: only what a fetch said stays. Then says what of the policy has no effect. */
void gate_begin_anew(struct gate *gate);
/* Forgets what a failed fetch has answered. */
void gate_drop_answered(struct gate *gate);
/*
 * The rule for a pass, once: the policy holds no error, the inspector said that it was done and told about
 * every selected model, and no finding that is an error stands, nor was one lost for want of room.
 */
void gate_conclude(struct gate *gate);

#endif
