# SPDX-License-Identifier: Apache-2.0
"""Servers that take few connections, lists that break off, names as the C library resolves them, certificates out of their
time, tokens and passwords, hubs that lie or never end, volumes that hang, links of others in the cache."""

import json
import os
import signal
import subprocess
from pathlib import Path

import confining
import pytest
from fetching import BIG, complete_or_absent, partials_of
from hub_server import Hub, one_repo
from models import COMMIT, bert_files, gguf, sha256
from network import Narrow
from storages import passthrough, server_of, stopped  # noqa: F401 (fixture)
from waiting import children, wait_for
from world import HANG_LIMIT


# Servers that take fewer connections than there are

@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("says", ["503", "reset", "refused"])
def test_a_server_that_takes_few_connections(fetcher, says, most):
    """nginx's limit_conn, a balancer, a full backlog: the fetch goes on with fewer, though each request has three tries only."""
    files = {**bert_files(), "big.safetensors": BIG}
    with Hub(one_repo(files), lfs=(".never",)) as hub, Narrow(hub.servers[0].server_address[1], most, says) as narrow:
        hub.fault("resolve.*big", rate=20_000_000)
        result = fetcher.write(narrow.url, fetch="connections = 8").fetch()
        assert result.status == 0, result
        assert hub.most_open <= most and (narrow.turned_away or says == "refused")
    assert complete_or_absent(fetcher, files)


# Lists that break off

@pytest.mark.parametrize("page", ["/tree/[^&]*&expand=false$", "cursor=10"], ids=["first", "second"])
@pytest.mark.parametrize("broken", [dict(short=200, headers={"Content-Length": "1000000", "Connection": "close"}), dict(short=200, unsaid=True)], ids=["of a length", "without one"])
def test_a_list_that_breaks_off_is_asked_for_again(fetcher, page, broken):
    """From its beginning: no file is in it twice, and none is missing."""
    files = {**bert_files(), **{f"n/{i:02}.json": b"{}" for i in range(30)}}
    with Hub(one_repo(files), page=10) as hub:
        hub.fault(page, times=2, **broken)
        result = fetcher.write(hub.url).fetch()
        assert result.status == 0, result
        assert len(hub.paths("/tree/[^&]*&expand=false$")) == 3 and not hub.paths("blobs=true")
    assert complete_or_absent(fetcher, files) and len([path for path in fetcher.snapshot.rglob("*") if path.is_symlink()]) == len(files)


