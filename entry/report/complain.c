/* SPDX-License-Identifier: Apache-2.0 */
#include "report/complain.h"

#include <stdio.h>

int complain(enum status status, const char *sentence)
{
	(void)fprintf(stderr, "aweigh: %s\n", sentence);
	return (int)status;
}
