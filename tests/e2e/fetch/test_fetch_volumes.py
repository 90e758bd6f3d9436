# SPDX-License-Identifier: Apache-2.0
"""Volumes that cannot do what a disk can: no links, no locks, no room, read-only; and what is seen while a fetch runs."""

import json
import os
import pty
import random
import re
import shutil
import subprocess
import time

import pytest
from world import HANG_LIMIT, ROOT
from hub_server import Hub, one_repo
from image import reachable
from models import COMMIT, bert_files
from fetching import BIG, complete_or_absent, library


@pytest.fixture(scope="session")
def without(tmp_path_factory):
    """without("SYS_symlinkat", "EPERM"): a prefix under which the call fails as on such a volume."""
    folder = tmp_path_factory.mktemp("forbid")

    def build(call, answer):
        program = folder / f"{call}-{answer}"
        subprocess.run(["gcc", "-O1", "-o", program, f"-DCALL={call}", f"-DANSWER={answer}", ROOT / "tests/programs/forbid.c"], check=True)
        return [str(program)]

    return build


def same_files():
    return {**bert_files(), "a.txt": b"same", "b/c.txt": b"same", "big.safetensors": BIG}


@pytest.mark.parametrize("version", ["hub-0", "hub-1", "hub-2"])
def test_a_volume_without_links(fetcher, without, version):
    """Files take the place of links, as the library does it, and the library reads them."""
    prefix = without("SYS_symlinkat", "EPERM")
    with Hub(one_repo(same_files())) as hub:
        result = fetcher.write(hub.url).fetch("-v", prefix=prefix)
        assert result.status == 0 and "not support symbolic links" in result.finding("fetch.volume")["message"], result
        hub.requests.clear()
        assert fetcher.fetch(prefix=prefix).status == 0 and not hub.requests
        # One file is lost: that one alone comes again.
        (fetcher.snapshot / "config.json").unlink()
        assert fetcher.fetch(prefix=prefix).status == 0 and len(hub.paths("resolve")) == 1
    assert not any(path.is_symlink() for path in fetcher.repo.rglob("*")) and complete_or_absent(fetcher, same_files())
    assert library(version, "from huggingface_hub import snapshot_download as s; s('org/m')", HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(fetcher.hub)).returncode == 0


