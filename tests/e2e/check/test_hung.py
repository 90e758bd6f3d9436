# SPDX-License-Identifier: Apache-2.0
"""A volume whose server does not answer any more hangs nobody: what aweigh itself reads there has a limit, and SIGTERM ends it."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from models import complete
from storages import passthrough  # noqa: F401 (fixture)
from world import HANG_LIMIT


@contextlib.contextmanager
def stopped(volume):
    """Its server is stopped until the block's end."""
    (server,) = (int(p.parent.name) for p in Path("/proc").glob("[0-9]*/cmdline") if p.read_bytes().split(b"\0")[1:2] == [os.fsencode(volume)])
    os.kill(server, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server, signal.SIGCONT)


@pytest.mark.parametrize("number", range(3, 9))
def test_a_descriptor_that_nobody_gave_is_no_policy(world, number):
    assert world.run("check", "-p", f"/dev/fd/{number}").status == 78


def test_a_policy_of_another_mount_where_no_process_is_to_be_had(world, need_root):
    """It is read nevertheless, and the report says what is wrong: to the end, where it has to be written again."""
    import resource

    def none():
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    world.policy_file = Path("/dev/shm") / f"aweigh-{os.getpid()}.ini"
    try:
        world.policy("[policy]\n")
        for policy in (world.policy_file, world.path / "policy.ini"):
            result = world.run("check", "-p", str(policy), user=4321, group=4321, env={"ASAN_OPTIONS": "detect_leaks=0"}, preexec_fn=none)
            assert result.status == 75 and "inspector" in result.out + result.err, result
    finally:
        world.policy_file.unlink()


PLACES = {
    "the policy": ("", "policy.ini"),
    "the list of models": ("manifest = {}\n", "models.txt"),
    "the lock file": ("lock = {}\n", "aweigh.lock"),
    "a secret": ("[environment file]\nSECRET = {}\n", "secret"),
}


@pytest.mark.parametrize("place, asked", [*((place, True) for place in PLACES), ("the policy", False), ("the lock file", False)])
def test_what_aweigh_reads_itself(world, passthrough, tmp_path, place, asked):  # noqa: F811
    rows, name = PLACES[place]
    complete(world.hub)
    with passthrough(tmp_path) as volume:
        (tmp_path / "below" / name).write_text("")
        world.policy("[policy]\nmode = offline\n" + rows.format(volume / name) + "[model m]\nrepo = org/m\n")
        policy = volume / name if rows == "" else world.policy_file
        with stopped(volume), subprocess.Popen([world.binary, "--policy", str(policy), "--", "/bin/echo", "started"], env=world.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            if asked:
                time.sleep(0.3)   # on the way into the volume, or not yet: it ends in either case
                process.terminate()
            out, err = process.communicate(timeout=HANG_LIMIT)
            said = asked or "does not answer" in " ".join(err.split())
            assert out == "" and process.returncode == (128 + signal.SIGTERM if asked else {"a secret": 76, "the lock file": 78}.get(place, 75)) and said, (process.returncode, err)
