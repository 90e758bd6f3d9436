/* SPDX-License-Identifier: Apache-2.0 */
/* Lists as the policy and the environment write them. */
#ifndef AWEIGH_LIST_H
#define AWEIGH_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Walks a list: elements between separators, blanks trimmed, empty ones skipped. Starts with *at = NULL;
 * returns the element's start and its length, or NULL at the end.
 */
const char *list_next(const char *list, char separator, const char **at, size_t *length);

/* Whether one of the list's elements is the word. */
bool list_has(const char *list, char separator, const char *word);

/* TCP ports between commas, at most `room`. false: something else, none, or more. */
bool list_ports(const char *list, uint16_t *ports, size_t room, size_t *count);

#endif
