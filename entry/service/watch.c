/* SPDX-License-Identifier: Apache-2.0 */
#include "service/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"
#include "confine/caps.h"
#include "process/child.h"
#include "process/clock.h"
#include "process/family.h"
#include "service/lines.h"
#include "service/patterns.h"
#include "service/stream.h"
#include "util.h"

#define TRY_EVERY_MS 50u
#define TRY_WITHIN_MS 2000u
#define AGAIN_WITHIN_MS 5000u /* what has settled is asked once more */
#define READ_WITHIN_MS                                                                             \
	10000u /* what a reader of the output may rest before the rest of it is not passed on any more */
#define DRAINED_WITHIN_MS 60000u /* in all, whoever still writes */
#define PIECES_BEFORE_STOP 64u /* of PIPE_BUF */
#define KILLED_EVERY_MS 10 /* what is left of a service that has ended, until nothing is */

struct watching {
	const struct watch *watch;
	struct watched *seen;
	struct stream streams[2];
	uint64_t met; /* a bit for each target that has been seen */
	bool again; /* they are asked once more, now that the service has settled */
	uint64_t met_again;
	pid_t service, prober;
	int prober_fd, failure_fd;
	int handover_fd, listener_fd; /* of the observer */
	uint64_t started_ns;
	enum { STARTING, SETTLING, STOPPING, DRAINING } phase;
	struct family family; /* of this process: what is not smoke's own is the service's */
	uint64_t due_ns; /* when the phase is over */
	uint64_t last_ns; /* when DRAINING is, whatever comes */
	uint64_t
	        half_ns; /* when whoever sits before a terminal is told that half of the time is over; 0: not any more */
};

static uint64_t since_start_ms(const struct watching *watching)
{
	return (clock_now_ns() - watching->started_ns) / 1000000u;
}

/* Lines */

static void keep_line(struct watched *seen, const char *line)
{
	char *place = seen->last[seen->lines % LENGTH_OF(seen->last)];
	struct text text = text_over(place, sizeof(seen->last[0]));

	seen->lines++;
	text_add_bytes(&text, line, strnlen(line, sizeof(seen->last[0]) - 1));
	text_mark_cut(&text);
}

static void forbid(struct stream *stream, const char *line, uint64_t number, const char *reason)
{
	struct watched *seen = stream->watching->seen;
	struct text text = TEXT_OVER(seen->line);

	text_add(&text, line);
	text_mark_cut(&text);
	seen->forbidden = reason;
	seen->stream = stream->name;
	seen->number = number;
	seen->line_ms = since_start_ms(stream->watching);
}

/* What a line holds it goes on holding: one that has not ended is judged as far as it is there. */
static void judge_line(struct stream *stream, const char *line, uint64_t number)
{
	struct watching *watching = stream->watching;
	struct watched *seen = watching->seen;
	const struct policy *policy = watching->watch->policy;

	for (size_t i = 0; i < watching->watch->target_count; i++)
		if (watching->watch->targets[i].kind == TARGET_LOG &&
		    pattern_holds(line, watching->watch->targets[i].rest))
			watching->met |= 1ull << i;
	for (size_t i = 0; i < policy->log_expect.count && !seen->asked; i++)
		if (pattern_meets(line, policy->log_expect.items[i]) != NULL)
			seen->expected |= 1ull << i;
	for (size_t i = 0; i < policy->log_forbid.count && seen->forbidden == NULL; i++) {
		const char *reason = pattern_meets(line, policy->log_forbid.items[i]);

		if (reason != NULL)
			forbid(stream, line, number, reason);
	}
}

static void take_line(void *context, const char *line)
{
	struct stream *stream = context;

	keep_line(stream->watching->seen, line);
	judge_line(stream, line, ++stream->number);
}

static void enter(struct watching *watching, int phase, uint64_t within_ms)
{
	watching->phase = (__typeof__(watching->phase))phase;
	watching->half_ns = 0;
	watching->due_ns = clock_now_ns() + within_ms * 1000000u;
	if (phase == DRAINING && watching->due_ns > watching->last_ns)
		watching->due_ns = watching->last_ns;
}

