/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures commands: spawn.c ROUNDS COMMAND [ARG...] { "--" COMMAND [ARG...] }. Runs them in turn, so that
 * what else the machine does falls on all alike, and prints for each the median microseconds from
 * fork to exit, and the largest resident set in kB (of the whole tree, as wait4(2) has it).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "times.h"

#define MAX_COMMANDS 8

static double run(char **argv, long *kilobytes, int *status)
{
	double start = now();
	struct rusage usage;
	pid_t child = vfork();

	if (child == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	wait4(child, status, 0, &usage);
	if (usage.ru_maxrss > *kilobytes)
		*kilobytes = usage.ru_maxrss;
	return now() - start;
}

int main(int argc, char **argv)
{
	int rounds = atoi(argv[1]), commands = 1, status = 0, failed = 0;
	char **command[MAX_COMMANDS] = { argv + 2 };
	long kilobytes[MAX_COMMANDS] = { 0 };
	double *times[MAX_COMMANDS];
	int null = open("/dev/null", O_WRONLY);

	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "---") == 0) {
			argv[i] = NULL;
			command[commands++] = argv + i + 1;
		}
	dup2(null, 2);
	for (int i = 0; i < commands; i++)
		times[i] = malloc((size_t)rounds * sizeof(double));
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < commands; i++) {
			times[i][round] = run(command[i], &kilobytes[i], &status);
			failed |= status;
		}
	for (int i = 0; i < commands; i++) {
		qsort(times[i], (size_t)rounds, sizeof(double), by_value);
		printf("%.1f %ld\n", times[i][rounds / 2], kilobytes[i]);
	}
	return failed != 0;
}
