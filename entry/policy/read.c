/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/read.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/words.h"
#include "hub/cache.h"
#include "hub/variables.h"
#include "policy/errors.h"
#include "policy/expand.h"
#include "policy/ini.h"
#include "policy/models.h"
#include "policy/models_file.h"
#include "policy/rows.h"
#include "policy/values.h"
#include "process/patient.h"
#include "util.h"

struct reader {
	struct policy *policy;
	const struct environment *environment;
	enum key_section section; /* SECTION_COUNT: one that is wrong; its keys are not looked at */
	const char *section_name;
	unsigned line;
	size_t model; /* index of [model NAME], which may move in memory */
	bool seen[SECTION_COUNT];
};

static void set_defaults(struct policy *policy)
{
	policy->defaults.max_size_bytes = UINT64_MAX;
	policy->umask = -1;
	for (unsigned i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].initial[0] != '\0')
			value_store(policy, &policy->defaults, (enum key_id)i,
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

	reader->section = SECTION_COUNT;
	if (!is_model_name(name)) {
		policy_error(policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
		             "write [model NAME] with letters, digits, '-', '_', '.' and '/'",
		             "the section has no usable model name");
		return;
	}
	for (size_t i = 0; i < policy->model_count; i++)
		if (strcmp(policy->models[i].name, name) == 0) {
			policy_error(policy, FINDING_POLICY_DUPLICATE, SOURCE_POLICY, reader->line,
			             NULL, "[model %s] is already there on line %u", name,
			             policy->models[i].line);
			return;
		}
	if (policy_add_model(policy, name, strlen(name), reader->line, SOURCE_POLICY) == NULL)
		return;
	reader->section = SECTION_MODEL;
	reader->model = policy->model_count - 1;
}

static void report_unknown_section(struct reader *reader, const char *name)
{
	const char *near = words_nearest(name, next_section, NULL), *blank = strchr(name, ' ');
	char first[16];
	struct text text = TEXT_OVER(first);

	text_add_bytes(&text, name, blank == NULL ? 0 : (size_t)(blank - name));
	if (blank != NULL && edit_distance(first, "model") <= 2)
		policy_error(reader->policy, FINDING_POLICY_UNKNOWN, SOURCE_POLICY, reader->line,
		             NULL, "unknown section [%.100s]; did you mean [model%.90s]?", name,
		             blank);
	else if (strcmp(name, "model") == 0)
		policy_error(reader->policy, FINDING_POLICY_SYNTAX, SOURCE_POLICY, reader->line,
		             "write [model NAME]", "the section has no model name");
	else
		policy_error(reader->policy, FINDING_POLICY_UNKNOWN, SOURCE_POLICY, reader->line,
		             NULL, "unknown section [%.100s]%s%s%s", name,
		             near != NULL ? "; did you mean [" : "", near != NULL ? near : "",
		             near != NULL ? "]?" : "");
}

static void on_section(void *context, const char *name, unsigned line)
{
	struct reader *reader = context;

	reader->section = SECTION_COUNT;
	reader->section_name = name;
	reader->line = line;
	if (strncmp(name, "model ", 6) == 0) {
		begin_model(reader, name + 6 + strspn(name + 6, " "));
		return;
	}
	for (unsigned i = 0; i < SECTION_COUNT; i++) {
		if (i == SECTION_MODEL || strcmp(name, policy_section_names[i]) != 0)
			continue;
		if (reader->seen[i])
			policy_error(reader->policy, FINDING_POLICY_DUPLICATE, SOURCE_POLICY, line,
			             NULL, "section [%s] is there twice", name);
		else
			reader->section = (enum key_section)i;
		reader->seen[i] = true;
		return;
	}
	report_unknown_section(reader, name);
}

/* Keys */

static const char *next_key(const void *context, size_t index)
{
	const struct reader *reader = context;

	for (size_t i = 0; i < KEY_COUNT; i++)
		if (policy_keys[i].section == reader->section && index-- == 0)
			return policy_keys[i].name;
	return NULL;
}

