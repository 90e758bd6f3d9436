# SPDX-License-Identifier: Apache-2.0
"""The real gVisor (Debian's runsc, ptrace platform), as Cloud Run and GKE Sandbox have it: a kernel of its own, without Landlock,
whose close_range(2) wants other numbers and whose /proc is smaller. A bundle in a folder is all that it takes."""

import itertools
import json
import os
import shutil
import subprocess

import pytest
import yaml
from container import CONFINED, INIT
from hub_server import Hub, one_repo
from image import ENVIRONMENT, fill, policy_text, reachable
from models import COMMIT, Repo, bert_files, safetensors
from waiting import wait_for
from world import HANG_LIMIT, ROOT, missing

NUMBERS = itertools.count()
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID"]


class Sandbox:
    """Containers with a state folder of their own; each is one `runsc run`, which ends as its container does."""

    def __init__(self, folder):
        self.folder, self.running = folder, []
        self.root = fill(folder / "root")

    def runsc(self, *args, network="none", flags=()):
        return [shutil.which("runsc"), f"--root={self.folder}/state", "--platform=ptrace", f"--network={network}", "--ignore-cgroups", *flags, *map(str, args)]

    def call(self, *args):
        return subprocess.run(self.runsc(*args), capture_output=True, text=True, timeout=HANG_LIMIT, stdin=subprocess.DEVNULL)

    def bundle(self, command, policy=None, user=(0, 0), groups=(), capabilities=CAPABILITIES, env=(), binds=(), read_only=True):
        bundle = self.folder / f"bundle{next(NUMBERS)}"
        bundle.mkdir()
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]
        if policy is not None:
            (bundle / "policy.ini").write_text(policy)
            binds = [(bundle / "policy.ini", "/etc/aweigh/policy.ini", "ro"), *binds]
        mounts += [{"destination": to, "type": "bind", "source": str(source), "options": ["bind", how]} for source, to, how in binds]
        (bundle / "config.json").write_text(json.dumps({
            "ociVersion": "1.0.2", "hostname": "sandbox", "root": {"path": str(self.root), "readonly": read_only}, "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]},
            "process": {"args": [str(word) for word in command], "cwd": "/", "env": [*ENVIRONMENT, *env],
                        "user": {"uid": user[0], "gid": user[1], "additionalGids": list(groups)},
                        "capabilities": {kind: list(capabilities) for kind in ("bounding", "effective", "permitted", "inheritable")}}}))
        return bundle

    def start(self, command, network="none", flags=(), **options):
        return self.started(self.bundle(command, **options), network=network, flags=flags)

    def started(self, bundle, **options):
        return Started(self, bundle, options)

    def run(self, command, **options):
        """Status, standard output and standard error of the container's only run."""
        started = self.start(command, **options)
        status = started.status()
        return subprocess.CompletedProcess(command, status, started.out(), started.err())

    def service(self, *words, **options):
        return self.run(["/aweigh", "--", *words], **options)

    def seen(self, *words, **options):
        result = self.service(*(words or ["/payload", "0"]), **options)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def report(self, *args, command="check", **options):
        result = self.run(["/aweigh", command, "--format", "json", *args], **options)
        report = json.loads(result.stdout)
        return result.returncode, report, {finding["code"]: finding["message"] for finding in report["findings"]}

    def clean(self):
        for started in self.running:
            started.end()


