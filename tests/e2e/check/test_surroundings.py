# SPDX-License-Identifier: Apache-2.0
"""Kinds of finding about the surroundings, and those that no other test brings about."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import cgroups
import pytest
from confining import program
from models import Repo, bert_files, complete, gguf, safetensors
from world import missing


def finding(world, code, status=None, **options):
    result = world.check(**options)
    if status is not None:
        assert result.status == status, result
    return result.finding(code)


def test_home_that_cannot_serve(world, need_root):
    env = {"HF_HOME": None, "HOME": "/"}
    assert "HOME is /" in finding(world, "cache.home", 66, env=env)["message"]
    world.policy(extra="user = daemon")
    assert "home of daemon is /usr/sbin" in finding(world, "cache.home", env={"HF_HOME": None})["message"]


def test_modules_must_be_writable_for_remote_code(world, need_root):
    complete(world.hub)
    world.policy(model="remote_code = allow", extra="user = 1000:1000")
    assert "HF_MODULES_CACHE" in finding(world, "cache.not-writable", 77)["message"]
    modules = world.path / "modules"
    modules.mkdir(), os.chown(modules, 1000, 1000)
    assert world.check(env={"HF_MODULES_CACHE": str(modules)}).status == 0


def test_ephemeral_cache(world, need_root):
    complete(world.hub)
    world.policy(mode="auto")
    prefix = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs tmpfs {world.hub} && exec "$0" "$@"']
    assert "tmpfs" in finding(world, "cache.ephemeral", prefix=prefix)["message"]


def test_an_empty_mount_hides_the_models(world, need_root):
    complete(world.hub)
    prefix = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs tmpfs {world.hub} && exec "$0" "$@"']
    assert f"a tmpfs mount at {world.hub} hides" in finding(world, "model.missing", 66, prefix=prefix)["message"]


def test_mounts_are_told_by_type(world, need_root):
    (world.path / "data").mkdir()
    prefix = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs tmpfs {world.path}/data && exec "$0" "$@"']
    for pattern, status in (("tmpfs", 0), ("*", 0), ("ext4, tmp*", 0), ("fuse*", 76)):
        assert world.policy(f"[paths]\nmount.{world.path}/data = {pattern}\n").check(prefix=prefix).status == status, pattern
    assert world.check().finding("paths.not-mounted")


def test_full_disks(world, need_root):
    (world.path / "data").mkdir()
    prefix = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=1m tmpfs {world.path}/data && exec "$0" "$@"']
    world.policy(f"[paths]\nfree.{world.path}/data = 4G\n")
    assert "has 1.0 MB free" in finding(world, "paths.full", 74, prefix=prefix)["message"]
    prefix[-1] = f'mount -t tmpfs -o nr_inodes=20 tmpfs {world.path}/data && exec "$0" "$@"'
    world.policy(f"[paths]\nfree.{world.path}/data = 1k\n")
    assert "free inodes" in finding(world, "paths.full", 74, prefix=prefix)["message"]


def test_writable_folders(world, need_root):
    world.policy(f"[policy]\nuser = 1000:1000\n[paths]\nwritable = /tmp, {world.path}\n")
    result = world.check()
    assert result.status == 77 and [f["path"] for f in result.report["findings"] if f["code"] == "paths.not-writable"] == [str(world.path)]


@pytest.mark.parametrize("user", [None, 1000])
def test_an_old_profile_answers_faccessat2(world, need_root, user):
    """Docker's before 20.10 says EPERM to a call that it does not know, which is no refusal of the directory."""
    prefix = [program(world, "-DCALL=439", "-DANSWER=EPERM"), *(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else [])]
    (world.path / "closed").mkdir(mode=0o555)
    world.policy(f"[paths]\nwritable = /tmp, {world.path}/closed\n")
    result = world.check(prefix=prefix)
    refused = [f["path"] for f in result.report["findings"] if f["code"] == "paths.not-writable"]
    assert refused == ([f"{world.path}/closed"] if user else []) and result.status == (77 if user else 0), result


