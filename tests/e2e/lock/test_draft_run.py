# SPDX-License-Identifier: Apache-2.0
"""aweigh draft -- COMMAND: the policy of what a service opens. It needs a kernel that tells of system calls (seccomp's notification)."""

import os
import subprocess
import sys

import pytest
from models import COMMIT, Repo, bert_files, gguf, minilm_files, safetensors
from test_draft import check, draft, lay
from world import HANG_LIMIT

OPENS = """
import os, signal, sys, time
for path in sys.argv[2:]:
    try: open(path).close()
    except OSError: pass
print("up", flush=True)
time.sleep(float(sys.argv[1]))
"""


def run_draft(world, *opened, args=("-p", "drafted.ini"), seconds=0, status=0, env=None, folders=()):
    command = [sys.executable, "-c", OPENS, str(seconds), *map(str, opened)]
    result = world.run("draft", *args, *map(str, folders), "--", *command, env={"HF_HUB_CACHE": str(world.hub), **(env or {})})
    assert result.status == status, result
    return result


def two_sets(world):
    return Repo(world.hub).all({**bert_files(), "pytorch_model.bin": b"x" * 3000, "README.md": b"hello"}).ref().snapshot


def test_what_a_service_opens_is_drafted(world):
    snapshot = two_sets(world)
    folder = lay(world.path / "plain", bert_files())
    used = [snapshot / "config.json", snapshot / "model.safetensors", folder / "config.json", folder / "model.safetensors", snapshot / "adapter_config.json",
            world.hub / "models--org--other/refs/main"]
    run_draft(world, *used)
    text = (world.path / "drafted.ini").read_text()
    assert text.count("[model ") == 2 and f"revision = {COMMIT}" in text and f"path     = {folder}" in text and "README" not in text and "pytorch" not in text, text
    for note in ("it looked for adapter_config.json in models--org--m", "it looked for models--org--other", "it ran without HF_HUB_OFFLINE=1", f"it ran with HF_HUB_CACHE={world.hub}"):
        assert f";   {note}" in text, text
    result = check(world)
    assert result.status == 0, (text, result)
    (snapshot / "pytorch_model.bin").unlink()
    (folder / "tokenizer.json").unlink()
    assert check(world).status == 0, "nobody opened them"
    for path in used[:4]:
        aside = path.rename(world.path / "aside")
        assert check(world).status in (65, 66), path
        aside.rename(path)
    assert check(world).status == 0


def test_a_run_gives_the_same_bytes(world):
    used = [two_sets(world) / "config.json", two_sets(world) / "model.safetensors"]
    (out,) = {run_draft(world, *used, args=()).out for _ in range(2)}
    stopped = {run_draft(world, *used, args=("--timeout", "1s"), seconds=60).out for _ in range(2)}
    (text,) = stopped
    assert [line for line in text.splitlines() if line not in out.splitlines()] == [line for line in text.splitlines() if "it was stopped before it ended" in line] != [], text


def test_a_drafted_service_starts_without_a_network(world):
    used = [two_sets(world) / "config.json", two_sets(world) / "model.safetensors"]
    run_draft(world, *used, args=("-p", "drafted.ini", "--ready", "log:up"), seconds=60)
    text = (world.path / "drafted.ini").read_text()
    assert "\n[service]\nready     = log:up\n" in text, text
    (world.path / "drafted.ini").write_text(text + "\n[confine]\negress = deny\n")
    command = [sys.executable, "-c", OPENS, "60", *map(str, used)]
    result = world.run("smoke", "-p", "drafted.ini", "--", *command, env={"HF_HUB_CACHE": str(world.hub)})
    assert result.status == 0, result


@pytest.mark.parametrize("command, args, status, words", [
    (["/bin/sh", "-c", "echo no such model; exit 3"], [], 71, "ended with status 3; its last line: no such model"),
    (["/bin/sh", "-c", "exit 0"], ["--ready", "log:up"], 71, "ended with status 0"),
    (["/bin/sleep", "60"], ["--ready", "log:up", "--timeout", "300ms"], 75, "not ready in time"),
    (["/bin/true"], [], 66, "no file of a model was opened"),
    (["nothing-of-that-name"], [], 127, "no such command"),
    (["/bin/true"], ["--ready", "http://192.0.2.1/"], 64, "--ready: 'http://192.0.2.1/' is another machine's"),
])
def test_a_run_that_is_no_model_of_itself(world, command, args, status, words):
    Repo(world.hub).all().ref()
    result = world.run("draft", "-p", "drafted.ini", *args, "--", *command)
    assert result.status == status and words in result.err and not (world.path / "drafted.ini").exists(), result


