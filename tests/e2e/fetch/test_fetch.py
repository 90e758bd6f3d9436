# SPDX-License-Identifier: Apache-2.0
"""Models arrive whole, verified, once: layout beside the real library's, what a hub may answer and what is said about it,
interruption, several at once."""

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest
from world import HANG_LIMIT
from hub_server import Hub, one_repo
from models import COMMIT, OTHER, Repo, bert_files, git_sha1, onnx, safetensors, sha256
from fetching import BIG, complete_or_absent, listing, python_of, library

VERSIONS = ["hub-0", "hub-1", "hub-2"]
def repo_files():
    return {**bert_files(), "onnx/nested/model.onnx": onnx(), "a b+c%#?.json": b'{"odd": "name"}',
            "unicode é.txt": "é".encode(), "README.md": b"# model\n", ".gitattributes": b"*.bin filter=lfs\n"}


# The layout

@pytest.mark.parametrize("version", VERSIONS)
def test_the_library_reads_it_offline(fetcher, version):
    files = repo_files()
    with Hub(one_repo(files)) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
    result = library(version, "from huggingface_hub import snapshot_download as s, hf_hub_download as h\n"
                     "import json, os\np = s('org/m', local_files_only=True)\n"
                     "print(json.dumps({f: open(h('org/m', f), 'rb').read().hex() for f in json.loads(os.environ['FILES'])}))",
                     HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(fetcher.hub), FILES=json.dumps(list(files)))
    assert result.returncode == 0, result.stderr
    assert {name: bytes.fromhex(text) for name, text in json.loads(result.stdout).items()} == files


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_same_cache_as_the_librarys(fetcher, tmp_path, version):
    files = repo_files()
    with Hub(one_repo(files)) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
        result = library(version, "from huggingface_hub import snapshot_download as s; s('org/m')", HF_ENDPOINT=hub.url,
                         HF_HUB_CACHE=str(tmp_path / "theirs"))
        assert result.returncode == 0, result.stderr
    theirs = listing(tmp_path / "theirs" / "models--org--m")
    assert listing(fetcher.repo) == theirs
    assert (fetcher.hub / "CACHEDIR.TAG").read_bytes()[:43] == (tmp_path / "theirs" / "CACHEDIR.TAG").read_bytes()[:43]
    for name, entry in theirs.items():
        ours, its = fetcher.repo / name, tmp_path / "theirs" / "models--org--m" / name
        if not name.startswith("trees/"):   # the library's manifest is readable for its owner only, which it should not be
            assert ours.lstat().st_mode == its.lstat().st_mode, name


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_cache_verify_agrees(fetcher, version):
    hf = python_of(version).parent / "hf"
    with Hub(one_repo(repo_files())) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
        result = subprocess.run([hf, "cache", "verify", "org/m", "--fail-on-missing-files", "--fail-on-extra-files"], capture_output=True, text=True,
                                timeout=HANG_LIMIT, env={"PATH": os.environ["PATH"], "HOME": "/proc/nowhere", "HF_ENDPOINT": hub.url,
                                                         "HF_HUB_CACHE": str(fetcher.hub), "HF_HUB_DISABLE_TELEMETRY": "1"})
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_the_librarys_broken_cache_is_completed(fetcher, version):
    """What the library left half done is gone on with: the same commit, only what is missing."""
    files = {**bert_files(), "big.safetensors": BIG}
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", reset=1 << 20)
        library(version, "from huggingface_hub import snapshot_download as s; s('org/m', max_workers=1)", HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(fetcher.hub),
                HF_HUB_DOWNLOAD_TIMEOUT="5")
        there = {path.name for path in (fetcher.repo / "blobs").iterdir()}
        hub.faults.clear(), hub.requests.clear()
        result = fetcher.write(hub.url).fetch()
        assert result.status == 0, result
        assert hub.paths("big") and not [name for name in ("config.json", "tokenizer.json") if git_sha1(files[name]) in there and hub.paths(f"resolve.*{name}")]


def test_datasets_and_spaces(fetcher):
    with Hub({"datasets/org/d": {"commit": COMMIT, "refs": {"main": COMMIT}, "files": {"train.csv": b"a,b\n"}},
              "spaces/org/s": {"commit": COMMIT, "refs": {"main": COMMIT}, "files": {"app.txt": b"x"}}}) as hub:
        fetcher.write(hub.url, model="repo = datasets/org/d\n[model s]\nrepo = spaces/org/s")
        assert fetcher.fetch().status == 0
        assert hub.paths("^/api/datasets/org/d/tree") and hub.paths("^/spaces/org/s/resolve")
    assert (fetcher.hub / "datasets--org--d/snapshots" / COMMIT / "train.csv").read_bytes() == b"a,b\n"


