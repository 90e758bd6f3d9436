/* SPDX-License-Identifier: Apache-2.0 */
/* entry/confine/: what a service may still do, as far as it can be told without doing it. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/caps.h"
#include "confine/egress.h"
#include "confine/filter.h"
#include "confine/identity.h"
#include "confine/landlock.h"
#include "confine/limits.h"
#include "confine/probe.h"
#include "confine/read_only.h"
#include "confine/worker.h"
#include "user.h"
#include "util.h"

#if defined(__x86_64__)
#define OWN AUDIT_ARCH_X86_64
#define OTHER AUDIT_ARCH_I386
#define BEYOND 0x40000000 /* x32's numbers of the same calls */
#else
#define OWN AUDIT_ARCH_AARCH64
#define OTHER AUDIT_ARCH_ARM
#define BEYOND 0 /* has none */
#endif
#define DENIED (SECCOMP_RET_ERRNO | EACCES)
#define UNKNOWN (SECCOMP_RET_ERRNO | ENOSYS)

/* The classic BPF of seccomp(2), as far as filter_build() uses it; anything else fails the test. */
static uint32_t judge(const struct sock_filter *at, unsigned short length,
                      const struct seccomp_data *data)
{
	uint32_t loaded = 0;

	for (unsigned i = 0; i < length; i++) {
		const struct sock_filter *step = &at[i];
		bool holds = false;

		switch (step->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(step->k % 4 == 0 && step->k + 4 <= sizeof(*data));
			memcpy(&loaded, (const char *)data + step->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			loaded &= step->k;
			continue;
		case BPF_RET | BPF_K:
			return step->k;
		case BPF_JMP | BPF_JEQ | BPF_K:
			holds = loaded == step->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			holds = loaded >= step->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			holds = (loaded & step->k) != 0;
			break;
		default:
			fail_msg("instruction %u has the code %x", i, step->code);
		}
		i += holds ? step->jt : step->jf;
	}
	fail_msg("the filter ends without an answer");
	return 0;
}

struct built {
	struct sock_filter at[FILTER_ROOM];
	unsigned short length;
};

static struct built build(unsigned sockets)
{
	struct built built;

	built.length = filter_build(sockets, built.at);
	assert_true(built.length > 0 && built.length <= FILTER_ROOM);
	return built;
}

static uint32_t ask(const struct built *built, uint32_t arch, int call, uint64_t a, uint64_t b,
                    uint64_t c, uint64_t d)
{
	struct seccomp_data data = { .nr = call, .arch = arch, .args = { a, b, c, d } };

	return judge(built->at, built->length, &data);
}

static uint32_t ask_socket(const struct built *built, int family, int type, int protocol)
{
	/* The kernel takes an int: what stands in the upper half decides nothing. */
	uint32_t answer = ask(built, OWN, SYS_socket, (uint64_t)family, (uint64_t)type,
	                      (uint64_t)protocol, 0);

	assert_int_equal(answer, ask(built, OWN, SYS_socket, (uint64_t)family | (uint64_t)1 << 40,
	                             (uint64_t)type | (uint64_t)1 << 33,
	                             (uint64_t)protocol | (uint64_t)1 << 63, 0));
	return answer;
}

static void every_call_is_judged_on_both_architectures(void **state)
{
	static const unsigned kinds[] = { 0, SOCKETS_TCP | SOCKETS_UDP,
		                          SOCKETS_UNIX | SOCKETS_ROUTES | SOCKETS_TCP,
		                          SOCKETS_UNIX | SOCKETS_ROUTES | SOCKETS_TCP |
		                                  SOCKETS_UDP };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(kinds); i++) {
		struct built built = build(kinds[i]);

		for (int call = 0; call < 1024; call++) {
			bool barred = (call >= 425 && call <= 427) || call == 438 ||
			              call == SYS_request_key; /* io_uring_*, pidfd_getfd */
			bool socket = call == SYS_socket || call == SYS_socketpair;

			assert_int_equal(ask(&built, OTHER, call, AF_INET, SOCK_STREAM, 0, 0),
			                 UNKNOWN);
			if (!socket)
				assert_int_equal(ask(&built, OWN, call, 0, 0, 0, 0),
				                 barred ? DENIED : SECCOMP_RET_ALLOW);
			if (BEYOND != 0)
				assert_int_equal(
				        ask(&built, OWN, call | BEYOND, AF_INET, SOCK_STREAM, 0, 0),
				        UNKNOWN);
		}
	}
}

