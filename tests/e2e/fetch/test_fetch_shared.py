# SPDX-License-Identifier: Apache-2.0
"""The shared blob store, as huggingface_hub 1.32 and newer make it of what arrives by Xet: nearly every weight file of the real Hub."""

import os
import re
import stat
import subprocess

import pytest
from fetching import blobs, library
from hub_server import Hub, one_repo, xet_hash
from models import COMMIT, OTHER, bert_files, safetensors

WEIGHTS = bert_files()["model.safetensors"]

# The real library and its own store, but for the transfer: a hub on loopback has no chunks, so it sends the whole file.
BY_XET = """
import os, shutil, sys, urllib.request
import huggingface_hub.file_download as download

def get(*, incomplete_path, xet_file_data, headers, displayed_filename, **_):
    assert xet_file_data.refresh_route.endswith("/xet-read-token/" + xet_file_data.refresh_route.rpartition("/")[2])
    repo, commit = xet_file_data.refresh_route.partition("/api/models/")[2].split("/xet-read-token/")
    url = f"{os.environ['HF_ENDPOINT']}/{repo}/resolve/{commit}/{displayed_filename}"
    with urllib.request.urlopen(url, timeout=60) as answer, open(incomplete_path, "wb") as file:
        shutil.copyfileobj(answer, file)

download.xet_get = get
for repo in sys.argv[1:]:
    download_all = __import__("huggingface_hub").snapshot_download
    download_all(repo, max_workers=1)
"""


def store(hub, data=WEIGHTS):
    return hub / "blobs" / xet_hash(data)[:2] / xet_hash(data)


def by_xet(version, hub, cache, *repos):
    """A cache made by that version of the real library, by Xet. The hub hears nothing of it afterwards."""
    result = library(version, BY_XET, *repos, HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(cache), HF_HUB_DISABLE_XET="0")
    assert result.returncode == 0, result.stderr
    for repo in repos:
        blob = cache / ("models--" + repo.replace("/", "--")) / "snapshots" / COMMIT / os.readlink(cache / ("models--" + repo.replace("/", "--")) / "snapshots" / COMMIT / "model.safetensors")
        assert os.readlink(blob).startswith("../../blobs/") and blob.resolve().parent.parent == cache / "blobs"
    hub.requests.clear()


@pytest.mark.parametrize("version", ["hub-1", "hub-2"])
def test_what_the_library_keeps_there_is_complete(fetcher, version):
    with Hub(one_repo(bert_files())) as hub:
        by_xet(version, hub, fetcher.hub, "org/m")
        result = fetcher.write(hub.url, policy="verify = digest").world.check()
        assert result.status == 0 and result.report["models"][0]["level"] == "digest", result
        assert result.report["models"][0]["verified_files"] == len(bert_files()), result
        assert fetcher.fetch().status == 0 and fetcher.world.start("/bin/true").status == 0
        assert not hub.paths("/cdn/|resolve"), hub.requests
    for reader in ("hub-0", "hub-1", "hub-2"):
        offline = library(reader, "import huggingface_hub; print(huggingface_hub.snapshot_download('org/m'))", HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(fetcher.hub))
        assert offline.stdout.strip() == str(fetcher.snapshot), offline


