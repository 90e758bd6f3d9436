/* SPDX-License-Identifier: Apache-2.0 */
/* [packages]: Python distributions by their dist-info directories. */
#include <string.h>

#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "system/python.h"
#include "util.h"

struct search {
	struct inspection *inspection;
	const struct named_row *row;
	char wanted[MAX_NAME_BYTES];
	unsigned found;
};

static void visit(void *context, const char *site, const char *name, const char *version)
{
	struct search *search = context;

	if (strcmp(name, search->wanted) != 0)
		return;
	search->found++;
	if (!version_fits(version, search->row->value))
		inspection_report(search->inspection, FINDING_PACKAGE_VERSION,
		                  (struct report_at){ .path = site, .line = search->row->line },
		                  "has %s %s, but the policy wants %s", name, version,
		                  search->row->value);
}

void check_package_version(struct inspection *inspection)
{
	for (size_t i = 0; i < inspection->policy->packages_count; i++) {
		struct search search = { .inspection = inspection,
			                 .row = &inspection->policy->packages[i] };

		dist_normalise(search.row->name, strlen(search.row->name), search.wanted,
		               sizeof(search.wanted));
		dist_walk(inspection->tree, inspection->env, visit, &search);
		if (search.found == 0 && strcmp(search.row->value, "absent") != 0)
			inspection_report(inspection, FINDING_PACKAGE_VERSION,
			                  (struct report_at){ .path = search.row->name,
			                                      .line = search.row->line },
			                  "%s is in no site-packages directory of the image",
			                  search.row->name);
	}
}
