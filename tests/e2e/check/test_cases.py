# SPDX-License-Identifier: Apache-2.0
"""The 64 states of a cache, a folder or an environment, and what aweigh must say of each. A case builds its state on
real files; `codes` are findings that must be among those reported, `status` the exit status."""

import os
import socket
import struct

import pytest
from models import COMMIT, OTHER, Repo, bert_files, complete, git_sha1, minilm_files, safetensors, sha256

CASES = {}


def case(number, name, status, *codes, absent=()):
    def add(build):
        CASES[f"{number:02}-{name}"] = (build, status, codes, absent)
        return build

    return add


OK, DATA, MISSING, ENVIRONMENT, PERMISSION, POLICY = 0, 65, 66, 76, 77, 78


@case(1, "complete", OK)
def _(w):
    complete(w.hub)


@case(2, "ref-newline", DATA, "model.bad-ref")
def _(w):
    complete(w.hub).ref(text=COMMIT + "\n")


@case(3, "ref-missing", MISSING, "model.revision")
def _(w):
    Repo(w.hub).all()


@case(3, "ref-missing-but-pinned", OK)
def _(w):
    Repo(w.hub).all()
    w.policy(revision=COMMIT)


@case(4, "ref-dangling", MISSING, "model.no-snapshot")
def _(w):
    complete(w.hub).ref(text=OTHER)


@case(5, "ref-garbage-empty", DATA, "model.bad-ref")
def _(w):
    complete(w.hub).ref(text="")


@case(5, "ref-garbage-dots", DATA, "model.bad-ref")
def _(w):
    complete(w.hub).ref(text="../../x")


@case(5, "ref-garbage-39", DATA, "model.bad-ref")
def _(w):
    complete(w.hub).ref(text=COMMIT[:39])


@case(6, "ref-upper", DATA, "model.bad-ref")
def _(w):
    complete(w.hub).ref(text=COMMIT.upper())


@case(7, "pr-ref", OK)
def _(w):
    Repo(w.hub).all().ref("refs/pr/3")
    w.policy(revision="refs/pr/3")


@case(7, "pr-ref-asked-for-main", MISSING, "model.revision")
def _(w):
    Repo(w.hub).all().ref("refs/pr/3")


@case(8, "slash-branch", OK)
def _(w):
    Repo(w.hub).all().ref("feature/x")
    w.policy(revision="feature/x")


@case(8, "slash-branch-half", MISSING, "model.revision")
def _(w):
    Repo(w.hub).all().ref("feature/x")
    w.policy(revision="feature")


@case(9, "dangling-link", DATA, "file.dangling-link")
def _(w):
    complete(w.hub).blob("model.safetensors").unlink()


@case(10, "interrupted-old", DATA, "cache.interrupted", "model.no-weights")
def _(w):
    files = bert_files()
    weights = files.pop("model.safetensors")
    repo = Repo(w.hub).all(files).ref()
    (repo.folder / "blobs" / (sha256(weights) + ".incomplete")).write_bytes(weights[:100])


@case(11, "stale-partial", OK, "cache.interrupted")
def _(w):
    repo = complete(w.hub)
    (repo.folder / "blobs" / (sha256(b"x") + ".ab12cd34.incomplete")).write_bytes(b"partial")


@case(12, "truncated-lfs", DATA, "file.truncated", "file.size")
def _(w):
    blob = complete(w.hub).manifest().blob("model.safetensors")
    blob.write_bytes(blob.read_bytes()[:-7])


@case(13, "bitflip-git", DATA, "file.digest")
def _(w):
    blob = complete(w.hub).blob("config.json")
    blob.write_bytes(blob.read_bytes().replace(b"bert", b"bart"))
    w.args = ["--verify", "digest"]


@case(14, "lfs-pointer", DATA, "file.pointer")
def _(w):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 2400000000\n"
    Repo(w.hub).all({**bert_files(), "model.safetensors": pointer}).ref()


@case(15, "no-symlink", OK)
def _(w):
    Repo(w.hub).all(link=False).ref()


@case(15, "no-symlink-digest", OK, "file.unverified")
def _(w):
    Repo(w.hub).all(link=False).ref()
    w.args = ["--verify", "digest"]


@case(15, "no-symlink-digest-manifest", OK, absent=["file.unverified"])
def _(w):
    Repo(w.hub).all(link=False).ref().manifest()
    w.args = ["--verify", "digest"]


