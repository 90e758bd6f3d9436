/* SPDX-License-Identifier: Apache-2.0 */
#include "service/observer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/scan.h"
#include "base/text.h"
#include "process/clock.h"
#include "service/question.h"
#include "util.h"

#define TURNS_AT_ONCE 64u /* before whoever waits for other things is let look */

/* Reaching out */

static void program_of(pid_t pid, char name[static 17])
{
	char path[64];
	struct text text = TEXT_OVER(path);
	CLEANUP(cleanup_fd) int fd = -1;
	ssize_t got;

	text_addf(&text, "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, name, 16);
	name[got < 0 ? 0 : got] = '\0';
	name[strcspn(name, "\n")] = '\0';
}

static struct attempt *note(struct observer *observer, const struct observed *observed, int kind,
                            const char *host, uint16_t port)
{
	struct attempt *attempt;
	struct text text;

	for (size_t i = 0; i < observer->attempt_count; i++)
		if ((int)observer->attempts[i].kind == kind && observer->attempts[i].port == port &&
		    strcmp(observer->attempts[i].host, host) == 0) {
			observer->attempts[i].count++;
			return &observer->attempts[i];
		}
	if (observer->attempt_count == MAX_ATTEMPTS) {
		observer->attempts_left_out++;
		return NULL;
	}
	attempt = &observer->attempts[observer->attempt_count++];
	text = TEXT_OVER(attempt->host);
	text_add(&text, host);
	attempt->kind = (__typeof__(attempt->kind))kind;
	attempt->port = port;
	attempt->count = 1;
	attempt->first_ms = (clock_now_ns() - observer->started_ns) / 1000000u;
	program_of(observed->pid, attempt->program);
	return attempt;
}

/* One of this machine's own addresses, which it may get at any time. */
static bool is_own(const struct sockaddr_storage *address)
{
	struct ifaddrs *all = NULL;
	bool own = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *at = all; at != NULL && !own; at = at->ifa_next) {
		const struct sockaddr *other = at->ifa_addr;

		if (other == NULL || other->sa_family != address->ss_family)
			continue;
		own = other->sa_family == AF_INET ?
		              memcmp(&((const struct sockaddr_in *)(const void *)other)->sin_addr,
		                     &((const struct sockaddr_in *)(const void *)address)->sin_addr,
		                     sizeof(struct in_addr)) == 0 :
		              other->sa_family == AF_INET6 &&
		                      memcmp(&((const struct sockaddr_in6 *)(const void *)other)
		                                      ->sin6_addr,
		                             &((const struct sockaddr_in6 *)(const void *)address)
		                                      ->sin6_addr,
		                             sizeof(struct in6_addr)) == 0;
	}
	freeifaddrs(all);
	return own;
}

static bool is_local(const struct sockaddr_storage *address, char host[static INET6_ADDRSTRLEN],
                     uint16_t *port)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;

	if (address->ss_family == AF_INET) {
		*port = ntohs(four->sin_port);
		(void)inet_ntop(AF_INET, &four->sin_addr, host, INET6_ADDRSTRLEN);
		return ntohl(four->sin_addr.s_addr) >> 24 == 127 || four->sin_addr.s_addr == 0;
	}
	*port = ntohs(six->sin6_port);
	(void)inet_ntop(AF_INET6, &six->sin6_addr, host, INET6_ADDRSTRLEN);
	return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr);
}

/* An address of IPv4 in one of IPv6 is where the packets go. */
static void unmap(struct sockaddr_storage *storage)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)storage;
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = six->sin6_port };

	if (six->sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return;
	memcpy(&four.sin_addr, &six->sin6_addr.s6_addr[12], sizeof(four.sin_addr));
	memcpy(storage, &four, sizeof(four));
}

/* false: it is of no network. */
static bool read_address(struct observed *observed, uint64_t address, uint64_t size,
                         struct sockaddr_storage *storage)
{
	memset(storage, 0, sizeof(*storage));
	(void)observe_read(observed, address, storage,
	                   size < sizeof(*storage) ? (size_t)size : sizeof(*storage));
	unmap(storage);
	return storage->ss_family == AF_INET || storage->ss_family == AF_INET6;
}

