# SPDX-License-Identifier: Apache-2.0
"""aweigh draft: the policy that it writes passes on the same tree, and fails after any one of its files is changed."""

import os
import re
import shutil
import signal
import struct
import subprocess

import pytest
from models import COMMIT, Repo, bert_files, complete, gguf, minilm_files
from world import HANG_LIMIT


def lay(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def draft(world, *args, status=0):
    result = world.run("draft", "-p", str(world.path / "drafted.ini"), *map(str, args))
    assert result.status == status and ("drafted.ini is written, and aweigh.lock beside it\n" in result.out) == (status == 0), result
    return result


def check(world):
    return world.run("check", "-p", str(world.path / "drafted.ini"), "--format", "json", env={"HF_HUB_CACHE": str(world.hub)})


STATES = {
    "a cache": lambda world: Repo(world.hub).all().ref(),
    "a cache without links": lambda world: Repo(world.hub).all(minilm_files(), link=False).ref(),
    "with a manifest": lambda world: Repo(world.hub).all().ref().manifest(),
    "two sets of weights": lambda world: Repo(world.hub).all({**bert_files(), "pytorch_model.bin": b"x" * 3000, "tf_model.h5": b"y" * 500}).ref(),
    "code": lambda world: Repo(world.hub).all({**bert_files(), "modeling.py": b"x = 1\n", "config.json": b'{"model_type": "bert", "auto_map": {"AutoModel": "modeling.M"}}'}).ref(),
    "no ref": lambda world: Repo(world.hub).all(),
    "a GGUF file": lambda world: Repo(world.hub, "org/g").all({"g.Q4.gguf": gguf()}).ref(),
    "odd names": lambda world: Repo(world.hub).all({**bert_files(), "a, b;c.txt": b"1", "d[1].json": b"{}", "é #.txt": b"2"}).ref(),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", ["cache", "folder"])
def test_passes_as_it_is_and_not_otherwise(world, state, kind):
    repo = STATES[state](world)
    folder, source = repo.snapshot, world.hub
    if kind == "folder":
        folder = source = world.path / "plain"
        shutil.copytree(repo.snapshot, folder)
        shutil.rmtree(world.hub)
    draft(world, source)
    text = (world.path / "drafted.ini").read_text()
    result = check(world)
    assert result.status == 0, (text, result)
    assert ("remote_code = allow" in text) == (state == "code") and ("exclude  =" in text) == (state == "two sets of weights")
    left_out = {"pytorch_model.bin", "tf_model.h5"}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in left_out):
        real, data, link = os.path.realpath(path), path.read_bytes(), os.readlink(path) if path.is_symlink() else None
        for change in ("removed", "cut", "replaced"):
            if change == "removed":
                path.unlink()
            else:
                with open(real, "wb") as file:
                    file.write(data[:-1] if change == "cut" else bytes([data[0] ^ 1]) + data[1:])
            assert check(world).status in (65, 66), (path, change)
            if change == "removed":
                os.symlink(link, path) if link else path.write_bytes(data)
            else:
                with open(real, "wb") as file:
                    file.write(data)
    assert check(world).status == 0


def test_what_is_left_out_is_told(world):
    """Of a repository with two snapshots and no main nobody knows which is meant."""
    complete(world.hub, "org/one")
    for commit in ("1" * 40, "2" * 40):
        repo = Repo(world.hub, "org/two", commit)
        for name, data in bert_files().items():
            repo.file(name, data)
    result = world.run("draft", str(world.hub))
    assert result.status == 0 and result.out.count("[model ") == 1 and "models--org--two has 2 snapshots, and no refs/main" in result.err, result
    result = world.run("draft", str(world.hub / "models--org--two"))
    assert result.status == 66 and "snapshots/COMMIT" in result.err, result
    result = world.run("draft", str(repo.snapshot))
    assert result.status == 0 and "repo     = org/two" in result.out and f"revision = {commit}" in result.out, result


def test_a_folder_that_states_no_digest_is_not_said_to_be_held_against_one(world):
    folder = world.path / "model"
    folder.mkdir()
    for name, data in bert_files().items():
        (folder / name).write_bytes(data)
    assert "verify    = structure" in world.run("draft", str(folder)).out
    complete(world.hub)
    assert "verify    = digest" in world.run("draft", str(world.hub)).out


def test_damage_is_told(world):
    """Beside a lock file nothing is drafted of it, on standard output with a sentence."""
    folder = world.path / "model"
    folder.mkdir()
    for name, data in bert_files().items():
        (folder / name).write_bytes(data[:100])
    result = world.run("draft", str(folder))
    assert result.status == 0 and "model.safetensors: is cut short" in result.err and "[model model]" in result.out, result
    result = world.run("draft", "-p", str(world.path / "drafted.ini"), str(folder))
    assert result.status == 65 and "model.safetensors: is cut short" in result.err and not (world.path / "drafted.ini").exists(), result


def test_the_same_tree_gives_the_same_bytes(world):
    for name in ("org/b", "org/a", "other/a"):
        Repo(world.hub, name).all().ref()
    folder = lay(world.path / "a", bert_files())
    draft(world, world.hub, folder)
    text = (world.path / "drafted.ini").read_text()
    assert [line for line in text.splitlines() if line.startswith("[model")] == ["[model b]", f"[model {str(folder)[1:]}]", "[model org/a]", "[model other/a]"] or "[model org/a]" in text
    draft(world, folder, world.hub, "--force")
    assert (world.path / "drafted.ini").read_text() == text and check(world).status == 0


def test_nothing_is_written_over(world):
    STATES["a cache"](world)
    draft(world, world.hub)
    before = (world.path / "drafted.ini").read_bytes()
    assert "--force" in draft(world, world.hub, status=64).err and (world.path / "drafted.ini").read_bytes() == before


def test_to_standard_output(world):
    STATES["a cache"](world)
    for args in ([str(world.hub)], [], [str(world.hub / "models--org--m")]):
        result = world.run("draft", *args, env={"HF_HUB_CACHE": str(world.hub)})
        assert result.status == 0 and f"revision = {COMMIT}" in result.out and "formats  = safetensors" in result.out, result
        (world.path / "drafted.ini").write_text(result.out)
        assert check(world).status == 0
    assert not list(world.path.glob("*.lock"))


@pytest.mark.parametrize("what", ["missing", "empty", "two caches", "ready of nothing"])
def test_what_cannot_be_drafted(world, what):
    STATES["a cache"](world)
    other = Repo(world.path / "other", "org/x").all().ref().hub
    (world.path / "empty").mkdir()
    args = {"missing": ["/nowhere"], "empty": [world.path / "empty"], "two caches": [world.hub, other], "ready of nothing": ["--ready", "log:up"]}[what]
    result = world.run("draft", *map(str, args))
    assert result.status == (64 if what == "ready of nothing" else 66) and result.out == "" and result.err.count("\n") == 1, result


@pytest.mark.parametrize("name", ["two\nlines", "a ; b", "${HOME}", "a[b]", " ends ", 'quoted"'])
def test_a_folder_that_no_policy_can_name(world, name):
    folder = lay(world.path / name, bert_files())
    assert "rename it" in draft(world, folder, status=66).err and not (world.path / "drafted.ini").exists()


def test_what_a_repository_says_commands_no_policy(world):
    """Its configuration has line ends in it, its name would be a variable of somebody else's, its files would be patterns."""
    evil = b'{"model_type": "bert", "auto_map": {"AutoModel": "x\\n[environment set]\\nLD_PRELOAD = evil\\n;.M"}}'
    for name in ("evil/ld-library", "evil/7b", "evil/a.b", "evil/a-b"):
        Repo(world.hub, name).all({"g.gguf": gguf()}).ref()
    Repo(world.hub, "evil/sets").all({**bert_files(), "pytorch_model, *.bin": b"x" * 3000, "tf_model|[a].h5": b"y" * 500}).ref()
    draft(world, world.hub)
    text = (world.path / "drafted.ini").read_text()
    exports = sorted(line.split()[-1] for line in text.splitlines() if line.startswith("export"))
    assert exports == ["MODEL_7B_PATH", "MODEL_A_B_1_PATH", "MODEL_A_B_PATH", "MODEL_LD_LIBRARY_PATH"], text
    assert check(world).status == 0, check(world)
    Repo(world.hub, "evil/code").all({**bert_files(), "config.json": evil}).ref()
    text = world.run("draft", str(world.hub)).out
    assert "remote_code = allow" in text and "\n[environment" not in text and "\nLD_PRELOAD" not in text, text


def test_a_draft_that_cannot_be_locked_leaves_nothing(world):
    Repo(world.hub).all({**bert_files(), "a\nb.txt": b"a name that no lock file takes"}).ref()
    draft(world, world.hub, status=78)
    assert not (world.path / "drafted.ini").exists() and not (world.path / "aweigh.lock").exists()


# From a manifest

def test_what_a_manifest_lists_is_drafted(world):
    Repo(world.hub, "org/a").all().ref()
    Repo(world.hub, "org/unlisted").all().ref()
    Repo(world.hub, "org/g").all({"g.Q4.gguf": gguf(), "g.Q8.gguf": gguf(), "README.md": b"x"}).ref()
    (world.path / "models.txt").write_text("# what we serve\norg/a\norg/g gguf:g.Q4.gguf\n")
    result = world.run("draft", "-p", "drafted.ini", "models.txt", env={"HF_HUB_CACHE": str(world.hub)})
    text = (world.path / "drafted.ini").read_text()
    assert result.status == 0 and text.count("[model ") == 2 and "unlisted" not in text and "files    = g.Q4.gguf\n" in text and "Q8" not in text and text.count(COMMIT) == 2, text
    assert check(world).status == 0
    os.unlink(Repo(world.hub, "org/g").snapshot / "g.Q4.gguf")
    assert check(world).status in (65, 66)


@pytest.mark.parametrize("line, status, words", [("org/absent", 66, "org/absent is not in"), ("org/a onnx:x", 78, "models.txt:1: unknown selector"), ("", 66, "no model was found"),
                                                 ("org/a gguf:no.gguf", 66, "models.txt:1: none of the files of org/a")])
def test_a_manifest_that_cannot_be_drafted(world, line, status, words):
    Repo(world.hub, "org/a").all().ref()
    (world.path / "models.txt").write_text(line + "\n")
    result = world.run("draft", "models.txt", env={"HF_HUB_CACHE": str(world.hub)})
    assert result.status == status and words in result.err and result.out == "", result


# Of an unpacked image

def image_with(world):
    image = world.path / "image"
    repo = Repo(image / "models/hub").all().ref()
    (image / "link").symlink_to("/models")
    return image, repo


@pytest.mark.parametrize("word", ["/models/hub", "models/hub", "/models", "/link/hub", "/models/hub/models--org--m", None])
def test_an_image_is_drafted_by_its_own_paths(world, word):
    image, repo = image_with(world)
    config = world.path / "config.json"
    config.write_text('{"config": {"Env": ["HF_HOME=/models"]}}')
    judged = ["--root", str(image), "--image-config", str(config)]
    draft(world, *judged, *([] if word is None else [word]))
    text = (world.path / "drafted.ini").read_text()
    assert "hub_cache = /models/hub\n" in text and str(image) not in text and (world.path / "aweigh.lock").exists(), text
    policy = ["check", "-p", str(world.path / "drafted.ini"), "--user", "unchanged", *judged]
    assert world.run(*policy).status == 0, world.run(*policy)
    next(p for p in (repo.folder / "blobs").iterdir() if p.stat().st_size > 100).write_bytes(b"something else")
    assert world.run(*policy).status == 65


def test_an_image_of_somebody_hostile_is_drafted_of_itself(world):
    """Its links lead to this machine's files, which are none of its."""
    outside = Repo(world.hub, "org/secret").all().ref()
    image, repo = image_with(world)
    hostile = image / "models/hub/models--org--evil"
    hostile.mkdir()
    (hostile / "snapshots").symlink_to(outside.folder / "snapshots")
    (hostile / "refs").symlink_to(outside.folder / "refs")
    (image / "models/hub/models--org--secret").symlink_to(outside.folder)
    (repo.snapshot / "passwd.txt").symlink_to("/etc/passwd")
    (image / "out").symlink_to(world.hub)
    result = world.run("draft", "--root", str(image), "/models/hub")
    assert result.status == 0 and result.out.count("[model ") == 1 and "passwd" not in result.out, result
    assert world.run("draft", "--root", str(image), "/out").status == 66


@pytest.mark.parametrize("args, words", [(["--", "true"], "omit COMMAND"), (["--root", "/nowhere", "/x"], "--root /nowhere cannot be opened"), (["--env-file", "/dev/null"], "need --root")])
def test_what_an_image_is_not_asked_for(world, args, words):
    image, _ = image_with(world)
    result = world.run("draft", *([] if "-" in args[0] and args[0] != "--" else ["--root", str(image)]), *args)
    assert result.status == 64 and words in result.err and result.out == "", result


def test_a_manifest_of_an_image(world):
    image, _ = image_with(world)
    (image / "models.txt").write_text("org/m\n")
    config = world.path / "config.json"
    config.write_text('{"config": {"Env": ["HF_HOME=/models"]}}')
    result = world.run("draft", "--root", str(image), "--image-config", str(config), "models.txt")
    assert result.status == 0 and "repo     = org/m\n" in result.out and "hub_cache = /models/hub\n" in result.out, result


def test_what_was_there_is_there_after_a_failure(world):
    """--force writes over a policy; where no lock file can be made, the old one is back."""
    STATES["a cache"](world)
    draft(world, world.hub)
    before = {name: (world.path / name).read_bytes() for name in ("drafted.ini", "aweigh.lock")}
    Repo(world.hub, "org/odd").all({**bert_files(), "a\nb.txt": b"a name that no lock file takes"}).ref()
    draft(world, "--force", world.hub, status=78)
    assert before == {name: (world.path / name).read_bytes() for name in before} and not [p for p in world.path.iterdir() if p.name.startswith(".")]


def test_a_stop_request_is_heard_while_it_looks(world):
    """A folder of very many names, on the way through which it is stopped."""
    folder = world.path / "many"
    for i in range(200):
        (folder / str(i)).mkdir(parents=True)
        for k in range(100):
            (folder / str(i) / str(k)).touch()
    (folder / "model.safetensors").touch()
    with subprocess.Popen([world.binary, "draft", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])) as process:
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=HANG_LIMIT) == (None, b"") and process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("old", [b"[policy]\n; " + b"x" * (4 << 20) + b"\n", b"[policy]\n\0; rest\n"], ids=["too large to keep", "no text"])
def test_what_could_not_be_put_back_is_not_written_over(world, old):
    STATES["a cache"](world)
    (world.path / "drafted.ini").write_bytes(old)
    assert "move it away" in draft(world, "--force", world.hub, status=74).err
    assert (world.path / "drafted.ini").read_bytes() == old and not (world.path / "aweigh.lock").exists()


