/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/scan.h"
#include "base/tree.h"
#include "engine/findings.h"
#include "gate/verdict.h"
#include "process/channel.h"
#include "process/child.h"
#include "process/clock.h"
#include "report/format.h"
#include "util.h"

/* A full pipe must not hold a stop request up: writes what fits, and waits for room, signal or deadline. */
static enum status write_all(const struct gate *gate, int fd, const char *bytes, size_t length)
{
	struct pollfd ready[2] = { { .fd = gate->signals->fd, .events = POLLIN },
		                   { .fd = fd, .events = POLLOUT } };

	while (length > 0) {
		int left = clock_left_ms(gate->deadline_ns), stop;
		ssize_t written;

		if (poll(ready, 2, left == 0 ? 1000 : left) < 0 && errno != EINTR)
			return STATUS_IO;
		stop = signals_stop_request(gate->signals);
		if (stop != 0)
			return (enum status)(STATUS_SIGNAL + stop);
		if ((ready[1].revents & POLLOUT) == 0) {
			if (left == 0 || (ready[1].revents & (POLLERR | POLLNVAL)) != 0)
				return STATUS_TEMPORARY;
			continue;
		}
		/* POLLOUT promises room for PIPE_BUF bytes, no more (pipe(7)). */
		written = write(fd, bytes, length < PIPE_BUF ? length : PIPE_BUF);
		if (written < 0 && errno != EINTR && errno != EAGAIN)
			return STATUS_IO;
		if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		}
	}
	return STATUS_OK;
}

/* The whole report as text, to be freed; NULL: no memory. */
static char *compose(const struct gate *gate, const struct report_format *format,
                     const struct report_style *style, size_t *length)
{
	char *text = NULL;
	FILE *memory = open_memstream(&text, length);

	if (memory == NULL)
		return NULL;
	format->write(&gate->report, style, memory);
	if (fclose(memory) == 0)
		return text;
	free(text);
	return NULL;
}

/*
 * `limit` 0: as long as it is. Otherwise fewer and fewer findings, until it fits; what never does is left out where it
 * is a part of a longer file, and is the end of what people read, where the verdict stands.
 */
static enum status write_report(const struct gate *gate, const struct report_format *format,
                                struct report_style style, size_t limit, bool appends, int fd)
{
	size_t length = 0, left_out = 0;
	CLEANUP(cleanup_free) char *text = compose(gate, format, &style, &length);

	for (style.most = limit; text != NULL && limit > 0 && length > limit && style.most > 1;) {
		style.most = style.most > 32 ? 32 : style.most / 2;
		free(text);
		text = compose(gate, format, &style, &length);
	}
	if (text != NULL && limit > 0 && length > limit && appends)
		return STATUS_OK;
	if (text != NULL && limit > 0 && length > limit) {
		const char *line;

		free(text);
		text = compose(gate, report_format_find("human", 5), &style, &length);
		left_out = text != NULL && length > limit ? length - limit : 0;
		line = left_out == 0 ? NULL : memchr(text + left_out, '\n', limit);
		left_out = line == NULL ? left_out : (size_t)(line + 1 - text);
	}
	return text == NULL ? STATUS_SYSTEM :
	                      write_all(gate, fd, text + left_out, length - left_out);
}

static const struct report_style file_style = { .verbose = true, .width = DEFAULT_WIDTH };

/* A report that goes to a file: an existing one is written over, not replaced, since it may be a mount. */
struct file_report {
	struct gate *gate;
	const struct report_format *format;
	const char *path;
	bool append; /* to what is there, up to the limit of a job's summary */
	struct sender sender; /* in the child */
	bool told; /* why it failed */
};

static void __attribute__((format(printf, 2, 3)))
send_failure(struct file_report *file, const char *format, ...)
{
	struct record record;
	va_list arguments;

	va_start(arguments, format);
	finding_make(&record, FINDING_REPORT_FAILED, NULL, 0, (struct report_at){ 0 }, format,
	             arguments);
	va_end(arguments);
	(void)sender_put(&file->sender, &record);
}

static size_t limit_of(const char *path)
{
	return strcmp(path, "/dev/termination-log") == 0 ? MAX_TERMINATION_BYTES : 0;
}

/* docs.github.com, workflow commands: a step's summary has at most 1 MiB. */
static size_t summary_room(int fd)
{
	struct stat st;
	size_t used = fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;

	return used + 1 < MAX_SUMMARY_BYTES ? MAX_SUMMARY_BYTES - used : 1;
}

