/* SPDX-License-Identifier: Apache-2.0 */
#include "report/catalogue.h"

#include "engine/findings.h"
#include "report/gen.h"

void catalogue_print(enum finding_id id, FILE *out)
{
	const struct finding_kind *kind = &finding_kinds[id];

	(void)fprintf(out, "%s (%s, %d%s)\n    %s\n    fix: %s\n", kind->code,
	              severity_words[kind->severity], (int)kind->status,
	              kind->basis == BASIS_GUESS ? ", a guess" : "", kind->meaning, kind->fix);
}

void catalogue_print_json(unsigned first, unsigned count, FILE *out)
{
	yajl_gen gen = gen_new(out, true);

	if (gen == NULL)
		return;
	(void)yajl_gen_array_open(gen);
	for (unsigned id = first; id < first + count; id++) {
		const struct finding_kind *kind = &finding_kinds[id];

		(void)yajl_gen_map_open(gen);
		gen_text(gen, "code", kind->code);
		gen_text(gen, "severity", severity_words[kind->severity]);
		gen_number(gen, "status", (uint64_t)kind->status);
		gen_bool(gen, "guess", kind->basis == BASIS_GUESS);
		gen_text(gen, "meaning", kind->meaning);
		gen_text(gen, "fix", kind->fix);
		(void)yajl_gen_map_close(gen);
	}
	(void)yajl_gen_array_close(gen);
	yajl_gen_free(gen);
}
