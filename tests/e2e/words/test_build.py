# SPDX-License-Identifier: Apache-2.0
"""What was built: static, small, without network code where none is wanted, the same from two folders."""

import json
import os
import re
import shutil
import subprocess

import pytest
from models import Repo
from world import ROOT, Result

RELEASE, OFFLINE = ROOT / "build/aweigh", ROOT / "build/nofetch/aweigh"


def out(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("path, limit", [(RELEASE, 2_750_000), (OFFLINE, 370_000)], ids=["release", "FETCH=no"])
def test_size_and_kind(path, limit):
    assert path.stat().st_size <= limit
    headers = out("readelf", "-lW", path)
    assert "INTERP" not in headers and "DYNAMIC" not in headers


def test_no_network_code_without_fetch():
    strings = out("strings", OFFLINE)
    assert not re.search(r"libcurl|Proxy-Authorization|getaddrinfo|SSL_connect", strings)
    assert "libcurl" in out(RELEASE, "--version") and "without network code" in out(OFFLINE, "--version")


def test_no_paths_of_this_machine_inside():
    for path in (RELEASE, OFFLINE):
        assert str(ROOT) not in out("strings", path)


def test_runs_in_an_empty_root(tmp_path, need_root):
    shutil.copy(RELEASE, tmp_path / "aweigh")
    assert out("chroot", tmp_path, "/aweigh", "--version").startswith("aweigh ")
    result = subprocess.run(["chroot", tmp_path, "/aweigh", "check"], capture_output=True, text=True)
    assert result.returncode == 78 and "/etc/aweigh/policy.ini" in result.stdout


def test_two_folders_give_the_same_bytes(tmp_path):
    """The program's own objects, from another folder; .ci/deps names no folder in what it builds."""
    copy = tmp_path / "a" / "longer" / "name"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    (copy / "build").mkdir()
    (copy / "build/deps").symlink_to(ROOT / "build/deps")
    subprocess.run(["make", "-s", "-j4", "-C", copy, "-o", "build/deps/out/VERSIONS", "build/aweigh"], check=True, capture_output=True,
                   env={"PATH": os.environ["PATH"]})
    assert (copy / "build/aweigh").read_bytes() == RELEASE.read_bytes()


def test_install(tmp_path):
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={tmp_path}", "PREFIX=/opt"], check=True, capture_output=True)
    assert out(tmp_path / "opt/bin/aweigh", "--version") and (tmp_path / "opt/share/man/man5/aweigh-policy.5").exists()


def test_what_the_small_build_cannot_do_it_says(world):
    Repo(world.hub).all().ref()
    world.policy("[policy]\nmode = auto\n[model m]\nrepo = org/m\n[model n]\nrepo = org/n\n[report]\njunit = /nowhere\n")
    result = Result(subprocess.run([OFFLINE, "-p", world.policy_file, "--format", "json", "--", "/bin/true"], env=world.env, capture_output=True))
    report = json.loads(result.err)
    said = [f["message"] for f in report["findings"] if f["code"] == "policy.not-yet"]
    assert result.status == 66 and len(said) == 2 and "without network code" in " ".join(said) and "junit" in " ".join(said), said
    assert "FETCH=no" in subprocess.run([OFFLINE, "smoke", "--", "x"], capture_output=True, text=True).stderr
    assert "FETCH=no" in subprocess.run([OFFLINE, "lock"], capture_output=True, text=True).stderr
    assert "FETCH=no" in subprocess.run([OFFLINE, "check", "--format", "sarif"], capture_output=True, text=True).stderr
