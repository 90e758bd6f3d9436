/* SPDX-License-Identifier: Apache-2.0 */
/* A service that is watched: what it must be ready by, and its start beneath an observer. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "commands/commands.h"
#include "gate/gate.h"
#include "gate/seen.h"
#include "gate/verdict.h"
#include "service/target.h"
#include "service/watch.h"
#include "util.h"

struct starting {
	struct run *run;
	struct gate *gate;
};

static int start(void *context, int observe_fd, struct text *why)
{
	struct starting *starting = context;

	return (int)command_launch(starting->run, starting->gate, observe_fd, why);
}

/* What the policy's reader takes: here it must be said, and of this machine. */
bool command_check_targets(struct gate *gate)
{
	const struct policy *policy = &gate->policy;
	bool well = gate->ready_count > 0;

	if (!well)
		gate_raise_at(
		        gate, FINDING_POLICY_VALUE,
		        (struct report_at){
		                .fix = "add a row to [service], such as ready = http://127.0.0.1:8000/health, or ready = exit for a command that ends by itself" },
		        "smoke needs to know when the service is ready: [service] ready");
	for (size_t i = 0; i < gate->ready_count; i++) {
		char sentence[512];
		struct text why = TEXT_OVER(sentence);

		if (target_may_be_asked(&gate->ready[i], gate->options->allow_remote, &why))
			continue;
		well = false;
		gate_raise(gate, FINDING_POLICY_VALUE, policy->said[KEY_READY].line, "ready: %s",
		           sentence);
	}
	return well;
}

static bool wants_notify(const struct gate *gate)
{
	for (size_t i = 0; i < gate->ready_count; i++)
		if (gate->ready[i].kind == TARGET_NOTIFY)
			return true;
	return false;
}

/* A datagram socket with an abstract address, so that no file is left; -1 where none is wanted. 0 or a negative errno. */
static int open_notify(struct gate *gate, int *fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64], random[9];
	struct text text = TEXT_OVER(name);

	*fd = -1;
	if (!wants_notify(gate))
		return 0;
	random_hex(random);
	text_addf(&text, "@aweigh-smoke-%s", random);
	memcpy(address.sun_path + 1, name + 1, text.length - 1);
	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || bind(*fd, (const struct sockaddr *)&address,
	                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + text.length)) != 0)
		return -errno;
	if (service_environ_set(&gate->service, "NOTIFY_SOCKET", name, ORIGIN_SET) != 0)
		return -ENOMEM;
	gate->env = service_environ_view(&gate->service);
	return 0;
}

static enum status watch(struct starting *starting, struct observer *observer, struct watched *seen,
                         struct text *why)
{
	struct gate *gate = starting->gate;
	struct watch watch = { .policy = &gate->policy,
		               .targets = gate->ready,
		               .target_count = gate->ready_count,
		               .signals = &starting->run->signals,
		               .start = start,
		               .context = starting,
		               .observer = observer,
		               .notify_fd = -1,
		               .who = &gate->who };
	int error = open_notify(gate, &watch.notify_fd);

	if (error == 0)
		error = watch_service(&watch, seen);
	cleanup_fd(&watch.notify_fd);
	if (error != 0) {
		text_addf(why, "the service cannot be started: %s", strerror(-error));
		return STATUS_SYSTEM;
	}
	if (seen->refused != 0) {
		text_add(why, seen->why);
		return (enum status)seen->refused;
	}
	return seen->stop != 0 ? (enum status)(STATUS_SIGNAL + seen->stop) : STATUS_OK;
}

enum status command_watch(struct run *run, struct gate *gate, bool anywhere, command_take *take,
                          void *context, struct text *why)
{
	struct starting starting = { run, gate };
	struct observer *observer = gate_observe(gate);
	struct watched *seen = calloc(1, sizeof(*seen));
	enum status status = STATUS_SYSTEM;

	run->watched = getpid();
	if (observer != NULL)
		observer->anywhere = anywhere;
	if (seen == NULL)
		text_add(why, "out of memory");
	else
		status = watch(&starting, observer, seen, why);
	if (observer != NULL)
		observer_settle(observer);
	if (status == STATUS_OK)
		status = take(context, gate, seen, observer, why);
	if (observer != NULL)
		observer_release(observer);
	free(observer);
	free(seen);
	return status;
}
