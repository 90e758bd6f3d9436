/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/confinement.h"

#include <limits.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/arena.h"
#include "base/scan.h"
#include "base/text.h"
#include "confine/caps.h"
#include "confine/egress.h"
#include "confine/filter.h"
#include "confine/landlock.h"
#include "confine/read_only.h"
#include "engine/findings.h"
#include "gate/inspection.h"
#include "gate/verdict.h"
#include "hub/cache.h"
#include "process/channel.h"
#include "util.h"

/* The directories of models that are not mounted read-only already. */
static void add_directory(struct gate *gate, const char *path)
{
	const char *copy;

	for (size_t i = 0; i < gate->directory_count; i++)
		if (strcmp(gate->directories[i], path) == 0)
			return;
	if (path[0] == '\0' || access(path, F_OK) != 0 || read_only_already(path))
		return;
	copy = arena_copy(gate->report.arena, path, strlen(path));
	if (copy != NULL && gate->directory_count < LENGTH_OF(gate->directories))
		gate->directories[gate->directory_count++] = copy;
	else
		gate->directories_left_out = true;
}

/* A repository of the cache may be a link to another disk: what it really is, where that is elsewhere. */
static void add_repository(struct gate *gate, const char *snapshot)
{
	char real[PATH_MAX], cache[PATH_MAX];
	const char *end = NULL;

	if (snapshot[0] == '\0' || realpath(snapshot, real) == NULL)
		return;
	for (const char *at = real; (at = strstr(at, "/snapshots/")) != NULL; at++)
		end = at;
	if (end != NULL)
		real[end - real] = '\0';
	if (real[0] == '\0')
		gate->directories_left_out = true;
	else if (realpath(gate->hub_cache, cache) == NULL || !path_is_beneath(real, cache))
		add_directory(gate, real);
}

/* The links of a snapshot lead to the blobs of its repository, and those to the store beside it. */
static void add_snapshot(struct gate *gate, const char *path)
{
	char real[PATH_MAX];
	struct cache_path parts;

	if (realpath(path, real) == NULL || !cache_path_read(real, &parts) ||
	    parts.commit[0] == '\0' || parts.cache == 0)
		return;
	real[parts.cache + 1 + parts.repository_length] = '\0';
	add_directory(gate, real);
	memcpy(real + parts.cache, "/blobs", sizeof("/blobs"));
	add_directory(gate, real);
}

/* Where the policy lets links lead out, what they lead to is not known here. */
static void raise_escapes(struct gate *gate)
{
	if (finding_severity(&gate->policy, FINDING_FILE_LINK_ESCAPES) < SEVERITY_ERROR)
		gate_raise(gate, FINDING_CONFINE_MODELS,
		           gate->policy.said[KEY_MODELS_READ_ONLY].line,
		           "what links out of the models lead to can still be written");
}

static void list_directories(struct gate *gate)
{
	char path[MAX_PATH_BYTES];

	for (size_t i = 0; i < gate->policy.model_count; i++) {
		report_model_path(&gate->report, i, path, sizeof(path));
		if (gate->policy.models[i].path != NULL) {
			add_directory(gate, path);
			add_snapshot(gate, path);
			path[path_name(path) - path] = '\0'; /* of one file in it */
			add_snapshot(gate, path);
		} else {
			add_directory(gate, gate->hub_cache_origin != NULL ? gate->hub_cache : "");
			add_repository(gate, path);
		}
	}
}

/* Whether the service keeps one of these capabilities. */
static bool keeps_any(const struct gate *gate, uint64_t mask)
{
	const struct capability_set *set = &gate->policy.capabilities;

	for (int way = 0; way <= CAP_LAST_CAP; way++)
		if ((mask >> way & 1) != 0 &&
		    (set->named ?
		             (set->mask >> way & 1) != 0 :
		             (gate->who.uid == 0 && capability_is_held(way)) ||
		                     prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, way, 0, 0) == 1))
			return true;
	return false;
}

