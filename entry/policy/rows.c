/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rows.h"

#include <string.h>

#include "base/arena.h"
#include "base/scan.h"
#include "base/words.h"
#include "engine/findings.h"
#include "policy/errors.h"
#include "policy/values.h"
#include "process/signals.h"
#include "system/python.h"
#include "util.h"

const struct row_kind row_kinds[] = {
	{ SECTION_SERVICE, "forward.SIGNAL", "the name of a signal, or none",
	  "what the service gets for SIGNAL" },
	{ SECTION_SERVICE, "remap.STATUS", "an exit status, 0 to 255",
	  "what aweigh ends with where the service ends with STATUS" },
	{ SECTION_PATHS, "free.PATH", "a size such as 80M, 4G or 512KiB",
	  "what the volume of PATH must have left" },
	{ SECTION_PATHS, "mount.PATH", "types of file systems; empty: any",
	  "PATH must be a mount of one of these types" },
	{ SECTION_SEVERITY, "CODE", "error, warning, note or off",
	  "what the finding CODE counts for" },
	{ SECTION_ENV_SET, "NAME", "a value", "the service gets the variable NAME with it" },
	{ SECTION_ENV_FILE, "NAME", "an absolute path",
	  "the service gets the variable NAME with what the file holds" },
	{ SECTION_ENV_REQUIRE, "NAME", "a value; empty: any",
	  "the service's environment must have NAME so" },
	{ SECTION_ENV_FORBID, "NAME", "a value; empty: any",
	  "the service's environment must not have NAME so" },
	{ SECTION_ENV_UNSET, "NAME", "nothing", "the service does not get the variable NAME" },
	{ SECTION_PACKAGES, "DISTRIBUTION",
	  "a version, conditions such as >=2.31, <3, or present or absent",
	  "which version of a Python distribution must be installed" },
	{ SECTION_REPORT, "FORMAT", "a file", "the report is written there as well" },
};
const size_t row_kind_count = LENGTH_OF(row_kinds);

/* Appends *element to a list that has room up to the next power of two. */
static bool append(void *list, size_t *count, const void *element, size_t size)
{
	void *items, *larger;

	memcpy(&items, list, sizeof(items));
	if ((*count & (*count - 1)) == 0) {
		larger = realloc(items, (*count == 0 ? 1 : *count * 2) * size);
		if (larger == NULL)
			return false;
		items = larger;
		memcpy(list, &items, sizeof(items));
	}
	memcpy((char *)items + *count * size, element, size);
	(*count)++;
	return true;
}
#define APPEND(policy, name, ...)                                                                  \
	append(&(policy)->name, &(policy)->name##_count, &(__VA_ARGS__), sizeof((policy)->name[0]))

static enum row_result wrong(struct policy *policy, const struct row *row, const char *fix,
                             const char *expected)
{
	char help[64];
	struct text text = TEXT_OVER(help);

	text_addf(&text, "aweigh help '%s' says what its rows take",
	          policy_section_names[row->section]);
	policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, row->line,
	             fix != NULL ? fix : help, "%s = %.100s: expected %s", row->name, row->text,
	             expected);
	return ROW_WRONG;
}

static enum row_result take_severity(struct policy *policy, const struct row *row)
{
	struct severity_row taken = { .id = finding_find(row->name) };
	char expected[64];
	struct text text = TEXT_OVER(expected);
	const char *near;

	if (taken.id == FINDING_COUNT) {
		near = words_nearest(row->name, finding_code_at, NULL);
		policy_error(policy, FINDING_POLICY_UNKNOWN, SOURCE_POLICY, row->line,
		             "aweigh checks lists the codes", "unknown finding code '%.100s'%s%s%s",
		             row->name, near != NULL ? "; did you mean " : "",
		             near != NULL ? near : "", near != NULL ? "?" : "");
		return ROW_WRONG;
	}
	if (finding_is_fixed(taken.id)) {
		policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, row->line,
		             "remove the row; enforce = no starts the service in spite of findings",
		             "the severity of %s is fixed: it says that nothing was judged",
		             row->name);
		return ROW_WRONG;
	}
	for (unsigned i = 0; severity_words[i] != NULL; i++)
		if (strcmp(row->text, severity_words[i]) == 0) {
			taken.severity = (enum severity)i;
			return APPEND(policy, severities, taken) ? ROW_TAKEN : ROW_WRONG;
		}
	text_add(&text, "error, warning, note or off");
	(void)words_suggest(&text, row->text, words_of, severity_words);
	return wrong(policy, row, NULL, expected);
}

/* NAME = ${file:PATH} in [environment set] says what NAME = PATH says in [environment file]. */
static bool is_file_reference(const char *text)
{
	return strncmp(text, "${file:", 7) == 0 && text[strlen(text) - 1] == '}';
}

/* Once, in one of the two sections. */
static bool is_said_elsewhere(const struct policy *policy, const struct row *row)
{
	for (size_t i = 0; i < policy->row_count; i++)
		if ((policy->rows[i].section == SECTION_ENV_SET ||
		     policy->rows[i].section == SECTION_ENV_FILE) &&
		    strcmp(policy->rows[i].name, row->name) == 0)
			return true;
	return false;
}

static bool is_file_of_its_own(const struct policy *policy, const char *file)
{
	for (size_t i = 0; i < policy->reports_count; i++)
		if (strcmp(policy->reports[i].value, file) == 0)
			return false;
	return file[0] != '\0';
}