static void report_unknown_key(const struct reader *reader, const char *key, unsigned line)
{
	const char *near = words_nearest(key, next_key, reader), *belongs = NULL;
	char hint[128] = "";
	struct text text = TEXT_OVER(hint);

	for (unsigned i = 0; near == NULL && belongs == NULL && i < SECTION_COUNT; i++)
		if (key_find((enum key_section)i, key) != NULL)
			belongs = policy_section_names[i];
	if (near != NULL)
		text_addf(&text, "; did you mean '%s'?", near);
	else if (belongs != NULL)
		text_addf(&text, "; it belongs in [%s]", belongs);
	else if (reader->section == SECTION_ENVIRONMENT)
		text_add(&text,
		         "; variables are rows of [environment set], require, forbid and unset");
	policy_error(reader->policy, FINDING_POLICY_UNKNOWN, SOURCE_POLICY, line, NULL,
	             "unknown key '%.100s' in [%s]%s", key, reader->section_name, hint);
}

static bool may_be_empty(const struct key *key)
{
	return key->type == TYPE_LIST || key->type == TYPE_REQUIRE || key->type == TYPE_FORMATS ||
	       key->type == TYPE_URLS;
}

static void store_known(struct reader *reader, const struct key *key, const char *value,
                        unsigned line)
{
	struct policy *policy = reader->policy;
	enum key_id id = (enum key_id)(key - policy_keys);
	struct model *model = key->section == SECTION_MODEL ? &policy->models[reader->model] : NULL;
	const struct origin *said =
	        model != NULL ? &model->said[id - FIRST_MODEL_KEY] : &policy->said[id];

	if (said->line != 0)
		policy_error(policy, FINDING_POLICY_DUPLICATE, SOURCE_POLICY, line, NULL,
		             "key '%s' is already set on line %u", key->name, said->line);
	else if (value[0] == '\0' && !may_be_empty(key))
		policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY, line,
		             "give it a value, or remove the key", "key '%s' has no value",
		             key->name);
	else
		value_store(policy, model, id, value, line, SOURCE_POLICY);
}

/* The lines of a list are elements, with a comma at their ends or not; those of anything else are words. */
static void join_lines(char *value, char with)
{
	char last = '\0';

	for (; *value != '\0'; value++) {
		if (*value == '\n')
			*value = (char)(last == with ? ' ' : with);
		if (*value != ' ' && *value != '\t')
			last = *value;
	}
}

static void on_value(void *context, const char *name, const char *said, unsigned line)
{
	struct reader *reader = context;
	const struct key *key = key_find(reader->section, name);
	char value[MAX_SETTING_BYTES], expanded[MAX_SETTING_BYTES];
	struct text text = TEXT_OVER(value), out = TEXT_OVER(expanded);

	if (reader->section == SECTION_COUNT)
		return;
	text_add(&text, said);
	join_lines(value, key != NULL && may_be_empty(key) ? ',' : ' ');
	if (!policy_expand(reader->policy, reader->environment, value, line, &out))
		return;
	if (key == &policy_keys[KEY_REPLACEABLE] && strcmp(value, expanded) != 0) {
		policy_error(
		        reader->policy, FINDING_POLICY_VALUE, SOURCE_POLICY, line,
		        "write yes or no",
		        "replaceable comes from a variable: it stands against whoever sets those");
		return;
	}
	if (key == &policy_keys[KEY_HINT]) /* which every report prints */
		policy_hide(reader->policy, expanded);
	if (key != NULL)
		store_known(reader, key, expanded, line);
	else if (!rows_are_of(reader->section) ||
	         row_store(reader->policy, reader->section, name, expanded, line) == ROW_UNKNOWN)
		report_unknown_key(reader, name, line);
}

/* After all lines are read: what one setting says about another. */

/* Lists whose elements are marked one by one while the walk meets files. */
static void check_list_length(struct policy *policy, size_t count, const struct origin *said,
                              const char *key)
{
	if (count > MAX_MARKED_ELEMENTS)
		policy_error(policy, FINDING_POLICY_VALUE, (enum policy_source)said->source,
		             said->line, "use patterns, or split the model in two sections",
		             "%s has %zu elements; %u can be checked", key, count,
		             MAX_MARKED_ELEMENTS);
}

