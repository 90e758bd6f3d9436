# SPDX-License-Identifier: Apache-2.0
"""Storages as people mount them, each by its own file system: buckets, layers, disks of other systems, images, what is full or shared.
Either all is right, or a true sentence says what the volume cannot do, and in both cases nothing wrong has a right name."""

import contextlib
import os
import re
import subprocess

import pytest
from world import HANG_LIMIT
from hub_server import Hub, one_repo
from models import OTHER, bert_files
from network import free_port
from waiting import wait_for
from storages import (all_is_well, assert_digests, assert_the_library_loads, assert_whole, check_digests, files_of_all_kinds, fuse, loop_device,
                      mounted, need, rclone, rclone_is_done, s3, s3fs)  # noqa: F401 (fixture)


def assert_the_bucket_has_it(fetcher, volume, files, revives=False):
    """Mounted anew: what has reached the bucket, not what the first mount remembers."""
    with volume as place:
        fetcher.hub = place / fetcher.hub.name
        fetcher.write("http://127.0.0.1:9", mode="offline")
        result = check_digests(fetcher)
        assert result.status == 0, result
        assert_whole(fetcher, files, revives)
        assert_the_library_loads(fetcher, files)


def test_s3fs(fetcher, s3, tmp_path):  # noqa: F811
    bucket, files = s3.bucket(), files_of_all_kinds()
    with s3fs(s3, bucket, tmp_path / "one") as volume:
        all_is_well(fetcher, volume, files, longest=3)
    assert_the_bucket_has_it(fetcher, s3fs(s3, bucket, tmp_path / "two"), files)


# The second is rclone's default: what is written goes to the bucket five seconds after the last close, and is renamed before.
@pytest.mark.parametrize("write_back", ["1s", "5s"])
@pytest.mark.parametrize("mode", ["full", "writes"])
def test_rclone(fetcher, s3, tmp_path, mode, write_back):  # noqa: F811
    """Debian's rclone says that 0 inodes are free, has no links, and shows a directory that was renamed too soon without its files' bytes.
    What is removed while it goes to the bucket comes back there, whoever removes it."""
    bucket, files, control = s3.bucket(), files_of_all_kinds(), free_port()
    with rclone(s3, bucket, tmp_path / "one", mode, write_back, control) as volume:
        result = all_is_well(fetcher, volume, files, longest=1.5, revives=True)
        assert "not support symbolic links" in result.finding("fetch.volume")["message"]
        wait_for(lambda: rclone_is_done(control))
    assert_the_bucket_has_it(fetcher, rclone(s3, bucket, tmp_path / "two", mode, write_back), files, revives=True)


def test_rclone_that_only_appends(fetcher, s3, tmp_path):  # noqa: F811
    """--vfs-cache-mode off, the default: no writing at a place."""
    with rclone(s3, s3.bucket(), tmp_path / "one", "off", "1s") as volume, Hub(one_repo(files_of_all_kinds())) as hub:
        fetcher.hub = volume / "hub"
        result = fetcher.write(hub.url).fetch("-v")
        assert_digests(fetcher.repo)
        assert result.status == 74 and "--vfs-cache-mode writes" in result.finding("fetch.disk")["message"], result
        assert not list(fetcher.repo.glob("refs/*"))


# Layers and other systems' disks