static void keep_by_mount(struct gate *gate)
{
	/* By which a mount is taken off, or walked around by handle. */
	static const uint64_t ways = 1ull << CAP_SYS_ADMIN | 1ull << CAP_DAC_READ_SEARCH |
	                             1ull << CAP_SYS_PTRACE | 1ull << CAP_SYS_MODULE |
	                             1ull << CAP_SYS_RAWIO;
	struct limits wanted = { .ruleset_fd = -1,
		                 .directories = gate->directories,
		                 .directory_count = gate->directory_count,
		                 .mount = gate->directory_count > 0 };

	if (gate->directories_left_out || !capability_is_held(CAP_SYS_ADMIN) ||
	    keeps_any(gate, ways) || limits_try(&wanted) != 0)
		return;
	gate->limits.mount = wanted.mount;
}

/*
 * For the directories too where they are wanted, else without them: *models says why. A descriptor, or a
 * negative errno where TCP cannot be denied either.
 */
static int make_ruleset(const struct gate *gate, struct landlock_limits *wanted, int *models)
{
	int fd;

	if (wanted->directory_count > 0) {
		fd = gate->directories_left_out ? -E2BIG : landlock_limit(wanted);
		if (fd >= 0)
			return fd;
		*models = fd;
		wanted->directory_count = 0;
	}
	return landlock_limit(wanted);
}

static void raise_models(struct gate *gate, int abi, int error)
{
	unsigned line = gate->policy.said[KEY_MODELS_READ_ONLY].line;

	if (error < 0) {
		gate_raise(
		        gate, FINDING_CONFINE_MODELS, line,
		        "models_read_only is not enforced: %s, and no read-only mount can be made",
		        landlock_words(error));
		return;
	}
	gate->report.confinement.models = MODELS_KEPT_BY_LANDLOCK;
	if (abi < 3)
		gate_raise(
		        gate, FINDING_CONFINE_MODELS, line,
		        "a model's file can still be cut by truncate(2): Landlock is older than Linux 6.2");
	gate_raise(
	        gate, FINDING_CONFINE_ATTRIBUTES, line,
	        "no read-only mount can be made: the models' owner may change modes, owners and times, and nothing new can be made directly above them or beside links to them");
}

/* torchrun and its kin set these; 29500 is their port where MASTER_PORT says no other. */
static void raise_distributed(struct gate *gate)
{
	const struct egress *egress = &gate->policy.egress;
	const char *port = environment_get(&gate->env, "MASTER_PORT");
	uint64_t number = 29500;

	if (environment_get(&gate->env, "MASTER_ADDR") == NULL)
		return;
	if (port != NULL)
		(void)scan_u64(port, strlen(port), &number);
	for (size_t i = 0; i < egress->port_count; i++)
		if (egress->ports[i] == number)
			return;
	gate_raise(gate, FINDING_CONFINE_DISTRIBUTED, gate->policy.said[KEY_EGRESS].line,
	           "MASTER_ADDR is set, and egress forbids TCP to port %llu, on this machine, too",
	           (unsigned long long)number);
}

static void raise_egress(struct gate *gate, int abi, int error, int refused)
{
	unsigned line = gate->policy.said[KEY_EGRESS].line;
	struct confinement *confinement = &gate->report.confinement;
	bool udp = (gate->limits.sockets & SOCKETS_UDP) != 0;
	int fd = -1;

	confinement->tcp = error == 0 && abi >= 4;
	confinement->others = (refused & LIMIT_BIT(LIMIT_FILTER)) == 0;
	if (!confinement->tcp)
		gate_raise(gate, FINDING_CONFINE_EGRESS, line,
		           "the service can still open TCP connections: %s",
		           landlock_words(abi >= 0 && abi < 4 ? -ENOPROTOOPT : error));
	if (!confinement->others)
		gate_raise(
		        gate, FINDING_CONFINE_EGRESS, line,
		        "the service can still use UDP and all else but TCP: the kernel or the platform refuses seccomp filters");
	if (confinement->tcp)
		raise_distributed(gate);
	/* A file system of the network, packets of a tunnel: what the kernel sends, no limit of a process sees. */
	if (keeps_any(gate, 1ull << CAP_SYS_ADMIN | 1ull << CAP_NET_ADMIN | 1ull << CAP_SYS_MODULE))
		gate_raise_at(
		        gate, FINDING_CONFINE_EGRESS,
		        (struct report_at){
		                .line = line,
		                .fix = "set capabilities without sys_admin, net_admin and sys_module" },
		        "the service keeps capabilities that let it mount from the network, or make a tunnel");
	if (udp)
		gate_raise(gate, FINDING_CONFINE_UDP, line,
		           "UDP stays open, to any port, so that names can be resolved");
	while (confinement->others && (fd = egress_descriptor(fd + 1, udp)) >= 0)
		gate_raise(gate, FINDING_CONFINE_DESCRIPTOR, line,
		           "descriptor %d was handed in and leads out: the service does not get it",
		           fd);
}