/* In a child, since the file may lie on a volume that does not answer. */
static void run_writer(void *context, int pipe_fd)
{
	struct file_report *file = context;
	int fd = tree_open_trusted(file->path,
	                           O_WRONLY | O_CREAT | (file->append ? O_APPEND : O_TRUNC));
	enum status status;

	file->sender.fd = pipe_fd;
	if (fd < 0) {
		send_failure(file, "the report %.512s cannot be written: %s", file->path,
		             fd == -EPERM  ? "a link on the way is not root's" :
		             fd == -EMLINK ? "it has a second name (a hard link)" :
		                             strerror(-fd));
	} else {
		status = write_report(file->gate, file->format, file_style,
		                      file->append ? summary_room(fd) : limit_of(file->path),
		                      file->append, fd);
		if (status != STATUS_OK)
			send_failure(file, "the report %.512s could not be written whole",
			             file->path);
	}
	_exit(sender_done(&file->sender) == 0 ? 0 : STATUS_SYSTEM);
}

static void take_failure(void *context, const struct record *record)
{
	struct file_report *file = context;

	if (record->type != RECORD_FINDING || record->kind != FINDING_REPORT_FAILED)
		return;
	file->told = true;
	file->gate->report_lost |= !file->append; /* nobody asked for a job's summary by name */
	(void)gate_add_finding(file->gate, record);
}

/* For gate_report_again(): what starts the service may not be allowed to open it any more. */
static void keep_open(struct gate *gate, const struct file_report *file)
{
	int fd = gate->command == NULL || gate->kept_count == LENGTH_OF(gate->kept) ?
	                 -1 :
	                 tree_open_trusted(file->path, O_WRONLY);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		gate->kept[gate->kept_count++] =
		        (struct kept_report){ fd, file->format, limit_of(file->path) };
	else
		cleanup_fd(&fd);
}

static enum status write_file(struct gate *gate, const struct report_format *format,
                              const char *path, bool append)
{
	struct file_report file = {
		.gate = gate, .format = format, .path = path, .append = append
	};
	uint64_t least = clock_now_ns() + REPORT_WITHIN_MS * 1000000ull;
	struct child_limits limits = { .signals = gate->signals,
		                       .deadline_ns = gate->deadline_ns > least ?
		                                              gate->deadline_ns :
		                                              least,
		                       .models = gate->policy.model_count };
	struct child child;
	int error = child_start(&child, run_writer, &file);
	enum child_ending ending =
	        error < 0 ? CHILD_DIED : child_follow(&child, &limits, take_failure, &file);

	if (ending == CHILD_STOPPED)
		return (enum status)(STATUS_SIGNAL + child.stop);
	if (ending != CHILD_DONE && !file.told) {
		gate->report_lost |= !append;
		gate_raise(gate, FINDING_REPORT_FAILED, 0, "the report %.512s is not written: %s",
		           path,
		           error < 0                ? strerror(-error) :
		           ending == CHILD_DEADLINE ? "its volume does not answer" :
		                                      "its writer ended before");
	}
	if (ending == CHILD_DONE && !file.told && !append)
		keep_open(gate, &file);
	return STATUS_OK;
}

static void write_kept(const struct gate *gate)
{
	for (size_t i = 0; i < gate->kept_count; i++) {
		const struct kept_report *kept = &gate->kept[i];

		if (ftruncate(kept->fd, 0) == 0)
			(void)write_report(gate, kept->format, file_style, kept->limit, false,
			                   kept->fd);
	}
}

/* In a child, as at first. */
static void run_again(void *context, int pipe_fd)
{
	struct sender sender = { .fd = pipe_fd };

	write_kept(context);
	_exit(sender_done(&sender) == 0 ? 0 : STATUS_SYSTEM);
}

static void take_nothing(void *context, const struct record *record)
{
	(void)context;
	(void)record;
}

void gate_raise_start(struct gate *gate, enum status status, const char *sentence)
{
	gate_raise(gate,
	           status == STATUS_NOT_FOUND      ? FINDING_SERVICE_COMMAND :
	           status == STATUS_NOT_EXECUTABLE ? FINDING_SERVICE_EXECUTABLE :
	                                             FINDING_SERVICE_START,
	           0, "%.900s", sentence);
	gate->report.status = status;
	gate->report.enforced = true;
}

void gate_report_again(struct gate *gate, enum status status, const char *sentence)
{
	struct child_limits limits = { .signals = gate->signals,
		                       .deadline_ns =
		                               clock_now_ns() + REPORT_WITHIN_MS * 1000000ull };
	struct child child;

	gate_raise_start(gate, status, sentence);
	if (gate->kept_count == 0)
		return;
	if (child_start(&child, run_again, gate) == 0)
		(void)child_follow(&child, &limits, take_nothing, NULL);
	else /* no room for a process may be what is to be told */
		write_kept(gate);
}

