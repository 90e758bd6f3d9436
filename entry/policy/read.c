/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inih does the INI; what it would do in silence is watched from the reader that feeds it: lines
 * longer than it keeps, section names that it cuts (49 bytes), indented keys that it takes for the
 * value above, lines that are neither. Sections and line numbers are followed here as well.
 */
#include "policy/read.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

#include "base/arena.h"
#include "system/python.h"
#include "base/glob.h"
#include "process/signals.h"
#include "engine/raised.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

#define SKIP SECTION_COUNT /* in a section that is wrong: its keys are not looked at */

struct reader {
	struct policy *policy;
	const struct environment *environment;
	const char *at, *end;
	unsigned line;
	bool continued; /* the line at hand is indented: more of the value above */
	char section_name[128];
	enum key_section section;
	int model; /* index of [model NAME], which may move in memory */
	bool section_checked;
	/* The key whose value is being gathered, until the next one begins: */
	char key[MAX_NAME_BYTES];
	unsigned key_line;
	char value[MAX_SETTING_BYTES];
	struct text value_text;
	bool seen[SECTION_COUNT];
};

void policy_error(struct policy *policy, unsigned raised, enum policy_source source, unsigned line,
                  const char *fix, const char *format, ...)
{
	struct policy_error *error;
	char message[1024];
	struct text text = TEXT_OVER(message);
	va_list arguments;

	if (policy->error_count++ >= MAX_POLICY_ERRORS)
		return;
	va_start(arguments, format);
	text_addv(&text, format, arguments);
	va_end(arguments);
	error = &policy->errors[policy->error_count - 1];
	error->kind = &raised_kinds[raised];
	error->message = arena_copy(policy->arena, message, text.length);
	error->fix = fix == NULL ? raised_kinds[raised].fix :
	                           arena_copy(policy->arena, fix, strlen(fix));
	error->line = line;
	error->source = (uint16_t)source;
}

static void complain(struct reader *reader, unsigned raised, unsigned line, const char *fix,
                     const char *message)
{
	policy_error(reader->policy, raised, SOURCE_POLICY, line, fix, "%s", message);
}

struct model *policy_add_model(struct policy *policy, const char *name, size_t length,
                               unsigned line, enum policy_source source)
{
	struct model *model;

	if ((policy->model_count & (policy->model_count - 1)) ==
	    0) { /* room is the next power of two */
		size_t room = policy->model_count == 0 ? 1 : policy->model_count * 2;
		struct model *larger = realloc(policy->models, room * sizeof(*larger));

		if (larger == NULL)
			return NULL;
		policy->models = larger;
	}
	if (policy->model_count >= MAX_MODELS) {
		policy_error(policy, RAISED_POLICY_VALUE, source, line, NULL, "more than %u models",
		             MAX_MODELS);
		return NULL;
	}
	model = &policy->models[policy->model_count++];
	memcpy(model->set, &policy->set[FIRST_MODEL_KEY], sizeof(model->set));
	model->name = arena_copy(policy->arena, name, length);
	model->line = line;
	model->source = (uint16_t)source;
	model->selected = true;
	return model;
}

static void set_defaults(struct policy *policy)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].initial[0] != '\0')
			policy_store(policy, &policy->set[i], &policy_keys[i],
			             policy_keys[i].initial, 0, SOURCE_POLICY);
}

/* Sections */

static const char *next_section(const void *context, size_t index)
{
	(void)context;
	return index < SECTION_COUNT ? policy_section_names[index] : NULL;
}

static bool is_model_name(const char *name)
{
	size_t length = 0;

	while (scan_is_name(name[length]) || name[length] == '-' || name[length] == '.' ||
	       name[length] == '/')
		length++;
	return length > 0 && name[length] == '\0';
}

