# SPDX-License-Identifier: Apache-2.0
"""The oracle is the real library. For each generated state of a cache, aweigh's verdict is compared with what
huggingface_hub does offline, in its newest 0.x, newest 1.x and newest version:

* aweigh passes: every version must load every file, through every function;
* a version fails: aweigh must refuse, or say so in a finding;
* aweigh refuses and every version succeeds: the state must say here why aweigh is stricter.
"""

import json
import os
import random
import subprocess

import pytest
from world import ROOT, missing
from hub_server import Hub
from models import COMMIT, OTHER, Repo, bert_files

VERSIONS = ["hub-0", "hub-1", "hub-2"]
NAMES = list(bert_files())


class Oracle:
    def __init__(self, name, offline="1"):
        python = ROOT / "build" / f"venv-{name}" / "bin" / "python"
        if not python.exists():
            missing(f"huggingface_hub from PyPI ({name})")
        env = {"PATH": os.environ["PATH"], "HOME": "/proc/nowhere", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1",
               "HF_HUB_DISABLE_PROGRESS_BARS": "1", "ORACLE_OFFLINE": offline}
        self.process = subprocess.Popen([python, ROOT / "tests/support/oracle.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=env, text=True)

    def ask(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture(scope="module")
def oracles():
    all_of_them = {name: Oracle(name) for name in VERSIONS}
    yield all_of_them
    for oracle in all_of_them.values():
        oracle.close()


# Mutations of a complete repository: name -> (change, why aweigh is stricter than the library, or None).
def _unlink_blob(name):
    return lambda repo: repo.blob(name).unlink()


def _truncate(repo):
    blob = repo.blob("model.safetensors")
    blob.write_bytes(blob.read_bytes()[:-4])


def _replace(name, data):
    def change(repo):
        (repo.snapshot / name).resolve().write_bytes(data)

    return change


def _escape(repo):
    link = repo.snapshot / "tokenizer.json"
    target = repo.folder.parent / "elsewhere.json"
    target.write_bytes(b"{}")
    link.unlink()
    link.symlink_to("../../../elsewhere.json")


def _marker(repo):
    marker = repo.folder / ".no_exist" / repo.commit / "config.json"
    marker.parent.mkdir(parents=True)
    marker.touch()


def _directory(repo):
    (repo.snapshot / "tokenizer.json").unlink()
    (repo.snapshot / "tokenizer.json").mkdir()


MUTATIONS = {
    "nothing": (lambda repo: None, None),
    "ref-newline": (lambda repo: repo.ref(text=repo.commit + "\n"), None),
    "ref-empty": (lambda repo: repo.ref(text=""), None),
    "ref-missing": (lambda repo: (repo.folder / "refs/main").unlink(missing_ok=True), None),
    "ref-other": (lambda repo: repo.ref(text=OTHER), None),
    "config-gone": (lambda repo: (repo.snapshot / "config.json").unlink(), None),
    "weights-dangling": (_unlink_blob("model.safetensors"), None),
    "tokenizer-dangling": (_unlink_blob("tokenizer.json"), None),
    "snapshot-empty": (lambda repo: [path.unlink() for path in repo.snapshot.iterdir() if path.is_symlink()], None),
    "weights-truncated": (_truncate, "the library looks at names, not at contents: the service would fail when it loads the weights"),
    "weights-empty": (_replace("model.safetensors", b""), "the same: no safetensors file is empty"),
    "weights-pointer": (_replace("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"1" * 64 + b"\nsize 9\n"),
                        "the same: a pointer is a file to the library"),
    "config-html": (_replace("config.json", b"<html>proxy error</html>"), "the same: an error page is a file to the library"),
    "link-escapes": (_escape, "a link out of the repository is followed by the library, wherever it leads"),
    "marker": (_marker, None),
    "directory": (_directory, None),
    "partial-left": (lambda repo: (repo.folder / "blobs" / ("0" * 64 + ".incomplete")).write_bytes(b"x"), None),
    "extra-file": (lambda repo: repo.file("notes.txt", b"hello"), None),
    "manifest": (lambda repo: repo.manifest(), None),
    "manifest-more": (lambda repo: repo.manifest({"README.md": b"# hi"}), "huggingface_hub before 1.22 does not read the manifest"),
    "manifest-broken": (lambda repo: repo.manifest(text="{"), None),
    "copied-without-links": (lambda repo: _dereference(repo), None),
}


def _dereference(repo):
    for path in list(repo.snapshot.iterdir()):
        if path.is_symlink() and path.exists():
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)


def library_answers(oracles, repo, revision):
    return {name: oracle.ask(repo=repo.repo, hub=str(repo.hub), revision=revision, files=NAMES) for name, oracle in oracles.items()}


def library_succeeds(answer):
    return (answer["snapshot"]["ok"] and all(a["ok"] for a in answer["files"].values()) and
            all(a["ok"] and a["value"].startswith("/") for a in answer["loaded"].values()))


EXCUSES = {  # findings that announce that a version of the library will fail, though aweigh passes
    "cache.no-exist", "cache.no-manifest", "cache.partial", "cache.manifest", "model.no-config",
}


def compare(world, oracles, repo, mutations, revision):
    result = world.check()
    answers = library_answers(oracles, repo, revision)
    failing = [name for name, answer in answers.items() if not library_succeeds(answer)]
    reasons = [reason for name in mutations if (reason := MUTATIONS[name][1])]
    about = f"{mutations}, revision {revision}: {json.dumps(answers, indent=1)}\n{result}"
    if failing:
        assert result.status != 0 or EXCUSES & result.codes(), f"{failing} fail, and aweigh says nothing: {about}"
    elif result.status != 0:
        assert reasons, f"every version succeeds, and aweigh refuses without a reason given here: {about}"
    implicit = [name for name, answer in answers.items() if answer["snapshot"]["ok"] and not answer["implicit"]["ok"]]
    if implicit and result.status == 0:
        assert EXCUSES & result.codes(), f"{implicit} fail without local_files_only, and aweigh says nothing: {about}"


def build(world, mutations, seed=0):
    repo = Repo(world.hub).all().ref()
    if seed % 2:
        repo.manifest()
    for name in mutations:
        try:
            MUTATIONS[name][0](repo)
        except (FileNotFoundError, FileExistsError, IsADirectoryError):
            pass  # an earlier mutation took the ground away
    return repo


@pytest.mark.parametrize("revision", [None, COMMIT], ids=["main", "pinned"])
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_one_mutation(world, oracles, mutation, revision):
    repo = build(world, [mutation])
    world.policy(revision=revision)
    compare(world, oracles, repo, [mutation], revision)


@pytest.mark.parametrize("seed", range(120))
def test_several_mutations(world, oracles, seed):
    chance = random.Random(seed)
    mutations = chance.sample(list(MUTATIONS), chance.choice([2, 2, 3]))
    revision = chance.choice([None, COMMIT])
    repo = build(world, mutations, seed)
    world.policy(revision=revision)
    compare(world, oracles, repo, mutations, revision)


FILES = {**bert_files(), "README.md": b"# model", "onnx/nested.txt": b"x", "1_Pooling/config.json": b'{"word_embedding_dimension": 4}',
         "modules.json": b'[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]'}


@pytest.mark.parametrize("revision", [None, COMMIT], ids=["main", "pinned"])
@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize("verify", ["structure", "digest"])
def test_cache_made_by_the_library(world, oracles, name, revision, verify):
    """The library fills the cache from a hub; aweigh and the other versions agree that it is whole, and that it is not
    once any one file of it is gone."""
    writer = Oracle(name, offline="0")
    with Hub({"org/m": {"commit": COMMIT, "refs": {"main": COMMIT}, "files": FILES}}) as hub:
        answer = writer.ask(repo="org/m", hub=str(world.hub), revision=revision, fill=hub.url)
    writer.close()
    assert answer["ok"], answer
    world.policy(revision=revision)
    result = world.check("--verify", verify)
    assert result.status == 0, result
    assert "file.digest" not in result.codes()
    model = result.report["models"][0]
    assert (model["files"], model["bytes"], model["commit"]) == (len(FILES), sum(map(len, FILES.values())), COMMIT)
    repo = Repo(world.hub)
    compare(world, oracles, repo, [], revision)
    (repo.snapshot / "model.safetensors").resolve().unlink()
    assert world.check().status == 65


@pytest.mark.parametrize("name", VERSIONS[1:])
def test_partial_fill_by_patterns(world, oracles, name):
    """A fill with allow_patterns leaves a manifest of everything: without the patterns aweigh refuses as the library does."""
    writer = Oracle(name, offline="0")
    with Hub({"org/m": {"commit": COMMIT, "refs": {"main": COMMIT}, "files": FILES}}) as hub:
        assert writer.ask(repo="org/m", hub=str(world.hub), fill=hub.url, patterns=["*.json", "*.safetensors"])["ok"]
    writer.close()
    assert world.check().status == 65
    world.policy(model="files = *.json, *.safetensors")
    result = world.check()
    assert result.status == 0 and "cache.partial" in result.codes(), result
    job = {"repo": "org/m", "hub": str(world.hub), "files": NAMES}
    assert not oracles[name].ask(**job)["snapshot"]["ok"]
    assert oracles[name].ask(**job, patterns=["*.json", "*.safetensors"])["snapshot"]["ok"]
