# SPDX-License-Identifier: Apache-2.0
"""The lock file: written from a hub and from what is aboard, held against every way in which a model is delivered."""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess

import jsonschema
import pytest
from fetching import Fetcher
from hub_server import Hub, one_repo
from models import COMMIT, Repo, bert_files, git_sha1, safetensors, sha256
from network import need, nginx
from storages import mounted
from world import ROOT

SCHEMA = json.loads((ROOT / "docs" / "lock.schema.json").read_text())
CODE = {"modeling.py": b"import torch\n", "chat_template.jinja": b"{{ messages }}"}


@pytest.fixture
def fetcher(world):
    return Fetcher(world)


class Locker(Fetcher):
    @property
    def path(self):
        return self.world.path / "aweigh.lock"

    @property
    def lock(self):
        text = self.path.read_text()
        lock = json.loads(text)
        jsonschema.validate(lock, SCHEMA)
        return lock

    def write(self, url="http://127.0.0.1:9", **options):
        options["policy"] = "lock = aweigh.lock\n" + options.get("policy", "")
        return super().write(url, **options)

    def run(self, *args, **options):
        return self.world.run("lock", "-p", str(self.world.policy_file), *args, **options)

    def make(self, *args, **options):
        result = self.run(*args, **options)
        assert result.status == 0, result
        return self.lock

    def check(self, *args, **options):
        return self.world.check(*args, **options)


@pytest.fixture
def locker(world):
    return Locker(world)


def set_of(files):
    """Cog's setDigest, by itself."""
    return "sha256:" + sha256("\n".join(sorted(f"{sha256(data)}  {path}" for path, data in files.items())).encode())


def files_of(lock, name="m"):
    return next(model["files"] for model in lock["models"] if model["name"] == name)


# Writing


def test_from_a_hub_without_its_large_files(locker):
    files = {**bert_files(), ".gitattributes": b"*.safetensors filter=lfs\n", "sub dir/x.json": b"{}", "é.txt": b"\xc3"}
    with Hub(one_repo(files)) as hub:
        locker.write(hub.url)
        lock = locker.make()
        assert not hub.paths("model.safetensors"), "the list states what a large file's digest is"
        text = locker.path.read_text()
        assert locker.make() == lock and locker.path.read_text() == text
        assert locker.run("--check").status == 0
    model = lock["models"][0]
    assert (model["name"], model["repo"], model["revision"], model["commit"], model["set"]) == ("m", "org/m", "main", COMMIT, set_of(files))
    assert [file["path"] for file in model["files"]] == sorted(files, key=str.encode)
    for file in model["files"]:
        data = files[file["path"]]
        assert (file["size"], file["sha256"]) == (len(data), sha256(data))
        assert file.get("git_sha1") == (None if file["path"].endswith(".safetensors") else git_sha1(data))
    assert not list(locker.world.path.glob("**/aweigh-lock-*")) and not locker.repo.exists(), "the cache is left alone"
    assert len(text.splitlines()) == len(files) + 4, "a file a line"


def test_aboard_gives_the_same_bytes(locker):
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url).make()
        text = locker.path.read_text()
        assert locker.fetch().status == 0
    assert locker.run("--aboard", "--check").status == 0
    locker.path.unlink()
    locker.make("--aboard")
    assert locker.path.read_text() == text


def test_names_of_git_come_from_whoever_knows_them(locker):
    """A lock file without them, as of a folder's copy, takes them from a cache whose blobs have these names."""
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url).make()
        text = locker.path.read_text()
        assert locker.fetch().status == 0
    locker.path.write_text(re.sub(r', "git_sha1": "[0-9a-f]{40}"', "", text))
    assert not any("git_sha1" in file for file in files_of(locker.lock))
    locker.make("--aboard")
    assert locker.path.read_text() == text


@pytest.mark.parametrize("way", ["policy", "variable", "option"])
def test_offline_asks_nobody(locker, way):
    Repo(locker.hub).all().ref()
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url, mode="offline" if way == "policy" else "auto")
        locker.make(*["--aboard"] * (way == "option"), env={"HF_HUB_OFFLINE": "1"} if way == "variable" else {})
        assert hub.paths() == []


def test_a_plain_folder_of_which_nothing_is_known(locker):
    folder = locker.world.path / "model"
    lay(folder, bert_files())
    locker.write(model=f"path = {folder}", mode="offline")
    model = locker.make()["models"][0]
    assert (model["repo"], model["revision"], model["commit"], model["set"]) == (None, None, None, set_of(bert_files()))
    result = locker.check("--verify", "digest")
    assert result.status == 0 and result.report["models"][0]["level"] == "digest" and not result.codes(), result


def test_check_says_what_changed(locker):
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url)
        missing = locker.run("--check")
        assert missing.status == 65 and "m: is not in the lock file" in missing.out and not locker.path.exists()
        locker.make()
        lock = locker.path.read_bytes()
    changed = {**bert_files(), "config.json": bert_files()["config.json"].replace(b"bert", b"BERT"), "new.txt": b"x"}
    del changed["tokenizer.json"]
    with Hub(one_repo(changed)) as hub:
        result = locker.write(hub.url).run("--check")
    assert result.status == 65 and locker.path.read_bytes() == lock
    for line in ("m: config.json has another content", "m: new.txt is not in the lock file", "m: tokenizer.json is in the lock file, and gone"):
        assert line in result.out, result


def two(url, files="", more=""):
    return dict(url=url, model=f"repo = org/m\n{files}\n[model a]\nrepo = org/m\n{more}")


def test_only_leaves_the_others_byte_for_byte(locker):
    with Hub(one_repo(bert_files())) as hub:
        locker.write(**two(hub.url)).make()
    text = locker.path.read_text()
    odd = text.replace('{"name": "a", ', '{"note": "by hand [{}]", "name": "a",   ')
    locker.path.write_text(odd)
    changed = {**bert_files(), "config.json": b'{"model_type": "bert", "x": 1}'}
    with Hub(one_repo(changed)) as hub:
        locker.write(**two(hub.url)).run("--only", "m")
    after = locker.path.read_text()
    assert after.split('{"name": "m"')[0] == odd.split('{"name": "m"')[0] and after != odd
    assert set_of(changed) in after and set_of(bert_files()) in after
    # Without --only all is written anew.
    with Hub(one_repo(bert_files())) as hub:
        locker.write(**two(hub.url)).make()
    assert locker.path.read_text() == text