class Started:
    def __init__(self, sandbox, bundle, options):
        self.sandbox, self.bundle, self.name = sandbox, bundle, f"aweigh-{os.getpid()}-{bundle.name}"
        with (bundle / "out").open("wb") as out, (bundle / "err").open("wb") as err:
            command = sandbox.runsc("run", "--bundle", bundle, self.name, **options)
            command.insert(1, f"--panic-log={bundle}/panic")
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        sandbox.running.append(self)

    def out(self):
        return (self.bundle / "out").read_text()

    def err(self):
        return (self.bundle / "err").read_text()

    def ready(self, words="ready"):
        wait_for(lambda: words in self.out() or self.process.poll() is not None)
        assert words in self.out(), self.err()
        return self

    def status(self):
        """A sandbox whose kernel dies ends with 2, as Go programs do, and says nothing."""
        status, panic = self.process.wait(HANG_LIMIT), self.bundle / "panic"
        assert not panic.exists() or not panic.read_text(), panic.read_text()[:4000]
        return status

    def signal(self, number):
        wait_for(lambda: self.sandbox.call("kill", self.name, str(number)).returncode == 0 or self.process.poll() is not None)

    def stop(self):
        self.signal(15)
        return self.status()

    def exec(self, *command):
        return self.sandbox.call("exec", self.name, *command)

    def processes(self):
        """The commands of the container's processes."""
        return [line.split()[-1] for line in self.sandbox.call("ps", self.name).stdout.splitlines()[1:]]

    def end(self):
        if self.process.poll() is not None:
            return   # it has taken the container with it
        self.sandbox.call("kill", self.name, "9")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.sandbox.call("delete", "--force", self.name)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory, request):
    if not shutil.which("runsc") or os.geteuid() != 0:
        missing("runsc (gVisor), as root")
    folder = reachable(tmp_path_factory.mktemp("gvisor"))
    sandbox = Sandbox(folder)
    request.addfinalizer(sandbox.clean)
    probe = sandbox.run(["/payload", "0"])
    if probe.returncode != 0:
        missing("a gVisor that starts containers")
    return sandbox


# Exec and init

def test_exec_leaves_nothing_in_gvisor(sandbox):
    seen = sandbox.seen()
    assert seen["pid"] == 1 and seen["descriptors"] == [0, 1, 2] and seen["blocked"] == seen["ignored"] == []
    assert {"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1"} <= set(seen["environ"])
    started = sandbox.start(["/aweigh", "--", "/worker", "wait"]).ready()
    assert started.processes() == ["worker"] and started.stop() == 0


def test_init_in_gvisor(sandbox):
    """The supervisor starts its own file anew by /proc/self/exe, and closes what it has by /proc/self/fd; both are gVisor's own."""
    seen = sandbox.seen(policy=INIT)
    assert seen["ppid"] == 1 and seen["descriptors"] == [0, 1, 2] and seen["blocked"] == seen["ignored"] == []
    started = sandbox.start(["/aweigh", "--", "/worker", "wait"], policy=INIT).ready()
    assert len(started.processes()) == 2
    looked = started.exec("/aweigh", "check", "--format", "json")
    assert looked.returncode == 0 and json.loads(looked.stdout)["verdict"] == "pass", looked
    assert started.stop() == 0


@pytest.mark.parametrize("policy", [None, INIT], ids=["exec", "init"])
@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_the_status_is_the_services(sandbox, policy, status):
    assert sandbox.service("/payload", status, policy=policy).returncode == status


def test_a_signal_is_a_status_in_gvisor(sandbox):
    """With init the service has no pid 1's privilege, so that SIGTERM ends one that has no handler."""
    started = sandbox.start(["/aweigh", "--", "/worker", "catch"], policy=INIT).ready()
    for number in (1, 2, 10, 12, 15, 28):
        started.signal(number)
    wait_for(lambda: len(started.out().split("ready\n")[-1].split()) >= 6)
    assert {int(word) for word in started.out().split("ready\n")[-1].split()} >= {1, 2, 10, 12, 15, 28}
    started.end()


def test_orphans_are_reaped_in_gvisor(sandbox):
    started = sandbox.start(["/aweigh", "--", "/worker", "orphans", "20", "3"], policy=INIT).ready()
    wait_for(lambda: len(started.processes()) == 2)
    assert started.stop() == 3


@pytest.mark.parametrize("policy", [None, INIT], ids=["exec", "init"])
def test_descriptors_are_not_closed_one_by_one_in_gvisor(sandbox, tmp_path, policy):
    """close_range(2) up to the largest number is EINVAL here; 65,536 close(2) in its place took seconds. gVisor's own log counts them."""
    result = sandbox.service("/payload", "0", policy=policy, flags=["--debug", f"--debug-log={tmp_path}/", "--strace", "--strace-syscalls=close,close_range"])
    assert result.returncode == 0, result.stderr
    calls = [line for log in tmp_path.glob("*.boot.txt") for line in log.read_text(errors="replace").splitlines() if " X close" in line]
    assert any("close_range(" in line for line in calls), "the log does not say what was called"
    assert len(calls) < 500, len(calls)


# The gate