def test_a_list_that_always_breaks_off(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/tree/", short=200, headers={"Content-Length": "1000000", "Connection": "close"})
        result = fetcher.write(hub.url).fetch()
        assert result.status == 75 and len(hub.paths("/tree/")) == 3, result
    assert not fetcher.snapshot.exists()


# Hubs that lie

@pytest.mark.parametrize("lies", ["once", "always"])
@pytest.mark.parametrize("first", ["whole", "cut"])
def test_a_hub_that_ignores_the_first_range_and_lies_to_later_ones(fetcher, first, lies):
    """200 to the first request, 206 with other bytes to those that follow: what has the digest's name has the digest, or there is none."""
    files = {**bert_files(), "big.safetensors": BIG}
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", times=1, no_range=True, **({"reset": 3 << 20} if first == "cut" else {}))
        hub.fault("/cdn/.*big", times=1 if lies == "once" else 10**9, wrong=1000)
        result = fetcher.write(hub.url).fetch()
    if lies == "once" or first == "whole":   # which needs no second request
        assert result.status == 0, result
        assert complete_or_absent(fetcher, files)
    else:
        assert result.status == 69 and "big.safetensors arrived with the digest" in result.finding("fetch.digest")["message"], result
        assert not fetcher.snapshot.exists() and not fetcher.partials()


def test_parts_that_are_those_of_another_file(fetcher):
    """Each as long as it should be, and 206: a cache between that mixes two files up."""
    files = {**bert_files(), "big.safetensors": BIG}
    with Hub(one_repo(files)) as hub:
        other = BIG[:-1] + bytes([BIG[-1] ^ 1])   # as sound as the right one: what is whole passes
        hub.repos["org/m"]["files"]["other.safetensors"] = other
        content = hub.signed
        hub.signed = lambda path: content(path.replace("big", "other") if len(hub.paths("resolve.*big")) % 2 else path)
        result = fetcher.write(hub.url).fetch()
        assert result.status in (0, 69), result
        whole = complete_or_absent(fetcher, files)
        assert whole == (result.status == 0) and (whole or "fetch.digest" in result.codes()), result


# Hubs without an end

def endless(hub, entries):
    """A list whose every page leads to another one: `entries` of it, and one that no other page has."""
    page = json.dumps([{"type": "file", "path": f"x/{i:0100}", "size": 1, "oid": "a" * 40} for i in range(entries)])[:-1]
    answer = hub.actions

    def actions(path):
        if "/tree/" not in path:
            return answer(path)
        number = int(path.rpartition("cursor=")[2]) if "cursor=" in path else 0
        body = page + (", " if entries else "") + json.dumps({"type": "file", "path": f"y/{number}", "size": 1, "oid": "b" * 40}) + "]"
        return {"status": 200, "body": body.encode(), "headers": {"Link": f'<{hub.url}/api/models/org/m/tree/{COMMIT}?recursive=true&expand=false&cursor={number + 1}>; rel="next"'}}

    hub.actions = actions


@pytest.mark.parametrize("entries", [0, 10_000], ids=["short pages", "long pages"])
@pytest.mark.parametrize("files", ["", "files = config.json"], ids=["all wanted", "none wanted"])
def test_a_list_without_an_end(fetcher, entries, files):
    """It ends at the bounds of a list, whether anybody wants what it names or not, and leaves nothing behind."""
    with Hub(one_repo(bert_files())) as hub:
        endless(hub, entries)
        result = fetcher.write(hub.url, model=f"repo = org/m\n{files}").fetch()
        assert result.status == 69 and len(hub.paths("/tree/")) <= (10_000 if entries == 0 else 110), (len(hub.paths("/tree/")), result)
    assert "fetch.protocol" in result.codes() and not list(fetcher.repo.rglob("trees/*")) and not fetcher.snapshot.exists()


def test_a_body_without_an_end(fetcher):
    """Of a file that the list says is small: no more than its size is taken, or written."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("resolve.*config", stream=(b"", b"x", 1 << 40), unsaid=True)
        result = fetcher.write(hub.url).fetch()
        assert hub.streamed < 80 << 20
    assert result.status == 69 and "sends more than" in result.finding("fetch.digest")["message"], result
    assert sum(path.stat().st_size for path in fetcher.hub.rglob("*") if path.is_file()) < 1_000_000


def test_a_file_that_is_said_to_fill_the_volume(fetcher):
    """A petabyte that begins to come: refused before its first byte, whatever is kept free."""
    with Hub(one_repo(bert_files())) as hub:
        hub.repos["org/m"]["tree"] = [{"type": "file", "path": "big.bin", "size": 1 << 49, "oid": "a" * 40, "lfs": {"oid": "b" * 64, "size": 1 << 49}}]
        hub.fault("resolve|/cdn/", status=200, stream=(b"", b"x", 1 << 40))
        result = fetcher.write(hub.url, fetch="keep_free = 1M").fetch()
        assert result.status == 74 and "are to be fetched" in result.finding("fetch.disk")["message"] and not hub.paths("resolve"), result


# Volumes that hang

def begin(fetcher, *command):
    return subprocess.Popen([fetcher.world.binary, *command, "-p", str(fetcher.world.policy_file), "--format", "json", *(() if command else ("--", "/bin/true"))],
                            env=fetcher.world.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("command", ["fetch", "run"])
@pytest.mark.parametrize("ends", ["deadline", "SIGTERM"])
def test_a_volume_that_stops_answering(fetcher, passthrough, tmp_path, ends, command):  # noqa: F811
    """In the middle of a file: the fetch is over at its deadline, or when it is told to end, though its volume is not."""
    with passthrough(tmp_path) as volume, Hub(one_repo({**bert_files(), "big.safetensors": BIG})) as hub:
        fetcher.hub = volume / "hub"
        hub.fault("/cdn/.*big", rate=2_000_000)
        fetcher.write(hub.url, policy="deadline = 3s" if ends == "deadline" else "")
        process = begin(fetcher, *(["fetch"] if command == "fetch" else []))
        wait_for(lambda: partials_of(tmp_path / "below"))
        with stopped(volume):
            if ends == "SIGTERM":
                process.terminate()
            out, err = process.communicate(timeout=HANG_LIMIT)
        said = out + err
    if ends == "SIGTERM":
        assert process.returncode == 128 + signal.SIGTERM, said
    else:
        assert process.returncode == 75 and "gate.deadline" in said and "fetch.unfinished" in said, said


def place_in_the_kernel(pid):
    try:
        return Path(f"/proc/{pid}/wchan").read_text()
    except OSError:   # it has ended: an inspector, before the fetcher
        return ""


@pytest.mark.parametrize("operation", ["mkdir", "create", "fsync", "rename"])
@pytest.mark.parametrize("ends", ["deadline", "SIGTERM"])
def test_a_volume_that_never_answers_one_call(fetcher, passthrough, tmp_path, ends, operation):  # noqa: F811
    """The kernel does not end who waits for a call that was taken: it is left behind, and nobody waits for it."""
    with passthrough(tmp_path, f"{operation}-hangs=1") as volume, Hub(one_repo({**bert_files(), "big.safetensors": BIG})) as hub:
        (tmp_path / "below" / "hub").mkdir()
        fetcher.hub = volume / "hub"
        fetcher.write(hub.url, policy="deadline = 3s" if ends == "deadline" else "")
        process, server = begin(fetcher, "fetch"), server_of(volume)
        try:
            if ends == "SIGTERM":
                wait_for(lambda: any(place_in_the_kernel(pid) == "request_wait_answer" for pid in children(process.pid)))
                process.terminate()
            out, err = process.communicate(timeout=HANG_LIMIT)
        finally:   # what waits for it is let go
            os.kill(server, signal.SIGKILL)
            subprocess.run(["umount", "-l", volume], capture_output=True)
    if ends == "SIGTERM":
        assert process.returncode == 128 + signal.SIGTERM, out + err
    else:
        assert process.returncode == 75 and "gate.deadline" in out, out + err


# Links of others in the cache

PLANTED = ["models--org--m", ".locks", ".locks/models--org--m", "models--org--m/blobs", "models--org--m/snapshots", "models--org--m/refs", "models--org--m/trees",
           f"models--org--m/snapshots/{COMMIT}", f"models--org--m/.{COMMIT}.tmp"]


def without_landlock(fetcher, landlock):
    return [] if landlock == "with Landlock" else [confining.program(fetcher.world, "-DLANDLOCK=ENOSYS")]


@pytest.mark.parametrize("landlock", ["with Landlock", "without"])
@pytest.mark.parametrize("owner", [0, 1000], ids=["roots cache", "the services cache"])
@pytest.mark.parametrize("planted", PLANTED)
def test_a_link_in_the_place_of_a_directory(fetcher, tmp_path, need_root, planted, owner, landlock):
    """Planted by the service's user in a cache that it may write to, while root fetches: nothing is written where it leads."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = fetcher.hub / planted
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    for path in [outside, *[p for p in fetcher.hub.parent.rglob("*")]]:
        os.chown(path, owner, owner, follow_symlinks=False)
    os.chown(link, 1000, 1000, follow_symlinks=False)
    os.chown(outside, 0, 0)
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url, policy="user = 1000:1000").fetch(prefix=without_landlock(fetcher, landlock))
    assert not list(outside.iterdir()), (sorted(outside.rglob("*")), result)
    assert result.status in (0, 74, 77), result