def test_a_model_that_left_the_policy_leaves_the_lock(locker):
    with Hub(one_repo(bert_files())) as hub:
        locker.write(**two(hub.url)).make()
        locker.write(hub.url)
        result = locker.run("--check")
        assert result.status == 65 and "a: is in the lock file, and no model of the policy" in result.out
        assert [model["name"] for model in locker.make()["models"]] == ["m"]


def test_a_branch_moves_only_by_upgrade(locker):
    moved = "b" * 40
    newer = {**bert_files(), "config.json": b'{"model_type": "bert", "x": 1}'}
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url).make()
    repos = one_repo(newer, commit=moved)
    repos["org/m"]["old"] = {COMMIT: bert_files()}
    with Hub(repos) as hub:
        locker.write(hub.url)
        assert locker.make()["models"][0]["commit"] == COMMIT
        result = locker.run("--upgrade", "--check")
        assert result.status == 65 and f"the lock file has the commit {COMMIT}, now it is {moved}" in result.out
        assert locker.fetch().status == 0 and locker.snapshot.is_dir(), "the locked commit is fetched, and not what main is"
        assert (locker.repo / "refs/main").read_text() == COMMIT
        assert locker.make("--upgrade")["models"][0]["commit"] == moved
        result = locker.check()
        assert result.status == 65 and "lock.commit" in result.codes("error"), result
        assert locker.fetch().status == 0 and (locker.repo / "refs/main").read_text() == moved
        assert "model.unpinned" not in locker.check("-v").codes()


def test_aboard_keeps_to_the_locked_commit(locker):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline").make()
    newer = Repo(locker.hub, commit="b" * 40).all().ref()
    result = locker.run()
    assert result.status == 65 and "lock.commit" in result.err and "--upgrade" in result.err
    assert locker.make("--upgrade")["models"][0]["commit"] == newer.commit


def test_what_would_not_pass_is_not_locked(locker):
    repo = Repo(locker.hub).all().ref()
    with open(repo.blob("config.json"), "ab") as file:
        file.write(b" ")
    result = locker.write(mode="offline").run()
    assert result.status == 65 and "file.digest" in result.err and not locker.path.exists()
    shutil.rmtree(locker.repo)
    assert locker.run().status == 66 and not locker.path.exists()


def test_a_lock_that_cannot_be_written_leaves_the_old_one(locker):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline").make()
    before = locker.path.read_bytes()
    Repo(locker.hub).file("more.txt", b"x")
    locker.world.path.chmod(0o555)
    result = locker.run(prefix=("setpriv", "--reuid", "65534", "--clear-groups"), cwd="/")
    locker.world.path.chmod(0o755)
    assert result.status == 77 and "cannot be written" in result.err and locker.path.read_bytes() == before


# Verification

LEVELS = ("presence", "size", "structure", "digest")


def lay(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def shared_store(hub):
    repo = Repo(hub).all().ref()
    blob, name = repo.blob("model.safetensors"), "ab" * 32
    (hub / "blobs/ab").mkdir(parents=True)
    (hub / "blobs/.huggingface-shared-blobs").write_text("1\n")
    shutil.move(blob, hub / "blobs/ab" / name)
    os.symlink(f"../../blobs/ab/{name}", blob)


def deliver(locker, way, tmp_path):
    """The model in one of the ways; returns the folder of its files."""
    folder = locker.world.path / "model"
    if way == "links":
        Repo(locker.hub).all().ref()
    elif way == "shared":
        shared_store(locker.hub)
    elif way == "no links":
        Repo(locker.hub).all(link=False).ref()
    elif way == "local-dir":
        with Hub(one_repo(bert_files())) as hub:
            Fetcher.write(locker, hub.url, model=f"repo = org/m\npath = {folder}")
            assert locker.fetch().status == 0
    else:
        lay(folder, bert_files())
    cache = way in ("links", "shared", "no links")
    locker.write(mode="offline", model="repo = org/m" if cache else f"repo = org/m\npath = {folder}")
    return locker.snapshot if cache else folder


WAYS = ["links", "shared", "no links", "local-dir", "copy"]


@pytest.fixture(scope="session")
def lock_of_the_hub(tmp_path_factory, binary):
    """Made once, by a hub, elsewhere."""
    from world import World
    locker = Locker(World(tmp_path_factory.mktemp("hub"), binary))
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url).make()
    return locker.path.read_text()


def flip(folder, path):
    data = bytearray((folder / path).read_bytes())
    data[-1] ^= 1
    target = os.path.realpath(folder / path)
    with open(target, "wb") as file:
        file.write(data)


def rename(folder):
    (folder / "tokenizer.json").rename(folder / "tokenizer2.json")


def add(name):
    return lambda folder: (folder / name).write_bytes(b"{}")


def remove(folder):
    (folder / "tokenizer.json").unlink()


def swap(folder):
    """Two files of the same size change places."""
    one, other = folder / "config.json", folder / "tokenizer.json"
    data = other.read_bytes()
    os.unlink(one)
    one.write_bytes(data + b" " * (len(bert_files()["config.json"]) - len(data)))


def retarget(folder):
    """A link, or what stands for it, now is a file of the same size and another content."""
    path = folder / "model.safetensors"
    other = safetensors(fill=b"\x40")
    os.unlink(path)
    if (folder.parent.parent / "blobs").is_dir():
        (folder.parent.parent / "blobs" / sha256(other)).write_bytes(other)
        os.symlink(f"../../blobs/{sha256(other)}", path)
    else:
        path.write_bytes(other)


