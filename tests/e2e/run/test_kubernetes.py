# SPDX-License-Identifier: Apache-2.0
"""What a kubelet asks of a node, asked of a containerd of our own by the same calls: pods with runAsUser, fsGroup and nothing that they
may do, termination messages, args, probes, a shared process namespace. The calls are gRPC, which curl can send; the numbers of
their fields are those of the CRI's api.proto (runtime.v1)."""

import itertools
import json
import os
import re
import shutil
import subprocess

import cgroups
import pytest
from container import CONFINED
from fetching import partials_of
from hub_server import Hub, one_repo
from image import archive, fill, policy_text, reachable
from models import COMMIT, bert_files, safetensors
from network import Running
from waiting import wait_for
from world import HANG_LIMIT, missing

NUMBERS = itertools.count()
POD, CONTAINER, NODE = 0, 1, 2   # whose namespace
EXITED = 2
CONFIG = """version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.overlayfs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{folder}/s"
[ttrpc]
  address = "{folder}/s.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "aweigh.test/pause:1"
  disable_apparmor = true
  disable_tcp_service = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "{folder}/runc"
"""


# Protocol buffers, as much as it takes: a message is a list of (number, value), nothing for None

def number(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(*fields):
    out = b""
    for at, value in fields:
        for one in value if isinstance(value, list) else [value]:
            if one is None:
                continue
            if isinstance(one, int):
                out += number(at << 3) + number(one)
            else:
                data = one if isinstance(one, bytes) else str(one).encode()
                out += number(at << 3 | 2) + number(len(data)) + data
    return out


def boxed(value):
    return None if value is None else message((1, value))


def fields(data):
    """number -> the last value: int, or bytes."""
    out, at = {}, 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = data[at], at + 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = take()
        if key & 7 == 0:
            out[key >> 3] = take()
        else:
            assert key & 7 == 2, "no other kind is in these answers"
            size = take()
            out[key >> 3], at = data[at:at + size], at + size
    return out


class Node:
    """A containerd with folders and a socket of its own, and the pods that a test starts on it."""

    def __init__(self, folder):
        self.folder, self.pods = folder, []
        self.socket = folder / "s"   # a socket's path may have 107 bytes
        (folder / "config.toml").write_text(CONFIG.format(folder=folder))
        (folder / "cni").mkdir()
        self.root = fill(folder / "image")   # before there is anything to be ended
        self.log = (folder / "containerd.log").open("wb")
        self.daemon = Running(["containerd", "--config", folder / "config.toml", "--log-level", "warn"], stdout=self.log, start_new_session=True)
        try:
            wait_for(lambda: self.daemon.process.poll() is not None or self.ctr("version").returncode == 0)
            for name, config in (("app", {"Cmd": ["/payload", "0"]}), ("pause", {"Entrypoint": ["/worker", "wait"]})):
                path = archive(folder / f"{name}.tar", self.root, f"aweigh.test/{name}:1", **config)
                loaded = self.ctr("images", "import", "--snapshotter", "native", path)
                assert loaded.returncode == 0, loaded.stderr
                path.unlink()
        except BaseException:
            self.clean()
            raise

    def ctr(self, *args):
        return subprocess.run(["ctr", "-a", self.socket, "-n", "k8s.io", "--timeout", "20s", "--connect-timeout", "5s", *map(str, args)], capture_output=True, text=True,
                              timeout=HANG_LIMIT, stdin=subprocess.DEVNULL)

    def call(self, name, request, check=True):
        """One call of runtime.v1.RuntimeService: a byte that says "not compressed", the length, the message."""
        sent = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "--unix-socket", self.socket, "-H", "content-type: application/grpc", "-H", "te: trailers",
                               "--data-binary", "@-", "-D", "/dev/stderr", f"http://localhost/runtime.v1.RuntimeService/{name}"],
                              input=b"\0" + len(request).to_bytes(4, "big") + request, capture_output=True, timeout=HANG_LIMIT)
        told = sent.stderr.decode(errors="replace")
        if not re.search(r"(?m)^grpc-status: 0\r?$", told):
            assert not check, f"{name}: {told}"
            return None
        return fields(sent.stdout[5:])

    def pod(self, **options):
        pod = Pod(self, **options)
        self.pods.append(pod)
        return pod

    def run(self, **options):
        """A pod of one container, until that has ended."""
        pod = options.pop("pod", {})
        container = self.pod(**pod).container(**options).start()
        container.status()
        return container

    def seen(self, **options):
        container = self.run(**options)
        assert container.status() == 0, container.logs()
        return json.loads(container.out())

    def clean(self):
        for pod in self.pods:
            pod.remove()
        self.daemon.__exit__()
        self.log.close()
        cgroups.remove(cgroups.named(f"aweigh-test-{os.getpid()}"))
        for at in ("state", "root"):   # what a shim that was cut off has left mounted
            subprocess.run(["sh", "-c", "awk -v under=\"$0/\" 'index($2, under) == 1 { print $2 }' /proc/self/mounts | xargs -r umount -l", self.folder / at], check=False)
            shutil.rmtree(self.folder / at, ignore_errors=True)


