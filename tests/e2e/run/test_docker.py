# SPDX-License-Identifier: Apache-2.0
"""Real containers of images built FROM scratch: aweigh, a policy, a tiny model and a static service, and nothing else."""

import itertools
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest
import yaml
from world import HANG_LIMIT, ROOT, missing
from hub_server import Hub, one_repo
from models import Repo, bert_files, gguf, safetensors
from waiting import wait_for
from container import CONFINED, INIT

NUMBERS = itertools.count()
LANDLOCK = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]
EPERM, ENOSYS, EOPNOTSUPP = 1, 38, 95
def docker(*args, check=True, timeout=HANG_LIMIT, **options):
    return subprocess.run(["docker", *map(str, args)], check=check, capture_output=True, timeout=timeout, text=True,
                          env={**os.environ, "DOCKER_BUILDKIT": "0"}, stdin=subprocess.DEVNULL, **options)


class Engine:
    """One image, and the containers that a test starts from it; all of it goes when the tests are done."""

    def __init__(self, folder):
        self.folder, self.name, self.containers, self.images, self.volumes = folder, f"aweigh-test-{os.getpid()}", [], [], []
        root = folder / "root"
        (root / "etc/aweigh").mkdir(parents=True)
        (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nserver:x:1000:1000::/home/server:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\nserver:x:1000:\nmore:x:2000:server\n")
        (root / "etc/aweigh/policy.ini").write_text("[policy]\nmode = offline\nhub_cache = /models/hub\n[model m]\nrepo = org/m\n")
        for name in ("payload", "worker"):
            shutil.copy(ROOT / "build/programs" / name, root)
        shutil.copy(ROOT / "build/aweigh", root)
        Repo(root / "models/hub").all(bert_files()).ref().manifest()
        self.build(self.name, folder, "FROM scratch\nCOPY root/ /\nENV HF_HOME=/models\nENTRYPOINT [\"/aweigh\", \"--\"]\nCMD [\"/payload\", \"0\"]\n")

    def build(self, tag, context, dockerfile=None):
        if dockerfile is not None:
            (context / "Dockerfile").write_text(dockerfile)
        self.images.append(tag)
        return docker("build", "-q", "-t", tag, context)

    def policy(self, text):
        """The option that puts a policy where the image has its own."""
        path = self.folder / f"policy{next(NUMBERS)}.ini"
        path.write_text(text)
        return ["-v", f"{path}:/etc/aweigh/policy.ini:ro"]

    def profile(self, number=ENOSYS, calls=()):
        """A seccomp profile that allows all but some calls."""
        path = self.folder / f"profile{next(NUMBERS)}.json"
        path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": list(calls), "action": "SCMP_ACT_ERRNO", "errnoRet": number}] if calls else []}))
        return ["--security-opt", f"seccomp={path}"]

    def run(self, *options, command=(), check=False, network="none"):
        return docker("run", "--rm", "--network", network, *options, self.name, *command, check=check)

    def seen(self, *options, command=("/payload", "0"), **keywords):
        result = self.run(*options, command=command, **keywords)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def report(self, *options, command=("check",)):
        """`docker run IMAGE check`, as JSON."""
        result = docker("run", "--rm", "--network", "none", "--entrypoint", "/aweigh", *options, self.name, *command, "--format", "json", check=False)
        return result.returncode, json.loads(result.stdout)

    def start(self, *options, command, network="none"):
        name = f"{self.name}-{next(NUMBERS)}"
        self.containers.append(name)
        docker("run", "-d", "--name", name, "--network", network, *options, self.name, *command)
        return Container(name)

    def volume(self):
        name = f"{self.name}-{next(NUMBERS)}"
        docker("volume", "create", name)
        self.volumes.append(name)
        return name

    def clean(self):
        for kind, names in (("rm", self.containers), ("rmi", self.images), ("volume rm", self.volumes)):
            if names:
                docker(*kind.split(), "-f", *names, check=False)


class Container:
    def __init__(self, name):
        self.name = name

    def logs(self):
        result = docker("logs", self.name)
        return result.stdout + result.stderr

    def ready(self, words="ready"):
        wait_for(lambda: words in self.logs())
        return self

    def status(self):
        wait_for(lambda: docker("inspect", "-f", "{{.State.Status}}", self.name).stdout.strip() == "exited")
        return int(docker("inspect", "-f", "{{.State.ExitCode}}", self.name).stdout)

    def stop(self, limit=60):
        """Docker sends SIGTERM, and SIGKILL after the limit: then the status would be 137."""
        docker("stop", "-t", limit, self.name)
        return self.status()

    def processes(self):
        return [line.split(None, 1) for line in docker("top", self.name, "-o", "pid,cmd").stdout.splitlines()[1:]]


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    if not shutil.which("docker") or docker("info", check=False).returncode != 0:
        missing("a Docker engine")
    folder = tmp_path_factory.mktemp("docker")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    engine = Engine(folder)
    yield engine
    engine.clean()


# Exec and init

def test_exec_leaves_nothing(engine):
    """The service is PID 1: no other process, no other descriptor, its own file, and the container's own limits."""
    seen = engine.seen()
    assert seen["pid"] == 1 and seen["ppid"] == 0 and seen["descriptors"] == [0, 1, 2] and seen["blocked"] == seen["ignored"] == []
    container = engine.start(command=["/worker", "wait"]).ready()
    processes = container.processes()
    assert [command for _, command in processes] == ["/worker wait"]
    pid = processes[0][0]
    assert os.readlink(f"/proc/{pid}/exe") == "/worker" and "aweigh" not in open(f"/proc/{pid}/maps").read()
    assert container.stop() == 0


def test_init_is_one_small_process(engine):
    container = engine.start(*engine.policy(INIT), command=["/worker", "wait"]).ready()
    assert sorted(command for _, command in container.processes()) == ["/worker wait", "aweigh: init"]
    assert container.stop() == 0


@pytest.mark.parametrize("options", [[], ["--init"]], ids=["pid 1", "below docker's init"])
@pytest.mark.parametrize("init", ["exec", "init"])
def test_status_and_signal(engine, options, init):
    options = options + (engine.policy(INIT) if init == "init" else [])
    assert engine.run(*options, command=["/payload", "42"]).returncode == 42
    container = engine.start(*options, command=["/worker", "wait"]).ready()
    docker("kill", "-s", "KILL" if init == "exec" and not options else "TERM", container.name)
    assert container.status() == (137 if init == "exec" and not options else 0)


def test_every_signal_through_docker_kill(engine):
    container = engine.start(*engine.policy(INIT), command=["/worker", "catch"]).ready()
    wanted = [1, 2, 3, 10, 12, 15, 28, 37, 64]
    for number in wanted:
        docker("kill", "-s", number, container.name)
    wait_for(lambda: len(container.logs().split("ready\n")[-1].split()) >= len(wanted))
    assert {int(word) for word in container.logs().split("ready\n")[-1].split() if word.isdigit()} >= set(wanted)


# docker stop, in each phase

def test_stop_while_it_hashes(engine, tmp_path):
    repo = Repo(tmp_path / "hub").all(bert_files()).ref()
    with (repo.folder / "blobs" / ("a" * 64)).open("wb") as file:
        file.truncate(8 << 30)
    (repo.snapshot / "weights.bin").symlink_to(f"../../blobs/{'a' * 64}")
    container = engine.start("-v", f"{tmp_path}/hub:/models/hub:ro", *engine.policy("[policy]\nhub_cache = /models/hub\nverify = digest\n[model m]\nrepo = org/m\n[severity]\nmodel.pickle = off\n"),
                             command=["/worker", "wait"])
    wait_for(lambda: len(container.processes()) == 2)
    assert container.stop() == 143 and "ready" not in container.logs()


def test_stop_while_it_fetches(engine):
    """What has arrived is kept in the volume, and the next start goes on with it."""
    volume = engine.volume()
    with Hub(one_repo({**bert_files(), "model.safetensors": safetensors({"w": 5_000_000})})) as hub:
        hub.fault("/cdn/.*safetensors", rate=4_000_000)
        policy = engine.policy(f"[policy]\nmode = auto\nhub_cache = /data/hub\n[fetch]\nendpoint = {hub.url}\nallow_http = yes\nretries = 0\nconnections = 1\n[model m]\nrepo = org/m\n")
        container = engine.start("-e", "HF_HOME=/data", "-v", f"{volume}:/data", *policy, command=["/worker", "wait"], network="host")
        wait_for(lambda: hub.paths("/cdn/.*safetensors"))
        time.sleep(1)   # so that there is something to be kept
        assert container.stop() == 143
        hub.faults.clear()
        before = len(hub.seen)
        result = engine.run("-e", "HF_HOME=/data", "-v", f"{volume}:/data", *policy, command=["/payload", "0"], network="host", check=True)
        assert json.loads(result.stdout)["pid"] == 1
        asked = [seen.get("range", "") for seen in hub.seen[before:] if "/cdn/" in seen["path"]]
        assert asked and not any(words in ("", "bytes=0-") or words.startswith("bytes=0-") for words in asked), asked


@pytest.mark.parametrize("init", [False, True], ids=["exec", "init"])
def test_stop_while_it_serves(engine, init):
    container = engine.start(*(engine.policy(INIT) if init else []), command=["/worker", "wait"]).ready()
    assert container.stop() == 0


def test_stop_with_something_left(engine):
    """It ignores SIGTERM, so it is killed after the grace; the status is the service's."""
    result = engine.run(*engine.policy(INIT), command=["/worker", "hold", "15"])
    assert result.returncode == 0


# What a deployment takes away

FLAGS = {
    "as 1000": ["--user", "1000:1000"], "as nobody's number": ["--user", "4242:4242"], "read-only": ["--read-only"], "no capabilities": ["--cap-drop", "ALL"],
    "no new privileges": ["--security-opt", "no-new-privileges"], "no seccomp": ["--security-opt", "seccomp=unconfined"], "few pids": ["--pids-limit", "16"],
    "little memory": ["--memory", "16m"], "CAP_SYS_ADMIN": ["--cap-add", "SYS_ADMIN"],
    "all at once": ["--user", "4242:4242", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "16", "--memory", "16m"],
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
@pytest.mark.parametrize("policy", [None, INIT, CONFINED], ids=["exec", "init", "confined"])
def test_it_starts_with(engine, flags, policy):
    seen = engine.seen(*flags, *(engine.policy(policy) if policy else []))
    assert (seen["pid"] == 1) == (policy != INIT)
    assert "HF_HUB_OFFLINE=1" in seen["environ"]


def test_another_user_without_the_right(engine):
    """Refused with 77, and as the wanted user it starts without any."""
    policy = engine.policy("[policy]\nuser = server\nhub_cache = /models/hub\n[model m]\nrepo = org/m\n")
    result = engine.run("--cap-drop", "ALL", *policy, command=["/payload", "0"])
    assert result.returncode == 77 and result.stdout == ""
    seen = engine.seen("--cap-drop", "ALL", "--user", "1000:1000", "--group-add", "2000", *policy)
    assert seen["uid"] == 1000 and seen["groups"] == [1000, 2000] or seen["groups"] == [2000]


@pytest.mark.parametrize("groups, wanted", [("keep", {3000}), ("replace", {1000, 2000}), ("2000, 7", {2000, 7})])
def test_supplementary_groups(engine, groups, wanted):
    """Kubernetes' fsGroup arrives as a supplementary group, which `keep` keeps."""
    seen = engine.seen("--group-add", "3000", *engine.policy(f"[policy]\nuser = server\ngroups = {groups}\nhome = set\nhub_cache = /models/hub\n"))
    assert set(seen["groups"]) - {1000, 0} == wanted - {1000} and seen["uid"] == seen["gid"] == 1000
    assert {"HOME=/home/server", "USER=server", "LOGNAME=server"} <= set(seen["environ"])


def test_a_volume_of_others(engine, tmp_path):
    """The service's user cannot read it: said before the start, with the file."""
    Repo(tmp_path / "hub").all(bert_files()).ref().manifest()
    subprocess.run(["chown", "-R", "3000:3000", tmp_path / "hub"], check=True)
    (tmp_path / "hub").chmod(0o700)
    options = ["-v", f"{tmp_path}/hub:/models/hub", *engine.policy("[policy]\nuser = server\nhub_cache = /models/hub\n[model m]\nrepo = org/m\n")]
    result = engine.run(*options, command=["/payload", "0"])
    assert result.returncode == 77 and "model.un" in result.stderr and "uid 1000" in result.stderr
    assert engine.run("--user", "3000:3000", "-v", f"{tmp_path}/hub:/models/hub", command=["/payload", "0"]).returncode == 0


def test_a_named_volume(engine):
    """Docker fills a new volume from the image's folder; read-only it serves as well."""
    volume = engine.volume()
    assert engine.seen("-v", f"{volume}:/models", "--user", "1000:1000")["pid"] == 1
    assert engine.seen("-v", f"{volume}:/models:ro", "--user", "4242")["pid"] == 1


# Where the platform withholds

WITHHELD = {
    "openat2 ENOSYS": (ENOSYS, ["openat2"]), "openat2 EPERM": (EPERM, ["openat2"]), "close_range": (ENOSYS, ["close_range"]),
    "statx": (ENOSYS, ["statx"]), "everything new": (ENOSYS, ["openat2", "close_range", "statx", "faccessat2", "pidfd_open", "clone3", "mount_setattr", *LANDLOCK]),
}


@pytest.mark.parametrize("number, calls", WITHHELD.values(), ids=WITHHELD.keys())
@pytest.mark.parametrize("policy", [None, INIT, CONFINED], ids=["exec", "init", "confined"])
def test_without_the_calls(engine, number, calls, policy):
    seen = engine.seen(*engine.profile(number, calls), *(engine.policy(policy) if policy else []))
    assert seen["descriptors"] == [0, 1, 2]


@pytest.mark.parametrize("number, words", [(ENOSYS, "the kernel has no Landlock"), (EOPNOTSUPP, "started without it"), (EPERM, "seccomp profile forbids")])
def test_without_landlock(engine, number, words):
    """Told apart, said for the inspector and for the service; with `require` nothing starts."""
    options = [*engine.profile(number, LANDLOCK), *engine.policy(CONFINED)]
    status, report = engine.report(*options)
    said = {finding["code"]: finding["message"] for finding in report["findings"]}
    assert status == 0 and all(words in said[code] for code in ("confine.unavailable", "confine.egress", "confine.models")), said
    required = engine.policy(CONFINED.replace("egress", "landlock = require\negress"))
    assert engine.run(*engine.profile(number, LANDLOCK), *required, command=["/payload", "0"]).returncode == 77


@pytest.mark.parametrize("profile", ["the engine's own", "a current one"])
def test_seccomp_profiles(engine, profile):
    """Engines differ in whether their own profile lets Landlock through; aweigh works with it, and says what it is."""
    options = engine.policy(CONFINED)
    if profile == "a current one":   # as of Docker 23: Landlock is allowed, io_uring and others are not
        options += engine.profile(EPERM, ["io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "userfaultfd", "kexec_load", "add_key", "keyctl"])
    status, report = engine.report(*options)
    confinement, codes = report["confinement"], {finding["code"] for finding in report["findings"]}
    assert status == 0 and confinement["egress_others_enforced"]
    assert confinement["inspector_landlock"] == confinement["egress_tcp_enforced"] == ("confine.egress" not in codes) == (confinement["models_read_only"] != "no")
    assert profile != "a current one" or confinement["inspector_landlock"]
    seen = dict(line.split() for line in engine.run(*options, command=["/worker", "out", "1", "-1"]).stdout.splitlines())
    assert seen["udp4"] == seen["raw"] == seen["io_uring"] == "13" and seen["unix"] == "0"
    assert seen["tcp4"] == ("13" if confinement["egress_tcp_enforced"] else "111")


def test_no_filters_to_be_had(engine):
    status, report = engine.report(*engine.profile(EPERM, ["seccomp"]), *engine.policy(CONFINED))
    assert status == 0 and report["confinement"]["egress_others_enforced"] is False and report["confinement"]["egress_tcp_enforced"] is True


def test_nowhere_to_write(engine):
    """A read-only root has no /tmp to fall back on: nothing is needed."""
    assert engine.seen("--read-only", *engine.policy(CONFINED))["pid"] == 1


@pytest.mark.parametrize("policy", [None, INIT, CONFINED], ids=["exec", "init", "confined"])
def test_no_proc(engine, tmp_path, policy):
    """The image in plain namespaces, with no /proc, /dev or /sys at all."""
    root = engine.folder / "root"
    path = tmp_path / "policy.ini"
    path.write_text(policy or "[policy]\nhub_cache = /models/hub\n[model m]\nrepo = org/m\n")
    script = f"mount --bind {root} {root} && mount --bind {path} {root}/etc/aweigh/policy.ini && HF_HOME=/models exec chroot {root} /aweigh -- /payload 5"
    result = subprocess.run(["unshare", "-m", "-p", "-f", "/bin/sh", "-c", script], capture_output=True, text=True, timeout=HANG_LIMIT, stdin=subprocess.DEVNULL)
    assert result.returncode == 5, result
    assert json.loads(result.stdout)["uid"] == 0


def test_setgroups_denied(engine, tmp_path):
    """A user namespace that denies setgroups(2): as the user that it has, it starts; as another, it is refused."""
    root = engine.folder / "root"
    for user, status in (("root", 5), ("server", 77)):
        path = tmp_path / "policy.ini"
        path.write_text(f"[policy]\nuser = {user}\nhub_cache = /models/hub\n[model m]\nrepo = org/m\n")
        result = subprocess.run(["unshare", "-U", "--map-root-user", "chroot", root, "/aweigh", "--policy", "/policy.ini", "--", "/payload", "5"],
                                capture_output=True, text=True, timeout=HANG_LIMIT, stdin=subprocess.DEVNULL, env={"HF_HOME": "/models", "PATH": os.environ["PATH"]}) if shutil.copy(path, root / "policy.ini") else None
        assert result.returncode == status, result


# Terminals

def test_a_terminal(engine):
    """docker run -it: Ctrl-C reaches the service, and so does a resize."""
    name = f"{engine.name}-{next(NUMBERS)}"
    engine.containers.append(name)
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("docker", ["docker", "run", "-it", "--name", name, "--network", "none", *engine.policy(INIT), engine.name, "/worker", "catch"])
    seen = b""

    def until(words):
        nonlocal seen
        while words not in seen:
            assert select.select([fd], [], [], HANG_LIMIT)[0], seen
            seen += os.read(fd, 4096)

    until(b"ready")
    os.write(fd, b"\x03")
    until(b"2\r\n")
    import fcntl
    import struct
    import termios
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 71, 0, 0))
    os.kill(pid, signal.SIGWINCH)
    until(b"28\r\n")
    docker("kill", "-s", "KILL", name)
    os.waitpid(pid, 0)


# The five systems' own files

def test_compose(engine, tmp_path):
    """policies/shared-volume: a service fills a volume, three services start from it, offline; without it, none does."""
    if not shutil.which("docker-compose"):
        missing("docker-compose")
    folder = tmp_path / "homeiq"
    shutil.copytree(ROOT / "policies/shared-volume", folder)
    root = tmp_path / "image"
    (root / "usr/bin").mkdir(parents=True)
    (root / "tmp").mkdir()
    shutil.copy(ROOT / "build/aweigh", root)
    shutil.copy(ROOT / "build/programs/worker", root / "usr/bin/python")   # `python -m ml_service` waits for SIGTERM
    shutil.copytree(root, folder / "root")
    image = f"{engine.name}-homeiq"
    engine.build(image, folder, "FROM scratch\nCOPY root/ /\nENV PATH=/usr/bin\n")
    repos = {}
    for name in ("sentence-transformers/all-MiniLM-L6-v2", "BAAI/bge-reranker-base", "google/flan-t5-small"):
        repos |= one_repo(bert_files(), repo=name)
    with Hub(repos) as hub:
        prep = {"model-prep": {"image": image, "network_mode": "host", "environment": {"HF_ENDPOINT": hub.url}}}
        services = {f"{name}-service": {"image": image, "network_mode": "none"} for name in ("openvino", "ml", "ai-core")}
        (folder / "test.json").write_text(json.dumps({"services": prep | services}))
        policy = folder / "policy.ini"
        policy.write_text(policy.read_text() + "\n[fetch]\nallow_http = yes\n")
        project = f"aweigh{os.getpid()}"

        def compose(*args):
            return subprocess.run(["docker-compose", "-p", project, "-f", "compose.yaml", "-f", "test.json", *args], cwd=folder, capture_output=True, text=True,
                                  timeout=HANG_LIMIT, stdin=subprocess.DEVNULL)

        try:
            early = compose("run", "--rm", "ml-service")
            assert early.returncode == 66 and "docker compose --profile setup up model-prep" in early.stderr + early.stdout, early
            filled = compose("--profile", "setup", "run", "--rm", "model-prep")
            assert filled.returncode == 0, filled
            assert len(hub.requests) > 0
            up = compose("up", "-d", *services)
            assert up.returncode == 0, up
            for service in services:
                container = Container(compose("ps", "-q", service).stdout.strip())
                container.ready()
                assert container.stop() == 0
        finally:
            compose("--profile", "setup", "down", "-v")


def test_compose_together(engine, tmp_path):
    """`wait`: the services start before the volume has anything, and the prep is killed once in the middle."""
    if not shutil.which("docker-compose"):
        missing("docker-compose")
    folder = tmp_path / "homeiq"
    shutil.copytree(ROOT / "policies/shared-volume", folder)
    (folder / "root/usr/bin").mkdir(parents=True)
    (folder / "root/tmp").mkdir()
    shutil.copy(ROOT / "build/aweigh", folder / "root")
    shutil.copy(ROOT / "build/programs/worker", folder / "root/usr/bin/python")
    image = f"{engine.name}-together"
    engine.build(image, folder, "FROM scratch\nCOPY root/ /\nENV PATH=/usr/bin\n")
    repos = {}
    for name in ("sentence-transformers/all-MiniLM-L6-v2", "BAAI/bge-reranker-base", "google/flan-t5-small"):
        repos |= one_repo({**bert_files(), "model.safetensors": safetensors({"w": 2_000_000})}, repo=name)
    names = ["openvino-service", "ml-service", "ai-core-service"]
    with Hub(repos) as hub:
        hub.fault("flan-t5-small.*safetensors", drip=50_000)
        added = {"model-prep": {"image": image, "network_mode": "host", "environment": {"HF_ENDPOINT": hub.url}}} | {name: {"image": image, "network_mode": "none"} for name in names}
        (folder / "test.json").write_text(json.dumps({"services": added}))
        policy = folder / "policy.ini"
        text = policy.read_text()
        assert "; wait = 10m" in text
        policy.write_text(text.replace("; wait = 10m", "wait = 10m") + "\n[fetch]\nallow_http = yes\n")

        def compose(*args):
            return subprocess.run(["docker-compose", "-p", f"aweighw{os.getpid()}", "-f", "compose.yaml", "-f", "test.json", "--profile", "setup", *args], cwd=folder,
                                  capture_output=True, text=True, timeout=HANG_LIMIT, stdin=subprocess.DEVNULL)

        try:
            up = compose("up", "-d", "--no-deps", *names, "model-prep")
            assert up.returncode == 0, up
            wait_for(lambda: any("flan-t5-small" in str(request) and "safetensors" in str(request) for request in list(hub.requests)))
            assert compose("kill", "-s", "KILL", "model-prep").returncode == 0
            containers = [Container(compose("ps", "-q", name).stdout.strip()) for name in names]
            assert not any("ready\n" in container.logs() for container in containers), "a model is half aboard"
            with hub.lock:
                hub.faults.clear()
            assert compose("run", "--rm", "model-prep").returncode == 0
            for container in containers:
                container.ready()
                assert container.stop() == 0
        finally:
            compose("down", "-v")


def test_the_readmes_image(engine, tmp_path):
    """Its Dockerfile and policy as printed, from an empty folder; the images that it begins with are small ones of the test's."""
    readme = (ROOT / "README.md").read_text()
    dockerfile = next(text for text in re.findall(r"^```dockerfile\n(.*?)^```", readme, re.M | re.S) if "HEALTHCHECK" in text)
    policy = next(text for text in re.findall(r"^```ini\n(.*?)^```", readme, re.M | re.S) if "policy.ini;" in text)
    base, tool, image = (f"{engine.name}-readme-{part}" for part in ("base", "tool", "image"))
    for folder in ("base/bin", "tool/src/build", "context"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "build/programs/worker", tmp_path / "base/bin/uvicorn")
    engine.build(base, tmp_path / "base", "FROM scratch\nCOPY bin/ /bin/\nENV PATH=/bin\n")
    shutil.copy(ROOT / "build/aweigh", tmp_path / "tool/src/build")
    engine.build(tool, tmp_path / "tool", "FROM scratch\nCOPY src/ /src/\n")
    (tmp_path / "context/policy.ini").write_text(policy)
    Repo(tmp_path / "context/models/hub", "sentence-transformers/all-MiniLM-L6-v2").all({**bert_files(), "modules.json": b"[]"}).ref()
    assert "FROM python:3.12-slim\n" in dockerfile and "--from=aweigh " in dockerfile
    engine.build(image, tmp_path / "context", dockerfile.replace("python:3.12-slim", base).replace("--from=aweigh ", f"--from={tool} "))
    health = json.loads(docker("inspect", "-f", "{{json .Config.Healthcheck.Test}}", image).stdout)
    name = f"{engine.name}-{next(NUMBERS)}"
    engine.containers.append(name)
    docker("run", "-d", "--name", name, "--network", "none", image)
    container = Container(name)
    container.ready()
    assert health[0] == "CMD" and docker("exec", name, *health[1:], check=False).returncode == 0
    assert container.stop() == 0, "remap.143"
    for words in (["check", "--format", "json"], ["--version"], ["smoke", "--", "uvicorn", "app:app", "--port", "8001"]):
        result = docker("run", "--rm", "--network", "none", image, *words, check=False)
        assert result.returncode == 0, result


def test_the_readmes_compose(engine, tmp_path):
    """Its two services, started together upon an empty volume, from one image whose policy waits."""
    if not shutil.which("docker-compose"):
        missing("docker-compose")
    readme = (ROOT / "README.md").read_text()
    compose_file, _ = yaml.safe_load_all(re.search(r"^```yaml\n(.*?)^```", readme, re.M | re.S)[1])
    policy = next(text for text in re.findall(r"^```ini\n(.*?)^```", readme, re.M | re.S) if "policy.ini;" in text)
    (tmp_path / "root/bin").mkdir(parents=True)
    (tmp_path / "root/etc/aweigh").mkdir(parents=True)
    (tmp_path / "root/models").mkdir()
    os.chown(tmp_path / "root/models", 1000, 1000)
    shutil.copy(ROOT / "build/programs/worker", tmp_path / "root/bin/uvicorn")
    shutil.copy(ROOT / "build/aweigh", tmp_path / "root")
    (tmp_path / "root/etc/aweigh/policy.ini").write_text(policy.replace("mode = offline", "mode = offline\nwait = 10m") + "[fetch]\nallow_http = yes\n")
    image = f"{engine.name}-readme-app"
    engine.build(image, tmp_path, 'FROM scratch\nCOPY root/ /\nENV PATH=/bin HF_HOME=/models\nENTRYPOINT ["/aweigh", "--"]\nCMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8001"]\n')
    for service in compose_file["services"].values():
        assert service["image"] == "app"
        service["image"] = image
    with Hub(one_repo({**bert_files(), "modules.json": b"[]"}, repo="sentence-transformers/all-MiniLM-L6-v2")) as hub:
        compose_file["services"]["models"] |= {"network_mode": "host", "environment": {"HF_ENDPOINT": hub.url}}
        compose_file["services"]["app"] |= {"network_mode": "none"}
        (tmp_path / "compose.yaml").write_text(yaml.safe_dump(compose_file))

        def compose(*args):
            return subprocess.run(["docker-compose", "-p", f"aweighr{os.getpid()}", *args], cwd=tmp_path, capture_output=True, text=True, timeout=HANG_LIMIT, stdin=subprocess.DEVNULL)

        try:
            up = compose("up", "-d")
            assert up.returncode == 0, up
            container = Container(compose("ps", "-q", "app").stdout.strip())
            container.ready()
            assert hub.requests and container.stop() == 0
        finally:
            compose("down", "-v")


def test_the_readmes_image_of_the_source(engine, tmp_path, need_root):
    """Its first Dockerfile as printed, upon a Debian that mmdebstrap makes. The libraries' archives come along, which take minutes to build."""
    dockerfile = next(text for text in re.findall(r"^```dockerfile\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S) if "COPY . /src" in text)
    mirror = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    mirror = next((line.split()[0] for line in mirror.splitlines() if line.endswith(" bookworm")), None)
    if mirror is None or shutil.which("mmdebstrap") is None:
        missing("mmdebstrap and a mirror of Debian 12")
    base, image = f"{engine.name}-debian", f"{engine.name}-source"
    subprocess.run(["mmdebstrap", "--quiet", "--variant=apt", "bookworm", tmp_path / "base.tar", mirror], check=True, timeout=HANG_LIMIT)
    engine.images.append(base)
    docker("import", tmp_path / "base.tar", base)
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")[:-1]
    for name in map(os.fsdecode, listed):
        if (ROOT / name).exists():
            (tmp_path / "context" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "context" / name)
    shutil.copytree(ROOT / "build/deps", tmp_path / "context/build/deps", symlinks=True)
    compiler = tmp_path / "context/build/deps/bin/mcc"
    compiler.write_text(compiler.read_text().replace(str(ROOT), "/src"))
    (tmp_path / "context/build/deps/out/VERSIONS").touch()
    (tmp_path / "context/Dockerfile").write_text(dockerfile.replace("debian:12", base))
    engine.images.append(image)
    docker("build", "-q", "--network", "host", "-t", image, tmp_path / "context", timeout=4 * HANG_LIMIT)
    assert docker("run", "--rm", "--network", "none", image, "/src/build/aweigh", "--version").stdout.startswith("aweigh ")


# Observed

@pytest.mark.parametrize("options", [[], ["--user", "65534:65534"], ["--read-only"], ["--cap-drop", "ALL"], ["--init"], ["--security-opt", "no-new-privileges"]],
                         ids=lambda options: " ".join(options) or "as PID 1")
def test_smoke_in_a_container(engine, options):
    policy = "[policy]\nhub_cache = /models/hub\n[model m]\nrepo = org/m\n[service]\nready = tcp:8080\nsettle = 100ms\nnetwork = refuse\n"
    name = f"{engine.name}-{next(NUMBERS)}"
    engine.containers.append(name)
    result = docker("run", "--name", name, "--network", "none", "--entrypoint", "/aweigh", *options, *engine.policy(policy), engine.name, "smoke", "--format", "json", "--", "/worker", "offer", "8080", check=False)
    report = json.loads(result.stderr[result.stderr.find("{\n"):])
    service = report["service"]
    assert result.returncode == 0 and service["observed"] and service["ready"] and service["ports"] == [8080] and "ready\n" in result.stdout, result
    assert not [f for f in report["findings"] if f["code"] == "service.unobserved"], report


def test_who_reaches_out_of_a_container_is_seen(engine):
    """As another user, and so not to be looked into by a root without CAP_SYS_PTRACE."""
    policy = "[policy]\nhub_cache = /models/hub\nuser = 1000:1000\n[model m]\nrepo = org/m\n[service]\nready = exit\nnetwork = refuse\n"
    result = docker("run", "--rm", "--network", "none", "--entrypoint", "/aweigh", *engine.policy(policy), engine.name, "smoke", "--format", "json", "--", "/worker", "reach", check=False)
    report = json.loads(result.stderr[result.stderr.find("{\n"):])
    assert result.returncode == 76 and [a["host"] for a in report["service"]["attempts"]] == ["192.0.2.1"], result


def catalyst(root):
    from models import minilm_files
    hub = root / "home/catalyst/.cache/huggingface/hub"
    files = minilm_files()
    files["model.safetensors"] = safetensors({"w": 20_500_000})
    Repo(hub, "sentence-transformers/all-MiniLM-L6-v2").all(files).ref().manifest()
    dist = root / "usr/lib/python3.11/site-packages/requests-2.32.5.dist-info"
    dist.mkdir(parents=True)
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: requests\nVersion: 2.32.5\n")
    return "uvicorn"


def candle(root):
    for line in (ROOT / "policies/ci-cache/model_manifest.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            files = {"model.gguf": gguf()} if "GGUF" in words[0] or "gguf" in line else bert_files()
            for word in words[1:]:
                if word.startswith("gguf:"):
                    files = {word[5:]: gguf()}
            Repo(root / "cache/hub", words[0].split("@")[0]).all(files).ref().manifest()
    return "bundle"


def gnosis(root):
    Repo(root / "cache/huggingface/hub", "nanonets/Nanonets-OCR-s").all(bert_files()).ref().manifest()
    return "uvicorn"


@pytest.mark.parametrize("system, fill, options, status", [
    ("build-behind-a-proxy", catalyst, [], 0),
    ("ci-cache", candle, [], 0),
    ("bucket-on-cloud-run", gnosis, ["-e", "STORAGE_PATH=/s", "-e", "GCS_BUCKET_NAME=b", "-e", "MODEL_BUCKET_NAME=m"], 76),   # /cache is no bucket here
])
def test_images_of_the_systems(engine, tmp_path, system, fill, options, status):
    """Their Dockerfiles but for FROM, upon a base image with their models; RUN ["/aweigh", "check"] is one of the lines."""
    base, context = tmp_path / "base", tmp_path / "context"
    (base / "root/usr/bin").mkdir(parents=True)
    (base / "root/etc").mkdir()
    (base / "root/tmp").mkdir()
    (base / "root/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ncatalyst:x:1000:1000::/home/catalyst:/bin/sh\n")
    (base / "root/etc/group").write_text("root:x:0:\ncatalyst:x:1000:\n")
    shutil.copy(ROOT / "build/programs/worker", base / "root/usr/bin" / fill(base / "root"))
    owned = "COPY --chown=1000:1000 root/home /home\n" if (base / "root/home").exists() else ""
    engine.build(f"{engine.name}-{system}-base", base, f"FROM scratch\nCOPY root/ /\n{owned}ENV PATH=/usr/bin\n")
    shutil.copytree(ROOT / "policies" / system, context)
    shutil.copy(ROOT / "build/aweigh", context)
    engine.build(f"{engine.name}-{system}", context, re.sub("(?m)^FROM .*", f"FROM {engine.name}-{system}-base", (context / "Dockerfile").read_text()))
    name = f"{engine.name}-{next(NUMBERS)}"
    engine.containers.append(name)
    docker("run", "-d", "--name", name, "--network", "none", *options, f"{engine.name}-{system}")
    container = Container(name)
    if status == 0:
        container.ready()
        assert container.stop() == 0
    else:
        assert container.status() == status, container.logs()
