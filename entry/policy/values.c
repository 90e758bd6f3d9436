/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/values.h"

#include <string.h>

#include "base/arena.h"
#include "base/glob.h"
#include "base/list.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/words.h"
#include "confine/caps.h"
#include "confine/egress.h"
#include "formats/formats.h"
#include "hub/cache.h"
#include "policy/errors.h"
#include "util.h"

struct value {
	struct arena *arena;
	const struct key *key;
	const char *text;
	size_t length;
	void *field;
	const char *wrong; /* the element that is wrong, where it is not the whole */
};

bool value_split(struct arena *arena, const char *text, char separator, struct list *out)
{
	const char *at = NULL, *element, **items;
	size_t length, count = 0;

	while (list_next(text, separator, &at, &length) != NULL)
		count++;
	items = count == 0 ? NULL : arena_take(arena, count * sizeof(*items));
	*out = (struct list){ items, 0 };
	if (items == NULL)
		return count == 0;
	for (at = NULL; (element = list_next(text, separator, &at, &length)) != NULL;) {
		items[out->count] = arena_copy(arena, element, length);
		if (items[out->count++] == NULL)
			return false;
	}
	return true;
}

/* Readers: false where the text is not what the key expects. The field is written only on success. */

static bool read_text(struct value *value)
{
	const char *copy = arena_copy(value->arena, value->text, value->length);

	memcpy(value->field, &copy, sizeof(copy));
	return copy != NULL;
}

static bool read_path(struct value *value)
{
	/* No shell comes between. */
	return value->length < MAX_PATH_BYTES && strncmp(value->text, "~/", 2) != 0 &&
	       read_text(value);
}

static bool read_bool(struct value *value)
{
	return scan_bool(value->text, value->length, value->field);
}

/* An enum's type is that of its enumerators, int or unsigned, which have one size and representation here. */
static bool read_enum(struct value *value)
{
	for (unsigned i = 0; value->key->words[i] != NULL; i++)
		if (strcmp(value->key->words[i], value->text) == 0) {
			memcpy(value->field, &i, sizeof(i));
			return true;
		}
	return false;
}

static bool read_number(struct value *value,
                        bool (*scan)(const char *text, size_t length, uint64_t *out))
{
	uint64_t number;

	if (!scan(value->text, value->length, &number) || number < value->key->least ||
	    number > value->key->most)
		return false;
	memcpy(value->field, &number, sizeof(number));
	return true;
}

static bool read_size(struct value *value)
{
	return read_number(value, scan_size);
}

static bool read_duration(struct value *value)
{
	return read_number(value, scan_duration);
}

static bool read_count(struct value *value)
{
	return read_number(value, scan_u64);
}

static bool read_mode(struct value *value)
{
	uint64_t bits;
	int mode;

	/* umask(2) takes no more than the permission bits. */
	if (!scan_octal(value->text, value->length, &bits) ||
	    bits > (value->key == &policy_keys[KEY_UMASK] ? 0777u : 07777u))
		return false;
	mode = (int)bits;
	memcpy(value->field, &mode, sizeof(mode));
	return true;
}

static bool read_list(struct value *value)
{
	struct list list;

	if (!value_split(value->arena, value->text, ',', &list))
		return false;
	memcpy(value->field, &list, sizeof(list));
	return true;
}

static bool read_require(struct value *value)
{
	struct requirements out;
	struct requirement *items;
	struct list all;

	if (!value_split(value->arena, value->text, ',', &all))
		return false;
	items = arena_take(value->arena, (all.count + 1) * sizeof(*items));
	if (items == NULL)
		return false;
	for (size_t i = 0; i < all.count; i++) {
		items[i].text = all.items[i];
		if (!value_split(value->arena, all.items[i], '|', &items[i].any))
			return false;
	}
	out = (struct requirements){ items, all.count };
	memcpy(value->field, &out, sizeof(out));
	return true;
}

static bool read_formats(struct value *value)
{
	struct list list;

	if (!value_split(value->arena, value->text, ',', &list))
		return false;
	for (size_t i = 0; i < list.count; i++) {
		const struct format *format = format_find(list.items[i], strlen(list.items[i]));

		if (format == NULL || !format->weights) {
			value->wrong = list.items[i];
			return false;
		}
	}
	memcpy(value->field, &list, sizeof(list));
	return true;
}

static bool read_variable(struct value *value)
{
	size_t length = 0;

	while (scan_is_name(value->text[length]))
		length++;
	return length > 0 && length == value->length && length < MAX_NAME_BYTES &&
	       (value->text[0] < '0' || value->text[0] > '9') && read_text(value);
}

static bool read_revision(struct value *value)
{
	return revision_fault(value->text) == NULL && read_text(value);
}

static bool read_repo(struct value *value)
{
	return repo_id_fault(value->text) == NULL && read_text(value);
}

