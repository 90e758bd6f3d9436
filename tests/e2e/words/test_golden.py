# SPDX-License-Identifier: Apache-2.0
"""What people read, kept as files: `make golden` writes them anew, for review as a diff."""

import os
import re

import pytest
from world import ROOT
from models import Repo, complete

GOLDEN = ROOT / "tests" / "golden"


def compare(name, text, world=None):
    if world is not None:
        text = text.replace(str(world.path), "/WORLD")
    text = re.sub(r"in \d+\.\d ms", "in N ms", text)
    path = GOLDEN / name
    if os.environ.get("AWEIGH_GOLDEN") == "write":
        path.write_text(text)
    assert path.read_text() == text, f"{name} differs; make golden, and look at the diff"


def test_help(world):
    compare("help.txt", world.run("--help").out)


def test_checks(world):
    compare("checks.txt", world.run("checks").out)


@pytest.mark.parametrize("system", sorted(path.name for path in (ROOT / "policies").iterdir() if path.is_dir()))
def test_explain_of_each_policy(world, system, need_root):
    root = world.path / "image"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ncatalyst:x:1000:1000::/home/catalyst:/bin/sh\n")
    policy = str(ROOT / "policies" / system / "policy.ini")
    (world.path / "image.env").write_text("HOME=/root\nPATH=/usr/bin:/bin\n")
    result = world.run("explain", "--root", str(root), "--env-file", str(world.path / "image.env"), "-p", policy)
    assert result.status == 0, result
    compare(f"explain-{system}.txt", result.out.replace(str(ROOT), "/SOURCE"), world)


def broken(world):
    """In an unpacked image, so that paths, and with them line breaks, are the same everywhere."""
    hub = world.path / "image" / "models" / "hub"
    complete(hub, "org/good").manifest()
    bad = Repo(hub, "org/bad").all().ref()
    bad.blob("model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 2400000000\n")
    world.policy("[policy]\nmode = offline\nuser = 0:0\n\n[model good]\nrepo = org/good\n\n[model bad]\nrepo = org/bad\nhint = make models\n\n[model gone]\nrepo = org/gone\noptional = yes\n")


def human(world, *args, env=None):
    (world.path / "image.env").write_text("HF_OFFLINE=1\nHF_HOME=/models\nHOME=/\nPATH=/usr/bin:/bin\n")
    return world.run("check", "-p", "policy.ini", "--root", "image", "--env-file", "image.env", *args, env=env)


def test_human_report(world, need_root):
    broken(world)
    result = human(world)
    assert result.status == 65
    compare("report-human.txt", result.out, world)


def test_human_report_is_readable_at_80_columns(world):
    broken(world)
    for line in human(world).out.replace(str(world.path), "/W").splitlines():
        assert len(line) <= 80, line


def test_colour_only_where_it_is_wanted(world):
    broken(world)
    assert "\x1b[" not in human(world).out
    coloured = human(world, "--color", "always").out
    assert "\x1b[1;31m" in coloured and re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines()[2:5] == human(world).out.splitlines()[2:5]
    terminal = ["script", "-qec", f"{world.binary} check --root image -p policy.ini", "/dev/null"]
    import subprocess

    def on_terminal(**env):
        return subprocess.run(terminal, env={**world.env, "TERM": "xterm", **env}, capture_output=True, stdin=subprocess.DEVNULL, cwd=world.path).stdout

    assert b"\x1b[1;31m" in on_terminal()
    assert b"\x1b[1;31m" not in on_terminal(NO_COLOR="1")


def test_quiet_and_verbose(world):
    broken(world)
    quiet, verbose = human(world, "-q").out, human(world, "-v").out
    assert "good" not in quiet and "env.misspelt" not in quiet and "file.pointer" in quiet
    assert "model.unpinned" in verbose and "model.unpinned" not in human(world).out
    world.policy(repo="org/good")
    assert human(world, "-q").out == ""


def test_the_verdict_is_the_last_line(world):
    broken(world)
    assert re.fullmatch(r"refused \(65\): 1 of 3 models, in \d+\.\d ms", human(world).out.splitlines()[-1])


def test_report_files(world):
    import json

    broken(world)
    target = world.path / "termination-log"
    target.write_text("x" * 100_000)
    inode = target.stat().st_ino
    result = human(world, "--report", f"json={target}", "--report", f"human={world.path}/report.txt")
    assert json.loads(target.read_text())["status"] == 65 and target.stat().st_ino == inode
    assert "refused (65)" in (world.path / "report.txt").read_text() and result.status == 65
    failed = human(world, "--report", "json=/no/such/folder/x")
    assert failed.status == 65 and "report.failed" in failed.out
    world.policy(model=f"[report]\njson = {world.path}/from-policy.json", repo="org/good")
    assert human(world).status == 0 and json.loads((world.path / "from-policy.json").read_text())["verdict"] == "pass"


@pytest.mark.parametrize("lines", ["a.json,\n  b.json", "a.json\n  b.json", "\n  a.json,\n  b.json,", "a.json ,\n\tb.json"])
def test_a_list_over_several_lines_is_explained_as_one(world, lines):
    world.policy(f"[policy]\n[model m]\npath = /m\nfiles = {lines}\n")
    (row,) = [line for line in world.run("explain", "-p", str(world.policy_file)).out.splitlines() if line.split()[:1] == ["files"]]
    assert ",," not in row.replace(" ", "") and "a.json" in row and "b.json" in row, row