/* Whether there was something. */
static bool pass_on(struct watching *watching, struct stream *stream)
{
	uint64_t ms = since_start_ms(watching);

	if (!stream_pass_on(stream))
		return false;
	if (stream->lines.used > 0)
		judge_line(stream, lines_rest(&stream->lines), stream->number + 1);
	if (watching->seen->first_output_ms == 0)
		watching->seen->first_output_ms = ms > 0 ? ms : 1;
	if (watching->phase == DRAINING)
		enter(watching, DRAINING, READ_WITHIN_MS);
	return true;
}

/* What has been said by now, as far as it is taken: a bounded part of what never ends. */
static void pass_on_what_is_there(struct watching *watching)
{
	for (size_t i = 0; i < 2; i++) {
		struct stream *stream = &watching->streams[i];
		struct pollfd ready = { .events = POLLIN };

		for (unsigned k = 0; k < PIECES_BEFORE_STOP; k++) {
			ready.fd = stream->from;
			if (ready.fd < 0 || stream_is_held(stream, &watching->streams[1 - i]) ||
			    poll(&ready, 1, 0) <= 0 || !pass_on(watching, stream))
				break;
		}
	}
}

/* Readiness */

struct tried {
	uint64_t met; /* targets that answer */
	char why[256];
};

/* A bit for each target that is asked; the others are seen. */
static uint64_t asked_targets(const struct watching *watching)
{
	uint64_t asked = 0;

	for (size_t i = 0; i < watching->watch->target_count; i++)
		asked |= target_can_be_tried(&watching->watch->targets[i]) ? 1ull << i : 0;
	return asked;
}

/* In a child of its own, so that a slow answer holds no line up; as the service's user, without any right. */
static _Noreturn void probe(const struct watching *watching, int fd, pid_t parent)
{
	struct tried tried = { 0 }, before = { 0 };
	const struct identity *who = watching->watch->who;
	struct pollfd gone = { .fd = fd };
	const char *step = "";
	uint64_t wanted = asked_targets(watching);

	if (who != NULL && !identity_is_current(who))
		(void)identity_assume(who, &step);
	if (child_die_with(parent) != 0 || capabilities_drop(0) != 0)
		_exit(STATUS_SYSTEM);
	while (tried.met != wanted) {
		struct text why = TEXT_OVER(tried.why);

		for (size_t i = 0; i < watching->watch->target_count; i++)
			if ((wanted & ~tried.met & 1ull << i) != 0 &&
			    target_try(&watching->watch->targets[i],
			               watching->watch->policy->ready_body, TRY_WITHIN_MS, &why))
				tried.met |= 1ull << i;
		if (memcmp(&tried, &before, sizeof(tried)) != 0 &&
		    write_whole(fd, &tried, sizeof(tried)) != 0)
			_exit(STATUS_SYSTEM);
		before = tried;
		if (tried.met != wanted && poll(&gone, 1, (int)TRY_EVERY_MS) > 0)
			break; /* nobody reads it any more */
	}
	_exit(0);
}

static void take_tried(struct watching *watching)
{
	struct tried tried;
	struct text text;

	if (read(watching->prober_fd, &tried, sizeof(tried)) != (ssize_t)sizeof(tried)) {
		(void)close(take_fd(&watching->prober_fd));
		return;
	}
	if (watching->phase >=
	    STOPPING) /* what answers no more says nothing of why it was not ready */
		return;
	watching->met |= tried.met;
	watching->met_again |= watching->again ? tried.met : 0;
	tried.why[sizeof(tried.why) - 1] = '\0';
	text = TEXT_OVER(watching->seen->why);
	text_add(&text, tried.why);
}

static void take_notification(struct watching *watching)
{
	char message[4096];
	ssize_t got = recv(watching->watch->notify_fd, message, sizeof(message) - 1, MSG_DONTWAIT);

	if (got <= 0)
		return;
	message[got] = '\0';
	for (const char *line = message; line != NULL;
	     line = strchr(line, '\n') == NULL ? NULL : strchr(line, '\n') + 1)
		for (size_t i = 0; i < watching->watch->target_count; i++)
			if (watching->watch->targets[i].kind == TARGET_NOTIFY &&
			    strncmp(line, "READY=1", 7) == 0 &&
			    (line[7] == '\n' || line[7] == '\0'))
				watching->met |= 1ull << i;
}

/* Starting */

static int start_prober(struct watching *watching)
{
	int pipe_fds[2];
	pid_t parent = getpid();

	if (asked_targets(watching) == 0)
		return 0;
	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -errno;
	watching->prober = fork();
	if (watching->prober == 0) {
		(void)close(pipe_fds[0]);
		probe(watching, pipe_fds[1], parent);
	}
	(void)close(pipe_fds[1]);
	watching->prober_fd = pipe_fds[0];
	if (watching->prober < 0)
		return -errno;
	return family_spare(&watching->family, watching->prober) ? 0 : -ENOMEM;
}

