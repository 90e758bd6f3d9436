/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/output.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/scan.h"
#include "base/tree.h"
#include "gate/verdict.h"
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

/* `limit` 0: as long as it is. Otherwise fewer and fewer findings, until it fits. */
static enum status write_report(const struct gate *gate, const struct report_format *format,
                                struct report_style style, size_t limit, int fd)
{
	size_t length = 0;
	CLEANUP(cleanup_free) char *text = compose(gate, format, &style, &length);

	for (style.most = limit; text != NULL && limit > 0 && length > limit && style.most > 1;) {
		style.most = style.most > 32 ? 32 : style.most / 2;
		free(text);
		text = compose(gate, format, &style, &length);
	}
	return text == NULL ? STATUS_SYSTEM : write_all(gate, fd, text, length);
}

/* An existing file is written over, not replaced: it may be a mount such as /dev/termination-log. */
static enum status write_file(struct gate *gate, const struct report_format *format,
                              const char *path)
{
	CLEANUP(cleanup_fd) int fd = tree_open_trusted(path, O_WRONLY | O_CREAT | O_TRUNC);
	struct report_style style = { .verbose = true, .width = DEFAULT_WIDTH };
	enum status status;

	if (fd < 0) {
		gate_raise(gate, FINDING_REPORT_FAILED, 0,
		           "the report %.512s cannot be written: %s", path,
		           fd == -EPERM ? "a link on the way is not root's" : strerror(-fd));
		return STATUS_OK;
	}
	status = write_report(gate, format, style,
	                      strcmp(path, "/dev/termination-log") == 0 ? MAX_TERMINATION_BYTES :
	                                                                  0,
	                      fd);
	if (status > STATUS_SIGNAL)
		return status;
	if (status != STATUS_OK)
		gate_raise(gate, FINDING_REPORT_FAILED, 0,
		           "the report %.512s could not be written whole", path);
	return STATUS_OK;
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
		status = write_file(gate, options->reports[i].format, options->reports[i].file);
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
			status = write_file(gate, format, row->value);
	}
	if (status == STATUS_OK)
		status = write_report(gate, options->format, style, 0, terminal_fd);
	return status > STATUS_SIGNAL ? status : STATUS_OK;
}
