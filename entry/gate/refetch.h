/* SPDX-License-Identifier: Apache-2.0 */
/* Between two inspections: what is missing or damaged and may be fetched, is. */
#ifndef AWEIGH_GATE_FETCH_H
#define AWEIGH_GATE_FETCH_H

#include "gate/gate.h"

/* What a fetch does about a finding of this kind. */
enum mend { MEND_NOT, MEND_MISSING, MEND_DAMAGED };
enum mend mended_by_fetch(const struct finding_kind *kind);

/*
 * After gate_inspect(): fetches what its findings say is missing, and inspects again. `ordered`: by the
 * command `fetch`, whatever policy.mode says. 0, or a status as gate_inspect() gives it.
 */
enum status gate_fetch(struct gate *gate, bool ordered);
/* For `explain`: where a fetch would go, with what, and who said so. */
void gate_explain_fetch(const struct gate *gate, FILE *out);
/* One greppable line a model that holds, where something may be fetched: status=ok action=offline. */
void gate_tell_models(const struct gate *gate, bool ordered);

#endif