static void sockets_are_those_that_were_named(void **state)
{
	(void)state;
	for (unsigned sockets = 0; sockets < 16; sockets++) {
		struct built built = build(sockets);

		for (int family = 0; family < 48; family++)
			for (int type = 0; type < 16; type++)
				for (int protocol = 0; protocol < 300; protocol++) {
					bool internet = family == AF_INET || family == AF_INET6;
					bool allowed =
					        (family == AF_UNIX &&
					         (sockets & SOCKETS_UNIX) != 0) ||
					        (family == AF_NETLINK &&
					         protocol == NETLINK_ROUTE &&
					         (sockets & SOCKETS_ROUTES) != 0) ||
					        (internet && type == SOCK_STREAM &&
					         (sockets & SOCKETS_TCP) != 0 &&
					         (protocol == 0 || protocol == IPPROTO_TCP)) ||
					        (internet && type == SOCK_DGRAM &&
					         (sockets & SOCKETS_UDP) != 0 &&
					         (protocol == 0 || protocol == IPPROTO_UDP));

					if (ask_socket(&built, family,
					               type | SOCK_CLOEXEC | SOCK_NONBLOCK,
					               protocol) !=
					    (allowed ? SECCOMP_RET_ALLOW : DENIED))
						fail_msg("kinds %x: socket(%d, %d, %d)", sockets,
						         family, type, protocol);
				}
		/* MPTCP and SCTP are streams that Landlock does not see. */
		assert_int_equal(ask_socket(&built, AF_INET, SOCK_STREAM, 262), DENIED);
		assert_int_equal(ask_socket(&built, AF_INET, SOCK_STREAM, IPPROTO_SCTP), DENIED);
	}
}

static void no_sender_connects_as_it_sends(void **state)
{
	struct built built = build(SOCKETS_UNIX | SOCKETS_TCP);

	(void)state;
	assert_int_equal(ask(&built, OWN, SYS_sendto, 3, 0, 0, MSG_FASTOPEN | MSG_NOSIGNAL),
	                 DENIED);
	assert_int_equal(ask(&built, OWN, SYS_sendto, 3, 0, 0, MSG_NOSIGNAL), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&built, OWN, SYS_sendmsg, 3, 0, MSG_FASTOPEN, 0), DENIED);
	assert_int_equal(ask(&built, OWN, SYS_sendmsg, 3, MSG_FASTOPEN, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&built, OWN, SYS_sendmmsg, 3, 0, 0, MSG_FASTOPEN), DENIED);
}

static void pairs_are_of_unix_alone(void **state)
{
	(void)state;
	for (unsigned sockets = 0; sockets < 16; sockets++) {
		struct built built = build(sockets);

		for (int family = 0; family < 48; family++)
			for (int type = 0; type < 16; type++)
				assert_int_equal(ask(&built, OWN, SYS_socketpair, (uint64_t)family,
				                     (uint64_t)type, 0, 0),
				                 family == AF_UNIX &&
				                                 ((sockets & SOCKETS_UNIX) != 0 ||
				                                  ((sockets & SOCKETS_TCP) != 0 &&
				                                   type == SOCK_STREAM)) ?
				                         SECCOMP_RET_ALLOW :
				                         DENIED);
	}
}

static void no_upper_layer_is_put_on_tcp(void **state)
{
	struct built built = build(SOCKETS_UNIX | SOCKETS_TCP);

	(void)state;
	for (uint64_t option = 0; option < 64; option++)
		assert_int_equal(ask(&built, OWN, SYS_setsockopt, 3, IPPROTO_TCP, option, 0),
		                 option == TCP_ULP ? DENIED : SECCOMP_RET_ALLOW);
}

static void egress_is_read_strictly(void **state)
{
	static const char *const wrong[] = { "",      "none", "deny, 80", "0",    "65536", "80-90",
		                             "https", "-1",   "8 0",      "0x50", "+80" };
	struct egress egress = { .kind = EGRESS_DENY };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(wrong); i++)
		assert_false(egress_parse(guarded(wrong[i], strlen(wrong[i]) + 1), &egress));
	assert_int_equal(egress.kind, EGRESS_DENY);
	assert_true(egress_parse("allow", &egress));
	assert_int_equal(egress.kind, EGRESS_ALLOW);
	assert_true(egress_parse("443,\n 80", &egress));
	assert_int_equal(egress.kind, EGRESS_PORTS);
	assert_int_equal(egress.port_count, 2);
	assert_int_equal(egress.ports[1], 80);
}

