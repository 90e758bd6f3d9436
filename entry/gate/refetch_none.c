/* SPDX-License-Identifier: Apache-2.0 */
/* refetch.h where no network code is built in: the Makefile takes this file in the place of refetch.c (FETCH=no). */
#include "gate/refetch.h"

#include "gate/verdict.h"

enum status gate_refetch(struct gate *gate, struct text *why)
{
	(void)why;
	gate_raise(gate, FINDING_POLICY_NOT_YET, gate->policy.said[KEY_MODE].line,
	           "this aweigh was built without network code (FETCH=no): nothing is fetched");
	return STATUS_OK;
}

void gate_explain_fetch(const struct gate *gate, struct explanation *explanation)
{
	(void)gate;
	(void)explanation;
}

void gate_tell_models(const struct gate *gate)
{
	(void)gate;
}

const char *gate_fetch_libraries(void)
{
	return "built to check and start (FETCH=no): without network code, lock, smoke and the reports for CI";
}