@pytest.mark.parametrize("policy, status", [
    (policy_text().replace("org/m", "org/absent"), 66),
    (policy_text("user = 4242:4242", "path = /locked"), 77),
    (policy_text(more="path = /broken"), 65),
    (policy_text("mode = offline\nmode = offline"), 78),
], ids=["missing", "not readable", "damaged", "no policy"])
def test_what_is_refused_in_gvisor(sandbox, policy, status, tmp_path):
    for name, mode in (("broken", 0o755), ("locked", 0o700)):
        folder = tmp_path / name
        folder.mkdir()
        for file, data in bert_files().items():
            (folder / file).write_bytes(data[:-1] if file.endswith("safetensors") and name == "broken" else data)
        folder.chmod(mode)
    tmp_path.chmod(0o755)
    binds = [(tmp_path / name, f"/{name}", "ro") for name in ("broken", "locked")]
    result = sandbox.service("/payload", "0", policy=policy, binds=binds, read_only=False)
    assert result.returncode == status and result.stdout == "", result.stderr
    assert sandbox.run(["/aweigh", "check"], policy=policy, binds=binds, read_only=False).returncode == status


def test_words_of_aweigh_in_gvisor(sandbox):
    """What `gcloud run jobs execute --args check` sends."""
    assert sandbox.service("check", "--format", "json").returncode == 0
    assert sandbox.service("--version").stdout.startswith("aweigh ")


def test_every_byte_in_gvisor(sandbox):
    status, report, _ = sandbox.report("--verify", "digest")
    assert status == 0 and report["models"][0]["level"] == "digest"


def test_stopped_in_the_gate_in_gvisor(sandbox, tmp_path):
    repo = Repo(tmp_path / "hub").all(bert_files()).ref()
    with (repo.folder / "blobs" / ("a" * 64)).open("wb") as file:
        file.truncate(64 << 30)
    (repo.snapshot / "weights.bin").symlink_to(f"../../blobs/{'a' * 64}")
    started = sandbox.start(["/aweigh", "--", "/worker", "wait"], binds=[(tmp_path / "hub", "/models/hub", "ro")],
                            policy=policy_text("verify = digest", "[severity]\nmodel.pickle = off"))
    wait_for(lambda: len(started.processes()) == 2)
    assert started.stop() == 143 and started.out() == ""


# Confinement

def test_landlock_is_withheld_and_said(sandbox):
    status, report, said = sandbox.report(policy=CONFINED)
    assert status == 0 and all("the kernel has no Landlock" in said[code] for code in ("confine.unavailable", "confine.egress", "confine.models")), said
    assert report["confinement"]["egress_others_enforced"] is True and report["confinement"]["egress_tcp_enforced"] is False
    required = CONFINED.replace("egress", "landlock = require\negress")
    refused = sandbox.service("/payload", "0", policy=required)
    assert refused.returncode == 77 and refused.stdout == ""


def test_the_filter_holds_in_gvisor(sandbox):
    """seccomp is gVisor's own: what it is said to hold, it holds."""
    seen = dict(line.split() for line in sandbox.service("/worker", "out", "1", "-1", policy=CONFINED).stdout.splitlines())
    assert seen["udp4"] == seen["raw"] == seen["io_uring"] == "13" and seen["unix"] == "0" and seen["tcp4"] == "111"


@pytest.mark.parametrize("init", ["no", "yes"])
def test_the_user_and_no_capabilities_in_gvisor(sandbox, init):
    seen = sandbox.seen(policy=policy_text("user = server", f"[confine]\ncapabilities = none\n[service]\ninit = {init}"))
    assert seen["uid"] == seen["gid"] == 1000 and set(seen["groups"]) <= {1000, 2000}
    assert all(int(value, 16) == 0 for name, value in seen["status"].items() if name.startswith("Cap"))


def test_runasuser_and_fsgroup_in_gvisor(sandbox):
    """GKE Sandbox with runAsUser and fsGroup, and nothing that it may do: it is that user already, and the group stays."""
    options = {"user": (1000, 1000), "groups": [2000], "capabilities": []}
    seen = sandbox.seen(policy=policy_text("user = 1000:1000"), **options)
    assert seen["uid"] == 1000 and 2000 in seen["groups"]
    assert sandbox.service("/payload", "0", policy=policy_text("user = 1001:1001"), **options).returncode == 77


# Fetching

