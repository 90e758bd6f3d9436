/* SPDX-License-Identifier: Apache-2.0 */
/* Variables whose values come from files, as Docker, Kubernetes and systemd hand secrets in. */
#ifndef AWEIGH_GATE_SECRETS_H
#define AWEIGH_GATE_SECRETS_H

#include "gate/gate.h"

/*
 * Reads what [environment file] names, before anybody's rights are given up: at most MAX_SECRET_BYTES, one newline at
 * the end cut. What cannot be taken is a finding, and the variable is left out. Nothing is read with --root.
 */
enum status gate_read_secrets(struct gate *gate, struct text *why);
/* In a child: its copy of secrets holds nothing, but for what a row of the policy asks about. */
void gate_blank_secrets(const struct gate *gate);

#endif