static void confine(struct gate *gate, bool keep)
{
	const struct egress *egress = &gate->policy.egress;
	struct landlock_limits wanted = { .no_connect = egress->kind != EGRESS_ALLOW,
		                          .ports = egress->ports,
		                          .port_count = egress->port_count };
	struct limits tried;
	int refused, fd, models_error = 0;
	bool by_landlock, udp = egress->kind == EGRESS_PORTS;

	if (gate->options->root != NULL || gate->policy.error_count > 0 ||
	    (egress->kind == EGRESS_ALLOW && !keep))
		return;
	gate->report.confinement.looked_at = true;
	gate->limits.filter = egress->kind != EGRESS_ALLOW;
	gate->limits.sockets =
	        SOCKETS_UNIX | SOCKETS_ROUTES | SOCKETS_TCP | (udp ? SOCKETS_UDP : 0u);
	if (keep) {
		list_directories(gate);
		raise_escapes(gate);
		gate->limits.directories = gate->directories;
		gate->limits.directory_count = gate->directory_count;
		keep_by_mount(gate);
	}
	by_landlock = gate->directory_count > 0 && !gate->limits.mount;
	wanted.abi = landlock_abi();
	wanted.directories = gate->directories;
	wanted.directory_count = by_landlock ? gate->directory_count : 0;
	fd = make_ruleset(gate, &wanted, &models_error);
	gate->limits.ruleset_fd = fd < 0 ? -1 : fd;
	tried = gate->limits;
	tried.mount = false; /* keep_by_mount() has tried them */
	refused = limits_try(&tried);
	if ((refused & LIMIT_BIT(LIMIT_LANDLOCK)) != 0) {
		(void)close(take_fd(&gate->limits.ruleset_fd));
		fd = models_error = -EPERM;
	}
	if ((refused & LIMIT_BIT(LIMIT_FILTER)) != 0)
		gate->limits.filter = false;
	if (keep && by_landlock)
		raise_models(gate, wanted.abi, models_error);
	else if (keep && gate->policy.model_count > 0)
		gate->report.confinement.models = MODELS_KEPT_BY_MOUNT;
	if (egress->kind != EGRESS_ALLOW)
		raise_egress(gate, wanted.abi, fd < 0 ? fd : 0, refused);
}

/* What is made in a child is lost with it. */
static void rehearse(void *context, int pipe_fd)
{
	struct sender sender = { .fd = pipe_fd };
	int none = -1;

	if (child_keep(&sender.fd, &none) < 0)
		_exit(STATUS_SYSTEM);
	confine(context, true);
	_exit(sender_done(&sender) == 0 ? 0 : STATUS_SYSTEM);
}

static void take_nothing(void *context, const struct record *record)
{
	(void)context;
	(void)record;
}

/* The models' volumes and all that lies beside the models are touched: first where one that hangs or crawls costs the deadline. */
enum status gate_confine(struct gate *gate, struct text *why)
{
	const struct task task = { .who = "look beside the models",
		                   .run = rehearse,
		                   .take = take_nothing,
		                   .context = gate,
		                   .trouble = FINDING_GATE_INSPECTOR };
	enum status status = STATUS_OK;
	bool keep = gate->policy.models_read_only, well = gate->inspected;

	if (keep && well && gate->options->root == NULL)
		status = gate_run_task(gate, &task, &well, why);
	if (status != STATUS_OK)
		return status;
	/* Where nobody waits for their volume the models stay as they are; what goes out asks no volume. */
	confine(gate, keep && well);
	if (keep && !well && gate->options->root == NULL)
		gate_raise(gate, FINDING_CONFINE_MODELS,
		           gate->policy.said[KEY_MODELS_READ_ONLY].line,
		           "models_read_only is not enforced: their volume did not answer in time");
	return STATUS_OK;
}
