# SPDX-License-Identifier: Apache-2.0
"""Volumes of all kinds, each mounted for one test and gone after it, and what is asked of a fetch on each."""

import contextlib
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from world import HANG_LIMIT, ROOT, missing
from hub_server import Hub, one_repo
from models import bert_files, gguf, safetensors
from fetching import assert_digest, blobs, library, names_on_their_way, python_of
from network import free_port
from waiting import stop


HUBS = itertools.count(2)
# The moments of kills are the release's: an instrumented build is killed a few times only, for what it says of itself.
KILLS = 3 if "sanitize" in os.environ.get("AWEIGH", "") else 8


def files_of_all_kinds(tensor=10_000_000):
    """More than one piece, many small files, equal ones, directories in directories and one with dots, a GGUF and an empty file."""
    return {**bert_files(), "big.safetensors": safetensors({"w": tensor}, b"\x3e"), "a.txt": b"same", "b/c.txt": b"same", "empty.txt": b"",
            "b/c/d/e.json": b'{"deep": 1}', "gguf/model.gguf": gguf({"token_embd.weight": 500_000}), **{f"n/{i}.json": b'{"n": %d}' % i for i in range(20)}}


def assert_digests(repo):
    """Nothing wrong stands under a right name, whatever came of the fetch."""
    for path in blobs(repo).values():
        assert_digest(path)


def assert_whole(fetcher, files, revives=False):
    """revives: what is removed there may come back, so that what is left over says nothing of the fetch."""
    for name, data in files.items():
        assert (fetcher.snapshot / name).read_bytes() == data, name
    seen = {*names_on_their_way(fetcher.repo / "snapshots"), *names_on_their_way(fetcher.repo / "refs")} - {name.split("/")[-1] for name in files}
    left = [*fetcher.partials(), *fetcher.repo.glob(".*.tmp"), *seen]
    assert revives or not left, f"left over: {left}"
    assert_digests(fetcher.repo)


def assert_the_library_loads(fetcher, files, version="hub-2"):
    """The newest huggingface_hub, offline, sees each file and each byte."""
    code = ("from huggingface_hub import snapshot_download as s; import hashlib, pathlib; r = pathlib.Path(s('org/m'))\n"
            "print(sorted((str(p.relative_to(r)), hashlib.sha256(p.read_bytes()).hexdigest()) for p in r.rglob('*') if p.is_file()))")
    result = library(version, code, HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(fetcher.hub))
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items()))


def check_digests(fetcher):
    """`aweigh check` at its closest, offline."""
    text = fetcher.world.policy_file.read_text()
    fetcher.world.policy_file.write_text(re.sub("^mode = .*$", "mode = offline", text, flags=re.M))
    result = fetcher.world.check("--verify", "digest")
    fetcher.world.policy_file.write_text(text)
    return result


def kill_and_resume(fetcher, place, hub, files, kills, longest, revives, seed=7):
    """Kills at random moments. After each of them nothing wrong has a right name, and what passes the check is whole."""
    generator = random.Random(seed)
    for _ in range(kills):
        fetcher.fetch_killed(generator.random() * longest)
        assert_digests(fetcher.repo)
        if check_digests(fetcher).status == 0:
            assert all((fetcher.snapshot / name).read_bytes() == data for name, data in files.items())
            begin_anew(fetcher, place)
    # Where locks exclude nobody, what a killed fetch left is told from what a living one writes by its age alone: it is old now.
    for partial in fetcher.partials():
        with contextlib.suppress(OSError):
            os.utime(partial, (1, 1))
    result = fetcher.fetch()
    assert result.status == 0, result
    assert_whole(fetcher, files, revives)
    hub.requests.clear()
    assert fetcher.fetch().status == 0 and not hub.requests


def begin_anew(fetcher, place):
    """A hub cache in a directory of its own. That what was there has gone is not waited for: on rclone an upload that ends makes a removed file's name anew."""
    shutil.rmtree(fetcher.hub, ignore_errors=True)
    fetcher.move(place / f"hub{next(HUBS)}")


def all_is_well(fetcher, place, files=None, kills=KILLS, longest=0.6, at_once=2, rate=150_000_000, policy="", revives=False):
    """A fetch, two at once, kills and resumes, the closest check, the library: on the volume at `place`. Answers the first result."""
    files = files or files_of_all_kinds()
    fetcher.hub = place / "hub"
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", rate=rate)
        first = fetcher.write(hub.url, policy=policy).fetch("-v")
        assert_digests(fetcher.repo)
        assert first.status == 0, first
        assert_whole(fetcher, files)
        hub.requests.clear()
        assert fetcher.fetch().status == 0 and not hub.requests
        begin_anew(fetcher, place)
        fetcher.fetch_at_once(at_once)
        assert_whole(fetcher, files, revives)
        begin_anew(fetcher, place)
        kill_and_resume(fetcher, place, hub, files, kills, longest, revives)
        result = check_digests(fetcher)
        assert result.status == 0, result
    assert_the_library_loads(fetcher, files)
    return first


# Volumes

def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            missing(program)


