/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/models_file.h"

#include <string.h>

#include "base/scan.h"
#include "base/words.h"
#include "hub/cache.h"
#include "policy/errors.h"
#include "policy/models.h"
#include "policy/values.h"
#include "util.h"

static void store(struct policy *policy, struct model *model, enum key_id id, const char *text,
                  unsigned line)
{
	value_store(policy, model, id, text, line, SOURCE_MANIFEST);
}

static void parse_line(struct policy *policy, char *line, unsigned number)
{
	char *words[3] = { NULL }, *revision;
	struct model *model;
	size_t count = 0;

	for (char *at = line; *at != '\0' && *at != '#';) {
		size_t length = strcspn(at, " \t");
		bool end = at[length] == '\0';

		if (length > 0 && count < LENGTH_OF(words))
			words[count] = at;
		count += length > 0;
		at[length] = '\0';
		at += length + !end;
	}
	if (count == 0)
		return;
	if (count > 2 || (count == 2 && strncmp(words[1], "gguf:", 5) != 0)) {
		policy_error(policy, FINDING_POLICY_SYNTAX, SOURCE_MANIFEST, number,
		             "a line is `org/name[@revision] [gguf:FILE]`",
		             "unknown selector '%.64s'%s", words[count > 2 ? 2 : 1],
		             count == 2 && strchr(words[1], ':') != NULL ?
		                     "; did you mean gguf:FILE?" :
		                     "");
		return;
	}
	revision = strchr(words[0], '@');
	if (revision != NULL)
		*revision++ = '\0';
	model = policy_add_model(policy, words[0], strlen(words[0]), number, SOURCE_MANIFEST);
	if (model == NULL)
		return;
	store(policy, model, KEY_REPO, words[0], number);
	if (revision != NULL)
		store(policy, model, KEY_REVISION, revision, number);
	if (count == 2) {
		store(policy, model, KEY_FILES, words[1] + 5, number);
		store(policy, model, KEY_REQUIRE, words[1] + 5, number);
	}
}

void models_file_parse(struct policy *policy, const char *text, size_t length)
{
	const char *at = text, *end = text + length;
	char line[MAX_MANIFEST_LINE_BYTES];
	unsigned number = 0;

	if (length >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) ==
	                           0) /* editors of other systems leave it; it says nothing */
		at += 3;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t size;

		if (stop == NULL)
			stop = end;
		size = (size_t)(stop - at);
		if (size > 0 && at[size - 1] == '\r')
			size--;
		number++;
		if (size >= sizeof(line) || memchr(at, '\0', size) != NULL) {
			policy_error(policy, FINDING_POLICY_SYNTAX, SOURCE_MANIFEST, number, NULL,
			             size >= sizeof(line) ? "the line is longer than 1,023 bytes" :
			                                    "the line holds a NUL byte");
		} else {
			memcpy(line, at, size);
			line[size] = '\0';
			parse_line(policy, line, number);
		}
		at = stop + 1;
	}
}
