# SPDX-License-Identifier: Apache-2.0
"""A volume whose server does not answer any more hangs nobody: what aweigh itself reads there has a limit, and SIGTERM ends it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from models import COMMIT, bert_files, complete
from storages import passthrough, stopped  # noqa: F401 (fixture)
from waiting import children, wait_for
from world import HANG_LIMIT


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


def is_confined(pid):
    try:
        return "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):   # it has ended since
        return False


def inspector_of(process):
    return [pid for pid in children(process.pid) if is_confined(pid)]


def seen_inspecting(process):
    wait_for(lambda: process.poll() is not None or inspector_of(process))


@pytest.mark.parametrize("rows", ["wait = 60s", "[confine]\nmodels_read_only = yes"], ids=["wait", "read only"])
def test_a_volume_that_hangs_after_the_inspection(world, passthrough, tmp_path, rows):  # noqa: F811
    """Whether files are young, and what lies beside the models, is looked at by whom it may hang."""
    for folder in ("m", *(f"beside{number}" for number in range(60))):
        (tmp_path / "below" / folder).mkdir(parents=True)
    for name, data in {**bert_files(), **{f"{number}.json": b"{}" for number in range(60)}}.items():
        (tmp_path / "below/m" / name).write_bytes(data)
    time.sleep(2.5)   # none is young
    with passthrough(tmp_path, "looks=20") as volume:
        rows = rows.split("\n", 1) if "confine" in rows else [rows]
        world.policy("[policy]\nmode = offline\n" + "\n".join(rows) + f"\n[model m]\npath = {volume}/m\n")
        with subprocess.Popen([world.binary, "-q", "-p", str(world.policy_file), "--", "/bin/echo", "started"], env=world.env, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            seen_inspecting(process)
            wait_for(lambda: process.poll() is not None or not inspector_of(process))
            with stopped(volume):
                process.terminate()
                out, err = process.communicate(timeout=HANG_LIMIT)
    assert (process.returncode, out) in ((128 + signal.SIGTERM, ""), (-signal.SIGTERM, ""), (0, "started\n")), (process.returncode, out, err)


def test_a_policy_whose_volume_hangs_later(world, passthrough, tmp_path):  # noqa: F811
    """It has been read, and what the report calls it is known."""
    large = world.path / "m" / "large.bin"
    (large.parent / ".cache/huggingface/download").mkdir(parents=True)
    for name, data in bert_files().items():
        (large.parent / name).write_bytes(data)
    with large.open("wb") as file:
        file.truncate(64 << 30)   # sparse: hours of hashing
    (large.parent / ".cache/huggingface/download/large.bin.metadata").write_text(f"{COMMIT}\n{'a' * 64}\n1.0\n")
    with passthrough(tmp_path) as volume:
        (tmp_path / "below/policy.ini").write_text(f"[policy]\nmode = offline\nverify = digest\ndeadline = 3s\n[model m]\npath = {large.parent}\n")
        with subprocess.Popen([world.binary, "-p", f"{volume}/policy.ini", "--", "/bin/echo", "started"], env=world.env, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            seen_inspecting(process)
            with stopped(volume):
                out, err = process.communicate(timeout=HANG_LIMIT)
    assert process.returncode == 75 and out == "" and "gate.deadline" in err, (process.returncode, err)


def test_a_reader_does_not_wait_for_who_stays(world, passthrough, tmp_path):  # noqa: F811
    """What has been asked of the volume's server cannot be killed: the inspector stays, and holds nobody's pipe."""
    (tmp_path / "below/m").mkdir(parents=True)
    with passthrough(tmp_path, "looks=3000") as volume:
        world.policy(f"[policy]\ndeadline = 2s\n[model m]\npath = {volume}/m\n")
        with subprocess.Popen([world.binary, "check", "-p", str(world.policy_file)], env=world.env, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            time.sleep(1)   # it has asked by then; where not, it is killed
            with stopped(volume):
                out, _ = process.communicate(timeout=HANG_LIMIT)
    assert process.returncode == 75 and "gate.deadline" in out, (process.returncode, out)


def test_a_path_of_programs_that_hangs(world, passthrough, tmp_path):  # noqa: F811
    """`aweigh -- --version` is our word where the image has no program of the name, which is to be found out."""
    (tmp_path / "below/bin").mkdir(parents=True)
    with passthrough(tmp_path) as volume, stopped(volume):
        with subprocess.Popen([world.binary, "-p", str(world.policy("").policy_file), "--", "--version"], env={**world.env, "PATH": f"{volume}/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(0.3)
            process.terminate()
            process.communicate(timeout=HANG_LIMIT)
    assert process.returncode == 128 + signal.SIGTERM


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