static void begin_model(struct reader *reader, const char *name)
{
	struct policy *policy = reader->policy;

	reader->section = SKIP;
	if (!is_model_name(name)) {
		complain(reader, RAISED_POLICY_SYNTAX, reader->line,
		         "write [model NAME] with letters, digits, '-', '_', '.' and '/'",
		         "the section has no usable model name");
		return;
	}
	for (size_t i = 0; i < policy->model_count; i++)
		if (strcmp(policy->models[i].name, name) == 0) {
			policy_error(policy, RAISED_POLICY_DUPLICATE, SOURCE_POLICY, reader->line,
			             NULL, "[model %s] stands in line %u already", name,
			             policy->models[i].line);
			return;
		}
	if (policy_add_model(policy, name, strlen(name), reader->line, SOURCE_POLICY) == NULL)
		return;
	reader->section = SECTION_MODEL;
	reader->model = (int)policy->model_count - 1;
}

static void begin_section(struct reader *reader, const char *name)
{
	const char *near;

	reader->section = SKIP;
	reader->section_checked = false;
	if (strncmp(name, "model ", 6) == 0) {
		begin_model(reader, name + 6 + strspn(name + 6, " "));
		return;
	}
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		if (i == SECTION_MODEL || strcmp(name, policy_section_names[i]) != 0)
			continue;
		if (reader->seen[i]) {
			policy_error(reader->policy, RAISED_POLICY_DUPLICATE, SOURCE_POLICY,
			             reader->line, NULL, "section [%s] stands twice", name);
			return;
		}
		reader->seen[i] = true;
		reader->section = (enum key_section)i;
		return;
	}
	near = suggest(name, next_section, NULL);
	if (strcmp(name, "model") == 0)
		policy_error(reader->policy, RAISED_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
		             "write [model NAME]", "the section has no model name");
	else if (near != NULL)
		policy_error(reader->policy, RAISED_POLICY_UNKNOWN, SOURCE_POLICY, reader->line,
		             NULL, "unknown section [%.100s]; did you mean [%s]?", name, near);
	else
		policy_error(reader->policy, RAISED_POLICY_UNKNOWN, SOURCE_POLICY, reader->line,
		             NULL, "unknown section [%.100s]", name);
}

/* Keys */

struct key_walk {
	enum key_section section;
};

static const char *next_key(const void *context, size_t index)
{
	const struct key_walk *walk = context;

	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].section == walk->section && index-- == 0)
			return policy_keys[i].name;
	return NULL;
}

static const struct key *find_key(enum key_section section, const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].section == section && strcmp(policy_keys[i].name, name) == 0)
			return &policy_keys[i];
	return NULL;
}

static void report_unknown_key(struct reader *reader)
{
	struct key_walk walk = { reader->section };
	const char *near = suggest(reader->key, next_key, &walk);
	struct policy *policy = reader->policy;

	if (near != NULL) {
		policy_error(policy, RAISED_POLICY_UNKNOWN, SOURCE_POLICY, reader->key_line, NULL,
		             "unknown key '%.100s' in [%s]; did you mean '%s'?", reader->key,
		             reader->section_name, near);
		return;
	}
	for (unsigned section = 0; section < SECTION_COUNT; section++)
		if (find_key((enum key_section)section, reader->key) != NULL) {
			policy_error(policy, RAISED_POLICY_UNKNOWN, SOURCE_POLICY, reader->key_line,
			             NULL, "unknown key '%.100s' in [%s]; it belongs in [%s]",
			             reader->key, reader->section_name,
			             policy_section_names[section]);
			return;
		}
	policy_error(policy, RAISED_POLICY_UNKNOWN, SOURCE_POLICY, reader->key_line, NULL,
	             "unknown key '%.100s' in [%s]", reader->key, reader->section_name);
}