static bool append_named(struct policy *policy, const struct row *row)
{
	struct named_row taken = { row->name, row->text, row->line };

	switch ((int)row->section) {
	case SECTION_ENV_SET:
		if (!is_file_reference(row->text))
			return APPEND(policy, env_set, taken);
		taken.value = arena_copy(policy->arena, row->text + 7, strlen(row->text) - 8);
		return taken.value != NULL && APPEND(policy, env_file, taken);
	case SECTION_ENV_FILE:
		return APPEND(policy, env_file, taken);
	case SECTION_ENV_REQUIRE:
		return APPEND(policy, env_require, taken);
	case SECTION_ENV_FORBID:
		return APPEND(policy, env_forbid, taken);
	case SECTION_ENV_UNSET:
		return APPEND(policy, env_unset, taken);
	case SECTION_PACKAGES:
		return APPEND(policy, packages, taken);
	default:
		return APPEND(policy, reports, taken);
	}
}

static enum row_result take_named(struct policy *policy, const struct row *row)
{
	bool environment = row->section >= SECTION_ENV_SET && row->section <= SECTION_ENV_UNSET;

	if (environment && (row->name[0] == '\0' || strpbrk(row->name, "= \t*?[") != NULL)) {
		policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, row->line, NULL,
		             "'%.100s' is not the name of a variable; patterns are not taken",
		             row->name);
		return ROW_WRONG;
	}
	if ((row->section == SECTION_ENV_SET || row->section == SECTION_ENV_FILE) &&
	    is_said_elsewhere(policy, row)) {
		policy_error(policy, FINDING_POLICY_DUPLICATE, SOURCE_POLICY, row->line, NULL,
		             "%.100s is in [environment set] and in [environment file]", row->name);
		return ROW_WRONG;
	}
	if ((row->section == SECTION_ENV_FILE && row->text[0] != '/') ||
	    (row->section == SECTION_ENV_SET && is_file_reference(row->text) &&
	     row->text[7] != '/'))
		return wrong(policy, row, NULL, "the absolute path of a file that holds the value");
	if (row->section == SECTION_REPORT && !is_file_of_its_own(policy, row->text))
		return wrong(policy, row, NULL, "a file of its own");
	if (row->section == SECTION_PACKAGES && !version_spec_is_valid(row->text))
		return wrong(policy, row, NULL,
		             "a version, conditions such as >=2.31, <3, or present or absent");
	return append_named(policy, row) ? ROW_TAKEN : ROW_WRONG;
}

/* free.PATH = SIZE, mount.PATH = FILE SYSTEMS */
static enum row_result take_path(struct policy *policy, const struct row *row)
{
	bool is_free = strncmp(row->name, "free.", 5) == 0;
	const char *path = row->name + strcspn(row->name, ".") + 1;
	struct free_row space = { .path = path, .line = row->line };
	struct mount_row mount = { .path = path, .text = row->text, .line = row->line };

	if ((!is_free && strncmp(row->name, "mount.", 6) != 0) || path[0] != '/')
		return ROW_UNKNOWN;
	if (!is_free)
		return value_split(policy->arena, row->text, ',', &mount.types) &&
		                       APPEND(policy, mounts, mount) ?
		               ROW_TAKEN :
		               ROW_WRONG;
	if (!scan_size(row->text, strlen(row->text), &space.bytes))
		return wrong(policy, row, NULL, "a size such as 80M, 4G or 512KiB");
	return APPEND(policy, free, space) ? ROW_TAKEN : ROW_WRONG;
}

/* forward.SIGNAL = SIGNAL, remap.STATUS = STATUS */
static enum row_result take_pair(struct policy *policy, const struct row *row)
{
	struct pair_row taken;
	uint8_t pair[2];

	if (strncmp(row->name, "forward.", 8) == 0) {
		if (!signals_pair(row->name + 8, row->text, pair))
			return wrong(
			        policy, row,
			        "write forward.SIGTERM = SIGINT, or none to keep it from the service",
			        "the name of a signal that can be caught, and that of a signal or none");
		taken = (struct pair_row){ pair[0], pair[1], row->line };
		return APPEND(policy, forwards, taken) ? ROW_TAKEN : ROW_WRONG;
	}
	if (strncmp(row->name, "remap.", 6) != 0)
		return ROW_UNKNOWN;
	if (!statuses_pair(row->name + 6, row->text, pair))
		return wrong(policy, row, "write remap.143 = 0", "two exit statuses, 0 to 255");
	taken = (struct pair_row){ pair[0], pair[1], row->line };
	return APPEND(policy, remaps, taken) ? ROW_TAKEN : ROW_WRONG;
}

static enum row_result take(struct policy *policy, const struct row *row)
{
	return row->section == SECTION_SEVERITY ? take_severity(policy, row) :
	       row->section == SECTION_PATHS    ? take_path(policy, row) :
	       row->section == SECTION_SERVICE  ? take_pair(policy, row) :
	                                          take_named(policy, row);
}

bool rows_are_of(enum key_section section)
{
	return section >= SECTION_SEVERITY || section == SECTION_PATHS ||
	       section == SECTION_SERVICE;
}

enum row_result row_store(struct policy *policy, enum key_section section, const char *name,
                          const char *text, unsigned line)
{
	struct row row = { .section = section, .line = line };
	enum row_result result;

	for (size_t i = 0; i < policy->row_count; i++)
		if (policy->rows[i].section == section && strcmp(policy->rows[i].name, name) == 0) {
			policy_error(policy, FINDING_POLICY_DUPLICATE, SOURCE_POLICY, line, NULL,
			             "key '%.100s' is already set on line %u", name,
			             policy->rows[i].line);
			return ROW_WRONG;
		}
	row.name = arena_copy(policy->arena, name, strlen(name));
	row.text = arena_copy(policy->arena, text, strlen(text));
	if (row.name == NULL || row.text == NULL)
		return ROW_WRONG;
	result = take(policy, &row);
	if (result == ROW_TAKEN && !append(&policy->rows, &policy->row_count, &row, sizeof(row)))
		return ROW_WRONG;
	return result;
}