def test_proxies_and_bundles(world):
    world.policy(mode="online", repo="org/m")
    assert finding(world, "env.proxy", env={"HTTPS_PROXY": "http://u:p@proxy:1"})
    assert "/no/such.pem" in finding(world, "env.ca-bundle", env={"SSL_CERT_FILE": "/no/such.pem"})["message"]


def test_token_file_in_the_image(world):
    token = world.path / "home" / "token"
    token.write_text("hf_x")
    token.chmod(0o600)
    complete(world.hub)
    assert finding(world, "secret.file", 0)["path"] == str(token)
    token.chmod(0o644)
    assert finding(world, "secret.readable", 77)


def test_forbidden_variables(world):
    world.policy("[environment forbid]\nDEBUG = *\n")
    assert finding(world, "env.forbidden", 76, env={"DEBUG": "0"})["path"] == "DEBUG"


def test_adapter_and_its_base(world):
    Repo(world.hub).all({"adapter_config.json": b'{"base_model_name_or_path": "org/base"}', "adapter_model.safetensors": safetensors()}).ref()
    assert "org/base" in finding(world, "model.base", 66)["message"]
    complete(world.hub, "org/base")
    assert world.check().status == 0


def test_weights_without_configuration(world):
    Repo(world.hub).file("model.safetensors", safetensors()).ref()
    assert finding(world, "model.no-config", 0)
    world.policy(model="require = *.safetensors")
    assert world.check().status == 0


def test_sentence_transformers_parts(world):
    files = {**bert_files(), "1_Pooling/config.json": b"{}"}
    repo = Repo(world.hub).all(files).ref()
    assert "other vectors" in finding(world, "model.part", 65)["message"]
    repo.file("modules.json", json.dumps([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}, {"path": "3_Normalize", "type": "x.Normalize"},
                                          {"path": "../x", "type": "y"}]).encode())
    messages = " ".join(f["message"] for f in world.check().report["findings"] if f["code"] == "model.part")
    assert "2_Dense" in messages and "[../x]" in messages and "3_Normalize" not in messages


def test_diffusers_parts(world):
    index = {"_class_name": "P", "unet": ["diffusers", "UNet"], "vae": ["diffusers", "VAE"], "safety_checker": [None, None]}
    repo = Repo(world.hub).file("model_index.json", json.dumps(index).encode()).file("unet/config.json", b"{}").file("unet/w.safetensors", safetensors()).ref()
    assert finding(world, "model.part", 65)["path"] == "vae"
    repo.file("vae/config.json", b"{}")
    assert "no weights" in finding(world, "model.part", 65)["message"]
    repo.file("vae/w.safetensors", safetensors())
    assert world.check().status == 0


def test_tokenizer_and_python_files(world):
    files = bert_files()
    del files["tokenizer.json"]
    Repo(world.hub).all({**files, "handler.py": b"pass"}).ref()
    assert {"model.tokenizer", "model.python-file"} <= world.check().codes()


def test_formats(world):
    complete(world.hub).file("pytorch_model.bin", b"PK\3\4 torch PK\5\6" + b"\0" * 18)
    assert "executes code" in finding(world, "model.pickle", 0)["message"]
    world.policy(model="formats = safetensors")
    assert "pickle" in finding(world, "model.format", 65)["message"]
    world.policy(model="formats = gguf, pickle")
    assert "is safetensors" in finding(world, "model.format", 65)["message"]


def test_pickle_is_told_by_its_bytes(world):
    complete(world.hub).file("innocent.json", b"\x80\x04\x95rest")
    world.policy(model="formats = safetensors")
    assert finding(world, "model.format", 65)["path"] == "innocent.json"


def test_a_torch_archive_without_its_end(world):
    complete(world.hub).file("pytorch_model.bin", b"PK\3\4" + b"x" * 1000)
    assert "zip archive" in finding(world, "file.truncated", 65)["message"]