@pytest.mark.parametrize("landlock", ["with Landlock", "without"])
@pytest.mark.parametrize("of", ["blob", "file", "ref", "manifest", "partial", "lock"])
def test_a_link_in_the_place_of_a_file(fetcher, tmp_path, need_root, of, landlock):
    """What it leads to stays as it is; the name is replaced, or refused."""
    victim, weights = tmp_path / "victim", bert_files()["model.safetensors"]
    victim.write_text("precious")
    name = {"blob": f"blobs/{sha256(weights)}", "file": f"snapshots/{COMMIT}/model.safetensors", "ref": "refs/main", "manifest": f"trees/{COMMIT}.json",
            "partial": f"blobs/{sha256(weights)}.ab12cd34.incomplete", "lock": f"../.locks/models--org--m/{sha256(weights)}.lock"}[of]
    link = fetcher.repo / name
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    os.chown(link, 1000, 1000, follow_symlinks=False)
    for path in [fetcher.hub, *fetcher.hub.rglob("*")]:
        if path.is_dir():
            path.chmod(0o777)
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url).fetch(prefix=without_landlock(fetcher, landlock))
    assert victim.read_text() == "precious" and victim.stat().st_mode & 0o777 == 0o644 and result.status in (0, 74, 77), result
    assert result.status != 0 or complete_or_absent(fetcher, bert_files())
    if link.is_symlink() and of == "blob":
        link.unlink()   # it is not what stands there


