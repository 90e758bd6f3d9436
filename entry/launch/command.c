/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/command.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/tree.h"
#include "process/child.h"
#include "util.h"

#ifdef __x86_64__
#define OWN_MACHINE EM_X86_64
#else
#define OWN_MACHINE EM_AARCH64
#endif

bool command_find(const char *command, const struct environment *environment, char *out,
                  size_t size)
{
	const char *path = environment_get(environment, "PATH"), *at;
	char refuses[MAX_PATH_BYTES] = "";
	struct text refused = TEXT_OVER(refuses);
	struct stat st;

	if (strchr(command, '/') != NULL) {
		errno = ENAMETOOLONG;
		return path_join(out, size, command, "");
	}
	for (at = path == NULL ? "/usr/local/bin:/bin:/usr/bin" : path;; at++) {
		size_t length = strcspn(at, ":");
		struct text text = text_over(out, size);

		text_add_bytes(&text, length == 0 ? "." : at, length == 0 ? 1 : length);
		text_add(&text, "/");
		text_add(&text, command);
		if (!text.cut && access(out, X_OK) == 0 && stat(out, &st) == 0 &&
		    S_ISREG(st.st_mode))
			return true;
		if (!text.cut && refused.length == 0 &&
		    (errno == EACCES || (stat(out, &st) == 0 && S_ISREG(st.st_mode))))
			text_add(&refused, out);
		at += length;
		if (*at == '\0')
			break;
	}
	refused = text_over(out, size);
	text_add(&refused, refuses[0] != '\0' ? refuses : command);
	errno = refuses[0] != '\0' ? EACCES : ENOENT;
	return false;
}

/* The program that a script's first line names. */
static bool script_interpreter(const char *head, size_t length, char *out, size_t size)
{
	const char *start = head + 2, *end = head + length, *stop;
	struct text text = text_over(out, size);

	if (length < 3 || head[0] != '#' || head[1] != '!')
		return false;
	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	for (stop = start; stop < end && *stop != ' ' && *stop != '\t' && *stop != '\n';)
		stop++;
	text_add_bytes(&text, start, (size_t)(stop - start));
	return stop > start;
}

