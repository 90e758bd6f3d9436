# SPDX-License-Identifier: Apache-2.0
"""models_read_only: the service cannot change the models, as their owner and as root; the rest stays writable."""

import errno
import json
import os
import shutil
import subprocess

import pytest
from models import Repo, complete
from confining import older_landlock, program

CONTENT = {"write", "append", "truncate-open", "truncate", "create", "tmpfile", "mkdir", "symlink", "fifo", "link", "rename", "out", "unlink", "rmdir", "into"}
ATTRIBUTES = {"chmod", "chown", "utimes"}
OTHER = {"other-write", "other-create", "other-unlink"}
NO_ADMIN = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
USER = [*NO_ADMIN[:1], "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]


@pytest.fixture
def model(world):
    """A plain folder with a model, of user 1000, and another folder beside it."""
    for folder in (world.path / "models" / "m", world.path / "scratch"):
        folder.mkdir(parents=True)
    repo = complete(world.hub)
    folder = world.path / "models" / "m"
    for file in repo.snapshot.iterdir():
        if file.is_file():
            shutil.copyfile(file.resolve(), folder / file.name)
    (folder / "file").write_bytes(b"content")
    (folder / "empty").mkdir()
    other = world.path / "scratch" / "other"
    other.write_bytes(b"other")
    if os.geteuid() == 0:
        for root, folders, files in os.walk(world.path):
            for name in [root, *(os.path.join(root, name) for name in folders + files)]:
                os.chown(name, 1000, 1000, follow_symlinks=False)
    return folder


def policy(world, model, extra="", user=""):
    world.policy(f"[policy]\nmode = offline\n{user}\n[confine]\nmodels_read_only = yes\n{extra}\n[model m]\npath = {model}\n")


def changed(world, worker, model, prefix=(), **options):
    result = world.start(worker, "change", str(model), str(world.path / "scratch" / "other"), prefix=prefix, **options)
    assert result.status == 0, result
    return {name: int(number) for name, number in (line.split() for line in result.out.splitlines())}


def holds(seen, refused, allowed):
    assert seen["read"] == 0
    for name in refused:
        assert seen[name] in (errno.EACCES, errno.EROFS, errno.EXDEV, errno.EPERM), (name, seen)
    for name in allowed:
        assert seen[name] == 0, (name, seen)


def test_without_it_all_can_be_changed(world, worker, model):
    """The test itself."""
    world.policy(f"[policy]\n[model m]\npath = {model}\n")
    seen = changed(world, worker, model)
    assert {name for name in CONTENT - {"tmpfile", "link", "unlink", "into", "out"} if seen[name] != 0} == set(), seen


@pytest.mark.parametrize("init", ["no", "yes"])
def test_by_landlock_as_the_owner(world, worker, model, need_root, init):
    policy(world, model, f"[service]\ninit = {init}")
    holds(changed(world, worker, model, USER), CONTENT, OTHER | ATTRIBUTES)
    result = world.check(prefix=USER)
    assert result.report["confinement"]["models_read_only"] == "landlock"
    assert "modes, owners and times" in result.finding("confine.attributes")["message"] and result.finding("confine.attributes")["severity"] == "note"


def test_by_landlock_as_root(world, worker, model, need_root):
    policy(world, model)
    holds(changed(world, worker, model, NO_ADMIN), CONTENT, OTHER)


@pytest.mark.parametrize("user", ["user = 1000:1000", ""], ids=["as the owner", "as root"])
def test_by_a_mount(world, worker, model, need_root, user):
    """Where CAP_SYS_ADMIN is there for the launch and not for the service: modes, owners and times are kept as well."""
    policy(world, model, "capabilities = chown, dac_override, fowner" if not user else "", user)
    holds(changed(world, worker, model), CONTENT | ATTRIBUTES | {"umount"}, OTHER)
    assert world.check().report["confinement"]["models_read_only"] == "mount"
    assert os.access(model, os.W_OK) and not os.path.ismount(model)   # outside nothing has changed


def test_root_with_all_rights_gets_landlock(world, worker, model, need_root):
    """It could take a mount away again."""
    policy(world, model)
    holds(changed(world, worker, model), CONTENT, OTHER)
    assert world.check().report["confinement"]["models_read_only"] == "landlock"


def test_a_working_directory_within(world, worker, model, need_root):
    """It must not lead beneath the mount."""
    policy(world, model, user="user = 1000:1000")
    result = world.start("/bin/sh", "-c", "echo changed > file; echo new > created; pwd", cwd=model)
    assert result.out.strip() == str(model) and (model / "file").read_bytes() == b"content" and not (model / "created").exists(), result


@pytest.mark.parametrize("prefix", [[], USER], ids=["mount", "landlock"])
def test_the_hub_cache(world, worker, model, need_root, prefix):
    """Links of the snapshot lead to blobs: both are kept, the cache's neighbours are not."""
    world.policy("[policy]\nmode = offline\n" + ("user = 1000:1000\n" if not prefix else "") + "[confine]\nmodels_read_only = yes\n[model m]\nrepo = org/m\n")
    snapshot = Repo(world.hub).snapshot
    script = f"for f in {snapshot}/*; do echo x >> $f; done; echo x > {world.hub}/new; rm -rf {world.hub}/*; echo fine > {world.path}/scratch/mine; cat {world.path}/scratch/mine"
    before = sorted((str(p), p.read_bytes()) for p in world.hub.rglob("*") if p.is_file())
    result = world.start("/bin/sh", "-c", script, prefix=prefix)
    assert result.out == "fine\n", result
    assert sorted((str(p), p.read_bytes()) for p in world.hub.rglob("*") if p.is_file()) == before


@pytest.mark.parametrize("prefix", [[], USER], ids=["mount", "landlock"])
def test_the_path_of_a_snapshot(world, worker, model, need_root, prefix):
    """Its links lead to blobs beside it, which are kept, too."""
    snapshot = Repo(world.hub).snapshot
    user = "user = 1000:1000\n" if not prefix else ""
    world.policy(f"[policy]\nmode = offline\n{user}[confine]\nmodels_read_only = yes\n[model m]\npath = {snapshot}\n")
    before = sorted((str(p), p.read_bytes()) for p in world.hub.rglob("*") if p.is_file())
    result = world.start("/bin/sh", "-c", f"for f in {snapshot}/*; do echo x >> $f; done; echo done", prefix=prefix)
    assert result.out == "done\n" and sorted((str(p), p.read_bytes()) for p in world.hub.rglob("*") if p.is_file()) == before, result


def test_links_that_may_lead_out_are_told(world, model, need_root):
    policy(world, model, "[severity]\nfile.link-escapes = note")
    assert any("can still be written" in f["message"] for f in world.check(prefix=USER).report["findings"] if f["code"] == "confine.models")


def test_one_folder_within_another(world, worker, model, need_root):
    """What lies beside the inner one belongs to the outer one."""
    inner = model / "deep" / "inner"
    shutil.copytree(model, inner)
    subprocess.run(["chown", "-R", "1000:1000", model], check=True)
    world.policy(f"[policy]\nmode = offline\n[confine]\nmodels_read_only = yes\n[model m]\npath = {inner}\n[model n]\npath = {model}\n")
    result = world.start("/bin/sh", "-c", f"echo x > {model}/deep/new; echo x > {model}/new; echo x > {inner}/new; echo x > {world.path}/scratch/new; ls {world.path}/scratch", prefix=USER)
    assert "new" in result.out and not [path for path in world.path.rglob("new") if "scratch" not in path.parts], result


def test_neighbours_are_granted_and_new_ones_are_not(world, worker, model, need_root):
    """The limit of Landlock that the note names."""
    (world.path / "models" / "other").mkdir()
    os.chown(world.path / "models" / "other", 1000, 1000)
    policy(world, model)
    script = f"cd {world.path}/models; echo x > other/new && echo granted; mkdir another || echo denied; mkdir other/deeper && mv other/new other/deeper/ && echo moved"
    assert world.start("/bin/sh", "-c", script, prefix=USER).out == "granted\ndenied\nmoved\n"


def test_a_folder_above_that_cannot_be_listed(world, worker, model, need_root):
    os.chown(world.path / "models", 0, 0)
    (world.path / "models").chmod(0o711)
    policy(world, model)
    holds(changed(world, worker, model, USER), CONTENT, OTHER)
    assert world.check(prefix=USER).report["confinement"]["models_read_only"] == "landlock"


def test_links_to_the_models(world, worker, model, need_root):
    """The folder counts, not the way to it."""
    (world.path / "link").symlink_to(model)
    policy(world, world.path / "link")
    holds(changed(world, worker, model, USER), CONTENT, OTHER)


def test_read_only_already(world, worker, model, need_root):
    """A volume that is mounted read-only needs nothing, and nothing weaker is said."""
    policy(world, model)
    script = f"mount --bind -o ro {model} {model} && exec setpriv {' '.join(USER[1:])} '{world.binary}' check -p {world.policy_file} --format json"
    result = subprocess.run(["unshare", "-m", "/bin/sh", "-c", script], env=world.env, capture_output=True, check=True, timeout=60)
    report = json.loads(result.stdout)
    assert report["confinement"]["models_read_only"] == "mount" and not [f for f in report["findings"] if f["code"].startswith("confine.")]


@pytest.mark.parametrize("abi, open_still", [(2, {"truncate"}), (3, set())])
def test_landlock_that_is_older(world, worker, model, need_root, abi, open_still):
    policy(world, model)
    seen = changed(world, worker, model, [*USER, *older_landlock(abi)])
    holds(seen, CONTENT - open_still, OTHER | open_still)
    result = world.check(prefix=[*USER, *older_landlock(abi)])
    assert ("confine.models" in result.codes("warning")) == bool(open_still)


@pytest.mark.parametrize("withheld", ["ENOSYS", "EPERM"])
def test_without_landlock(world, worker, model, need_root, withheld):
    prefix = [program(world, f"-DLANDLOCK={withheld}"), *USER]
    policy(world, model)
    result = world.check(prefix=prefix)
    assert result.status == 0 and "models_read_only is not enforced" in result.finding("confine.models")["message"]
    assert result.report["confinement"]["models_read_only"] == "no"
    policy(world, model, "landlock = require")
    refused = world.start("/bin/sh", "-c", "echo started", prefix=prefix)
    assert refused.status in (76, 77) and refused.out == ""


def test_both_limits_at_once(world, worker, model, need_root):
    policy(world, model, "egress = deny")
    holds(changed(world, worker, model, USER), CONTENT, OTHER)
    result = world.start("python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 1))", prefix=USER)
    assert "PermissionError" in result.err


def test_more_than_landlock_can_be_told(world, worker, model, need_root):
    crowd = world.path / "models"
    for i in range(10050):
        (crowd / f"n{i}").touch()
    policy(world, model)
    assert "too much lies beside" in world.check(prefix=USER).finding("confine.models")["message"]