/* A branch has its own name already, and a plain folder has none. */
static void check_ref(struct policy *policy, const struct model *model)
{
	const struct origin *said = MODEL_SAID(model, REF);

	if (model->ref != NULL && (model->path != NULL || !revision_is_commit(model->revision) ||
	                           revision_is_commit(model->ref)))
		policy_error(
		        policy, FINDING_POLICY_VALUE, (enum policy_source)said->source, said->line,
		        "pin the commit (revision = 40 hexadecimal digits), or remove ref",
		        "ref = %.128s names a commit of the hub cache, which [model %.128s] does not pin",
		        model->ref, model->name);
}

/* What aweigh or a loader decides by is no name for a model's path. */
static bool is_spoken_for(const char *name)
{
	static const char *const others[] = { "PATH",  "HOME", "BASH_ENV", "ENV",   "IFS",
		                              "SHELL", "USER", "LOGNAME",  "TMPDIR" };
	const struct library_variable *known = library_variable(name, strlen(name));

	/* PYTHONPATH and its like; PYTHON_MODELS is anybody's own. */
	if (strncmp(name, "LD_", 3) == 0 ||
	    (strncmp(name, "PYTHON", 6) == 0 && name[6] >= 'A' && name[6] <= 'Z'))
		return true;
	for (size_t i = 0; i < LENGTH_OF(others); i++)
		if (strcmp(name, others[i]) == 0)
			return true;
	return known != NULL && known->role != VARIABLE_OTHER && known->role != VARIABLE_DEAD;
}

/* The models that are started with, of which an optional one may stand for another. */
static void check_export(struct policy *policy, size_t index)
{
	const struct model *model = &policy->models[index];
	const struct origin *said = MODEL_SAID(model, EXPORT);

	if (model->export == NULL || !model->selected)
		return;
	if (is_spoken_for(model->export))
		policy_error(policy, FINDING_POLICY_VALUE, (enum policy_source)said->source,
		             said->line, "choose a name of your own",
		             "export = %.128s has a meaning of its own", model->export);
	for (size_t i = 0; i < index && !model->optional; i++)
		if (policy->models[i].selected && !policy->models[i].optional &&
		    policy->models[i].export != NULL &&
		    strcmp(policy->models[i].export, model->export) == 0)
			policy_error(policy, FINDING_POLICY_DUPLICATE,
			             (enum policy_source)said->source, said->line,
			             "give each model a variable of its own",
			             "export = %.128s is [model %.128s]'s already", model->export,
			             policy->models[i].name);
}

static void check_models(struct policy *policy)
{
	for (size_t i = 0; i < policy->model_count; i++) {
		const struct model *model = &policy->models[i];

		check_list_length(policy, model->files.count, MODEL_SAID(model, FILES), "files");
		check_list_length(policy, model->require.count, MODEL_SAID(model, REQUIRE),
		                  "require");
		/* One that was said and could not be taken has an error of its own. */
		if (MODEL_SAID(model, REPO)->text == NULL && MODEL_SAID(model, PATH)->text == NULL)
			policy_error(policy, FINDING_POLICY_VALUE,
			             (enum policy_source)model->source, model->line,
			             "add repo = org/name, or path = /directory",
			             "[model %s] names neither repo nor path", model->name);
		check_ref(policy, model);
		if (model->min_size_bytes > model->max_size_bytes)
			policy_error(policy, FINDING_POLICY_VALUE, SOURCE_POLICY,
			             MODEL_SAID(model, MAX_SIZE)->line, NULL,
			             "[model %s] has a max_size below its min_size", model->name);
	}
}

void policy_directory(const char *file, struct text *out)
{
	const char *slash = strrchr(file, '/');

	if (slash != NULL)
		text_add_bytes(out, file, (size_t)(slash - file) + 1);
}