/* COLUMNS goes before what the terminal says, as in ls(1); neither makes lines that nobody reads. */
static size_t width_of(const struct gate *gate, int terminal_fd)
{
	const char *said = environment_get(&gate->own, "COLUMNS");
	struct winsize size = { 0 };
	uint64_t columns = 0;

	if (said == NULL || !scan_u64(said, strlen(said), &columns))
		columns = ioctl(terminal_fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
	return columns == 0               ? DEFAULT_WIDTH :
	       columns < MIN_REPORT_WIDTH ? MIN_REPORT_WIDTH :
	       columns > MAX_REPORT_WIDTH ? MAX_REPORT_WIDTH :
	                                    (size_t)columns;
}

/*
 * A file of the policy as whoever reads the report in its repository names it: relative to the checkout
 * (GITHUB_WORKSPACE) or to the working directory, where it lies in one of them.
 */
static void locate_source(struct gate *gate, enum policy_source source)
{
	const char *workspace = environment_get(&gate->own, "GITHUB_WORKSPACE"),
	           *file = gate->policy.file[source];
	char base[PATH_MAX], real[PATH_MAX];

	gate->report.location[source] = file;
	if (file == NULL || (gate->policy_tree == &gate->tree && gate->options->root != NULL) ||
	    realpath(file, real) == NULL ||
	    realpath(workspace != NULL && workspace[0] == '/' ? workspace : ".", base) == NULL)
		return;
	if (path_is_beneath(real, base) && real[strlen(base)] == '/')
		gate->report.location[source] = report_keep(&gate->report, real + strlen(base) + 1);
	else if (base[1] == '\0')
		gate->report.location[source] = report_keep(&gate->report, real + 1);
	else
		gate->report.location[source] = report_keep(&gate->report, real);
}

void gate_locate_policy(struct gate *gate)
{
	for (int source = 0; source < SOURCE_COUNT; source++)
		locate_source(gate, (enum policy_source)source);
}

/* Markdown goes to the job's summary as well, appended; one above its limit would be dropped whole. */
static enum status write_summary(struct gate *gate)
{
	const char *path = environment_get(&gate->own, "GITHUB_STEP_SUMMARY");

	if (strcmp(gate->format->name, "github") != 0 || path == NULL || path[0] != '/')
		return STATUS_OK;
	return write_file(gate, report_format_find("markdown", 8), path, true);
}

/* Whether the policy came with what is looked at, which may be anybody's. */
static bool is_of_image(const struct gate *gate)
{
	return gate->options->root != NULL && gate->policy_is_of_tree;
}

enum status gate_report(struct gate *gate, int terminal_fd)
{
	const struct options *options = gate->options;
	struct report_style style = { .quiet = options->quiet,
		                      .verbose = options->verbose,
		                      .width = width_of(gate, terminal_fd) };
	const char *no_color = environment_get(&gate->own, "NO_COLOR");
	enum status status = STATUS_OK;

	style.colour = options->color == COLOR_ALWAYS ||
	               (options->color == COLOR_AUTO && isatty(terminal_fd) &&
	                (no_color == NULL || no_color[0] == '\0'));
	for (size_t i = 0; i < options->report_count && status == STATUS_OK; i++)
		status = write_file(gate, options->reports[i].format, options->reports[i].file,
		                    false);
	for (size_t i = 0; i < gate->policy.reports_count && status == STATUS_OK; i++) {
		const struct named_row *row = &gate->policy.reports[i];
		const struct report_format *format =
		        report_format_find(row->name, strlen(row->name));

		if (format != NULL && format->write != NULL && is_of_image(gate))
			gate_raise_at(
			        gate, FINDING_REPORT_FAILED,
			        (struct report_at){
			                .line = row->line,
			                .fix = "name the file on the command line: --report FORMAT=FILE" },
			        "the report %.512s is not written: the policy of the image under --root names no file of this machine",
			        row->value);
		else if (format != NULL && format->write != NULL)
			status = write_file(gate, format, row->value, false);
	}
	if (status == STATUS_OK)
		status = write_summary(gate);
	if (status != STATUS_OK)
		return status;
	status = write_report(gate, gate->format, style, 0, false, terminal_fd);
	/* Who reads no further has seen enough. */
	return status == STATUS_IO && errno == EPIPE ? STATUS_OK : status;
}