@pytest.mark.parametrize("patterns", ["*.json", "onnx/*", "*.safetensors, config.json", "[!a]*.json", "unicode*"])
def test_patterns_select_as_the_library_does(fetcher, tmp_path, patterns):
    with Hub(one_repo(repo_files())) as hub:
        fetcher.write(hub.url, model=f"repo = org/m\nfiles = {patterns}", more="[severity]\nmodel.no-config = off\nmodel.no-weights = off")
        assert fetcher.fetch().status == 0
        allow = [p.strip() for p in patterns.split(",")]
        assert library("hub-2", f"from huggingface_hub import snapshot_download as s; s('org/m', allow_patterns={allow!r})",
                       HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(tmp_path / "theirs")).returncode == 0
    assert listing(fetcher.repo) == listing(tmp_path / "theirs" / "models--org--m")


@pytest.mark.parametrize("revision", ["refs/pr/3", "feature/x", "v1.0"])
def test_revisions_with_slashes(fetcher, revision):
    with Hub(one_repo(bert_files(), refs={revision: COMMIT})) as hub:
        result = fetcher.write(hub.url, model=f"repo = org/m\nrevision = {revision}").fetch()
        assert result.status == 0, result
    assert (fetcher.repo / "refs" / revision).read_text() == COMMIT


def test_a_pinned_commit_is_its_own_ref_and_asks_no_revision(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        assert fetcher.write(hub.url, model=f"repo = org/m\nrevision = {COMMIT}").fetch().status == 0
        assert not hub.paths("/revision/") and len(hub.paths("/api/")) == 1
    assert [path.name for path in (fetcher.repo / "refs").iterdir()] == [COMMIT]   # where hf-hub (Rust) looks


def test_pages(fetcher):
    files = {f"f{i:03}.json": b'{"n": %d}' % i for i in range(250)}
    with Hub(one_repo({**bert_files(), **files}), page=40) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
        assert len(hub.paths("/tree/")) == 7
    assert len(list(fetcher.snapshot.iterdir())) == 253


def test_same_content_is_fetched_once(fetcher):
    with Hub(one_repo({**bert_files(), "a.txt": b"same", "b/c.txt": b"same", "d.txt": b"same"})) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
        assert len(hub.paths("resolve.*txt")) == 1
    assert (fetcher.snapshot / "b/c.txt").read_bytes() == b"same" == (fetcher.snapshot / "d.txt").read_bytes()


def test_modes_follow_the_umask(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url, policy="user = 0:0")
        assert fetcher.fetch(preexec_fn=lambda: os.umask(0o027)).status == 0
    blob = next((fetcher.repo / "blobs").iterdir())
    assert blob.stat().st_mode & 0o777 == 0o640 and (fetcher.repo / "blobs").stat().st_mode & 0o777 == 0o750


def test_the_caches_owner(fetcher, need_root):
    """Started as root, what is written belongs to whom the cache belongs."""
    os.chown(fetcher.hub, 1234, 4321)
    fetcher.hub.parent.chmod(0o711)   # its owner may pass through the folder above, and not list it
    with Hub(one_repo(bert_files())) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
    for path in fetcher.hub.rglob("*"):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (1234, 4321), path


def test_a_cache_of_another_user(fetcher, need_root):
    """Started as somebody else: said, and nothing is written."""
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url)
        result = fetcher.fetch(user=1000, group=1000, extra_groups=[])
    assert result.status == 77 and str(fetcher.hub) in result.finding("fetch.folder")["message"], result


# Plain folders

def test_plain_folder(fetcher, tmp_path):
    files, folder = repo_files(), tmp_path / "plain"
    with Hub(one_repo(files)) as hub:
        fetcher.write(hub.url, model=f"repo = org/m\npath = {folder}")
        assert fetcher.fetch().status == 0
        result = library("hub-2", f"from huggingface_hub import snapshot_download as s; s('org/m', local_dir={str(tmp_path / 'theirs')!r})", HF_ENDPOINT=hub.url)
        assert result.returncode == 0, result.stderr
        # The library takes every file as up to date: it asks for metadata, and fetches nothing.
        hub.requests.clear()
        assert library("hub-2", f"from huggingface_hub import snapshot_download as s; s('org/m', local_dir={str(folder)!r})", HF_ENDPOINT=hub.url).returncode == 0
        assert not [r for r in hub.requests if r[0] == "GET" and "resolve" in r[1]] and not hub.paths("/cdn/")
        hub.requests.clear()
        assert fetcher.fetch().status == 0 and not hub.requests
    ours, theirs = listing(folder), listing(tmp_path / "theirs")

    def shape(tree):
        return {name: content.split(b"\n")[:2] if name.endswith(".metadata") else content for name, content in tree.items()
                if not name.endswith("CACHEDIR.TAG") and ".lock" not in name}

    assert shape(ours) == shape(theirs)