/* http:// or https://, a host, and nothing that no address has; "{repo}" of a template may be there. */
static bool is_url(const char *text)
{
	size_t length = strlen(text);
	size_t scheme = strncmp(text, "https://", 8) == 0 ? 8 :
	                strncmp(text, "http://", 7) == 0  ? 7 :
	                                                    0;

	if (scheme == 0 || length <= scheme || length >= MAX_URL_BYTES / 2 || text[scheme] == '/')
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("\"\\<>`#", text[i]) != NULL)
			return false;
	return true;
}

static bool read_url(struct value *value)
{
	return is_url(value->text) && read_text(value);
}

static bool read_urls(struct value *value)
{
	struct list list;

	if (!value_split(value->arena, value->text, ',', &list) || list.count > MAX_ENDPOINTS)
		return false;
	for (size_t i = 0; i < list.count; i++)
		if (!is_url(list.items[i]))
			return false;
	memcpy(value->field, &list, sizeof(list));
	return true;
}

static bool read_capabilities(struct value *value)
{
	return capabilities_parse(value->text, value->field);
}

static bool read_egress(struct value *value)
{
	return egress_parse(value->text, value->field);
}

static bool read_ports(struct value *value)
{
	struct ports ports;

	if (!list_ports(value->text, ports.at, MAX_REDIRECT_PORTS, &ports.count))
		return false;
	memcpy(value->field, &ports, sizeof(ports));
	return true;
}

static bool (*const readers[TYPE_COUNT_OF])(struct value *value) = {
	[TYPE_TEXT] = read_text,
	[TYPE_PATH] = read_path,
	[TYPE_BOOL] = read_bool,
	[TYPE_ENUM] = read_enum,
	[TYPE_SIZE] = read_size,
	[TYPE_DURATION] = read_duration,
	[TYPE_COUNT] = read_count,
	[TYPE_LIST] = read_list,
	[TYPE_REQUIRE] = read_require,
	[TYPE_FORMATS] = read_formats,
	[TYPE_MODE] = read_mode,
	[TYPE_USER] = read_text, /* against the image's passwd file, later */
	[TYPE_VARIABLE] = read_variable,
	[TYPE_REVISION] = read_revision,
	[TYPE_REPO] = read_repo,
	[TYPE_URL] = read_url,
	[TYPE_URLS] = read_urls,
	[TYPE_CAPABILITIES] = read_capabilities,
	[TYPE_EGRESS] = read_egress,
	[TYPE_PORTS] = read_ports,
};

/* Of weights; in the place of others the first once again. */
static const char *next_format(const void *context, size_t index)
{
	(void)context;
	return index >= format_count ? NULL : formats[formats[index].weights ? index : 0].name;
}

static void report(struct policy *policy, const struct value *value, unsigned line,
                   enum policy_source source)
{
	const struct key *key = value->key;
	const char *fault = key->type == TYPE_REPO ? repo_id_fault(value->text) : NULL;
	const char *near = key->words != NULL   ? words_nearest(value->text, words_of, key->words) :
	                   value->wrong != NULL ? words_nearest(value->wrong, next_format, NULL) :
	                                          NULL;
	char sentence[512], fix[96];
	struct text expected = TEXT_OVER(sentence), help = TEXT_OVER(fix);

	key_expects(key, &expected);
	text_addf(&help, "aweigh help %s.%s says what it is for",
	          policy_section_names[key->section], key->name);
	if (near != NULL)
		text_addf(&expected, "; did you mean %s?", near);
	if (fault != NULL)
		policy_error(
		        policy, FINDING_POLICY_VALUE, source, line,
		        "write the id as the hub spells it: org/name; a directory is named by path, a commit by revision",
		        "repository id '%.200s' %s", value->text, fault);
	else if (key->type == TYPE_URL || key->type == TYPE_URLS) /* it may hold a password */
		policy_error(policy, FINDING_POLICY_VALUE, source, line, fix, "%s: expected %s",
		             key->name, sentence);
	else if (value->wrong != NULL)
		policy_error(policy, FINDING_POLICY_VALUE, source, line, fix,
		             "%s: '%.64s' is not among %s", key->name, value->wrong, sentence);
	else
		policy_error(policy, FINDING_POLICY_VALUE, source, line, fix,
		             "%s = %.200s: expected %s", key->name, value->text, sentence);
}

void value_store(struct policy *policy, struct model *model, enum key_id id, const char *text,
                 unsigned line, enum policy_source source)
{
	const struct key *key = &policy_keys[id];
	bool of_model = key->section == SECTION_MODEL;
	struct value value = { .arena = policy->arena,
		               .key = key,
		               .text = text,
		               .length = strlen(text),
		               .field = (of_model ? (char *)model : (char *)policy) + key->offset };
	struct origin *said = of_model ? &model->said[id - FIRST_MODEL_KEY] : &policy->said[id];

	if (!readers[key->type](&value))
		report(policy, &value, line, source);
	said->text = arena_copy(policy->arena, text, value.length);
	said->line = line;
	said->source = (uint16_t)source;
}
