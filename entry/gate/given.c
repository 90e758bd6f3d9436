/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/given.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "process/patient.h"
#include "util.h"

/* Rows as they are found, at most `room`, the NULL at the end not counted. */
struct rows {
	struct arena *arena;
	const char **at;
	size_t count, room;
	const char *user; /* that an image's configuration names */
	int failed; /* a negative errno */
};

static bool rows_begin(struct rows *rows, struct arena *arena, size_t room)
{
	*rows = (struct rows){ .arena = arena,
		               .at = arena_take(arena, (room + 1) * sizeof(*rows->at)),
		               .room = room };
	return rows->at != NULL;
}

static bool rows_add(struct rows *rows, const char *row, size_t length)
{
	const char *copy = rows->count < rows->room ? arena_copy(rows->arena, row, length) : NULL;

	if (copy == NULL)
		return false;
	rows->at[rows->count++] = copy;
	return true;
}

static void rows_end(struct rows *rows, struct environment *out)
{
	rows->at[rows->count] = NULL;
	*out = (struct environment){ rows->at, rows->count };
}

/* NAME=VALUE lines, as Docker's --env-file has them; others, and comments, say nothing here. */
static int take_lines(struct gate *gate, const char *text, size_t size)
{
	struct rows rows;

	if (strlen(text) != size)
		return -EILSEQ; /* a NUL: what stands behind it would not be judged */
	if (!rows_begin(&rows, gate->report.arena, size / 2 + 1)) /* "A=" and its line's end */
		return -ENOMEM;
	for (size_t length; *text != '\0'; text += length + (text[length] != '\0')) {
		length = strcspn(text, "\n");
		if (*text != '#' && *text != '=' && memchr(text, '=', length) != NULL &&
		    !rows_add(&rows, text, length))
			return -ENOMEM;
	}
	rows_end(&rows, &gate->given);
	return 0;
}

/* USER as libcontainer's GetExecUser takes it: without a user before the colon it is root, without a group behind it the user's. */
static int take_user(struct rows *rows, const struct json_value *value)
{
	char spec[2 * MAX_NAME_BYTES];
	struct text text = TEXT_OVER(spec);

	if (value->kind == JSON_NULL)
		return 0;
	if (value->kind != JSON_STRING || memchr(value->text, '\0', value->length) != NULL)
		return -EBADMSG;
	text_addf(&text, "%s%.*s", value->length > 1 && value->text[0] == ':' ? "0" : "",
	          (int)value->length, value->text);
	if (text.length > 0 && spec[text.length - 1] == ':')
		text_shorten(&text, text.length - 1);
	rows->user = text.cut ? NULL : arena_copy(rows->arena, spec, text.length);
	return text.cut ? -EBADMSG : rows->user == NULL ? -ENOMEM : 0;
}

/*
 * {"config": {"User": "app", "Env": ["NAME=VALUE", ...]}}: OCI image-spec, config.md; `docker inspect` puts it into an
 * array, with a capital. Of two images none is meant.
 */
static bool take_declared(void *context, const struct json_value *value)
{
	struct rows *rows = context;
	unsigned top = value->depth >= 1 && value->key_length[0] == 0 ? 1 : 0;

	if (top == 1 && value->index[0] > 0)
		rows->failed = -E2BIG;
	else if (value->depth < top + 2 ||
	         !(json_key_is(value, top, "config") || json_key_is(value, top, "Config")))
		return true;
	else if (value->depth == top + 2 && json_key_is(value, top + 1, "User"))
		rows->failed = take_user(rows, value);
	else if (value->depth == top + 3 && json_key_is(value, top + 1, "Env") &&
	         value->kind == JSON_STRING && memchr(value->text, '\0', value->length) == NULL &&
	         memchr(value->text, '=', value->length) != NULL && value->text[0] != '=' &&
	         !rows_add(rows, value->text, value->length))
		rows->failed = -ENOMEM;
	return rows->failed == 0;
}

static int take_image_config(struct gate *gate, const char *text, size_t size)
{
	struct rows rows;

	if (!rows_begin(&rows, gate->report.arena,
	                size / 5 + 1)) /* "A=", and what begins with = is none */
		return -ENOMEM;
	if (json_parse(text, size, take_declared, &rows) != JSON_OK)
		return rows.failed != 0 ? rows.failed : -EBADMSG;
	rows_end(&rows, &gate->given);
	gate->image_user = rows.user != NULL && rows.user[0] != '\0' ? rows.user : NULL;
	return 0;
}

static bool take_file(struct gate *gate, const char *option, const char *file, size_t limit,
                      int (*take)(struct gate *gate, const char *text, size_t size),
                      struct text *why)
{
	CLEANUP(cleanup_free) char *text = NULL;
	size_t size;
	int error = patient_read(&gate->host, file, limit, gate->signals, &text, &size);

	if (error == 0)
		error = take(gate, text, size);
	if (error == -EBADMSG)
		text_addf(why, "%s %.400s is not the JSON of an image's configuration", option,
		          file);
	else if (error == -E2BIG)
		text_addf(why, "%s %.400s describes several images", option, file);
	else if (error < 0)
		text_addf(why, "%s %.400s cannot be read: %s", option, file, patient_words(error));
	return error == 0;
}

bool gate_take_environment(struct gate *gate, struct text *why)
{
	static const char *const none[] = { NULL };
	const struct options *options = gate->options;

	gate->given = options->root != NULL ? (struct environment){ none, 0 } : gate->own;
	if (options->env_file != NULL && options->image_config != NULL) {
		text_add(
		        why,
		        "--env-file and --image-config both name the environment: use one of them");
		return false;
	}
	if (options->env_file != NULL)
		return take_file(gate, "--env-file", options->env_file, MAX_ENV_FILE_BYTES,
		                 take_lines, why);
	if (options->image_config != NULL)
		return take_file(gate, "--image-config", options->image_config,
		                 MAX_IMAGE_CONFIG_BYTES, take_image_config, why);
	return true;
}