def test_a_fetch_in_gvisor(sandbox, tmp_path):
    """gVisor's files and sockets, in the host's network: a model arrives whole and under its name, and the next start asks for nothing."""
    files = {**bert_files(), "model.safetensors": safetensors({"w": 2_000_000})}
    (tmp_path / "models").mkdir()
    with Hub(one_repo(files)) as hub:
        policy = policy_text(more=f"[fetch]\nendpoint = {hub.url}\nallow_http = yes").replace("offline", "auto").replace("/models/hub", "/data/hub")
        options = {"policy": policy, "network": "host", "binds": [(tmp_path / "models", "/data", "rw")], "env": ["HF_HOME=/data"]}
        seen = sandbox.seen(**options)
        assert "HF_HUB_OFFLINE=1" in seen["environ"]
        asked = len(hub.requests)
        assert asked > 0 and sandbox.seen(**options)["pid"] == 1 and len(hub.requests) == asked
    snapshot = tmp_path / "models/hub/models--org--m/snapshots" / COMMIT
    assert {name: (snapshot / name).read_bytes() for name in files} == files


def test_two_sandboxes_fetch_into_one_volume(sandbox, tmp_path):
    """gVisor keeps locks within a sandbox: two may fetch at once, and what comes of it is whole all the same."""
    files = {**bert_files(), "model.safetensors": safetensors({"w": 2_000_000})}
    (tmp_path / "models").mkdir()
    with Hub(one_repo(files)) as hub:
        policy = policy_text(more=f"[fetch]\nendpoint = {hub.url}\nallow_http = yes").replace("mode = offline", "mode = auto").replace("/models/hub", "/data/hub")
        both = [sandbox.start(["/aweigh", "--", "/payload", "0"], policy=policy, network="host", binds=[(tmp_path / "models", "/data", "rw")], env=["HF_HOME=/data"]) for _ in range(3)]
        for started in both:
            assert started.status() == 0, started.err()
    snapshot = tmp_path / "models/hub/models--org--m/snapshots" / COMMIT
    assert {name: (snapshot / name).read_bytes() for name in files} == files


@pytest.mark.parametrize("rule, status, severity", [("report", 0, "note"), ("refuse", 71, "error")])
def test_smoke_in_gvisor(sandbox, rule, status, severity):
    """It starts, watches and stops the service; what it cannot see it says, and a demand about that is not met."""
    policy = policy_text() + f"[service]\nready = tcp:8080\nsettle = 100ms\nready_within = 60s\nnetwork = {rule}\n"
    result = sandbox.run(["/aweigh", "smoke", "--format", "json", "--", "/worker", "offer", "8080"], policy=policy)
    report = json.loads(result.stderr[result.stderr.find("{\n"):])
    assert result.returncode == status and report["service"]["ready"] and not report["service"]["observed"] and report["service"]["exit_status"] == 0, result
    assert [f["severity"] for f in report["findings"] if f["code"] == "service.unobserved"] == [severity], result


@pytest.mark.parametrize("filled", [True, False])
def test_the_cloud_run_service(sandbox, tmp_path, filled):
    """policies/bucket-on-cloud-run with the environment of its service.yaml, as the first generation runs it; the bucket is a directory here."""
    folder = ROOT / "policies/bucket-on-cloud-run"
    (container,) = yaml.safe_load((folder / "service.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    text = (folder / "policy.ini").read_text()
    assert "mount./cache = fuse*" in text
    cache = reachable(tmp_path) / "cache"
    (cache / "huggingface/hub").mkdir(parents=True)
    if filled:
        Repo(cache / "huggingface/hub", "nanonets/Nanonets-OCR-s").all(bert_files()).ref().manifest()
    result = sandbox.service("/payload", "0", policy=text.replace("mount./cache = fuse*", "mount./cache = *") + "\n[fetch]\nretries = 0\n", binds=[(cache, "/cache", "rw")],
                             env=[f"{row['name']}={row['value']}" for row in container["env"]] + ["HF_ENDPOINT=https://127.0.0.1:9", "K_SERVICE=gnosis-ocr"])
    if filled:
        environ = json.loads(result.stdout)["environ"]
        assert result.returncode == 0 and "HF_HUB_OFFLINE=1" in environ and any(row.startswith("NANONETS_PATH=/cache/huggingface/hub/models--nanonets--") for row in environ), result
    else:
        lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
        assert result.returncode == 75 and lines[-1]["severity"] == "ERROR" and "run the prefill job" in result.stderr, result
