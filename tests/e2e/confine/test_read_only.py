# SPDX-License-Identifier: Apache-2.0
"""models_read_only: the service cannot change the models, as their owner and as root; the rest stays writable."""

import errno
import json
import os
import shutil
import subprocess

import pytest
from models import Repo, bert_files, complete, gguf
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


@pytest.mark.parametrize("prefix", [USER, NO_ADMIN])
@pytest.mark.parametrize("way", ["link", "to a link", "in the middle", "to a file"])
def test_links_to_the_models(world, worker, model, need_root, way, prefix):
    """The folder counts; and each link on the way to it, by which another model could be put there."""
    links = world.path / "links"
    links.mkdir()
    target = model
    if way == "to a file":
        target = model / "m.gguf"
        target.write_bytes(gguf())
    (links / "b").symlink_to(target if way != "in the middle" else target.parent)
    (links / "a").symlink_to("../links/b")
    named = {"to a link": links / "a", "in the middle": links / "a" / model.name}.get(way, links / "b")
    subprocess.run(["chown", "-R", "-h", "1000:1000", links, model], check=True)
    policy(world, named)
    assert world.check(prefix=prefix).report["confinement"]["models_read_only"] == "landlock"
    attempts = [f"rm -f {links}/b", f"ln -sfn /tmp {links}/b", f"mv {links}/b {links}/c", f"mv {links} {world.path}/scratch/", f"echo x > {named}/file", f"rm {model}/file"]
    assert shell(world, *attempts, f"echo x > {world.path}/scratch/new", prefix=prefix) == [len(attempts)]


def test_many_links_in_one_folder(world, model, need_root):
    links = world.path / "links"
    links.mkdir()
    rows = ""
    for number in range(70):
        folder = world.path / "models" / f"m{number}"
        shutil.copytree(model, folder)
        (links / f"{number}").symlink_to(folder)
        rows += f"[model m{number}]\npath = {links}/{number}\n"
    subprocess.run(["chown", "-R", "-h", "1000:1000", world.path], check=True)
    world.policy(f"[policy]\nmode = offline\n[confine]\nmodels_read_only = yes\n{rows}")
    assert world.check(prefix=USER).report["confinement"]["models_read_only"] == "landlock"
    assert shell(world, f"rm {links}/7", f"echo x > {world.path}/models/m69/file", f"echo x > {world.path}/scratch/new") == [2]


def test_a_link_into_another_containers_root(world, model, need_root):
    """A KServe modelcar's: the link's own text is no path, and /proc stays as it is."""
    script = f"mount -t tmpfs none /mnt && mkdir /mnt/models && cp {model}/* /mnt/models/ 2>&-; chown -R 1000:1000 /mnt/models; echo on; exec sleep 100"
    other = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"on\n"
        link = world.path / "link"
        link.symlink_to(f"/proc/{other.pid}/root/mnt/models")
        policy(world, link)
        assert world.check(prefix=NO_ADMIN).report["confinement"]["models_read_only"] == "landlock"
        assert shell(world, f"rm {link}/file", f"rm -f {link}", "echo x > /proc/self/comm", f"echo x > {world.path}/scratch/new", prefix=NO_ADMIN) == [2, 3]
    finally:
        other.kill()
        other.communicate()


def test_read_only_already(world, worker, model, need_root):
    """A volume that is mounted read-only needs nothing, and nothing weaker is said."""
    policy(world, model)
    script = f"mount --bind -o ro {model} {model} && exec setpriv {' '.join(USER[1:])} '{world.binary}' check -p {world.policy_file} --format json"
    result = subprocess.run(["unshare", "-m", "/bin/sh", "-c", script], env=world.env, capture_output=True, check=True, timeout=60)
    report = json.loads(result.stdout)
    assert report["confinement"]["models_read_only"] == "mount" and not [f for f in report["findings"] if f["code"].startswith("confine.")]


def shell(world, *commands, prefix=USER):
    """Which of the commands succeed."""
    script = "\n".join(f"({command}) 2>/dev/null && echo {number}" for number, command in enumerate(commands))
    result = world.start("/bin/sh", "-c", script + "\ntrue", prefix=prefix)
    assert result.status == 0, result
    return [int(word) for word in result.out.split()]


