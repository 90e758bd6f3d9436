# SPDX-License-Identifier: Apache-2.0
"""What nobody looked at is no pass, and what others may write leads aweigh nowhere."""

import io
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from models import COMMIT, Repo, bert_files, complete, onnx, safetensors
from waiting import wait_for
from world import HANG_LIMIT


def plain(world, files=None):
    folder = world.path / "m"
    for name, data in (files or bert_files()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def plain_policy(world, folder, more="", head=""):
    return world.policy(f"[policy]\nmode = offline\n{head}\n[model m]\npath = {folder}\n{more}\n")


# The verdict

@pytest.mark.parametrize("row", ["policy.value = off", "policy.syntax = note", "gate.inspector = warning", "gate.deadline = off", "gate.fetcher = note"])
def test_what_judged_nothing_cannot_be_made_less_of(world, row):
    result = world.policy(f"[severity]\n{row}\n[policy]\nuser = no-such-user\n").start("true")
    assert result.status == 78 and "is fixed" in result.err


def test_an_inspector_that_dies_is_no_pass(world, need_root):
    """Too few descriptors for it: whatever the policy makes of findings, the service does not start."""
    import resource

    complete(world.hub)
    world.policy(extra="enforce = yes")
    result = world.start("echo", "started", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)))
    assert result.status != 0 and "started" not in result.out


def test_an_empty_policy_says_so(world):
    result = world.policy("").check()
    assert result.status == 0 and result.finding("policy.empty")["severity"] == "note"
    assert "pass: no model" in world.run("check", "-p", str(world.policy_file)).out


def test_a_command_that_cannot_start_is_in_the_report(world):
    report = world.path / "report.json"
    (world.path / "plain").write_text("#!/bin/sh\n")
    for command, status, code in (("no-such-command", 127, "service.command"), (str(world.path / "plain"), 126, None)):
        result = world.policy("").start(command, args=("--report", f"json={report}"))
        assert result.status == status
        if code:
            written = json.loads(report.read_text())
            assert (written["verdict"], written["status"]) == ("refused", status)
            assert code in [finding["code"] for finding in written["findings"]]


def test_a_file_of_the_path_without_the_execute_bit(world):
    (world.path / "bin").mkdir()
    (world.path / "bin" / "serve").write_text("#!/bin/sh\n")
    result = world.policy("").start("serve", args=("-v",), env={"PATH": f"{world.path}/bin"})
    assert result.status == 126 and "service.executable" in result.err and "chmod +x" in result.err


def test_nothing_is_fetched_for_a_command_that_is_not_there(world):
    result = world.policy("[policy]\nmode = auto\n[fetch]\nendpoint = http://127.0.0.1:9\nallow_http = yes\n[model m]\nrepo = org/m\n").start("no-such-command")
    assert result.status in (66, 127) and "fetch." not in result.err


# Files