def test_plain_folder_is_repaired(fetcher, tmp_path):
    folder = tmp_path / "plain"
    with Hub(one_repo({**bert_files(), "extra.json": b"{}"})) as hub:
        fetcher.write(hub.url, model=f"repo = org/m\npath = {folder}\nrevision = {COMMIT}\nverify = digest")
        assert fetcher.fetch().status == 0
        (folder / "config.json").write_bytes(b'{"model_type": "evil", "architectures": ["BertModel"]}')
        (folder / "model.safetensors").unlink()
        hub.requests.clear()
        assert fetcher.fetch().status == 0
        assert len(hub.paths("resolve")) == 2
    assert (folder / "config.json").read_bytes() == bert_files()["config.json"]


# Repair and modes

@pytest.mark.parametrize("damage", ["truncate", "flip", "unlink", "pointer", "link"])
def test_damage_is_mended(fetcher, damage):
    files = bert_files()
    with Hub(one_repo(files)) as hub:
        assert fetcher.write(hub.url, policy="verify = digest").fetch().status == 0
        path = fetcher.snapshot / "model.safetensors"
        blob = path.resolve()
        if damage == "truncate":
            os.truncate(blob, 100)
        elif damage == "flip":
            blob.write_bytes(files["model.safetensors"][:-1] + b"X")
        elif damage == "pointer":
            blob.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 552\n")
        else:
            (path if damage == "link" else blob).unlink()
        hub.requests.clear()
        result = fetcher.fetch()
        assert result.status == 0, result
        assert len(hub.paths("resolve")) == (0 if damage == "link" else 1) and not hub.paths("/api/")
    assert path.read_bytes() == files["model.safetensors"]


def test_auto_fetches_once_and_starts_offline(fetcher, payload):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url, more="")
        for expected in (True, False):
            hub.requests.clear()
            result = fetcher.start(payload, "0")
            assert result.status == 0, result
            assert bool(hub.requests) == expected
            assert json.loads(result.out)["environ"].count("HF_HUB_OFFLINE=1") == 1


def test_what_the_hub_itself_has_damaged_is_not_fetched_again(fetcher):
    """A broken upload: each start hashes what is there, asks nobody, and says what helps."""
    files = {**bert_files(), "model.safetensors": bert_files()["model.safetensors"][:-4]}
    with Hub(one_repo(files)) as hub:
        fetcher.write(hub.url)
        for first in (True, False, False):
            hub.requests.clear()
            result = fetcher.world.run("run", "--policy", str(fetcher.world.policy_file), "--format", "json", "--", "/bin/true")
            assert result.status == 65 and bool(hub.requests) == first, (result, hub.requests)
            assert "the hub itself has these bytes" in result.err, result


def test_auto_with_a_complete_model_opens_no_socket(fetcher, payload, tmp_path):
    Repo(fetcher.hub).all(bert_files()).ref()
    for mode in ("auto", "offline"):
        fetcher.write("http://127.0.0.1:9", mode=mode)
        trace = tmp_path / "trace"
        assert fetcher.start(payload, "0", prefix=["strace", "-f", "-e", "trace=network", "-o", str(trace)]).status == 0
        assert not [line for line in trace.read_text().splitlines() if "(" in line], trace.read_text()


def test_offline_never_fetches(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url, mode="offline").start("/bin/true")
        assert result.status == 66 and not hub.requests


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
@pytest.mark.parametrize("command", ["run", "fetch"])
def test_an_offline_environment_is_obeyed(fetcher, name, command):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url)
        result = fetcher.fetch(env={name: "1"}) if command == "fetch" else fetcher.start("/bin/true", args=("--format", "json"), env={name: "1"})
        assert result.status == 76 and not hub.requests, result
        assert f"{name}=1" in (result.out + result.err)


def test_online_follows_a_branch(fetcher):
    repos = one_repo(bert_files())
    with Hub(repos) as hub:
        fetcher.write(hub.url, mode="online")
        assert fetcher.fetch().status == 0
        newer = {**bert_files(), "config.json": b'{"model_type": "bert", "architectures": ["BertModel"], "v": 2}'}
        repos["org/m"].update(commit=OTHER, refs={"main": OTHER}, files=newer)
        hub.requests.clear()
        assert fetcher.fetch().status == 0
        assert len(hub.paths("resolve")) == 1     # what did not change is not fetched again
        hub.requests.clear()
        assert fetcher.fetch().status == 0
        assert hub.paths() == ["/api/models/org/m/revision/main"]
    assert (fetcher.repo / "refs/main").read_text() == OTHER
    assert (fetcher.repo / "snapshots" / COMMIT / "config.json").read_bytes() == bert_files()["config.json"]


