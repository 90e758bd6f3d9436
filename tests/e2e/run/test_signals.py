# SPDX-License-Identifier: Apache-2.0
"""A stop request at any moment ends the gate with 128+n, as PID 1 too; deadlines hold; a full pipe holds nothing up."""

import os
import signal
import subprocess
import time

import pytest
from world import HANG_LIMIT
from models import complete
from waiting import children, wait_for


def big_model(world, megabytes=600):
    """Enough to hash that a signal arrives while it goes on: a sparse blob, named by a digest that it does not have."""
    repo = complete(world.hub)
    blob = repo.folder / "blobs" / ("a" * 64)
    with blob.open("wb") as file:
        file.truncate(megabytes << 20)
    (repo.snapshot / "weights.bin").symlink_to(f"../../blobs/{'a' * 64}")
    world.policy(extra="verify = digest")
    return repo


def started(world, *command, prefix=(), **options):
    return subprocess.Popen([*prefix, world.binary, "-p", str(world.policy_file), "--", *command], env=world.env, stdin=subprocess.DEVNULL,
                            stdout=options.pop("stdout", subprocess.DEVNULL), stderr=options.pop("stderr", subprocess.DEVNULL), **options)


def full_pipe():
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    return read_end, write_end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_stop_while_hashing(world, number):
    big_model(world)
    marker = world.path / "started"
    process = started(world, "/bin/sh", "-c", f"touch {marker}")
    wait_for(lambda: children(process.pid))
    inspector = children(process.pid)[0]
    process.send_signal(number)
    assert process.wait(HANG_LIMIT) == 128 + number
    assert not marker.exists()
    wait_for(lambda: not os.path.exists(f"/proc/{inspector}"))


def test_stop_as_pid_1(world, need_root):
    big_model(world)
    process = started(world, "/bin/true", prefix=["unshare", "--pid", "--fork", "--mount-proc"])
    wait_for(lambda: children(process.pid) and children(children(process.pid)[0]))
    os.kill(children(process.pid)[0], signal.SIGTERM)
    assert process.wait(HANG_LIMIT) == 143


def test_stop_at_many_moments(world):
    """Never a start after a stop request that arrived in time, never another status than 143 or the service's own."""
    complete(world.hub)
    statuses = set()
    for step in range(60):
        process = started(world, "/bin/sleep", "60")
        time.sleep(step * 0.0001)
        process.send_signal(signal.SIGTERM)
        statuses.add(process.wait(HANG_LIMIT))
    assert statuses <= {143, -signal.SIGTERM}, statuses   # -SIGTERM: the sleep itself had begun


def test_deadline(world):
    big_model(world, 4000)
    world.policy(extra="verify = digest\ndeadline = 200ms", model="[severity]\nfile.zero-tail = off")
    result = world.check()
    assert result.status == 75 and "200 ms" in result.finding("gate.deadline")["message"]


def test_stop_while_the_report_cannot_be_written(world):
    read_end, write_end = full_pipe()
    process = started(world.policy(), "/bin/true", stderr=write_end)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    assert process.wait(HANG_LIMIT) == 143
    os.close(read_end), os.close(write_end)


def test_full_pipe_ends_at_the_deadline(world):
    read_end, write_end = full_pipe()
    world.policy(extra="deadline = 300ms")
    process = started(world, "/bin/true", stderr=write_end)
    assert process.wait(HANG_LIMIT) == 66
    os.close(read_end), os.close(write_end)


def test_closed_report(world):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = started(world.policy(), "/bin/true", stderr=write_end)
    assert process.wait(HANG_LIMIT) == 66
    os.close(write_end)


def test_killed_inspector_is_a_refusal(world):
    big_model(world)
    process = started(world, "/bin/true", stderr=subprocess.PIPE)
    wait_for(lambda: children(process.pid))
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=HANG_LIMIT)
    assert process.returncode in (65, 71) and b"died of signal 9" in err, err   # 65: it had found something before


def test_killed_gate_leaves_no_inspector(world):
    big_model(world)
    process = started(world, "/bin/true")
    wait_for(lambda: children(process.pid))
    inspector = children(process.pid)[0]
    time.sleep(0.05)
    process.kill()
    process.wait(HANG_LIMIT)
    wait_for(lambda: not os.path.exists(f"/proc/{inspector}") or open(f"/proc/{inspector}/stat").read().split()[2] == "Z")
