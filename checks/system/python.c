/* SPDX-License-Identifier: Apache-2.0 */
#include "system/python.h"

#include <fcntl.h>
#include <string.h>

#include "base/dir.h"
#include "base/list.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

void dist_normalise(const char *name, size_t length, char *out, size_t size)
{
	struct text text = text_over(out, size);

	for (size_t i = 0; i < length; i++) {
		bool dash = name[i] == '-' || name[i] == '_' || name[i] == '.';
		char c = scan_lower(name[i]);

		if (!dash)
			text_add_bytes(&text, &c, 1);
		else if (text.length == 0 || out[text.length - 1] != '-')
			text_add(&text, "-");
	}
}

bool dist_info_name(const char *directory, char *name, size_t name_size, char *version,
                    size_t version_size)
{
	size_t length = strlen(directory);
	const char *dash;
	struct text text;

	if (!path_ends(directory, ".dist-info"))
		return false;
	length -= 10;
	dash = memrchr(directory, '-', length);
	if (dash == NULL || dash == directory || dash == directory + length - 1)
		return false;
	dist_normalise(directory, (size_t)(dash - directory), name, name_size);
	text = text_over(version, version_size);
	text_add_bytes(&text, dash + 1, (size_t)(directory + length - dash - 1));
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What follows the release number: dev < a < b < rc < nothing < post, as PEP 440 orders them. */
static int suffix_rank(const char *suffix)
{
	static const struct {
		const char *word;
		int rank;
	} words[] = {
		{ "dev", 0 }, { "a", 1 }, { "b", 2 }, { "rc", 3 }, { "c", 3 }, { "post", 5 }
	};

	while (*suffix == '.' || *suffix == '-' || *suffix == '_')
		suffix++;
	for (size_t i = 0; i < LENGTH_OF(words); i++)
		if (strncmp(suffix, words[i].word, strlen(words[i].word)) == 0)
			return words[i].rank;
	return 4;
}

int version_compare(const char *a, const char *b)
{
	int rank_a, rank_b;

	for (;;) {
		unsigned long long x = 0, y = 0;
		bool more_a = is_digit(*a), more_b = is_digit(*b);

		for (; is_digit(*a); a++)
			x = x * 10 + (unsigned long long)(*a - '0');
		for (; is_digit(*b); b++)
			y = y * 10 + (unsigned long long)(*b - '0');
		if (x != y)
			return x < y ? -1 : 1;
		if (!more_a && !more_b)
			break;
		a += a[0] == '.' && is_digit(a[1]);
		b += b[0] == '.' && is_digit(b[1]);
	}
	rank_a = suffix_rank(a);
	rank_b = suffix_rank(b);
	if (rank_a != rank_b)
		return rank_a < rank_b ? -1 : 1;
	return rank_a == 4 ? 0 : strcmp(a, b);
}

/* Splits "!=2.27.1" into sign and version. */
static size_t sign_length(const char *text)
{
	static const char *const signs[] = { "==", "!=", ">=", "<=", ">", "<" };

	for (size_t i = 0; i < LENGTH_OF(signs); i++)
		if (strncmp(text, signs[i], strlen(signs[i])) == 0)
			return strlen(signs[i]);
	return 0;
}

static uint64_t next_number(const char **at)
{
	size_t length = strspn(*at, "0123456789");
	uint64_t number = 0;

	(void)scan_u64(*at, length, &number);
	*at += length;
	*at += **at == '.' && is_digit((*at)[1]);
	return number;
}

/* PEP 440, ==5.0.*: by components, and what is not there is 0. */
static bool has_prefix(const char *version, const char *prefix)
{
	while (*prefix != '\0') {
		if (!is_digit(*prefix))
			return false;
		if (next_number(&version) != next_number(&prefix))
			return false;
	}
	return true;
}

static bool condition_holds(const char *version, const char *text, size_t length)
{
	size_t sign = sign_length(text);
	char wanted[64];
	struct text copy = TEXT_OVER(wanted);
	int order;

	while (sign < length && scan_is_space(text[sign]))
		sign++;
	text_add_bytes(&copy, text + sign, length - sign);
	if (length > 2 && memcmp(text + length - 2, ".*", 2) == 0) {
		wanted[copy.length - 2] = '\0';
		return has_prefix(version, wanted) == (text[0] == '=');
	}
	order = version_compare(version, wanted);
	if (text[0] == '!')
		return order != 0;
	if (text[0] == '>')
		return text[1] == '=' ? order >= 0 : order > 0;
	if (text[0] == '<')
		return text[1] == '=' ? order <= 0 : order < 0;
	return order == 0;
}

bool version_fits(const char *version, const char *spec)
{
	const char *at = NULL, *text;
	size_t length;

	if (strcmp(spec, "absent") == 0)
		return false;
	if (strcmp(spec, "present") == 0)
		return true;
	while ((text = list_next(spec, ',', &at, &length)) != NULL)
		if (!condition_holds(version, text, length))
			return false;
	return true;
}

bool version_spec_is_valid(const char *spec)
{
	const char *at = NULL, *text;
	size_t length, count = 0;

	if (strcmp(spec, "absent") == 0 || strcmp(spec, "present") == 0)
		return true;
	while ((text = list_next(spec, ',', &at, &length)) != NULL) {
		size_t sign = sign_length(text);

		while (sign < length && text[sign] == ' ')
			sign++;
		if (sign >= length || !is_digit(text[sign]) || length - sign >= 64)
			return false;
		/* PEP 440 has 23.* with == and != alone. */
		if (memchr(text, '*', length) != NULL &&
		    (memchr(text, '*', length) != text + length - 1 || text[length - 2] != '.' ||
		     (text[0] != '=' && text[0] != '!')))
			return false;
		count++;
	}
	return count > 0;
}

static void walk_site(const struct tree *tree, const char *site, dist_visit *visit, void *context)
{
	int fd = tree_open(tree, site, O_RDONLY | O_DIRECTORY);
	CLEANUP(dir_close) struct dir directory = dir_over(fd, MAX_DIRECTORY_ENTRIES);
	char name[MAX_NAME_BYTES], version[MAX_NAME_BYTES];
	struct dirent *entry;

	while ((entry = dir_next(&directory)) != NULL)
		if (dist_info_name(entry->d_name, name, sizeof(name), version, sizeof(version)))
			visit(context, site, name, version);
}

/* PREFIX/lib/python3*: site-packages and Debian's dist-packages. */
static void walk_prefix(const struct tree *tree, const char *prefix, dist_visit *visit,
                        void *context)
{
	static const char *const kinds[] = { "site-packages", "dist-packages" };
	char lib[MAX_PATH_BYTES], python[MAX_PATH_BYTES], site[MAX_PATH_BYTES];
	struct dirent *entry;
	CLEANUP(dir_close) struct dir directory = { 0 };

	if (!path_join(lib, sizeof(lib), prefix, "lib"))
		return;
	directory = dir_over(tree_open(tree, lib, O_RDONLY | O_DIRECTORY), MAX_DIRECTORY_ENTRIES);
	while ((entry = dir_next(&directory)) != NULL) {
		if (strncmp(entry->d_name, "python3", 7) != 0 ||
		    !path_join(python, sizeof(python), lib, entry->d_name))
			continue;
		for (size_t i = 0; i < LENGTH_OF(kinds); i++)
			if (path_join(site, sizeof(site), python, kinds[i]))
				walk_site(tree, site, visit, context);
	}
}

void dist_walk(const struct tree *tree, const struct environment *environment, dist_visit *visit,
               void *context)
{
	static const char *const prefixes[] = { "/usr",  "/usr/local", "/opt/venv", "/opt/conda",
		                                "/venv", "/app/.venv", "/app/venv" };
	static const char *const variables[] = { "VIRTUAL_ENV", "CONDA_PREFIX" };
	const char *path = environment_get(environment, "PYTHONPATH"), *at = NULL, *part;
	size_t length;

	for (size_t i = 0; i < LENGTH_OF(variables); i++) {
		const char *prefix = environment_get(environment, variables[i]);

		if (prefix != NULL && prefix[0] == '/')
			walk_prefix(tree, prefix, visit, context);
	}
	while (path != NULL && (part = list_next(path, ':', &at, &length)) != NULL) {
		char site[MAX_PATH_BYTES];
		struct text text = TEXT_OVER(site);

		text_add_bytes(&text, part, length);
		if (site[0] == '/' && !text.cut)
			walk_site(tree, site, visit, context);
	}
	for (size_t i = 0; i < LENGTH_OF(prefixes); i++)
		walk_prefix(tree, prefixes[i], visit, context);
}