@contextlib.contextmanager
def daemon(command, is_ready, log, **options):
    """A process of our own from when it is ready until the block's end; it alone is ended, by its own number, or by the tests' own end."""
    with open(log, "ab") as out:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *map(str, command)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options)
    try:
        limit = time.monotonic() + min(30, HANG_LIMIT)
        while not is_ready():
            assert process.poll() is None and time.monotonic() < limit, f"{command}: {log.read_text(errors='replace')}"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def unmount(point):
    """What is still written back is waited for; a volume whose server is gone is only taken out of the way."""
    for options in ([], [], ["-l"]):
        if not os.path.ismount(point) or subprocess.run(["umount", *options, point], capture_output=True, timeout=HANG_LIMIT).returncode == 0:
            return
        time.sleep(0.5)


@contextlib.contextmanager
def fuse(command, point, log, **options):
    """A FUSE file system that stays in the foreground."""
    if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
        missing("root and /dev/fuse")
    point.mkdir(exist_ok=True)
    with daemon(command, lambda: os.path.ismount(point), log, **options) as process:
        try:
            yield point
        finally:
            unmount(point)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)   # rclone and s3fs bring away what they hold back


def server_of(volume):
    (server,) = (int(p.parent.name) for p in Path("/proc").glob("[0-9]*/cmdline") if p.read_bytes().split(b"\0")[1:2] == [os.fsencode(volume)])
    return server


@contextlib.contextmanager
def stopped(volume):
    """Its server is stopped until the block's end."""
    server = server_of(volume)
    stop(server)
    try:
        yield
    finally:
        os.kill(server, signal.SIGCONT)


@contextlib.contextmanager
def mounted(point, *arguments):
    """A mount by the kernel."""
    if os.geteuid() != 0:
        missing("root")
    point.mkdir(exist_ok=True)
    result = subprocess.run(["mount", *map(str, arguments), point], capture_output=True, text=True, timeout=HANG_LIMIT)
    if result.returncode != 0:
        missing(f"a kernel that can mount {arguments}: {result.stderr}")
    try:
        yield point
    finally:
        unmount(point)


@contextlib.contextmanager
def loop_device(image, megabytes, *format_command):
    """A file as a block device, with a file system on it."""
    need(format_command[0], "losetup")
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run([*format_command, image], check=True, capture_output=True, timeout=HANG_LIMIT)
    result = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, timeout=HANG_LIMIT)
    if result.returncode != 0:
        missing("loop devices")
    device = result.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], capture_output=True, timeout=HANG_LIMIT)


@pytest.fixture(scope="session")
def passthrough(tmp_path_factory):
    """passthrough(folder, "rename=1"): a volume over a directory that refuses that one operation; see tests/programs/passthrough.c."""
    program = tmp_path_factory.mktemp("passthrough") / "passthrough"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True)
    if flags.returncode != 0:
        missing("libfuse3-dev")
    subprocess.run(["gcc", "-O1", "-o", program, ROOT / "tests/programs/passthrough.c", *flags.stdout.split()], check=True)

    def volume(folder, *rules):
        (folder / "below").mkdir(exist_ok=True)
        return fuse([program, folder / "volume", folder / "below", *rules], folder / "volume", folder / "passthrough.log")

    return volume


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@contextlib.contextmanager
def s3_server(folder):
    """The address of an S3 server; server.bucket() makes a new one."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(f"{url}/moto-api/", timeout=2).status == 200
        except OSError:
            return False

    class Server:
        count = 0
        address = url

        def bucket(self):
            self.count += 1
            urllib.request.urlopen(urllib.request.Request(f"{url}/bucket{self.count}", method="PUT"), timeout=10).close()
            return f"bucket{self.count}"

    python = python_of("s3")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    with daemon([python.parent / "moto_server", "-H", "127.0.0.1", "-p", port], answers, folder / "log", env=env, cwd=folder):
        yield Server()


def s3fs(server, bucket, folder):
    need("s3fs")
    folder.mkdir()
    options = f"url={server.address},use_path_request_style,allow_other"
    return fuse(["s3fs", bucket, folder / "volume", "-f", "-o", options], folder / "volume", folder / "log",
                env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "AWSACCESSKEYID": "key", "AWSSECRETACCESSKEY": "secret"})


def rclone(server, bucket, folder, mode, write_back, control=0):
    """control: a port where it says what it holds back, see rclone_is_done()."""
    need("rclone")
    folder.mkdir()
    command = ["rclone", "mount", f":s3:{bucket}", folder / "volume", "--config", "/dev/null", "--cache-dir", folder / "cache", "--allow-other",
               "--s3-provider", "Other", "--s3-endpoint", server.address, "--s3-env-auth", "--s3-force-path-style", "--vfs-cache-mode", mode,
               "--vfs-write-back", write_back, "--low-level-retries", "2",
               *(["--rc", "--rc-no-auth", "--rc-addr", f"127.0.0.1:{control}"] if control else [])]
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    return fuse(command, folder / "volume", folder / "log", env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **keys})


def rclone_is_done(control):
    """All that was written has gone to the bucket."""
    request = urllib.request.Request(f"http://127.0.0.1:{control}/vfs/stats", method="POST")
    cache = json.loads(urllib.request.urlopen(request, timeout=HANG_LIMIT).read())["diskCache"]
    return cache["uploadsInProgress"] + cache["uploadsQueued"] == 0