@case(16, "mixed", OK)
def _(w):
    files = bert_files()
    weights = files.pop("model.safetensors")
    Repo(w.hub).all(files).file("model.safetensors", weights, link=False).ref()


@case(17, "absolute-link-inside", OK, "file.link-absolute")
def _(w):
    repo = complete(w.hub)
    target, link = repo.blob("model.safetensors"), repo.snapshot / "model.safetensors"
    link.unlink()
    link.symlink_to(target)


@case(18, "link-escape", DATA, "file.link-escapes")
def _(w):
    link = complete(w.hub).snapshot / "extra.json"
    link.symlink_to("/etc/passwd")


@case(18, "link-escape-other-repo", DATA, "file.link-escapes")
def _(w):
    complete(w.hub, "org/other")
    repo = complete(w.hub)
    link = repo.snapshot / "config.json"
    link.unlink()
    link.symlink_to(f"../../../models--org--other/snapshots/{COMMIT}/config.json")


@case(19, "link-loop", DATA, "file.link-loop")
def _(w):
    snapshot = complete(w.hub).snapshot
    (snapshot / "a.json").symlink_to("b.json")
    (snapshot / "b.json").symlink_to("a.json")


@case(20, "fifo", DATA, "file.special")
def _(w):
    blob = complete(w.hub).blob("model.safetensors")
    blob.unlink()
    os.mkfifo(blob)


@case(20, "socket", DATA, "file.special")
def _(w):
    snapshot = complete(w.hub).snapshot
    here = os.getcwd()
    os.chdir(snapshot)
    socket.socket(socket.AF_UNIX).bind("pytorch_model.bin")
    os.chdir(here)


@case(21, "dir-as-file", DATA, "model.incomplete")
def _(w):
    repo = complete(w.hub).manifest()
    (repo.snapshot / "config.json").unlink()
    (repo.snapshot / "config.json").mkdir()


@case(22, "empty-snapshot", DATA, "model.incomplete")
def _(w):
    repo = Repo(w.hub).ref()
    repo.snapshot.mkdir(parents=True)


@case(23, "manifest-incomplete", DATA, "model.incomplete")
def _(w):
    complete(w.hub).manifest({"README.md": b"# hello", "extra.bin": b"x"})


@case(23, "manifest-incomplete-filtered", OK, "cache.partial")
def _(w):
    complete(w.hub).manifest({"README.md": b"# hello"})
    w.policy(model="files = *.json, *.safetensors")


@case(24, "manifest-bad", OK, "cache.manifest")
def _(w):
    complete(w.hub).manifest(text="{nonsense")


@case(24, "manifest-version-2", OK, "cache.manifest")
def _(w):
    complete(w.hub).manifest({"missing.json": b"{}"}, version=2)


@case(24, "manifest-of-another-user", OK, "cache.manifest")
def _(w):
    repo = complete(w.hub).manifest()
    path = repo.folder / "trees" / f"{COMMIT}.json"
    path.chmod(0o600)
    w.policy(extra="user = 1000:1000")
    w.root = True


@case(25, "pinned-no-manifest", OK, "cache.no-manifest")
def _(w):
    Repo(w.hub).all()
    w.policy(revision=COMMIT)


@case(26, "no-exist-stale", OK, "cache.no-exist")
def _(w):
    marker = complete(w.hub).folder / ".no_exist" / COMMIT / "config.json"
    marker.parent.mkdir(parents=True)
    marker.touch()


@case(27, "no-exist-only", MISSING, "model.no-snapshot")
def _(w):
    marker = Repo(w.hub).ref().folder / ".no_exist" / COMMIT / "config.json"
    marker.parent.mkdir(parents=True)
    marker.touch()


@case(28, "unicode-space-name", OK)
def _(w):
    complete(w.hub).file("my file é.txt", b"hello").manifest()


@case(28, "unicode-other-form", DATA, "model.incomplete")
def _(w):
    complete(w.hub).file("\u00e9.txt", b"hello").manifest({"e\u0301.txt": b"hello"})


@case(29, "nested", OK)
def _(w):
    from models import onnx

    complete(w.hub).file("onnx/model.onnx", onnx())


@case(29, "nested-too-few-dots", DATA, "file.dangling-link")
def _(w):
    repo = complete(w.hub).file("onnx/a.json", b"{}")
    link = repo.snapshot / "onnx" / "a.json"
    name = os.path.basename(os.readlink(link))
    link.unlink()
    link.symlink_to("../../blobs/" + name)