def test_zero_filled_tail(world):
    path = complete(world.hub).file("big.bin", b"x").blob("big.bin")
    with path.open("wb") as file:
        file.write(b"weights" * 1000)
        file.truncate(8 << 20)
    assert "all zero" in finding(world, "file.zero-tail", 0)["message"]


def test_unknown_tensor_types_are_notes(world):
    header = b'{"a":{"dtype":"Q17","shape":[3],"data_offsets":[0,8]}}'
    data = len(header).to_bytes(8, "little") + header + b"x" * 8
    Repo(world.hub).all({**bert_files(), "model.safetensors": data}).ref()
    assert finding(world, "file.unsized", 0)


def test_unreadable_disk_and_changed_files(world, need_root):
    """An overlay whose lower file system is gone, a volume that answers ESTALE: both are named, neither is a permission."""
    repo = complete(world.hub)
    (repo.snapshot / ("n" * 255)).write_text("x")
    assert world.check().status == 0
    blob = repo.folder / "blobs" / ("b" * 64)
    with blob.open("wb") as file:
        file.truncate(3_000_000_000)
    (repo.snapshot / "slow.bin").symlink_to(f"../../blobs/{'b' * 64}")
    import subprocess
    import time

    process = subprocess.Popen([world.binary, "check", "-p", str(world.policy_file), "--verify", "digest", "--format", "json"], env=world.env, stdout=subprocess.PIPE)
    time.sleep(0.3)
    with blob.open("ab") as file:
        file.truncate(1000)
    out, _ = process.communicate(timeout=120)
    assert any(f["code"] == "file.changed" for f in json.loads(out)["findings"]) and process.returncode == 65


def test_a_root_that_links_lead_out_of(world, need_root):
    root = world.path / "image"
    complete(root / "hub")
    (root / "etc").mkdir()
    (root / "link").symlink_to("/hub")                 # inside the image
    (root / "out").symlink_to("../../../../../../hub")   # stops at the image's root
    for cache in ("/hub", "/link", "/out"):
        result = world.policy(f"[policy]\nhub_cache = {cache}\n[model m]\nrepo = org/m\n[severity]\ncache.path-mismatch = off\n").check("--root", str(root))
        assert result.status == 0, (cache, result)
    assert world.check("--root", "/no/such/root").status == 64


@pytest.mark.parametrize("row", ["manifest = models.txt", "lock = models.txt"])
def test_an_images_policy_by_its_name_here_reads_nothing_of_here(world, need_root, row):
    root = world.path / "image"
    (root / "etc/aweigh").mkdir(parents=True)
    (world.path / "host.txt").write_text("SUPERSECRETLINE = host only\n")
    (root / "etc/aweigh/models.txt").symlink_to(world.path / "host.txt")
    (root / "etc/aweigh/policy.ini").write_text(f"[policy]\n{row}\n[model m]\npath = /m\n")
    result = world.run("check", "--root", str(root), "-p", str(root / "etc/aweigh/policy.ini"))
    assert result.status == 78 and "host only" not in result.out and "No such file" in result.out, result
    (root / "etc/aweigh/policy.ini").unlink()
    (root / "etc/aweigh/policy.ini").symlink_to(world.path / "host.txt")
    result = world.run("check", "--root", str(root), "-p", str(root / "etc/aweigh/policy.ini"))
    assert result.status == 78 and "SUPERSECRETLINE" not in result.out, result


def test_nothing_is_waited_for_beneath_a_root(world, need_root):
    (world.path / "image/etc/aweigh").mkdir(parents=True)
    (world.path / "image/etc/aweigh/policy.ini").write_text("[policy]\nwait = 24h\n[model m]\npath = /m\n")
    result = world.run("check", "--root", str(world.path / "image"))
    assert result.status == 66 and "gate.wait" not in result.out, result


