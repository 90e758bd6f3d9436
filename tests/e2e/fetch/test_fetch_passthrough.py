# SPDX-License-Identifier: Apache-2.0
"""A volume by FUSE that does one thing otherwise than a disk (tests/programs/passthrough.c). What a fetch does not need it goes on
without; of the rest a true sentence says what the volume cannot do; and nothing wrong ever has a right name."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import time

import pytest
from world import HANG_LIMIT
from fetching import blobs, names_on_their_way, partials_of
from hub_server import Hub, one_repo
from models import COMMIT, bert_files, safetensors, sha256
from storages import all_is_well, assert_digests, assert_whole, check_digests, files_of_all_kinds, passthrough  # noqa: F401 (fixture)
from waiting import children, stop, wait_for


def numbers(rules):
    """rename=EPERM as passthrough.c reads it."""
    return [re.sub("=(E[A-Z0-9]+)$", lambda name: f"={getattr(errno, name[1])}", rule) for rule in rules.split()]


NOT_NEEDED = {
    # rule: what the note fetch.volume says, if there is one to say
    "rename-directory=EMFILE": "cannot rename directories",     # gcsfuse
    "rename-directory=EXDEV": "cannot rename directories",      # mergerfs
    "rename-directory=EACCES": "cannot rename directories",     # SMB, while anything in the directory is open
    "rename-directory=EBUSY": "cannot rename directories",
    "rename-directory=ENOTEMPTY": "cannot rename directories",  # as rmdir would say of a directory that is not empty
    "symlink=EPERM": "not support symbolic links",
    "symlink=ENOSYS rename-directory=ENOSYS": "not support symbolic links",
    "flock=ENOSYS": "locks have no effect",
    "no-links=1": "locks have no effect",                    # FUSE file systems that fill st_nlink with 0
    "link=EPERM": None,
    "rename-over=EEXIST": None,
    "statfs=EIO": None,
    "no-blocks=1": None,
    "no-inodes=1": None,
    "no-mmap=1": None,
    "no-types=1": None,
    "chmod=EPERM": None,
    "fsyncdir=EINVAL": None,
    "short=100000": None,
    "raced=1": None,
    "clock=-172800": None,
    "clock=172800": None,
}


@pytest.mark.parametrize("rules", NOT_NEEDED)
def test_what_a_fetch_can_do_without(fetcher, passthrough, tmp_path, rules):  # noqa: F811
    with passthrough(tmp_path, *numbers(rules)) as volume:
        result = all_is_well(fetcher, volume, files_of_all_kinds(3_000_000), longest=0.4, policy="deadline = 30s")
    said = [finding["message"] for finding in result.report["findings"] if finding["code"] == "fetch.volume"]
    assert any(NOT_NEEDED[rules] in message for message in said) if NOT_NEEDED[rules] else not said, result


NEEDED = [
    # rule, statuses, what the sentence says
    ("rename=ENOSYS", (74, 77), "cannot rename"),
    ("rename=EPERM", (74, 77), "cannot rename"),
    ("rename=EXDEV", (74, 77), "cannot rename"),
    ("rename=EIO", (74,), "I/O error|Input/output error"),
    ("append=ESPIPE", (74,), "at an offset"),
    ("append=EINVAL", (74,), "at an offset"),          # mountpoint-s3
    ("truncate=ENOSYS", (74,), "another call that a cache needs"),
    ("cut-is-lost=1", (74,), ""),
    ("halves=1", (74,), "I/O error|Input/output error"),   # an object store that renames by copying
    ("fsync=EIO", (74,), "I/O error|Input/output error"),
    ("fsync=ENOSPC", (74,), "No space left"),
    ("fsyncdir=EIO", (74,), "I/O error|Input/output error"),
    ("write=ENOSPC", (74,), "No space left"),
    ("write=EDQUOT", (74,), "uota exceeded"),
    ("write=EIO", (74,), "I/O error|Input/output error"),
    ("create=ENOSPC", (74,), "No space left"),
    ("mkdir=ENOSPC", (74,), "No space left"),
    ("exclusive=EINVAL", (74, 77), ""),
    ("create=EROFS", (77,), "Read-only file system"),
]


@pytest.mark.parametrize("rules, status, words", NEEDED, ids=[row[0] for row in NEEDED])
def test_what_a_fetch_cannot_do_without(fetcher, passthrough, tmp_path, rules, status, words):  # noqa: F811
    """Said, with nothing that could be taken for the model; and where the volume is mended the next fetch goes on."""
    files = files_of_all_kinds(3_000_000)
    with Hub(one_repo(files)) as hub:
        with passthrough(tmp_path, *numbers(rules)) as volume:
            fetcher.hub = volume / "hub"
            result = fetcher.write(hub.url, policy="deadline = 30s").fetch("-v")
            assert_digests(fetcher.repo)
            said = [f["message"] for f in result.report["findings"] if f["severity"] == "error" and f["code"].startswith("fetch.")]
            assert result.status in status and any(re.search(words, message) for message in said), result
            assert not list(fetcher.repo.glob("refs/*"))
        with passthrough(tmp_path) as volume:
            result = fetcher.fetch()
            assert result.status == 0, result
            assert_whole(fetcher, files)


@pytest.mark.parametrize("damaged", [False, True])
def test_what_an_earlier_fetch_left_is_lost(fetcher, passthrough, tmp_path, damaged):  # noqa: F811
    """A volume that goes wrong with a file that was taken over (rclone 1.60, which uploaded it meanwhile): then it is brought anew."""
    files = {**bert_files(), "big.safetensors": safetensors({"w": 5_000_000})}
    fetcher.hub = tmp_path / "volume/hub"

    def is_alone():
        left = fetcher.partials()
        return len(blobs(fetcher.repo)) == len(files) - 1 and len(left) == 1 and left[0].stat().st_blocks > 4000

    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", rate=5_000_000)
        with passthrough(tmp_path):
            fetcher.write(hub.url).fetch_killed(HANG_LIMIT, seen=is_alone)
            (left,) = fetcher.partials()
            if damaged:   # so that its digest is wrong, and it is begun again in the same file
                with open(left, "r+b") as file:
                    file.seek(4096)
                    file.write(b"damaged!")
            os.utime(left, (1, 1))
        with passthrough(tmp_path, "halves=2"):
            result = fetcher.fetch()
            assert result.status == 0, result
            assert_whole(fetcher, files)


@pytest.mark.parametrize("links", [True, False])
def test_many_names_where_removing_one_moves_the_others(fetcher, passthrough, tmp_path, links):  # noqa: F811
    """Where directories cannot be renamed the snapshot is made name by name, out of a directory that is read meanwhile: on a volume whose
    readdir counts entries, each one that goes moves the others past the reader. No ref may name a snapshot in which some are missing."""
    files = {**bert_files(), **{f"some/{i}-{'x' * 40}.json": b'{"n": %d}' % i for i in range(400)}}
    with passthrough(tmp_path, *numbers("rename-directory=EMFILE by-index=1" + ("" if links else " symlink=EPERM"))) as volume, Hub(one_repo(files)) as hub:
        fetcher.hub = volume / "hub"
        result = fetcher.write(hub.url).fetch()
        missing = [name for name in files if not (fetcher.snapshot / name).exists()]
        assert not missing or not (fetcher.repo / "refs/main").exists(), f"{len(missing)} files are missing under refs/main"
        assert result.status == 0, result
        assert_whole(fetcher, files)


@pytest.mark.parametrize("place", ["cache", "folder"])
@pytest.mark.parametrize("clock", ["0", "-172800", "172800"])
def test_a_servers_clock(fetcher, passthrough, tmp_path, clock, place):  # noqa: F811
    """Without locks the age of a partial file alone says that nobody writes it any more: the volume's own age, whatever its clock says."""
    files = {**bert_files(), "big.safetensors": safetensors({"w": 3_000_000})}
    with passthrough(tmp_path, *numbers(f"flock=ENOSYS clock={clock}")) as volume, Hub(one_repo(files)) as hub:
        fetcher.hub = volume / "hub"
        model, where = fetcher.placed(place, volume / "plain")
        hub.fault("/cdn/.*big", rate=1_500_000)
        fetcher.write(hub.url, model=model)
        command = [fetcher.world.binary, "fetch", "-p", str(fetcher.world.policy_file)]
        first = subprocess.Popen(command, env=fetcher.world.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        limit = time.monotonic() + HANG_LIMIT
        while not partials_of(volume) and time.monotonic() < limit:
            time.sleep(0.02)
        second = fetcher.fetch()
        out, _ = first.communicate(timeout=HANG_LIMIT)
        assert (first.returncode, second.status) == (0, 0), out.decode()
        assert all((where / name).read_bytes() == data for name, data in files.items())
        hub.requests.clear()
        assert fetcher.fetch().status == 0 and not hub.requests


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("place", ["cache", "folder"])
@pytest.mark.parametrize("other", [b"two", b"three"])
def test_names_that_differ_in_case(fetcher, passthrough, tmp_path, place, other, links):  # noqa: F811
    """One of them would take the other's place: refused with both names, and never reported as right."""
    files = {**bert_files(), "Data/A.txt": b"one", "data/a.txt": other}
    with passthrough(tmp_path, "ignore-case=1", *(() if links else numbers("symlink=EPERM"))) as volume, Hub(one_repo(files)) as hub:
        fetcher.hub = volume / "hub"
        model, where = fetcher.placed(place, volume / "plain")
        result = fetcher.write(hub.url, model=model).fetch()
        said = [f"{finding.get('path')} {finding['message']}" for finding in result.report["findings"] if finding["severity"] == "error"]
        assert result.status != 0, result
        assert any("Data/A.txt" in message and "data/a.txt" in message for message in said), said
        assert check_digests(fetcher).status != 0


def test_names_that_differ_in_case_and_are_equal(fetcher, passthrough, tmp_path):  # noqa: F811
    """The same bytes under both names: either all right, or refused; on a volume that tells them apart they are two files."""
    files = {**bert_files(), "A.txt": b"same", "a.txt": b"same"}
    with passthrough(tmp_path) as volume, Hub(one_repo(files)) as hub:
        fetcher.hub = volume / "hub"
        assert fetcher.write(hub.url).fetch().status == 0
        assert_whole(fetcher, files)
        assert sorted(path.name for path in fetcher.snapshot.iterdir()) == sorted(files)


@pytest.mark.parametrize("place, where, before", [("cache", f"models--org--m/.{COMMIT}.tmp", False), ("cache", "models--org--m/blobs", True),
                                                  ("cache", "models--org--m/refs", True), ("folder", ".cache/huggingface/download", True)])
def test_a_name_on_its_way_when_the_kill_comes(fetcher, passthrough, tmp_path, place, where, before):  # noqa: F811
    """A copy, or a ref, that was never renamed: nothing of it is among the files of the model, and the next fetch removes it. What is the
    user's own there, and what an earlier fetch brought under such a name, stays."""
    files = {**bert_files(), "a/c.txt": b"same", "b/c.txt": b"same", **({".0123abcd.tmp": b"the model's"} if before else {})}
    below = tmp_path / "below" / ("hub" if place == "cache" else "plain")
    fetcher.hub = tmp_path / "volume/hub"
    model, folder = fetcher.placed(place, tmp_path / "volume/plain")

    def on_their_way():
        return names_on_their_way(below / where) if (below / where).exists() else []

    with Hub(one_repo(files)) as hub:
        if before:
            fetcher.write(hub.url, model=f"{model}\nfiles = .0123abcd.tmp")
            with passthrough(tmp_path, *numbers("symlink=EPERM")):
                assert fetcher.fetch().status == 0
        (below / "a").mkdir(exist_ok=True, parents=True)
        (below / "a/.deadbeef.tmp").write_text("the user's")
        for ref in (below / "models--org--m/refs").glob("*"):
            ref.unlink()
        fetcher.write(hub.url, model=model)
        with passthrough(tmp_path, *numbers("symlink=EPERM slow=200000")):
            fetcher.fetch_killed(HANG_LIMIT, seen=on_their_way)
            assert on_their_way()
        for path in (below / where).rglob(".*.tmp"):
            os.utime(path, (1, 1))   # FUSE may have other writers, on other machines: what is young may be theirs
        with passthrough(tmp_path, *numbers("symlink=EPERM")):
            assert fetcher.fetch().status == 0
            assert not on_their_way() and (below / "a/.deadbeef.tmp").exists()
            found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts}
            assert found - {"a/.deadbeef.tmp"} == set(files)