class Pod:
    """A sandbox, in the node's network, so that no network plugin is needed."""

    def __init__(self, node, share=False, groups=()):
        self.node, self.groups, self.name = node, list(groups), f"pod{next(NUMBERS)}"
        self.namespaces = message((1, NODE), (2, POD if share else CONTAINER))
        self.logs = node.folder / "logs" / self.name
        self.logs.mkdir(parents=True)
        security = message((1, self.namespaces), (5, self.groups), (9, message((1, 0))))
        self.config = message((1, message((1, self.name), (2, f"{self.name}-{os.getpid()}"), (3, "default"))), (3, self.logs),
                              (8, message((1, f"/aweigh-test-{os.getpid()}"), (2, security))))
        self.id = node.call("RunPodSandbox", message((1, self.config)))[1].decode()

    def container(self, **options):
        return Container(self, **options)

    def remove(self):
        for name in ("StopPodSandbox", "RemovePodSandbox"):
            self.node.call(name, message((1, self.id)), check=False)


class Container:
    """A container as the kubelet makes it of a pod's template: command and args, securityContext, volumes, a termination message."""

    def __init__(self, pod, args=(), command=(), uid=None, gid=None, name=None, policy=None, caps=False, read_only=True, escalate=False, env=(), mounts=(), memory=None):
        self.pod, self.node, self.title = pod, pod.node, f"c{next(NUMBERS)}"
        self.message = pod.logs / f"{self.title}.termination"
        self.message.touch()
        self.message.chmod(0o666)
        mounts = [(self.message, "/dev/termination-log", False), *mounts]
        if policy is not None:
            mounts.append((self.config_map(policy), "/etc/aweigh", True))
        security = message((1, None if caps else message((2, "ALL"))), (3, pod.namespaces), (5, boxed(uid)), (12, boxed(gid)), (6, name), (7, int(read_only)), (8, pod.groups),
                           (11, int(not escalate)), (15, message((1, 0))))
        config = message((1, message((1, self.title))), (2, message((1, "aweigh.test/app:1"))), (3, list(command)), (4, [str(word) for word in args]),
                         (6, [message((1, key), (2, value)) for key, value in env]),
                         (7, [message((1, to), (2, source), (3, int(read_only))) for source, to, read_only in mounts]),
                         (11, f"{self.title}.log"), (15, message((1, message((3, 2), (4, memory), (5, 0))), (2, security))))
        self.id = self.node.call("CreateContainer", message((1, pod.id), (2, config), (3, pod.config)))[1].decode()

    def config_map(self, text):
        return projected(self.pod.logs / f"{self.title}.map", "policy.ini", text)

    def start(self):
        self.node.call("StartContainer", message((1, self.id)))
        return self

    def state(self):
        return fields(self.node.call("ContainerStatus", message((1, self.id)))[1])

    def status(self):
        wait_for(lambda: self.state().get(3) == EXITED)
        return self.state().get(7, 0)

    def stop(self, limit=60):
        """SIGTERM, and SIGKILL after the limit: then the status would be 137."""
        self.node.call("StopContainer", message((1, self.id), (2, limit)))
        return self.status()

    def exec(self, *command):
        answer = self.node.call("ExecSync", message((1, self.id), (2, list(command)), (3, 30)))
        return answer.get(3, 0), answer.get(1, b"").decode(), answer.get(2, b"").decode()

    def lines(self, stream=None):
        path = self.pod.logs / f"{self.title}.log"
        rows = [line.split(" ", 3) for line in (path.read_text() if path.exists() else "").splitlines()]
        return "\n".join(row[3] for row in rows if stream in (None, row[1])) + "\n"

    def out(self):
        return self.lines("stdout")

    def logs(self):
        return self.lines()

    def ready(self, words="ready"):
        wait_for(lambda: words in self.out() or self.state().get(3) == EXITED)
        assert words in self.out(), self.logs()
        return self

    def told(self):
        """What `kubectl describe` shows: the last 4096 bytes of the termination message."""
        return self.message.read_bytes()[-4096:].decode()


