# SPDX-License-Identifier: Apache-2.0
"""After exec nothing of aweigh is left: the service has what it would have had without the gate."""

import fcntl
import json
import os
import resource
import signal
import subprocess

import pytest
from world import HANG_LIMIT
from models import complete


def seen(result, status=0):
    assert result.status == status, result
    return json.loads(result.out)


def both(world, payload, **options):
    """What the payload sees directly, and behind the gate."""
    full = dict(world.env, **options.pop("env", {}))
    direct = subprocess.run([payload], env=full, capture_output=True, timeout=HANG_LIMIT, cwd=world.path, stdin=subprocess.DEVNULL, **options)
    gated = subprocess.run([world.binary, "-p", str(world.policy_file), "--", payload], env=full, capture_output=True, timeout=HANG_LIMIT,
                           cwd=world.path, stdin=subprocess.DEVNULL, **options)
    assert gated.returncode == 0, gated.stderr
    return json.loads(direct.stdout), json.loads(gated.stdout)


def same(direct, gated, but=("environ", "pid", "ppid")):
    for name in direct:
        if name not in but:
            assert gated[name] == direct[name], name


def test_everything_is_as_without_the_gate(world, payload):
    same(*both(world.policy("[policy]\nmode = online\n"), payload, env={"A": "1", "B": "x=y z"}), but=("pid", "ppid"))


def test_the_same_with_models(world, payload):
    complete(world.hub)
    same(*both(world, payload))


def test_mask_and_dispositions(world, payload):
    def unusual():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMIN + 3])
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGTTOU, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)

    direct, gated = both(world.policy(""), payload, preexec_fn=unusual, restore_signals=False)
    assert signal.SIGCHLD in direct["ignored"] and signal.SIGTERM in direct["blocked"]
    same(direct, gated)


def test_limits_umask_directory_descriptors(world, payload):
    kept = os.open("/dev/null", os.O_RDONLY)
    high = fcntl.fcntl(kept, fcntl.F_DUPFD, 100)
    (world.path / "work").mkdir()

    def unusual():
        os.umask(0o037)
        os.chdir(world.path / "work")
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    direct, gated = both(world.policy(""), payload, preexec_fn=unusual, pass_fds=(kept, high))
    assert high in gated["descriptors"] and gated["umask"] == "0037"
    same(direct, gated)
    os.close(kept), os.close(high)


