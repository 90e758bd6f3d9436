# SPDX-License-Identifier: Apache-2.0
"""Hostile input is normal input: each gives a finding or an error that names it; none crashes, hangs, reads without
bound or passes."""

import json
import os
import random
import stat
import struct
import threading

import pytest
from models import Repo, bert_files, complete, gguf, onnx, safetensors


def model(world, **files):
    return Repo(world.hub).all({**bert_files(), **{name.replace("__", "."): data for name, data in files.items()}}).ref()


def indexed(world, index):
    """No whole set beside it, before which nobody opens an index."""
    files = bert_files()
    files["w.safetensors"] = files.pop("model.safetensors")
    return Repo(world.hub).all({**files, "model.safetensors.index.json": index}).ref()


def refused(world, code, status=65, **options):
    result = world.check(**options)
    assert result.status == status, result
    return result.finding(code)


def header(text, rest=b""):
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack("<Q", len(data)) + data + rest


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize("data, code, words", [
    (struct.pack("<Q", 1 << 63) + b"{}", "file.header", "100 MB"),
    (struct.pack("<Q", 99_999_999) + b"{", "file.truncated", "missing"),
    (b"\1\2\3", "file.header", "too short"),
    (header(b"[1]"), "file.header", "not the JSON"),
    (header(b'{"a"'), "file.header", "not the JSON"),
    (header(b" {}"), "file.header", "not the JSON"),
    (header({"a": F32}, b"x" * 7), "file.truncated", "1 bytes are missing"),
    (header({"a": F32}, b"x" * 9), "file.trailing", "1 bytes after"),
    (header({"a": {**F32, "data_offsets": [4, 12]}}, b"x" * 12), "file.header", "holes"),
    (header({"a": F32, "b": {**F32, "data_offsets": [4, 12]}}, b"x" * 12), "file.header", "overlap"),
    (header({"a": {**F32, "data_offsets": [8, 0]}}, b"x" * 8), "file.header", "holes"),
    (header({"a": {**F32, "shape": [1 << 62, 1 << 62]}}, b"x" * 8), "file.header", "fit"),
    (header({"a": {**F32, "data_offsets": [0, (1 << 64) - 1]}}, b"x" * 8), "file.header", ""),
    (header({"a": {**F32, "data_offsets": [0, -8]}}, b"x" * 8), "file.header", "not the JSON"),
    (header({"a": {"dtype": "F32"}}), "file.header", "not the JSON"),
    (header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}', b"x" * 16), "file.header", "twice"),
    (header(b'{"a":' * 100_000), "file.header", "not the JSON"),
    (header({"__metadata__": {"a": {"b": 1}}}), "file.header", "not the JSON"),
    (b"<html>" + b" " * 100, "file.error-page", "HTML"),
])
def test_safetensors(world, data, code, words):
    model(world, model__safetensors=data)
    assert words in refused(world, code)["message"]


def test_safetensors_cut_at_each_byte(world):
    """Every prefix of a file is refused, and so is every extension."""
    whole = safetensors({"a.weight": 3})
    blob = model(world, model__safetensors=whole).blob("model.safetensors")
    for length in range(0, len(whole), 7):
        blob.write_bytes(whole[:length])
        assert world.check().status == 65, length
    blob.write_bytes(whole + b"x")
    assert world.check().status == 65


def test_gguf_cut_at_each_byte(world):
    whole = gguf()
    repo = Repo(world.hub).file("m.gguf", whole).ref()
    assert world.check().status == 0
    for length in [*range(1, len(whole) - 32, 11)]:
        repo.blob("m.gguf").write_bytes(whole[:length])
        assert world.check().status == 65, length


@pytest.mark.parametrize("data, code", [
    (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "file.header"),
    (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "file.header"),
    (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "file.header"),
    (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "file.header"),
    (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 62) + b"x" * 64, "file.truncated"),
    (gguf(keys=[("general.alignment", 4, struct.pack("<I", 3))]), "file.header"),
    (gguf(keys=[("a", 9, struct.pack("<IQ", 8, 1 << 40))]), "file.header"),
    (gguf(keys=[("a", 9, struct.pack("<IQ", 9, 1))]), "file.header"),
    (b"<!DOCTYPE html>" + b"x" * 100, "file.error-page"),
    (b"no magic at all" * 10, "file.error-page"),
    (b"no\0magic" * 10, "file.header"),
])
def test_gguf(world, data, code):
    Repo(world.hub).file("m.gguf", data).ref()
    refused(world, code)


def test_split_gguf_with_a_part_missing(world):
    keys = [("split.no", 2, struct.pack("<H", 0)), ("split.count", 2, struct.pack("<H", 2))]
    Repo(world.hub).file("m-00001-of-00002.gguf", gguf(keys=keys)).ref()
    assert refused(world, "file.split")["path"] == "m-00002-of-00002.gguf"