@pytest.mark.parametrize("name, data", [
    ("config.json", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
    ("config.json", b"<h1>502 Bad Gateway</h1>"),
    ("config.json", b'{"error":"Invalid username or password."}'),
    ("model.safetensors", b"<head><title>302 Found</title></head>"),
    ("model.safetensors", b"\xef\xbb\xbf  <Error>denied</Error>"),
    ("pytorch_model.bin", b"Entry not found"),
])
def test_pages_in_the_place_of_files(world, name, data):
    plain_policy(world, plain(world, {**bert_files(), name: data}))
    result = world.check()
    assert result.status == 65 and result.finding("file.error-page")["path"] == name


@pytest.mark.parametrize("name, data", [("config.json", b"null"), ("tokenizer.json", b"[]"), ("config.json", b'{"a":\v1}'), ("config.json", b'{"a":"\xed\xa0\x80"}')])
def test_configurations_that_no_loader_takes(world, name, data):
    plain_policy(world, plain(world, {**bert_files(), name: data}))
    assert world.check().finding("file.not-json")["path"] == name


def test_a_header_whose_length_begins_like_a_page(world):
    """0x3c is '<': the length of a header of 60 bytes, and the file is cut."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}}, separators=(",", ":")).encode().ljust(60)
    assert len(header) == 60
    plain_policy(world, plain(world, {**bert_files(), "model.safetensors": struct.pack("<Q", 60) + header + b"\1" * 1000}))
    result = world.check()
    assert result.status == 65 and result.finding("file.truncated")["path"] == "model.safetensors"


@pytest.mark.parametrize("name, data", [("corpus_index.json", b"[1, 2]"), ("label2id.json", b'{"error": 0, "ok": 1}'), ("config.json", b'{"a": "\\udc80", "b": NaN}')])
def test_what_python_takes_passes(world, name, data):
    plain_policy(world, plain(world, {**bert_files(), name: data}))
    assert world.check().status == 0


def test_a_mask_is_for_files_but_for_the_right_to_write(world, need_root):
    """mode_mask = 0111: no weights that can be executed; a directory needs its x."""
    folder = plain(world)
    plain_policy(world, folder, "mode_mask = 0111")
    assert world.check().status == 0
    (folder / "config.json").chmod(0o755)
    assert world.check().finding("file.mode")["path"] == "config.json"


def test_findings_that_come_after_the_list_is_full(world, need_root):
    """The list holds 20,000: an error that is raised for the report itself refuses all the same."""
    folder = world.path / "m"
    folder.mkdir()
    for i in range(11):
        (folder / f"{i}.txt").touch()
        (folder / f"{i}.txt").chmod(0o666)
    models = "".join(f"[model m{i}]\npath = {folder}\n" for i in range(2600))
    world.policy(f"[policy]\n[severity]\nreport.failed = error\nmodel.missing = off\nmodel.no-weights = off\nmodel.empty = off\n{models}")
    result = world.start("echo", "started", args=("--report", "json=/no/such/x"))
    assert result.status != 0 and "started" not in result.out


def test_what_lies_too_deep_is_no_pass(world):
    folder = plain(world)
    deep = folder.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    (deep / "e.safetensors").touch()
    plain_policy(world, folder)
    result = world.check()
    assert result.status == 65 and "32 directories" in result.finding("model.limit")["message"]


def test_eighty_external_files_of_which_one_is_missing(world):
    model = b"\x08\x08" + b"".join(onnx((f"t{i}.bin", 0, 16))[2:] for i in range(80))
    files = {f"t{i}.bin": b"\1" * 16 for i in range(80) if i != 77}
    plain_policy(world, plain(world, {**bert_files(), "a.onnx": model, **files}))
    result = world.check()
    assert result.status == 65 and result.finding("file.truncated")["path"] == "t77.bin"


def test_directories_have_owners_and_modes(world, need_root):
    folder = plain(world, {**bert_files(), "sub/a.json": b"{}"})
    os.chown(folder / "sub", 1000, 1000)
    plain_policy(world, folder, "owner = 0:0")
    assert world.check().finding("file.owner")["path"] == "sub"
    (folder / "sub").chmod(0o777)
    plain_policy(world, folder, "mode_mask = 0022")
    assert world.check().finding("file.mode")["path"] == "sub"
    (folder / "sub").chmod(0o1777)   # as /tmp: nobody exchanges the files of another
    plain_policy(world, folder)
    assert "file.world-writable" not in world.check().codes()


def test_a_pinned_commit_without_main(world):
    Repo(world.hub).all()
    result = world.policy(revision=COMMIT).check()
    assert result.status == 0 and "refs/main" in result.finding("model.no-main")["message"]


# Whose word it is

def unpacked(world, policy):
    image = world.path / "image"
    (image / "etc/aweigh").mkdir(parents=True)
    (image / "etc/aweigh/policy.ini").write_text(policy)
    return image


def test_the_policy_of_an_image_writes_no_file_of_this_machine(world):
    victim = world.path / "victim"
    victim.write_text("precious")
    image = unpacked(world, f"[policy]\nmode = offline\n[report]\njson = {victim}\n")
    for named in ((), ("-p", str(image / "etc/aweigh/policy.ini"))):   # by its path here it is the image's all the same
        result = world.run("check", "--root", str(image), *named)
        assert victim.read_text() == "precious" and "report.failed" in result.out


@pytest.mark.parametrize("user, policy, by, status", [
    ("app", "", (), 77), ("1000:1000", "", (), 77), ("", "", (), 0), ("root", "", (), 0), ("app", "user = root", (), 0), ("app", "", ("--user", "root"), 0),
    ("app", "user = unchanged", (), 77), ("nobody-here", "", (), 78)])
def test_an_image_is_judged_as_the_user_that_it_declares(world, need_root, user, policy, by, status):
    """USER of its Dockerfile, unless the policy or the command line name another."""
    image = unpacked(world, f"[policy]\nmode = offline\n{policy}\n[model x]\npath = /x\n")
    (image / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
    (image / "etc/group").write_text("root:x:0:\napp:x:1000:\n")
    (image / "x").mkdir()
    for name, data in bert_files().items():
        (image / "x" / name).write_bytes(data)
    (image / "x/model.safetensors").chmod(0o600)
    declared = world.path / "image.json"
    declared.write_text(json.dumps([{"Id": "x", "Config": {"User": user, "Env": ["HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "HF_DATASETS_OFFLINE=1"]}}]))
    result = world.run("check", "--root", str(image), "--image-config", str(declared), *by)
    assert result.status == status and ("as app" in result.out) == (status == 77), result


IMAGE = {"Env": ["HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "HF_DATASETS_OFFLINE=1"]}


def test_the_groups_of_the_policy_are_not_the_engines(world, need_root):
    """Without a user in the policy aweigh changes nothing in the container, groups neither."""
    image = unpacked(world, "[policy]\nmode = offline\ngroups = models\n[model x]\npath = /x\n")
    (image / "etc/passwd").write_text("app:x:1001:1001::/home/app:/bin/sh\n")
    (image / "etc/group").write_text("app:x:1001:\nmodels:x:7777:\n")
    (image / "x").mkdir()
    for name, data in bert_files().items():
        (image / "x" / name).write_bytes(data)
    os.chown(image / "x/model.safetensors", 0, 7777)
    (image / "x/model.safetensors").chmod(0o640)
    declared = world.path / "image.json"
    declared.write_text(json.dumps({"config": {**IMAGE, "User": "app"}}))
    result = world.run("check", "--root", str(image), "--image-config", str(declared))
    assert result.status == 77 and "file.unreadable" in result.out, result


@pytest.mark.parametrize("config, status, words", [
    ({"User": 1000}, 64, "is not the JSON"), ({"User": "a\0b"}, 64, "is not the JSON"), ({"User": ["app"]}, 64, "is not the JSON"), ({"User": None}, 0, "as root"), ({"User": ":0"}, 0, "as root"),
    ({"User": "app:"}, 0, "as app"), ({"User": "4242"}, 0, "4242"), (None, 64, "several images")])
def test_whom_an_image_may_name(world, need_root, config, status, words):
    image = unpacked(world, "[policy]\nmode = offline\n")
    (image / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1001:1001::/home/app:/bin/sh\n")
    declared = world.path / "image.json"
    one = {"Config": {**IMAGE, **(config or {})}}
    declared.write_text(json.dumps([one, one] if config is None else [one]))
    result = world.run("check", "--root", str(image), "--image-config", str(declared))
    assert result.status == status and words in result.out + result.err, result
    assert config is None or status != 0 or world.run("check", "--image-config", str(declared), "-p", str(image / "etc/aweigh/policy.ini")).status == 0


def test_the_policy_of_an_image_reads_no_variable_of_this_machine(world):
    image = unpacked(world, "[policy]\nmode = offline\n[model x]\npath = /x\nhint = ${CI_SECRET:-unset} ${DECLARED:-none}\n")
    declared = world.path / "image.env"
    declared.write_text("# as docker's\nDECLARED=by the image\nFROM_OUTSIDE\n")
    result = world.run("check", "--root", str(image), "--env-file", str(declared), env={"CI_SECRET": "hunter2"})
    assert "hunter2" not in result.out and "unset by the image" in " ".join(result.out.split())
    assert "--env-file" in world.run("check", "--env-file", "/no/such/file").err
    declared.write_text(json.dumps({"architecture": "amd64", "config": {"Env": ["PATH=/bin", "DECLARED=by the image"]}}))
    assert "unset by the image" in " ".join(world.run("check", "--root", str(image), "--image-config", str(declared)).out.split())
    declared.write_text("DECLARED=by the image\n")
    assert "is not the JSON of an image's configuration" in world.run("check", "--root", str(image), "--image-config", str(declared)).err


def test_a_link_of_the_service_does_not_lead_a_report(world, need_root):
    volume, victim = world.path / "volume", world.path / "victim"
    volume.mkdir()
    os.chown(volume, 1000, 1000)
    victim.write_text("precious")
    (volume / "report.json").symlink_to(victim)
    (volume / "way").symlink_to(world.path)
    for link in ("report.json", "way"):
        os.chown(volume / link, 1000, 1000, follow_symlinks=False)
    for path in (volume / "report.json", volume / "way" / "victim"):
        result = world.policy(f"[policy]\nmode = offline\nuser = 1000:1000\n[report]\njson = {path}\n").start("true", args=("-v",))
        assert victim.read_text() == "precious" and "report.failed" in result.err and result.status == 0
    os.chown(volume / "report.json", 0, 0, follow_symlinks=False)   # the administrator's own
    world.policy(f"[policy]\nmode = offline\n[report]\njson = {volume}/report.json\n").start("true")
    assert json.loads(victim.read_text())["verdict"] == "pass"


def test_a_report_may_go_to_the_log_of_the_container(world):
    """ln -s /dev/stdout /var/log/x, as images do."""
    link = world.path / "log.json"
    link.symlink_to("/dev/stdout")
    world.policy("")
    for path in (link, "/dev/stdout", "/proc/self/fd/1"):
        assert '"verdict": "pass"' in world.start("true", args=("--report", f"json={path}")).out


@pytest.mark.parametrize("how", ["set-user-id", "file capabilities"])
@pytest.mark.parametrize("name", [None, "aweigh: init"], ids=["by itself", "as its own init"])
def test_more_rights_than_who_starts_it(world, need_root, how, name):
    """Neither a policy nor a supervision of his own is read before it is refused."""
    copy = world.path / "aweigh"
    copy.write_bytes(open(world.binary, "rb").read())
    copy.chmod(0o4755 if how == "set-user-id" else 0o755)
    if how != "set-user-id":   # linux/capability.h: revision 2, effective; CAP_SETUID and CAP_SETGID
        os.setxattr(copy, "security.capability", struct.pack("<5I", 0x02000001, 1 << 7 | 1 << 6, 0, 0, 0))
    world.policy("[policy]\nuser = 0:0\n")
    command = [name] if name else [str(copy), "-p", str(world.policy_file), "--", "id", "-u"]
    result = subprocess.run(command, executable=copy, capture_output=True, user=65534, group=65534, extra_groups=[], stdin=subprocess.DEVNULL,
                            timeout=HANG_LIMIT, env={**world.env, "ASAN_OPTIONS": "detect_leaks=0"})
    assert result.returncode == 77 and result.stdout == b"" and b"set-user-id" in result.stderr, result


def test_a_second_name_of_somebody_elses_file_leads_no_report(world, need_root):
    """Where fs.protected_hardlinks is off anybody may make one."""
    volume, victim = world.path / "volume", world.path / "victim"
    volume.mkdir()
    victim.write_text("precious")
    os.link(victim, volume / "report.json")
    os.chown(volume, 1000, 1000)
    result = world.policy(f"[policy]\nmode = offline\n[report]\njson = {volume}/report.json\n").start("true", args=("-v",))
    assert victim.read_text() == "precious" and "report.failed" in result.err and result.status == 0, result


def test_names_are_no_commands_of_a_runner(world):
    folder = plain(world)
    (folder / ("a" * 48 + " ::set-output name=x::yes.safetensors")).touch()
    (folder / "y ##[set-output name=x;]yes.safetensors").touch()
    out = world.run("check", "-p", str(plain_policy(world, folder).policy_file)).out
    assert "##[" not in out and not any(line.lstrip().startswith("::") for line in out.splitlines())


@pytest.mark.parametrize("value", ["https://user:s3cret@mirror.example/x", "http://user:p@s3cret@proxy:3128", "user:s3cret@proxy:3128"])
@pytest.mark.parametrize("name", ["HF_ENDPOINT", "DATABASE_URL", "my_api_key"])
def test_no_credentials_are_printed(world, name, value):
    world.policy(f"[policy]\nmode = offline\n[environment set]\n{name} = {value}\n")
    shown = world.check().out + world.run("explain", "-p", str(world.policy_file)).out
    assert "s3cret" not in shown


# Where it runs

def test_groups_that_cannot_be_dropped_are_kept_and_said(world, need_root):
    """Kubernetes: runAsUser 1000 and fsGroup 2000, capabilities dropped."""
    drop = ["setpriv", "--reuid", "1000", "--regid", "1000", "--groups", "1000,2000", "--bounding-set=-all"]
    world.policy("[policy]\nuser = 1000:1000\n")
    result = world.start("id", "-G", args=("-v",), prefix=drop)
    assert result.status == 0 and result.out.split() == ["1000", "2000"] and "confine.groups" in result.err


def test_user_unchanged(world):
    world.policy("[policy]\nuser = ${RUN_AS:-unchanged}\n")
    assert world.start("id", "-u").out.strip() == str(os.geteuid())


def test_a_home_that_refuses_the_service(world, need_root):
    home = world.path / "roothome"
    home.mkdir(mode=0o700)
    plain_policy(world, plain(world), head="user = 65534:65534\nhome = keep")
    result = world.check(env={"HOME": str(home)})
    assert result.status == 0 and "65534 may not enter" in result.finding("env.home")["message"]
    for rule in ("home = set", "home = auto", ""):
        plain_policy(world, world.path / "m", head=f"user = 65534:65534\n{rule}")
        messages = [f["message"] for f in world.check(env={"HOME": str(home)}).report["findings"] if f["code"] == "env.home"]
        assert not any("may not enter" in message for message in messages), messages
        assert Path(pwd.getpwuid(65534).pw_dir).is_dir() or "is not a directory" in messages[0]
        assert world.start("sh", "-c", "echo $HOME", env={"HOME": str(home)}).out.strip() == pwd.getpwuid(65534).pw_dir
    assert "(policy.home)" in world.run("explain", "-p", world.policy_file, env={"HOME": str(home)}).out


def test_a_home_that_takes_the_service_in_stays(world, need_root):
    """What an image declares is meant, as long as the service can use it."""
    home = world.path / "apphome"
    home.mkdir(mode=0o755)
    plain_policy(world, plain(world), head="user = 65534:65534")
    assert world.start("sh", "-c", "echo $HOME", env={"HOME": str(home)}).out.strip() == str(home)


def test_pid_1_without_init_is_said(world, need_root):
    world.policy("")
    result = world.start("true", args=("-v",), prefix=["unshare", "--pid", "--fork"])
    assert result.status == 0 and "service.init" in result.err
    assert "service.init" not in world.start("true", args=("-v", "--init"), prefix=["unshare", "--pid", "--fork"]).err


@pytest.mark.parametrize("words", [["check", "--format", "json"], ["explain", "--only", "m"], ["--version"]])
def test_words_of_ours_behind_the_entrypoint(world, words):
    """ENTRYPOINT ["/aweigh", "--"]: docker run IMAGE check --format json"""
    complete(world.hub)
    world.policy()
    result = world.run("--", *words, env={"AWEIGH_POLICY": str(world.policy_file)})
    assert result.status == 0 and ("aweigh" in result.out or "org/m" in result.out), result


def test_which_directory_refuses_the_command(world, need_root):
    closed = world.path / "root"
    closed.mkdir(mode=0o700)
    (closed / "python").write_bytes(b"#!/bin/sh\n")
    (closed / "python").chmod(0o755)
    (world.path / "bin").mkdir()
    (world.path / "bin" / "python").symlink_to(closed / "python")
    world.policy("[policy]\nuser = 65534:65534\n")
    result = world.start("python", env={"PATH": f"{world.path}/bin"})
    assert result.status == 126 and f"uid 65534 may not enter {closed}" in " ".join(result.err.split())


def test_a_command_on_a_mount_without_programs(world, need_root):
    script = f'mkdir {world.path}/n && mount -t tmpfs -o noexec,mode=755 none {world.path}/n && cp /bin/true {world.path}/n/ && exec "$@"'
    world.policy("")
    result = world.start(f"{world.path}/n/true", prefix=["unshare", "-m", "sh", "-c", script, "sh"])
    assert result.status == 126 and "mounted noexec" in " ".join(result.err.split()), result


def test_orphans_are_reaped_while_the_gate_works(world, need_root):
    """PID 1 gets those of `docker exec` and of health checks from the first moment on."""
    folder = plain(world)
    with (folder / "large.bin").open("wb") as file:
        file.truncate(64 << 30)   # sparse: hours of hashing
    (folder / ".cache/huggingface/download").mkdir(parents=True)
    (folder / ".cache/huggingface/download/large.bin.metadata").write_text(f"{COMMIT}\n{'a' * 64}\n1.0\n")
    plain_policy(world, folder, head="verify = digest")
    script = f'(sleep 1; for i in 1 2 3 4 5; do (true & ) ; done; sleep 1) & exec {world.binary} -q -p {world.policy_file} -- true'
    process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script], env=world.env, stderr=subprocess.DEVNULL)
    try:
        def below(pid):
            return [int(word) for word in open(f"/proc/{pid}/task/{pid}/children").read().split()]

        wait_for(lambda: below(process.pid) and len(below(below(process.pid)[0])) == 2)   # the inspector, and the shell in the background
        (first,) = below(process.pid)
        wait_for(lambda: len(below(first)) == 1)   # the shell, and all that it left, have ended and are gone
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_the_verdict_stands_last(world):
    """The kubelet keeps the last 4,096 bytes of a termination message."""
    world.policy("[policy]\n" + "".join(f"[model m{i}]\npath = {world.path}/none{i}\n" for i in range(12)))
    written = world.check().out
    assert '"verdict": "refused"' in written[-4096:] and len(written) > 4096


def test_stdio_that_leads_out_is_replaced(world):
    """inetd's and ssh's standard output is a socket, which egress = deny takes away: the next file must not become it."""
    world.policy("[confine]\negress = deny\n")
    seen = world.path / "seen"
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        subprocess.run([world.binary, "-q", "-p", world.policy_file, "--", "sh", "-c", f"exec 3> {seen}; x=$(readlink /proc/$$/fd/1); echo $x >&3"],
                       stdout=client, env=world.env, timeout=HANG_LIMIT, check=True)
    assert seen.read_text() == "/dev/null\n"


def test_a_directory_that_was_handed_in_is_withheld(world, need_root):
    """It is the mount as it was before models_read_only: descriptor 9 of whoever started aweigh."""
    folder = plain(world)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 1000, 1000)
    plain_policy(world, folder, head="user = 1000:1000\n[confine]\nmodels_read_only = yes")
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        result = world.start("sh", "-c", f"echo bad > /proc/self/fd/{fd}/config.json", pass_fds=[fd])
    finally:
        os.close(fd)
    assert result.status != 0 and (folder / "config.json").read_bytes() == bert_files()["config.json"]


def with_usual_policy(world, text):
    """A prefix under which this is /etc/aweigh/policy.ini, for that command alone."""
    usual = world.path / "etc-aweigh"
    usual.mkdir(exist_ok=True)
    (usual / "policy.ini").write_text(text)
    return ["unshare", "-m", "sh", "-c", f'mkdir -p /etc/aweigh && mount --bind {usual} /etc/aweigh && exec "$@"', "sh"]


def test_a_policy_that_is_not_to_be_replaced(world, need_root):
    """Who sets the environment of the image does not take its policy away."""
    world.policy("")
    result = world.start("echo", "started", prefix=with_usual_policy(world, "[policy]\nreplaceable = no\n[model m]\npath = /no/such\n"))
    assert result.status == 78 and "replaceable = no" in result.err and "started" not in result.out


def test_the_service_may_open_its_own_streams(world, need_root):
    """supervisord, nginx and gunicorn write to /dev/stdout and /dev/stderr by name, which with USER they may."""
    world.policy("[policy]\nuser = 1000:1000\n")
    result = world.start("sh", "-c", "echo out > /proc/self/fd/1; echo err > /proc/self/fd/2; id -u")
    assert result.status == 0 and result.out == "out\n1000\n" and "err" in result.err
    file = world.path / "log"
    with file.open("w") as log:   # a file of the administrator stays his
        subprocess.run([world.binary, "-q", "-p", world.policy_file, "--", "true"], stdout=log, env=world.env, timeout=HANG_LIMIT, check=True)
    assert file.stat().st_uid == 0


@pytest.mark.parametrize("options", [[], ["--init"], ["--init", "--group"]], ids=["exec", "init", "group"])
def test_a_reader_that_is_gone_stops_no_service(world, options):
    """The report's SIGPIPE is aweigh's own; one that somebody sends is the service's."""
    read, write = os.pipe()
    os.close(read)
    world.policy("")
    for command, status in (("sleep 0.1; echo started", 0), ("trap 'echo started; exit 7' PIPE; kill -PIPE $PPID; while :; do sleep 0.01; done" if options else "echo started; exit 7", 7)):
        process = subprocess.run([world.binary, "-p", world.policy_file, *options, "--", "sh", "-c", command], stdout=subprocess.PIPE, stderr=write, env=world.env, timeout=HANG_LIMIT)
        assert process.returncode == status and process.stdout == b"started\n", process
    os.close(write)


def run_with_rows(world, rows, *args):
    """execve() with rows that no dictionary can hold."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    argv = [os.fsencode(str(word)) for word in (world.binary, *args)]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 1)
        libc.execve(argv[0], (ctypes.c_char_p * (len(argv) + 1))(*argv, None), (ctypes.c_char_p * (len(rows) + 1))(*[row.encode() for row in rows], None))
        os._exit(99)
    os.close(write)
    with os.fdopen(read) as out:
        text = out.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def test_a_variable_that_stands_twice(world):
    """getenv(3) and CPython find the first, bash hands on the last: what was judged is what the service finds."""
    complete(world.hub)
    world.policy(extra="[environment]\noffline = require")
    rows = ["HF_HUB_OFFLINE=0", "HF_HUB_OFFLINE=1", f"HF_HOME={world.path}/home", "HOME=/", f"PATH={os.environ['PATH']}"]
    status, text = run_with_rows(world, rows, "check", "-p", world.policy_file, "--format", "json")
    report = json.loads(text)
    assert status == 76 and "env.duplicate" in [finding["code"] for finding in report["findings"]]
    assert report["environment"]["HF_HUB_OFFLINE"] == "0"
    world.policy("")
    status, text = run_with_rows(world, ["A=1", "A=2", "PATH=/usr/bin:/bin", "HOME=/"], "-q", "-p", world.policy_file, "--", "/usr/bin/env")
    assert status == 0 and [row for row in text.split() if row.startswith("A=")] == ["A=1"]


@pytest.mark.parametrize("data, whole", [(b"\x80\x02}q\0.", True), (b"(dp0\n.", True), (b"\x01\x02\x03\x04" * 9, False), (b"?" * 64, False)])
def test_how_pickles_begin(world, data, whole):
    plain_policy(world, plain(world, {"config.json": b'{"model_type": "bert"}', "tokenizer.json": b"{}", "pytorch_model.bin": data}))
    codes = world.check().codes()
    assert ("file.header" in codes) != whole


def test_an_archive_that_is_cut_behind_another(world):
    import io
    import zipfile

    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a", b"1")
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\0.")
        archive.writestr("archive/inner.zip", inner.getvalue())
    whole = outer.getvalue()
    cut = whole[:whole.index(b"PK\1\2", whole.index(b"PK\5\6"))]   # the outer directory is gone, the inner's end stays
    for data, codes in ((whole, False), (cut, True)):
        plain_policy(world, plain(world, {"config.json": b'{"model_type": "bert"}', "tokenizer.json": b"{}", "pytorch_model.bin": data}))
        assert ("file.truncated" in world.check().codes()) == codes


def with_locator(archive):
    """As torch writes it in any case: a record of 64-bit numbers and its locator before the usual end."""
    end = archive.rindex(b"PK\5\6")
    size, offset = struct.unpack("<II", archive[end + 12:end + 20])
    count = struct.unpack("<H", archive[end + 10:end + 12])[0]
    return archive[:end] + b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, offset) + b"PK\6\7" + struct.pack("<IQI", 0, end, 1) + archive[end:]


@pytest.mark.parametrize("large", [False, True])
def test_an_archive_of_which_a_part_is_missing(world, large):
    import io
    import zipfile

    def write(*files):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
            for name, data in files:
                file.writestr(name, data)
        return with_locator(out.getvalue()) if large else out.getvalue()

    inner = write(("archive/data.pkl", b"\x80\x02}q\0."))
    whole = write(("archive/data.pkl", b"\x80\x02}q\0."), ("archive/data/0", b"x" * 5000), ("archive/data/1", inner), ("archive/data/2", b"y" * 5000))
    damaged = {"front": whole[:4] + whole[2000:], "middle": whole[:3000] + whole[3500:], "page": b"PK\3\4" + whole[4096:], "behind": whole[:whole.index(inner) + len(inner)]}
    for name, data in {"whole": whole, **damaged}.items():
        plain_policy(world, plain(world, {"config.json": b'{"model_type": "bert"}', "tokenizer.json": b"{}", "pytorch_model.bin": data}))
        assert ("file.truncated" in world.check().codes()) == (name != "whole"), name


@pytest.mark.parametrize("spec, status", [("==23.*", 0), ("!=23.*", 65), ("==24.*", 65), (">=23.*", 78), ("==23.*.1", 78), ("==23.0.1.0.*", 0), ("==23.1.*", 65)])
def test_versions_with_a_star(world, spec, status):
    site = world.path / "site"
    (site / "foo-23.0.1.dist-info").mkdir(parents=True)
    world.policy(f"[policy]\nmode = offline\n[packages]\nfoo = {spec}\n")
    assert world.check(env={"PYTHONPATH": str(site)}).status == status


def test_a_whole_file_is_still_whole(world):
    plain_policy(world, plain(world, {**bert_files(), "model.safetensors": safetensors()}))
    assert world.check().status == 0


# What aweigh's own processes give up

def test_no_byte_of_a_model_is_read_before_the_filter_stands(world):
    """The inspector: user, capabilities and Landlock aside, no socket from here on, whatever it reads."""
    trace = world.path / "trace"
    plain_policy(world, plain(world))
    result = world.check(prefix=["strace", "-f", "-o", str(trace), "-e", "trace=seccomp,openat,openat2"], env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert result.status == 0
    lines = trace.read_text().splitlines()
    filters = [i for i, line in enumerate(lines) if "SECCOMP_SET_MODE_FILTER" in line and line.endswith("= 0")]
    reads = [i for i, line in enumerate(lines) if "model.safetensors" in line or "config.json" in line]
    assert filters and reads and filters[0] < reads[0]


def test_what_withholds_seccomp_is_said(world):
    """A platform that refuses the filter: the models are inspected all the same, and a note says what is weaker."""
    plain_policy(world, plain(world))
    result = world.check("-v", prefix=["strace", "-f", "-o", "/dev/null", "-e", "trace=seccomp", "-e", "inject=seccomp:error=ENOSYS"], env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert result.status == 0
    assert "the inspector could make any socket" in " ".join(result.out.split())


# What was said and what is so

def test_a_pass_that_cannot_start_is_not_in_the_report(world):
    script, report = world.path / "script", world.path / "report.json"
    script.write_text("echo x\n")
    script.chmod(0o755)
    plain_policy(world, plain(world))
    result = world.start(str(script), args=("--report", f"json={report}"))
    written = json.loads(report.read_text())
    assert result.status == 126 == written["status"] and written["verdict"] == "refused"
    assert written["findings"][-1]["code"] == "service.executable" and "not a program for this machine" in written["findings"][-1]["message"]


@pytest.mark.parametrize("words", [("check",), ("check", "--format", "json"), ("explain",), ("checks", "file.digest"), ("help",), ("--version",)])
def test_what_cannot_be_printed_is_an_error(world, words):
    plain_policy(world, plain(world))
    named = ("-p", str(world.policy_file)) if words[0] in ("check", "explain") else ()
    with open("/dev/full", "w") as full:
        result = subprocess.run([world.binary, *words, *named], stdout=full, stderr=subprocess.PIPE, text=True, env=world.env, timeout=HANG_LIMIT)
    assert result.returncode == 74 and result.stderr == "aweigh: standard output cannot be written\n", result


def test_a_report_that_cannot_be_written(world):
    plain_policy(world, plain(world))
    result = world.check("--report", "json=/dev/full")
    assert result.status == 74 and result.finding("report.failed")["severity"] == "error"
    assert world.start("true", args=("--report", "json=/dev/full")).status == 0       # the service is not kept from starting


def test_a_reader_that_has_seen_enough(world):
    plain_policy(world, plain(world))
    done = subprocess.run(["sh", "-c", f"{world.binary} checks | head -n 1; {world.binary} check -p {world.policy_file} | true"], env=world.env, capture_output=True, text=True, timeout=HANG_LIMIT)
    assert done.stderr == ""


@pytest.mark.parametrize("init", ["no", "yes"])
def test_a_directory_above_the_models_is_withheld(world, need_root, init):
    folder = plain(world)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 1000, 1000)
    (world.path / "link").symlink_to("m")
    head = f"user = 1000:1000\n[confine]\nmodels_read_only = yes\n[service]\ninit = {init}"
    for place, handed, name in ((folder, folder.parent, "m/config.json"), (world.path / "link", folder, "config.json")):
        plain_policy(world, place, head=head)
        fd = os.open(handed, os.O_RDONLY | os.O_DIRECTORY)
        world.start("sh", "-c", f"echo bad > /proc/self/fd/{fd}/{name}", pass_fds=[fd])
        os.close(fd)
        assert "bad" not in (folder / "config.json").read_text()


def test_a_file_that_is_open_for_writing_is_withheld_from_the_owner(world, need_root):
    """Landlock asks when a file is opened: this one is open."""
    folder = plain(world)
    world.path.chmod(0o755)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 1000, 1000)
    plain_policy(world, folder, head="[confine]\nmodels_read_only = yes")
    before = (folder / "tokenizer.json").read_bytes()
    fd = os.open(folder / "tokenizer.json", os.O_RDWR)
    world.start("sh", "-c", f"echo YYY >&{fd}", pass_fds=[fd], prefix=("setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"))
    os.close(fd)
    assert (folder / "tokenizer.json").read_bytes() == before


def test_no_link_of_an_image_leads_onto_this_machine(world):
    """What is judged is what the image has, whatever lies under the same path here."""
    outside = world.path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text('{"word_embedding_dimension": 384}')
    image = unpacked(world, "[policy]\nmode = offline\n[model x]\npath = /x\n")
    for name, data in bert_files().items():
        (image / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (image / "x" / name).write_bytes(data)
    (image / "x" / "modules.json").write_text('[{"idx":0,"name":"0","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]')
    shutil.rmtree(image / "x" / "1_Pooling", ignore_errors=True)
    said = []
    for target in (outside, "/no/such/place"):
        (image / "x" / "1_Pooling").symlink_to(target)
        result = world.run("check", "--root", str(image), "--format", "json")
        said.append([(f["code"], f["path"]) for f in json.loads(result.out)["findings"] if f["severity"] == "error"])
        (image / "x" / "1_Pooling").unlink()
        assert result.status == 65
    assert said[0] == said[1]


def test_a_stop_signal_of_the_images_own(world, need_root):
    world.policy("[policy]\nverify = digest\n[model m]\npath = " + str(world.path / "m") + "\n[service]\ninit = yes\nforward.SIGWINCH = SIGTERM\n")
    folder = plain(world)
    with open(folder / "large.bin", "wb") as file:
        file.truncate(64 << 30)                       # sparse: hours of hashing
    (folder / ".cache/huggingface/download").mkdir(parents=True)
    (folder / ".cache/huggingface/download/large.bin.metadata").write_text(f"{COMMIT}\n{'a' * 64}\n1.0\n")
    process = subprocess.Popen([world.binary, "-q", "-p", world.policy_file, "--", "true"], env={**world.env, "HF_TOKEN": "hf_secretvalue"}, stderr=subprocess.DEVNULL)
    try:
        inspector = None
        while inspector is None:
            children = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
            inspector = next((pid for pid in children if "Seccomp:\t2" in open(f"/proc/{pid}/status").read()), None)
        assert b"HF_TOKEN=" in open(f"/proc/{inspector}/environ", "rb").read()        # that it is there may be asked
        assert b"secretvalue" not in open(f"/proc/{inspector}/environ", "rb").read()
        process.send_signal(signal.SIGWINCH)
        assert process.wait(HANG_LIMIT) == 128 + signal.SIGWINCH
    finally:
        process.kill()
        process.wait()


def test_a_policy_that_may_not_be_replaced_and_cannot_be_read(world, need_root):
    """Who cannot read it cannot know that it says no."""
    other = world.policy("[policy]\n").policy_file
    for said, status in (("${X}", 78), ("yes", 0)):
        prefix = with_usual_policy(world, f"[policy]\nreplaceable = {said}\n")
        assert world.run("check", env={"AWEIGH_POLICY": str(other)}, prefix=prefix).status == status, said


def test_a_user_without_a_name(world, need_root):
    plain_policy(world, plain(world), head="user = 54321:54321")
    env = {name: None for name in ("USER", "LOGNAME", "LNAME", "USERNAME")}
    assert world.check(env=env).finding("env.nameless")["severity"] == "note"
    assert "env.nameless" not in world.check(env={**env, "USER": "app"}).codes()


@pytest.mark.parametrize("name, value", [("OPENAI_KEY", "sk-secretvalue"), ("auth", "secretvalue"), ("MY_PAT", "secretvalue"), ("CREDS", "secretvalue"),
                                         ("X", "https://h.example/a?token=secretvalue"), ("SAS", "https://h.example/c?sv=1&sig=secretvalue")])
def test_secrets_by_other_names(world, name, value):
    world.policy(f"[policy]\n[environment set]\n{name} = {value}\n[environment require]\n{name} = {value}\n")
    assert "secretvalue" not in world.run("explain", "-p", world.policy_file).out
    assert "secretvalue" not in world.run("explain", "-p", world.policy_file, "--format", "json").out


@pytest.mark.parametrize("files", [
    {"config.json": b'{"model_type":"bert","auto_map":"m.X"}'}, {"a/b/c/config.json": b'{"auto_map":{"AutoModel":"m.X"}}'},
    {"scheduler/scheduler_config.json": b'{"auto_map":{"AutoModel":"m.X"}}'}, {"feature_extractor_config.json": b'{"auto_map":{"AutoModel":"m.X"}}'}])
def test_code_in_whichever_configuration(world, files):
    plain_policy(world, plain(world, {**bert_files(), "m.py": b"x = 1", **files}))
    assert world.check().finding("model.remote-code")["severity"] == "error"


@pytest.mark.parametrize("name, data", [("spiece.model", b"Entry not found"), ("sentencepiece.bpe.model", b'{"error":"Entry not found"}'),
                                        ("vocab.txt", b"<Error><Code>NoSuchKey</Code></Error>"), ("merges.txt", b'{"error":"Entry not found"}')])
def test_errors_in_the_place_of_a_vocabulary(world, name, data):
    plain_policy(world, plain(world, {**bert_files(), name: data}))
    assert world.check().finding("file.error-page")["path"] == name


@pytest.mark.parametrize("name", ["merges.txt", "qwen.tiktoken"])
def test_vocabularies_hold_something(world, name):
    plain_policy(world, plain(world, {**bert_files(), name: b""}))
    assert world.check().finding("file.empty")["path"] == name


def test_an_archive_of_torch_under_the_name_of_a_text(world):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02}.")
    plain_policy(world, plain(world, {**bert_files(), "x.txt": out.getvalue()}), "formats = safetensors")
    assert world.check().finding("model.format")["path"] == "x.txt"


def test_who_may_write_the_ref_chooses_the_snapshot(world, need_root):
    repo = complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\nowner = 0:0\nmode_mask = 0022\n")
    assert world.check().status == 0
    os.chown(repo.folder / "refs" / "main", 1000, 1000)
    assert world.check().finding("file.owner")["path"].endswith("refs/main")