static int read_models_file(struct policy *policy, const struct policy_input *input)
{
	const char *named = policy->manifest;
	char path[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(path);
	CLEANUP(cleanup_free) char *data = NULL;
	size_t length;
	int error;

	if (named == NULL)
		return 0;
	if (named[0] != '/')
		policy_directory(input->file, &text);
	text_add(&text, named);
	error = patient_read(named[0] == '/' ? input->models_tree : input->tree, path,
	                     MAX_POLICY_BYTES, input->signals, &data, &length);
	if (error == -ETIMEDOUT)
		return error;
	policy->file[SOURCE_MANIFEST] = arena_copy(policy->arena, path, text.length);
	if (error < 0)
		policy_error(policy, FINDING_POLICY_MISSING, SOURCE_POLICY,
		             policy->said[KEY_MANIFEST].line, "name a readable file in manifest",
		             "the models file %.512s cannot be read: %s", path,
		             error == -EFBIG ? "larger than 4 MiB" : patient_words(error));
	else
		models_file_parse(policy, data, length);
	return 0;
}

int policy_parse(struct policy *policy, const struct policy_input *input, const char *text,
                 size_t length)
{
	struct reader reader = { .policy = policy,
		                 .environment = input->environment,
		                 .section = SECTION_COUNT };
	struct ini_events events = { .context = &reader, .section = on_section, .value = on_value };

	memset(policy, 0, sizeof(*policy));
	policy->arena = arena_new();
	if (policy->arena == NULL)
		return -ENOMEM;
	policy->file[SOURCE_POLICY] = input->file;
	policy->report = input->report;
	policy->report_context = input->report_context;
	set_defaults(policy);
	return ini_read(policy, text, length, &events);
}

static void report_unreadable(struct policy *policy, const struct policy_input *input, int error)
{
	const char *why = error == -EISDIR ? "it is a directory" :
	                  error == -EINVAL ? "it is not a regular file" :
	                  error == -EFBIG  ? "it is larger than 4 MiB, no policy is" :
	                                     patient_words(error);

	policy_error(policy, FINDING_POLICY_MISSING, SOURCE_POLICY, 0,
	             error == -EACCES ? "let the user that aweigh is started as read it" : NULL,
	             "the policy %.900s%s cannot be read: %s", input->file,
	             input->tree->root_fd >= 0 ? " beneath --root" : "", why);
}

/* What the command line says goes before what the policy says; a level only where it is a closer one. */
static int apply_options(struct policy *policy, const struct policy_input *input)
{
	struct list only = policy->only;

	if (input->user != NULL)
		value_store(policy, NULL, KEY_USER, input->user, 0, SOURCE_POLICY);
	if (input->level > (int)policy->verify)
		value_store(policy, NULL, KEY_VERIFY, level_words[input->level], 0, SOURCE_POLICY);
	if (input->only != NULL && !value_split(policy->arena, input->only, ',', &only))
		return -ENOMEM;
	policy_select_models(policy, &only, input->only != NULL ? 0 : policy->said[KEY_ONLY].line);
	return 0;
}

int policy_read(struct policy *policy, const struct policy_input *input)
{
	CLEANUP(cleanup_free) char *text = NULL;
	size_t length = 0;
	int error = patient_read(input->tree, input->file, MAX_POLICY_BYTES, input->signals, &text,
	                         &length);
	int result = policy_parse(policy, input, error < 0 ? "" : text, error < 0 ? 0 : length);

	if (error == -ETIMEDOUT)
		return error;
	if (result < 0)
		return result;
	if (error < 0) {
		report_unreadable(policy, input, error);
		return 0;
	}
	error = read_models_file(policy, input);
	if (error < 0)
		return error;
	check_models(policy);
	error = apply_options(policy, input);
	for (size_t i = 0; i < policy->model_count; i++)
		check_export(policy, i);
	return error;
}

void policy_release(struct policy *policy)
{
#define FREE_ROWS(type, name) free(policy->name);
	POLICY_ROWS(FREE_ROWS)
#undef FREE_ROWS
	free(policy->models);
	free(policy->rows);
	arena_free(policy->arena);
	memset(policy, 0, sizeof(*policy));
}
