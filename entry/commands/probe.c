/* SPDX-License-Identifier: Apache-2.0 */
#include "base/glob.h"
#include "base/scan.h"
#include "base/text.h"
#include "commands/commands.h"
#include "report/complain.h"
#include "service/target.h"
#include "util.h"

#define USUAL_TIMEOUT_MS 2000u

/* 0: it answers; 1: it does not. What a HEALTHCHECK or a kubelet's exec probe reads of it is that, and the sentence. */
int command_probe(struct run *run)
{
	const struct options *options = &run->options;
	char sentence[1024];
	struct text why = TEXT_OVER(sentence);
	uint64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : USUAL_TIMEOUT_MS;
	struct target target;

	if (options->word == NULL)
		return complain(
		        STATUS_USAGE,
		        "probe needs what to ask: http:// or https://127.0.0.1:PORT/PATH, tcp:PORT or unix:/PATH");
	if (!target_parse(&target, options->word, &why) ||
	    !target_may_be_asked(&target, options->allow_remote, &why))
		return complain(STATUS_USAGE, sentence);
	if (!target_can_be_tried(&target))
		return complain(
		        STATUS_USAGE,
		        "probe asks http://, https://, tcp:PORT, unix:/PATH and file:/PATH: smoke, which starts the service, sees its log, its notification and its end");
	if (options->body != NULL && target.kind != TARGET_HTTP)
		return complain(STATUS_USAGE,
		                "--body goes with http:// and https://: nothing else has a body");
	if (options->body != NULL && !glob_is_sound(options->body))
		return complain(STATUS_USAGE,
		                "--body does not close its [: write [[] for a bracket itself");
	if (target_try(&target, options->body, timeout_ms, &why))
		return STATUS_OK;
	(void)complain(STATUS_OK, sentence);
	return 1;
}