def test_repositories_without_files_are_walked_no_longer_than_asked(world):
    for i in range(20000):
        os.makedirs(world.hub / f"models--o--m{i}/snapshots")
    with subprocess.Popen([world.binary, "draft", str(world.hub)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=HANG_LIMIT) == (None, b"") and process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)


def test_an_images_link_takes_no_draft_to_this_machine(world):
    image, _ = image_with(world)
    (world.path / "outside").mkdir()
    (image / "etc").symlink_to(world.path / "outside")
    result = world.run("draft", "--root", str(image), "-p", str(image / "etc/p.ini"), "/models/hub")
    assert result.status == 64 and "link" in result.err and not list((world.path / "outside").iterdir()), result


def test_without_proc(world, need_root):
    if "sanitize" in world.binary:
        return   # they need /proc themselves, even for being told not to
    STATES["a cache"](world)
    result = world.run("draft", str(world.hub), prefix=["unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"])
    assert result.status == 66 and "without /proc" in result.err, result


def test_one_file_of_weights(world):
    file = world.path / "m.gguf"
    file.write_bytes(gguf())
    policy = world.path / "drafted.ini"
    result = world.run("draft", str(file), "-p", str(policy))
    assert result.status == 0 and f"path     = {file}\n" in policy.read_text(), result
    assert world.run("check", "-p", str(policy)).status == 0
    file.write_bytes(gguf()[:-40])
    assert world.run("check", "-p", str(policy)).status == 65
    (world.path / "notes.json").write_text("{}")
    assert "not a file of weights" in world.run("draft", str(world.path / "notes.json")).err


