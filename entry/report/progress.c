/* SPDX-License-Identifier: Apache-2.0 */
#include "report/progress.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/text.h"
#include "report/escape.h"
#include "util.h"

#define REDRAW_NS 100000000u
#define LINE_NS 10000000000u /* a line in a log every ten seconds */
#define BAR_CELLS 20u

void progress_begin(struct progress *progress, enum progress_style style, int fd,
                    const struct policy *policy, uint64_t now_ns)
{
	memset(progress, 0, sizeof(*progress));
	progress->style = style;
	progress->fd = fd;
	progress->policy = policy;
	progress->started_ns = progress->shown_ns = now_ns;
}

/* A terminal or pipe that takes nothing holds nothing up: what does not fit now is not shown. */
static void put(const struct progress *progress, const struct text *text)
{
	struct pollfd ready = { .fd = progress->fd, .events = POLLOUT };

	if (poll(&ready, 1, 0) == 1)
		(void)!write(progress->fd, text->at, text->length);
}

static const char *name_of(const struct progress *progress, int model)
{
	return progress->policy->models[model].name;
}

static void add_escaped(struct text *text, const char *value)
{
	char escaped[4 * 256];

	escape_into(escaped, sizeof(escaped), value);
	text_add(text, escaped);
}

/* A line for logs: key=value, or the same as one object. */
struct line {
	char buffer[2048];
	struct text text;
	bool json, any;
};

static void line_begin(struct line *line, const struct progress *progress)
{
	line->text = TEXT_OVER(line->buffer);
	line->json = progress->style == PROGRESS_JSON;
	line->any = false;
	text_add(&line->text, line->json ? "{" : "aweigh:");
}

static void line_key(struct line *line, const char *key)
{
	if (line->json)
		text_addf(&line->text, "%s\"%s\": ", line->any ? ", " : "", key);
	else
		text_addf(&line->text, " %s=", key);
	line->any = true;
}