def test_files_that_refuse_alike_are_one_line(world, need_root):
    folder = world.path / "model"
    folder.mkdir()
    for name, data in {**bert_files(), "a.txt": b"a", "b.txt": b"b", "c.txt": b"c"}.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)
    world.policy(f"[policy]\nuser = 65000:65000\n[model m]\npath = {folder}\n")
    out = world.run("check", "-p", str(world.policy_file)).out
    assert out.count("file.unreadable") == 1 and out.count("fix ") == 1 and "and 3 more: refuses uid 65000" in " ".join(out.split()), out
    assert f"chmod -R a+rX {folder}" in " ".join(out.split())


def test_without_the_right_to_change_user(world, need_root):
    complete(world.hub)
    world.policy(extra="user = 1000:1000")
    result = world.check(user=1234, group=1234)
    assert result.status == 77 and "uid 1234 and may not become uid 1000" in result.finding("confine.identity")["message"]
    assert result.report["confinement"]["inspector_is_service_user"] is False


def test_inspector_trouble_is_a_finding(world, need_root):
    """No process to be had: a pids limit. The gate says so and starts nothing."""
    import resource

    no_leak_check = {"ASAN_OPTIONS": "detect_leaks=0"}   # it would need a process of its own
    result = world.check(user=4321, group=4321, env=no_leak_check, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (0, 0)))
    assert result.status == 75 and ("inspector" in result.out + result.err)


OTHER_CODES = ["file.io-error", "gate.inspector"]   # need a failing disk, a dying inspector: seen in test_signals by their words


def test_memory_that_cannot_hold_the_model(world, need_root):
    complete(world.hub)
    limit = 'mount -t tmpfs tmpfs /sys/fs/cgroup && echo {} > /sys/fs/cgroup/memory.max'
    copy = f"mkdir {world.path}/keep && cp -a {world.hub}/. {world.path}/keep && mount -t tmpfs tmpfs {world.hub} && cp -a {world.path}/keep/. {world.hub}"

    def under(*steps):
        return world.check(prefix=["unshare", "--mount", "sh", "-c", " && ".join([*steps, 'exec "$0" "$@"'])])

    assert "memory limit is 100 bytes" in under(limit.format(100)).finding("model.memory")["message"]
    assert not {"model.memory", "model.tmpfs"} & under(limit.format(10_000_000)).codes()
    assert "count as memory" in under(copy, limit.format(10_000_000)).finding("model.tmpfs")["message"]
    (world.path / "keep").rename(world.path / "kept")
    assert "count twice" in under(copy, limit.format(1000)).finding("model.memory")["message"]


@pytest.mark.parametrize("place", ["its own", "above it"])
def test_the_limit_of_a_group(world, need_root, place):
    """As the kernel of this machine has its groups, version 1 or 2: what a group above allows, nobody below has more of."""
    repo = Repo(world.hub).all({**bert_files(), "model.safetensors": safetensors({"w": 25_000_000})}).ref()
    groups = cgroups.make(f"aweigh-above-{os.getpid()}")
    try:
        counting = [g for g in groups if os.path.exists(f"{g}/memory.limit_in_bytes") or os.path.exists(f"{g}/memory.max")]
        if not counting:
            missing("a memory controller for groups of a test")
        group, below = counting[0], f"{counting[0]}/below"
        if os.path.exists(f"{group}/memory.max"):
            Path(f"{group}/cgroup.subtree_control").write_text("+memory")
        os.mkdir(below)
        limited = below if place == "its own" else group
        for file in ("memory.limit_in_bytes", "memory.max"):
            if os.path.exists(f"{limited}/{file}"):
                Path(f"{limited}/{file}").write_text(str(64 << 20))
        result = world.check(prefix=["sh", "-c", f'echo $$ > {below}/cgroup.procs && exec "$0" "$@"'])
        assert "memory limit is 67.1 MB" in result.finding("model.memory")["message"], result
    finally:
        cgroups.remove(groups)
    assert repo.snapshot.exists() and "model.memory" not in world.check().codes()