def test_weights_of_a_component_are_their_models(world):
    folder = lay(world.path / "st", {**minilm_files(), "2_Dense/model.safetensors": bert_files()["model.safetensors"], "2_Dense/config.json": b"{}"})
    text = run_draft(world, folder / "2_Dense/model.safetensors", folder / "modules.json", args=()).out
    assert text.count("[model ") == 1 and f"path     = {folder}\n" in text and "2_Dense/model.safetensors" in text, text


def test_folders_and_a_run(world):
    """What is named is taken whole, and what is opened besides joins it."""
    folder = lay(world.path / "plain", bert_files())
    text = run_draft(world, two_sets(world) / "model.safetensors", args=(), folders=[folder]).out
    assert text.count("[model ") == 2 and "tokenizer.json" in text and "revision" in text, text


def test_a_stop_request_ends_a_run_without_a_draft(world):
    with subprocess.Popen([world.binary, "draft", "-p", "drafted.ini", "--", "/bin/sh", "-c", "echo up; exec sleep 60"], env=world.env, cwd=world.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        process.terminate()
        assert process.wait(HANG_LIMIT) == 143
    assert not (world.path / "drafted.ini").exists()


def test_where_a_run_cannot_be_observed(world):
    """Under an observer already: nothing can be told of what it opens."""
    Repo(world.hub).all().ref()
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    inner = f"{world.binary} draft -p drafted.ini -- /bin/true 2>said; test $? = 71"
    assert world.run("smoke", "-p", str(world.policy_file), "--", "/bin/sh", "-c", inner).status == 0
    assert "name the folders instead" in (world.path / "said").read_text() and not (world.path / "drafted.ini").exists()


# What a run must not do

def test_the_services_output_is_no_part_of_the_policy(world):
    snapshot = two_sets(world)
    result = world.run("draft", "--", sys.executable, "-c", f"print('[environment set]\\nLD_PRELOAD = /x.so'); open({str(snapshot / 'config.json')!r})", env={"HF_HUB_CACHE": str(world.hub)})
    assert result.status == 0 and "LD_PRELOAD" not in result.out and "LD_PRELOAD = /x.so\n" in result.err, result


def test_a_cache_with_a_name_that_commands(world):
    """A path that a model names itself, and its library opens."""
    cache = world.path / "x\n[environment set]\nLD_PRELOAD = evil.so\n;"
    snapshot = Repo(cache, "a/b").all().ref().snapshot
    result = run_draft(world, snapshot / "model.safetensors", args=(), status=66)
    assert "rename it" in result.err and result.out == "", result


def test_both_formats_were_opened(world):
    snapshot = two_sets(world)
    run_draft(world, *[snapshot / name for name in ("config.json", "model.safetensors", "pytorch_model.bin")])
    text = (world.path / "drafted.ini").read_text()
    assert "exclude" not in text and "pytorch_model.bin" in text and check(world).status == 0, text


def test_folders_within_folders(world):
    opened = []
    for name in ("m", "m-v2", "m/onnx", "m b"):
        folder = lay(world.path / name, bert_files())
        opened.append(folder / "model.safetensors")
    text = run_draft(world, *opened, args=()).out
    assert sorted(line for line in text.splitlines() if line.startswith("path")) == sorted(f"path     = {world.path / name}" for name in ("m", "m-v2", "m b")), text


def test_what_is_named_and_opened_too_is_drafted_once(world):
    folder = lay(world.path / "plain", bert_files())
    assert run_draft(world, folder / "model.safetensors", args=(), folders=[folder, folder]).out.count("[model ") == 1


@pytest.mark.parametrize("name", ["vocab", "template", "imatrix.dat", "notes.bak"])
def test_a_file_of_no_known_format_beside_them(world, name):
    folder = lay(world.path / "plain", {**bert_files(), name: b"x" * 100})
    draft(world, folder)
    assert check(world).status == 0, (world.path / "drafted.ini").read_text()


def test_what_a_service_writes_is_no_model_of_its(world):
    code = f"open('out.npz', 'wb').write(b'x'); open('ck.safetensors', 'wb').write(b'y'); open('x.bin', 'wb').close(); open('x.bin').close(); open({str(two_sets(world) / 'config.json')!r})"
    result = world.run("draft", "--", sys.executable, "-c", code, env={"HF_HUB_CACHE": str(world.hub)})
    assert result.status == 0 and result.out.count("[model ") == 1, result


def test_two_caches_are_no_policy(world):
    other = Repo(world.path / "other", "org/m").all().ref().snapshot
    assert "two caches" in run_draft(world, two_sets(world) / "config.json", other / "model.safetensors", args=(), status=66).err


def test_owners_that_differ(world, need_root):
    """A user who reads all of one model may read nothing of the other."""
    Repo(world.hub, "org/a").all().ref()
    other = Repo(world.hub, "org/b").all().ref()
    for folder, _, files in os.walk(other.folder):
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            os.chown(path, 1000, 1000, follow_symlinks=False)
    draft(world, world.hub)
    assert "user " not in (world.path / "drafted.ini").read_text() and check(world).status == 0


def test_ready_and_then_gone(world):
    command = ["/bin/sh", "-c", f"cat {two_sets(world) / 'config.json'} >/dev/null; echo up; sleep 0.3; exit 3"]
    result = world.run("draft", "--ready", "log:up", "--", *command, env={"HF_HUB_CACHE": str(world.hub)})
    assert result.status == 71 and result.out == "" and "status 3" in result.err, result


def test_what_cannot_be_written_is_said_before_the_run(world):
    (world.path / "drafted.ini").write_text("mine")
    os.symlink("drafted.ini", world.path / "link.ini")
    for args, words in ((["-p", "drafted.ini"], "--force"), (["-p", "link.ini", "--force"], "not a regular file")):
        result = world.run("draft", *args, "--", "/bin/sh", "-c", ": >started")
        assert result.status == 64 and words in result.err and not (world.path / "started").exists(), result
    assert (world.path / "drafted.ini").read_text() == "mine"


def test_names_without_end_and_of_no_alphabet(world):
    snapshot = two_sets(world)
    result = run_draft(world, snapshot / "config.json", snapshot / ("é\x01" * 100) / ("x" * 200), args=())
    assert all(len(line.encode()) < 199 for line in result.out.splitlines()), result
    folder = os.fsencode(world.path) + b"/\xff\xfe"
    os.mkdir(folder)
    lay(world.path / os.fsdecode(b"\xff\xfe"), bert_files())
    result = subprocess.run([world.binary, "draft", folder], env=world.env, capture_output=True, timeout=HANG_LIMIT)
    assert result.returncode == 66 and b"rename it" in result.stderr, result


def test_no_variable_for_two_models(world):
    for name in ("org/a-b", "org/a.b", "org/a-b-1", "org/a_b"):
        Repo(world.hub, name).all({"g.gguf": gguf()}).ref()
    draft(world, world.hub)
    exports = [line.split()[-1] for line in (world.path / "drafted.ini").read_text().splitlines() if line.startswith("export")]
    assert len(exports) == len(set(exports)) == 4, exports


def test_what_answers_already_is_not_the_service(world):
    import socket
    with socket.create_server(("127.0.0.1", 0)) as server:
        ready = f"tcp:{server.getsockname()[1]}"
        result = world.run("draft", "--ready", ready, "--", "/bin/sh", "-c", ": >started")
    assert result.status == 75 and "answers already" in result.err and not (world.path / "started").exists(), result


def test_a_lock_file_of_another_policy(world):
    folder = lay(world.path / "plain", bert_files())
    (world.path / "aweigh.lock").write_text("theirs")
    assert "aweigh.lock already exists" in draft(world, folder, status=64).err and (world.path / "aweigh.lock").read_text() == "theirs"
    result = world.run("draft", "-p", "-", str(folder))
    assert result.status == 0 and "[model plain]" in result.out and not (world.path / "-").exists(), result


def test_what_people_name_instead_of_the_cache(world):
    """HF_HOME is the folder above; a project's folder has a cache in it, and is no model for that."""
    Repo(world.path / "home/hub").all().ref()
    result = world.run("draft", str(world.path / "home"))
    assert result.status == 0 and f"hub_cache = {world.path / 'home/hub'}" in result.out and result.out.count("[model ") == 1, result
    (world.path / "app.bin").write_bytes(b"x")
    result = world.run("draft", ".")
    assert result.status == 66 and "has a hub cache in it" in result.err and result.out == "", result


def test_an_image_gets_the_folders_too(world):
    folder = lay(world.path / "plain", bert_files())
    assert f";   COPY {str(folder)[1:]} {folder}\n" in world.run("draft", str(folder)).out


def test_weights_beneath_a_folder_that_is_called_like_a_repository(world):
    folder = lay(world.path / "models--old/mine", bert_files())
    text = run_draft(world, folder / "config.json", folder / "model.safetensors", args=()).out
    assert f"path     = {folder}\n" in text, text


@pytest.mark.parametrize("of_main", [True, False])
def test_blobs_that_are_opened_by_their_own_names(world, of_main):
    """Whoever opens what the snapshot's links lead to says no commit: it is that which has the file, refs/main first."""
    other = "e" * 40
    snapshot = two_sets(world)
    new = snapshot.parent / other
    new.mkdir()
    blob = snapshot.parents[1] / "blobs" / ("a" * 40)
    blob.write_bytes((snapshot / "model.safetensors").read_bytes())
    for name in ("config.json", "model.safetensors"):
        (new / name).symlink_to(os.readlink(snapshot / name) if name == "config.json" else f"../../blobs/{blob.name}")
    opened = [os.path.realpath((snapshot if of_main else new) / "model.safetensors")]
    text = run_draft(world, *opened, args=()).out
    assert f"revision = {COMMIT if of_main else other}\n" in text and text.count("[model ") == 1, text


def test_the_snapshot_that_has_most_of_what_was_opened(world):
    """A blob that two commits share says nothing of which it is: the other one does."""
    snapshot = two_sets(world)
    others = [snapshot.parent / (c * 40) for c in "0e"]
    for other in others:
        other.mkdir()
        (other / "config.json").symlink_to(os.readlink(snapshot / "config.json"))
        blob = snapshot.parents[1] / "blobs" / (other.name[:1] * 64)
        blob.write_bytes((snapshot / "model.safetensors").read_bytes())
        (other / "model.safetensors").symlink_to(f"../../blobs/{blob.name}")
    for other in others:
        opened = [os.path.realpath(other / "config.json"), os.path.realpath(other / "model.safetensors")]
        text = run_draft(world, *opened, args=()).out
        assert f"revision = {other.name}\n" in text and "model.safetensors" in text, text
    assert f"revision = {COMMIT}\n" in run_draft(world, os.path.realpath(others[0] / "config.json"), args=()).out


def test_weights_beside_a_hub_cache(world):
    """HF_HOME with a file of weights in it: the file is drafted by its path, and not all that lies there."""
    snapshot = two_sets(world)
    (world.hub.parent / "m.gguf").write_bytes(gguf())
    (world.hub.parent / "n.gguf").write_bytes(gguf())
    run_draft(world, world.hub.parent / "m.gguf", snapshot / "config.json", snapshot / "model.safetensors")
    text = (world.path / "drafted.ini").read_text()
    assert f"path     = {world.hub.parent}/m.gguf\n" in text and "n.gguf" not in text and "repo     = org/m" in text and text.count("[model ") == 2, text
    assert check(world).status == 0


def test_many_weights_beside_a_hub_cache(world):
    """Each once, of a component too, and what was named besides."""
    two_sets(world)
    home = lay(world.hub.parent, {f"w{i}.gguf": gguf() for i in range(4)} | {"unet/d.safetensors": safetensors({"w": 3}), "model_index.json": b"{}"})
    run_draft(world, *[home / f"w{i}.gguf" for i in range(4)], home / "model_index.json", home / "unet/d.safetensors", folders=[home / "w0.gguf"])
    text = (world.path / "drafted.ini").read_text()
    assert text.count("[model ") == 5 and text.count("COPY ") == 8 and ";   COPY aweigh /aweigh\n" in text, text
    assert check(world).status == 0


def test_what_is_named_and_what_is_opened_join(world):
    snapshot = Repo(world.hub, "org/g").all({"a.gguf": gguf(), "b.gguf": gguf({"w": 100}), "c.gguf": gguf({"w": 200})}).ref().snapshot
    run_draft(world, snapshot / "b.gguf", folders=[snapshot / "a.gguf"])
    text = (world.path / "drafted.ini").read_text()
    assert "; what was named, and what the service opened" in text and "b.gguf" in text and "a.gguf" in text and "c.gguf" not in text, text
    assert check(world).status == 0


def test_a_link_to_a_snapshot_is_its_repository(world):
    snapshot = two_sets(world)
    (world.path / "current").symlink_to(snapshot)
    run_draft(world, world.path / "current/model.safetensors", world.path / "current/config.json")
    text = (world.path / "drafted.ini").read_text()
    assert "repo     = org/m" in text and "path     =" not in text and "pytorch_model" not in text, text
    assert check(world).status == 0