@case(30, "shared-blob", OK)
def _(w):
    complete(w.hub).file("one.json", b"{}").file("two.json", b"{}")
    w.args = ["--verify", "digest"]


@case(31, "two-revisions-main", OK)
def _(w):
    complete(w.hub)
    broken = Repo(w.hub, commit=OTHER).file("config.json", b'{"model_type": "x"}').ref("v1")
    broken.blob("config.json").unlink()


@case(31, "two-revisions-v1", DATA, "file.dangling-link")
def _(w):
    complete(w.hub)
    broken = Repo(w.hub, commit=OTHER).file("config.json", b'{"model_type": "x"}').ref("v1")
    broken.blob("config.json").unlink()
    w.policy(revision="v1")


@case(32, "dir-unreadable", PERMISSION, "file.unreadable")
def _(w):
    (complete(w.hub).folder / "blobs").chmod(0o700)
    w.policy(extra="user = 1000:1000")
    w.root = True


@case(32, "parent-unreadable", PERMISSION, "model.unreadable")
def _(w):
    complete(w.hub)
    (w.path / "home").chmod(0o700)
    w.policy(extra="user = 1000:1000")
    w.root = True


@case(32, "snapshot-without-search", PERMISSION, "model.unreadable")
def _(w):
    """Its names may be read, and nothing that they name: it is not empty."""
    complete(w.hub).snapshot.chmod(0o744)
    w.policy(extra="user = 1000:1000")
    w.root = True


@case(32, "folder-without-search", PERMISSION, "model.unreadable")
def _(w):
    for name, data in bert_files().items():
        (w.path / "plain").mkdir(exist_ok=True)
        (w.path / "plain" / name).write_bytes(data)
    (w.path / "plain").chmod(0o644)
    w.policy(f"[policy]\nmode = offline\nuser = 1000:1000\n[model m]\npath = {w.path}/plain\n")
    w.root = True


@case(32, "ref-0600", PERMISSION, "model.unreadable")
def _(w):
    (complete(w.hub).folder / "refs/main").chmod(0o600)
    w.policy(extra="user = 1000:1000")
    w.root = True


@case(32, "module-0700", PERMISSION, "file.unreadable", absent=["model.part"])
def _(w):
    (Repo(w.hub).all(minilm_files()).ref().snapshot / "1_Pooling").chmod(0o700)
    w.policy(extra="user = 1000:1000")
    w.root = True


@case(33, "blob-0600-root", PERMISSION, "file.unreadable")
def _(w):
    complete(w.hub).blob("model.safetensors").chmod(0o600)
    w.policy(extra="user = 1000:1000")
    w.root = True


@case(34, "world-writable", OK, "file.world-writable")
def _(w):
    complete(w.hub).blob("model.safetensors").chmod(0o666)


@case(34, "world-writable-by-policy", PERMISSION, "file.mode")
def _(w):
    complete(w.hub).blob("model.safetensors").chmod(0o666)
    w.policy(model="mode_mask = 0022")


@case(35, "ro-mount", OK)
def _(w):
    complete(w.hub)
    w.prefix = ["unshare", "--mount", "sh", "-c", f"mount --bind {w.hub} {w.hub} && mount -o remount,ro,bind {w.hub} && exec \"$0\" \"$@\""]
    w.root = True


@case(36, "lock-left", OK)
def _(w):
    repo = complete(w.hub)
    lock = w.hub / ".locks" / repo.folder.name / "abc.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()


@case(37, "lock-held", OK)
def _(w):
    import fcntl

    repo = complete(w.hub)
    lock = w.hub / ".locks" / repo.folder.name / "abc.lock"
    lock.parent.mkdir(parents=True)
    w.held = lock.open("w")
    fcntl.flock(w.held, fcntl.LOCK_EX)


@case(38, "extra-level", MISSING, "model.elsewhere")
def _(w):
    complete(w.hub)
    w.vars = {"HF_HOME": None, "HF_HUB_CACHE": str(w.path / "home")}


@case(39, "missing-level", MISSING, "model.elsewhere")
def _(w):
    complete(w.path / "home")


@case(40, "case-mismatch", MISSING, "model.name")
def _(w):
    complete(w.hub, "org/M")
    w.policy(repo="Org/M")


@case(41, "dataset-type", MISSING, "model.name")
def _(w):
    Repo(w.hub, kind="datasets").all().ref()