/* A connection is noted only: Landlock refuses it within the call, where egress says so. */
static void take_address(struct observer *observer, struct observed *observed, uint64_t address,
                         uint64_t size)
{
	struct sockaddr_storage storage;
	char host[INET6_ADDRSTRLEN] = "";
	struct attempt *attempt;
	uint16_t port;

	if (address == 0 || size < sizeof(sa_family_t) ||
	    !read_address(observed, address, size, &storage) || is_local(&storage, host, &port) ||
	    is_own(&storage))
		return;
	attempt = note(observer, observed, ATTEMPT_ADDRESS, host, port);
	if (attempt != NULL)
		attempt->refused = observer->refuses_tcp;
}

/* With egress = deny no socket but TCP's, whose connect(2) Landlock judges: this answer is the filter's. */
static int take_socket(struct observer *observer, const struct observed *observed)
{
	uint64_t family = observed->args[0] & 0xffffffff, type = observed->args[1] & 0xf;
	struct attempt *attempt;

	if (!observer->refuses || (family != AF_INET && family != AF_INET6) || type == SOCK_STREAM)
		return 0;
	attempt = note(observer, observed, ATTEMPT_SOCKET, "datagrams", 0);
	if (attempt != NULL)
		attempt->refused = true;
	return EACCES;
}

#define PAYLOAD_BYTES 512u

/* A name that DNS is asked for; over TCP its length stands before the message (RFC 1035, section 4.2.2). */
static void take_payload(struct observer *observer, const struct observed *observed,
                         const unsigned char *bytes, size_t length)
{
	char name[QUESTION_NAME_BYTES];

	if (question_read(bytes, length, name) ||
	    (length > 2 && (size_t)(bytes[0] << 8 | bytes[1]) == length - 2 &&
	     question_read(bytes + 2, length - 2, name)))
		(void)note(observer, observed, ATTEMPT_NAME, name, 0);
}

static void take_bytes(struct observer *observer, struct observed *observed, uint64_t address,
                       uint64_t size)
{
	unsigned char bytes[PAYLOAD_BYTES];
	size_t wanted = size < sizeof(bytes) ? (size_t)size : sizeof(bytes);

	take_payload(observer, observed, bytes, observe_read(observed, address, bytes, wanted));
}

/* Of as many pieces as a question may come in. */
static void take_pieces(struct observer *observer, struct observed *observed, uint64_t vector,
                        uint64_t count)
{
	unsigned char bytes[PAYLOAD_BYTES];
	size_t length = 0;

	for (uint64_t i = 0; i < count && i < 4 && length < sizeof(bytes); i++) {
		struct iovec piece = { 0 };
		size_t room = sizeof(bytes) - length;
		uintptr_t base;

		if (observe_read(observed, vector + i * sizeof(piece), &piece, sizeof(piece)) !=
		    sizeof(piece))
			break;
		memcpy(&base, &piece.iov_base, sizeof(base));
		length += observe_read(observed, base, bytes + length,
		                       piece.iov_len < room ? piece.iov_len : room);
	}
	take_payload(observer, observed, bytes, length);
}

static void take_message(struct observer *observer, struct observed *observed, uint64_t address)
{
	struct msghdr message = { 0 };
	uintptr_t name, vector;

	if (observe_read(observed, address, &message, sizeof(message)) != sizeof(message))
		return;
	memcpy(&name, &message.msg_name, sizeof(name));
	memcpy(&vector, &message.msg_iov, sizeof(vector));
	take_pieces(observer, observed, vector, (uint64_t)message.msg_iovlen);
	take_address(observer, observed, name, message.msg_namelen);
}