def test_online_follows_a_branch_in_a_plain_folder(fetcher, tmp_path):
    """The folder has one commit at a time, and its manifest tells what belongs to it."""
    where, repos = tmp_path / "plain", one_repo({**bert_files(), "old.txt": b"old"})
    model = f"repo = org/m\npath = {where}"
    with Hub(repos) as hub:
        assert fetcher.write(hub.url, mode="online", model=model).fetch().status == 0
        newer = {**bert_files(), "config.json": b'{"model_type": "bert", "architectures": ["BertModel"], "v": 2}', "new.txt": b"new"}
        repos["org/m"].update(commit=OTHER, refs={"main": OTHER}, files=newer)
        hub.requests.clear()
        result = fetcher.fetch()
        assert result.status == 0 and len(hub.paths("resolve")) == 2, (result, hub.requests)
        assert result.report["models"][0]["commit"] == OTHER
        assert [path.name for path in (where / ".cache/huggingface/trees").iterdir()] == [f"{OTHER}.json"]
        assert all((where / name).read_bytes() == data for name, data in newer.items())
        hub.requests.clear()
        assert fetcher.fetch().status == 0 and hub.paths() == ["/api/models/org/m/revision/main"]
        (where / "new.txt").unlink()
        fetcher.write(hub.url, mode="offline", model=model)
        result = fetcher.world.run("check", "-p", str(fetcher.world.policy_file), "--format", "json")
        assert result.finding("model.incomplete")["path"] == "new.txt", result


def test_another_revision_of_a_plain_folder(fetcher, tmp_path):
    """What is lost comes with the revision of the policy, whichever the folder was filled from."""
    where = tmp_path / "plain"
    old = {**bert_files(), "config.json": b'{"model_type": "bert", "architectures": ["BertModel"], "v": 1}'}
    repos = one_repo(bert_files())
    repos["org/m"].update(old={OTHER: old}, refs={"main": COMMIT, "v1": OTHER})
    with Hub(repos) as hub:
        assert fetcher.write(hub.url, model=f"repo = org/m\npath = {where}").fetch().status == 0
        (where / "tokenizer.json").unlink()
        assert fetcher.write(hub.url, model=f"repo = org/m\npath = {where}\nrevision = v1").fetch().status == 0
    assert all((where / name).read_bytes() == data for name, data in old.items())


