/* SPDX-License-Identifier: Apache-2.0 */
/* [packages]: Python distributions by their dist-info folders. */
#include <string.h>

#include "engine/inspection.h"
#include "system/python.h"
#include "util.h"

enum { VERSION };
static const struct finding_kind kinds[] = {
	[VERSION] = { "package.version", SEVERITY_ERROR, STATUS_DATA,
	              "a Python distribution has another version than the policy wants, or is not there",
	              "install the version that the policy names, or mend the policy" },
};

struct search {
	struct look *look;
	const struct row *row;
	char wanted[MAX_NAME_BYTES];
	unsigned found;
};

static void visit(void *context, const char *site, const char *name, const char *version)
{
	struct search *search = context;

	if (strcmp(name, search->wanted) != 0)
		return;
	search->found++;
	if (!version_fits(version, search->row->text))
		look_report(search->look, &kinds[VERSION],
		            (struct report_at){ .path = site, .line = search->row->line },
		            "has %s %s, but the policy wants %s", name, version, search->row->text);
}

static void check(struct look *look)
{
	for (size_t i = 0; i < look->policy->row_count; i++) {
		struct search search = { .look = look, .row = &look->policy->rows[i] };

		if (search.row->section != SECTION_PACKAGES)
			continue;
		dist_normalise(search.row->name, strlen(search.row->name), search.wanted,
		               sizeof(search.wanted));
		dist_walk(look->tree, look->env, visit, &search);
		if (search.found == 0 && strcmp(search.row->text, "absent") != 0)
			look_report(look, &kinds[VERSION],
			            (struct report_at){ .path = search.row->name,
			                                .line = search.row->line },
			            "%s is in no site-packages folder of the image",
			            search.row->name);
	}
}

const struct check check_package_version = { "package_version", SCOPE_RUN, LEVEL_PRESENCE, kinds,
	                                     LENGTH_OF(kinds),  check };