# Other readers

def hf_hub_get(cache, repo, revision, file):
    """As hf-hub 0.4 (Rust) looks a file up (src/lib.rs, CacheRepo::get): the whole text of refs/REVISION is the snapshot's name."""
    folder = cache / ("models--" + repo.replace("/", "--"))
    try:
        path = folder / "snapshots" / (folder / "refs" / revision).read_text() / file
    except OSError:
        return None
    return path if path.exists() else None


@pytest.mark.parametrize("revision", [COMMIT, "main", "refs/pr/3", "v1.0"])
def test_hf_hub_of_rust_finds_it(fetcher, revision):
    with Hub(one_repo(bert_files(), refs={"main": COMMIT, "refs/pr/3": COMMIT, "v1.0": COMMIT})) as hub:
        assert fetcher.write(hub.url, model=f"repo = org/m\nrevision = {revision}").fetch().status == 0
    for name, data in bert_files().items():
        assert hf_hub_get(fetcher.hub, "org/m", revision, name).read_bytes() == data
    assert hf_hub_get(fetcher.hub, "org/m", revision, "absent.json") is None and hf_hub_get(fetcher.hub, "org/m", "absent", "config.json") is None


@pytest.mark.parametrize("there", [False, True], ids=["not there", "cut"])
def test_a_path_that_names_a_file(fetcher, tmp_path, there):
    """A fetch fills a directory, and nobody wants one that is called m.gguf."""
    path = tmp_path / "m.gguf"
    if there:
        path.write_bytes(b"GGUF")
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url, model=f"repo = org/m\npath = {path}").fetch()
    assert result.status != 0 and not path.is_dir(), result
    assert not there or path.read_bytes() == b"GGUF"
    assert "let path name a directory: a fetch fills one" in result.finding("fetch.folder")["fix"], result


def test_the_first_part_of_a_split_model_brings_them_all(fetcher):
    names = [f"big-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    files = {**{name: gguf({f"w{i}": 100}) for i, name in enumerate(names)}, "other-00001-of-00002.gguf": gguf(), "config.json": b"{}"}
    with Hub(one_repo(files)) as hub:
        result = fetcher.write(hub.url, model=f"repo = org/m\nfiles = {names[0]}").fetch()
        assert sorted(path.name for path in fetcher.snapshot.iterdir()) == names, result