def test_a_folder_of_models(world):
    """Each by itself, as its own loader finds it; what has no weights, and a link to one of them, is no model more."""
    shelf = world.path / "models"
    for name in ("one", "two"):
        (shelf / name).mkdir(parents=True)
        for file, data in bert_files().items():
            (shelf / name / file).parent.mkdir(exist_ok=True, parents=True)
            (shelf / name / file).write_bytes(data)
    (shelf / "docs").mkdir()
    (shelf / "docs/README.md").write_text("words")
    (shelf / "latest").symlink_to("two")
    policy = world.path / "drafted.ini"
    result = world.run("draft", str(shelf), "-p", str(policy))
    paths = re.findall("^path +=(.*)$", policy.read_text(), re.M)
    assert result.status == 0 and [path.strip() for path in paths] == [f"{shelf}/one", f"{shelf}/two"], result
    assert world.run("check", "-p", str(policy)).status == 0
    (shelf / "two/config.json").unlink()
    assert world.run("check", "-p", str(policy)).status == 65


def test_files_of_a_snapshot_stand_for_their_repository(world):
    """Their blobs' names say nothing of a format; a second file of the same repository joins the first."""
    snapshot = Repo(world.hub, "org/g").all({"a.gguf": gguf(), "b.gguf": gguf(), "c.gguf": gguf(), "README.md": b"x"}).ref().snapshot
    draft(world, snapshot / "b.gguf", snapshot / "a.gguf", snapshot / "b.gguf")
    text = (world.path / "drafted.ini").read_text()
    assert text.count("[model ") == 1 and "repo     = org/g" in text and re.search("files    = a.gguf,\n +b.gguf\n", text) and "c.gguf" not in text, text
    assert check(world).status == 0
    (snapshot / "c.gguf").unlink()
    assert check(world).status == 0
    os.unlink(snapshot / "b.gguf")
    assert check(world).status in (65, 66)


