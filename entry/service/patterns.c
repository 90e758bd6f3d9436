/* SPDX-License-Identifier: Apache-2.0 */
#include "service/patterns.h"

#include <string.h>

#include "base/glob.h"
#include "base/text.h"
#include "bounds.h"
#include "util.h"

/* What the word `huggingface` in a list of patterns stands for, each with what it tells. */
static const struct {
	const char *pattern, *reason;
} known[] = {
	{ "LocalEntryNotFoundError", "the library did not find the model in its cache" },
	{ "OfflineModeIsEnabled", "the library wanted to reach the hub, and is offline" },
	{ "CERTIFICATE_VERIFY_FAILED", "a certificate was refused: something was asked over TLS" },
	{ "certificate verify failed", "a certificate was refused: something was asked over TLS" },
	{ "Retrying in * [Retry ", "a host was asked, did not answer, and is asked again" },
	{ "Fetching * files: ", "files of a repository are asked for (huggingface_hub)" },
	{ "Repository Not Found for url", "the hub was asked" },
	{ "GatedRepoError", "the hub was asked" },
	{ "MaxRetryError", "a host was asked, and did not answer" },
	{ "Temporary failure in name resolution", "a host's name was asked for" },
	{ "couldn't connect to 'https://huggingface.co'", "transformers asked the hub" },
	{ "using HuggingFace Hub", "the model was not where the service looked first" },
	{ "Downloading * to *", "a download began (huggingface_hub)" },
	{ "Some weights of * were not initialized", "the weights do not fit the model" },
	{ "Traceback (most recent call last)", "an exception was not caught" },
};

bool pattern_holds(const char *line, const char *pattern)
{
	char wanted[MAX_SETTING_BYTES];
	struct text text = TEXT_OVER(wanted);
	size_t plain = strcspn(pattern, "*?[\\");

	/* Most lines lack even what the pattern begins with. */
	if (memmem(line, strlen(line), pattern, plain) == NULL)
		return false;
	text_addf(&text, "*%s*", pattern);
	return glob_matches(wanted, line);
}

const char *pattern_meets(const char *line, const char *element)
{
	if (strcmp(element, "huggingface") != 0)
		return pattern_holds(line, element) ? element : NULL;
	for (size_t i = 0; i < LENGTH_OF(known); i++)
		if (pattern_holds(line, known[i].pattern))
			return known[i].reason;
	return NULL;
}
