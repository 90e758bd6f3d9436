/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include <stddef.h>

#include "util.h"

enum status status_worse(enum status a, enum status b)
{
	static const enum status precedence[] = {
		STATUS_POLICY,      STATUS_PERMISSION,  STATUS_DATA,      STATUS_MISSING,
		STATUS_ENVIRONMENT, STATUS_UNAVAILABLE, STATUS_TEMPORARY, STATUS_IO,
	};

	for (size_t i = 0; i < LENGTH_OF(precedence); i++)
		if (a == precedence[i] || b == precedence[i])
			return precedence[i];
	return a != STATUS_OK ? a : b;
}