def test_a_link_to_weights_without_an_ending(world):
    (world.path / "0123").write_bytes(gguf())
    (world.path / "m.gguf").symlink_to("0123")
    draft(world, world.path / "m.gguf")
    assert f"path     = {world.path}/m.gguf\n" in (world.path / "drafted.ini").read_text() and check(world).status == 0


@pytest.mark.parametrize("gone, words", [("blobs", "links to files that are not there: copy the whole hub cache"), ("snapshots", "has no snapshot"), ("files", "has an empty snapshot")])
def test_a_repository_that_is_not_whole(world, gone, words):
    """Beside a whole one it is told, and alone it is the error."""
    complete(world.hub, "org/whole")
    repo = complete(world.hub, "org/half")
    if gone == "files":
        for path in repo.snapshot.iterdir():
            path.unlink()
    else:
        shutil.rmtree(repo.folder / gone)
    result = world.run("draft", str(world.hub))
    assert result.status == 0 and "models--org--half" in result.err and words in result.err and result.out.count("[model ") == 1, result
    result = world.run("draft", str(repo.folder))
    assert result.status == 66 and words in result.err and result.out == "", result


def test_code_that_is_not_there(world):
    """It is told before the policy is written, not by a check of what was written and is gone."""
    files = {**bert_files(), "config.json": b'{"model_type": "bert", "auto_map": {"AutoModel": "modeling.M"}}'}
    Repo(world.hub).all(files).ref()
    result = draft(world, world.hub, status=66)
    assert "modeling.py: is missing" in result.err and "drafted.ini" not in result.err and not (world.path / "drafted.ini").exists(), result
    assert "the policy will refuse it" in world.run("draft", str(world.hub)).err


