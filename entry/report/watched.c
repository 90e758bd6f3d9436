/* SPDX-License-Identifier: Apache-2.0 */
#include "report/watched.h"

#include <string.h>
#include <sys/wait.h>

#define SHOWN_PROGRAMS 5u /* JSON has all that are known */
#define SHOWN_HOSTS 5u

/* A shell's start-up alone starts a dozen. */
static void add_programs(struct text *text, const struct report_service *service)
{
	size_t count = 0;

	for (; service->programs[count] != NULL; count++)
		if (count < SHOWN_PROGRAMS)
			text_addf(text, "%s %.256s", count == 0 ? "; started" : ",",
			          service->programs[count]);
	if (count > SHOWN_PROGRAMS)
		text_addf(text, " and %zu more", count - SHOWN_PROGRAMS);
}

/* Each once, whatever it wanted of it. */
static void add_hosts(struct text *text, const struct report_service *service, const char *before,
                      size_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < service->attempt_count; i++) {
		const char *host = service->attempts[i].host;
		size_t first = 0;

		while (strcmp(service->attempts[first].host, host) != 0)
			first++;
		if (first == i && count++ < most)
			text_addf(text, "%s %.128s", count == 1 ? before : ",", host);
	}
	if (count > most)
		text_addf(text, " and %zu more", count - most);
}

/* Libraries look for what a model may have: it is told, and nothing is wrong with it. */
static void add_absent(struct text *text, const struct report_service *service)
{
	size_t count = 0;

	for (size_t i = 0; i < service->used_count; i++)
		count += service->used[i].absent;
	if (count > 0)
		text_addf(text, "; looked for %zu file%s that its models do not have", count,
		          count == 1 ? "" : "s");
}

void watched_add(struct text *text, const struct report_service *service)
{
	if (service->ready)
		text_addf(text, "ready after %.2f s", (double)service->ready_ms / 1e3);
	else
		text_add(text, "not ready");
	if (service->first_output_ms > 0)
		text_addf(text, ", first output after %.2f s",
		          (double)service->first_output_ms / 1e3);
	text_addf(text, ", ended %s %d after %.2f s; %s at most, %llu line%s",
	          WIFSIGNALED(service->status) ? "by signal" : "with status",
	          WIFSIGNALED(service->status) ? WTERMSIG(service->status) :
	                                         WEXITSTATUS(service->status),
	          (double)service->end_ms / 1e3, size_text(service->memory_bytes).text,
	          (unsigned long long)service->lines, service->lines == 1 ? "" : "s");
	for (size_t i = 0; service->ports[i] != 0; i++)
		text_addf(text, "%s %u", i == 0 ? "; listened on" : ",", service->ports[i]);
	add_programs(text, service);
	add_absent(text, service);
	if (service->uncovered > 0)
		text_addf(text, "; opened or missed %zu file%s that no [model] section covers",
		          service->uncovered, service->uncovered == 1 ? "" : "s");
	add_hosts(text, service, "; reached out to", SHOWN_HOSTS);
}

void watched_add_reach(struct text *text, const struct report_service *service)
{
	add_hosts(text, service, ", which reached out to", 1);
}