static _Noreturn void become(const struct watching *watching, const int outputs[2], int failure_fd,
                             int observe_fd)
{
	char sentence[1024];
	struct text why = TEXT_OVER(sentence);
	int status;

	(void)setpgid(0, 0);
	/* A terminal stops whoever reads it from the background: smoke is nobody's conversation. */
	if (isatty(STDIN_FILENO) && dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO) < 0)
		_exit(STATUS_SYSTEM);
	if (dup2(outputs[0], STDOUT_FILENO) < 0 || dup2(outputs[1], STDERR_FILENO) < 0)
		_exit(STATUS_SYSTEM);
	status = watching->watch->start(watching->watch->context, observe_fd, &why);
	(void)write_whole(failure_fd, sentence, why.length);
	_exit(status);
}

static int start_service(struct watching *watching)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, failure[2] = { -1, -1 },
	    observe[2] = { -1, -1 }, error = 0;

	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 ||
	    pipe2(failure, O_CLOEXEC) != 0 ||
	    (watching->watch->observer != NULL &&
	     socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, observe) != 0))
		error = -errno;
	watching->started_ns = clock_now_ns();
	if (watching->watch->observer != NULL)
		watching->watch->observer->started_ns = watching->started_ns;
	if (error == 0 && (watching->service = fork()) == 0)
		become(watching, (const int[]){ out[1], err[1] }, failure[1], observe[1]);
	if (error == 0 && watching->service < 0)
		error = -errno;
	cleanup_fd(&out[1]);
	cleanup_fd(&err[1]);
	cleanup_fd(&failure[1]);
	cleanup_fd(&observe[1]);
	watching->handover_fd = observe[0];
	watching->streams[0].from = out[0];
	watching->streams[1].from = err[0];
	watching->failure_fd = failure[0];
	if (error == 0)
		(void)setpgid(watching->service, watching->service);
	return error;
}

/* Ending */

/* To a process, to a group, or with 0 to all that the service has started; how many there were that may not be. */
static size_t signal_now(const struct watching *watching, pid_t to, int number, int *found)
{
	size_t refused = 0;

	*found = 1;
	if (to == 0)
		*found = family_signal(&watching->family, number, &refused);
	else
		refused = kill(to, number) != 0 && errno == EPERM;
	return refused;
}