@case(42, "legacy-root", MISSING, "model.missing")
def _(w):
    (w.hub / (sha256(b"url") + "." + sha256(b"etag"))).write_bytes(b"weights")


@case(43, "offline-no", ENVIRONMENT, "env.online", "env.conflict")
def _(w):
    complete(w.hub)
    w.policy(model="[environment]\noffline = require")
    w.vars = {"HF_HUB_OFFLINE": "no"}


@case(43, "offline-blank", ENVIRONMENT, "env.online", "env.value")
def _(w):
    complete(w.hub)
    w.policy(model="[environment]\noffline = require")
    w.vars = {"HF_HUB_OFFLINE": "true "}


@case(43, "offline-quotes", ENVIRONMENT, "env.online", "env.value")
def _(w):
    complete(w.hub)
    w.policy(model="[environment]\noffline = require")
    w.vars = {"HF_HUB_OFFLINE": '"1"'}


@case(44, "offline-or", ENVIRONMENT, "env.online")
def _(w):
    complete(w.hub)
    w.policy(model="[environment]\noffline = require")
    w.vars = {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"}


@case(45, "offline-empty", OK, absent=["env.online"])
def _(w):
    complete(w.hub)
    w.policy(model="[environment]\noffline = require")
    w.vars = {"HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "1"}


@case(46, "offline-datasets", OK, "env.conflict")
def _(w):
    complete(w.hub)
    w.policy(model="[environment]\noffline = require")
    w.vars = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "0"}


@case(47, "empty-location-home", ENVIRONMENT, "env.empty-path")
def _(w):
    complete(w.hub)
    w.vars = {"HF_HOME": ""}
    w.policy(extra=f"hub_cache = {w.hub}")


@case(47, "empty-location-cache", ENVIRONMENT, "env.empty-path")
def _(w):
    complete(w.hub)
    w.vars = {"HF_HUB_CACHE": ""}
    w.policy(extra=f"hub_cache = {w.hub}")


@case(48, "old-var", OK, "cache.disagree", "env.deprecated")
def _(w):
    complete(w.hub)
    w.vars = {"TRANSFORMERS_CACHE": "/x"}


@case(49, "int-var", ENVIRONMENT, "env.not-a-number")
def _(w):
    complete(w.hub)
    w.vars = {"HF_HUB_DOWNLOAD_TIMEOUT": "30s"}


@case(50, "hf_transfer", OK, "env.deprecated")
def _(w):
    complete(w.hub)
    w.vars = {"HF_HUB_ENABLE_HF_TRANSFER": "1"}


def plain(w, **options):
    folder = w.path / "model"
    folder.mkdir()
    for name, data in bert_files().items():
        (folder / name).write_bytes(data)
    w.policy(text=f"[policy]\nmode = offline\n[model m]\npath = {folder}\n" + options.get("model", ""))
    return folder


def metadata(folder, name, text):
    path = folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@case(51, "plain-dir", OK)
def _(w):
    plain(w)


@case(52, "plain-dir-metadata", OK, absent=["file.digest"])
def _(w):
    folder = plain(w)
    for name, data in bert_files().items():
        digest = sha256(data) if name.endswith("safetensors") else git_sha1(data)
        metadata(folder, name, f"{COMMIT}\n{digest}\n1700000000.0\n")
    w.args = ["--verify", "digest"]


@case(52, "plain-dir-metadata-differs", DATA, "file.digest")
def _(w):
    metadata(plain(w), "model.safetensors", f"{COMMIT}\n{'0' * 64}\n1700000000.0\n")
    w.args = ["--verify", "digest"]


@case(53, "plain-dir-bad-metadata", OK, "file.unverified")
def _(w):
    metadata(plain(w), "model.safetensors", f"{COMMIT}\nnonsense")
    w.args = ["--verify", "digest"]


@case(54, "plain-dir-links", DATA, "file.dangling-link")
def _(w):
    link = plain(w) / "model.safetensors"
    link.unlink()
    link.symlink_to("/root/.cache/huggingface/hub/models--org--m/blobs/abc")


@case(55, "sharded", DATA, "model.shard")
def _(w):
    files = bert_files()
    files["model-00001-of-00002.safetensors"] = files.pop("model.safetensors")
    files["model.safetensors.index.json"] = (
        b'{"metadata": {"total_size": 400}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
    )
    Repo(w.hub).all(files).ref()


@case(56, "zero-byte-init", OK)
def _(w):
    complete(w.hub).file("__init__.py", b"")
    w.policy(model="remote_code = allow")


@case(56, "zero-byte-weights", DATA, "file.empty")
def _(w):
    complete(w.hub).file("pytorch_model.bin", b"")


@case(57, "xet-named", OK, absent=["file.digest"])
def _(w):
    xet = sha256(b"some xet hash")
    files = bert_files()
    weights = files.pop("model.safetensors")
    repo = Repo(w.hub).all(files).file("model.safetensors", weights, blob=xet).ref()
    repo.manifest(**{"model.safetensors": {"xet_hash": xet}})
    w.args = ["--verify", "digest"]


@case(58, "js-snapshot", MISSING, "model.revision")
def _(w):
    Repo(w.hub).file("config.json", bert_files()["config.json"])
    Repo(w.hub, commit=OTHER).file("model.safetensors", safetensors())


@case(59, "rust-extras", OK)
def _(w):
    repo = complete(w.hub)
    name = repo.blob("model.safetensors").name
    (repo.folder / "blobs" / f"{name}.lock").touch()
    (repo.folder / "blobs" / f"{name}.sync.part").write_bytes(struct.pack("<Q", 0))


@case(60, "stray-root-files", OK)
def _(w):
    complete(w.hub)
    (w.hub / "version.txt").write_text("1")
    (w.hub / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    (w.hub / ".locks").mkdir()


@case(61, "etag-suffix", OK, "file.unverified")
def _(w):
    files = bert_files()
    config = files.pop("config.json")
    Repo(w.hub).all(files).file("config.json", config, blob=git_sha1(config) + "-gzip").ref()
    w.args = ["--verify", "digest"]


@case(61, "etag-suffix-strict", DATA, "file.unverified")
def _(w):
    files = bert_files()
    config = files.pop("config.json")
    Repo(w.hub).all(files).file("config.json", config, blob=git_sha1(config) + "-gzip").ref()
    w.policy(model="[severity]\nfile.unverified = error")
    w.args = ["--verify", "digest"]


@case(62, "hardlinked", OK)
def _(w):
    repo = complete(w.hub)
    os.link(repo.blob("model.safetensors"), w.path / "second")


@case(63, "shadow-dir", OK, "model.shadowed")
def _(w):
    complete(w.hub)
    (w.path / "org" / "m").mkdir(parents=True)


for _index, _id in enumerate(["../x", "a/b/c", "a--b", "x.git", "a" * 97, "-a/b", "a/b.", "a..b", "a/b c"]):

    @case(64, f"bad-id-{_index}", POLICY, "policy.value")
    def _(w, repo=_id):
        w.policy(repo=repo)


@case(64, "bad-id-empty", POLICY, "policy.value")
def _(w):
    w.policy(text="[model m]\nrepo =\n")


def test_every_number_has_a_case():
    assert {int(name[:2]) for name in CASES} == set(range(1, 65))


@pytest.mark.parametrize("name", sorted(CASES))
def test_case(world, name, request):
    build, status, codes, absent = CASES[name]
    world.args, world.vars, world.prefix, world.root = [], {}, [], False
    build(world)
    if world.root:
        request.getfixturevalue("need_root")
    result = world.check(*world.args, env=world.vars, prefix=world.prefix)
    assert result.status == status, result
    assert set(codes) <= result.codes(), result
    assert not set(absent) & result.codes(), result


@pytest.mark.parametrize("seed", range(6))
def test_digests_of_files_side_by_side(world, seed):
    """Files are hashed two at a time on a core: of any sizes, and each verdict is its own file's."""
    import random

    generator = random.Random(seed)
    sizes = [(1 << 20) + generator.choice([0, 1, 63, 64, 65, 262143, 262144, 262145, generator.randrange(3 << 20)]) for _ in range(7)]
    files = {f"w{i}.bin": generator.randbytes(size) for i, size in enumerate(sizes)}
    repo = complete(world.hub).all(files)
    world.policy(extra="verify = digest", model="[severity]\nmodel.pickle = off")
    assert world.check().status == 0, sizes
    wrong = generator.sample(sorted(files), 3)
    for name in wrong:
        data = bytearray(files[name])
        data[generator.randrange(len(data))] ^= 1
        repo.blob(name).write_bytes(data)
    found = {f["path"] for f in world.check().report["findings"] if f["code"] == "file.digest"}
    assert found == set(wrong), sizes