def projected(folder, name, text, mode=0o644, group=0):
    """A ConfigMap's or a Secret's volume, as the kubelet lays it out: the file is a link into ..data, and that one to a folder of the time."""
    (folder / "..2026_01_01").mkdir(parents=True)
    (folder / "..data").symlink_to("..2026_01_01")
    (folder / name).symlink_to(f"..data/{name}")
    path = folder / "..2026_01_01" / name
    path.write_text(text)
    path.chmod(mode)
    os.chown(path, 0, group)
    return folder


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    for program in ("containerd", "ctr", "runc"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            missing(program)
    if os.geteuid() != 0:
        missing("root")
    if b"HTTP2" not in subprocess.run(["curl", "-V"], capture_output=True).stdout:
        missing("a curl with HTTP/2")
    folder = reachable(tmp_path_factory.mktemp("k"))
    node = Node(folder)
    yield node
    node.clean()


# securityContext

@pytest.mark.parametrize("init", ["no", "yes"], ids=["exec", "init"])
@pytest.mark.parametrize("uid, gid, groups", [(1000, 1000, []), (1000, 1000, [2000]), (1000, 3000, [2000]), (1000, 3000, [4000, 2000])])
def test_the_pod_is_the_policys_user_already(node, uid, gid, groups, init):
    """runAsUser, runAsGroup and fsGroup beside `user = ` of the same numbers, with no capability left: fsGroup can only stay, and does."""
    policy = policy_text(f"user = {uid}:{gid}", f"[service]\ninit = {init}")
    seen = node.seen(uid=uid, gid=gid, pod={"groups": groups}, policy=policy)
    assert (seen["uid"], seen["gid"]) == (uid, gid) and set(groups) <= set(seen["groups"]) <= {gid, *groups, 2000}   # the image's own passwd and group files count as well
    assert all(int(value, 16) == 0 for name, value in seen["status"].items() if name in ("CapEff", "CapPrm", "CapBnd"))


def test_groups_that_stay_are_named(node):
    container = node.run(args=["check", "--format", "json"], uid=1000, gid=1000, pod={"groups": [2000]}, policy=policy_text("user = 1000:1000"))
    report = json.loads(container.out())
    assert container.status() == 0 and "confine.groups" in {finding["code"] for finding in report["findings"]}


def test_a_number_of_the_clusters_own(node):
    """OpenShift's arbitrary uid with group 0: without `user` it starts; where the policy names another it is refused, and the
    message that `kubectl describe` shows says so."""
    assert node.seen(uid=1000680000, gid=0)["uid"] == 1000680000
    container = node.run(uid=1000680000, gid=0, args=["/payload", "0"], command=["/aweigh", "--report", "human=/dev/termination-log", "--"], policy=policy_text("user = 1000:1000"))
    assert container.status() == 77 and container.out().strip() == ""
    assert "refused (77)" in container.told() and "1000680000" in container.told(), container.told()


def test_run_as_user_name(node):
    """A name of the image's own passwd file, whose groups come with it."""
    seen = node.seen(name="server", policy=policy_text("user = server"))
    assert seen["uid"] == 1000 and 2000 in seen["groups"]


@pytest.mark.parametrize("init", ["no", "yes"], ids=["exec", "init"])
def test_confined_in_a_restricted_pod(node, init):
    """The runtime's default seccomp profile, no new privileges, no capability, a read-only root: Landlock and the filter hold."""
    seen = node.run(uid=1000, gid=1000, pod={"groups": [2000]}, args=["/worker", "out", "1", "-1"], policy=CONFINED + f"[service]\ninit = {init}\n")
    assert seen.status() == 0, seen.logs()
    got = dict(line.split() for line in seen.out().split("\n") if re.fullmatch(r"\S+ \d+", line))
    assert got["udp4"] == got["raw"] == "13" and got["unix"] == "0" and got["tcp4"] in ("13", "111")


def test_root_that_becomes_the_service(node):
    """No securityContext at all: containerd's capabilities, and aweigh takes the user."""
    seen = node.seen(caps=True, escalate=True, read_only=False, policy=policy_text("user = server", "[confine]\ncapabilities = none"))
    assert seen["uid"] == 1000 and seen["groups"] in ([1000, 2000], [2000])


# args and command

@pytest.mark.parametrize("args, status, words", [
    (["check"], 0, "pass: 1 model"), (["check", "--format", "json"], 0, '"verdict": "pass"'), (["--version"], 0, "aweigh "), (["explain", "--only", "m"], 0, "org/m"),
    (["/payload", "42"], 42, '"argv"'), (["nonsense"], 127, ""),
])
def test_args_mean_aweighs_own_words(node, args, status, words):
    container = node.run(args=args)
    assert container.status() == status and words in container.out(), container.logs()


def test_command_replaces_the_entrypoint(node):
    """`command: [/payload]` is how aweigh is left out; `command: [/aweigh, run, --init, --]` how its options are given."""
    assert "HF_HUB_OFFLINE=1" not in node.seen(command=["/payload"], args=["0"])["environ"]
    assert node.seen(command=["/aweigh", "run", "--init", "--"], args=["/payload", "0"])["ppid"] == 1


# Termination messages

def test_the_termination_message_ends_with_the_verdict(node):
    """The kubelet keeps its last 4096 bytes: with many findings, too, what is there is a whole report with the verdict."""
    policy = "[policy]\nhub_cache = /models/hub\n" + "".join(f"[model m{at}]\nrepo = org/absent-{at}\n" for at in range(40))
    container = node.run(command=["/aweigh", "--report", "json=/dev/termination-log", "--"], args=["/payload", "0"], uid=1000, gid=1000, policy=policy)
    assert container.status() == 66 and container.message.stat().st_size <= 4096
    report = json.loads(container.told())
    assert report["verdict"] == "refused" and report["status"] == 66
    assert report["findings"][0]["code"] == "model.missing" and len(report["findings"]) + report["findings_dropped"] >= 40


@pytest.mark.parametrize("command, status", [("/none", 127), ("/etc/passwd", 126)])
def test_the_termination_message_knows_of_a_service_that_is_not_there(node, command, status):
    container = node.run(command=["/aweigh", "--report", "json=/dev/termination-log", "--"], args=[command], uid=1000, gid=1000)
    report = json.loads(container.told())
    assert container.status() == status == report["status"] and report["verdict"] == "refused"


# Stops, probes, neighbours

@pytest.mark.parametrize("init", ["no", "yes"], ids=["exec", "init"])
def test_a_pod_is_stopped_and_probed(node, init):
    container = node.pod(groups=[2000]).container(args=["/worker", "wait"], uid=1000, gid=1000, policy=policy_text("user = 1000:1000", f"[service]\ninit = {init}")).start().ready()
    status, out, err = container.exec("/aweigh", "check", "--format", "json")
    assert status == 0 and json.loads(out)["verdict"] == "pass", (out, err)
    assert container.stop() == 0


def test_a_pod_is_stopped_in_the_gate(node):
    """A fetch from a hub that never answers."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/api/", hang=HANG_LIMIT)
        policy = policy_text(more=f"[fetch]\nendpoint = {hub.url}\nallow_http = yes").replace("offline", "auto").replace("/models/hub", "/tmp/hub")
        container = node.pod().container(args=["/worker", "wait"], read_only=False, policy=policy, env=[("HF_HOME", "/tmp")]).start()
        wait_for(lambda: hub.requests)
        assert container.stop() == 143 and "ready" not in container.out()


@pytest.mark.parametrize("how", [[], ["--subreaper"]], ids=["init", "subreaper"])
def test_a_shared_process_namespace(node, how):
    """PID 1 is the pod's pause; the neighbour's processes are in sight and are left alone. A subreaper's orphans come to it, the others' to pause."""
    pod = node.pod(share=True)
    neighbour = pod.container(command=["/worker"], args=["wait"]).start().ready()
    container = pod.container(command=["/aweigh", "run", "--init", *how, "--"], args=["/worker", "orphans", "5", "3"]).start().ready()
    assert container.stop() == 3
    assert neighbour.state().get(3) != EXITED and neighbour.stop() == 0


# An init container that fills a volume

def mounted(path):
    """A volume as the kubelet mounts it for fsGroup 2000: each time, all in it becomes the group's to read and write."""
    path.mkdir(exist_ok=True)
    for at in [path, *path.rglob("*")]:
        if not at.is_symlink():
            os.chown(at, -1, 2000)
            at.chmod(at.stat().st_mode | (0o2770 if at.is_dir() else 0o660))
    return path


def test_an_init_container_fills_an_emptydir(node, tmp_path):
    """The volume is the fsGroup's: one user fetches, another in the same group serves."""
    files = {**bert_files(), "model.safetensors": safetensors({"w": 500_000})}
    volume = mounted(tmp_path / "volume")
    with Hub(one_repo(files)) as hub:
        policy = policy_text(more=f"[fetch]\nendpoint = {hub.url}\nallow_http = yes").replace("mode = offline", "mode = auto").replace("/models/hub", "/data/hub")
        pod = node.pod(groups=[2000])
        options = {"policy": policy, "env": [("HF_HOME", "/data")]}
        filled = pod.container(args=["fetch"], uid=1000, gid=1000, mounts=[(volume, "/data", False)], **options).start()
        assert filled.status() == 0, filled.logs()
        asked = len(hub.requests)
        served = pod.container(args=["/payload", "0"], uid=1001, gid=1001, mounts=[(volume, "/data", True)], **options).start()
        assert served.status() == 0, served.logs()
        assert len(hub.requests) == asked
    snapshot = volume / "hub/models--org--m/snapshots" / COMMIT
    assert {name: (snapshot / name).read_bytes() for name in files} == files
    assert all(path.lstat().st_gid == 2000 for path in volume.rglob("*"))


@pytest.mark.parametrize("uid, policy_user", [(1000, ""), (1000, "user = 1000:1000"), (None, "user = server"), (None, "")])
def test_a_token_of_a_secret(node, tmp_path, uid, policy_user):
    """A Secret's volume with fsGroup: root's and the group's, 0440. Whoever aweigh starts as, and whoever the service is, the fetch has it."""
    secret = projected(tmp_path / "secret", "token", "hf_of_the_tests\n", 0o440, 2000)
    volume = mounted(tmp_path / "volume")
    with Hub(one_repo(bert_files()), token="hf_of_the_tests") as hub:
        policy = policy_text(policy_user, f"[fetch]\nendpoint = {hub.url}\nallow_http = yes\ntoken_file = /etc/hub/token")
        container = node.run(args=["/payload", "0"], uid=uid, gid=uid, pod={"groups": [2000]}, caps=uid is None, escalate=uid is None, env=[("HF_HOME", "/data")],
                             mounts=[(volume, "/data", False), (secret, "/etc/hub", True)],
                             policy=policy.replace("mode = offline", "mode = auto").replace("/models/hub", "/data/hub"))
        assert container.status() == 0, container.logs()
        assert "hf_of_the_tests" not in container.logs()


def test_another_user_of_the_group_goes_on_with_a_fetch(node, tmp_path):
    """A new pod with another uid, as when OpenShift's range for a namespace changes: it goes on with what was begun."""
    files = {**bert_files(), "model.safetensors": safetensors({"w": 5_000_000})}
    volume = mounted(tmp_path / "volume")
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*safetensors", rate=4_000_000)
        policy = policy_text(more=f"[fetch]\nendpoint = {hub.url}\nallow_http = yes\nconnections = 1").replace("mode = offline", "mode = auto").replace("/models/hub", "/data/hub")
        options = {"policy": policy, "env": [("HF_HOME", "/data")], "mounts": [(volume, "/data", False)]}
        first = node.pod(groups=[2000]).container(args=["/worker", "wait"], uid=1000, gid=1000, **options).start()
        wait_for(lambda: any(path.stat().st_size > 0 for path in partials_of(volume)))
        assert first.stop() == 143
        hub.faults.clear()
        mounted(volume)
        asked = len(hub.seen)
        second = node.run(args=["/payload", "0"], uid=1001, gid=1001, pod={"groups": [2000]}, **options)
        assert second.status() == 0, second.logs()
        ranges = [seen.get("range", "") for seen in hub.seen[asked:] if "/cdn/" in seen["path"]]
        assert ranges and not any(words in ("", "bytes=0-") for words in ranges), ranges
    snapshot = volume / "hub/models--org--m/snapshots" / COMMIT
    assert {name: (snapshot / name).read_bytes() for name in files} == files


def test_replicas_start_at_once(node, tmp_path):
    """Three pods on one volume: one of them downloads."""
    files = {**bert_files(), "model.safetensors": safetensors({"w": 2_000_000})}
    volume = mounted(tmp_path / "volume")
    with Hub(one_repo(files)) as hub:
        hub.fault("/cdn/.*safetensors", rate=8_000_000)
        policy = policy_text(more=f"[fetch]\nendpoint = {hub.url}\nallow_http = yes").replace("mode = offline", "mode = auto").replace("/models/hub", "/data/hub")
        options = {"policy": policy, "env": [("HF_HOME", "/data")], "mounts": [(volume, "/data", False)]}
        started = [node.pod(groups=[2000]).container(args=["/payload", "0"], uid=1000, gid=1000, **options) for _ in range(3)]
        for container in started:
            container.start()
        for container in started:
            assert container.status() == 0, container.logs()
        assert len(hub.paths("/cdn/.*safetensors.*")) == len(set(hub.paths("/cdn/.*safetensors.*"))), "fetched more than once"


def test_a_memory_limit_smaller_than_the_model(node, tmp_path):
    """resources.limits.memory, as the container's own cgroup says it."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name, data in bert_files().items():
        (folder / name).write_bytes(safetensors({"w": 25_000_000}) if name.endswith("safetensors") else data)
    options = {"args": ["check", "--format", "json"], "mounts": [(folder, "/model", True)], "policy": policy_text(more="path = /model")}
    for memory, expected in ((64 << 20, True), (None, False)):
        report = json.loads(node.run(memory=memory, **options).out())
        assert ("model.memory" in {finding["code"] for finding in report["findings"]}) == expected
