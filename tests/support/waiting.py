# SPDX-License-Identifier: Apache-2.0
"""Waiting for what a process does, with a limit."""

import time
from world import HANG_LIMIT


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def wait_for(condition):
    limit = time.monotonic() + HANG_LIMIT
    while not condition():
        assert time.monotonic() < limit, "nothing happened within the hang limit"
        time.sleep(0.005)