static void store_known(struct reader *reader, const struct key *key, const char *value)
{
	size_t index = (size_t)(key - policy_keys);
	struct setting *setting =
	        key->section == SECTION_MODEL ?
	                &reader->policy->models[reader->model].set[index - FIRST_MODEL_KEY] :
	                &reader->policy->set[index];

	if (setting->line != 0)
		policy_error(reader->policy, RAISED_POLICY_DUPLICATE, SOURCE_POLICY,
		             reader->key_line, NULL, "key '%s' stands in line %u already",
		             key->name, setting->line);
	else if (value[0] == '\0' && key->type != TYPE_LIST)
		policy_error(reader->policy, RAISED_POLICY_VALUE, SOURCE_POLICY, reader->key_line,
		             "give it a value, or take the key away", "key '%s' has no value",
		             key->name);
	else
		policy_store(reader->policy, setting, key, value, reader->key_line, SOURCE_POLICY);
}

static const char *next_code(const void *context, size_t index)
{
	(void)context;
	return index < catalogue_count() ? catalogue_at((unsigned)index)->code : NULL;
}

static bool check_severity(struct reader *reader, struct row *row)
{
	static const char *const words[] = { "off", "note", "warning", "error" };
	const char *near;

	if (catalogue_find(row->name) == NULL) {
		near = suggest(row->name, next_code, NULL);
		policy_error(reader->policy, RAISED_POLICY_UNKNOWN, SOURCE_POLICY, row->line,
		             "aweigh checks lists the codes", "unknown finding code '%.100s'%s%s%s",
		             row->name, near != NULL ? "; did you mean " : "",
		             near != NULL ? near : "", near != NULL ? "?" : "");
		return false;
	}
	for (size_t i = 0; i < LENGTH_OF(words); i++)
		if (strcmp(row->text, words[i]) == 0) {
			row->number = i;
			return true;
		}
	policy_error(reader->policy, RAISED_POLICY_VALUE, SOURCE_POLICY, row->line, NULL,
	             "%s = %.100s: takes error, warning, note or off", row->name, row->text);
	return false;
}

static bool is_environment_name(const char *name)
{
	return name[0] != '\0' && strpbrk(name, "= \t") == NULL;
}

static bool check_path_row(struct reader *reader, struct row *row)
{
	const char *path = strchr(row->name, '.');

	if ((strncmp(row->name, "free.", 5) != 0 && strncmp(row->name, "mount.", 6) != 0) ||
	    path[1] != '/') {
		report_unknown_key(reader);
		return false;
	}
	if (row->name[0] == 'm' || scan_size(row->text, strlen(row->text), &row->number))
		return true;
	policy_error(reader->policy, RAISED_POLICY_VALUE, SOURCE_POLICY, row->line, NULL,
	             "%s = %.100s: takes a size such as 80M, 4G or 512KiB", row->name, row->text);
	return false;
}

/* forward.SIGNAL = SIGNAL, remap.STATUS = STATUS */
static bool check_service_row(struct reader *reader, struct row *row)
{
	bool forward = strncmp(row->name, "forward.", 8) == 0;
	uint8_t pair[2];

	if (!forward && strncmp(row->name, "remap.", 6) != 0) {
		report_unknown_key(reader);
		return false;
	}
	if (forward ? signals_pair(row->name + 8, row->text, pair) :
	              statuses_pair(row->name + 6, row->text, pair)) {
		row->number = (uint64_t)pair[0] << 8 | pair[1];
		return true;
	}
	policy_error(
	        reader->policy, RAISED_POLICY_VALUE, SOURCE_POLICY, row->line,
	        forward ? "write forward.SIGTERM = SIGINT, or none to keep it from the service" :
	                  "write remap.143 = 0",
	        "%.64s = %.64s: takes %s", row->name, row->text,
	        forward ? "the name of a signal that can be caught, and that of a signal or none" :
	                  "two exit statuses, 0 to 255");
	return false;
}

