/* SPDX-License-Identifier: Apache-2.0 */
#include "report/watched.h"

void watched_add(struct text *text, const struct report_service *service)
{
	(void)text;
	(void)service;
}

void watched_add_reach(struct text *text, const struct report_service *service)
{
	(void)text;
	(void)service;
}
