/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of checks in the order of cost, and the catalogue that follows from it. A check is one
 * file, one row here and one test.
 */
#include "engine/inspection.h"
#include "engine/raised.h"
#include "util.h"

#define CHECK(name) extern const struct check check_##name;
#include "registry.def"
#undef CHECK

const struct check *const checks[] = {
#define CHECK(name) &check_##name,
#include "registry.def"
#undef CHECK
};
const size_t check_count = LENGTH_OF(checks);

/* Kinds that entry/ raises come first, then those of each check. */
static const struct finding_kind *nth(unsigned index, unsigned *count)
{
	unsigned at = (unsigned)raised_count;

	if (index < at)
		return &raised_kinds[index];
	for (size_t i = 0; i < check_count; i++) {
		if (index - at < checks[i]->kind_count)
			return &checks[i]->kinds[index - at];
		at += (unsigned)checks[i]->kind_count;
	}
	*count = at;
	return NULL;
}

unsigned catalogue_count(void)
{
	unsigned count = 0;

	(void)nth(UINT_MAX, &count);
	return count;
}

const struct finding_kind *catalogue_at(unsigned index)
{
	unsigned count;

	return nth(index, &count);
}

unsigned catalogue_index(const struct finding_kind *kind)
{
	unsigned at = (unsigned)raised_count;

	if (kind >= raised_kinds && kind < raised_kinds + raised_count)
		return (unsigned)(kind - raised_kinds);
	for (size_t i = 0; i < check_count; i++) {
		if (kind >= checks[i]->kinds && kind < checks[i]->kinds + checks[i]->kind_count)
			return at + (unsigned)(kind - checks[i]->kinds);
		at += (unsigned)checks[i]->kind_count;
	}
	BUG("a finding of a kind that no check owns");
}

const struct finding_kind *catalogue_find(const char *code)
{
	for (unsigned i = 0; i < catalogue_count(); i++)
		if (strcmp(catalogue_at(i)->code, code) == 0)
			return catalogue_at(i);
	return NULL;
}