/* Whether a row of a section with free names is sound; says what is not. */
static bool check_row(struct reader *reader, struct row *row)
{
	if (row->section == SECTION_SEVERITY)
		return check_severity(reader, row);
	if (row->section == SECTION_PATHS)
		return check_path_row(reader, row);
	if (row->section >= SECTION_ENV_SET && row->section <= SECTION_ENV_UNSET &&
	    !is_environment_name(row->name)) {
		policy_error(reader->policy, RAISED_POLICY_VALUE, SOURCE_POLICY, row->line, NULL,
		             "'%.100s' is no name of a variable", row->name);
		return false;
	}
	if (row->section == SECTION_PACKAGES && !version_spec_is_valid(row->text)) {
		policy_error(
		        reader->policy, RAISED_POLICY_VALUE, SOURCE_POLICY, row->line, NULL,
		        "%s = %.100s: takes a version, conditions such as >=2.31, <3, or present or absent",
		        row->name, row->text);
		return false;
	}
	return row->section != SECTION_SERVICE || check_service_row(reader, row);
}

static void store_row(struct reader *reader, const char *value)
{
	struct policy *policy = reader->policy;
	struct row row = { .section = reader->section, .line = reader->key_line };

	for (size_t i = 0; i < policy->row_count; i++)
		if (policy->rows[i].section == row.section &&
		    strcmp(policy->rows[i].name, reader->key) == 0) {
			policy_error(policy, RAISED_POLICY_DUPLICATE, SOURCE_POLICY,
			             reader->key_line, NULL,
			             "key '%.100s' stands in line %u already", reader->key,
			             policy->rows[i].line);
			return;
		}
	row.name = arena_copy(policy->arena, reader->key, strlen(reader->key));
	row.text = arena_copy(policy->arena, value, strlen(value));
	if (row.name == NULL || row.text == NULL || !check_row(reader, &row))
		return;
	if ((policy->row_count & (policy->row_count - 1)) == 0) {
		struct row *larger =
		        realloc(policy->rows, (policy->row_count == 0 ? 1 : policy->row_count * 2) *
		                                      sizeof(*larger));

		if (larger == NULL)
			return;
		policy->rows = larger;
	}
	policy->rows[policy->row_count++] = row;
}

static bool has_free_names(enum key_section section)
{
	return section >= SECTION_SEVERITY || section == SECTION_PATHS ||
	       section == SECTION_SERVICE;
}

/* The value at hand is whole: the next key, section or the end has come. */
static void finish_key(struct reader *reader)
{
	char expanded[MAX_SETTING_BYTES];
	struct text text = TEXT_OVER(expanded);
	const struct key *key;

	if (reader->key[0] == '\0')
		return;
	if (reader->section != SKIP && policy_expand(reader->policy, reader->environment,
	                                             reader->value, reader->key_line, &text)) {
		key = find_key(reader->section, reader->key);
		if (key != NULL)
			store_known(reader, key, expanded);
		else if (has_free_names(reader->section))
			store_row(reader, expanded);
		else
			report_unknown_key(reader);
	}
	reader->key[0] = '\0';
}

/* inih calls this for each key, and again for each indented line below it. */
static int on_key(void *context, const char *section, const char *name, const char *value)
{
	struct reader *reader = context;
	const struct key *key;

	if (!reader->section_checked) {
		reader->section_checked = true;
		if (strcmp(section, reader->section_name) != 0) {
			policy_error(
			        reader->policy, RAISED_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
			        "choose a shorter name",
			        "the section name [%.120s] is longer than the %zu bytes that are kept",
			        reader->section_name, strlen(section));
			reader->section = SKIP;
		}
	}
	if (reader->continued && reader->key[0] != '\0') {
		char word[64];
		size_t length = strcspn(value, " \t=");

		if (length < sizeof(word) && value[length + strspn(value + length, " \t")] == '=') {
			memcpy(word, value, length);
			word[length] = '\0';
			if (find_key(reader->section, word) != NULL)
				policy_error(
				        reader->policy, RAISED_POLICY_SYNTAX, SOURCE_POLICY,
				        reader->line, "take the blanks before the key away",
				        "the indented line '%s = ...' would be read as more of '%s'",
				        word, reader->key);
		}
		key = find_key(reader->section, reader->key);
		text_add(&reader->value_text, key != NULL && key->type == TYPE_LIST ? "," : " ");
		text_add(&reader->value_text, value);
		return 1;
	}
	finish_key(reader);
	if (strlen(name) >= sizeof(reader->key)) {
		complain(reader, RAISED_POLICY_SYNTAX, reader->line, NULL,
		         "the key is longer than 255 bytes");
		return 1;
	}
	memcpy(reader->key, name, strlen(name) + 1);
	reader->key_line = reader->line;
	reader->value_text = TEXT_OVER(reader->value);
	text_add(&reader->value_text, value);
	if (reader->section == SKIP && reader->section_name[0] == '\0')
		complain(reader, RAISED_POLICY_SYNTAX, reader->line,
		         "begin with a section such as [policy]",
		         "a key stands before the first section");
	return 1;
}