/* Root without CAP_KILL signals another user's processes as that user. false: some may not be signalled. */
static bool send_signal(const struct watching *watching, pid_t to, int number, int *found)
{
	const struct identity *who = watching->watch->who;
	const char *step = "";
	int status = 0, ignored;
	pid_t child;

	if (signal_now(watching, to, number, found) == 0)
		return true;
	if (who == NULL || identity_is_current(who))
		return false;
	child = fork();
	if (child == 0)
		_exit(identity_assume(who, &step) != 0 ||
		      signal_now(watching, to, number, &ignored) > 0);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* How many there were. */
static int kill_rest(const struct watching *watching)
{
	int found;

	(void)send_signal(watching, 0, SIGKILL, &found);
	return found;
}

/* Whoever asks aweigh itself to stop waits for no reader of the output, and for nobody who goes on writing. */
static void drain(struct watching *watching)
{
	uint64_t within_ms = watching->seen->stop != 0 ? TRY_WITHIN_MS : DRAINED_WITHIN_MS;

	watching->last_ns = clock_now_ns() + within_ms * 1000000u;
	enter(watching, DRAINING, READ_WITHIN_MS);
}

/* What no try tells of: a line, a notification, an end. */
static void name_unseen(struct watching *watching)
{
	char tried[sizeof(watching->seen->why)];
	struct text why;

	memcpy(tried, watching->seen->why, sizeof(tried));
	why = TEXT_OVER(watching->seen->why);
	text_add(&why, tried);
	for (size_t i = 0; i < watching->watch->target_count; i++)
		if ((watching->met >> i & 1) == 0 &&
		    !target_can_be_tried(&watching->watch->targets[i]))
			text_addf(&why, "%s%s was not seen", why.length > 0 ? "; " : "",
			          watching->watch->targets[i].text);
}

static void ask_to_stop(struct watching *watching)
{
	const struct policy *policy = watching->watch->policy;
	pid_t to = policy->signal_target != 0 ? -watching->service : watching->service;
	int found;

	if (watching->phase == DRAINING)
		drain(watching);
	if (watching->phase >= STOPPING)
		return;
	pass_on_what_is_there(watching);
	if (!watching->seen->ready)
		name_unseen(watching);
	watching->seen->asked = true;
	watching->seen->stop_ms = since_start_ms(watching);
	watching->seen->unheard = !send_signal(watching, to, SIGTERM, &found);
	enter(watching, STOPPING, policy->stop_within_ms);
}

static void take_end(struct watching *watching, int status)
{
	struct watched *seen = watching->seen;

	seen->ended = true;
	seen->status = status;
	seen->end_ms = since_start_ms(watching);
	(void)kill(-watching->service,
	           SIGKILL); /* what it has left of its group, where there is no /proc */
	if (watching->phase < STOPPING && watching->watch->targets[0].kind == TARGET_EXIT &&
	    WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		seen->ready = true;
		seen->ready_ms = seen->end_ms;
	}
	drain(watching);
}

/* Of a process of the service's, with those that it has waited for (getrusage(2)). */
static void take_memory(struct watched *seen, const struct rusage *usage)
{
	uint64_t bytes = (uint64_t)usage->ru_maxrss * 1024u;

	if (bytes > seen->memory_bytes)
		seen->memory_bytes = bytes;
}

static void reap(struct watching *watching)
{
	bool own;
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		family_forget(&watching->family, pid);
		own = pid == watching->prober;
		if (pid == watching->service)
			take_end(watching, status);
		if (own)
			watching->prober = 0;
		for (size_t i = 0; i < 2; i++)
			if (pid == watching->streams[i].writer) {
				watching->streams[i].writer = 0;
				own = true;
			}
		if (!own)
			take_memory(watching->seen, &usage);
	}
	if (watching->phase == DRAINING)
		(void)kill_rest(watching);
}

/* The loop */

static void tell_half(struct watching *watching)
{
	if (watching->half_ns == 0 || watching->seen->ready || clock_now_ns() < watching->half_ns)
		return;
	watching->half_ns = 0;
	(void)dprintf(STDERR_FILENO, "aweigh: not ready after %llu ms, half of ready_within%s%s\n",
	              (unsigned long long)since_start_ms(watching),
	              watching->seen->why[0] == '\0' ? "" : ": ", watching->seen->why);
}

/*
 * What was ready a moment ago may not be any more, though it lives: it is asked once more at the end of settle. Without
 * one the first answer counts.
 */
static void settle(struct watching *watching, bool over)
{
	struct watched *seen = watching->seen;

	if (!watching->again && over) {
		if (watching->prober > 0 || watching->prober_fd >= 0)
			return; /* it is about to end: it has met all */
		watching->again = true;
		seen->why[0] = '\0';
		enter(watching, SETTLING, AGAIN_WITHIN_MS);
		if (watching->watch->policy->settle_ms == 0 || start_prober(watching) != 0)
			watching->met_again = asked_targets(watching);
	} else if (over) {
		seen->lapsed = true;
		ask_to_stop(watching);
		return;
	}
	if (watching->again && watching->met_again == asked_targets(watching)) {
		seen->settled = true;
		ask_to_stop(watching);
	}
}

static void advance(struct watching *watching)
{
	struct watched *seen = watching->seen;
	uint64_t all = (1ull << watching->watch->target_count) - 1;
	bool over = clock_now_ns() >= watching->due_ns;
	int found;

	if (!seen->ready && watching->phase < STOPPING && watching->met == all &&
	    watching->watch->target_count > 0) {
		seen->ready = true;
		seen->ready_ms = since_start_ms(watching);
		if (watching->phase == STARTING)
			enter(watching, SETTLING, watching->watch->policy->settle_ms);
		return;
	}
	tell_half(watching);
	if (seen->forbidden != NULL || (watching->phase == STARTING && over)) {
		ask_to_stop(watching);
	} else if (watching->phase == SETTLING) {
		settle(watching, over);
	} else if (watching->phase == STOPPING && over && !seen->killed) {
		seen->killed = true;
		(void)send_signal(watching, -watching->service, SIGKILL, &found);
		seen->unheard = !send_signal(watching, watching->service, SIGKILL, &found);
		enter(watching, STOPPING, KILLED_WITHIN_MS);
	}
}