/* As many as the kernel takes (sendmmsg(2), UIO_MAXIOV). */
static void take_messages(struct observer *observer, struct observed *observed)
{
	uint64_t count = observed->args[2] < UIO_MAXIOV ? observed->args[2] : UIO_MAXIOV;

	for (uint64_t i = 0; i < count; i++)
		take_message(observer, observed, observed->args[1] + i * sizeof(struct mmsghdr));
}

/* Files */

/* By a name that nothing else has, wherever it lies. */
static bool is_weights(const char *path)
{
	return path_ends(path, ".safetensors") || path_ends(path, ".gguf") ||
	       path_ends(path, ".onnx");
}

static bool is_of_the_kernel(const char *path)
{
	return path_is_beneath(path, "/proc") || path_is_beneath(path, "/sys") ||
	       path_is_beneath(path, "/dev");
}

static bool is_of_interest(const struct observer *observer, const char *path)
{
	for (size_t i = 0; i < observer->directory_count; i++)
		if (path_is_beneath(path, observer->directories[i]) &&
		    strlen(path) > strlen(observer->directories[i]))
			return true;
	return observer->anywhere && !is_of_the_kernel(path);
}

/* A directory's real path is told as the policy and the environment name it. */
static void name_as_policy(const struct observer *observer, char path[static MAX_PATH_BYTES])
{
	char named[MAX_PATH_BYTES];

	for (size_t i = 0; i < observer->directory_count && observer->real != NULL; i++) {
		const char *real = observer->real[i], *directory = observer->directories[i];
		struct text text = TEXT_OVER(named);

		if (real == NULL || !path_is_beneath(path, real) ||
		    path_is_beneath(path, directory))
			continue;
		text_addf(&text, "%s%s", directory, path + strlen(real));
		if (!text.cut)
			memcpy(path, named, text.length + 1);
		return;
	}
}

