# SPDX-License-Identifier: Apache-2.0
"""aweigh draft: the policy that it writes passes on the same tree, and fails after any one of its files is changed."""

import os
import shutil
import signal
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
    assert result.status == status, result
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
    assert result.status == 0 and result.out.count("[model ") == 1 and "models--org--two has several snapshots" in result.err, result
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


@pytest.mark.parametrize("name", ["two\nlines", "a ; b", "${HOME}", "a, b", " ends ", 'quoted"'])
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


@pytest.mark.parametrize("line, status, words", [("org/absent", 66, "org/absent is not in"), ("org/a onnx:x", 78, "unknown selector"), ("", 66, "no model was found")])
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


@pytest.mark.parametrize("args, words", [(["--", "true"], "not started"), (["--root", "/nowhere", "/x"], "--root /nowhere cannot be opened"), (["--env-file", "/dev/null"], "beneath --root")])
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