MUTATIONS = {
    "a byte": (lambda folder: flip(folder, "model.safetensors"), {"file.digest"}, 65),
    "a byte of a small file": (lambda folder: flip(folder, "config.json"), {"file.digest"}, 65),
    "renamed": (rename, {"model.incomplete", "lock.extra"}, 65),
    "code added": (add("modeling_x.py"), {"lock.extra"}, 65),
    "a template added": (add("chat_template.jinja"), {"lock.extra"}, 65),
    "an adapter added": (add("adapter_config.json"), {"lock.extra"}, 65),
    "a pickle added": (add("pytorch_model.bin"), {"lock.extra"}, 65),
    "a library added": (add("x/kernel.so"), {"lock.extra"}, 65),
    "removed": (remove, {"model.incomplete"}, 65),
    "swapped": (swap, {"file.digest"}, 65),
    "another target": (retarget, {"file.digest"}, 65),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_delivery_is_the_same_model(locker, lock_of_the_hub, way, tmp_path):
    deliver(locker, way, tmp_path)
    locker.path.write_text(lock_of_the_hub)
    for level in LEVELS:
        result = locker.check("--verify", level)
        assert result.status == 0, (level, result)
    model = result.report["models"][0]
    assert model["level"] == "digest" and model["verified_files"] == model["files"] == 3, result
    assert not [code for code in result.codes() if code.startswith(("lock.", "file.", "model.unp"))], result
    locker.path.unlink()
    assert locker.make("--aboard")["models"][0]["set"] == set_of(bert_files())


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("way", WAYS)
def test_no_change_passes(locker, lock_of_the_hub, way, mutation, tmp_path):
    folder = deliver(locker, way, tmp_path)
    locker.path.write_text(lock_of_the_hub)
    change, codes, status = MUTATIONS[mutation]
    (folder / "x").mkdir()
    change(folder)
    result = locker.check("--verify", "digest")
    assert result.status == status and codes <= result.codes("error"), result


@pytest.mark.parametrize("kind", ["squashfs", "erofs"])
def test_an_image_that_is_mounted(locker, lock_of_the_hub, kind, tmp_path):
    if os.geteuid() != 0:
        from world import missing
        missing("root, to mount")
    need("mksquashfs" if kind == "squashfs" else "mkfs.erofs")
    folder, image, point = lay(tmp_path / "files", bert_files()), tmp_path / "image", locker.world.path / "model"
    point.mkdir()
    command = ["mksquashfs", folder, image, "-quiet", "-no-progress"] if kind == "squashfs" else ["mkfs.erofs", "--quiet", image, folder]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    locker.write(mode="offline", model=f"repo = org/m\npath = {point}")
    locker.path.write_text(lock_of_the_hub)
    with mounted(point, "-o", "loop,ro", str(image)):
        result = locker.check("--verify", "digest")
    assert result.status == 0 and result.report["models"][0]["level"] == "digest", result


def test_harmless_extras_do_not_hide_the_one_that_acts(locker):
    repo = Repo(locker.hub).all().ref()
    locker.write(mode="offline").make()
    for i in range(40):
        (repo.snapshot / f"notes-{i:02}.txt").write_text("x")
    result = locker.check()
    assert result.status == 0 and result.codes("warning") == {"lock.extra"} and "39 more" in result.finding("lock.extra")["message"], result
    (repo.snapshot / "zz.py").write_text("x")
    result = locker.check()
    assert result.status == 65 and [f["path"] for f in result.report["findings"] if f["severity"] == "error"] == ["zz.py"], result


def test_what_the_policy_excludes_may_lie_there(locker):
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url).make()
        assert locker.fetch().status == 0
    (locker.snapshot / "pytorch_model.bin").write_bytes(b"x" * 100)
    locker.write(mode="offline")
    assert locker.check().status == 65
    locker.write(mode="offline", model="repo = org/m\nexclude = *.bin")
    result = locker.check()
    assert result.status == 0 and result.finding("lock.extra")["severity"] == "warning", result


def test_only_what_the_policy_wants_is_demanded(locker):
    with Hub(one_repo({**bert_files(), "README.md": b"x", "onnx/model.onnx": b"y" * 50})) as hub:
        locker.write(hub.url, model="repo = org/m\nfiles = *.json, model.safetensors")
        assert "onnx/model.onnx" in [file["path"] for file in files_of(locker.make())], "the lock is of the whole commit"
        assert locker.fetch().status == 0 and not (locker.snapshot / "README.md").exists()
    assert locker.check("--verify", "digest").status == 0
    assert locker.run("--aboard", "--check").status == 0, "what nobody wants need not be aboard"


@pytest.mark.parametrize("policy, code, words", [
    ("repo = org/other", "lock.mismatch", "org/other"),
    ("repo = org/m\nrevision = v2", "lock.stale", "v2"),
    ("repo = org/m\nrevision = " + "b" * 40, "lock.stale", "b" * 40),
    ("repo = org/m\nfiles = config.json, vocab.txt", "lock.stale", "vocab.txt"),
    ("repo = org/m\nrequire = *.gguf", "lock.stale", "*.gguf"),
    ("repo = org/m\n[model n]\nrepo = org/n", "lock.stale", "[model n]"),
])
def test_a_policy_that_wants_something_else(locker, lock_of_the_hub, policy, code, words):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline", model=policy)
    locker.path.write_text(lock_of_the_hub)
    result = locker.check()
    assert result.status == 78 and result.codes("error") == {code} and words in result.finding(code)["message"], result


def test_a_pattern_that_the_lock_knows_nothing_of(locker):
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url).make()
        assert locker.fetch().status == 0
    (locker.snapshot / "model.gguf").write_bytes(b"GGUF")
    locker.write(mode="offline", model="repo = org/m\nfiles = *.json, *.safetensors, *.gguf")
    result = locker.check("--verify", "presence")
    assert result.status == 78 and result.finding("lock.stale")["path"] == "model.gguf", result


def test_the_same_commit_by_its_name(locker, lock_of_the_hub):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline", model=f"repo = org/m\nrevision = {COMMIT}")
    locker.path.write_text(lock_of_the_hub)
    assert locker.check().status == 0


def test_an_optional_model_may_be_locked_by_nobody(locker, lock_of_the_hub):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline", model="repo = org/m\n[model n]\nrepo = org/n\noptional = yes")
    locker.path.write_text(lock_of_the_hub)
    assert locker.check().status == 0