def test_online_without_a_hub_keeps_what_is_aboard(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        assert fetcher.write(hub.url, mode="online").fetch().status == 0
    result = fetcher.fetch()
    assert result.status == 0 and "fetch.lookup" in result.codes("warning"), result


def test_online_with_a_newer_commit_that_does_not_come(fetcher):
    """What is aboard is complete, so it serves: the newer one is a warning."""
    repos = one_repo(bert_files())
    with Hub(repos) as hub:
        assert fetcher.write(hub.url, mode="online").fetch().status == 0
        repos["org/m"].update(commit=OTHER, refs={"main": OTHER}, files={**bert_files(), "config.json": b'{"model_type": "bert", "v": 2}'})
        hub.fault("resolve", status=500)
        result = fetcher.fetch()
    assert result.status == 0 and "answers 500" in result.finding("fetch.lookup")["message"], result
    assert (fetcher.repo / "refs/main").read_text() == COMMIT and not (fetcher.repo / "snapshots" / OTHER).exists()


def test_auto_completes_the_commit_that_was_begun(fetcher):
    """Between two runs the branch moves: what is aboard is completed, not mixed."""
    repos = one_repo(bert_files())
    with Hub(repos) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
        (fetcher.snapshot / "model.safetensors").resolve().unlink()
        repos["org/m"].update(old={COMMIT: bert_files()}, commit=OTHER, refs={"main": OTHER}, files={"config.json": b"{}"})
        assert fetcher.fetch().status == 0
    assert (fetcher.repo / "refs/main").read_text() == COMMIT


def test_only(fetcher):
    with Hub({**one_repo(bert_files()), **one_repo(bert_files(), repo="org/n")}) as hub:
        fetcher.write(hub.url, model="repo = org/m\n[model n]\nrepo = org/n")
        assert fetcher.fetch("--only", "n").status == 0
        assert not hub.paths("org/m") and hub.paths("org/n")


def test_optional_models_only_warn(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url, model="repo = org/m\n[model n]\nrepo = org/absent\noptional = yes\nhint = ask ops").fetch()
        assert result.status == 0 and result.finding("fetch.unauthorized")["severity"] == "warning", result


# What a hub may answer: (fault, options) -> finding, status, words that must be said

WRONG = b"<html>Sign in to the network</html>"
FAULTS = {
    "401": (dict(pattern="/api/", status=401), "fetch.unauthorized", 69, "401"),
    "403": (dict(pattern="resolve.*config", status=403, body=b"no"), "fetch.unauthorized", 69, "403"),
    "404": (dict(pattern="resolve.*config", status=404), "fetch.not-found", 69, "config.json"),
    "429 for ever": (dict(pattern="/api/", status=429), "fetch.rate-limited", 75, "429"),
    "500 for ever": (dict(pattern="resolve.*config", status=500), "fetch.server", 75, "tried 3 times"),
    "503 for ever": (dict(pattern="/cdn/", status=503), "fetch.server", 75, "redirected from 127.0.0.1"),
    "416": (dict(pattern="/cdn/", status=416), "fetch.protocol", 69, "416"),
    "reset for ever": (dict(pattern="resolve.*config", reset=5), "fetch.connect", 75, "config.json"),
    "closed at once": (dict(pattern="/api/", reset=0), "fetch.connect", 75, "127.0.0.1"),
    "wrong byte": (dict(pattern="/cdn/", wrong=300), "fetch.digest", 69, "arrived with the digest"),
    "wrong byte in git file": (dict(pattern="resolve.*config", wrong=3), "fetch.digest", 69, "config.json"),
    "short": (dict(pattern="/cdn/", short=10), "fetch.digest", 69, "bytes"),
    "short and unsaid": (dict(pattern="/cdn/", short=10, unsaid=True), "fetch.digest", 69, "ends after"),
    "long": (dict(pattern="/cdn/", long=10), "fetch.digest", 69, "bytes"),
    "long and unsaid": (dict(pattern="/cdn/", long=10, unsaid=True), "fetch.digest", 69, "more than"),
    "captive portal for the list": (dict(pattern="/api/", body=WRONG), "fetch.protocol", 69, "revision"),
    "captive portal for a file": (dict(pattern="resolve.*config", body=WRONG), "fetch.digest", 69, "config.json"),
    "html tree": (dict(pattern="/tree/", body=WRONG), "fetch.protocol", 69, "list of files"),
    "another etag": (dict(pattern="resolve.*config", headers={"X-Linked-ETag": f'"{"0" * 40}"'}), "fetch.digest", 69, "states the digest"),
    "no commit": (dict(pattern="/revision/", body=b'{"id": "org/m"}'), "fetch.protocol", 69, "commit"),
    "gzip": (dict(pattern="resolve.*config", headers={"Content-Encoding": "gzip"}), "fetch.protocol", 69, "Content-Encoding"),
    "endless redirect": (dict(pattern="resolve.*config", status=302, headers={"Location": "/org/m/resolve/main/config.json"}), "fetch.protocol", 69, "302"),
    "redirect to nowhere": (dict(pattern="resolve.*config", status=302, headers={"Location": "gopher://x/"}), "fetch.protocol", 69, "302"),
    "redirect to another port": (dict(pattern="resolve.*config", status=302, headers={"Location": "http://127.0.0.1:9/x"}), "fetch.protocol", 69, "port"),
    "endless header": (dict(pattern="resolve.*config", endless_header=True), "fetch.protocol", 69, "config.json"),
    "stall": (dict(pattern="resolve.*config", hang=4), "fetch.stalled", 75, "config.json"),
    "drip": (dict(pattern="resolve.*config", drip=10), "fetch.stalled", 75, "config.json"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(fetcher, name):
    fault, code, status, words = FAULTS[name]
    with Hub(one_repo(bert_files())) as hub:
        hub.fault(**fault)
        result = fetcher.write(hub.url, fetch="stall_timeout = 1s\nconnect_timeout = 1s").fetch()
    assert result.status == status, result
    finding = result.finding(code)
    assert words in finding["message"], finding
    assert not (fetcher.repo / "refs/main").exists() and not fetcher.snapshot.exists()


@pytest.mark.parametrize("fault", [
    dict(pattern="/cdn/", reset=100, times=2), dict(pattern="resolve", status=500, times=2), dict(pattern="/api/", status=503, times=2),
    dict(pattern="/cdn/", wrong=300, times=1), dict(pattern="/cdn/", short=10, unsaid=True, times=1), dict(pattern="/", omit=["X-Repo-Commit", "ETag", "X-Linked-ETag", "X-Linked-Size"]),
    dict(pattern="/cdn/", unsaid=True), dict(pattern="resolve.*config", status=307, headers={"Location": "/org/m/resolve/%s/config.json?again" % COMMIT}, times=1),
    dict(pattern="/api/", status=429, times=1),
], ids=lambda fault: "-".join(map(str, fault.values()))[:40])
def test_faults_that_pass(fetcher, fault):
    with Hub(one_repo(bert_files())) as hub:
        hub.fault(**fault)
        result = fetcher.write(hub.url).fetch()
    assert result.status == 0, result
    assert (fetcher.snapshot / "model.safetensors").read_bytes() == bert_files()["model.safetensors"]


def test_never_retried(fetcher):
    for status in (401, 403, 404):
        with Hub(one_repo(bert_files())) as hub:
            hub.fault("resolve.*config", status=status)
            fetcher.write(hub.url).fetch()
            assert len(hub.paths("resolve.*config")) == 1, status


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a/../../b", "a//b", "a/./b", "nul\0byte", "x" * 4096, "", "a/" * 2000 + "f"])
def test_names_that_no_repository_may_have(fetcher, path):
    repos = one_repo(bert_files())
    with Hub(repos) as hub:
        repos["org/m"]["tree"] = [hub.entry(name, data) for name, data in bert_files().items()] + [hub.entry(path, b"evil")]
        result = fetcher.write(hub.url).fetch()
    assert result.status == 69 and "no repository may have" in result.finding("fetch.protocol")["message"], result
    assert not (fetcher.world.path / "home" / "evil").exists()


def test_a_file_that_is_a_folder_too(fetcher):
    with Hub(one_repo({**bert_files(), "a": b"1", "a/b": b"2"})) as hub:
        result = fetcher.write(hub.url).fetch()
    assert result.status in (74, 77) and not (fetcher.repo / "refs").exists(), result


def test_a_tree_of_100000_files(fetcher):
    repos = one_repo(bert_files())
    with Hub(repos, page=10_000) as hub:
        entries = [hub.entry(name, data) for name, data in bert_files().items()]
        entries += [{"type": "file", "path": f"d/{i:06}.txt", "size": 1, "oid": f"{i:040x}"} for i in range(100_000)]
        repos["org/m"]["tree"] = entries
        result = fetcher.write(hub.url, model="repo = org/m\nfiles = *.json, *.safetensors").fetch()
    assert result.status == 0, result
    assert len(json.loads((fetcher.repo / "trees" / f"{COMMIT}.json").read_text())["files"]) == 100_003


ENTRY = b'{"type": "file", "path": "x", "size": 1, "oid": "' + b"0" * 40 + b'"}, '


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("call,begin,more", [("/tree/", b'[{"type": "file", "path": "', b"x"), ("/tree/", b"[", ENTRY), ("/tree/", b"", b"["),
                                             ("/revision/", b'{"sha": "', b"0"), ("/revision/", b'{"siblings": [', b'{"rfilename": "x"}, ')])
def test_json_of_a_gigabyte(fetcher, call, begin, more, said):
    """Given up at the limit of 64 MB, or before: what is in the sockets' buffers besides is the server's loss."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault(call, stream=(begin, more, 1 << 30), unsaid=not said)
        result = fetcher.write(hub.url).fetch()
        assert hub.streamed < 80 << 20
    assert result.status == 69 and "fetch.protocol" in result.codes(), result


# Big files: parts, resume, ranges that are refused, addresses that expire

def big_repo():
    return {**bert_files(), "big.safetensors": BIG}


def test_parts_over_several_connections(fetcher):
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", rate=10_000_000)
        assert fetcher.write(hub.url).fetch().status == 0
        assert len([s for s in hub.seen if "/cdn/" in s["path"] and "range" in s]) > 2 and hub.most_open > 2
    assert (fetcher.snapshot / "big.safetensors").read_bytes() == BIG


def test_connections_is_a_bound(fetcher, tmp_path):
    """Counted where they are opened and closed: a server notices both later."""
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", rate=20_000_000)
        trace = tmp_path / "trace"
        fetcher.write(hub.url, fetch="connections = 2")
        assert fetcher.fetch(prefix=["strace", "-f", "-e", "trace=connect,close", "-o", str(trace)], env={"ASAN_OPTIONS": "detect_leaks=0"}).status == 0
    open_now, most = set(), 0
    for line in trace.read_text().splitlines():
        call = re.search(r"(connect|close)\((\d+)", line)
        if call and call[1] == "connect" and "AF_INET" in line:
            open_now.add(call[2])
            most = max(most, len(open_now))
        elif call and call[1] == "close":
            open_now.discard(call[2])
    assert 1 <= most <= 2, most


@pytest.mark.parametrize("how", ["ignored", "refused to others", "wrong part", "416"])
def test_ranges_that_are_refused(fetcher, how):
    with Hub(one_repo(big_repo()), ranges=how != "ignored") as hub:
        if how == "refused to others":
            hub.fault("/cdn/.*big", after=1, times=3, status=403)
        elif how == "wrong part":
            hub.fault("/cdn/.*big", after=1, times=3, headers={"Content-Range": "bytes 0-99/20000072"})
        elif how == "416":
            hub.fault("/cdn/.*big", after=1, times=3, status=416)
        result = fetcher.write(hub.url).fetch()
        assert result.status == 0, result
    assert (fetcher.snapshot / "big.safetensors").read_bytes() == BIG


def test_an_expired_address_is_resolved_anew(fetcher):
    with Hub(one_repo(big_repo()), expires=0.4) as hub:
        hub.fault("/cdn/.*big", rate=8_000_000)
        result = fetcher.write(hub.url, fetch="connections = 2").fetch()
        assert result.status == 0, result
        assert len(hub.paths("resolve.*big")) > 1


def test_a_refusal_by_the_cdn_is_no_expiry(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/cdn/", status=403, body=b"<Error>AccessDenied</Error>")
        result = fetcher.write(hub.url).fetch()
        assert result.status == 69 and "redirected from" in result.finding("fetch.unauthorized")["message"], result
        assert len(hub.paths("/cdn/")) == 2


def test_a_whole_answer_is_not_written_over_what_is_there(fetcher):
    """What an earlier run left may be hashed already: an answer that brings it again, and wrong, must not get beneath that digest."""
    weights, chunk = safetensors({"w": 1_000_000}), 1 << 20
    left = bytes(chunk) + weights[chunk:2 * chunk] + bytes(len(weights) - 2 * chunk)   # its second chunk, but not its first
    footer = bytes([0, 1, 0, 0]) + b"aweigh1\n" + len(weights).to_bytes(8, "little") + chunk.to_bytes(8, "little")
    (fetcher.repo / "blobs").mkdir(parents=True)
    (fetcher.repo / "blobs" / (sha256(weights) + ".ab12cd34.incomplete")).write_bytes(left + footer)
    with Hub(one_repo({**bert_files(), "model.safetensors": weights}), ranges=False) as hub:
        hub.fault("/cdn/.*model", times=1, rate=4 << 20, wrong=chunk + chunk // 2)
        result = fetcher.write(hub.url).fetch()
    assert result.status == 0, result
    assert (fetcher.snapshot / "model.safetensors").read_bytes() == weights
    assert not fetcher.partials()


@pytest.mark.parametrize("place", ["cache", "folder"])
def test_partial_files_of_what_is_there_are_removed(fetcher, place, tmp_path):
    """A fetch was killed beside one that went on: nobody resumes what it left."""
    model, where = fetcher.placed(place, tmp_path / "plain")
    with Hub(one_repo(bert_files())) as hub:
        assert fetcher.write(hub.url, model=model).fetch().status == 0
        blobs = where / ".cache/huggingface/download" if place == "folder" else fetcher.repo / "blobs"
        left = [blobs / f"{git_sha1(bert_files()[name])}.{i:08x}.incomplete" for name in ("config.json", "tokenizer.json") for i in range(2)]
        for path in left:
            path.touch()
        other = blobs / f"{'0' * 40}.00000000.incomplete"   # of no file of this model: not ours to judge
        if place == "cache":
            other.touch()
            (fetcher.repo / "refs/main").unlink()
        else:
            (where / "model.safetensors").unlink()   # something is to be fetched
        hub.requests.clear()
        result = fetcher.fetch()
        assert result.status == 0, result
        assert {path.rpartition("/")[2] for path in hub.paths("resolve")} <= ({"model.safetensors"} if place == "folder" else set())
    assert list(blobs.glob("*.incomplete")) == ([other] if place == "cache" else [])


def test_resume_moves_only_what_is_missing(fetcher):
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", after=3, reset=0)
        hub.fault("/cdn/.*big", rate=20_000_000)
        assert fetcher.write(hub.url, fetch="connections = 2").fetch().status != 0
        assert len(fetcher.partials()) == 1
        hub.faults.clear(), hub.seen.clear()
        moved = []
        hub.fault("/nothing")
        result = fetcher.fetch()
        assert result.status == 0, result
        for seen in hub.seen:
            if "/cdn/" in seen["path"] and "big" in seen["path"]:
                first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", seen["range"]).groups())
                moved.append(last - first + 1)
        assert sum(moved) < len(BIG) * 0.8, moved
    assert not fetcher.partials() and (fetcher.snapshot / "big.safetensors").read_bytes() == BIG


def test_a_damaged_partial_is_not_believed(fetcher):
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", after=3, reset=0)
        assert fetcher.write(hub.url, fetch="connections = 2").fetch().status != 0
        partial = fetcher.partials()[0]
        with partial.open("r+b") as file:
            file.seek(1000)
            file.write(b"damage")
        hub.faults.clear()
        result = fetcher.fetch()
        assert result.status == 0, result
    assert (fetcher.snapshot / "big.safetensors").read_bytes() == BIG


def test_killed_at_200_moments(fetcher):
    files = {**bert_files(), "big.safetensors": BIG, **{f"f{i}.json": b'{"n": %d}' % i for i in range(20)}}
    generator = random.Random(200)
    rounds = 0
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", rate=200_000_000)
        fetcher.write(hub.url)
        while rounds < 200:
            fetcher.fetch_killed(generator.random() * 0.15)
            rounds += 1
            if complete_or_absent(fetcher, files):   # begun again from nothing
                subprocess.run(["rm", "-rf", fetcher.repo], check=True)
        result = fetcher.fetch()
        assert result.status == 0, result
    assert complete_or_absent(fetcher, files)
    assert not list((fetcher.repo / "snapshots").glob("*.tmp"))


def test_stop_while_fetching(fetcher):
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", rate=1_000_000)
        fetcher.write(hub.url)
        process = subprocess.Popen([fetcher.world.binary, "-p", str(fetcher.world.policy_file), "--", "/bin/true"], env=fetcher.world.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + HANG_LIMIT
        while not hub.paths("/cdn/.*big"):
            assert time.monotonic() < limit
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_LIMIT) == 143
        assert len(fetcher.partials()) >= 1


def test_deadline(fetcher):
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", rate=1_000_000)
        result = fetcher.write(hub.url, policy="deadline = 1s").fetch()
    assert result.finding("fetch.unfinished")["model"] == "m" and result.report["models"][0]["result"] == "refused"
    assert result.status == 75 and "fetcher did not finish" in result.finding("gate.deadline")["message"], result
    assert fetcher.partials()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def test_a_killed_fetcher_is_a_refusal(fetcher):
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", rate=1_000_000)
        fetcher.write(hub.url)
        process = subprocess.Popen([fetcher.world.binary, "-p", str(fetcher.world.policy_file), "--format", "json", "--", "/bin/true"], env=fetcher.world.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        limit = time.monotonic() + HANG_LIMIT
        while not hub.paths("/cdn/.*big"):
            assert time.monotonic() < limit
            time.sleep(0.01)
        os.kill(children(process.pid)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=HANG_LIMIT)
    assert process.returncode == 75 and b'"gate.fetcher"' in err and b"died of signal 9" in err, err


def test_a_killed_gate_leaves_no_fetcher(fetcher):
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", rate=1_000_000)
        fetcher.write(hub.url)
        process = subprocess.Popen([fetcher.world.binary, "fetch", "-q", "-p", str(fetcher.world.policy_file)], env=fetcher.world.env, stdin=subprocess.DEVNULL)
        limit = time.monotonic() + HANG_LIMIT
        while not hub.paths("/cdn/.*big"):
            assert time.monotonic() < limit
            time.sleep(0.01)
        child = children(process.pid)[0]
        process.kill()
        process.wait(HANG_LIMIT)
        while os.path.exists(f"/proc/{child}") and open(f"/proc/{child}/stat").read().split()[2] != "Z":
            assert time.monotonic() < limit
            time.sleep(0.01)


# Several at once

def test_eight_at_once_fetch_once(fetcher):
    files = {**big_repo(), **{f"f{i}.json": b'{"n": %d}' % i for i in range(10)}}
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", rate=20_000_000)
        fetcher.write(hub.url)
        fetcher.fetch_at_once(8)
        for name in files:
            ranges = [s.get("range") for s in hub.seen if s["path"].split("?")[0].endswith(name) and ("/cdn/" in s["path"] or not name.endswith(".safetensors"))]
            assert len(ranges) == len(set(ranges)), (name, ranges)   # no byte twice
    assert not fetcher.partials() and complete_or_absent(fetcher, files)


def test_beside_the_library(fetcher):
    """In the cache: into a plain folder the library fetches anew what another has just put there, removing it first."""
    files = {**big_repo(), **{f"f{i}.json": b'{"n": %d}' % i for i in range(40)}}
    python = python_of("hub-2")
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*big", rate=20_000_000)
        fetcher.write(hub.url)
        env = {"PATH": os.environ["PATH"], "HOME": "/proc/nowhere", "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(fetcher.hub), "HF_HUB_DISABLE_XET": "1",
               "HF_HUB_DISABLE_TELEMETRY": "1"}
        theirs = subprocess.Popen([python, "-c", "from huggingface_hub import snapshot_download as s; s('org/m')"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        limit = time.monotonic() + HANG_LIMIT
        while not hub.requests:   # the library takes a moment to start
            assert time.monotonic() < limit and theirs.poll() is None
            time.sleep(0.01)
        ours = fetcher.fetch()
        _, err = theirs.communicate(timeout=HANG_LIMIT)
        assert ours.status == 0 and theirs.returncode == 0, (ours, err)
    assert complete_or_absent(fetcher, files)


def test_a_killed_holder_delays_nobody(fetcher):
    with Hub(one_repo(big_repo())) as hub:
        hub.fault("/cdn/.*big", rate=500_000)
        fetcher.write(hub.url)
        holder = subprocess.Popen([fetcher.world.binary, "fetch", "-q", "-p", str(fetcher.world.policy_file)], env=fetcher.world.env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + HANG_LIMIT
        while not hub.paths("/cdn/.*big"):
            assert time.monotonic() < limit
            time.sleep(0.01)
        waiter = subprocess.Popen([fetcher.world.binary, "fetch", "-p", str(fetcher.world.policy_file)], env=fetcher.world.env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(0.5)
        hub.faults.clear()
        holder.kill()
        holder.wait()
        out, _ = waiter.communicate(timeout=HANG_LIMIT)
        assert waiter.returncode == 0, out.decode()


def test_two_endpoints_are_as_patient_as_one(fetcher):
    """The second is dead: the first gets all its tries, though it failed twice at first."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/api/", times=2, reset=0)
        result = fetcher.write(f"{hub.url}, http://127.0.0.1:9").fetch()
        assert result.status == 0, result


def test_a_name_that_is_not_there_harms_no_other(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(f"http://no.such.host.invalid:1, {hub.url}").fetch()
        assert result.status == 0, result