def test_a_model_whose_file_is_named_as_one_on_its_way(fetcher, passthrough, tmp_path):  # noqa: F811
    files = {**bert_files(), "a.txt": b"same", "b.txt": b"same", ".0123abcd.tmp": b"mine"}
    with passthrough(tmp_path, *numbers("symlink=EPERM")) as volume, Hub(one_repo(files)) as hub:
        fetcher.hub = volume / "hub"
        assert fetcher.write(hub.url).fetch().status == 0
        assert_whole(fetcher, files)


def second_mount(passthrough, tmp_path):
    """Another machine's: the same volume, and locks of its own."""
    (tmp_path / "two").mkdir()
    (tmp_path / "two/below").symlink_to(tmp_path / "below")
    return passthrough(tmp_path / "two")


def begun(fetcher, hub, volume, files):
    """A fetch that goes on slowly, and the partial file of its largest file, of which some has arrived."""
    fetcher.hub = volume / "hub"
    hub.fault("/cdn/.*big", rate=500_000)
    world = fetcher.write(hub.url).world
    process = subprocess.Popen([world.binary, "fetch", "-q", "-p", str(world.policy_file)], env=world.env, stdin=subprocess.DEVNULL)
    place = fetcher.repo / "blobs"
    name = f"{sha256(files['big.safetensors'])}.*.incomplete"
    wait_for(lambda: any(path.stat().st_blocks > 2048 for path in place.glob(name)))
    (partial,) = place.glob(name)
    return process, partial


