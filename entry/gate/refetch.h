/* SPDX-License-Identifier: Apache-2.0 */
/* Between two inspections: what is missing or damaged and may be fetched, is. */
#ifndef AWEIGH_REFETCH_H
#define AWEIGH_REFETCH_H

#include "gate/gate.h"
#include "report/explain.h"

/* After gate_inspect(): fetches what its findings say is missing, and inspects again. 0, or a status as gate_inspect() gives it. */
enum status gate_refetch(struct gate *gate, struct text *why);
/* For `explain`: where a fetch would go, with what, and who said so. */
void gate_explain_fetch(const struct gate *gate, struct explanation *explanation);
/* One greppable line a model that holds, where something may be fetched: status=ok action=offline. */
void gate_tell_models(const struct gate *gate);

/* What was built in for fetching, for --version. */
const char *gate_fetch_libraries(void);

/* Whether the environment that aweigh was given says offline. */
bool gate_is_offline(const struct gate *gate);
/*
 * Asks the hub for the files of each selected model that has a repository: the large ones by its list, small ones
 * read and hashed; each ends in gate->made. 0, or as gate_inspect().
 */
enum status gate_list(struct gate *gate, struct text *why);

#endif