/* The path as it was named: from the working directory, or from the descriptor. */
static bool absolute(const struct observed *observed, int directory, const char *name,
                     char out[static MAX_PATH_BYTES])
{
	char link[64], base[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(link);
	ssize_t length;

	if (name[0] == '/')
		return path_join(out, MAX_PATH_BYTES, "/", name + 1);
	if (directory == AT_FDCWD)
		text_addf(&text, "/proc/%d/cwd", (int)observed->pid);
	else
		text_addf(&text, "/proc/%d/fd/%d", (int)observed->pid, directory);
	length = readlink(link, base, sizeof(base) - 1);
	if (length <= 0 || base[0] != '/')
		return false;
	base[length] = '\0';
	return path_join(out, MAX_PATH_BYTES, base, name);
}

static uint32_t *place_of(struct observer *observer, uint64_t hash)
{
	size_t mask = 4 * observer->file_room - 1, i = hash & mask;

	while (observer->places[i] != 0 && observer->files[observer->places[i] - 1].hash != hash)
		i = (i + 1) & mask;
	return &observer->places[i];
}

static bool grow(struct observer *observer)
{
	size_t room = observer->file_room == 0 ? 64 : observer->file_room * 2;
	struct opened_file *files =
	        room > MAX_OBSERVED_FILES ? NULL : realloc(observer->files, room * sizeof(*files));
	uint32_t *places = files == NULL ? NULL : calloc(4 * room, sizeof(*places));

	if (files != NULL)
		observer->files = files;
	if (places == NULL)
		return false;
	free(observer->places);
	observer->places = places;
	observer->file_room = room;
	for (size_t i = 0; i < observer->file_count; i++)
		*place_of(observer, files[i].hash) = (uint32_t)(i + 1);
	return true;
}

/* NULL: it was not met yet. */
static struct opened_file *find_file(struct observer *observer, uint64_t hash)
{
	uint32_t place = observer->file_room > 0 ? *place_of(observer, hash) : 0;

	return place == 0 ? NULL : &observer->files[place - 1];
}

/* NULL: it is left out. */
static struct opened_file *note_file(struct observer *observer, const char *path, bool opened)
{
	uint64_t hash = hash_bytes(path, strlen(path));
	struct opened_file *file = find_file(observer, hash);

	if (file != NULL) {
		file->opened |= opened;
		return file;
	}
	if (observer->file_count == observer->file_room && !grow(observer)) {
		observer->files_left_out++;
		return NULL;
	}
	file = &observer->files[observer->file_count];
	*file = (struct opened_file){ .hash = hash, .path = strdup(path), .opened = opened };
	if (file->path == NULL)
		return NULL;
	observer->file_count++;
	*place_of(observer, hash) = (uint32_t)observer->file_count;
	return file;
}

/* To its end, and not beyond: most names are short. */
static void read_name(struct observed *observed, uint64_t address, char name[static MAX_PATH_BYTES])
{
	size_t got = 0;

	name[0] = '\0';
	while (got < MAX_PATH_BYTES - 1 && memchr(name, '\0', got) == NULL) {
		size_t piece = 256 - ((address + got) & 255), left = MAX_PATH_BYTES - 1 - got;
		size_t more = observe_read(observed, address + got, name + got,
		                           piece < left ? piece : left);

		got += more;
		if (more == 0)
			break;
	}
	name[got] = '\0';
}

/* In the service's own place; false: there is no name. */
static bool read_path(const struct observer *observer, struct observed *observed, int directory,
                      uint64_t address, char path[static MAX_PATH_BYTES])
{
	char name[MAX_PATH_BYTES];

	read_name(observed, address, name);
	if (name[0] == '\0' || !absolute(observed, directory, name, path))
		return false;
	path_squeeze(path);
	name_as_policy(observer, path);
	return true;
}

/* By a name that only observer_settle() can tell: a link may lie on its way to a model. Weights count wherever they lie. */
static void note_aside(struct observer *observer, const char *path, bool opened)
{
	size_t count = observer->file_count;

	if (observer->aside_count >= MAX_FILES_ASIDE && !is_weights(path) &&
	    find_file(observer, hash_bytes(path, strlen(path))) == NULL) {
		observer->aside_left_out++;
		return;
	}
	if (note_file(observer, path, opened) == NULL || observer->file_count == count)
		return;
	observer->files[count].aside = true;
	observer->aside_count++;
}

/* What it makes or writes is none of its models. */
static void take_open(struct observer *observer, struct observed *observed, int directory,
                      uint64_t address, uint64_t flags)
{
	bool makes = (flags & O_ACCMODE) == O_WRONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
	char path[MAX_PATH_BYTES];
	struct opened_file *file = NULL;

	if (!read_path(observer, observed, directory, address, path))
		return;
	if (is_of_interest(observer, path))
		file = note_file(observer, path, !makes);
	else if (!makes && !is_of_the_kernel(path))
		note_aside(observer, path, true);
	if (file != NULL)
		file->made |= makes;
}

/* Where all files count, and outside of the models' places, only those of hub caches are worth a look. */
static void take_look(struct observer *observer, struct observed *observed, int directory,
                      uint64_t address)
{
	char path[MAX_PATH_BYTES];
	bool of_a_cache;

	if (!read_path(observer, observed, directory, address, path))
		return;
	of_a_cache = strstr(path, "/models--") != NULL;
	if (!is_of_interest(observer, path)) {
		if (of_a_cache)
			note_aside(observer, path, false);
	} else if (!observer->anywhere || of_a_cache) {
		(void)note_file(observer, path, false);
	}
}

/* Without links on its way, as far as there is a way. */
static bool real_way(const char *path, char out[static MAX_PATH_BYTES])
{
	char above[MAX_PATH_BYTES], real[PATH_MAX], *slash;
	struct text text = TEXT_OVER(above);

	text_add(&text, path);
	while ((slash = strrchr(above, '/')) != NULL && slash != above) {
		*slash = '\0';
		if (realpath(above, real) != NULL)
			return path_join(out, MAX_PATH_BYTES, real, path + (slash - above) + 1);
	}
	return false;
}

/* Whether a link led to a watched directory: it gets the name that the policy has for it, but where that has been met already. */
static bool settle(struct observer *observer, size_t index)
{
	struct opened_file *file = &observer->files[index], *met;
	char path[MAX_PATH_BYTES], *name;

	if (!real_way(file->path, path))
		return false;
	name_as_policy(observer, path);
	if (!is_of_interest(observer, path))
		return false;
	met = find_file(observer, hash_bytes(path, strlen(path)));
	name = met == NULL ? strdup(path) : NULL;
	if (met != NULL)
		met->opened |= file->opened;
	if (name == NULL)
		return true;
	free(file->path);
	file->path = name;
	file->hash = hash_bytes(name, strlen(name));
	file->aside = false;
	*place_of(observer, file->hash) = (uint32_t)(index + 1);
	return true;
}

/* The places are not asked any more after this. */
void observer_settle(struct observer *observer)
{
	size_t kept = 0;

	for (size_t i = 0; i < observer->file_count; i++)
		if (observer->files[i].aside && !settle(observer, i) && observer->files[i].opened &&
		    is_weights(observer->files[i].path))
			observer->files[i].aside = false;
	for (size_t i = 0; i < observer->file_count; i++)
		if (observer->files[i].aside)
			free(observer->files[i].path);
		else
			observer->files[kept++] = observer->files[i];
	observer->file_count = kept;
}

/* What it offers and starts */

static void take_bind(struct observer *observer, struct observed *observed)
{
	struct sockaddr_storage storage;
	size_t at = observer->bound_count++ % LENGTH_OF(observer->bound);
	char host[INET6_ADDRSTRLEN];
	uint16_t port = 0;

	if (read_address(observed, observed->args[1], observed->args[2], &storage))
		(void)is_local(&storage, host, &port);
	observer->bound[at].pid = observed->pid;
	observer->bound[at].fd = (int)observed->args[0];
	observer->bound[at].port = port;
}

/*
 * By what it last bound with this descriptor's number. Another thread may have done so, or the process that it was forked
 * from: the workers of uvicorn listen on what their parent has bound.
 */
static void take_listen(struct observer *observer, const struct observed *observed)
{
	size_t room = LENGTH_OF(observer->bound);
	uint16_t port = 0;
	bool any = false;

	for (size_t i = 0; i < room && i < observer->bound_count; i++) {
		size_t at = (observer->bound_count - 1 - i) % room;
		bool own = observer->bound[at].pid == observed->pid;

		if (observer->bound[at].fd != (int)observed->args[0] || (any && !own))
			continue;
		port = observer->bound[at].port;
		any = true;
		if (own)
			break;
	}
	for (size_t i = 0; i < observer->port_count; i++)
		if (observer->ports[i] == port)
			return;
	if (port != 0 && observer->port_count < LENGTH_OF(observer->ports))
		observer->ports[observer->port_count++] = port;
}

/*
 * Whether it is a program is asked when the service has ended: a file system that the service serves itself would wait for
 * the service, and that for this answer.
 */
static void take_program(struct observer *observer, struct observed *observed, int directory,
                         uint64_t address, uint64_t flags)
{
	bool by_descriptor = (flags & AT_EMPTY_PATH) != 0;
	char path[MAX_PATH_BYTES];

	if (observer->service == 0)
		observer->service = observed->pid;
	if (observed->pid == observer->service ||
	    observer->program_count == LENGTH_OF(observer->programs) ||
	    (!read_path(observer, observed, directory, address, path) &&
	     !(by_descriptor && absolute(observed, directory, "", path))))
		return;
	for (size_t i = 0; i < observer->program_count; i++)
		if (strcmp(observer->programs[i], path) == 0)
			return;
	observer->programs[observer->program_count] = strdup(path);
	observer->program_count += observer->programs[observer->program_count] != NULL;
}

/* Answering */

static void take_file_call(struct observer *observer, struct observed *observed)
{
	const uint64_t *args = observed->args;
	uint64_t flags = 0;

	switch (observed->call) {
	case SYS_openat:
		take_open(observer, observed, (int)args[0], args[1], args[2]);
		break;
	case SYS_openat2: /* open_how begins with the flags */
		(void)observe_read(observed, args[2], &flags, sizeof(flags));
		take_open(observer, observed, (int)args[0], args[1], flags);
		break;
	case SYS_newfstatat:
	case SYS_statx:
	case SYS_faccessat:
	case SYS_faccessat2:
		take_look(observer, observed, (int)args[0], args[1]);
		break;
#ifdef SYS_open
	case SYS_open:
		take_open(observer, observed, AT_FDCWD, args[0], args[1]);
		break;
	case SYS_stat:
	case SYS_lstat: /* musl, where nothing else is asked for */
	case SYS_access:
		take_look(observer, observed, AT_FDCWD, args[0]);
		break;
#endif
	default:
		break;
	}
}

/* An errno that answers the call, or 0. */
static int take_call(struct observer *observer, struct observed *observed)
{
	const uint64_t *args = observed->args;

	switch (observed->call) {
	case SYS_socket:
		return take_socket(observer, observed);
	case SYS_io_uring_setup: /* what goes that way is not seen */
		observed->hidden = !observer->demands;
		return observer->demands ? EPERM : 0;
	case SYS_chroot: /* which files the names mean from there on is not seen */
	case SYS_pivot_root:
		observer->moved |= !observer->demands_files;
		return observer->demands_files ? EPERM : 0;
	case SYS_connect:
		take_address(observer, observed, args[1], args[2]);
		break;
	case SYS_sendto:
		take_bytes(observer, observed, args[1], args[2]);
		take_address(observer, observed, args[4], args[5]);
		break;
	case SYS_sendmsg:
		take_message(observer, observed, args[1]);
		break;
	case SYS_sendmmsg:
		take_messages(observer, observed);
		break;
	case SYS_bind:
		take_bind(observer, observed);
		break;
	case SYS_listen:
		take_listen(observer, observed);
		break;
	case SYS_execve:
		take_program(observer, observed, AT_FDCWD, args[0], 0);
		break;
	case SYS_execveat:
		take_program(observer, observed, (int)args[0], args[1], args[4]);
		break;
	default:
		take_file_call(observer, observed);
		break;
	}
	return 0;
}

bool observer_turn(struct observer *observer, int listener_fd)
{
	for (unsigned i = 0; i < TURNS_AT_ONCE; i++) {
		struct observed observed;
		int error = observe_next(listener_fd, &observed);

		if (error == -EAGAIN)
			return true;
		if (error != 0)
			return false;
		error = observed.hidden ? 0 : take_call(observer, &observed);
		observer->hidden += observed.hidden;
		observe_answer(&observed, error);
	}
	return true;
}

static int by_identity(const void *a, const void *b)
{
	const struct identified *one = a, *other = b;

	if (one->device != other->device)
		return one->device < other->device ? -1 : 1;
	return one->inode < other->inode ? -1 : one->inode > other->inode;
}

struct identified *observer_identify(const struct observer *observer, size_t *count)
{
	struct identified *seen = calloc(observer->file_count + 1, sizeof(*seen));
	struct stat st;

	*count = 0;
	for (size_t i = 0; seen != NULL && i < observer->file_count; i++)
		if (observer->files[i].opened && stat(observer->files[i].path, &st) == 0)
			seen[(*count)++] = (struct identified){ st.st_dev, st.st_ino };
	if (*count > 1)
		qsort(seen, *count, sizeof(*seen), by_identity);
	return seen;
}

bool identified_has(const struct identified *all, size_t count, const struct stat *st)
{
	struct identified wanted = { st->st_dev, st->st_ino };

	return bsearch(&wanted, all, count, sizeof(wanted), by_identity) != NULL;
}

void observer_release(struct observer *observer)
{
	for (size_t i = 0; i < observer->file_count; i++)
		free(observer->files[i].path);
	for (size_t i = 0; i < observer->program_count; i++)
		free(observer->programs[i]);
	free(observer->files);
	free(observer->places);
	observer->files = NULL;
	observer->places = NULL;
	observer->file_count = observer->file_room = 0;
}
