# SPDX-License-Identifier: Apache-2.0
"""The fetcher as a user starts it, and what must hold of a cache afterwards."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import certificates
import pytest
from world import HANG_LIMIT, ROOT, missing
from models import COMMIT, git_sha1, safetensors, sha256
from waiting import children, wait_for


BIG = safetensors({"w": 5_000_000})   # 20 MB: several parts


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("ca"))


def partials_of(folder):
    """While a fetch goes on: its probes come and go under the walk's feet, and os.walk passes by what is gone."""
    return [Path(parent) / name for parent, _, names in os.walk(folder) for name in names if name.endswith(".incomplete")]


def names_on_their_way(folder):
    return [name for _, _, names in os.walk(folder) for name in names if re.fullmatch(r"\.[0-9a-f]{8}\.tmp", name)]


def is_alive(pid):
    """One of its threads is: the first may be a zombie already while another closes what it wrote, which a volume takes its time for."""
    def state(task):
        try:
            return (task / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return "X"

    try:
        return any(state(task) not in "ZX" for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False


class Fetcher:
    """A world whose policy names a hub."""

    def __init__(self, world):
        self.world, self.hub = world, world.hub

    def write(self, url, mode="auto", model="repo = org/m", fetch="", policy="", more=""):
        self.world.policy(f"[policy]\nmode = {mode}\nhub_cache = {self.hub}\n{policy}\n[model m]\n{model}\n"
                          f"[fetch]\nendpoint = {url}\nallow_http = yes\nretries = 2\nretry_delay = 10ms\n{fetch}\n{more}\n")
        self.world.env["HF_HUB_CACHE"] = str(self.hub)
        return self

    def move(self, hub):
        """The same policy, with another hub cache."""
        self.hub = hub
        self.world.policy_file.write_text(re.sub("^hub_cache = .*$", f"hub_cache = {hub}", self.world.policy_file.read_text(), flags=re.M))
        self.world.env["HF_HUB_CACHE"] = str(hub)

    def fetch(self, *args, **options):
        return self.world.run("fetch", "-p", str(self.world.policy_file), "--format", "json", *args, **options)

    def start(self, *args, **options):
        return self.world.start(*args, **options)

    @property
    def repo(self):
        return self.hub / "models--org--m"

    @property
    def snapshot(self):
        return self.repo / "snapshots" / COMMIT

    def partials(self):
        return partials_of(self.hub)

    def placed(self, place, folder):
        """The model's lines in the policy and where its files will be: the cache's snapshot, or a plain folder."""
        return ("repo = org/m", self.snapshot) if place != "folder" else (f"repo = org/m\npath = {folder}", folder)

    def fetch_at_once(self, count, prefix=()):
        """So many fetches that begin together: each of them succeeds."""
        running = [subprocess.Popen([*prefix, self.world.binary, "fetch", "-p", str(self.world.policy_file)], env=self.world.env, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(count)]
        for process in running:
            out, _ = process.communicate(timeout=HANG_LIMIT)
            assert process.returncode == 0, out.decode()

    def fetch_killed(self, seconds, prefix=(), seen=None):
        """A fetch that is killed after so long, or when `seen()`, if it has not ended before."""
        process = subprocess.Popen([*prefix, self.world.binary, "fetch", "-q", "-p", str(self.world.policy_file)], env=self.world.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            limit = time.monotonic() + seconds
            while seen is not None and not seen() and process.poll() is None and time.monotonic() < limit:
                time.sleep(0.002)
            process.wait(seconds if seen is None else 0)
        except subprocess.TimeoutExpired:
            left = children(process.pid)
            process.kill()
            process.wait()
            # The kernel ends the fetcher with its parent, a moment later: until then it writes.
            wait_for(lambda: not any(is_alive(pid) for pid in left))


def blobs(repo):
    """name -> path of all that stands in blobs/ under a digest's name."""
    names = (repo / "blobs").iterdir() if (repo / "blobs").exists() else ()
    return {path.name: path for path in names if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", path.name)}


def assert_digest(path):
    data = path.read_bytes()
    assert path.name == (sha256(data) if len(path.name) == 64 else git_sha1(data)), f"{path} has {len(data)} other bytes"


@pytest.fixture
def fetcher(world):
    """After each test, whatever came of its fetches: nothing wrong stands under the name of a digest."""
    fetcher = Fetcher(world)
    yield fetcher
    for repo in sorted(fetcher.hub.glob("models--*")):
        for path in blobs(repo).values():
            if path.is_file():
                assert_digest(path)


def listing(folder):
    """Path -> link text, or content, of all that a cache's repository holds."""
    out = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            out[name] = "-> " + os.readlink(path)
        elif path.is_file():
            out[name] = path.read_bytes()
            if "trees/" in name:
                out[name] = json.loads(out[name])
    return out


def python_of(name):
    python = ROOT / "build" / f"venv-{name}" / "bin" / "python"
    if not python.exists():
        missing(f"libraries from PyPI ({name} in .ci/requirements)")
    return python


def library(name, code, *arguments, **env):
    full = {"PATH": os.environ["PATH"], "HOME": "/proc/nowhere", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1", **env}
    return subprocess.run([python_of(name), "-c", code, *arguments], env=full, capture_output=True, text=True, timeout=HANG_LIMIT)


def complete_or_absent(fetcher, files):
    """An interrupted cache is either whole under its ref, or nothing leads to it."""
    if (fetcher.repo / "refs/main").exists() or fetcher.snapshot.exists():
        for name, data in files.items():
            assert (fetcher.snapshot / name).read_bytes() == data, name
        return True
    return False
