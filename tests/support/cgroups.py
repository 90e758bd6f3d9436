# SPDX-License-Identifier: Apache-2.0
"""Cgroups of a test's own, in each hierarchy that this machine has (v1, v2 or both), and gone when it is done."""

import os
import time

BASE = "/sys/fs/cgroup"


def hierarchies():
    """Where each is mounted -> the cgroup in it that this process has."""
    out = {}
    for line in open("/proc/self/cgroup"):
        _, names, path = line.rstrip("\n").split(":", 2)
        place = names.removeprefix("name=") if names else "unified" if os.path.isdir(f"{BASE}/unified") else ""
        place = os.path.join(BASE, place).rstrip("/")
        if os.path.exists(f"{place}/cgroup.procs"):
            out[place] = path
    return out


def make(name):
    """Below the cgroup that the tests run in; the folders."""
    folders = []
    try:
        for place, path in hierarchies().items():
            parent = place + path.rstrip("/")
            folder = f"{parent}/{name}"
            os.mkdir(folder)
            folders.append(folder)
            for setting in ("cpuset.cpus", "cpuset.mems"):   # v1: no process may come before they are set
                if os.path.exists(f"{parent}/cpuset.mems") and not os.path.exists(f"{parent}/cgroup.controllers"):
                    with open(f"{parent}/{setting}") as source, open(f"{folder}/{setting}", "w") as target:
                        target.write(source.read())
    except OSError:
        remove(folders)
        raise
    return folders


def counts_memory(folders):
    """Whether a cgroup below them can have a limit of memory."""
    for folder in folders:
        if os.path.exists(f"{folder}/memory.limit_in_bytes"):
            return True
        if os.path.exists(f"{folder}/cgroup.controllers") and "memory" in open(f"{folder}/cgroup.controllers").read().split():
            return True
    return False


def remove(folders, limit=10):
    """Those and all below them, once the last process is gone."""
    until = time.monotonic() + limit
    for folder in folders:
        for path, _, _ in os.walk(folder, topdown=False):
            while True:
                try:
                    os.rmdir(path)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > until:
                        break
                    time.sleep(0.05)


def named(name):
    """The folders of a cgroup at the root of each hierarchy, as engines make them."""
    return [f"{place}/{name}" for place in hierarchies() if os.path.isdir(f"{place}/{name}")]