@pytest.mark.parametrize("data, code", [
    (onnx()[:-3], "file.truncated"), (b"\xff" * 64, "file.header"), (b"plain text, not protobuf", "file.error-page"),
    (onnx(("../../secret", 0, 1)), "file.header"), (onnx(("weights.data", 0, 8)), "file.truncated"),
])
def test_onnx(world, data, code):
    Repo(world.hub).file("model.onnx", data).ref()
    refused(world, code)


def test_onnx_external_data(world):
    repo = Repo(world.hub).file("onnx/model.onnx", onnx(("model.onnx_data", 8, 8))).file("onnx/model.onnx_data", b"x" * 16).ref()
    assert world.check().status == 0
    repo.blob("onnx/model.onnx_data").write_bytes(b"x" * 15)
    assert "15" in refused(world, "file.truncated")["message"]


@pytest.mark.parametrize("text, code", [
    (b"[" * 100_000, "file.not-json"), (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "file.not-json"), (b'{"a": "\xff\xfe"}', "file.not-json"),
    (b"{} {}", "file.not-json"), (b"{'a': 1}", "file.not-json"), (b"", "file.empty"), (b'{"a": 1', "file.not-json"), (b"{" + b" " * 300_000, "file.not-json"),
], ids=range(8))
@pytest.mark.parametrize("name", ["config__json", "tokenizer__json"])
def test_json(world, name, text, code):
    model(world, **{name: text})
    refused(world, code)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "", "a\\..\\..\\b", "x\0y", "a\nb"])
def test_shard_index_that_leads_out(world, name):
    indexed(world, json.dumps({"weight_map": {"t": name, "u": "w.safetensors"}}).encode())
    result = world.check()
    assert result.status == 65 and "names [" in result.finding("model.index")["message"], result
    assert "root:" not in result.out


@pytest.mark.parametrize("index", [b"{}", b"[]", b'{"weight_map": 1}', b'{"weight_map": {"a": 1}}', b'{"weight_map": {}}',
                                   json.dumps({"weight_map": {f"t{i}": f"s{i}" for i in range(5000)}}).encode()])
def test_shard_index_of_another_shape(world, index):
    indexed(world, index)
    refused(world, "model.index")


@pytest.mark.parametrize("path", ["../../../x", "/abs", "a/./b", "a//b", "", "x" * 5000])
def test_manifest_that_leads_out(world, path):
    complete(world.hub).manifest({path: b"data"} if len(path) < 1000 else None)
    if len(path) > 1000:
        Repo(world.hub).manifest(text=json.dumps({"format_version": 1, "files": {path: {"size": 1, "blob_id": "0" * 40}}}))
    assert "cache.manifest" in world.check().codes()