@pytest.mark.parametrize("way", ["ref", "snapshot's name", "manifest", "metadata"])
def test_another_commit(locker, lock_of_the_hub, way):
    other = "b" * 40
    locker.write(mode="offline")
    folder = locker.world.path / "model"
    if way == "ref":
        Repo(locker.hub, commit=other).all().ref()
    elif way == "snapshot's name":
        repo = Repo(locker.hub, commit=other).all().ref()
        locker.write(mode="offline", model=f"repo = org/m\npath = {repo.snapshot}")
    else:
        lay(folder, bert_files())
        locker.write(mode="offline", model=f"repo = org/m\npath = {folder}")
        if way == "manifest":
            lay(folder, {f".cache/huggingface/trees/{other}.json": b"{}"})
        else:
            lay(folder, {".cache/huggingface/download/config.json.metadata": f"{other}\n{git_sha1(bert_files()['config.json'])}\n1.0\n".encode()})
    locker.path.write_text(lock_of_the_hub)
    result = locker.check()
    assert result.status == 65 and "lock.commit" in result.codes("error") and other in result.finding("lock.commit")["message"], result


# Code


def with_code(locker, rule="locked"):
    files = {**bert_files(), "modeling.py": b"from .other import x\n", "other.py": b"x = 1\n",
             "config.json": b'{"model_type": "bert", "auto_map": {"AutoModel": "modeling.Model"}}'}
    repo = Repo(locker.hub).all(files).ref()
    locker.write(mode="offline", model=f"repo = org/m\nremote_code = {rule}")
    locker.make()
    return repo


def test_code_that_is_locked_may_run(locker):
    with_code(locker)
    for level in LEVELS:
        assert locker.check("--verify", level).status == 0


@pytest.mark.parametrize("what", ["modeling.py", "other.py", "added"])
@pytest.mark.parametrize("level", LEVELS)
def test_no_other_code_may(locker, what, level):
    repo = with_code(locker)
    if what == "added":
        (repo.snapshot / "hook.py").write_text("x")
    else:
        flip(repo.snapshot, what)
    locker.world.policy_file.write_text(locker.world.policy_file.read_text() + "[severity]\nlock.extra = off\n")
    result = locker.check("--verify", level)
    assert result.status == 65 and result.finding("model.remote-code")["severity"] == "error", result


def test_code_of_another_repository(locker):
    Repo(locker.hub, "org/code").all({"config.json": b"{}", "modeling.py": b"x = 1\n"}).ref()
    files = {**bert_files(), "config.json": b'{"model_type": "bert", "auto_map": {"AutoModel": "org/code--modeling.Model"}}'}
    Repo(locker.hub).all(files).ref()
    locker.write(mode="offline", model="repo = org/m\nremote_code = locked").make()
    result = locker.check()
    assert result.status == 65 and "org/code" in result.finding("model.remote-code")["message"], result
    locker.write(mode="offline", model="repo = org/m\nremote_code = locked\n[model code]\nrepo = org/code\nremote_code = locked").make()
    assert locker.check().status == 0


def test_what_code_of_another_repository_imports(locker):
    """It comes from there as well: it must be aboard, and what was locked."""
    code = Repo(locker.hub, "org/code").all({"config.json": b"{}", "modeling.py": b"from .attention import A\n"}).ref()
    Repo(locker.hub).all({**bert_files(), "config.json": b'{"model_type": "bert", "auto_map": {"AutoModel": "org/code--modeling.Model"}}'}).ref()
    Fetcher.write(locker, "http://127.0.0.1:9", mode="offline", model="repo = org/m\nremote_code = allow")
    result = locker.check()
    assert result.status == 66 and "attention.py from org/code" in result.finding("model.code-missing")["message"], result
    code.file("attention.py", b"x = 1\n")
    assert locker.check().status == 0
    locker.write(mode="offline", model="repo = org/m\nremote_code = locked\n[model code]\nrepo = org/code\nremote_code = locked").make()
    assert locker.check().status == 0
    (code.snapshot / "attention.py").unlink()
    (code.snapshot / "attention.py").write_bytes(b"x = 2\n")
    messages = [f["message"] for f in locker.check().report["findings"] if f["code"] == "model.remote-code"]
    assert any("attention.py from org/code" in message for message in messages), messages


def test_locked_code_needs_a_lock(world):
    Repo(world.hub).all().ref()
    result = world.policy(model="remote_code = locked").check()
    assert result.status == 78 and "lock = aweigh.lock" in result.finding("policy.value")["fix"], result


# What no lock file is


def damaged(text, how):
    lock = json.loads(text)
    model = lock["models"][0]
    if how == "newer":
        lock["aweigh_lock"] = 2
    elif how == "up":
        model["files"][0]["path"] = "../x"
    elif how == "absolute":
        model["files"][0]["path"] = "/etc/passwd"
    elif how == "model twice":
        lock["models"] *= 2
    elif how == "path twice":
        model["files"].append(model["files"][0])
    elif how == "set":
        model["files"][0]["sha256"] = "0" * 64
    elif how == "no set":
        del model["set"]
    elif how == "size":
        model["files"][0]["size"] = -1
    elif how == "digest":
        model["files"][0]["sha256"] = "x" * 64
    elif how == "list":
        return json.dumps([lock])
    elif how == "no version":
        del lock["aweigh_lock"]
    elif how == "commit":
        model["commit"] = "main"
    elif how == "cut":
        return text[:-20]
    elif how == "empty":
        return ""
    elif how == "text":
        return "# no lock\n"
    return json.dumps(lock)


@pytest.mark.parametrize("how, words", [
    ("newer", "format 2"), ("up", "'../x'"), ("absolute", "/etc/passwd"), ("model twice", "[model m] twice"), ("path twice", "config.json twice"), ("set", "does not fit"),
    ("no set", "does not fit"), ("size", "size"), ("digest", "sha256"), ("list", "object"), ("no version", "aweigh_lock"), ("commit", "commit"), ("cut", "middle"),
    ("empty", "empty"), ("text", "JSON")])
def test_each_fault_of_a_lock_has_its_sentence(locker, lock_of_the_hub, how, words):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline")
    locker.path.write_text(damaged(lock_of_the_hub, how))
    result = locker.check()
    assert result.status == 78 and result.codes() == {"lock.invalid"} and words in result.finding("lock.invalid")["message"], result
    assert locker.world.start("/bin/true").status == 78


def test_a_lock_of_ten_gigabytes(locker):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline")
    with locker.path.open("wb") as file:
        file.truncate(10 << 30)
    result = locker.check()
    assert result.status == 78 and "64 MiB" in result.finding("lock.invalid")["message"], result


