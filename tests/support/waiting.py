# SPDX-License-Identifier: Apache-2.0
"""Waiting for what a process does, with a limit."""

import os
import signal
import time
from pathlib import Path

from world import HANG_LIMIT


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def wait_for(condition):
    limit = time.monotonic() + HANG_LIMIT
    while not condition():
        assert time.monotonic() < limit, "nothing happened within the hang limit"
        time.sleep(0.005)


def stop(pid):
    """Stop a process: kill() returns when the signal is on its way, and until it has arrived each of its threads goes on."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in Path(f"/proc/{pid}/task").glob("*/stat")))