def test_special_files_named_like_weights(world, need_root):
    snapshot = complete(world.hub).snapshot
    os.mkfifo(snapshot / "a.safetensors")
    os.mknod(snapshot / "b.bin", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.mknod(snapshot / "c.json", stat.S_IFBLK | 0o666, os.makedev(7, 200))
    (snapshot / "d.json").symlink_to("/dev/zero")
    result = world.check("--verify", "digest")
    assert result.status == 65 and len([f for f in result.report["findings"] if f["code"] == "file.special"]) == 4, result


NASTY = ["new\nline.json", "\x1b[31mred.json", "tab\there.json", b"bad\xff\xfe.json", "quote\".json", "back\\slash.json", "\u202eright.json",
         "::error::x.json", "]]>.json", "\u0085next.json"]


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_names_are_escaped_in_every_report(world, name):
    snapshot = complete(world.hub).snapshot
    with open(os.fsencode(snapshot) + b"/" + (name if isinstance(name, bytes) else name.encode()), "wb") as file:
        file.write(b'{"cut": ')
    report = world.check().report
    raw = world.check().out
    human = world.run("check", "-p", str(world.policy_file)).out
    for text in (raw, human):
        assert all(c == "\n" or c.isprintable() for c in text), repr(text)
        text.encode("utf-8")
    assert any(f["code"] == "file.not-json" for f in report["findings"])


def test_deep_folders_and_long_names(world):
    snapshot = complete(world.hub).snapshot
    deep = snapshot
    here = os.getcwd()
    try:
        os.chdir(snapshot)
        for _ in range(200):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        open("x.json", "w").close()
    finally:
        os.chdir(here)
    assert world.check().status == 0
    os.system(f"rm -rf '{deep}/{'d' * 200}'")


def test_link_to_the_parent_does_not_loop(world):
    snapshot = complete(world.hub).snapshot
    (snapshot / "up").symlink_to("..")
    (snapshot / "self").symlink_to(".")
    assert world.check().status in (0, 65)


def test_files_that_change_while_they_are_looked_at(world):
    """No crash, no hang, and never a pass of what was broken all the time."""
    repo = model(world)
    (repo.snapshot / "tokenizer.json").resolve().write_bytes(b"{broken")
    target, stop = repo.blob("model.safetensors"), threading.Event()
    whole = safetensors({"w": 200_000})

    def churn():
        chance = random.Random(1)
        while not stop.is_set():
            target.write_bytes(whole[: chance.randrange(len(whole))])

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for level in ["structure", "digest"] * 10:
            assert world.check("--verify", level).status == 65
    finally:
        stop.set()
        thread.join()


def test_a_hundred_broken_files_are_counted_not_listed(world):
    repo = complete(world.hub)
    for i in range(100):
        repo.file(f"c{i}.json", b'{"x": %d' % i)
    result = world.check()
    found = [f for f in result.report["findings"] if f["code"] == "file.not-json"]
    assert len(found) == 9 and found[-1]["message"] == "92 more like these"


def test_secrets_are_never_printed(world):
    complete(world.hub)
    token = "hf_ThisIsASecretTokenValue"
    (world.path / "home" / "token").write_text(token)
    env = {"HF_TOKEN": token, "HUGGING_FACE_HUB_TOKEN": token + "x", "HUGGINGFACE_TOKEN": token, "MY_PASSWORD": token, "HF_TOKEN_PATH": str(world.path / "home/token")}
    world.policy(model="[environment set]\nAPI_TOKEN = " + token)
    for args in (["check", "-v"], ["check", "--format", "json"], ["explain"]):
        result = world.run(*args, "-p", str(world.policy_file), env=env)
        assert token not in result.out + result.err, args
    assert {"env.secret", "env.token-value", "secret.readable"} <= world.check(env=env).codes()


def test_openat2_forbidden(world):
    """gVisor, old kernels and seccomp profiles have no openat2: the walk by hand gives the same answers."""
    prefix = [str(world.path.parent / "without-openat2")]
    import subprocess
    from conftest import ROOT

    subprocess.run(["gcc", "-O1", "-o", prefix[0], ROOT / "tests/programs/forbid.c"], check=True)
    complete(world.hub)
    assert world.check(prefix=prefix).status == 0
    (Repo(world.hub).snapshot / "extra.json").symlink_to("/etc/passwd")
    assert "file.link-escapes" in world.check(prefix=prefix).codes()
    (Repo(world.hub).snapshot / "loop.json").symlink_to("loop.json")
    assert {"file.link-escapes", "file.link-loop"} <= world.check(prefix=prefix).codes()


def test_renames_elsewhere(world):
    """openat2(2) answers EAGAIN while anybody in the system renames or mounts: that is no fault of the model."""
    complete(world.hub)
    strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=openat2", "-e"]
    for when in ("2+2", "2+"):   # the first call is the look whether there is openat2 at all
        assert world.check(prefix=[*strace, f"inject=openat2:error=EAGAIN:when={when}"], env={"ASAN_OPTIONS": "detect_leaks=0"}).status == 0


@pytest.mark.parametrize("error, words", [("ENOSYS", "the kernel has no Landlock"), ("EOPNOTSUPP", "started without it"), ("EPERM", "seccomp profile forbids")])
def test_landlock_withheld(world, error, words):
    import subprocess
    from conftest import ROOT

    program = str(world.path.parent / "without-landlock")
    subprocess.run(["gcc", "-O1", "-o", program, f"-DLANDLOCK={error}", ROOT / "tests/programs/forbid.c"], check=True)
    complete(world.hub)
    result = world.check(prefix=[program])
    assert result.status == 0 and words in result.finding("confine.unavailable")["message"]
    assert result.report["confinement"]["inspector_landlock"] is False


def test_what_the_walk_has_not_met_yet_is_not_missing(world):
    """Parts, external data and shards may come before or after the file that names them, in any order of the folder."""
    repo = complete(world.hub)
    for i in range(40):
        repo.file(f"o{i}.onnx", onnx((f"o{i}.weights", 0, 8))).file(f"o{i}.weights", b"%08d" % i)
        keys = [("split.no", 2, struct.pack("<H", 0)), ("split.count", 2, struct.pack("<H", 2))]
        repo.file(f"g{i}-00001-of-00002.gguf", gguf(keys=keys)).file(f"g{i}-00002-of-00002.gguf", gguf({"t": 8 + i}))
        repo.file(f"s{i}.safetensors.index.json", json.dumps({"weight_map": {"t": f"s{i}-part.safetensors"}}).encode())
        repo.file(f"s{i}-part.safetensors", safetensors({"t": 4 + i}))
    result = world.check()
    assert result.status == 0, result


def test_every_shard_index_is_checked(world):
    """However many indexes a model has, and however long their names are."""
    repo = complete(world.hub)
    folder = "f" * 200
    for i in range(30):
        repo.file(f"{folder}/{'n' * 60}{i}.safetensors.index.json", json.dumps({"weight_map": {"t": "part.safetensors"}}).encode())
    repo.file(f"{folder}/part.safetensors", safetensors())
    assert world.check().status == 0
    (repo.snapshot / folder / f"{'n' * 60}29.safetensors.index.json").resolve().write_text(json.dumps({"weight_map": {"t": "part.safetensors", "u": "absent.safetensors"}}))
    assert refused(world, "model.shard")["path"] == f"{folder}/absent.safetensors"