/* Looks at a line before inih gets it; false: inih gets an empty one instead. */
static bool look_at_line(struct reader *reader, const char *line, size_t length)
{
	const char *start = line, *close;
	struct text text;

	while (start < line + length && scan_is_space(*start))
		start++;
	reader->continued = start > line && start < line + length;
	if (start == line + length || *start == ';' || *start == '#')
		return true;
	if (reader->continued && reader->key[0] != '\0')
		return true;
	if (*start == '[') {
		finish_key(reader);
		close = memchr(start, ']', (size_t)(line + length - start));
		text = TEXT_OVER(reader->section_name);
		if (close == NULL) {
			reader->section = SKIP;
			complain(reader, RAISED_POLICY_SYNTAX, reader->line, NULL,
			         "the section name has no closing ']'");
			return false;
		}
		text_add_bytes(&text, start + 1, (size_t)(close - start - 1));
		begin_section(reader, reader->section_name);
		return true;
	}
	if (memchr(start, '=', (size_t)(line + length - start)) == NULL &&
	    memchr(start, ':', (size_t)(line + length - start)) == NULL) {
		policy_error(reader->policy, RAISED_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
		             "write KEY = VALUE", "the line '%.*s' has no '='",
		             (int)(length > 64 ? 64 : length), line);
		return false;
	}
	return true;
}

/* fgets() over memory, as inih wants it: at most `size` - 1 bytes and the terminator. */
static char *next_line(char *out, int size, void *context)
{
	struct reader *reader = context;
	const char *stop;
	size_t length, room = (size_t)size - 2;

	if (reader->at >= reader->end)
		return NULL;
	stop = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
	if (stop == NULL)
		stop = reader->end;
	length = (size_t)(stop - reader->at);
	reader->line++;
	if (length > room) {
		policy_error(reader->policy, RAISED_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
		             "break the value over several indented lines",
		             "the line has %zu bytes, more than the %zu that are kept", length,
		             room);
		length = 0;
	} else if (!look_at_line(reader, reader->at, length)) {
		length = 0;
	}
	memcpy(out, reader->at, length);
	out[length] = '\n';
	out[length + 1] = '\0';
	reader->at = stop + 1;
	return out;
}

/* NUL bytes, a byte-order mark and what is not UTF-8: each with its line. */
static bool check_bytes(struct policy *policy, const char *text, size_t length)
{
	unsigned line = 1;

	if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
		policy_error(policy, RAISED_POLICY_SYNTAX, SOURCE_POLICY, 1,
		             "save the file as UTF-8 without a byte-order mark",
		             "the file begins with a byte-order mark");
		return false;
	}
	for (size_t i = 0, step; i < length; i += step) {
		step = scan_utf8((const unsigned char *)text + i, length - i);
		line += text[i] == '\n';
		if (step != 0 && text[i] != '\0')
			continue;
		policy_error(policy, RAISED_POLICY_SYNTAX, SOURCE_POLICY, line, NULL,
		             step == 0 ? "the line is not UTF-8" : "the line holds a NUL byte");
		return false;
	}
	return true;
}