def test_the_process_is_the_same(world, payload):
    process = subprocess.Popen([world.binary, "-p", world.policy("").policy_file, "--", payload], env=world.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out, _ = process.communicate(timeout=HANG_LIMIT)
    assert json.loads(out)["pid"] == process.pid


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_status_is_the_services(world, payload, status):
    seen(world.policy("").start(payload, str(status)), status)


def environ(result):
    return dict(row.split("=", 1) for row in seen(result)["environ"])


def test_offline_variables_by_mode(world, payload):
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    for mode, value in (("offline", "1"), ("auto", "1"), ("online", None)):
        out = environ(world.policy(f"[policy]\nmode = {mode}\n").start(payload))
        assert {out.get(name) for name in names} == {value}, mode
    out = environ(world.policy("[policy]\nmode = offline\n[environment]\noffline = leave\n").start(payload, env={"HF_HUB_OFFLINE": "0"}))
    assert out["HF_HUB_OFFLINE"] == "0"


def test_aliases(world, payload):
    text = "[policy]\nmode = online\n[environment]\naliases = HF_OFFLINE, CI_OFFLINE_MODE\n"
    assert environ(world.policy(text).start(payload, env={"CI_OFFLINE_MODE": "true"}))["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environ(world.start(payload, env={"CI_OFFLINE_MODE": "0"}))
    assert "env.misspelt" not in world.check(env={"HF_OFFLINE": "true"}).codes()


def test_environment_sections(world, payload):
    text = ("[environment set]\nGREETING = hello there\nEMPTY =\nHOMELY = ${HOME}/x\n[environment unset]\nHF_TOKEN =\n[environment require]\n"
            "PORT = 80*\nANY =\n[environment forbid]\nDEBUG =\nLEVEL = verbose\n")
    world.policy(text)
    given = {"HF_TOKEN": "hf_secret", "PORT": "8080", "ANY": "1", "GREETING": "old", "LEVEL": "quiet"}
    out = environ(world.start(payload, env=given))
    assert out["GREETING"] == "hello there" and out["EMPTY"] == "" and out["HOMELY"] == f"{world.path}/x" and "HF_TOKEN" not in out
    for change in ({"PORT": "90"}, {"PORT": None}, {"ANY": ""}, {"DEBUG": "1"}, {"LEVEL": "verbose"}):
        result = world.start(payload, env={**given, **change})
        assert result.status == 76 and result.out == "", (change, result)


def test_export(world, payload):
    repo = complete(world.hub)
    (world.path / "plain").mkdir()
    (world.path / "plain/config.json").write_text("{}")
    world.policy(f"[model m]\nrepo = org/m\nexport = M_PATH\n[model p]\npath = {world.path}/plain\nrequire = config.json\nexport = P_PATH\n")
    out = environ(world.start(payload))
    assert out["M_PATH"] == str(repo.snapshot) and out["P_PATH"] == f"{world.path}/plain"
    assert "export" in world.run("explain", "-p", str(world.policy_file)).out


def test_what_the_service_is_told_is_whole(world, payload):
    """It may change its directory before it loads."""
    complete(world.hub)
    (world.path / "plain").mkdir()
    (world.path / "plain/config.json").write_text("{}")
    world.env = {name: value for name, value in world.env.items() if name not in ("HF_HOME", "HF_HUB_CACHE")}
    world.policy(f"[policy]\nhub_cache = home/hub\n[model m]\nrepo = org/m\n[model p]\npath = plain\nrequire = config.json\nexport = P_PATH\n"
                 f"[service]\nworking_directory = {world.path}\n")
    out = environ(world.start(payload))
    assert out["HF_HUB_CACHE"] == str(world.hub) and out["P_PATH"] == f"{world.path}/plain"


def test_user_groups_and_home(world, payload, need_root):
    out = seen(world.policy("[policy]\nuser = 1234:2345\n").start(payload))
    assert (out["uid"], out["gid"], out["groups"]) == (1234, 2345, [2345])
    assert int(out["status"]["CapEff"], 16) == 0
    out = seen(world.policy("[policy]\nuser = daemon\nhome = set\n").start(payload))
    assert out["uid"] == 1 and "HOME=/usr/sbin" in out["environ"] and "USER=daemon" in out["environ"]
    out = seen(world.policy("[policy]\nuser = 1234:2345\ngroups = 7, 8\n").start(payload))
    assert out["groups"] == [7, 8]
    out = seen(world.policy("[policy]\nuser = 1234:2345\ngroups = keep\n").start(payload, extra_groups=[55]))
    assert 55 in out["groups"]


def test_wrong_user_without_the_right_to_change_is_refused(world, payload, need_root):
    result = world.policy("[policy]\nuser = 1234:2345\n").start(payload, user=1000, group=1000)
    assert result.status == 77 and result.out == "" and "may not become uid 1234" in result.err
    seen(world.policy("[policy]\nuser = 1000:1000\n").start(payload, user=1000, group=1000, extra_groups=[]))


def script(world, name, text, mode=0o755):
    path = world.path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return str(path)


def test_126_and_127_say_why(world):
    world.policy("")
    cases = [
        ("no-such-command", 127, "no such command in the service's PATH"),
        (str(world.path / "absent"), 127, "No such file"),
        (script(world, "plain", "#!/bin/sh\n", 0o644), 126, "has no execute permission (mode 0644): chmod +x it"),
        (str(world.path), 126, "it is not a regular file"),
        (script(world, "interpreter", "#!/no/such/python -u\nprint()\n"), 127, "interpreter '/no/such/python'"),
        (script(world, "windows", b"#!/bin/sh\r\nexit 0\r\n"), 127, "Windows line ends"),
        (script(world, "text", "just text\n"), 126, "not a program for this machine"),
    ]
    for command, status, words in cases:
        result = world.start(command)
        assert result.status == status and words in " ".join(result.err.split()), (command, result)


def test_nothing_is_hashed_for_a_command_that_is_not_there(world):
    """Whoever mistypes it waits for no digest: what is said of the models is what was looked at."""
    snapshot = complete(world.hub).snapshot
    weights = snapshot / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    world.policy("[policy]\nverify = digest\n[model m]\nrepo = org/m\n")
    assert world.start("true").status == 65
    result = world.run("-p", str(world.policy_file), "--format", "json", "--", "no-such-command")
    report = json.loads(result.err[result.err.find("{\n"):])
    assert result.status == report["status"] == 127 and report["models"][0]["level"] == "structure", report


def test_a_missing_loader_is_named(world):
    source = world.path / "hello.c"
    source.write_text("int main(void) { return 0; }\n")
    program = world.path / "hello"
    subprocess.run(["gcc", "-Wl,--dynamic-linker=/lib/ld-of-another-system.so.1", "-o", program, source], check=True)
    result = world.policy("").start(str(program))
    assert result.status == 127 and "/lib/ld-of-another-system.so.1" in result.err


def test_path_is_the_services(world, payload):
    tools = world.path / "tools"
    denied = world.path / "denied"
    tools.mkdir(), denied.mkdir()
    (denied / "service").write_text("not executable")
    os.symlink(payload, tools / "service")
    world.policy(f"[environment set]\nPATH = {denied}:{tools}\n")
    seen(world.start("service"))
    world.policy(f"[environment set]\nPATH = {denied}\n")
    assert world.start("service").status == 126


@pytest.mark.parametrize("where", ["/proc/self/fd", "/dev/fd"])
def test_a_command_by_descriptor(world, where):
    """fexecve(3)'s way: the descriptor is the service's, and there when it starts."""
    with open("/bin/true", "rb") as program:
        assert world.policy("").start(f"{where}/{program.fileno()}", pass_fds=[program.fileno()]).status == 0


def test_working_directory(world, payload):
    assert seen(world.policy("[service]\nworking_directory = /usr\n").start(payload))["directory"] == "/usr"
    result = world.policy("[service]\nworking_directory = /no/such/folder\n").start(payload)
    assert result.status == 77 and "/no/such/folder" in result.err


def test_large_environment(world, payload):
    variables = {f"V{i:05}": "x" * 100 for i in range(15000)}
    out = seen(world.policy("").start(payload, env=variables))
    assert len(out["environ"]) > 15000


def test_enforce_no_reports_and_starts(world, payload):
    world.policy(extra="enforce = no")
    result = world.start(payload, "7")
    assert result.status == 7 and "model.missing" in result.err and "not enforced" in result.err


def test_refusal_starts_nothing(world, payload):
    marker = world.path / "started"
    result = world.start("/bin/sh", "-c", f"touch {marker}")
    assert result.status == 66 and not marker.exists()


def test_our_commands_behind_the_entrypoint(world):
    complete(world.hub)
    result = world.run("-p", str(world.policy_file), "--", "check")
    assert result.status == 0 and "pass" in result.out, result
    assert "env.online" in world.run("--", "checks").out


def test_optional_and_severity(world, payload):
    assert world.policy(model="optional = yes").start(payload).status == 0
    assert world.policy(model="[severity]\nmodel.missing = warning").start(payload).status == 0
    result = world.policy(model="[severity]\nmodel.missing = off").check()
    assert result.status == 0 and "model.missing" not in result.codes()


def test_pid_1_in_a_namespace(world, payload, need_root):
    complete(world.hub)
    prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
    result = world.run("-p", str(world.policy_file), "--", payload, "5", prefix=prefix)
    assert seen(result, 5)["pid"] == 1
    assert world.policy(repo="org/gone").run("-p", str(world.policy_file), "--", payload, prefix=prefix).status == 66


def odd_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGRTMIN + 3])
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGTTOU, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)