@pytest.mark.parametrize("what", ["missing", "folder", "fifo"])
def test_a_lock_that_cannot_be_read(locker, what):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline")
    if what == "folder":
        locker.path.mkdir()
    elif what == "fifo":
        os.mkfifo(locker.path)
    result = locker.check()
    assert result.status == 78 and result.codes("error") <= {"lock.missing", "lock.invalid"} and str(locker.path) in result.report["findings"][0]["message"], result


def test_no_severity_makes_less_of_it(locker):
    Repo(locker.hub).all().ref()
    for code in ("lock.missing", "lock.invalid", "lock.stale", "lock.mismatch"):
        locker.write(mode="offline", more=f"[severity]\n{code} = off")
        assert "policy.value" in locker.check().codes("error")


# Fetching


def test_by_a_mirror_alone(locker, tmp_path):
    """A folder behind nginx, and no hub at all."""
    files = {**bert_files(), "sub dir/x.json": b"{}", "big.safetensors": safetensors({"w": 2_000_000})}
    with Hub(one_repo(files)) as hub:
        locker.write(hub.url).make()
    www = lay(tmp_path / "www" / "org/m" / COMMIT, files)
    port, server = nginx(tmp_path, tmp_path / "www")
    mirror = f"mirror = http://127.0.0.1:{port}/{{repo}}/{{commit}}/{{path}}"
    with server:
        locker.write("http://127.0.0.1:9", fetch=mirror)
        result = locker.fetch()
        assert result.status == 0, result
        assert {name: (locker.snapshot / name).read_bytes() for name in files} == files
        assert (locker.repo / "refs/main").read_text() == COMMIT
        manifest = json.loads((locker.repo / "trees" / f"{COMMIT}.json").read_text())
        assert manifest["files"]["config.json"]["blob_id"] == git_sha1(files["config.json"]) and manifest["files"]["model.safetensors"]["lfs_sha256"] == sha256(files["model.safetensors"])
        assert locker.check("--verify", "digest").status == 0
        # What does not arrive as it was locked has no name.
        shutil.rmtree(locker.repo)
        (www / "tokenizer.json").write_bytes(files["tokenizer.json"].replace(b"1.0", b"9.9"))
        result = locker.fetch()
        assert result.status in (69, 75) and not locker.snapshot.exists(), result


def test_small_files_are_held_against_both_digests(locker, lock_of_the_hub):
    """A lock file whose SHA-256 is not that of the content with git's name."""
    lock = json.loads(lock_of_the_hub)
    files = lock["models"][0]["files"]
    files[0]["sha256"] = "1" * 64
    lines = sorted(f"{file['sha256']}  {file['path']}" for file in files)
    lock["models"][0]["set"] = "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
    locker.path.write_text(json.dumps(lock))
    with Hub(one_repo(bert_files())) as hub:
        result = locker.write(hub.url).fetch()
    assert result.status == 69 and "fetch.digest" in result.codes("error") and not locker.snapshot.exists(), result


@pytest.mark.parametrize("change", ["content", "more", "fewer"])
def test_a_hub_that_says_otherwise(locker, lock_of_the_hub, change):
    files = bert_files()
    if change == "content":
        files["model.safetensors"] = safetensors(fill=b"\x41")
    elif change == "more":
        files["hook.py"] = b"x"
    else:
        del files["tokenizer.json"]
    locker.path.write_text(lock_of_the_hub)
    with Hub(one_repo(files, commit=COMMIT)) as hub:
        result = locker.write(hub.url).fetch()
    assert result.status == 69 and not locker.snapshot.exists(), result
    message = result.finding("lock.differs")["message"]
    assert {"content": "model.safetensors", "more": "hook.py", "fewer": "1 files"}[change] in message, message


def test_into_a_plain_folder(locker):
    folder = locker.world.path / "model"
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url, model=f"repo = org/m\npath = {folder}").make()
        assert locker.fetch().status == 0
    assert locker.check("--verify", "digest").status == 0


# Other people's files


def test_sha256sums(locker):
    repo = Repo(locker.hub).all({**bert_files(), "sub dir/x y.json": b"{}"}).ref()
    locker.write(mode="offline").make()
    result = locker.run("--as", "sha256sums")
    assert result.status == 0
    subprocess.run(["sha256sum", "--strict", "-c"], input=result.out.encode(), cwd=repo.snapshot, check=True, stdout=subprocess.DEVNULL)


def test_cyclonedx(locker):
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from cyclonedx.validation import make_schemabased_validator
    Repo(locker.hub).all().ref()
    folder = lay(locker.world.path / "plain", bert_files())
    locker.write(mode="offline", model=f"repo = org/m\n[model plain]\npath = {folder}\n").make()
    result = locker.run("--as", "cyclonedx")
    assert result.status == 0
    assert make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(result.out) is None
    bom = json.loads(result.out)
    model = next(component for component in bom["components"] if component["bom-ref"] == "m")
    assert model["type"] == "machine-learning-model" and model["version"] == COMMIT
    assert {c["name"]: c["hashes"][0]["content"] for c in model["components"]} == {path: sha256(data) for path, data in bert_files().items()}
    assert locker.run("--as", "cyclonedx").out == result.out


def test_cog(locker):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline").make()
    weights = json.loads(locker.run("--as", "cog").out)["weights"][0]
    assert weights["setDigest"] == set_of(bert_files()) and weights["sources"][0] == {"uri": "hf://org/m@main", "fingerprint": f"commit:{COMMIT}"}
    assert {file["path"]: file["digest"] for file in weights["files"]} == {path: "sha256:" + sha256(data) for path, data in bert_files().items()}


def test_a_form_of_several_models_names_one(locker):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline", model="repo = org/m\n[model a]\nrepo = org/m").make()
    result = locker.run("--as", "sha256sums")
    assert result.status == 64 and "--only" in result.err
    assert locker.run("--as", "sha256sums", "--only", "a").status == 0


