/* SPDX-License-Identifier: Apache-2.0 */
/* The first bytes of a program: who would start it, and why it does not. */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "launch/command.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const rows[] = { "PATH=/bin", NULL };
	static const int errors[] = { ENOENT, EACCES, ENOEXEC, EAGAIN, ENOTDIR, EIO };
	const struct environment environment = { rows, 1 };
	CLEANUP(cleanup_fd) int fd = memfd_create("program", MFD_CLOEXEC);
	char path[32], sentence[512];
	struct text name = TEXT_OVER(path);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || fchmod(fd, 0755) != 0)
		return 0;
	text_addf(&name, "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < LENGTH_OF(errors); i++) {
		struct text why = TEXT_OVER(sentence);
		enum status status = command_explain_failure(path, errors[i], &why);

		if (why.length == 0 ||
		    (status != STATUS_NOT_FOUND && status != STATUS_NOT_EXECUTABLE &&
		     status != STATUS_TEMPORARY))
			abort();
	}
	{
		struct text why = TEXT_OVER(sentence);

		if ((command_try(path, &environment, &why) == STATUS_OK) != (why.length == 0))
			abort();
	}
	return 0;
}