static void descriptors_that_lead_out_are_found(void **state)
{
	int pair[2], out = socket(AF_INET, SOCK_DGRAM, 0), kept;

	(void)state;
	assert_true(out >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(egress_descriptor(out, false), out);
	assert_int_equal(egress_descriptor(out + 1, false), -1);
	assert_int_equal(egress_descriptor(out, true), -1); /* UDP is open where ports are named */
	kept = fcntl(out, F_SETFD, FD_CLOEXEC);
	assert_int_equal(kept, 0);
	assert_int_equal(egress_descriptor(out, false), -1);
	(void)close(out);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void capabilities_are_read_strictly(void **state)
{
	struct capability_set set = { .mask = 7 };

	(void)state;
	assert_false(capabilities_parse("net_bind_servic", &set));
	assert_false(capabilities_parse("net_bind_service sys_time", &set));
	assert_false(capabilities_parse("cap_", &set));
	assert_int_equal(set.mask, 7);
	assert_true(capabilities_parse("keep", &set));
	assert_false(set.named);
	assert_true(capabilities_parse("none", &set));
	assert_true(set.named && set.mask == 0);
	assert_true(capabilities_parse("CAP_NET_BIND_SERVICE, sys_ptrace", &set));
	assert_true(set.named &&
	            set.mask == (1ull << CAP_NET_BIND_SERVICE | 1ull << CAP_SYS_PTRACE));
}

static void whoever_this_is_it_is_current(void **state)
{
	struct identity now = { 0 }, other;
	const char *step = "none";

	(void)state;
	identity_current(&now);
	assert_int_equal(now.uid, geteuid());
	assert_true(identity_is_current(&now));
	assert_false(identity_keeps_more(&now));
	other = now;
	other.uid++;
	assert_false(identity_is_current(&other));
	/* Nothing is done to become who one is, nor where no change is wanted. */
	now.change = true;
	assert_int_equal(identity_assume(&now, &step), 0);
	assert_int_equal(identity_assume(&other, &step), 0);
	assert_string_equal(step, "none");
	assert_int_equal(identity_may_change(),
	                 capability_is_held(CAP_SETUID) && capability_is_held(CAP_SETGID));
}

/* Each limit is tried in a child: what is refused is named by its bit, and this process stays as it was. */
static void limits_are_tried_elsewhere(void **state)
{
	const char *const nowhere[] = { "/nonexistent/models" };
	struct limits none = { .ruleset_fd = -1 }, bad = { .ruleset_fd = 1000 },
	              mount = { .ruleset_fd = -1,
		                .directories = nowhere,
		                .directory_count = 1,
		                .mount = true },
	              filter = { .ruleset_fd = -1, .filter = true };
	const char *step = "";
	int sound;

	(void)state;
	assert_int_equal(limits_try(&none), 0);
	assert_int_equal(limits_try(&bad), LIMIT_BIT(LIMIT_LANDLOCK));
	assert_int_equal(limits_try(&mount), LIMIT_BIT(LIMIT_MOUNT));
	assert_int_equal(limits_try(&filter) & ~LIMIT_BIT(LIMIT_FILTER), 0);
	sound = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(sound >= 0);
	(void)close(sound);
	assert_false(limits_want_no_privileges(&none));
	assert_false(limits_want_no_privileges(&mount));
	assert_true(limits_want_no_privileges(&bad) && limits_want_no_privileges(&filter));
	assert_int_equal(limits_apply(&none, STAGE_RIGHTS, &step), 0);
	assert_int_equal(limits_apply(&bad, STAGE_RIGHTS, &step), 0);
	assert_string_equal(step, "");
	assert_true(limits_apply(&bad, STAGE_LAST, &step) < 0);
	assert_string_equal(step, "Landlock");
}

static int answer(const void *context)
{
	const int *wanted = context;

	if (*wanted == 1000) { /* as a filter that kills does */
		(void)signal(SIGSYS, SIG_DFL);
		(void)raise(SIGSYS);
	}
	return *wanted;
}

static void questions_that_kill_are_answered(void **state)
{
	static const int answers[] = { 0, 1, 7, 100, -1, -ENOSYS, -EOPNOTSUPP }, deadly = 1000;

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(answers); i++) {
		assert_int_equal(probe_in_child(answer, &answers[i]), answers[i]);
		assert_int_equal(probe(answer, &answers[i]), answers[i]);
	}
	assert_int_equal(probe_in_child(answer, &deadly), -EPERM);
}

static void landlock_says_what_it_cannot(void **state)
{
	struct landlock_limits limits = { .abi = -ENOSYS };
	const char *const models[] = { "/" };

	(void)state;
	assert_int_equal(landlock_limit(&limits), -ENOSYS);
	limits = (struct landlock_limits){ .abi = 1, .directories = models, .directory_count = 1 };
	assert_int_equal(landlock_limit(&limits), -EPROTONOSUPPORT);
	limits = (struct landlock_limits){ .abi = 3, .no_connect = true }; /* before it knew TCP */
	assert_int_equal(landlock_limit(&limits), -EPROTONOSUPPORT);
	assert_non_null(strstr(landlock_words(-ENOSYS), "no Landlock"));
	assert_non_null(strstr(landlock_words(-EDOM), "failed"));
	assert_true(landlock_enforce(-1) < 0);
}

static void a_plain_directory_is_not_read_only(void **state)
{
	char path[] = "/tmp/aweigh-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_false(read_only_already(path));
	assert_false(read_only_already("/nonexistent"));
	(void)rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_judged_on_both_architectures),
		cmocka_unit_test(sockets_are_those_that_were_named),
		cmocka_unit_test(no_sender_connects_as_it_sends),
		cmocka_unit_test(pairs_are_of_unix_alone),
		cmocka_unit_test(no_upper_layer_is_put_on_tcp),
		cmocka_unit_test(egress_is_read_strictly),
		cmocka_unit_test(descriptors_that_lead_out_are_found),
		cmocka_unit_test(capabilities_are_read_strictly),
		cmocka_unit_test(whoever_this_is_it_is_current),
		cmocka_unit_test(limits_are_tried_elsewhere),
		cmocka_unit_test(questions_that_kill_are_answered),
		cmocka_unit_test(landlock_says_what_it_cannot),
		cmocka_unit_test(a_plain_directory_is_not_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