@pytest.mark.parametrize("answer", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_a_volume_without_locks(fetcher, without, answer):
    with Hub(one_repo(same_files())) as hub:
        result = fetcher.write(hub.url).fetch("-v", prefix=without("SYS_flock", answer))
        assert result.status == 0 and "locks have no effect" in result.finding("fetch.volume")["message"], result
    assert complete_or_absent(fetcher, same_files())


def test_locks_that_lie(fetcher, without):
    """flock says yes to everyone: four fetchers at once, none waits, none reads another's half."""
    prefix = without("SYS_flock", "0")
    with Hub(one_repo(same_files())) as hub:
        hub.fault("/cdn/.*big", rate=20_000_000)
        fetcher.write(hub.url)
        fetcher.fetch_at_once(4, prefix)
    assert complete_or_absent(fetcher, same_files())


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_eight_at_once_without_links(fetcher, without, place, tmp_path):
    """Where a file itself takes its place, another fetcher may just have moved it there."""
    prefix = without("SYS_symlinkat", "EPERM")
    files = {**same_files(), **{f"f{i}.json": b'{"n": %d}' % i for i in range(40)}}
    model, where = fetcher.placed(place, tmp_path / "plain")
    for _ in range(5):
        with Hub(one_repo(files)) as hub:
            fetcher.write(hub.url, model=model)
            fetcher.fetch_at_once(8, prefix)
            once = [(s["path"].split("?")[0], s.get("range")) for s in hub.seen if "resolve" in s["path"] and not s["path"].endswith(".safetensors")]
        assert len(once) == len(set(once)), once
        assert all((where / name).read_bytes() == data for name, data in files.items())
        assert not fetcher.partials()
        shutil.rmtree(where if place == "folder" else fetcher.repo)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("snapshot", ["absent", "begun"])
def test_killed_before_the_snapshot_has_its_name(fetcher, without, links, snapshot):
    """What was made ready is gone on with, also where another client has begun the snapshot meanwhile."""
    prefix = [] if links else without("SYS_symlinkat", "EPERM")
    with Hub(one_repo(same_files())) as hub:
        assert fetcher.write(hub.url).fetch(prefix=prefix).status == 0
        fetcher.snapshot.rename(fetcher.repo / f".{COMMIT}.tmp")
        (fetcher.repo / "refs/main").unlink()
        if snapshot == "begun":
            fetcher.snapshot.mkdir()
        hub.requests.clear()
        result = fetcher.fetch(prefix=prefix)
        assert result.status == 0 and not hub.paths("resolve"), (result, hub.requests)
    assert complete_or_absent(fetcher, same_files())


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_killed_where_there_are_no_links(fetcher, without, place, tmp_path):
    """100 kills; in between, what passes the check offline is whole."""
    prefix = without("SYS_symlinkat", "EPERM")
    files = {**same_files(), **{f"f{i}.json": b'{"n": %d}' % i for i in range(20)}}
    model, where = fetcher.placed(place, tmp_path / "plain")
    generator = random.Random(100)
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", rate=200_000_000)
        for _ in range(100):
            fetcher.write(hub.url, model=model)
            fetcher.fetch_killed(generator.random() * 0.25, prefix)
            fetcher.write(hub.url, mode="offline", model=model)
            if fetcher.world.run("check", "-p", str(fetcher.world.policy_file)).status == 0:
                assert all((where / name).read_bytes() == data for name, data in files.items())
                shutil.rmtree(where if place == "folder" else fetcher.repo)
        fetcher.write(hub.url, model=model)
        assert fetcher.fetch(prefix=prefix).status == 0
    assert all((where / name).read_bytes() == data for name, data in files.items())


def test_a_lock_that_another_holds(fetcher):
    """Held for ever by a living process: waited for until the deadline, and said."""
    import fcntl

    files = bert_files()
    from models import git_sha1
    locks = fetcher.hub / ".locks/models--org--m"
    locks.mkdir(parents=True)
    with Hub(one_repo(files)) as hub, open(locks / f"{git_sha1(files['config.json'])}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = fetcher.write(hub.url, policy="deadline = 1500ms").fetch()
        assert result.status == 75 and "fetch.unfinished" in result.codes(), result
        assert not hub.paths("resolve.*config") and hub.paths("resolve.*tokenizer")


def test_a_lock_file_that_nobody_holds(fetcher):
    from models import git_sha1
    locks = fetcher.hub / ".locks/models--org--m"
    locks.mkdir(parents=True)
    (locks / f"{git_sha1(bert_files()['config.json'])}.lock").write_text("pid 1")
    with Hub(one_repo(bert_files())) as hub:
        assert fetcher.write(hub.url).fetch().status == 0


def on_tmpfs(fetcher, options, *args, extra=""):
    """The cache on a tmpfs of its own, in a mount namespace; prints what is left there."""
    script = f"mount -t tmpfs -o {options} none {fetcher.hub} && {{ {extra or 'true;'} }}; \"$@\"; S=$?; find {fetcher.hub} -type f -size +100k >&2; df --output=used -k {fetcher.hub} | tail -1 >&2; exit $S"
    command = ["unshare", "--mount", "sh", "-c", script, "sh", fetcher.world.binary, "fetch", "-p", str(fetcher.world.policy_file), "--format", "json", *args]
    return subprocess.run(command, env=fetcher.world.env, capture_output=True, text=True, timeout=HANG_LIMIT, stdin=subprocess.DEVNULL)


def test_no_room_is_seen_before_the_first_byte(fetcher, need_root):
    with Hub(one_repo(same_files())) as hub:
        fetcher.write(hub.url)
        result = on_tmpfs(fetcher, "size=16m")
        assert result.returncode == 74 and "has only" in result.stdout and not hub.paths("resolve"), result


def test_keep_free(fetcher, need_root):
    with Hub(one_repo(same_files())) as hub:
        fetcher.write(hub.url, fetch="keep_free = 50M")
        result = on_tmpfs(fetcher, "size=64m")
        assert result.returncode == 74 and "50.0 MB kept free" in result.stdout and not hub.paths("resolve"), result


def test_inodes(fetcher, need_root):
    files = {f"f{i}.json": b'{"n": %d}' % i for i in range(100)}
    with Hub(one_repo({**bert_files(), **files})) as hub:
        fetcher.write(hub.url)
        result = on_tmpfs(fetcher, "size=64m,nr_inodes=60")
        assert result.returncode == 74 and "inodes" in result.stdout and not hub.paths("resolve"), result


def test_a_volume_that_fills_in_the_middle(fetcher, need_root):
    """Somebody else takes the room while the fetch runs: a clean end, and the fetch's own parts go."""
    with Hub(one_repo(same_files())) as hub:
        hub.fault("/cdn/.*big", rate=2_000_000)
        fetcher.write(hub.url)
        result = on_tmpfs(fetcher, "size=45m", extra=f"(sleep 1; head -c 40000000 /dev/zero >{fetcher.hub}/other; true) 2>/dev/null &")
        assert result.returncode == 74, result
        assert "fetch.disk" in result.stdout and "No space left" in result.stdout
        assert "incomplete" not in result.stderr, result.stderr


def test_a_quota_that_is_used_up(fetcher, without):
    with Hub(one_repo(same_files())) as hub:
        result = fetcher.write(hub.url).fetch(prefix=without("SYS_pwrite64", "EDQUOT"))
    assert result.status == 74 and "uota exceeded" in result.finding("fetch.disk")["message"], result
    assert not fetcher.partials()


def test_what_is_there_already_needs_no_room(fetcher, need_root):
    """A resume counts what its partial file takes up already."""
    with Hub(one_repo(same_files())) as hub:
        hub.fault("/cdn/.*big", after=12, reset=0)
        fetcher.write(hub.url, fetch="connections = 1")
        again = f"{fetcher.world.binary} fetch -q -p {fetcher.world.policy_file}; touch {fetcher.world.path}/half; while [ -e {fetcher.world.path}/half ]; do sleep 0.1; done;"
        import threading

        def mend():
            limit = time.monotonic() + HANG_LIMIT
            while not (fetcher.world.path / "half").exists() and time.monotonic() < limit:
                time.sleep(0.05)
            hub.faults.clear()
            (fetcher.world.path / "half").unlink()

        thread = threading.Thread(target=mend)
        thread.start()
        result = on_tmpfs(fetcher, "size=38m", extra=again)
        thread.join()
        assert result.returncode == 0, result


def test_a_read_only_volume(fetcher, need_root):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url)
        result = on_tmpfs(fetcher, "size=64m", extra=f"mount -o remount,ro {fetcher.hub};")
        assert result.returncode == 77 and "Read-only file system" in result.stdout and not hub.requests, result


def test_links_that_lead_away_are_not_followed(fetcher, tmp_path):
    """Another user of a shared cache put links where folders and files are to be written."""
    outside = tmp_path / "outside"
    outside.mkdir()
    fetcher.repo.mkdir(parents=True)
    (fetcher.repo / "blobs").symlink_to(outside)
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url).fetch()
    assert result.status == 77 and not list(outside.iterdir()), result