/* After all lines are read: what one setting says about another. */

static const char *next_model(const void *context, size_t index)
{
	const struct policy *policy = context;

	return index < policy->model_count ? policy->models[index].name : NULL;
}

static void report_unknown_model(struct policy *policy, const char *name, unsigned line)
{
	char names[512];
	struct text text = TEXT_OVER(names);
	const char *near = suggest(name, next_model, policy);

	for (size_t i = 0; i < policy->model_count; i++)
		text_addf(&text, "%s%s", i == 0 ? "" : ", ", policy->models[i].name);
	text_mark_cut(&text);
	policy_error(policy, RAISED_POLICY_UNKNOWN, SOURCE_POLICY, line, NULL,
	             "unknown model '%.100s'%s%s%s; the models are: %s", name,
	             near != NULL ? ", did you mean '" : "", near != NULL ? near : "",
	             near != NULL ? "'?" : "", policy->model_count == 0 ? "none" : names);
}

static void select_models(struct policy *policy, const char *only)
{
	const char *list = only != NULL ? only : policy->set[KEY_ONLY].text, *at = NULL, *name;
	unsigned line = only != NULL ? 0 : policy->set[KEY_ONLY].line;
	size_t length, named = 0;

	while (list != NULL && (name = list_next(list, ',', &at, &length)) != NULL) {
		bool found = length == 3 && memcmp(name, "all", 3) == 0;
		char copy[MAX_NAME_BYTES];
		struct text text = TEXT_OVER(copy);

		if (named++ == 0 && !found)
			for (size_t i = 0; i < policy->model_count; i++)
				policy->models[i].selected = false;
		text_add_bytes(&text, name, length);
		for (size_t i = 0; i < policy->model_count; i++)
			if (strcmp(policy->models[i].name, copy) == 0 ||
			    (length == 3 && memcmp(name, "all", 3) == 0))
				policy->models[i].selected = found = true;
		if (!found)
			report_unknown_model(policy, copy, line);
	}
}

/* Lists whose elements are marked one by one while the walk meets files. */
static void check_list_length(struct policy *policy, const struct setting *setting, const char *key)
{
	const char *at = NULL;
	size_t length, count = 0;

	while (setting->text != NULL && list_next(setting->text, ',', &at, &length) != NULL)
		count++;
	if (count > GLOB_MARKS)
		policy_error(policy, RAISED_POLICY_VALUE, (enum policy_source)setting->source,
		             setting->line, "use patterns, or split the model in two sections",
		             "%s has %zu elements; %u can be checked", key, count, GLOB_MARKS);
}

static void check_models(struct policy *policy)
{
	for (size_t i = 0; i < policy->model_count; i++) {
		struct model *model = &policy->models[i];

		check_list_length(policy, &MODEL_SET(model, FILES), "files");
		check_list_length(policy, &MODEL_SET(model, REQUIRE), "require");
		if (MODEL_SET(model, REPO).text == NULL && MODEL_SET(model, PATH).text == NULL)
			policy_error(policy, RAISED_POLICY_VALUE, (enum policy_source)model->source,
			             model->line, "add repo = org/name, or path = /folder",
			             "[model %s] names neither repo nor path", model->name);
		if (MODEL_SET(model, MIN_SIZE).number > MODEL_SET(model, MAX_SIZE).number &&
		    MODEL_SET(model, MAX_SIZE).text != NULL)
			policy_error(policy, RAISED_POLICY_VALUE, SOURCE_POLICY,
			             MODEL_SET(model, MAX_SIZE).line, NULL,
			             "[model %s] has a max_size below its min_size", model->name);
	}
}