def test_a_manifest_leaves_out_what_a_folder_does(world):
    Repo(world.hub).all({**bert_files(), "pytorch_model.bin": b"x" * 3000}).ref()
    (world.path / "models.txt").write_text("org/m\n")
    result = world.run("draft", "models.txt", env={"HF_HUB_CACHE": str(world.hub)})
    assert result.status == 0 and "exclude  = pytorch_model.bin\n" in result.out and "files " not in result.out, result


def test_what_a_dockerfile_copies(world):
    """From its own path each, since two folders may have one name; a blank wants the form of JSON."""
    folders = [lay(world.path / name, bert_files()) for name in ("a/model", "b/model", "c d/model", "e,f")]
    text = world.run("draft", *map(str, folders)).out
    for folder in folders:
        assert (f';   COPY ["{str(folder)[1:]}", "{folder}"]\n' if " " in str(folder) else f";   COPY {str(folder)[1:]} {folder}\n") in text
    (world.path / "drafted.ini").write_text(text)
    assert check(world).status == 0


@pytest.mark.parametrize("words", [("file", "whole"), ("whole", "file"), ("file", "cache"), ("cache", "file")])
def test_a_file_and_the_whole_are_the_whole(world, words):
    snapshot = Repo(world.hub, "org/g").all({"a.gguf": gguf(), "b.gguf": gguf({"w": 100}), "README.md": b"x"}).ref().snapshot
    draft(world, *[{"file": snapshot / "a.gguf", "whole": snapshot, "cache": world.hub}[word] for word in words])
    text = (world.path / "drafted.ini").read_text()
    assert text.count("[model ") == 1 and "b.gguf" in text and "files " not in text and text.count("a.gguf") == 1, text
    assert check(world).status == 0