@pytest.mark.parametrize("place", ["beside", "in the folder"])
def test_a_list_of_sha256sums_is_a_lock(locker, place):
    files = {**bert_files(), "sub/x.json": b"{}"}
    folder = lay(locker.world.path / "model", files)
    sums = subprocess.run(["sh", "-c", "find . -type f | sort | xargs sha256sum"], cwd=folder, capture_output=True, check=True).stdout
    path = folder / "SHA256SUMS" if place == "in the folder" else locker.world.path / "SHA256SUMS"
    path.write_bytes(sums)
    locker.world.policy(f"[policy]\nlock = {path if place == 'in the folder' else 'SHA256SUMS'}\n[model m]\npath = {folder}\n")
    result = locker.check("--verify", "digest")
    assert result.status == 0 and result.report["models"][0]["level"] == "digest", result
    assert "lock.extra" not in result.codes()
    flip(folder, "sub/x.json")
    assert locker.check("--verify", "digest").finding("file.digest")["path"] == "sub/x.json"
    (folder / "sub/x.json").unlink()
    assert "model.incomplete" in locker.check("--verify", "presence").codes("error")


def test_a_list_goes_with_one_model_of_a_path(locker):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline")
    locker.path.write_text(f"{'0' * 64}  config.json\n")
    assert locker.check().finding("lock.mismatch")["severity"] == "error"


# As a property


@pytest.mark.parametrize("seed", range(6))
def test_what_was_locked_passes_and_nothing_else(locker, seed):
    chance = random.Random(seed)
    files = bert_files()
    for i in range(chance.randrange(12)):
        name = chance.choice(["", "a/", "a/b/"]) + f"{i}" + chance.choice([".txt", ".json", ".py", ".md", ""])
        files[name] = b"{}" if name.endswith(".json") else chance.randbytes(chance.randrange(1, 60)).hex().encode()
    repo = Repo(locker.hub).all(files, link=chance.random() < 0.5).ref()
    locker.write(mode="offline", model="repo = org/m\nremote_code = locked").make()
    assert locker.check("--verify", "digest").status == 0
    for path in chance.sample(sorted(files), min(4, len(files))):
        whole = repo.snapshot / path
        data = whole.read_bytes()
        flip(repo.snapshot, path)
        result = locker.check("--verify", "digest")
        assert result.status == 65, (path, result)
        with open(os.path.realpath(whole), "wb") as file:
            file.write(data)
        target = os.readlink(whole) if whole.is_symlink() else None
        whole.unlink()
        assert locker.check("--verify", "presence").status in (65, 66), path
        os.symlink(target, whole) if target else whole.write_bytes(data)
    assert locker.check("--verify", "digest").status == 0


# What an adversary tried


def test_a_file_of_gits_of_more_than_a_chunk(locker):
    files = {**bert_files(), "tokenizer.json": b'{"version": "1.0", "model": {"vocab": {}}, "x": "' + b"y" * 2_500_000 + b'"}'}
    with Hub(one_repo(files)) as hub:
        locker.write(hub.url).make()
        result = locker.fetch()
        assert result.status == 0, result
    assert locker.check("--verify", "digest").status == 0


def twins(folder):
    lay(folder, {**bert_files(), "a/config.json": b'{"x": 1}', "b/config.json": b'{"x": 2}', "a/y.txt": b"1", "b/y.txt": b"2"})


def test_a_directory_that_became_a_link_to_its_twin(locker):
    folder = locker.world.path / "model"
    twins(folder)
    locker.write(model=f"path = {folder}", mode="offline").make()
    shutil.rmtree(folder / "b")
    os.symlink("a", folder / "b")
    result = locker.check("--verify", "digest")
    assert result.status == 65 and {f["path"] for f in result.report["findings"] if f["code"] == "file.digest"} == {"b/config.json", "b/y.txt"}, result


def test_what_is_locked_in_a_directory_of_tools_is_hashed(locker):
    folder = lay(locker.world.path / "model", bert_files())
    locker.world.policy(f"[policy]\nlock = SHA256SUMS\n[model m]\npath = {folder}\n")
    lay(folder, {".cache/x.json": b"{}"})
    (locker.world.path / "SHA256SUMS").write_text("".join(f"{sha256(p.read_bytes())}  {p.relative_to(folder)}\n" for p in sorted(folder.rglob("*")) if p.is_file()))
    assert locker.check("--verify", "digest").status == 0
    (folder / ".cache/x.json").write_text("[]")
    assert locker.check("--verify", "digest").finding("file.digest")["path"] == ".cache/x.json"


def test_excluded_names_do_not_hide_the_one_that_acts(locker):
    repo = Repo(locker.hub).all().ref()
    locker.write(mode="offline", model="repo = org/m\nexclude = *.bin").make()
    for i in range(40):
        (repo.snapshot / f"x{i:02}.bin").write_bytes(b"x")
    assert locker.check().status == 0
    (repo.snapshot / "hook.so").write_bytes(b"x")
    result = locker.check()
    assert result.status == 65 and result.finding("lock.extra")["severity"] == "error", result


def test_a_name_that_is_cut_acts_all_the_same(locker):
    repo = Repo(locker.hub).all().ref()
    locker.write(mode="offline").make()
    folder = repo.snapshot / "/".join(["d" * 200] * 6)
    folder.mkdir(parents=True)
    (folder / "modeling_evil.py").write_text("x")
    assert locker.check().status == 65


def test_a_path_of_one_file(locker):
    folder = lay(locker.world.path / "model", {"good.safetensors": safetensors(), "evil.safetensors": safetensors(fill=b"\x41")})
    locker.write(mode="offline", model=f"path = {folder}/good.safetensors").make()
    assert locker.check("--verify", "digest").status == 0
    locker.write(mode="offline", model=f"path = {folder}/evil.safetensors")
    result = locker.check()
    assert result.status == 78 and result.finding("lock.stale")["path"] == "evil.safetensors", result


def test_locked_code_behind_a_link_out(locker):
    repo = with_code(locker)
    locker.write(mode="offline", model="repo = org/m\nremote_code = locked\nfiles = *.json, *.safetensors")
    assert locker.check().status == 0
    (locker.world.path / "evil.py").write_text("from .other import x\n")
    (repo.snapshot / "modeling.py").unlink()
    os.symlink(locker.world.path / "evil.py", repo.snapshot / "modeling.py")
    result = locker.check()
    assert result.status == 65 and "model.remote-code" in result.codes("error"), result


def test_an_optional_model_that_is_there_is_locked_too(locker, lock_of_the_hub):
    Repo(locker.hub).all().ref()
    Repo(locker.hub, "org/n").all().ref()
    locker.write(mode="offline", model="repo = org/m\n[model n]\nrepo = org/n\noptional = yes")
    locker.path.write_text(lock_of_the_hub)
    assert "lock.stale" in locker.check().codes("warning")


