/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the kernel where the question itself may be answered by death: in a child. */
#ifndef AWEIGH_PROBE_H
#define AWEIGH_PROBE_H

/*
 * What `ask` returns, 0 to 100 or a negative errno, in a child, so that nothing of it stays. -EPERM where a seccomp
 * filter kills for a call (systemd's SystemCallFilter=, which by default does).
 */
int probe_in_child(int (*ask)(const void *context), const void *context);
/* The same, but in this process where no seccomp filter stands: for questions that leave nothing behind. */
int probe(int (*ask)(const void *context), const void *context);

#endif