def test_two_commits_of_a_repository(world):
    """A snapshot by its name, and that of main beside it."""
    other = Repo(world.hub, "org/g", "1" * 40).all({"a.gguf": gguf()}).snapshot
    Repo(world.hub, "org/g").all({"b.gguf": gguf({"w": 100})}).ref()
    draft(world, other, world.hub)
    text = (world.path / "drafted.ini").read_text()
    assert text.count("[model ") == 2 and f"revision = {'1' * 40}" in text and f"revision = {COMMIT}" in text, text
    assert check(world).status == 0


def test_lines_of_one_repository_join(world):
    Repo(world.hub, "org/g").all({"a.gguf": gguf(), "b.gguf": gguf({"w": 100}), "c.gguf": gguf({"w": 200})}).ref()
    (world.path / "models.txt").write_text("org/g gguf:a.gguf\norg/g gguf:b.gguf\n")
    result = world.run("draft", "models.txt", env={"HF_HUB_CACHE": str(world.hub)})
    assert result.status == 0 and result.out.count("[model ") == 1 and "c.gguf" not in result.out and re.search("files    = a.gguf,\n +b.gguf\n", result.out), result


def test_a_file_that_no_library_loads(world):
    repo = Repo(world.hub, "org/g").all({"a.gguf": gguf(), ".cache/x.gguf": gguf({"w": 5000})}).ref()
    assert "not among the files" in draft(world, repo.snapshot / "a.gguf", repo.snapshot / ".cache/x.gguf", status=66).err
    odd = world.hub / "models--a--b--c/snapshots" / COMMIT / "m.gguf"
    odd.parent.mkdir(parents=True)
    odd.write_bytes(gguf())
    assert "in no repository" in draft(world, odd, status=66).err


def test_a_ref_to_what_is_not_aboard(world):
    repo = Repo(world.hub).all().ref(text="2" * 40)
    result = draft(world, world.hub, status=66)
    assert f"has no snapshot {'2' * 40}" in result.err, result
    assert draft(world, repo.snapshot).status == 0


def split_gguf(part, count=2):
    """llama.cpp's: every part has its number and how many there are."""
    return gguf({f"w{part}": 100}, keys=[("split.no", 2, struct.pack("<H", part)), ("split.count", 2, struct.pack("<H", count))])


def test_a_part_of_a_split_model_stands_for_all(world):
    """In a cache, by a manifest and by `files`; llama.cpp is given the first."""
    names = ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]
    snapshot = Repo(world.hub, "org/s").all({name: split_gguf(i) for i, name in enumerate(names)} | {"other.gguf": gguf()}).ref().snapshot
    (world.path / "models.txt").write_text(f"org/s gguf:{names[0]}\n")
    for word in (snapshot / names[0], world.path / "models.txt"):
        result = world.run("draft", str(word), env={"HF_HUB_CACHE": str(world.hub)})
        assert result.status == 0 and names[1] in result.out and "other.gguf" not in result.out, result
    (world.path / "drafted.ini").write_text(f"[policy]\nmode = offline\nhub_cache = {world.hub}\n[model s]\nrepo = org/s\nfiles = {names[0]}\n")
    assert check(world).status == 0
    (snapshot / names[1]).unlink()
    result = check(world)
    assert result.status == 65 and names[1] in result.finding("file.split")["message"] + result.finding("file.split")["path"], result


def test_what_lies_beside_a_hub_cache_is_told(world):
    complete(world.hub)
    folder = lay(world.hub.parent / "plain", bert_files())
    result = world.run("draft", str(world.hub.parent))
    assert result.status == 0 and f"{folder} lies beside a hub cache" in result.err and "plain" not in result.out, result
