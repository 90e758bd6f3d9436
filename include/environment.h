/* SPDX-License-Identifier: Apache-2.0 */
/* An environment as data: the one that aweigh was given, or the one that the service will get. */
#ifndef AWEIGH_ENVIRONMENT_H
#define AWEIGH_ENVIRONMENT_H

#include <stddef.h>
#include <string.h>

/* Pointers to NAME=VALUE, NULL at the end. */
struct environment {
	const char *const *rows;
	size_t count;
};

/* The value of `name`, or NULL. The first of several rows wins, as in getenv(3) and in CPython's os.environ. */
/* Over rows that end with NULL, as environ(7) does. */
static inline struct environment environment_over(char *const *rows)
{
	struct environment environment = { (const char *const *)rows, 0 };

	while (environment.rows[environment.count] != NULL)
		environment.count++;
	return environment;
}

static inline const char *environment_get(const struct environment *environment, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < environment->count; i++)
		if (strncmp(environment->rows[i], name, length) == 0 &&
		    environment->rows[i][length] == '=')
			return environment->rows[i] + length + 1;
	return NULL;
}

#endif
