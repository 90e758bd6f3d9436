/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/caps.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/list.h"
#include "base/scan.h"
#include "base/text.h"
#include "policy.h"
#include "util.h"

static void cleanup_caps(const cap_t *caps)
{
	if (*caps != NULL)
		(void)cap_free(*caps);
}

/* By libcap's names; its own search takes numbers, too. */
static bool parse_one(const char *word, size_t length, uint64_t *mask)
{
	bool prefixed = length >= 4 && text_equals_any_case(word, 4, "cap_");
	bool found = false;

	for (int value = 0; !found && value <= CAP_LAST_CAP; value++) {
		char *name = cap_to_name(value);

		found = name != NULL && strlen(name) > 4 &&
		        text_equals_any_case(word, length, prefixed ? name : name + 4);
		if (found)
			*mask |= 1ull << value;
		(void)cap_free(name);
	}
	return found;
}

bool capabilities_parse(const char *list, struct capability_set *out)
{
	struct capability_set set = { .named = strcmp(list, "keep") != 0 };
	const char *at = NULL, *word;
	size_t length;

	while (set.named && strcmp(list, "none") != 0 &&
	       (word = list_next(list, ',', &at, &length)) != NULL)
		if (!parse_one(word, length, &set.mask))
			return false;
	*out = set;
	return true;
}

int capabilities_bound(uint64_t mask)
{
	for (int value = 0; value <= 63; value++) {
		int has = prctl(PR_CAPBSET_READ, value, 0, 0, 0);

		if (has < 0) /* beyond the kernel's last */
			return 0;
		if (has == 0 || (mask >> value & 1) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, value, 0, 0, 0) != 0)
			return errno != EPERM || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ?
			               -errno :
			               0;
	}
	return 0;
}

int capabilities_keep(uint64_t mask)
{
	return mask != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ? -errno : 0;
}

static int set_sets(uint64_t mask, size_t sets)
{
	static const cap_flag_t flags[] = { CAP_PERMITTED, CAP_EFFECTIVE, CAP_INHERITABLE };
	CLEANUP(cleanup_caps) cap_t caps = cap_init();

	if (caps == NULL)
		return -ENOMEM;
	for (cap_value_t value = 0; value <= 63; value++)
		for (size_t i = 0; (mask >> value & 1) != 0 && i < sets; i++)
			if (cap_set_flag(caps, flags[i], 1, &value, CAP_SET) != 0)
				return -errno;
	return cap_set_proc(caps) != 0 ? -errno : 0;
}

/* The ambient set goes first: it must be within permitted and inheritable at any time. */
static int clear_ambient(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL ?
	               -errno :
	               0;
}

bool capability_is_held(int value)
{
	CLEANUP(cleanup_caps) cap_t now = cap_get_proc();
	cap_flag_value_t held = CAP_CLEAR;

	if (now != NULL)
		(void)cap_get_flag(now, value, CAP_EFFECTIVE, &held);
	return held == CAP_SET;
}

bool capabilities_came_with_the_file(void)
{
	/* What a runtime gave its first process without an exec(2), as gVisor's does, is no file's. */
	bool may_have =
	        getuid() != 0 && getxattr("/proc/self/exe", "security.capability", NULL, 0) > 0;
	CLEANUP(cleanup_caps) cap_t now = may_have ? cap_get_proc() : NULL;
	cap_flag_value_t permitted = CAP_CLEAR;

	for (int value = 0; now != NULL && value <= 63; value++)
		if (cap_get_flag(now, value, CAP_PERMITTED, &permitted) == 0 &&
		    permitted == CAP_SET &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, value, 0, 0) != 1)
			return true;
	return false;
}

int capabilities_raise(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) != 0)
		return -errno;
	for (size_t i = 0; i < LENGTH_OF(data); i++)
		data[i].effective = data[i].permitted;
	return syscall(SYS_capset, &header, data) != 0 ? -errno : 0;
}

int capabilities_drop(uint64_t mask)
{
	int error = clear_ambient();

	for (int value = 0; value <= 63; value++)
		if ((mask >> value & 1) != 0 && !capability_is_held(value))
			mask &= ~(1ull << value);
	return error < 0 ? error : set_sets(mask, 2);
}

int capabilities_become(uint64_t mask)
{
	int error = clear_ambient();

	if (error == 0)
		error = set_sets(mask, 3);
	for (int value = 0; error == 0 && value <= 63; value++)
		if ((mask >> value & 1) != 0 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, value, 0, 0) != 0)
			error = -errno;
	if (error == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0 && errno != EPERM)
		error = -errno;
	return error;
}
