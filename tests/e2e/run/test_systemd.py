# SPDX-License-Identifier: Apache-2.0
"""aweigh in front of a service of systemd: a systemd as PID 1 of namespaces of our own, with the files of this machine, units of
ours, and a cgroup of its own. What the service sends to systemd arrives, and what systemd hands over reaches the service."""

import json
import os
import shutil
import socket
import subprocess

import cgroups
import pytest
from hub_server import Hub, one_repo
from image import fill, policy_text, reachable
from models import bert_files, safetensors
from waiting import wait_for
from world import HANG_LIMIT, missing

PYTHON = "/usr/bin/python3"
SYSTEMD = "/lib/systemd/systemd"
BOOT = """
for folder in "$@"; do echo $$ >"$folder/cgroup.procs"; done
exec unshare -C -m -p -f -i -u --kill-child=KILL --propagation private sh -ec '
mount --make-rshared /   # a group of our own: credentials come to a service by propagation
mount -t proc proc /proc
for place in /run /var/log /etc/systemd /lib/systemd/system-generators; do mount -t tmpfs tmpfs $place; done
mkdir /etc/systemd/system
mount --bind "$0/units" /etc/systemd/system
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup /sys/fs/cgroup
else
    mount -t tmpfs tmpfs /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi
exec env -i PATH="$PATH" container=test /lib/systemd/systemd --system --unit=aweigh.target --log-target=console --log-level=info --show-status=no
' "$FOLDER"
"""
# A service as sd_notify(3) and sd_watchdog_enabled(3) would have it. It says what it was given, and each SIGTERM.
SERVICE = r'''
import json, os, signal, socket, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(time.monotonic()))
given = {name: os.environ.get(name) for name in ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "HF_HUB_OFFLINE", "CREDENTIALS_DIRECTORY")}
def tell(text):
    if given["NOTIFY_SOCKET"]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(text.encode(), given["NOTIFY_SOCKET"].replace("@", "\0", 1))
watched = given["WATCHDOG_PID"] == str(os.getpid())
fds = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]
print(json.dumps({**given, "pid": os.getpid(), "ppid": os.getppid(), "uid": os.getuid(), "fds": fds}), flush=True)
tell("READY=1\nSTATUS=serving")
until = time.monotonic() + float(sys.argv[1])
while not ended and time.monotonic() < until:
    if watched:
        tell("WATCHDOG=1")
    time.sleep(0.1)
tell("STOPPING=1")
time.sleep(0.3)
print(json.dumps({"terms": len(ended)}), flush=True)
sys.exit(int(sys.argv[2]))
'''


class Manager:
    def __init__(self, folder):
        self.folder, self.count, self.process, self.cgroups = folder, 0, None, []
        (folder / "units").mkdir()
        (folder / "units/aweigh.target").write_text("[Unit]\nDefaultDependencies=no\n")
        (folder / "service.py").write_text(SERVICE)
        self.root = fill(folder / "root")
        self.aweigh = self.root / "aweigh"

    def boot(self):
        self.cgroups = cgroups.make(f"aweigh-systemd-{os.getpid()}")
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(["sh", "-ec", BOOT, "sh", *self.cgroups], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env={**os.environ, "FOLDER": str(self.folder)})
        wait_for(lambda: self.process.poll() is not None or self.call("is-system-running").stdout.strip() in ("running", "degraded"))
        return self.process.poll() is None

    def call(self, *args):
        """systemctl, in the namespaces."""
        children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        if not children:
            return subprocess.CompletedProcess(args, 1, "", "")
        return subprocess.run(["nsenter", "-t", children[0], "-m", "-p", "-C", "-u", "-i", "systemctl", "--no-pager", *args], capture_output=True, text=True,
                              timeout=HANG_LIMIT, stdin=subprocess.DEVNULL)

    def unit(self, command, service="", policy="", more="", mode="offline", options="", fetch="", start=None, **units):
        self.count += 1
        name = f"u{self.count}"
        text = policy_text(policy, f"{more}\n[fetch]\n{fetch}" if fetch else more).replace("/models/hub", f"{self.root}/models/hub").replace("mode = offline", f"mode = {mode}")
        (self.folder / f"{name}.ini").write_text(text)
        start = start or f"{self.aweigh} {options} --policy {self.folder}/{name}.ini -- {command}"
        defaults = "\n".join(line for line in ("Type=notify", "TimeoutStartSec=20", "TimeoutStopSec=20") if line.split("=")[0] + "=" not in service)
        (self.folder / f"units/{name}.service").write_text(
            f"[Unit]\nDefaultDependencies=no\n[Service]\n{defaults}\nEnvironment=HF_HOME={self.root}/models\nStandardOutput=truncate:{self.folder}/{name}.out\n"
            f"StandardError=truncate:{self.folder}/{name}.err\n{service.replace('POLICY', f'{self.folder}/{name}.ini')}\nExecStart={start}\n")
        for kind, text in units.items():
            (self.folder / f"units/{name}.{kind}").write_text(text)
        self.call("daemon-reload")
        return Unit(self, name)

    def service(self, *args, seconds=60, status=0, **options):
        return self.unit(f"{PYTHON} -IB {self.folder}/service.py {seconds} {status}", *args, **options)

    def stop(self):
        if self.process is not None:
            self.process.kill()   # and, by --kill-child, its systemd and all that this started
            self.process.wait()
        cgroups.remove(self.cgroups)