@pytest.mark.parametrize("damage", ["wrong", "short"])
def test_a_fetch_writes_beside_the_payload(fetcher, damage):
    """Another repository's link leads to it as well: what is wrong with it is that one's to hear, not ours to overwrite."""
    repos = {**one_repo(bert_files()), **one_repo(bert_files(), repo="org/n")}
    with Hub(repos) as hub:
        by_xet("hub-2", hub, fetcher.hub, "org/m", "org/n")
        payload = store(fetcher.hub)
        payload.chmod(0o600)
        payload.write_bytes(WEIGHTS[:-8] if damage == "short" else WEIGHTS[:-1] + b"\1")
        before = payload.stat()
        result = fetcher.write(hub.url, policy="verify = digest").fetch()
        assert result.status == 0 and len(hub.paths("/cdn/")) == 1, result
        blob = fetcher.repo / "blobs" / os.path.basename(os.readlink(fetcher.snapshot / "model.safetensors"))
        assert stat.S_ISREG(blob.lstat().st_mode) and blob.read_bytes() == WEIGHTS
        assert (payload.stat().st_ino, payload.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        hub.requests.clear()
        assert fetcher.fetch().status == 0 and not hub.requests
    assert fetcher.world.policy("[model n]\nrepo = org/n\n").check("--verify", "digest").status == 65
    payload.write_bytes(WEIGHTS)   # what the fixture holds against its name


def test_a_payload_that_is_gone_is_fetched(fetcher):
    """COPY models--org--m, without <hub>/blobs."""
    with Hub(one_repo(bert_files())) as hub:
        by_xet("hub-2", hub, fetcher.hub, "org/m")
        store(fetcher.hub).unlink()
        result = fetcher.write(hub.url).fetch()
        assert result.status == 0 and len(hub.paths("/cdn/")) == 1, result
    assert not store(fetcher.hub).exists()
    assert all(not path.is_symlink() for path in blobs(fetcher.repo).values())


def test_another_file_is_fetched_into_such_a_cache(fetcher):
    """A new commit: what is shared stays, what is new lies beside it as it always did."""
    more = safetensors({"more": 100})
    with Hub(one_repo(bert_files())) as hub:
        by_xet("hub-2", hub, fetcher.hub, "org/m")
    with Hub(one_repo({**bert_files(), "more.safetensors": more}, commit=OTHER)) as hub:
        assert fetcher.write(hub.url, model=f"repo = org/m\nrevision = {OTHER}").fetch().status == 0
        assert [path.partition("?")[0].rpartition("/")[2] for path in hub.paths("/cdn/")] == ["more.safetensors"]
    snapshot = fetcher.repo / "snapshots" / OTHER
    assert (snapshot / "more.safetensors").read_bytes() == more and (snapshot / "model.safetensors").resolve() == store(fetcher.hub)
    result = fetcher.world.policy(revision=OTHER).check("--verify", "digest")
    assert result.status == 0 and result.report["models"][0]["level"] == "digest", result


def test_one_payload_of_several_models_is_read_once(fetcher, tmp_path):
    """Hashed once, however many models lead to it."""
    weights = safetensors({"w": 1_000_000})
    names = ("org/m", "org/n", "org/o")
    with Hub({name: one_repo({**bert_files(), "model.safetensors": weights}, repo=name)[name] for name in names}) as hub:
        by_xet("hub-2", hub, fetcher.hub, *names)
    fetcher.world.policy("[policy]\nmode = offline\nverify = digest\n" + "".join(f"[model {name[-1]}]\nrepo = {name}\n" for name in names))
    trace = tmp_path / "trace"
    result = fetcher.world.check(prefix=["strace", "-ff", "-y", "-e", "trace=read,pread64,mmap", "-o", str(trace)], env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert result.status == 0 and [model["level"] for model in result.report["models"]] == ["digest"] * 3, result
    calls = [line for file in tmp_path.glob("trace.*") for line in file.read_text().splitlines() if xet_hash(weights) in line]
    taken = [int(re.match(r"p?read(?:64)?\(.*= (\d+)$|mmap\(NULL, (\d+)", line).group(1, 2)[line.startswith("mmap")]) for line in calls]
    assert len(weights) <= sum(taken) < 2 * len(weights), taken


def test_a_payload_of_a_root_that_was_private(fetcher, need_root):
    """The library gives it the rights of the cache's root: one that only its owner enters makes what nobody else reads."""
    fetcher.hub.chmod(0o700)
    with Hub(one_repo(bert_files())) as hub:
        by_xet("hub-2", hub, fetcher.hub, "org/m")
    assert stat.S_IMODE(store(fetcher.hub).stat().st_mode) == 0o400
    fetcher.hub.chmod(0o755)   # mended too late: the payload keeps its own
    for folder in (fetcher.hub / "blobs", store(fetcher.hub).parent):
        folder.chmod(0o755)
    fetcher.world.policy("[policy]\nmode = offline\nuser = 1000:1000\n[model m]\nrepo = org/m\n")
    result = fetcher.world.check()
    finding = result.finding("file.unreadable")
    assert result.status == 77 and "blobs/" + xet_hash(WEIGHTS)[:2] in finding["message"] + finding["path"], result
    assert "chmod" in finding["fix"] and "/blobs" in finding["fix"], finding


@pytest.mark.parametrize("way", ["mount", "landlock"])
def test_models_read_only_keeps_the_store(fetcher, need_root, way):
    with Hub(one_repo(bert_files())) as hub:
        by_xet("hub-2", hub, fetcher.hub, "org/m")
    store(fetcher.hub).chmod(0o666)
    fetcher.world.policy("[policy]\nmode = offline\n" + ("user = 1000:1000\n" if way == "mount" else "") + "[confine]\nmodels_read_only = yes\n[model m]\nrepo = org/m\n")
    for path in fetcher.hub.rglob("*"):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    prefix = [] if way == "mount" else ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    target = store(fetcher.hub)
    script = f"cat {fetcher.snapshot}/model.safetensors | wc -c; echo x >> {target}; echo x > {target.parent}/new; mv {target} {target}.2; rm -rf {fetcher.hub}/blobs; echo fine"
    result = fetcher.world.start("/bin/sh", "-c", script, prefix=prefix)
    assert result.out.split() == [str(len(WEIGHTS)), "fine"], result
    assert target.read_bytes() == WEIGHTS and os.listdir(target.parent).count("new") == 0
    report = fetcher.world.check(prefix=prefix).report
    assert report["confinement"]["models_read_only"] == way, report


def test_a_draft_knows_the_store_for_what_it_is(fetcher):
    """<hub>/blobs is no model, and what it holds is counted under those that lead to it."""
    with Hub(one_repo(bert_files())) as hub:
        by_xet("hub-2", hub, fetcher.hub, "org/m")
    result = fetcher.world.run("draft", str(fetcher.hub))
    assert result.status == 0 and re.findall(r"^\[model .*\]\nrepo += (.*)$", result.out, re.M) == ["org/m"], result
    result = subprocess.run([fetcher.world.binary, "explain", "-p", str(fetcher.world.policy_file)], env={**fetcher.world.env, "HF_HUB_DISABLE_SHARED_BLOBS": "1"},
                            capture_output=True, text=True, timeout=60)
    assert "HF_HUB_DISABLE_SHARED_BLOBS" in result.stdout, result
