/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/secrets.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "gate/verdict.h"
#include "hub/variables.h"
#include "process/patient.h"
#include "util.h"

#define RAISE(gate, row, id, about, ...)                                                           \
	gate_raise_at(gate, id, (struct report_at){ .path = about, .line = (row)->line },          \
	              __VA_ARGS__)

/* NULL: a finding says why; otherwise to be freed. */
static char *read_secret(struct gate *gate, const struct named_row *row)
{
	CLEANUP(cleanup_fd)
	int fd = patient_open(&gate->tree, row->value, MAX_SECRET_BYTES, gate->signals);
	char *data = NULL;
	struct stat st;
	size_t length = 0;
	int error = fd < 0 ? fd : fstat(fd, &st) != 0 ? -errno : 0;

	if (error == 0)
		error = read_whole(fd, MAX_SECRET_BYTES, &data, &length);
	if (error != 0) {
		RAISE(gate, row, FINDING_ENV_FILE, row->name, "its file %.512s cannot be read: %s",
		      row->value,
		      error == -EFBIG                      ? "it is larger than 64 KiB" :
		      error == -EINVAL || error == -EISDIR ? "it is not a regular file" :
		                                             patient_words(error));
		return NULL;
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		RAISE(gate, row, FINDING_ENV_FILE_MODE, row->value,
		      "holds the value of %s, and others than its owner may use it", row->name);
	if (length > 0 && data[length - 1] == '\n')
		length--;
	if (memchr(data, '\0', length) != NULL) {
		RAISE(gate, row, FINDING_ENV_FILE, row->name, "its file holds %s",
		      "a NUL byte, which no variable can");
		free(data);
		return NULL;
	}
	data[length] = '\0';
	return data;
}

/* Whoever sets both means one of the two, and does not say which. */
static bool is_given_too(struct gate *gate, const struct named_row *row)
{
	const char *given = environment_get(&gate->given, row->name);

	if (given == NULL || given[0] == '\0')
		return false;
	RAISE(gate, row, FINDING_ENV_FILE, row->name,
	      "is set in the environment, and the policy takes it from the file %s", row->value);
	return true;
}

/* Where models lie and whether the hub is asked stands in every report. */
static bool is_shown(struct gate *gate, const struct named_row *row)
{
	const struct library_variable *known = library_variable(row->name, strlen(row->name));

	if (known == NULL || known->role == VARIABLE_SECRET || known->role == VARIABLE_OTHER)
		return false;
	RAISE(gate, row, FINDING_ENV_FILE, row->name,
	      "is not a secret, and is shown in reports: set it in [environment set]");
	return true;
}

static int take_secret(struct gate *gate, const struct named_row *row)
{
	CLEANUP(cleanup_free)
	char *value =
	        is_shown(gate, row) || is_given_too(gate, row) ? NULL : read_secret(gate, row);

	return value == NULL ? 0 :
	                       service_environ_set(&gate->service, row->name, value, ORIGIN_FILE);
}

enum status gate_read_secrets(struct gate *gate, struct text *why)
{
	for (size_t i = 0; gate->options->root == NULL && i < gate->policy.env_file_count; i++)
		if (take_secret(gate, &gate->policy.env_file[i]) < 0) {
			text_add(why, "out of memory");
			return STATUS_SYSTEM;
		}
	gate->env = service_environ_view(&gate->service);
	return STATUS_OK;
}

static bool is_asked_for(const struct gate *gate, const char *name)
{
	const struct policy *policy = &gate->policy;

	for (size_t i = 0; i < policy->env_require_count; i++)
		if (strcmp(policy->env_require[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < policy->env_forbid_count; i++)
		if (strcmp(policy->env_forbid[i].name, name) == 0)
			return true;
	return false;
}

static void blank(const struct gate *gate, const char *const *place, bool secret)
{
	char name[MAX_NAME_BYTES], *row;
	size_t length = strcspn(*place, "=");

	if ((*place)[length] == '\0' || length >= sizeof(name))
		return;
	memcpy(name, *place, length);
	name[length] = '\0';
	if (!(secret || variable_is_secret(name)) || is_asked_for(gate, name))
		return;
	memcpy(&row, place, sizeof(row)); /* it is environ's or ours, without its const */
	memset(row + length + 1, 'x', strlen(row + length + 1));
}

void gate_blank_secrets(const struct gate *gate)
{
	for (size_t i = 0; i < gate->own.count; i++)
		blank(gate, &gate->own.rows[i], false);
	for (size_t i = 0; i < gate->service.count; i++)
		if (gate->service.rows[i].origin == ORIGIN_FILE)
			blank(gate, &gate->service.rows[i].row, true);
}