class Unit:
    def __init__(self, manager, name):
        self.manager, self.name = manager, name

    def start(self):
        """Whether systemd says that it has started."""
        return self.manager.call("start", f"{self.name}.service").returncode == 0

    def stop(self):
        self.manager.call("stop", f"{self.name}.service")
        return self.state()

    def state(self):
        shown = self.manager.call("show", f"{self.name}.service", "-p", "ActiveState,SubState,Result,MainPID,ExecMainStatus,StatusText").stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    def settled(self):
        wait_for(lambda: self.state()["ActiveState"] in ("inactive", "failed"))
        return self.state()

    def out(self):
        path = self.manager.folder / f"{self.name}.out"
        return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{\"")] if path.exists() else []

    def err(self):
        path = self.manager.folder / f"{self.name}.err"
        return path.read_text() if path.exists() else ""

    def given(self):
        wait_for(lambda: self.out())
        return self.out()[0]


@pytest.fixture(scope="module")
def manager(tmp_path_factory, request):
    if os.geteuid() != 0 or not os.path.exists(SYSTEMD):
        missing("systemd, as root")
    folder = reachable(tmp_path_factory.mktemp("systemd"))
    manager = Manager(folder)
    request.addfinalizer(manager.stop)
    try:
        booted = manager.boot()
    except OSError as error:
        missing(f"cgroups that a test may make ({error})")
    if not booted:
        missing(f"a systemd that starts in namespaces: {(folder / 'log').read_text()[-500:]}")
    return manager


# Type=notify

def test_exec_mode_is_the_services_own_pid(manager):
    """The service is the main process: its READY=1 counts, whoever NotifyAccess lets speak."""
    unit = manager.service()
    assert unit.start(), f"{unit.state()} {unit.err()}"
    state, given = unit.state(), unit.given()
    assert state["ActiveState"] == "active" and state["StatusText"] == "serving" and given["HF_HUB_OFFLINE"] == "1"
    stopped = unit.stop()
    assert stopped["Result"] == "success" and stopped["ExecMainStatus"] == "0" and unit.out()[-1] == {"terms": 1}


def test_init_mode_needs_notifyaccess_all(manager):
    """aweigh is the main process, and the service its child: NotifyAccess=all lets it speak, as with any init."""
    unit = manager.service("NotifyAccess=all", more="[service]\ninit = yes")
    assert unit.start(), f"{unit.state()} {unit.err()}"
    state = unit.state()
    assert state["StatusText"] == "serving" and int(state["MainPID"]) == unit.given()["ppid"]
    assert unit.stop()["Result"] == "success"


def test_init_mode_with_notifyaccess_main(manager):
    """systemd refuses the child's READY=1, and ends the service at TimeoutStartSec. (MAINPID= from the init would let it speak, and
    lose its status: systemd does not see the end of a process that is not its child.)"""
    unit = manager.service("TimeoutStartSec=2", more="[service]\ninit = yes")
    assert not unit.start() and unit.state()["Result"] == "timeout"


def test_init_beside_a_notify_socket_is_a_note(manager):
    """Nobody would know why, if it were not said."""
    unit = manager.service("NotifyAccess=all", more="[service]\ninit = yes", options="-v")
    assert unit.start(), f"{unit.state()} {unit.err()}"
    assert unit.stop()["Result"] == "success" and "service.notify" in unit.err() and "NotifyAccess=all" in unit.err()