def test_an_optional_model_out_of_reach_keeps_its_entry(locker):
    model = "repo = org/m\n[model n]\nrepo = org/n\noptional = yes"
    repos = {**one_repo(bert_files()), **one_repo(bert_files(), repo="org/n")}
    with Hub(repos) as hub:
        locker.write(hub.url, model=model).make()
        text = locker.path.read_text()
        hub.fault("/org/n/", status=503)
        assert locker.run().status == 0 and locker.path.read_text() == text and locker.run("--check").status == 0


@pytest.mark.parametrize("case", ["main is another commit", "a folder beside the cache"])
def test_code_of_another_repository_is_what_main_has(locker, case):
    code, other = {"config.json": b"{}", "modeling.py": b"x = 1\n"}, {"config.json": b"{}", "modeling.py": b"evil = 1\n"}
    files = {**bert_files(), "config.json": b'{"model_type": "bert", "auto_map": {"AutoModel": "org/code--modeling.Model"}}'}
    Repo(locker.hub).all(files).ref()
    locked = Repo(locker.hub, "org/code").all(code).ref()
    where = f"revision = {COMMIT}" if case.startswith("main") else f"path = {lay(locker.world.path / 'code', code)}"
    locker.write(mode="offline", model=f"repo = org/m\nremote_code = locked\n[model code]\nrepo = org/code\nremote_code = locked\n{where}").make()
    assert locker.check().status == 0
    assert locker.check("--only", "m").status == 0
    Repo(locker.hub, "org/code", commit="b" * 40).all(other).ref()
    assert locked.snapshot.is_dir()
    assert locker.check().finding("model.remote-code")["severity"] == "error"


def test_a_link_out_to_what_nobody_wants(locker):
    repo = Repo(locker.hub).all().ref()
    locker.write(mode="offline", model="repo = org/m\nfiles = *.json, *.safetensors").make()
    os.symlink(lay(locker.world.path / "out", {"generate.py": b"x"}), repo.snapshot / "custom_generate")
    assert locker.check().finding("lock.extra")["severity"] == "error"
    assert locker.run().status == 65, "what will not pass is not locked"


@pytest.mark.parametrize("name", ["zz.safetensors", "flax_model.msgpack", "tokenizer.model", "vocab.txt", "kernel.so.1", "x.pyw", "a.npy", "openvino_model.xml"])
def test_more_that_acts(locker, name):
    repo = Repo(locker.hub).all().ref()
    locker.write(mode="offline").make()
    (repo.snapshot / name).write_bytes(b"x")
    assert locker.check("--verify", "presence").status == 65


def test_a_blob_that_is_there_proves_nothing(locker):
    """A lock file without git's names, and a hub that lists another small file, whose blob lies here already."""
    folder = lay(locker.world.path / "copy", bert_files())
    locker.write(mode="offline", model=f"path = {folder}").make()
    lock = locker.lock
    lock["models"][0].update(repo="org/m", revision="main", commit=COMMIT)
    locker.path.write_text(json.dumps(lock))
    evil = bert_files()["config.json"].replace(b"bert", b"evil")
    Repo(locker.hub).file("config.json", evil)
    shutil.rmtree(locker.snapshot)
    with Hub(one_repo({**bert_files(), "config.json": evil})) as hub:
        result = locker.write(hub.url).fetch("--verify", "size")
    assert result.status == 69 and not locker.snapshot.exists(), result


def test_a_list_is_not_written_over(locker):
    folder = lay(locker.world.path / "model", bert_files())
    sums = "".join(f"{sha256(data)}  {path}\n" for path, data in bert_files().items())
    (locker.world.path / "SHA256SUMS").write_text(sums)
    locker.world.policy(f"[policy]\nlock = SHA256SUMS\n[model m]\npath = {folder}\n")
    for args in ([], ["--check"]):
        assert locker.run(*args).status == 78
    assert (locker.world.path / "SHA256SUMS").read_text() == sums
    assert "9223372036854775807" not in locker.run("--as", "cog").out and "aweigh:size" not in locker.run("--as", "cyclonedx").out


def test_the_lock_of_another_policy_is_not_written_over(locker):
    """Two policies of one directory, neither of which names a lock file: both mean aweigh.lock."""
    folder = lay(locker.world.path / "model", bert_files())
    locker.world.policy(f"[model first]\npath = {folder}\n")
    assert locker.run().status == 0
    text = locker.path.read_text()
    locker.world.policy(f"[model second]\npath = {folder}\n")
    result = locker.run()
    assert result.status == 78 and "the model first and none of this policy's" in result.err and locker.path.read_text() == text, result
    locker.world.policy(f"[policy]\nlock = aweigh.lock\n[model second]\npath = {folder}\n")
    assert [model["name"] for model in locker.make()["models"]] == ["second"]


def test_what_aweigh_prints_as_a_list_it_reads(locker):
    folder = lay(locker.world.path / "model", {**bert_files(), "a\\b.txt": b"x"})
    locker.write(mode="offline", model=f"path = {folder}").make()
    sums = locker.run("--as", "sha256sums").out
    (locker.world.path / "S").write_text("\n" + sums.replace(sha256(b"x"), sha256(b"x").upper()) + "\n")
    locker.world.policy(f"[policy]\nlock = S\n[model m]\npath = {folder}\n")
    assert locker.check("--verify", "digest").status == 0


def test_a_member_that_the_format_has_not(locker, lock_of_the_hub):
    Repo(locker.hub).all().ref()
    locker.write(mode="offline")
    locker.path.write_text(lock_of_the_hub.replace('"models": [', '"note": [{"x": 1}], "models": ['))
    assert "'note'" in locker.check().finding("lock.invalid")["message"]


def test_a_lock_in_the_models_own_folder(locker):
    folder = lay(locker.world.path / "model", bert_files())
    locker.world.policy(f"[policy]\nlock = {folder}/aweigh.lock\n[model m]\npath = {folder}\n")
    for _ in range(3):
        assert locker.run().status == 0
        result = locker.check("--verify", "digest")
        assert result.status == 0 and not result.codes(), result