/* The loader of a dynamic program: its PT_INTERP segment (elf(5)). */
static bool elf_interpreter(int fd, const char *head, size_t length, char *out, size_t size,
                            bool *foreign)
{
	Elf64_Ehdr elf;
	Elf64_Phdr segment;

	if (length < sizeof(elf) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
	    head[EI_CLASS] != ELFCLASS64)
		return false;
	memcpy(&elf, head, sizeof(elf));
	*foreign = elf.e_machine != OWN_MACHINE;
	for (unsigned i = 0; i < elf.e_phnum && i < 64; i++) {
		uint64_t at;
		ssize_t got;

		if (__builtin_add_overflow(elf.e_phoff, (uint64_t)i * elf.e_phentsize, &at) ||
		    at > INT64_MAX ||
		    pread(fd, &segment, sizeof(segment), (off_t)at) != (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type != PT_INTERP)
			continue;
		if (segment.p_offset > INT64_MAX)
			return false;
		got = pread(fd, out, size - 1, (off_t)segment.p_offset);
		if (got <= 0)
			return false;
		out[got] = '\0';
		return true;
	}
	return false;
}

struct program {
	const char *path;
	char interpreter[MAX_PATH_BYTES]; /* of a script */
	char loader[MAX_PATH_BYTES]; /* of a dynamic program */
	bool foreign; /* a program of another machine: an emulator may have its loader elsewhere */
};

static void read_program(struct program *program)
{
	CLEANUP(cleanup_fd) int fd = open(program->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[256] = "";
	ssize_t got = fd < 0 ? 0 : pread(fd, head, sizeof(head), 0);
	size_t length = got < 0 ? 0 : (size_t)got;

	if (!script_interpreter(head, length, program->interpreter, sizeof(program->interpreter)))
		program->interpreter[0] = '\0';
	if (!elf_interpreter(fd, head, length, program->loader, sizeof(program->loader),
	                     &program->foreign))
		program->loader[0] = '\0';
}

/* execve() says ENOENT for a missing interpreter too: the one case in which its word misleads. */
static bool explain_absence(struct program *program, struct text *why)
{
	size_t end = strlen(program->interpreter);
	bool carriage = end > 0 && program->interpreter[end - 1] == '\r';

	if (carriage)
		program->interpreter[end - 1] = '\0';
	if (program->interpreter[0] != '\0')
		text_addf(
		        why,
		        "%s cannot start: its first line names the interpreter '%s%s', which is not there%s",
		        program->path, program->interpreter, carriage ? "\\r" : "",
		        carriage ? "; the file has Windows line ends" : "");
	else if (program->loader[0] != '\0')
		text_addf(
		        why,
		        "%s cannot start: its loader %s is not there, so it was built for another system",
		        program->path, program->loader);
	return program->interpreter[0] != '\0' || program->loader[0] != '\0';
}

/* The directory on the way, or the file, that refuses whoever this process is; false: none does. */
static bool explain_refusal(const char *path, const char *what, struct text *why)
{
	const struct tree everything = { .root_fd = -1 };
	char here[MAX_PATH_BYTES], whole[MAX_PATH_BYTES];
	struct refusal refusal;
	struct statvfs mount;
	struct stat st;

	if (path[0] != '/' && getcwd(here, sizeof(here)) != NULL &&
	    path_join(whole, sizeof(whole), here, path))
		path = whole;
	if (tree_explain(&everything, path, &refusal) && refusal.error == EACCES &&
	    refusal.is_directory_on_the_way) {
		text_addf(why, "%s: uid %u may not enter %s", what, (unsigned)geteuid(),
		          refusal.path);
		if (refusal.has_stat)
			text_addf(why, " (mode %04o, owner %u)",
			          (unsigned)refusal.st.st_mode & 07777u,
			          (unsigned)refusal.st.st_uid);
		return true;
	}
	if (stat(path, &st) != 0)
		return false;
	if (!S_ISREG(st.st_mode))
		text_addf(why, "%s: it is not a regular file", what);
	else if (statvfs(path, &mount) == 0 && (mount.f_flag & ST_NOEXEC) != 0)
		text_addf(why, "%s: its file system is mounted noexec", what);
	else if (access(path, X_OK) != 0)
		text_addf(why, "%s: uid %u has no execute permission (mode %04o): chmod +x it",
		          what, (unsigned)geteuid(), (unsigned)st.st_mode & 07777u);
	else
		return false;
	return true;
}

static bool explain_access(const struct program *program, struct text *why)
{
	char what[2 * MAX_PATH_BYTES];
	struct text text = TEXT_OVER(what);

	text_addf(&text, "%s cannot start", program->path);
	if (explain_refusal(program->path, what, why))
		return true;
	if (program->interpreter[0] == '\0' && program->loader[0] == '\0')
		return false;
	text_addf(&text, ": its %s %s", program->interpreter[0] != '\0' ? "interpreter" : "loader",
	          program->interpreter[0] != '\0' ? program->interpreter : program->loader);
	return explain_refusal(program->interpreter[0] != '\0' ? program->interpreter :
	                                                         program->loader,
	                       what, why);
}

/* As execve() would say: 0 or an errno. */
static int execution_error(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	return !S_ISREG(st.st_mode) ? EACCES : access(path, X_OK) != 0 ? errno : 0;
}

enum status command_try(const char *command, const struct environment *environment,
                        struct text *why)
{
	char path[MAX_PATH_BYTES];
	struct program program = { .path = path };
	int error = command_find(command, environment, path, sizeof(path)) ? 0 : errno;

	if (error == 0)
		error = execution_error(path);
	if (error == 0) {
		read_program(&program);
		/* A relative interpreter, or a file of neither kind, is the kernel's to judge (binfmt_misc). */
		if (program.interpreter[0] == '/')
			error = execution_error(program.interpreter);
		else if (program.loader[0] == '/' && !program.foreign)
			error = execution_error(program.loader);
	}
	return error == 0 ? STATUS_OK : command_explain_failure(path, error, why);
}

enum status command_explain_failure(const char *path, int error, struct text *why)
{
	struct program program = { .path = path };

	read_program(&program);
	if (error == EAGAIN) {
		text_addf(why, "%s cannot start now: %s", path, child_no_room_words());
		return STATUS_TEMPORARY;
	}
	if (error == ENOENT && strchr(path, '/') == NULL)
		text_addf(why, "%s cannot start: no such command in the service's PATH", path);
	else if (error == ENOEXEC)
		text_addf(
		        why,
		        "%s cannot start: it is not a program for this machine, and has no '#!' line",
		        path);
	else if (!(error == ENOENT && explain_absence(&program, why)) &&
	         !(error == EACCES && explain_access(&program, why)))
		text_addf(why, "%s cannot start: %s", path, strerror(error));
	return error == ENOENT || error == ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}