@pytest.mark.parametrize("init", ["no", "yes"], ids=["exec", "init"])
def test_the_watchdog_is_the_services(manager, init):
    """WATCHDOG_PID names the service: it knows that it is asked, and answers."""
    unit = manager.service("NotifyAccess=all\nWatchdogSec=1", more=f"[service]\ninit = {init}", seconds=2.5)
    assert unit.start(), f"{unit.state()} {unit.err()}"
    given = unit.given()
    assert given["WATCHDOG_PID"] == str(given["pid"]) and given["WATCHDOG_USEC"] == "1000000"
    assert unit.settled()["Result"] == "success"


@pytest.mark.parametrize("init", ["no", "yes"], ids=["exec", "init"])
def test_sockets_are_handed_over(manager, init):
    """A .socket unit: descriptor 3 is there, nothing else, and LISTEN_PID is the service's."""
    path = manager.folder / f"{init}.sock"
    unit = manager.service("NotifyAccess=all", more=f"[service]\ninit = {init}",
                           socket=f"[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream={path}\n")
    assert manager.call("start", f"{unit.name}.socket").returncode == 0
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(str(path))
        given = unit.given()
    assert given["LISTEN_FDS"] == "1" and given["LISTEN_PID"] == str(given["pid"]) and given["fds"] == [0, 1, 2, 3]
    manager.call("stop", f"{unit.name}.socket")
    assert unit.stop()["Result"] == "success"


# What systemd sees of a refusal and of an end

@pytest.mark.parametrize("kind", ["notify", "exec", "simple"])
def test_a_refusal_is_a_status(manager, kind):
    unit = manager.service(f"Type={kind}\nRestart=on-failure\nRestartPreventExitStatus=65 66 76 77 78", more="path = /none")
    started = unit.start()
    state = unit.settled()
    assert state["Result"] == "exit-code" and state["ExecMainStatus"] == "66" and unit.out() == [] and "refused (66)" in unit.err()
    assert started == (kind != "notify")
    assert manager.call("show", f"{unit.name}.service", "-p", "NRestarts").stdout.strip() == "NRestarts=0"


def test_a_check_before_the_start(manager):
    """ExecStartPre: the service's own line is left as it is."""
    unit = manager.service(f"ExecStartPre={manager.aweigh} check --policy POLICY")
    assert unit.start() and unit.stop()["Result"] == "success"
    unit = manager.service(f"ExecStartPre={manager.aweigh} check --policy POLICY", more="path = /none")
    assert not unit.start() and unit.state()["Result"] == "exit-code" and unit.out() == []


@pytest.mark.parametrize("init", ["no", "yes"], ids=["exec", "init"])
def test_the_status_is_the_services_in_systemd(manager, init):
    unit = manager.service("NotifyAccess=all", more=f"[service]\ninit = {init}", seconds=0.2, status=7)
    unit.start()
    state = unit.settled()
    assert state["Result"] == "exit-code" and state["ExecMainStatus"] == "7"


@pytest.mark.parametrize("kill", ["control-group", "mixed"])
def test_a_stop_with_init(manager, kill):
    """KillMode=mixed asks aweigh alone, which forwards; control-group asks all at once, and the service once more."""
    unit = manager.service(f"NotifyAccess=all\nKillMode={kill}", more="[service]\ninit = yes")
    assert unit.start()
    assert unit.stop()["Result"] == "success" and 1 <= unit.out()[-1]["terms"] <= (1 if kill == "mixed" else 2)


def test_a_stop_in_the_gate_by_systemd(manager):
    """143 is a status here and no death by SIGTERM, which systemd takes for clean: SuccessExitStatus=143, as for any init."""
    with Hub(one_repo(bert_files(), repo="org/late")) as hub:
        hub.fault("/api/", hang=HANG_LIMIT)
        unit = manager.service("Type=exec\nSuccessExitStatus=143", mode="auto", more="[model late]\nrepo = org/late", fetch=f"endpoint = {hub.url}\nallow_http = yes")
        assert unit.start()
        wait_for(lambda: hub.requests)
        assert unit.stop()["Result"] == "success" and unit.out() == []


# Users, credentials, and units that take much away

def test_the_units_user_is_the_policys(manager):
    unit = manager.service("User=1000\nGroup=1000\nSupplementaryGroups=daemon\nCapabilityBoundingSet=\nNoNewPrivileges=yes", policy="user = 1000:1000")
    assert unit.start(), f"{unit.state()} {unit.err()}"
    assert unit.given()["uid"] == 1000 and unit.stop()["Result"] == "success"


def test_another_user_than_the_units(manager):
    unit = manager.service("Type=exec\nUser=1000", policy="user = 1001:1001")
    unit.start()
    assert unit.settled()["ExecMainStatus"] == "77" and "uid 1000" in unit.err() and "uid 1001" in unit.err() and unit.out() == []