def test_a_config_map(locker):
    folder = locker.world.path / "model"
    lay(folder / "..2026_01_01", bert_files())
    os.symlink("..2026_01_01", folder / "..data")
    for name in bert_files():
        os.symlink(f"..data/{name}", folder / name)
    locker.write(mode="offline", model=f"path = {folder}")
    assert [file["path"] for file in files_of(locker.make())] == sorted(bert_files())
    (folder / "..2026_01_01").rename(folder / "..2026_01_02")
    os.unlink(folder / "..data")
    os.symlink("..2026_01_02", folder / "..data")
    result = locker.check("--verify", "digest")
    assert result.status == 0 and not result.codes(), result


def test_a_copy_keeps_the_commit_that_its_contents_are_of(locker, lock_of_the_hub):
    folder = lay(locker.world.path / "model", bert_files())
    locker.write(mode="offline", model=f"repo = org/m\npath = {folder}")
    locker.path.write_text(lock_of_the_hub)
    assert locker.run("--check").status == 0
    locker.make()
    assert locker.path.read_text() == lock_of_the_hub
    flip(folder, "model.safetensors")
    assert locker.run().status == 65 and locker.path.read_text() == lock_of_the_hub


def test_one_ref_leads_to_one_commit(locker):
    with Hub(one_repo(bert_files())) as hub:
        locker.write(**two(hub.url)).make()
        before = locker.path.read_text()
    repos = one_repo({**bert_files(), "config.json": b'{"model_type": "bert", "x": 1}'}, commit="b" * 40)
    repos["org/m"]["old"] = {COMMIT: bert_files()}
    with Hub(repos) as hub:
        result = locker.write(**two(hub.url)).run("--only", "a", "--upgrade")
        assert result.status == 65 and "lock both together" in result.err.replace("\n" + " " * 25, " ") and locker.path.read_text() == before, result
        locker.make("--upgrade")


def test_a_link_is_followed_and_the_mode_stays(locker):
    Repo(locker.hub).all().ref()
    target = locker.world.path / "elsewhere.lock"
    locker.write(mode="offline").make()
    locker.path.rename(target)
    target.chmod(0o600)
    os.symlink(target, locker.path)
    Repo(locker.hub).file("more.txt", b"x")
    locker.make()
    assert locker.path.is_symlink() and "more.txt" in target.read_text() and target.stat().st_mode & 0o777 == 0o600


def test_a_dangling_link_that_nobody_wants(locker):
    repo = Repo(locker.hub).all().ref()
    os.symlink("nowhere", repo.snapshot / "notes.json")
    locker.write(mode="offline", model="repo = org/m\nfiles = config.json, *.safetensors, tokenizer.json").make()
    assert locker.check("--verify", "digest").status == 0


@pytest.mark.parametrize("case, status, strict", [("intact", 0, 0), ("a byte", 1, 1), ("missing", 0, 1), ("added", 0, 1)])
def test_beside_the_hubs_own_verification(locker, case, status, strict):
    """`hf cache verify` of 2.4.0 against the same hub: it agrees where it can tell, and passes what it does not ask about."""
    hf = ROOT / "build/venv-hub-2/bin/hf"
    if not hf.exists():
        from world import missing
        missing("huggingface_hub from PyPI")
    with Hub(one_repo(bert_files())) as hub:
        locker.write(hub.url).make()
        assert locker.fetch().status == 0
        if case == "a byte":
            flip(locker.snapshot, "model.safetensors")
        elif case == "missing":
            (locker.snapshot / "model.safetensors").unlink()
        elif case == "added":
            (locker.snapshot / "modeling_x.py").write_text("x")

        def verify(*args):
            env = {**locker.world.env, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(locker.hub), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
            return subprocess.run([hf, "cache", "verify", "org/m", *args], env=env, capture_output=True, timeout=100).returncode

        assert (verify(), verify("--fail-on-missing-files", "--fail-on-extra-files")) == (status, strict)
    assert (locker.check("--verify", "digest").status == 0) == (strict == 0)


def test_a_lock_of_many_models_is_read_at_once(locker):
    """Names that stand twice are found without comparing each with all."""
    empty = hashlib.sha256(b"").hexdigest()
    models = ",\n".join(f'{{"name": "m{i}", "repo": null, "revision": null, "commit": null, "set": "sha256:{empty}", "files": []}}' for i in range(100_000))
    Repo(locker.hub).all().ref()
    locker.write(mode="offline", policy="deadline = 20s")
    locker.path.write_text('{"aweigh_lock": 1, "models": [' + models + "]}")
    assert locker.check().finding("lock.stale")


def test_what_changed_is_told_when_it_is_written(locker):
    folder = lay(locker.world.path / "model", bert_files())
    locker.world.policy(f"[policy]\nlock = aweigh.lock\n[model m]\npath = {folder}\n")
    assert locker.run().status == 0
    (folder / "config.json").write_bytes(b'{"model_type": "bert", "x": 1}')
    result = locker.run("--check")
    assert result.status == 65 and "config.json has" in result.out and "pass" not in result.out + result.err, result
    result = locker.run()
    assert result.status == 0 and "config.json has" in result.out, result
    locker.world.policy(f"[policy]\nlock = aweigh.lock\n[model n]\npath = {folder}\n")
    assert "m: is in the lock file, and no model of the policy" in locker.run().out


@pytest.mark.parametrize("severity, codes", [("error", ["model.incomplete"]), ("warning", ["model.incomplete", "model.required", "model.too-small"])])
def test_one_cause_is_one_finding(locker, severity, codes):
    """A file that the lock file names, and files, require and min_size want; but what the policy makes less of excuses nothing."""
    folder = lay(locker.world.path / "model", bert_files())
    model = f"[model m]\npath = {folder}\nfiles = model.safetensors, *.json\nrequire = *.safetensors\nmin_size = 150\n[severity]\nmodel.incomplete = {severity}\n"
    locker.world.policy(f"[policy]\nlock = aweigh.lock\n{model}")
    locker.make()
    (folder / "model.safetensors").unlink()
    result = locker.check()
    found = [finding["code"] for finding in result.report["findings"] if finding["severity"] != "note"]
    assert result.status == 65 and sorted(set(found)) == codes and (severity == "warning" or len(found) == 1), result
