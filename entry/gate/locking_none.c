/* SPDX-License-Identifier: Apache-2.0 */
/* locking.h in a build without network code (FETCH=no), which makes no lock files: it only holds models against them. */
#include "gate/locking.h"

#include "gate/verdict.h"

void gate_take_locked(struct gate *gate, const struct record *record)
{
	(void)record;
	gate_raise(gate, FINDING_GATE_INSPECTOR, 0,
	           "a file was told that nobody asked for; the process may have been taken over");
}
