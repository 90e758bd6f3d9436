# SPDX-License-Identifier: Apache-2.0
"""The same image under podman, as root and as a user who has a range of uids, with storage of its own and no daemon."""

import itertools
import json
import os
import shutil
import signal
import subprocess

import cgroups
import pytest
from container import CONFINED, INIT
from hub_server import Hub, one_repo
from image import archive, fill, policy_text, reachable
from models import bert_files, safetensors
from waiting import wait_for
from world import HANG_LIMIT, missing

NUMBERS = itertools.count()
USER, RANGE = 61234, 10_000_000   # a user that is nobody's here, and the uids that it may use
IMAGE = "aweigh.test/app:1"
# runc, since crun asks for a cgroup v2.
ENGINE = ["--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none"]
# podman's own limits are higher than what may be set without CAP_SYS_RESOURCE.
CONF = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
CGROUP = f"aweigh-podman-{os.getpid()}"


class Podman:
    """podman with folders of its own. Without root: in a mount namespace where /etc knows one user more, so that nothing of this
    machine is changed."""

    def __init__(self, folder, rootless):
        self.folder, self.rootless, self.containers = folder, rootless, []
        self.cgroups = [CGROUP, *(["libpod_parent"] if not cgroups.named("libpod_parent") else [])]   # pods of a YAML file are in the latter
        self.strays = [path for path in ("/var/lib/containers",) if not os.path.exists(path)]   # root's cache of names has no option
        self.home, self.runtime, self.files = folder / "home", folder / "run", folder / "files"
        for path in (self.home, self.runtime, self.files):
            path.mkdir()
        self.runtime.chmod(0o700)
        if rootless:
            etc = folder / "etc"
            etc.mkdir()
            (etc / "passwd").write_text(open("/etc/passwd").read() + f"boat:x:{USER}:{USER}::{self.home}:/bin/sh\n")
            (etc / "group").write_text(open("/etc/group").read() + f"boat:x:{USER}:\n")
            for name in ("subuid", "subgid"):
                (etc / name).write_text(f"boat:{RANGE}:65536\n")
            os.chown(self.home, USER, USER)
            os.chown(self.runtime, USER, USER)
            binds = " && ".join(f"mount --bind {etc}/{name} /etc/{name}" for name in ("passwd", "group", "subuid", "subgid"))
            self.before = ["unshare", "-m", "sh", "-c", f"{binds} && cd {self.home} && exec \"$@\"", "sh", "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                           "--inh-caps=-all", "podman"]
        else:
            self.before = ["podman", f"--root={folder}/storage", f"--runroot={folder}/runroot", f"--tmpdir={folder}/tmp"]
        (self.files / "containers.conf").write_text(CONF)
        self.parent = [] if rootless else [f"--cgroup-parent=/{CGROUP}"]
        self.env = {"CONTAINERS_CONF": str(self.files / "containers.conf"), "PATH": os.environ["PATH"], "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime)}
        self.root = fill(folder / "root")

    def call(self, *args, env=None):
        return subprocess.run([*self.before, *ENGINE, *map(str, args)], capture_output=True, text=True, timeout=HANG_LIMIT, stdin=subprocess.DEVNULL,
                              env={**self.env, **(env or {})}, cwd=self.home)

    def load(self, name, **config):
        path = archive(self.files / "image.tar", self.root, name, **config)
        loaded = self.call("load", "-q", "-i", path)
        path.unlink()
        return loaded

    def policy(self, text):
        path = self.files / f"policy{next(NUMBERS)}.ini"
        path.write_text(text)
        return ["-v", f"{path}:/etc/aweigh/policy.ini:ro"]

    def run(self, *options, command=(), image=IMAGE, network="none"):
        return self.call("run", "--rm", f"--network={network}", *self.parent, *options, image, *command)

    def seen(self, *options, command=("/payload", "0"), **keywords):
        result = self.run(*options, command=command, **keywords)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def start(self, *options, command, image=IMAGE, network="none"):
        name = f"aweigh-{next(NUMBERS)}"
        self.containers.append(name)
        result = self.call("run", "-d", "--name", name, f"--network={network}", *self.parent, *options, image, *command)
        assert result.returncode == 0, result.stderr
        return Container(self, name)

    def clean(self):
        if self.containers:
            self.call("rm", "-f", "-t", "0", *self.containers)
        self.call("pod", "rm", "-a", "-f", "-t", "0")
        self.call("rmi", "-a", "-f")
        for path in self.runtime.rglob("pause.pid"):   # what holds the user namespace open
            pid = int(path.read_text())
            if os.path.exists(f"/proc/{pid}") and os.stat(f"/proc/{pid}").st_uid == USER:
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["sh", "-c", "awk -v under=\"$0/\" 'index($2, under) == 1 { print $2 }' /proc/self/mounts | xargs -r umount -l", self.folder], check=False)
        for name in self.cgroups:
            cgroups.remove(cgroups.named(name))
        for path in (self.folder / "storage", self.folder / "runroot", self.home, *self.strays):
            shutil.rmtree(path, ignore_errors=True)


class Container:
    def __init__(self, podman, name):
        self.podman, self.name = podman, name

    def logs(self):
        result = self.podman.call("logs", self.name)
        return result.stdout + result.stderr

    def ready(self, words="ready"):
        wait_for(lambda: words in self.logs())
        return self

    def inspect(self, what):
        return self.podman.call("inspect", "-f", "{{." + what + "}}", self.name).stdout.strip()

    def status(self):
        wait_for(lambda: self.inspect("State.Status") in ("exited", "stopped"))
        return int(self.inspect("State.ExitCode"))

    def stop(self, limit=60):
        """podman sends SIGTERM, and SIGKILL after the limit: then the status would be 137."""
        self.podman.call("stop", "-t", limit, self.name)
        return self.status()


@pytest.fixture(scope="module", params=["root", "rootless"])
def podman(request, tmp_path_factory):
    for program in ("podman", "runc", "newuidmap", "unshare", "setpriv"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            missing(program)
    if os.geteuid() != 0:
        missing("root")
    rootless = request.param == "rootless"
    if rootless and not (os.path.exists("/etc/subuid") and os.path.exists("/etc/subgid")):
        missing("/etc/subuid and /etc/subgid")
    folder = reachable(tmp_path_factory.mktemp("p"))
    podman = Podman(folder, rootless)
    request.addfinalizer(podman.clean)
    loaded = podman.load(IMAGE, Cmd=["/payload", "0"])
    probe = podman.run("--entrypoint", "/payload", command=["0"])
    if loaded.returncode != 0 or probe.returncode != 0:
        missing(f"a podman that starts containers ({request.param}): {loaded.stderr} {probe.stderr}")
    return podman


# Exec and init

def test_podman_runs_the_service_as_pid_1(podman):
    seen = podman.seen()
    assert seen["pid"] == 1 and seen["descriptors"] == [0, 1, 2] and seen["blocked"] == seen["ignored"] == []
    assert "HF_HUB_OFFLINE=1" in seen["environ"] and "container=podman" in seen["environ"]


@pytest.mark.parametrize("options", [[], ["--init"]], ids=["pid 1", "below podman's init"])
@pytest.mark.parametrize("policy", [None, INIT], ids=["exec", "init"])
def test_status_and_stop_in_podman(podman, policy, options):
    if options and not (os.path.exists("/usr/libexec/podman/catatonit") or shutil.which("catatonit")):
        missing("catatonit")
    if options and not os.path.exists("/usr/libexec/podman/catatonit"):
        options = [*options, f"--init-path={shutil.which('catatonit')}"]
    options = [*options, *(podman.policy(policy) if policy else [])]
    assert podman.run(*options, command=["/payload", "42"]).returncode == 42
    assert podman.start(*options, command=["/worker", "wait"]).ready().stop() == 0


def test_podman_stops_the_gate(podman):
    """A fetch from a hub that never answers, in the network of the host."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/api/", hang=HANG_LIMIT)
        policy = policy_text(more=f"[fetch]\nendpoint = {hub.url}\nallow_http = yes").replace("offline", "auto").replace("/models/hub", "/tmp/hub")
        container = podman.start(*podman.policy(policy), "-e", "HF_HOME=/tmp", command=["/worker", "wait"], network="host")
        wait_for(lambda: hub.requests)
        assert container.stop() == 143 and "ready" not in container.logs()


def test_podman_exec_and_orphans(podman):
    """Processes that `podman exec` leaves come to aweigh's init."""
    container = podman.start(*podman.policy(INIT), command=["/worker", "orphans", "20", "3"]).ready()
    looked = podman.call("exec", container.name, "/aweigh", "check", "--format", "json")
    assert looked.returncode == 0 and json.loads(looked.stdout)["verdict"] == "pass", looked
    assert container.stop() == 3


# What is asked of aweigh

@pytest.mark.parametrize("words, status, said", [
    (["check"], 0, "pass: 1 model"), (["check", "--format", "json"], 0, '"verdict": "pass"'), (["--version"], 0, "aweigh "), (["nonsense"], 127, ""), (["/none"], 127, ""),
])
def test_words_of_aweigh_in_podman(podman, words, status, said):
    result = podman.run(command=words)
    assert result.returncode == status and said in result.stdout, result


@pytest.mark.parametrize("policy, status", [(policy_text().replace("org/m", "org/absent"), 66), ("[policy]\nuser = nobody-knows\n", 78), (policy_text(more="path = /none"), 66)],
                         ids=["missing", "no policy", "no folder"])
def test_what_is_refused_in_podman(podman, policy, status):
    result = podman.run(*podman.policy(policy), command=["/payload", "0"])
    assert result.returncode == status and result.stdout == "", result.stderr


# What a deployment takes away

FLAGS = {
    "as 1000": ["--user", "1000:1000"], "as nobody's number": ["--user", "4242:4242"], "read-only": ["--read-only"], "read-only without tmpfs": ["--read-only", "--read-only-tmpfs=false"],
    "no capabilities": ["--cap-drop=all"], "no new privileges": ["--security-opt=no-new-privileges"], "no seccomp": ["--security-opt=seccomp=unconfined"],
    "privileged": ["--privileged"],
    "all at once": ["--user", "4242:4242", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"],
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
@pytest.mark.parametrize("policy", [None, INIT, CONFINED], ids=["exec", "init", "confined"])
def test_it_starts_in_podman_with(podman, flags, policy):
    seen = podman.seen(*flags, *(podman.policy(policy) if policy else []))
    assert (seen["pid"] == 1) == (policy != INIT) and "HF_HUB_OFFLINE=1" in seen["environ"]


def test_confined_in_podman(podman):
    """podman's own seccomp profile, and a user namespace: Landlock and the filter hold in both."""
    result = podman.run(*podman.policy(CONFINED), command=["/worker", "out", "1", "-1"])
    seen = dict(line.split() for line in result.stdout.splitlines())
    assert seen["udp4"] == seen["raw"] == seen["io_uring"] == "13" and seen["unix"] == "0", result
    report = json.loads(podman.run(*podman.policy(CONFINED), command=["check", "--format", "json"]).stdout)
    assert seen["tcp4"] == ("13" if report["confinement"]["egress_tcp_enforced"] else "111")


# Users

def test_a_user_line_and_the_policys_user(podman):
    """USER in the image is that user already; another is refused with 77, in words that name both."""
    image = "aweigh.test/user:1"
    assert podman.load(image, Cmd=["/payload", "0"], User="1000:1000").returncode == 0
    assert podman.seen(image=image)["uid"] == 1000
    same = podman.policy(policy_text("user = 1000:1000"))
    seen = podman.seen(*same, "--cap-drop=all", "--group-add", "3000", image=image)
    assert seen["uid"] == 1000 and 3000 in seen["groups"]
    other = podman.run(*podman.policy(policy_text("user = 1001:1001")), "--cap-drop=all", image=image, command=["/payload", "0"])
    assert other.returncode == 77 and "1001" in other.stderr and other.stdout == ""


def test_a_group_that_is_missing_is_named(podman):
    """`--user 1000:1000` brings no group of the image's /etc/group, which `user = server` asks for: it is the group that aweigh
    may not take, not the user that it already is."""
    assert podman.seen(*podman.policy(policy_text("user = server\ngroups = keep")), "--user", "1000:1000", "--cap-drop=all")["uid"] == 1000
    refused = podman.run(*podman.policy(policy_text("user = server")), "--user", "1000:1000", "--cap-drop=all", command=["/payload", "0"])
    assert refused.returncode == 77 and "2000" in refused.stderr and "may not become uid 1000" not in " ".join(refused.stderr.split()), refused.stderr


@pytest.mark.parametrize("init", ["no", "yes"], ids=["exec", "init"])
def test_podmans_root_becomes_the_service(podman, init):
    seen = podman.seen(*podman.policy(policy_text("user = server\nhome = set", f"[confine]\ncapabilities = none\n[service]\ninit = {init}")))
    assert seen["uid"] == seen["gid"] == 1000 and set(seen["groups"]) <= {1000, 2000} and "HOME=/home/server" in seen["environ"]
    assert all(int(value, 16) == 0 for name, value in seen["status"].items() if name.startswith("Cap"))


def test_a_user_outside_of_the_map(podman):
    """A user namespace has so many uids and no more; rootful podman has all."""
    result = podman.run(*podman.policy(policy_text("user = 70000:70000")), command=["/payload", "0"])
    assert result.returncode == (77 if podman.rootless else 0), result.stderr
    if podman.rootless:
        assert "70000" in result.stderr and "pass" not in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("podman", ["rootless"], indirect=True)
def test_keep_id(podman):
    """--userns=keep-id: the caller's own number inside, as podman users have it for a mounted cache of their own."""
    seen = podman.seen("--userns=keep-id")
    assert seen["uid"] == USER
    report = json.loads(podman.run("--userns=keep-id", command=["check", "--format", "json"]).stdout)
    assert report["verdict"] == "pass" and report["policy"]["uid"] == USER


# Volumes and secrets

def test_a_volume_is_filled_and_used_in_podman(podman, tmp_path):
    """A named volume; the hub's token comes as a secret; the next start asks for nothing."""
    files = {**bert_files(), "model.safetensors": safetensors({"w": 500_000})}
    volume, secret = f"v{next(NUMBERS)}", f"s{next(NUMBERS)}"
    token = podman.files / "token"
    token.write_text("hf_of_the_tests\n")
    assert podman.call("secret", "create", secret, token).returncode == 0
    with Hub(one_repo(files), token="hf_of_the_tests") as hub:
        policy = policy_text(more=f"[fetch]\nendpoint = {hub.url}\nallow_http = yes\ntoken_file = /run/secrets/{secret}").replace("mode = offline", "mode = auto")
        options = [*podman.policy(policy.replace("/models/hub", "/data/hub")), "-v", f"{volume}:/data", "-e", "HF_HOME=/data", f"--secret={secret}"]
        filled = podman.run(*options, command=["fetch"], network="host")
        assert filled.returncode == 0, filled.stderr + filled.stdout
        asked = len(hub.requests)
        assert podman.seen(*options, network="host")["pid"] == 1 and len(hub.requests) == asked
    for word in ("volume", "secret"):
        podman.call(word, "rm", volume if word == "volume" else secret)


# Pods

POD = """apiVersion: v1
kind: ConfigMap
metadata: {name: policy}
data:
  policy.ini: |
    [policy]
    hub_cache = /models/hub
    user = 1000:1000
    [model m]
    repo = REPO
---
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  hostNetwork: true
  restartPolicy: Never
  securityContext: {runAsUser: 1000, runAsGroup: 1000}
  initContainers:
  - {name: first, image: "IMAGE", args: [check], volumeMounts: [{name: policy, mountPath: /etc/aweigh}]}
  containers:
  - name: app
    image: IMAGE
    args: [/worker, wait]
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: policy, mountPath: /etc/aweigh}]
  volumes:
  - {name: policy, configMap: {name: policy}}
"""


@pytest.mark.parametrize("repo", ["org/m", "org/absent"])
def test_a_pod_of_kubernetes_yaml(podman, repo):
    """`podman play kube`: an init container that checks, then the service, with the policy from a ConfigMap."""
    name = f"pod{next(NUMBERS)}"
    path = podman.files / f"{name}.yaml"
    path.write_text(POD.replace("REPO", repo).replace("NAME", name).replace("IMAGE", IMAGE))
    played = podman.call("play", "kube", "--no-hosts", path)
    if repo == "org/absent":   # the init container's end keeps the service from starting
        app = podman.call("logs", f"{name}-app")
        assert played.returncode != 0 and "ready" not in app.stdout, app
    else:
        assert played.returncode == 0, played
        assert Container(podman, f"{name}-app").ready().stop() == 0
    assert podman.call("pod", "rm", "-f", "-t", "0", name).returncode == 0