@contextlib.contextmanager
def standing_still(process):
    """It and its fetcher; the volume's server goes on with what it was asked to write."""
    family = [process.pid, *children(process.pid)]
    for pid in family:
        stop(pid)
    try:
        yield
    finally:
        for pid in reversed(family):
            os.kill(pid, signal.SIGCONT)


def test_two_machines_whose_locks_know_nothing_of_each_other(fetcher, passthrough, tmp_path):  # noqa: F811
    """What another fetches is left to it, as long as it is alive; both end well."""
    files = {**bert_files(), "big.safetensors": safetensors({"w": 4_000_000})}
    with passthrough(tmp_path) as one, second_mount(passthrough, tmp_path) as two, Hub(one_repo(files)) as hub:
        process, partial = begun(fetcher, hub, one, files)
        hub.faults.clear()
        fetcher.move(two / "hub")
        with standing_still(process):
            result = fetcher.fetch()
            assert result.status == 0 and partial.exists(), result
        assert process.wait(HANG_LIMIT) == 0
        assert_whole(fetcher, files)
        fetcher.move(one / "hub")
        assert_whole(fetcher, files)


def test_a_fetch_that_was_taken_for_dead(fetcher, passthrough, tmp_path):  # noqa: F811
    """Its machine stood still, and another fetch has gone on with its file: it touches that no more, and begins its own."""
    files = {**bert_files(), "big.safetensors": safetensors({"w": 4_000_000})}
    with passthrough(tmp_path) as volume, Hub(one_repo(files)) as hub:
        process, partial = begun(fetcher, hub, volume, files)
        below = tmp_path / "below" / partial.relative_to(volume)
        taken = below.with_name(below.name.split(".")[0] + ".00000000.incomplete")
        with standing_still(process):
            below.rename(taken)
            before = taken.read_bytes()
            hub.faults.clear()
            time.sleep(1.5)   # as long as the kernel remembers a name of FUSE's
        assert process.wait(HANG_LIMIT) == 0
        assert taken.read_bytes() == before
        taken.unlink()
        assert_whole(fetcher, files)