def test_only_the_cache_is_written(fetcher, payload, tmp_path):
    """Landlock holds the fetcher to its place: TMPDIR, HOME and the policy's folder stay as they are."""
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url)
        before = {path for path in fetcher.world.path.rglob("*") if not path.is_relative_to(fetcher.hub)}
        assert fetcher.fetch().status == 0
        assert before == {path for path in fetcher.world.path.rglob("*") if not path.is_relative_to(fetcher.hub)}


# What one sees

def test_lines_for_a_log(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url)
        result = fetcher.world.run("fetch", "-p", str(fetcher.world.policy_file))
        assert result.status == 0
        lines = result.err.splitlines()
        assert "aweigh: model=m status=missing action=fetch" in lines
        assert any(re.fullmatch(rf"aweigh: model=m status=fetching repo=org/m commit={COMMIT} files=3 bytes=\d+", line) for line in lines), lines
        assert any(re.fullmatch(rf"aweigh: model=m status=fetched repo=org/m commit={COMMIT} files=3 bytes=\d+", line) for line in lines), lines
        again = fetcher.world.run("fetch", "-p", str(fetcher.world.policy_file))
        assert again.err.splitlines() == ["aweigh: model=m status=ok action=none"]


def test_a_line_every_ten_seconds(fetcher):
    with Hub(one_repo({**bert_files(), "big.safetensors": BIG})) as hub:
        hub.fault("/cdn/.*big", rate=800_000)
        fetcher.write(hub.url, fetch="connections = 2")
        result = fetcher.world.run("fetch", "-p", str(fetcher.world.policy_file))
    found = re.findall(r"aweigh: status=fetching files=\d of_files=4 bytes=(\d+) of_bytes=\d+ bytes_per_second=\d+", result.err)
    assert result.status == 0 and 1 <= len(found) <= 3, result.err