@pytest.mark.parametrize("options", ["", "--init"], ids=["exec", "init"])
@pytest.mark.parametrize("more", ["", "User=1000", "PrivateUsers=yes"])
def test_an_image_as_the_units_root(manager, more, options):
    """RootDirectory=, as portable services have it: the image's own files and nothing of this machine's."""
    unit = manager.unit("/payload 0", f"Type=oneshot\nRootDirectory={manager.root}\nEnvironment=HF_HOME=/models\n{more}", start=f"/aweigh run {options} -- /payload 0")
    assert unit.start(), f"{unit.state()} {unit.err()}"
    seen = json.loads((manager.folder / f"{unit.name}.out").read_text())
    assert seen["uid"] == (1000 if "User=1000" in more else 0) and seen["descriptors"] == [0, 1, 2] and "HF_HUB_OFFLINE=1" in seen["environ"]


HARDENED = """User=1000
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
ProcSubset=pid
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
NotifyAccess=all
"""


@pytest.mark.parametrize("init", ["no", "yes"], ids=["exec", "init"])
def test_a_hardened_unit(manager, init):
    """All that `systemd-analyze security` asks for; calls that the filter forbids are refused."""
    unit = manager.service(HARDENED + "SystemCallErrorNumber=EPERM", more=f"[confine]\negress = deny\n[service]\ninit = {init}")
    assert unit.start(), f"{unit.state()} {unit.err()}"
    assert unit.given()["uid"] == 1000 and unit.stop()["Result"] == "success"


@pytest.mark.parametrize("confine", ["", "[confine]\negress = deny"], ids=["plain", "confined"])
def test_a_filter_that_kills(manager, confine):
    """Without SystemCallErrorNumber= systemd kills for a forbidden call, and Landlock's are not of @system-service: they are asked
    for in a child, and what is withheld is said."""
    unit = manager.service("SystemCallFilter=@system-service\nUser=1000", more=confine, options="-v")
    assert unit.start(), f"{unit.state()} {unit.err()}"
    said = " ".join(unit.err().split())
    assert "the inspector is confined by its user alone: a seccomp profile forbids Landlock" in said
    assert ("the service can still open TCP connections" in said) == bool(confine)
    assert unit.stop()["Result"] == "success"


def test_a_memory_limit_of_the_unit(manager):
    """MemoryMax= is a limit of a cgroup that is no container's root: below the mount, where /proc/self/cgroup says."""
    if not cgroups.counts_memory(manager.cgroups):
        missing("a memory controller for units")
    folder = manager.folder / "large"
    folder.mkdir()
    for name, data in bert_files().items():
        (folder / name).write_bytes(safetensors({"w": 25_000_000}) if name.endswith("safetensors") else data)
    for limit, expected in (("MemoryMax=64M\nMemoryLimit=64M", True), ("", False)):
        unit = manager.service(limit, more=f"[model large]\npath = {folder}", options="-v")
        assert unit.start(), f"{unit.state()} {unit.err()}"
        assert unit.stop()["Result"] == "success" and ("model.memory" in unit.err()) == expected, unit.err()


def test_a_dynamic_user_and_a_credential(manager):
    """The hub's token as a credential of systemd, which only this unit's user reads; the models in the unit's own state folder."""
    (manager.folder / "token").write_text("hf_of_the_tests\n")
    files = {**bert_files(), "model.safetensors": safetensors({"w": 200_000})}
    with Hub(one_repo(files, repo="org/late"), token="hf_of_the_tests") as hub:
        unit = manager.service(f"DynamicUser=yes\nStateDirectory=aweigh-test-{os.getpid()}\nLoadCredential=hub:{manager.folder}/token\nBindPaths={manager.folder}", mode="auto",
                               more="[model late]\nrepo = org/late\npath = ${STATE_DIRECTORY}/late",
                               fetch=f"endpoint = {hub.url}\nallow_http = yes\ntoken_file = ${{CREDENTIALS_DIRECTORY}}/hub")
        try:
            assert unit.start(), f"{unit.state()} {unit.err()}"
            assert unit.given()["uid"] not in (0, 1000) and unit.stop()["Result"] == "success"
        finally:
            for place in ("private/", ""):
                path = f"/var/lib/{place}aweigh-test-{os.getpid()}"
                os.unlink(path) if os.path.islink(path) else shutil.rmtree(path, ignore_errors=True)