static bool is_over(const struct watching *watching)
{
	bool late = clock_now_ns() >= watching->due_ns;

	if (watching->phase == DRAINING)
		return late || (watching->streams[0].from < 0 && watching->streams[1].from < 0);
	return watching->phase == STOPPING && late && watching->seen->killed;
}

static void take_failure(struct watching *watching)
{
	struct watched *seen = watching->seen;
	ssize_t got = read(watching->failure_fd, seen->why, sizeof(seen->why) - 1);

	if (got > 0) {
		seen->why[got] = '\0';
		seen->refused = -1; /* its status follows */
	}
	(void)close(take_fd(&watching->failure_fd));
}

static void take_listener(struct watching *watching)
{
	int fd = observe_receive(watching->handover_fd);

	watching->listener_fd = fd < 0 ? -1 : fd;
	watching->seen->observed = fd >= 0;
	(void)close(take_fd(&watching->handover_fd));
}

/* What is read is read only where it can be passed on. */
static void turn(struct watching *watching)
{
	struct pollfd ready[] = {
		{ .fd = watching->watch->signals->fd, .events = POLLIN },
		{ .fd = watching->failure_fd, .events = POLLIN },
		{ .fd = watching->prober_fd, .events = POLLIN },
		{ .fd = watching->watch->notify_fd, .events = POLLIN },
		{ .fd = watching->streams[0].from, .events = POLLIN },
		{ .fd = watching->streams[1].from, .events = POLLIN },
		{ .fd = watching->handover_fd, .events = POLLIN },
		{ .fd = watching->listener_fd, .events = POLLIN },
	};

	for (size_t i = 0; i < 2; i++)
		if (!stream_has_room(&watching->streams[i]) ||
		    stream_is_held(&watching->streams[i], &watching->streams[1 - i]))
			ready[4 + i].fd = -1; /* looked at again in a moment */
	(void)poll(ready, LENGTH_OF(ready),
	           ready[4].fd != watching->streams[0].from ||
	                           ready[5].fd != watching->streams[1].from ?
	                   20 :
	                   clock_left_ms(watching->half_ns != 0 ? watching->half_ns :
	                                                          watching->due_ns));
	if (ready[0].revents != 0) {
		int stop = signals_stop_request(watching->watch->signals);

		if (stop != 0 && watching->seen->stop == 0) {
			watching->seen->stop = stop;
			ask_to_stop(watching);
		}
		reap(watching);
	}
	if (ready[1].revents != 0)
		take_failure(watching);
	if (ready[2].revents != 0)
		take_tried(watching);
	if (ready[3].revents != 0)
		take_notification(watching);
	if (ready[6].revents != 0)
		take_listener(watching);
	if (ready[7].revents != 0 &&
	    !observer_turn(watching->watch->observer, watching->listener_fd))
		(void)close(take_fd(&watching->listener_fd));
	for (size_t i = 0; i < 2; i++)
		if (ready[4 + i].fd >= 0 && ready[4 + i].revents != 0 &&
		    !stream_is_held(&watching->streams[i], &watching->streams[1 - i]))
			pass_on(watching, &watching->streams[i]);
	advance(watching);
}

/* One of smoke's own; what the kernel cannot end is left behind. */
static void end_own(struct watching *watching, const pid_t *pid)
{
	uint64_t until_ns = clock_now_ns() + KILLED_WITHIN_MS * 1000000ull;

	if (*pid > 0)
		(void)kill(*pid, SIGKILL);
	while (*pid > 0 && clock_now_ns() < until_ns) {
		reap(watching);
		if (*pid > 0)
			(void)poll(NULL, 0, KILLED_EVERY_MS);
	}
}

/* Until nothing is left, so that nothing waits for an observer that is gone. */
static void end_rest(struct watching *watching)
{
	uint64_t until_ns = clock_now_ns() + KILLED_WITHIN_MS * 1000000ull;

	while (kill_rest(watching) > 0 && clock_now_ns() < until_ns) {
		reap(watching);
		(void)poll(NULL, 0, KILLED_EVERY_MS);
	}
}