@pytest.mark.parametrize("error", ["EMFILE", "EBUSY", "ENOTEMPTY", "EACCES"])
def test_a_kill_while_the_snapshot_is_made_name_by_name(fetcher, passthrough, tmp_path, error):  # noqa: F811
    """The next fetch goes on with what has not moved yet, by whatever error the volume says that it renames no directory."""
    files = {**bert_files(), **{f"{folder}/{i}.txt": b"%d" % i for folder in ("a", "b", "c") for i in range(3)}}
    fetcher.hub = tmp_path / "volume/hub"
    below = tmp_path / "below/hub/models--org--m"
    with Hub(one_repo(files)) as hub:
        fetcher.write(hub.url)
        with passthrough(tmp_path, *numbers(f"rename-directory={error} delay=50")):
            fetcher.fetch_killed(HANG_LIMIT, seen=lambda: any((below / "snapshots").glob("*/*")))
            assert any(below.glob(".*.tmp/?"))
        with passthrough(tmp_path, *numbers(f"rename-directory={error}")):
            result = fetcher.fetch()
            assert result.status == 0, result
            assert_whole(fetcher, files)


def test_a_name_that_has_another_file_meanwhile(fetcher, passthrough, tmp_path):  # noqa: F811
    """While another fetch replaces it, FUSE and NFS answer ESTALE: the kernel asks once more, and aweigh a few times."""
    files = {**bert_files(), "big.safetensors": safetensors({"w": 30_000})}
    fetcher.hub = tmp_path / "volume/hub"
    with Hub(one_repo(files)) as hub:
        with passthrough(tmp_path):
            assert fetcher.write(hub.url).fetch().status == 0
        with passthrough(tmp_path, "stale=3"):
            result = check_digests(fetcher)
            assert result.status == 0, result
