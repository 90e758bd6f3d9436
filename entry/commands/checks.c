/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "base/words.h"
#include "commands/commands.h"
#include "engine/findings.h"
#include "report/catalogue.h"
#include "report/complain.h"
#include "util.h"

static int report_unknown(const char *code)
{
	char sentence[256];
	struct text text = TEXT_OVER(sentence);

	text_addf(&text, "no finding has the code '%.64s'", code);
	(void)words_suggest(&text, code, finding_code_at, NULL);
	return complain(STATUS_USAGE, sentence);
}

int command_checks(struct run *run)
{
	const char *word = run->options.word;
	unsigned first = word == NULL ? 0 : (unsigned)finding_find(word);
	unsigned count = word == NULL ? FINDING_COUNT : 1;

	if (first == FINDING_COUNT)
		return report_unknown(word);
	if (strcmp(run->options.format->name, "json") == 0)
		catalogue_print_json(first, count, stdout);
	else
		for (unsigned i = 0; i < count; i++)
			catalogue_print((enum finding_id)(first + i), stdout);
	return STATUS_OK;
}
