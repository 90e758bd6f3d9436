/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service of `make bench` for inits; times are microseconds of the monotonic clock.
 *     inits start ROUNDS COMMAND...   the median from before the init's fork to the service's first instruction
 *     inits signal ROUNDS COMMAND...  the median from kill(2) of the init to the service's sigwait(3)
 *     inits reap COUNT                as the service: so many orphans end at once; until the init has reaped the last
 * COMMAND ends in what the init runs, which is this program with `now`, or `echo`.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "times.h"

static pid_t start(char **command, int *from)
{
	int ends[2];
	pid_t child;

	if (pipe(ends) != 0)
		exit(1);
	child = fork();
	if (child == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execvp(command[0], command);
		_exit(127);
	}
	close(ends[1]);
	*from = ends[0];
	return child;
}

static double take(int from)
{
	double value;

	if (read(from, &value, sizeof(value)) != sizeof(value))
		exit(1);
	return value;
}

static void measure(int signals, int rounds, char **command)
{
	double *times = calloc((size_t)rounds, sizeof(*times)), begun = 0;
	int from = -1;
	pid_t child = 0;

	for (int i = 0; i < rounds; i++) {
		if (!signals || i == 0) {
			begun = now();
			child = start(command, &from);
			times[i] = take(from) - begun;
		}
		if (signals) {
			usleep(2000); /* asleep, as an init is */
			begun = now();
			kill(child, SIGUSR1);
			times[i] = take(from) - begun;
		}
		if (!signals || i == rounds - 1) {
			kill(child, SIGTERM);
			waitpid(child, NULL, 0);
			close(from);
		}
	}
	qsort(times, (size_t)rounds, sizeof(*times), by_value);
	printf("%.1f\n", times[rounds / 2]);
}

static void echo(void)
{
	sigset_t set;
	int number;
	double time = now();

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	do {
		(void)!write(1, &time, sizeof(time));
		sigwait(&set, &number);
		time = now();
	} while (number == SIGUSR1);
}

static void reap(int count)
{
	int gate[2], names[2];
	pid_t *pids = calloc((size_t)count, sizeof(*pids));
	double begun;
	char byte;

	if (pipe(gate) != 0 || pipe(names) != 0)
		exit(1);
	if (fork() == 0) { /* whose end makes orphans of them */
		for (int i = 0; i < count; i++) {
			pid_t pid = fork();

			if (pid == 0) {
				close(gate[1]);
				(void)!read(gate[0], &byte, 1);
				_exit(0);
			}
			if (pid < 0 || write(names[1], &pid, sizeof(pid)) != sizeof(pid))
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < count; i++)
		if (read(names[0], &pids[i], sizeof(pids[i])) != sizeof(pids[i]))
			exit(1);
	wait(NULL);
	begun = now();
	close(gate[1]);
	for (int i = 0; i < count; i++)
		while (kill(pids[i], 0) == 0)
			usleep(100);
	printf("%.1f\n", now() - begun);
}

int main(int argc, char **argv)
{
	double time = now();

	if (argc > 1 && strcmp(argv[1], "now") == 0)
		return write(1, &time, sizeof(time)) != sizeof(time);
	if (argc > 1 && strcmp(argv[1], "echo") == 0)
		echo();
	else if (argc > 2 && strcmp(argv[1], "reap") == 0)
		reap(atoi(argv[2]));
	else if (argc > 3)
		measure(strcmp(argv[1], "signal") == 0, atoi(argv[2]), argv + 3);
	return 0;
}
