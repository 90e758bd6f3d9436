# SPDX-License-Identifier: Apache-2.0
"""A test that cannot run here is skipped by name, counted, and with AWEIGH_NO_SKIP=1 fails instead."""

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fetching import fetcher, tls  # noqa: E402, F401 (fixtures)
from world import HANG_LIMIT, ROOT, World, missing  # noqa: E402

# What whoever starts the tests ignores (nohup does) would be ignored by every process of a test.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, [])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Whatever a test waits for, it does not wait for ever: the last limit, behind those of the single waits."""
    def hung(number, frame):
        raise TimeoutError(f"{item.nodeid} did not end within {5 * HANG_LIMIT:.0f} s")

    signal.signal(signal.SIGALRM, hung)
    signal.alarm(int(5 * HANG_LIMIT))
    yield
    signal.alarm(0)


@pytest.fixture
def need_root():
    if os.geteuid() != 0:
        missing("root")


@pytest.fixture(scope="session")
def binary():
    return os.environ.get("AWEIGH", str(ROOT / "build" / "aweigh"))


@pytest.fixture(scope="session")
def payload():
    return str(ROOT / "build" / "programs" / "payload")


@pytest.fixture(scope="session")
def worker():
    return str(ROOT / "build" / "programs" / "worker")


@pytest.fixture
def world(tmp_path, binary):
    """A folder with a hub cache, a policy, and a way to run aweigh on them."""
    return World(tmp_path, binary)