/* The output goes before the report; who stops smoke does not wait for a reader that rests. */
static void end_writers(struct watching *watching)
{
	struct watched *seen = watching->seen;
	uint64_t limit_ms = seen->stop != 0 ? TRY_WITHIN_MS : READ_WITHIN_MS;
	uint64_t until_ns = clock_now_ns() + limit_ms * 1000000u;
	struct pollfd ready = { .fd = watching->watch->signals->fd, .events = POLLIN };
	int stop = 0;

	while (watching->streams[0].writer + watching->streams[1].writer > 0 && stop == 0 &&
	       clock_now_ns() < until_ns) {
		(void)poll(&ready, 1, clock_left_ms(until_ns));
		stop = signals_stop_request(watching->watch->signals);
		reap(watching);
	}
	if (seen->stop == 0)
		seen->stop = stop;
	for (size_t i = 0; i < 2; i++)
		end_own(watching, &watching->streams[i].writer);
}

static void finish(struct watching *watching)
{
	struct watched *seen = watching->seen;

	cleanup_fd(&watching->prober_fd);
	watching->prober_fd = -1;
	end_own(watching, &watching->prober);
	end_rest(watching);
	cleanup_fd(&watching->failure_fd);
	cleanup_fd(&watching->handover_fd);
	cleanup_fd(&watching->listener_fd);
	for (size_t i = 0; i < 2; i++)
		stream_look_at_rest(&watching->streams[i]);
	end_writers(watching);
	if (seen->refused != 0)
		seen->refused = WIFEXITED(seen->status) ? WEXITSTATUS(seen->status) : STATUS_SYSTEM;
	if (seen->asked)
		seen->stop_ms = seen->end_ms > seen->stop_ms ? seen->end_ms - seen->stop_ms : 0;
}

static int start_writers(struct watching *watching)
{
	struct stream *out = &watching->streams[0], *err = &watching->streams[1];
	int error = stream_start_writer(out, STDOUT_FILENO, NULL, -1);

	if (error == 0)
		error = stream_start_writer(err, STDERR_FILENO, out, STDOUT_FILENO);
	for (size_t i = 0; i < 2 && error == 0; i++)
		if (watching->streams[i].writer > 0 &&
		    !family_spare(&watching->family, watching->streams[i].writer))
			error = -ENOMEM;
	return error;
}

/* Somebody else's answer would be taken for the service's. */
static bool find_occupied(const struct watching *watching, struct text *occupied)
{
	char sentence[512];

	for (size_t i = 0; i < watching->watch->target_count; i++) {
		const struct target *target = &watching->watch->targets[i];
		struct text why = TEXT_OVER(sentence);

		if (!target_can_be_tried(target) || !target_try(target, NULL, TRY_WITHIN_MS, &why))
			continue;
		text_addf(occupied, "%.200s %s", target->text,
		          target->kind == TARGET_FILE ? "is there" : "answers");
		return true;
	}
	return false;
}

int watch_service(const struct watch *watch, struct watched *seen)
{
	CLEANUP(cleanup_free) struct watching *watching = calloc(1, sizeof(*watching));
	static const char *const names[] = { "stdout", "stderr" };
	struct text occupied;
	int error;

	memset(seen, 0, sizeof(*seen));
	if (watching == NULL)
		return -ENOMEM;
	watching->watch = watch;
	watching->seen = seen;
	watching->prober_fd = watching->failure_fd = -1;
	watching->handover_fd = watching->listener_fd = -1;
	for (int i = 0; i < 2; i++) {
		struct stream *stream = &watching->streams[i];

		*stream = (struct stream){
			.watching = watching, .name = names[i], .from = -1, .to = -1
		};
		stream->lines.take = take_line;
		stream->lines.context = stream;
	}
	occupied = TEXT_OVER(seen->occupied);
	if (find_occupied(watching, &occupied))
		return 0;
	/* Whoever has the same user may read a dumpable process's environment; orphans come here to be ended. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	error = family_begin(&watching->family, getpid()) ? start_writers(watching) : -ENOMEM;
	if (error == 0)
		error = start_service(watching);
	if (error == 0)
		error = start_prober(watching);
	enter(watching, STARTING, watch->policy->ready_within_ms);
	if (isatty(STDERR_FILENO))
		watching->half_ns = clock_now_ns() + watch->policy->ready_within_ms * 500000u;
	if (error != 0 && watching->service > 0)
		ask_to_stop(watching);
	while (watching->service > 0 && !is_over(watching))
		turn(watching);
	finish(watching);
	family_release(&watching->family);
	(void)prctl(PR_SET_DUMPABLE, 1);
	return error;
}