def test_an_overlay(fetcher, need_root, tmp_path):
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    with mounted(tmp_path / "volume", "-t", "overlay", "overlay", "-o", f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work") as volume:
        all_is_well(fetcher, volume)


def test_an_overlay_over_a_damaged_cache(fetcher, need_root, tmp_path):
    """An image's layer below with a damaged blob, a lost one and what another fetch left half done; the layer above is the container's own."""
    files = files_of_all_kinds()
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    with Hub(one_repo(files)) as hub:
        fetcher.hub = tmp_path / "lower/hub"
        assert fetcher.write(hub.url).fetch().status == 0
        damaged, lost = ((fetcher.snapshot / name).resolve() for name in ("config.json", "model.safetensors"))
        damaged.write_bytes(b"{" + damaged.read_bytes()[1:-1] + b"]")
        lost.unlink()
        (fetcher.repo / f"blobs/{lost.name}.01234567.incomplete").write_bytes(b"half")
        before = {path: path.lstat().st_mtime_ns for path in (tmp_path / "lower").rglob("*")}
        with mounted(tmp_path / "volume", "-t", "overlay", "overlay", "-o", f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work") as volume:
            fetcher.hub = volume / "hub"
            result = fetcher.write(hub.url, policy="verify = digest").fetch()
            assert result.status == 0, result
            assert_whole(fetcher, files)
            assert_the_library_loads(fetcher, files)
        assert before == {path: path.lstat().st_mtime_ns for path in (tmp_path / "lower").rglob("*")}


def test_exfat(fetcher, tmp_path):
    """No links, no owners, no modes."""
    need("mount.exfat-fuse")
    with loop_device(tmp_path / "image", 256, "mkfs.exfat") as device:
        with fuse(["mount.exfat-fuse", "-d", device, tmp_path / "volume"], tmp_path / "volume", tmp_path / "log") as volume:
            result = all_is_well(fetcher, volume)
            assert "not support symbolic links" in result.finding("fetch.volume")["message"]


def test_no_name_is_lost(fetcher, tmp_path):
    """lowntfs-3g answers a page of names at a time, and forgets those that its reader has no room for."""
    need("lowntfs-3g")
    with loop_device(tmp_path / "image", 64, "mkntfs", "--quick", "--force", "--quiet") as device:
        with fuse(["lowntfs-3g", "-o", "no_detach,allow_other", device, tmp_path / "volume"], tmp_path / "volume", tmp_path / "log") as volume:
            (volume / "model").mkdir()
            for name, data in {**bert_files(), **{f"{'n' * 60}{i}.txt": b"x" for i in range(150)}}.items():
                (volume / "model" / name).write_bytes(data)
            fetcher.world.policy(f"[policy]\n[model m]\npath = {volume}/model\n")
            assert fetcher.world.check().report["models"][0]["files"] == 150 + len(bert_files())


@pytest.mark.parametrize("program", ["ntfs-3g", "lowntfs-3g"])
def test_ntfs(fetcher, tmp_path, program):
    need(program)
    with loop_device(tmp_path / "image", 256, "mkntfs", "--quick", "--force", "--quiet") as device:
        with fuse([program, "-o", "no_detach,allow_other", device, tmp_path / "volume"], tmp_path / "volume", tmp_path / "log") as volume:
            all_is_well(fetcher, volume)


@contextlib.contextmanager
def ignoring_case(kind, folder):
    """A volume of another system on which A.txt and a.txt are one."""
    if kind == "exfat":
        need("mount.exfat-fuse")
        formatted, command = ("mkfs.exfat",), ["mount.exfat-fuse", "-d"]
    else:
        need("lowntfs-3g")
        formatted, command = ("mkntfs", "--quick", "--force", "--quiet"), ["lowntfs-3g", "-o", "no_detach,allow_other,ignore_case"]
    with loop_device(folder / "image", 128, *formatted) as device, fuse([*command, device, folder / "volume"], folder / "volume", folder / "log") as volume:
        yield volume


@pytest.mark.parametrize("other", [b"two", b"three"])
@pytest.mark.parametrize("kind", ["exfat", "ntfs"])
def test_names_that_differ_in_case(fetcher, tmp_path, kind, other):
    """One would stand in the other's place: refused with both names, whether their sizes differ or not."""
    with ignoring_case(kind, tmp_path) as volume, Hub(one_repo({**bert_files(), "A.txt": b"one", "a.txt": other})) as hub:
        fetcher.hub = volume / "hub"
        result = fetcher.write(hub.url).fetch()
        assert_digests(fetcher.repo)
        said = [f"{finding.get('path')} {finding['message']}" for finding in result.report["findings"] if finding["severity"] == "error"]
        assert result.status != 0 and any("A.txt" in message and "a.txt" in message for message in said), result
        assert check_digests(fetcher).status != 0


@pytest.mark.parametrize("one, two", [("Ärger.json", "ärger.json"), ("Ä/a.json", "ä/a.json"), ("Data", "data/y.json")])
def test_names_that_only_the_volume_takes_for_one(fetcher, tmp_path, one, two):
    """Its alphabet is its own: what has become of the names is looked at before they are given."""
    with ignoring_case("ntfs", tmp_path) as volume, Hub(one_repo({**bert_files(), one: b'{"first": 1}', two: b'{"second": 22}'})) as hub:
        fetcher.hub = volume / "hub"
        result = fetcher.write(hub.url).fetch()
        assert_digests(fetcher.repo)
        assert result.status == 74 and "ignores case" in result.finding("fetch.disk")["message"], result
        assert check_digests(fetcher).status != 0


# Images, which nobody can write

IMAGES = {
    "squashfs": (["mksquashfs", "FOLDER", "IMAGE", "-quiet", "-no-progress"], None),
    "squashfuse": (["mksquashfs", "FOLDER", "IMAGE", "-quiet", "-no-progress"], ["squashfuse", "-f", "-o", "allow_other"]),
    "erofs": (["mkfs.erofs", "IMAGE", "FOLDER"], None),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_a_cache_in_an_image(fetcher, payload, need_root, tmp_path, kind):
    """What is complete is checked, loaded and served from it, and asks nothing of the hub; of what is missing it is said that it cannot come."""
    make, serve = IMAGES[kind]
    need(make[0], *(serve or [])[:1])
    files = files_of_all_kinds()
    with Hub({**one_repo(files), **one_repo(bert_files(), repo="org/other", commit=OTHER)}) as hub:
        fetcher.hub = tmp_path / "folder/hub"
        assert fetcher.write(hub.url).fetch().status == 0
        subprocess.run([{"FOLDER": tmp_path / "folder", "IMAGE": tmp_path / "image"}.get(word, word) for word in make], check=True, capture_output=True, timeout=HANG_LIMIT)
        where = tmp_path / "volume"
        with fuse([*serve, tmp_path / "image", where], where, tmp_path / "log") if serve else mounted(where, "-o", "loop,ro", tmp_path / "image"):
            fetcher.hub = where / "hub"
            hub.requests.clear()
            assert fetcher.write(hub.url).fetch().status == 0 and not hub.requests
            assert fetcher.start(payload, "0").status == 0
            result = check_digests(fetcher)
            assert result.status == 0, result
            assert_whole(fetcher, files)
            assert_the_library_loads(fetcher, files)
            result = fetcher.write(hub.url, model="repo = org/other").fetch()
            # squashfuse is mounted writable and knows no call that writes.
            said = " ".join(finding["message"] for finding in result.report["findings"] if finding["code"] in ("fetch.folder", "fetch.disk"))
            assert result.status in (74, 77) and re.search("Read-only file system|another call that a cache needs", said), result
            # That there may be something newer refuses nothing of what is complete.
            assert fetcher.write(hub.url, mode="online").fetch().status == 0


# Full, or shared

@pytest.mark.parametrize("left", [0, 4096, 300_000])
def test_a_volume_that_is_full(fetcher, need_root, tmp_path, left):
    """Before the first byte, and before the first name; and it goes on once there is room."""
    files = files_of_all_kinds()
    with mounted(tmp_path / "volume", "-t", "tmpfs", "-o", "size=100m", "none") as volume, Hub(one_repo(files)) as hub:
        fetcher.hub = volume / "hub"
        subprocess.run(["fallocate", "-l", str((100 << 20) - left), volume / "other"], check=True)
        result = fetcher.write(hub.url).fetch()
        assert result.status == 74 and not hub.paths("resolve"), result
        assert_digests(fetcher.repo)
        (volume / "other").unlink()
        assert fetcher.fetch().status == 0
        assert_whole(fetcher, files)


def test_no_inode_for_any_of_them(fetcher, need_root, tmp_path):
    """With each number of inodes, from none for the cache's own directory on: always a full volume, never a matter of ownership."""
    files = {**bert_files(), "sub/a.txt": b"x"}
    with Hub(one_repo(files)) as hub:
        results, inodes = {}, 2
        while results.get(inodes - 1) != 0 and inodes < 60:
            with mounted(tmp_path / "volume", "-t", "tmpfs", "-o", f"size=64m,nr_inodes={inodes}", "none") as volume:
                fetcher.hub = volume / "hub"
                result = fetcher.write(hub.url).fetch()
                results[inodes] = result.status
                assert result.status == 0 or "fetch.disk" in result.codes("error"), (inodes, result)
                assert_digests(fetcher.repo)
                if result.status == 0:
                    assert_whole(fetcher, files)
            inodes += 1
    assert set(results.values()) == {74, 0}, results


@pytest.mark.parametrize("umask", [0o022, 0o002, 0])
def test_a_sticky_cache_of_two_users(fetcher, need_root, tmp_path, umask):
    """Mode 1777, as /tmp: each fetches a model of its own and reads the other's. What the first made for both, .locks, may not keep the
    second from it; where it does, that is said of .locks."""
    files = bert_files()
    fetcher.hub = tmp_path / "shared"
    fetcher.hub.mkdir()
    fetcher.hub.chmod(0o1777)
    users = [{"user": user, "group": 5000, "extra_groups": [], "preexec_fn": lambda: os.umask(umask)} for user in (1234, 4321)]
    with Hub({**one_repo(files), **one_repo(files, repo="org/n", commit=OTHER)}) as hub:
        assert fetcher.write(hub.url).fetch(**users[0]).status == 0
        assert fetcher.fetch(**users[1]).status == 0
        result = fetcher.write(hub.url, model="repo = org/n").fetch(**users[1])
        for repo in fetcher.hub.glob("models--*"):
            assert_digests(repo)
        assert result.status == 0 or (result.status == 77 and ".locks" in result.finding("fetch.folder")["message"]), result
        # The first one's model, damaged: whose the directory is not cannot mend it, and it is said so.
        blob = (fetcher.repo / "snapshots" / os.listdir(fetcher.repo / "snapshots")[0] / "config.json").resolve()
        blob.write_bytes(b"{}")
        result = fetcher.write(hub.url, policy="verify = digest").fetch(**users[1])
        assert result.status in (0, 77), result
        assert result.status == 0 or "fetch.folder" in result.codes("error"), result
        assert fetcher.fetch(**users[0]).status == 0
        assert_digests(fetcher.repo)


# What is on the disk before a name says that it is there

def made_and_synced(trace):
    """(what, directory, name) in the order of time, from strace -y: names that are made in a directory, and directories that are synced."""
    events = []
    for line in trace.read_text(errors="replace").splitlines():
        if not re.search(r"= \d+(<.*>)?$", line):
            continue
        if found := re.search(r'(?:mkdirat|symlinkat|mkdir|symlink)\(.*?(?:\d+<([^>]*)>, )?"([^"]*)"(?:, 0[0-7]+)?\)', line):
            events.append(("new", found[1], found[2]))
        elif found := re.search(r'renameat2?\(\d+<([^>]*)>, "([^"]*)", \d+<([^>]*)>, "([^"]*)"', line):
            events.append(("moved", os.path.join(found[1], found[2]), os.path.join(found[3], found[4])))
        elif found := re.search(r"(?:fsync|syncfs|fdatasync)\(\d+<([^>]*)>", line):
            events.append(("synced" if "syncfs" not in line else "all", found[1], ""))
    return events


def not_on_disk(events, end, root):
    """Directories beneath root that got a name which no sync follows, when the name `end` is given."""
    dirty = {}
    for what, first, second in events:
        if what == "new" and first is not None:
            dirty[os.path.join(first, second) if "/" not in second else first] = None
            dirty.setdefault(first, set())
            dirty[first] = (dirty[first] or set()) | {second}
        elif what == "moved":
            if second == end:
                return {path: names for path, names in dirty.items() if names and path.startswith(str(root)) and "/.locks" not in path}
            # What was dirty beneath the old name is so beneath the new one.
            dirty = {second + path[len(first):] if path == first or path.startswith(first + "/") else path: names for path, names in dirty.items()}
            directory, name = os.path.split(second)
            dirty[directory] = (dirty.get(directory) or set()) | {name}
        elif what == "synced":
            dirty.pop(first, None)
        elif what == "all":
            dirty.clear()
    raise AssertionError(f"{end} never got its name: {events}")


@pytest.mark.parametrize("links", [True, False])
def test_each_directory_is_synced_before_the_ref(fetcher, tmp_path, links):
    """A power cut after the ref is on disk finds the manifest, each directory of the snapshot and each name in it: each directory that
    got a name is synced before the ref gets its own."""
    need("strace")
    trace = tmp_path / "trace"
    prefix = ["strace", "-f", "-y", "-s", "4096", "-o", str(trace), "-e", "trace=fsync,fdatasync,syncfs,mkdir,mkdirat,symlink,symlinkat,rename,renameat,renameat2"]
    prefix += [] if links else ["-e", "inject=symlinkat:error=EPERM", "-e", "inject=symlink:error=EPERM"]
    with Hub(one_repo({**bert_files(), "sub/a.txt": b"one", "sub/deep/er/b.txt": b"two"})) as hub:
        result = fetcher.write(hub.url).fetch(prefix=prefix, env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert result.status == 0, result
    events, ref = made_and_synced(trace), str(fetcher.repo / "refs/main")
    assert not_on_disk(events, ref, fetcher.repo) == {}
    # And the ref's own name is on disk when the fetch says that it is done.
    rest = events[max(i for i, event in enumerate(events) if event[2] == ref):]
    assert ("synced", str(fetcher.repo / "refs"), "") in rest or any(event[0] == "all" for event in rest)


@pytest.mark.parametrize("name", ["a:b.json", "what?.json", "bar|.json", "star*.json", "sub:folder/x.json"])
def test_a_name_that_a_volume_cannot_hold(fetcher, tmp_path, name):
    """FAT and its relatives know no such names: that is said of the name, and not that there is no such file."""
    need("mount.exfat-fuse")
    with loop_device(tmp_path / "image", 128, "mkfs.exfat") as device:
        with fuse(["mount.exfat-fuse", "-d", device, tmp_path / "volume"], tmp_path / "volume", tmp_path / "log") as volume:
            with Hub(one_repo({**bert_files(), name: b"{}"})) as hub:
                fetcher.hub = volume / "hub"
                result = fetcher.write(hub.url).fetch()
                said = [finding for finding in result.report["findings"] if finding["severity"] == "error"]
                assert result.status == 74 and [f["path"] for f in said] == [name] and "cannot hold a file of this name" in said[0]["message"] and "exclude" in said[0]["fix"], said
                assert fetcher.write(hub.url, model="repo = org/m\nexclude = " + re.sub(r"[*:|]", "?", name)).fetch().status == 0
