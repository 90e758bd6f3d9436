/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/worker.h"

#include <errno.h>
#include <string.h>

#include "confine/filter.h"

void worker_restrict(const char *who, const struct landlock_grant *grant, unsigned sockets,
                     struct text *weaker)
{
	int landlock = landlock_restrict(grant), filter = filter_enforce(sockets);

	if (landlock < 0)
		text_addf(weaker, "the %s is confined by its user alone: %s", who,
		          landlock_words(landlock));
	else if (landlock > 0)
		text_addf(weaker, "the %s could open TCP connections to any port: %s", who,
		          landlock_words(-ENOPROTOOPT));
	if (filter < 0)
		text_addf(weaker, "%s%s could make any socket: seccomp filters are refused: %s",
		          landlock != 0 ? "; the " : "the ", who, strerror(-filter));
}