def test_progress_as_json(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url).fetch()
    lines = [json.loads(line) for line in result.err.splitlines()]
    assert [line["status"] for line in lines] == ["missing", "fetching", "fetched", "ok"]


def test_quiet(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url)
        result = fetcher.world.run("fetch", "-q", "-p", str(fetcher.world.policy_file))
        assert (result.status, result.out, result.err) == (0, "", "")


def test_progress_on_a_terminal(fetcher):
    """A line a file with bar, size, rate and time left, and a total; all gone when it is over."""
    files = {**bert_files(), "big.safetensors": BIG, "a/name with \u202e escapes.txt": b"x" * 30}
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", rate=5_000_000)
        fetcher.write(hub.url, fetch="connections = 2", policy="deadline = 60s")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(fetcher.world.binary, [fetcher.world.binary, "fetch", "-p", str(fetcher.world.policy_file)], fetcher.world.env)
        out, limit = b"", time.monotonic() + HANG_LIMIT
        while time.monotonic() < limit:
            try:
                out += os.read(terminal, 65536)
            except OSError:
                break
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    text = out.decode(errors="replace")
    assert re.search(r"\[=+>? *\] [\d.]+ MB of 20\.0 MB  [\d.]+ MB/s  \d+:\d\d  big\.safetensors", text), text
    assert re.search(r"\[=* *>? *\] .* of 20\.0 MB .*\d of 5 files", text), text
    assert "\u202e" not in text


@pytest.mark.parametrize("lost", ["a.txt", "b/c.txt"])
@pytest.mark.parametrize("place", ["links", "no links", "real files", "folder"])
def test_one_of_two_equal_files_is_lost(fetcher, without, place, lost, tmp_path):
    """What is left of the two may be no blob but the file itself, of which nothing says the digest."""
    prefix = without("SYS_symlinkat", "EPERM") if place == "no links" else []
    model, where = fetcher.placed(place, tmp_path / "plain")
    with Hub(one_repo(same_files())) as hub:
        assert fetcher.write(hub.url, model=model).fetch(prefix=prefix).status == 0
        if place == "real files":   # as cp -L leaves them
            subprocess.run(["cp", "-rL", where, tmp_path / "copy"], check=True)
            shutil.rmtree(fetcher.repo / "blobs")
            shutil.rmtree(where)
            (tmp_path / "copy").rename(where)
        if place == "folder":
            shutil.rmtree(where / ".cache/huggingface/download")
        (where / lost).unlink()
        result = fetcher.fetch(prefix=prefix)
        assert result.status == 0, result
    assert all((where / name).read_bytes() == data for name, data in same_files().items())


def test_a_volume_that_a_group_shares(fetcher, tmp_path, need_root):
    """fsGroup: mode 2775, and users of one group. What one has begun another goes on with, whatever the umask."""
    volume = reachable(tmp_path) / "volume"
    volume.mkdir()
    os.chown(volume, 0, 2000)
    volume.chmod(0o2775)
    fetcher.hub = volume / "hub"
    files = {**bert_files(), "big.safetensors": BIG}
    with Hub(one_repo(files)) as hub:
        fetcher.write(hub.url)
        hub.fault("/cdn/.*big", status=500, times=100)
        for uid, status in ((1000, 75), (1001, 0)):
            user = ["sh", "-c", 'umask 022; exec "$@"', "sh", "setpriv", f"--reuid={uid}", "--regid=2000", "--clear-groups"]
            result = fetcher.fetch(prefix=user)
            assert result.status == status, result
            hub.faults.clear()
    assert all(path.stat().st_mode & 0o070 in (0o070, 0o060) for path in (volume / "hub").rglob("*") if not path.is_symlink())
