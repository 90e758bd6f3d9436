# SPDX-License-Identifier: Apache-2.0
"""What test_docker.py does in containers, as PID 1 of plain namespaces with a root of its own: where there is no Docker."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from world import HANG_LIMIT, ROOT
from models import Repo, bert_files
from container import CONFINED, INIT
from waiting import children, wait_for

EXEC = "[policy]\nmode = offline\nhub_cache = /models/hub\n[model m]\nrepo = org/m\n"
POLICIES = pytest.mark.parametrize("policy", [EXEC, INIT, CONFINED], ids=["exec", "init", "confined"])
FLAGS = {"as root": "", "as nobody's number": "u", "as a user": "s", "read-only": "r", "no capabilities": "c", "no new privileges": "n", "no /proc": "p",
         "few processes": "fu", "little memory": "m", "all at once": "ucnrpfm"}


@pytest.fixture
def box(tmp_path, need_root):
    return Box(tmp_path)


class Box:
    """An image FROM scratch, unpacked, and what runs it."""

    def __init__(self, path):
        self.root = path / "root"
        for name in ("etc/aweigh", "proc"):
            (self.root / name).mkdir(parents=True)
        for name in ("build/aweigh", "build/programs/payload", "build/programs/worker"):
            shutil.copy(ROOT / name, self.root)
        Repo(self.root / "models/hub").all(bert_files()).ref().manifest()
        for parent in (self.root, path, *path.parents[:2]):
            if parent.stat().st_uid == os.geteuid():
                parent.chmod(parent.stat().st_mode | 0o755)

    def start(self, policy, *command, flags=""):
        (self.root / "etc/aweigh/policy.ini").write_text(policy)
        return subprocess.Popen([ROOT / "build/programs/box", "-" + flags, self.root, "/aweigh", "--", *command], env={"HF_HOME": "/models"},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, bufsize=0)

    def run(self, policy, *command, flags=""):
        process = self.start(policy, *command, flags=flags)
        out, err = process.communicate(timeout=HANG_LIMIT)
        return process.returncode, out.decode(), err.decode()


@POLICIES
@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
def test_it_starts_with(box, policy, flags):
    status, out, err = box.run(policy, "/payload", "5", flags=flags)
    assert status == 5, err
    seen = json.loads(out)
    assert (seen["pid"] == 1) == (policy != INIT) and seen["uid"] == (4242 if "u" in flags else 1000 if "s" in flags else 0)
    if "p" not in flags:
        assert seen["descriptors"] == [0, 1, 2] and ("c" not in flags or int(seen["status"]["CapBnd"], 16) == 0)


@POLICIES
@pytest.mark.parametrize("flags", ["", "u", "ucnrpfm"])
def test_stopped_while_it_serves(box, policy, flags):
    process = box.start(policy, "/worker", "wait", flags=flags)
    assert process.stdout.readline() == b"ready\n"
    os.kill(children(process.pid)[0], signal.SIGTERM)
    assert process.wait(HANG_LIMIT) == 0


@pytest.mark.parametrize("flags", ["", "ucnrp"])
def test_stopped_while_it_hashes(box, flags):
    repo = Repo(box.root / "models/hub")
    with (repo.folder / "blobs" / ("a" * 64)).open("wb") as file:
        file.truncate(8 << 30)
    (repo.snapshot / "weights.bin").symlink_to(f"../../blobs/{'a' * 64}")
    process = box.start(EXEC.replace("offline", "offline\nverify = digest") + "[severity]\nmodel.pickle = off\n", "/worker", "wait", flags=flags)
    wait_for(lambda: children(process.pid) and children(children(process.pid)[0]))
    os.kill(children(process.pid)[0], signal.SIGTERM)
    assert process.wait(HANG_LIMIT) == 143 and process.stdout.read() == b""


def test_every_signal_and_every_orphan(box):
    process = box.start(INIT, "/worker", "catch", flags="p")
    assert process.stdout.readline() == b"ready\n"
    aweigh = children(process.pid)[0]
    for number in (1, 2, 3, 10, 12, 15, 28, 34, 64):
        os.kill(aweigh, number)
        assert process.stdout.readline() == b"%d\n" % number
    os.kill(children(aweigh)[0], signal.SIGKILL)
    assert process.wait(HANG_LIMIT) == 137
    process = box.start(INIT, "/worker", "orphans", "1000", "6", flags="p")
    assert process.stdout.readline() == b"ready\n"
    aweigh = children(process.pid)[0]
    wait_for(lambda: len(children(aweigh)) == 1)
    os.kill(aweigh, signal.SIGTERM)
    assert process.wait(HANG_LIMIT) == 6