@pytest.mark.parametrize("limit, least, words", [("-n", 24, "open files"), ("-s", 256, "bytes of stack")])
def test_less_room_than_it_needs(world, limit, least, words):
    """One less is told; with what is said it works, at the closest level."""
    complete(world.hub)
    world.policy("[policy]\nmode = offline\nverify = digest\n[model m]\nrepo = org/m\n")
    enough = [] if "sanitize" in world.binary else [(least, 0)]   # whose frames are larger
    for allowed, status in [(least - 1, 71), *enough]:
        shell = ["bash", "-c", f'ulimit {limit} {allowed} && exec "$@"', "bash"]
        result = world.check(prefix=shell)
        assert result.status == status and (status == 0 or f"{words} (" in result.err), result


@pytest.mark.parametrize("ending", ["model", "spm", "npy", "hdf5", "skops", "keras", "h5", "ubj", "txt", "dat"])
def test_no_name_hides_an_archive_of_pickles(world, ending):
    repo = complete(world.hub)
    with zipfile.ZipFile(world.path / "archive", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    repo.file(f"tokenizer.{ending}", (world.path / "archive").read_bytes())
    assert "model.pickle" in world.check().codes()
    world.policy(model="formats = safetensors")
    assert "pickle" in finding(world, "model.format", 65)["message"]


def archive_of(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


GPT2 = b"lmgg" + struct.pack("<6i", 50257, 1024, 768, 12, 12, 1) + b"x" * 300
READ = {  # what its readers take, and what stands in it is no proof of a cut
    "another library's ggml": {"ggml-model-gpt-2-117M.bin": GPT2},
    "whisper.cpp's voice detector": {"ggml-silero-v5.1.2.bin": b"lmgg" + struct.pack("<i", 9) + b"silero-16" + b"\0" * 200},
    "LightGBM before 3": {"model.txt": b"tree\nversion=v2\nnum_class=1\n" + b"Tree=0\nnum_leaves=2\n" * 40},
    "a graph with a comment at its end": {"openvino_model.xml": b'<net name="m"></net>\n<!-- ' + b"x" * 300 + b" -->\n\n\0\0"},
    "an installed pipeline of spaCy": {"meta.json": b'{"spacy_version": ">=3.8.0,<3.9.0"}', "__init__.py": b"", "en-3.8/config.cfg": b"[nlp]\n"},
    "spaCy 2": {"meta.json": b'{"spacy_version": ">=2.3.0,<2.4.0"}', "vocab/strings.json": b"[]"},
    "HDF5 named .keras": {"model.keras": b"\x89HDF\r\n\x1a\n" + b"\1" * 100, "b.keras": b"x" * 1024 + b"\x89HDF\r\n\x1a\n" + b"\1" * 100},
    "an archive behind other bytes": {"model.skops": b"#!/usr/bin/env python3\n" + archive_of({"schema.json": b"{}"}), "model.keras": archive_of({"config.json": b"{}"}) + b"\n"},
    "UBJSON with a newline": {"model.ubj": b"{i\3abci\1}\n"},
    "UBJSON with a count": {"model.ubj": b"{#i\1i\3abci\1"},
    "words in a .model": {"tokenizer.model": b"\n{\n  " + b'"a": 1,\n' * 900},
    "HDF5 behind a block of the user's": {"model.h5": b"x" * 512 + b"\x89HDF\r\n\x1a\n" + b"\0" * 100},
    "an array of records": {"a.npy": b"\x93NUMPY\1\0\x76\0" + b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (99,), }".ljust(117) + b"\n"},
    "a link to within, by its whole path": {"b/config.json": b"{}"},
}


@pytest.mark.parametrize("name", READ)
def test_what_is_no_proof_refuses_nothing(world, name):
    for path, data in READ[name].items():
        (world.path / "m" / path).parent.mkdir(parents=True, exist_ok=True)
        (world.path / "m" / path).write_bytes(data)
    if "link" in name:
        (world.path / "m/config.json").symlink_to(world.path / "m/b/config.json")
    world.policy(f"[policy]\n[model m]\npath = {world.path}/m\n")
    result = world.check()
    assert result.status == 0, result


@pytest.mark.parametrize("name", ["model.keras", "model.skops"])
def test_what_no_reader_of_archives_takes(world, name):
    (world.path / "m").mkdir()
    (world.path / "m" / name).write_bytes(b"any bytes" * 100)
    result = world.policy(f"[policy]\n[model m]\npath = {world.path}/m\n").check()
    assert result.status == 65 and "is not an archive" in result.finding("file.header")["message"], result


def test_the_path_of_one_file_that_is_a_link(world):
    """What the policy names it names, wherever it lies; within a model a link that leads out is told."""
    (world.path / "real").mkdir()
    (world.path / "real/m.gguf").write_bytes(gguf())
    (world.path / "m.gguf").symlink_to(world.path / "real/m.gguf")
    (world.path / "mnt").mkdir()
    (world.path / "mnt/m.gguf").symlink_to("../real/m.gguf")
    for path in ("m.gguf", "mnt/m.gguf"):
        result = world.policy(f"[policy]\nverify = digest\n[model m]\npath = {world.path}/{path}\n").check()
        assert result.status == 0 and result.report["models"][0]["bytes"] == len(gguf()), result
    with (world.path / "real/m.gguf").open("r+b") as file:
        file.truncate(len(gguf()) - 40)
    assert world.check().status == 65


def test_a_sentence_has_its_subject(world):
    """Also where another file, whose name is longer, stands in it."""
    (world.path / "m").mkdir()
    (world.path / "m/v.onnx.json").write_bytes(b'{"phoneme_id_map": {}}')
    world.policy(f"[policy]\n[model m]\npath = {world.path}/m\n")
    result = world.run("check", "-p", str(world.policy_file))
    assert "v.onnx: is missing: v.onnx.json has its settings" in " ".join(result.out.split()), result


def test_beside_an_error_a_warning_says_that_it_is_one(world):
    """Without colours they would look alike; alone its block says so."""
    repo = complete(world.hub).file("pytorch_model.bin", b"\x80\x02" + b"x" * 100)
    human = world.run("check", "-p", str(world.policy_file))
    assert human.status == 0 and "warning: pytorch_model.bin" not in human.out and "model.pickle" in human.out, human
    repo.file("tokenizer.json", b"{")
    human = world.run("check", "-p", str(world.policy_file))
    assert human.status == 65 and "warning: pytorch_model.bin" in human.out and "error: " not in human.out, human


@pytest.mark.parametrize("end", ["/", "/.", "//"])
def test_one_file_with_a_slash_at_its_end_is_none(world, end):
    (world.path / "m.gguf").write_bytes(gguf())
    result = world.policy(f"[policy]\n[model m]\npath = {world.path}/m.gguf{end}\n").check()
    assert "is not a directory" in result.finding("model.missing")["message"], result


@pytest.mark.parametrize("rows, name", [("[service]\nremap.143 = 0", "remap"), ("[service]\nforward.SIGTERM = SIGINT", "forward"), ("[service]\ngrace = 1s", "grace"),
                                        ("[service]\nsignal_target = group", "signal_target"), ("[policy]\ngroups = 5, 6", "groups"), ("[policy]\nuser = unchanged\ngroups = 5", "groups")])
def test_what_has_no_effect_is_said(world, rows, name):
    world.policy(rows)
    result = world.check()
    assert result.status == 0 and result.finding("policy.idle")["message"].startswith(f"{name} has no effect without "), result
    world.policy(rows + "\n[severity]\npolicy.idle = error")
    assert world.check().status == 78
    for needed in ("[service]\ninit = yes", "[policy]\nuser = 1000:1000"):
        section, row = needed.split("\n")
        if rows.startswith(section):
            world.policy(rows.replace(section + "\n", needed + "\n").replace("user = unchanged\n", ""))
            assert "policy.idle" not in {f["code"] for f in world.check().report["findings"]}