/* A sentence, blanks and all: quoted in both styles. */
static void line_sentence(struct line *line, const char *key, const char *value)
{
	char escaped[4 * 256];

	escape_into(escaped, sizeof(escaped), value);
	line_key(line, key);
	text_add(&line->text, "\"");
	for (const char *at = escaped; *at != '\0'; at++)
		text_addf(&line->text, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
	text_add(&line->text, "\"");
}

/* A word: quoted in JSON only, so that a blank in it has to be written otherwise in a log. */
static void line_text(struct line *line, const char *key, const char *value)
{
	char escaped[4 * 256];

	if (line->json) {
		line_sentence(line, key, value);
		return;
	}
	escape_into(escaped, sizeof(escaped), value);
	line_key(line, key);
	for (const char *at = escaped; *at != '\0'; at++) {
		if (*at == ' ')
			text_add(&line->text, "\\x20");
		else
			text_addf(&line->text, "%c", *at);
	}
}

static void line_number(struct line *line, const char *key, uint64_t value)
{
	line_key(line, key);
	text_addf(&line->text, "%llu", (unsigned long long)value);
}

static void line_end(struct line *line, const struct progress *progress)
{
	text_add(&line->text, line->json ? "}\n" : "\n");
	put(progress, &line->text);
}

static void clear_lines(struct progress *progress)
{
	char buffer[512];
	struct text text = TEXT_OVER(buffer);

	if (progress->lines > 0)
		text_addf(&text, "\033[%zuA\r\033[J", progress->lines);
	progress->lines = 0;
	put(progress, &text);
}

void progress_tell(struct progress *progress, int model, const char *status, const char *action)
{
	struct line line;

	if (progress->style == PROGRESS_NONE || progress->style == PROGRESS_TERMINAL)
		return;
	line_begin(&line, progress);
	line_text(&line, "model", name_of(progress, model));
	line_text(&line, "status", status);
	line_text(&line, "action", action);
	line_end(&line, progress);
}

static void tell_model(struct progress *progress, const struct record *record)
{
	struct line line;

	line_begin(&line, progress);
	line_text(&line, "model", name_of(progress, record->model));
	line_text(&line, "status", record->type == RECORD_FETCH_DONE ? "fetched" : "fetching");
	line_text(&line, "repo", record->path);
	line_text(&line, "commit", record->commit);
	line_number(&line, "files", record->files);
	line_number(&line, "bytes", record->bytes);
	line_end(&line, progress);
}

/* What is waited for, and why: minutes of silence look like a hang. */
static void tell_retry(struct progress *progress, const struct record *record)
{
	char sentence[1024];
	struct text text = TEXT_OVER(sentence);
	struct line line;

	if (progress->style == PROGRESS_TERMINAL) {
		clear_lines(progress);
		text_addf(&text,
		          "aweigh: try %llu in %llu.%llu s: ", (unsigned long long)record->files,
		          (unsigned long long)record->bytes / 1000,
		          (unsigned long long)record->bytes / 100 % 10);
		add_escaped(&text, record->message);
		text_add(&text, "\n");
		put(progress, &text);
		return;
	}
	line_begin(&line, progress);
	line_text(&line, "model", name_of(progress, record->model));
	line_text(&line, "status", "retry");
	line_number(&line, "try", record->files);
	line_number(&line, "wait_ms", record->bytes);
	line_sentence(&line, "reason", record->message);
	line_end(&line, progress);
}

static uint64_t rate(uint64_t bytes, uint64_t ns)
{
	return ns == 0 ? 0 : (uint64_t)((double)bytes * 1e9 / (double)ns);
}

static uint64_t arrived_now(const struct progress *progress)
{
	uint64_t bytes = progress->arrived;

	for (size_t i = 0; i < progress->count; i++)
		bytes += progress->files[i].done;
	return bytes;
}

static void tell_total(const struct progress *progress, uint64_t now_ns)
{
	uint64_t arrived = arrived_now(progress);
	struct line line;

	line_begin(&line, progress);
	line_text(&line, "status", "fetching");
	line_number(&line, "files", progress->files_done);
	line_number(&line, "of_files", progress->files_total);
	line_number(&line, "bytes", arrived);
	line_number(&line, "of_bytes", progress->total);
	line_number(&line, "bytes_per_second", rate(arrived, now_ns - progress->started_ns));
	line_end(&line, progress);
}

static void add_time(struct text *text, uint64_t seconds)
{
	if (seconds >= 3600)
		text_addf(text, "%llu:%02llu:%02llu", (unsigned long long)(seconds / 3600),
		          (unsigned long long)(seconds / 60 % 60),
		          (unsigned long long)(seconds % 60));
	else
		text_addf(text, "%llu:%02llu", (unsigned long long)(seconds / 60),
		          (unsigned long long)(seconds % 60));
}

/* "  [=====>    ]  12.3 MB of 90.9 MB  1.2 MB/s  1:05  model.safetensors" */
static void add_bar(struct text *text, uint64_t done, uint64_t size, uint64_t speed,
                    const char *name, size_t columns)
{
	uint64_t cells =
	        size == 0 ? BAR_CELLS : (uint64_t)((double)done * BAR_CELLS / (double)size);
	size_t start = text->length, width = strlen(name), left;

	text_add(text, "  [");
	for (uint64_t i = 0; i < BAR_CELLS; i++)
		text_add(text, i < cells ? "=" : i == cells ? ">" : " ");
	text_add(text, "] ");
	text_add(text, size_text(done).text);
	text_add(text, " of ");
	text_add(text, size_text(size).text);
	text_add(text, "  ");
	text_add(text, size_text(speed).text);
	text_add(text, "/s  ");
	add_time(text, speed == 0 ? 0 : (size > done ? size - done : 0) / speed);
	text_add(text, "  ");
	left = text->length - start + 1 < columns ? columns - (text->length - start) - 1 : 0;
	/* The end of a path says more than its beginning. */
	add_escaped(text, width > left ? name + (width - left) : name);
	text_add(text, "\n");
}

static size_t columns_of(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void draw(struct progress *progress, uint64_t now_ns)
{
	char buffer[PROGRESS_FILES * 256];
	struct text text = TEXT_OVER(buffer);
	size_t columns = columns_of(progress->fd), lines = 0;
	char total[64];
	struct text name = TEXT_OVER(total);

	if (progress->lines > 0)
		text_addf(&text, "\033[%zuA\r\033[J", progress->lines);
	for (size_t i = 0; i < progress->count && lines < 16; i++, lines++) {
		const struct progress_file *file = &progress->files[i];

		add_bar(&text, file->done, file->size,
		        rate(file->done - file->first, now_ns - file->started_ns), file->path,
		        columns);
	}
	text_addf(&name, "%llu of %llu files", (unsigned long long)progress->files_done,
	          (unsigned long long)progress->files_total);
	add_bar(&text, arrived_now(progress), progress->total,
	        rate(arrived_now(progress), now_ns - progress->started_ns), total, columns);
	progress->lines = lines + 1;
	put(progress, &text);
}

static void take_file(struct progress *progress, const struct record *record, uint64_t now_ns)
{
	size_t at = 0;

	while (at < progress->count && (progress->files[at].model != record->model ||
	                                strncmp(progress->files[at].path, record->path, 255) != 0))
		at++;
	if (record->files >= record->bytes) { /* it is there */
		progress->arrived += record->bytes;
		progress->files_done++;
		if (at < progress->count)
			progress->files[at] = progress->files[--progress->count];
		return;
	}
	if (at == progress->count) {
		struct progress_file *file = &progress->files[at];
		struct text text = TEXT_OVER(file->path);

		if (at == PROGRESS_FILES)
			return;
		progress->count++;
		text_add(&text, record->path);
		file->model = record->model;
		file->size = record->bytes;
		file->first = record->files;
		file->started_ns = now_ns;
	}
	progress->files[at].done = record->files;
	if (progress->files[at].done < progress->files[at].first) /* it began again */
		progress->files[at].first = progress->files[at].done;
}

void progress_take(struct progress *progress, const struct record *record, uint64_t now_ns)
{
	if (progress->style == PROGRESS_NONE || record->type < RECORD_FETCH_MODEL ||
	    record->type > RECORD_FETCH_DONE)
		return;
	if (record->type == RECORD_FETCH_RETRY) {
		tell_retry(progress, record);
		return;
	}
	if (record->type == RECORD_FETCH_MODEL) {
		progress->total += record->bytes;
		progress->files_total += record->files;
	} else if (record->type == RECORD_FETCH_FILE) {
		take_file(progress, record, now_ns);
	}
	if (progress->style == PROGRESS_TERMINAL) {
		if (now_ns - progress->shown_ns < REDRAW_NS)
			return;
		progress->shown_ns = now_ns;
		draw(progress, now_ns);
		return;
	}
	if (record->type != RECORD_FETCH_FILE)
		tell_model(progress, record);
	else if (now_ns - progress->shown_ns >= LINE_NS) {
		progress->shown_ns = now_ns;
		tell_total(progress, now_ns);
	}
}

void progress_end(struct progress *progress)
{
	if (progress->style == PROGRESS_TERMINAL)
		clear_lines(progress);
}