def odd_limits():
    os.umask(0o037)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@pytest.mark.parametrize("more", ["", "user = 65534:65534\n", "init"])
@pytest.mark.parametrize("unusual", [None, odd_signals, odd_limits], ids=["plain", "signals", "limits"])
def test_the_same_under_observation(world, payload, unusual, more, need_root):
    """What smoke's service finds is what run's finds, but for no_new_privs, which observing needs, and the parent."""
    complete(world.hub)
    world.readable()
    kept = os.open("/dev/null", os.O_RDONLY)
    init = "init = yes\n" if more == "init" else ""
    world.policy(f"[policy]\n{'' if init else more}[model m]\nrepo = org/m\n[confine]\nno_new_privileges = yes\n[service]\nready = exit\n{init}")
    options = {"env": {**world.env, "A": "1"}, "capture_output": True, "timeout": HANG_LIMIT, "cwd": "/", "stdin": subprocess.DEVNULL, "preexec_fn": unusual,
               "restore_signals": False, "pass_fds": (kept,)}
    plain, watched = (json.loads(subprocess.run([world.binary, command, "--policy", str(world.policy_file), "--", payload], **options).stdout) for command in ("run", "smoke"))
    os.close(kept)
    same(plain, watched, but=("pid", "ppid"))
    assert kept in watched["descriptors"]