static void read_manifest(struct policy *policy, const struct policy_input *input)
{
	const struct setting *setting = &policy->set[KEY_MANIFEST];
	char path[MAX_PATH_BYTES];
	const char *slash = strrchr(input->file, '/');
	struct text text = TEXT_OVER(path);
	CLEANUP(cleanup_free) char *data = NULL;
	size_t length;
	int error;

	if (setting->text == NULL)
		return;
	if (setting->text[0] != '/' && slash != NULL)
		text_add_bytes(&text, input->file, (size_t)(slash - input->file) + 1);
	text_add(&text, setting->text);
	error = tree_read(setting->text[0] == '/' ? input->manifest_tree : input->tree, path,
	                  MAX_POLICY_BYTES, &data, &length);
	policy->file[SOURCE_MANIFEST] = arena_copy(policy->arena, path, text.length);
	if (error < 0)
		policy_error(policy, RAISED_POLICY_MISSING, SOURCE_POLICY, setting->line,
		             "name a readable file in manifest",
		             "the manifest %.512s cannot be read: %s", path,
		             error == -EFBIG ? "larger than 4 MiB" : strerror(-error));
	else
		policy_parse_manifest(policy, data, length);
}

int policy_parse(struct policy *policy, const struct policy_input *input, const char *text,
                 size_t length)
{
	struct reader *reader;
	int bad_line;

	policy->arena = arena_new();
	reader = calloc(1, sizeof(*reader));
	if (policy->arena == NULL || reader == NULL) {
		free(reader);
		return -ENOMEM;
	}
	policy->file[SOURCE_POLICY] = input->file;
	set_defaults(policy);
	reader->policy = policy;
	reader->environment = input->environment;
	reader->at = text;
	reader->end = text + length;
	reader->section = SKIP;
	reader->section_checked = true;
	if (check_bytes(policy, text, length)) {
		bad_line = ini_parse_stream(next_line, reader, on_key, reader);
		finish_key(reader);
		if (bad_line != 0 && policy->error_count == 0)
			policy_error(policy, RAISED_POLICY_SYNTAX, SOURCE_POLICY,
			             bad_line > 0 ? (unsigned)bad_line : 0, NULL,
			             "the line is not INI");
	}
	free(reader);
	return 0;
}

static void report_unreadable(struct policy *policy, const char *file, int error)
{
	const char *why = error == -EISDIR ? "it is a folder" :
	                  error == -EINVAL ? "it is no regular file" :
	                  error == -EFBIG  ? "it is larger than 4 MiB, no policy is" :
	                                     strerror(-error);

	policy_error(policy, RAISED_POLICY_MISSING, SOURCE_POLICY, 0, NULL,
	             "the policy %.900s cannot be read: %s", file, why);
}

int policy_read(struct policy *policy, const struct policy_input *input)
{
	CLEANUP(cleanup_free) char *text = NULL;
	size_t length = 0;
	int error = tree_read(input->tree, input->file, MAX_POLICY_BYTES, &text, &length);
	int result;

	memset(policy, 0, sizeof(*policy));
	result = policy_parse(policy, input, error < 0 ? "" : text, error < 0 ? 0 : length);
	if (result < 0)
		return result;
	if (error < 0) {
		report_unreadable(policy, input->file, error);
		return 0;
	}
	if (input->user != NULL)
		policy_store(policy, &policy->set[KEY_USER], &policy_keys[KEY_USER], input->user, 0,
		             SOURCE_POLICY);
	if (input->level > (int)policy->set[KEY_VERIFY].number) {
		policy->set[KEY_VERIFY].number = (uint64_t)input->level;
		policy->set[KEY_VERIFY].text = level_name((unsigned)input->level);
		policy->set[KEY_VERIFY].line = 0;
	}
	read_manifest(policy, input);
	check_models(policy);
	select_models(policy, input->only);
	return 0;
}

void policy_release(struct policy *policy)
{
	free(policy->models);
	free(policy->rows);
	arena_free(policy->arena);
	policy->models = NULL;
	policy->rows = NULL;
	policy->arena = NULL;
}