@pytest.mark.parametrize("prefix", [USER, NO_ADMIN, []], ids=["as the owner", "as root", "as root with all rights"])
@pytest.mark.parametrize("place", ["beneath", "beside the folders"])
def test_a_model_of_one_file(world, model, need_root, prefix, place):
    """It and the files beside it, which may be its other parts; folders beside it stay the service's own."""
    folder = model if place == "beneath" else world.path / "models"
    parts = [folder / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    for path in parts:
        path.write_bytes(gguf())
        os.chown(path, 1000, 1000)
    (folder / "scratch").mkdir()
    os.chown(folder / "scratch", 1000, 1000)
    policy(world, parts[0])
    result = world.check(prefix=prefix)
    assert result.report["confinement"]["models_read_only"] == "landlock" and "confine.models" not in result.codes(), result
    one, other = parts
    assert shell(world, f"echo x > {one}", f"echo x > {other}", f"rm -f {one}", f"mv {other} {folder}/scratch/", f"mv {world.path}/scratch/other {one}", f"touch {folder}/new",
                 f"echo x > {folder}/scratch/new", f"echo x > {world.path}/scratch/new", f"cat {one}>{folder}/scratch/copy", prefix=prefix) == [6, 7, 8]
    assert [path.read_bytes() for path in parts] == [gguf()] * 2


@pytest.mark.parametrize("prefix", [USER, NO_ADMIN])
def test_one_file_of_a_snapshot(world, model, need_root, prefix):
    """The link, the blob that it leads to, and the snapshot that it lies in."""
    repo = Repo(world.hub).file("m.gguf", gguf()).ref()
    subprocess.run(["chown", "-R", "-h", "1000:1000", world.hub], check=True)
    link = repo.snapshot / "m.gguf"
    policy(world, link)
    result = world.check(prefix=prefix)
    assert result.report["confinement"]["models_read_only"] == "landlock" and "confine.models" not in result.codes(), result
    assert shell(world, f"echo x > {link}", f"rm -f {link}", f"rm -f {link.resolve()}", f"mv {repo.folder} {world.path}/scratch/", f"echo x > {world.path}/scratch/new", prefix=prefix) == [4]
    assert link.read_bytes() == gguf()


# What is no read-only mount, though it looks like one

def test_a_repository_on_another_disk(world, model, need_root):
    """The cache has a link to it, as people make them when a disk is full."""
    folder = Repo(world.hub).all(bert_files()).ref().folder
    elsewhere = world.path / "elsewhere" / folder.name
    shutil.copytree(folder, elsewhere, symlinks=True)
    shutil.rmtree(folder)
    folder.symlink_to(elsewhere)
    (file,) = elsewhere.glob("snapshots/*/config.json")
    world.policy("[policy]\nuser = 0:0\n[confine]\nmodels_read_only = yes\ncapabilities = dac_override\n[model m]\nrepo = org/m\n")
    assert shell(world, f"echo x >> {file}", f"echo x > {world.path}/scratch/new", prefix=[]) == [1]
    assert world.check().report["confinement"]["models_read_only"] == "mount"


def test_a_writable_mount_within_a_read_only_one(world, model, need_root):
    policy(world, model, "capabilities = dac_override", "user = 0:0")
    script = f'mount --bind {model} {model} && mount -o remount,bind,ro {model} && mount -t tmpfs none {model}/empty && exec "$@"'
    assert shell(world, f"echo x > {model}/empty/new", f"echo x > {world.path}/scratch/new", prefix=["unshare", "-m", "sh", "-c", script, "sh"]) == [1]


def test_who_could_take_a_mount_away_gets_none(world, model, need_root):
    """Another user than root, with CAP_SYS_ADMIN by the ambient set."""
    policy(world, model)
    admin = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=+sys_admin", "--ambient-caps=+sys_admin"]
    assert shell(world, f"umount {model}", f"umount -l {model}; echo x > {model}/file", f"echo x > {world.path}/scratch/new", prefix=admin) == [2]
    assert world.check(prefix=admin).report["confinement"]["models_read_only"] == "landlock"


@pytest.mark.parametrize("kept", ["dac_read_search", "sys_admin", "sys_ptrace"])
def test_who_could_walk_around_a_mount_gets_none(world, model, need_root, kept):
    """By handle (open_by_handle_at(2)), or in another process's view."""
    policy(world, model, f"capabilities = {kept}", "user = 0:0")
    assert world.check().report["confinement"]["models_read_only"] == "landlock"


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


@pytest.mark.parametrize("prefix", [USER, NO_ADMIN])
def test_what_is_not_beside_one_file_stays_writable(world, model, need_root, prefix):
    """Devices, and files of the directories above it: it is the neighbours that may be its other parts."""
    (world.path / "models/m.gguf").write_bytes(gguf())
    (world.path / "app.db").write_bytes(b"old")
    for path in (world.path / "models/m.gguf", world.path / "app.db"):
        os.chown(path, 1000, 1000)
    policy(world, world.path / "models/m.gguf", f"[model other]\npath = {model}")
    assert shell(world, "echo x > /dev/null", f"echo x > {world.path}/app.db", f"echo x > {world.path}/models/m.gguf", f"echo x > {model}/file", prefix=prefix) == [0, 1]


@pytest.mark.parametrize("rows", ["", "models_read_only = yes"])
def test_egress_holds_where_the_models_were_not_looked_at_to_the_end(world, worker, need_root, rows):
    """enforce = no starts the service all the same: what goes out asks no volume."""
    large = world.path / "m" / "large.bin"
    (large.parent / ".cache/huggingface/download").mkdir(parents=True)
    with large.open("wb") as file:
        file.truncate(64 << 30)   # sparse: hours of hashing
    (large.parent / ".cache/huggingface/download/large.bin.metadata").write_text(f"{'a' * 40}\n{'a' * 64}\n1.0\n")
    world.policy(f"[policy]\nmode = offline\nenforce = no\nverify = digest\ndeadline = 1s\n[confine]\negress = deny\n{rows}\n[model m]\npath = {large.parent}\n")
    script = "import errno, socket; s = socket.socket()\ntry: s.connect(('127.0.0.1', 9))\nexcept OSError as e: print(errno.errorcode[e.errno])"
    result = world.start("python3", "-c", script)
    assert result.out == "EACCES\n", result
    assert ("models_read_only is not enforced" in " ".join(result.err.split())) == bool(rows), result
