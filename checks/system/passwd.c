/* SPDX-License-Identifier: Apache-2.0 */
#include "system/passwd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/scan.h"

struct field {
	const char *at;
	size_t length;
};

static int read_file(const struct tree *tree, const char *path, char **out)
{
	size_t length;
	int error = tree_read(tree, path, MAX_PASSWD_BYTES, out, &length);

	if (error == -ENOENT || error == -ENOTDIR || error == -EACCES) {
		*out = calloc(1, 1);
		return *out == NULL ? -ENOMEM : 0;
	}
	return error;
}

int user_files_read(struct user_files *files, const struct tree *tree)
{
	int error;

	files->passwd = files->group = NULL;
	error = read_file(tree, "/etc/passwd", &files->passwd);
	if (error == 0)
		error = read_file(tree, "/etc/group", &files->group);
	return error;
}

void user_files_release(struct user_files *files)
{
	free(files->passwd);
	free(files->group);
	files->passwd = files->group = NULL;
}

/* Splits the next line at its colons; false at the end. Missing fields are empty. */
static bool next_line(const char **at, struct field *fields, size_t count)
{
	const char *line = *at, *end;

	if (*line == '\0')
		return false;
	end = line + strcspn(line, "\n");
	*at = *end == '\n' ? end + 1 : end;
	for (size_t i = 0; i < count; i++) {
		const char *stop = memchr(line, ':', (size_t)(end - line));

		if (stop == NULL)
			stop = end;
		fields[i] = (struct field){ line, (size_t)(stop - line) };
		line = stop < end ? stop + 1 : end;
	}
	return true;
}

static bool field_is(struct field field, const char *text, size_t length)
{
	return field.length == length && memcmp(field.at, text, length) == 0;
}

static bool field_id(struct field field, uint64_t *out)
{
	return scan_u64(field.at, field.length, out) && *out < UINT32_MAX;
}

static void field_copy(char *out, size_t size, struct field field)
{
	struct text text = text_over(out, size);

	text_add_bytes(&text, field.at, field.length);
}

/* name:password:uid:gid:gecos:home:shell, by name or by number. */
static bool find_user(const struct user_files *files, const char *name, size_t length,
                      uint64_t number, bool by_number, struct field fields[static 6])
{
	const char *at = files->passwd;
	uint64_t uid;

	while (next_line(&at, fields, 6))
		if (field_id(fields[2], &uid) &&
		    (by_number ? uid == number : field_is(fields[0], name, length)))
			return true;
	return false;
}

static bool find_group(const struct user_files *files, const char *name, size_t length,
                       uint64_t *gid)
{
	const char *at = files->group;
	struct field fields[4];

	while (next_line(&at, fields, 4))
		if (field_is(fields[0], name, length) && field_id(fields[2], gid))
			return true;
	return scan_u64(name, length, gid) && *gid < UINT32_MAX;
}

static void add_group(struct identity *identity, gid_t gid)
{
	for (size_t i = 0; i < identity->group_count; i++)
		if (identity->groups[i] == gid)
			return;
	if (identity->group_count < MAX_GROUPS)
		identity->groups[identity->group_count++] = gid;
}

static void add_groups_of_user(struct identity *identity, const struct user_files *files)
{
	const char *at = files->group;
	size_t length = strlen(identity->name);
	struct field fields[4];
	uint64_t gid;

	add_group(identity, identity->gid);
	while (length > 0 && next_line(&at, fields, 4)) {
		const char *member = fields[3].at, *end = member + fields[3].length;

		while (member < end) {
			const char *stop = memchr(member, ',', (size_t)(end - member));

			if (stop == NULL)
				stop = end;
			if ((size_t)(stop - member) == length &&
			    memcmp(member, identity->name, length) == 0 &&
			    field_id(fields[2], &gid))
				add_group(identity, (gid_t)gid);
			member = stop + 1;
		}
	}
}

void identity_name(struct identity *identity, const struct user_files *files)
{
	struct field fields[6];

	identity->name[0] = identity->home[0] = '\0';
	if (!find_user(files, "", 0, identity->uid, true, fields))
		return;
	field_copy(identity->name, sizeof(identity->name), fields[0]);
	field_copy(identity->home, sizeof(identity->home), fields[5]);
}

/* The user part of a specification; *primary is its group in the passwd file, else 0. */
static bool parse_user(const struct user_files *files, const char *spec, size_t length, uid_t *uid,
                       gid_t *primary)
{
	struct field fields[6];
	uint64_t number = 0, gid = 0;
	bool is_number = scan_u64(spec, length, &number) && number < UINT32_MAX;

	*primary = 0;
	if (find_user(files, spec, length, 0, false, fields) ||
	    (is_number && find_user(files, "", 0, number, true, fields))) {
		if (!field_id(fields[2], &number) || !field_id(fields[3], &gid))
			return false;
		*primary = (gid_t)gid;
	} else if (!is_number) {
		return false;
	}
	*uid = (uid_t)number;
	return true;
}

bool owner_parse(const struct user_files *files, const char *spec, uid_t *uid, gid_t *gid,
                 bool *has_gid)
{
	size_t length = strcspn(spec, ":");
	uint64_t number = 0;
	gid_t primary;

	if (length == 0 || !parse_user(files, spec, length, uid, &primary))
		return false;
	*has_gid = spec[length] == ':';
	*gid = primary;
	if (*has_gid) {
		if (!find_group(files, spec + length + 1, strlen(spec + length + 1), &number))
			return false;
		*gid = (gid_t)number;
	}
	return true;
}

bool identity_parse(struct identity *identity, const struct user_files *files, const char *spec,
                    struct text *why)
{
	bool has_gid;

	identity->group_count = 0;
	identity->change = true;
	if (!owner_parse(files, spec, &identity->uid, &identity->gid, &has_gid)) {
		text_addf(
		        why,
		        "user '%s' is neither in the image's /etc/passwd and /etc/group nor a number",
		        spec);
		return false;
	}
	identity_name(identity, files);
	if (has_gid)
		add_group(identity, identity->gid);
	else
		add_groups_of_user(identity, files);
	return true;
}

bool identity_parse_groups(struct identity *identity, const struct user_files *files,
                           const char *groups, struct text *why)
{
	const char *at = NULL, *name;
	size_t length;
	uint64_t gid;

	if (strcmp(groups, "replace") == 0)
		return true;
	identity->keep_groups = strcmp(groups, "keep") == 0;
	if (identity->keep_groups)
		return true;
	identity->group_count = 0;
	while ((name = list_next(groups, ',', &at, &length)) != NULL) {
		if (!find_group(files, name, length, &gid)) {
			text_addf(why,
			          "group '%.*s' is neither in the image's /etc/group nor a number",
			          (int)length, name);
			return false;
		}
		add_group(identity, (gid_t)gid);
	}
	return true;
}
