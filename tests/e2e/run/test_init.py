# SPDX-License-Identifier: Apache-2.0
"""init = yes: every signal arrives, everything is reaped, the status is right, and what stays holds nothing."""

import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest
from world import HANG_LIMIT, ROOT, missing
from waiting import children, stop, wait_for

# Its own, what a terminal does to background processes, and what cannot be caught.
KEPT = {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU, signal.SIGKILL, signal.SIGSTOP}
FORWARDED = [n for n in range(1, 65) if n not in KEPT]
PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


class Started:
    """aweigh with a service: `pid` is aweigh's, seen from here, in a namespace of its own or not."""

    def __init__(self, world, *command, args=(), service="", prefix=(), policy="", **options):
        world.policy(f"[policy]\n{policy}\n[service]\ninit = yes\n{service}\n")
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("env", world.env)
        self.process = subprocess.Popen([*prefix, world.binary, "run", "-q", "--policy", str(world.policy_file), *args, "--", *command],
                                        stdin=options.pop("stdin", subprocess.DEVNULL), bufsize=0, **options)
        self.out = self.process.stdout
        self.pid = self.process.pid
        if prefix[:1] == ["unshare"]:
            self.pid = self.find(self.process.pid)

    def find(self, parent):
        """The first child, or None where all has ended already."""
        found = []

        def look():
            try:
                found[:] = children(parent)
            except FileNotFoundError:
                return True
            return found or self.process.poll() is not None

        wait_for(look)
        return found[0] if found else None

    def line(self):
        assert select.select([self.out], [], [], HANG_LIMIT)[0], "nothing was printed within the hang limit"
        return self.out.readline().decode().strip()

    @property
    def service(self):
        return self.find(self.pid)

    def at_work(self):
        """Past the first instructions: before, PID 1 does not see a signal (pid_namespaces(7)), and any other dies of it."""
        wait_for(lambda: int(field(self.pid, "SigBlk"), 16) == 2**64 - 1 - (1 << 8) - (1 << 18) or open(f"/proc/{self.pid}/cmdline").read() == "aweigh: init\0")
        return self

    def send(self, number):
        if self.pid is not None:
            os.kill(self.pid, number)

    def wait(self):
        return self.process.wait(HANG_LIMIT)


def status_of(world, *command, **options):
    return Started(world, *command, **options).wait()


def field(pid, name, file="status"):
    with open(f"/proc/{pid}/{file}") as lines:
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(name + ":"))


def is_gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def is_over(pid):
    """Gone, also between two looks, or waiting to be reaped."""
    try:
        return field(pid, "State")[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def as_pid_1(prefix):
    if prefix and os.geteuid() != 0:
        missing("root")


anywhere = pytest.mark.parametrize("prefix", [[], PID_1], ids=["any pid", "pid 1"])


# Status

@pytest.mark.parametrize("status", [0, 1, 2, 7, 64, 78, 125, 126, 127, 128, 143, 255])
def test_the_services_own_status(world, status):
    assert status_of(world, "/bin/sh", "-c", f"exit {status}") == status


@anywhere
def test_128_and_the_signal(world, worker, prefix):
    as_pid_1(prefix)
    # Left out: what does not end a process, and two that glibc's posix_spawn(3) leaves ignored.
    for number in set(range(1, 65)) - {17, 18, 19, 20, 21, 22, 23, 28, 32, 33}:
        started = Started(world, worker, "hold-nothing", prefix=prefix)
        assert started.line() == "ready"
        os.kill(started.service, number if number != signal.SIGTERM else signal.SIGKILL)
        assert started.wait() == 128 + (number if number != signal.SIGTERM else signal.SIGKILL)


@pytest.mark.parametrize("service, args, status, wanted", [
    ("remap.143 = 0", [], 143, 0), ("remap.143 = 0", [], 15, 15), ("remap.0 = 1", [], 0, 1), ("remap.7 = 3\nremap.3 = 7", [], 7, 3),
    ("", ["--remap", "143"], 143, 0), ("", ["--remap=143=5"], 143, 5), ("", ["-e", "143", "-e", "7"], 7, 0), ("", ["-e143"], 143, 0),
    ("remap.143 = 2", ["-e", "143"], 143, 0),
])
def test_remapped(world, service, args, status, wanted):
    assert status_of(world, "/bin/sh", "-c", f"exit {status}", service=service, args=args) == wanted


def test_the_command_cannot_start(world):
    world.policy("[service]\ninit = yes\n")
    result = world.start("/no/such")
    assert result.status == 127 and "/no/such cannot start" in result.err
    (world.path / "data").write_text("no program")
    (world.path / "data").chmod(0o755)
    result = world.start(str(world.path / "data"))
    assert result.status == 126 and "not a program for this machine" in result.err


def test_no_process_to_be_had(world, payload, need_root):
    """A limit on processes: said, and nothing starts."""
    import resource
    world.policy("[policy]\nuser = 54321:54321\n[service]\ninit = yes\n")
    report = world.path / "report.json"
    result = world.start(payload, "0", args=("--report", f"json={report}"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (0, 0)), env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert result.status == 75 and "cannot start a process for the service" in result.err and "RLIMIT_NPROC" in result.err, result
    written = json.loads(report.read_text())      # a pass had been written there before
    assert written["verdict"] == "refused" and written["status"] == 75 and written["findings"][-1]["code"] == "service.start"


def test_a_refusal_starts_nothing(world):
    world.policy("[service]\ninit = yes\n[model m]\nrepo = org/none\n")
    assert world.start("/bin/sh", "-c", "echo started").status == 66


# Signals

@anywhere
@pytest.mark.parametrize("target", ["child", "group"])
def test_every_signal_is_forwarded(world, worker, prefix, target):
    as_pid_1(prefix)
    started = Started(world, worker, "catch", service=f"signal_target = {target}", prefix=prefix)
    assert started.line() == "ready"
    for number in FORWARDED:
        started.send(number)
        assert started.line() == str(number)
    for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD):
        started.send(number)
    started.send(signal.SIGUSR1)
    assert started.line() == str(int(signal.SIGUSR1))   # and none of the three before it
    os.kill(started.service, signal.SIGKILL)
    assert started.wait() == 137


@pytest.mark.parametrize("args, service, reached", [([], "", 1), (["-g"], "", 3), (["--group"], "", 3), ([], "signal_target = group", 3)])
def test_child_or_group(world, worker, args, service, reached):
    started = Started(world, "/bin/sh", "-c", f"'{worker}' catch & '{worker}' catch & exec '{worker}' catch", args=args, service=service)
    assert [started.line() for _ in range(3)] == ["ready"] * 3
    started.send(signal.SIGUSR2)
    assert [started.line() for _ in range(reached)] == [str(int(signal.SIGUSR2))] * reached
    group = os.getpgid(started.service)
    os.kill(started.service, signal.SIGKILL)
    assert started.wait() == 137
    os.killpg(group, signal.SIGKILL)
    assert started.out.read() == b""


@pytest.mark.parametrize("rows, sent, seen", [
    ("forward.SIGTERM = SIGINT", signal.SIGTERM, signal.SIGINT), ("forward.SIGTERM = QUIT", signal.SIGTERM, signal.SIGQUIT),
    ("forward.SIGHUP = SIGRTMIN+3", signal.SIGHUP, 37), ("forward.SIGRTMAX-1 = 10", 63, signal.SIGUSR1), ("forward.TERM = SIGRTMAX", signal.SIGTERM, 64),
])
def test_another_signal_instead(world, worker, rows, sent, seen):
    started = Started(world, worker, "catch", service=rows)
    assert started.line() == "ready"
    started.send(sent)
    assert started.line() == str(int(seen))
    os.kill(started.service, signal.SIGKILL)
    assert started.wait() == 137


def test_a_signal_that_is_kept(world, worker):
    started = Started(world, worker, "catch", service="forward.SIGUSR1 = none")
    assert started.line() == "ready"
    started.send(signal.SIGUSR1), started.send(signal.SIGUSR2)
    assert started.line() == str(int(signal.SIGUSR2))
    os.kill(started.service, signal.SIGKILL)
    assert started.wait() == 137


@pytest.mark.parametrize("row", ["forward.SIGKILL = SIGTERM", "forward.SIGTERM = SIGNONE", "forward.SIGTERM =", "forward.SIGCHLD = 1", "forward.SIGRTMIN+31 = 1",
                                 "forward.SIGTERM = 65", "forward. = SIGINT", "remap.256 = 0", "remap.1 = x", "remap. = 0", "remap.1 = 256"])
def test_what_is_no_signal_or_status(world, row):
    result = world.policy(f"[service]\n{row}\n").check()
    assert result.status == 78 and "expected" in result.finding("policy.value")["message"]


@pytest.mark.parametrize("args, words", [(["run", "-p", "/etc/policy.ini"], "after 'run', -p means --parent-death-signal"), (["--remap", "300"], "--remap 300"),
                                         (["run", "-sx"], "unknown option '-sx'"), (["-s"], "unknown option '-s'"), (["--init=yes"], "takes no value"),
                                         (["check", "--init"], "check starts no service")])
def test_wrong_options(world, args, words):
    result = world.run(*args, *([] if "check" in args else ["--", "/bin/true"]))
    assert result.status == 64 and words in result.err, result


@anywhere
def test_stopped_at_many_moments(world, worker, prefix):
    """TERM while the gate looks, divides, starts anew or supervises: the service's end or 143, and nobody left."""
    as_pid_1(prefix)
    for step in range(80):
        started = Started(world, worker, "wait", prefix=prefix).at_work()
        time.sleep(step * 0.0001)
        started.send(signal.SIGTERM)
        assert started.wait() in (0, 143)


def test_a_signal_before_the_group_is_there(world, worker):
    """To the group, at the very start: never lost between the processes."""
    for step in range(40):
        started = Started(world, worker, "wait", service="signal_target = group").at_work()
        time.sleep(step * 0.0002)
        started.send(signal.SIGTERM)
        assert started.wait() in (0, 143)


def test_what_was_ignored_or_blocked_stays_so(world, payload):
    def odd():
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR2, signal.SIGRTMIN + 2})

    seen = []
    for init in ("no", "yes"):
        world.policy(f"[service]\ninit = {init}\n")
        seen.append(json.loads(world.start(payload, "0", preexec_fn=odd).out))
    for name in ("blocked", "ignored", "limits", "umask", "groups", "uid", "gid", "environ", "argv", "descriptors", "directory"):
        assert seen[0][name] == seen[1][name], name
    assert signal.SIGCHLD in seen[1]["ignored"] and seen[1]["blocked"] == [signal.SIGUSR2, 36]


# Reaping, and what is left

@pytest.mark.parametrize("prefix, args", [(PID_1, []), ([], ["--subreaper"]), ([], ["-s"])], ids=["pid 1", "--subreaper", "-s"])
def test_ten_thousand_orphans(world, worker, prefix, args):
    as_pid_1(prefix)
    started = Started(world, worker, "orphans", "10000", "9", prefix=prefix, args=args)
    assert started.line() == "ready"
    wait_for(lambda: children(started.pid) == [started.service])   # no zombie is left
    started.send(signal.SIGTERM)
    assert started.wait() == 9


@pytest.mark.parametrize("args", [["-s", "-w"], ["-sw"], ["--subreaper", "--warn-reaped"], ["-s"]], ids=" ".join)
def test_each_orphan_is_told(world, worker, args):
    """tini's -w: one line for each that was reaped, none for the service."""
    started = Started(world, worker, "orphans", "3", "9", args=args, stderr=subprocess.PIPE)
    assert started.line() == "ready"
    wait_for(lambda: children(started.pid) == [started.service])
    started.send(signal.SIGTERM)
    assert started.wait() == 9
    said = started.process.stderr.read().decode().splitlines()
    assert len(said) == (0 if args == ["-s"] else 3) and all("reaped process" in line and "with status 7" in line for line in said)


def test_nobody_reads_what_is_told_of_orphans(world, worker):
    """The reader of standard error is gone: the SIGPIPE is aweigh's own, and the service gets none."""
    reader, writer = os.pipe()
    os.close(reader)
    started = Started(world, worker, "orphans", "3", "9", args=["-s", "-w"], stderr=writer)
    os.close(writer)
    assert started.line() == "ready"
    wait_for(lambda: children(started.pid) == [started.service])
    started.send(signal.SIGTERM)
    assert started.wait() == 9


@pytest.mark.parametrize("prefix, args", [(PID_1, []), ([], ["-s"])], ids=["pid 1", "-s"])
def test_storm(world, worker, prefix, args):
    """Signals at 1,000 a second while children die: the service gets them, nothing is lost, the status is right."""
    as_pid_1(prefix)
    started = Started(world, worker, "busy", "2000", "5", prefix=prefix, args=args)
    assert started.line() == "ready"
    sent = 0
    while not select.select([started.out], [], [], 0.001)[0]:
        started.send(signal.SIGUSR1)
        sent += 1
    assert int(started.line()) > sent / 10   # equal signals that are pending are one (signal(7))
    assert started.wait() == 5


@pytest.mark.parametrize("prefix, args", [(PID_1, []), ([], ["-s"])], ids=["pid 1", "-s"])
def test_two_deaths_at_once(world, worker, prefix, args):
    """One SIGCHLD for both: the service's end is seen in each of 500 rounds, with its own status."""
    as_pid_1(prefix)
    for round in range(500 if prefix else 100):
        assert status_of(world, worker, "two", str(round % 200), prefix=prefix, args=args) == round % 200


@pytest.mark.parametrize("prefix, args", [(PID_1, []), ([], ["-s"])], ids=["pid 1", "-s"])
@pytest.mark.parametrize("ignores", [0, signal.SIGTERM], ids=["ends at TERM", "ignores TERM"])
def test_what_the_service_leaves(world, worker, prefix, args, ignores):
    """TERM, then KILL after the grace; a grace of an hour is not waited for where TERM suffices."""
    as_pid_1(prefix)
    grace = "300ms" if ignores else "3600s"
    start = time.monotonic()
    started = Started(world, "/bin/sh", "-c", f"'{worker}' hold {int(ignores)}; exit 4", service=f"grace = {grace}", prefix=prefix, args=args)
    left = int(started.line())
    wait_for(lambda: children(started.pid))
    assert started.wait() == 4
    if ignores:
        assert time.monotonic() - start >= 0.3
    if not prefix:
        assert is_gone(left)


def test_a_stopped_process_is_ended_too(world, worker):
    started = Started(world, "/bin/sh", "-c", f"'{worker}' hold 0 & wait; kill -STOP $(cat /proc/self/task/*/children) 2>/dev/null; exit 4", service="grace = 3600s", args=["-s"])
    left = int(started.line())
    stop(left)
    assert started.wait() == 4 and is_gone(left)


def test_without_being_asked_for_others_are_left_alone(world, worker):
    """Neither PID 1 nor subreaper: orphans are somebody else's."""
    started = Started(world, "/bin/sh", "-c", f"'{worker}' hold 0; exit 4")
    left = int(started.line())
    assert started.wait() == 4 and not is_gone(left)
    os.kill(left, signal.SIGKILL)


def test_it_says_when_it_cannot_reap(world):
    world.policy("[service]\ninit = yes\n")
    result = world.run("-v", "--policy", str(world.policy_file), "--", "/bin/true")
    assert result.status == 0 and "service.reaper" in result.err and "--subreaper" in result.err
    result = world.run("-v", "--policy", str(world.policy_file), "--subreaper", "--", "/bin/true")
    assert result.status == 0 and "service.reaper" not in result.err


def test_parent_death(world, worker):
    """The parent of aweigh dies: the service gets the signal."""
    world.policy("[service]\ninit = yes\n")
    parent = subprocess.Popen(["/bin/sh", "-c", f"'{world.binary}' run -q --policy '{world.policy_file}' -p SIGUSR1 -- '{worker}' catch & wait"],
                              env=world.env, stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"ready\n"
    aweigh = children(parent.pid)[0]
    service = children(aweigh)[0]
    parent.kill()
    assert parent.stdout.readline() == b"%d\n" % signal.SIGUSR1
    os.kill(service, signal.SIGKILL)
    wait_for(lambda: is_over(aweigh))


# What stays

def test_what_stays_holds_nothing(world, worker):
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    (world.path / "here").mkdir()
    started = Started(world, worker, "wait", close_fds=False, cwd=world.path / "here", env={**world.env, "HF_TOKEN": "hf_secret", "SOME": "thing"})
    os.close(write_end)
    assert started.line() == "ready"
    wait_for(lambda: open(f"/proc/{started.pid}/cmdline").read() == "aweigh: init\0")
    wait_for(lambda: os.readlink(f"/proc/{started.pid}/cwd") == "/")
    assert open(f"/proc/{started.pid}/environ").read() == ""
    wait_for(lambda: sorted(map(int, os.listdir(f"/proc/{started.pid}/fd"))) == [0, 1, 2])
    assert open(f"/proc/{started.pid}/comm").read() == "aweigh\n"
    assert os.readlink(f"/proc/{started.service}/cwd") == str(world.path / "here")
    started.send(signal.SIGTERM)
    assert started.wait() == 0
    os.set_blocking(read_end, False)
    assert os.read(read_end, 1) == b""   # nobody holds the other end
    os.close(read_end)


def test_what_stays_may_do_no_more_than_the_service(world, worker, need_root):
    started = Started(world, worker, "wait", policy="user = 1000:1000\n[confine]\ncapabilities = net_bind_service")
    assert started.line() == "ready"
    wait_for(lambda: open(f"/proc/{started.pid}/cmdline").read() == "aweigh: init\0")
    assert field(started.pid, "Uid").split() == ["1000"] * 4 and field(started.pid, "Gid").split() == ["1000"] * 4
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(field(started.pid, name), 16) == 0
    assert int(field(started.service, "CapEff"), 16) == 1 << 10
    started.send(signal.SIGTERM)
    assert started.wait() == 0


def test_root_keeps_the_right_to_signal_and_no_other(world, worker, need_root):
    started = Started(world, "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", worker, "wait")
    assert started.line() == "ready"
    wait_for(lambda: open(f"/proc/{started.pid}/cmdline").read() == "aweigh: init\0")
    assert int(field(started.pid, "CapEff"), 16) == int(field(started.pid, "CapPrm"), 16) == 1 << 5   # CAP_KILL
    started.send(signal.SIGTERM)
    assert started.wait() == 0


def test_where_its_file_may_not_be_started_again(world, worker, need_root):
    """The service's user may not read it: it stays as it is, with nothing to be seen of its environment."""
    import shutil
    own = world.path / "own-aweigh"
    shutil.copy(world.binary, own)
    own.chmod(0o700)
    world.binary = str(own)
    started = Started(world, worker, "wait", policy="user = 1000:1000", env={**world.env, "HF_TOKEN": "hf_secret", "ASAN_OPTIONS": "detect_leaks=0"})
    assert started.line() == "ready"
    wait_for(lambda: sorted(map(int, os.listdir(f"/proc/{started.pid}/fd"))) == [0, 1, 2])
    assert open(f"/proc/{started.pid}/environ").read().strip("\0") == "" and "hf_secret" in open(f"/proc/{started.service}/environ").read()
    started.send(signal.SIGTERM)
    assert started.wait() == 0


@pytest.mark.parametrize("nofile", [1, 3, 4])
def test_without_a_descriptor_to_spare(world, worker, nofile):
    """The service's limit holds for what stays as well."""
    started = Started(world, worker, "wait", service=f"[confine]\nnofile = {nofile}")
    assert started.line() == "ready"
    started.send(signal.SIGTERM)
    assert started.wait() == 0


def test_idle(world, worker):
    """While nothing happens it is not woken once."""
    started = Started(world, worker, "wait")
    assert started.line() == "ready"
    wait_for(lambda: open(f"/proc/{started.pid}/cmdline").read() == "aweigh: init\0" and field(started.pid, "State")[0] == "S")
    time.sleep(0.2)
    before = field(started.pid, "voluntary_ctxt_switches")
    time.sleep(2.5)
    assert field(started.pid, "voluntary_ctxt_switches") == before
    started.send(signal.SIGTERM)
    assert started.wait() == 0


def test_no_larger_than_tini(world, worker):
    """Memory that is nobody else's, as the kernel counts it: not above tini-static's."""
    def unshared(pid):
        with open(f"/proc/{pid}/smaps_rollup") as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))

    started = Started(world, worker, "wait")
    assert started.line() == "ready"
    wait_for(lambda: open(f"/proc/{started.pid}/cmdline").read() == "aweigh: init\0" and field(started.pid, "State")[0] == "S")
    tini = subprocess.Popen(["tini-static", "--", worker, "wait"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert tini.stdout.readline() == b"ready\n"
    if "ASAN_OPTIONS" not in os.environ and "sanitize" not in world.binary:
        assert unshared(started.pid) <= unshared(tini.pid)
    started.send(signal.SIGTERM), tini.terminate()
    assert started.wait() == 0
    tini.wait(HANG_LIMIT)


def test_it_works_without_proc(world, worker, need_root):
    """Its own file cannot be found by /proc/self/exe there."""
    world.policy("[service]\ninit = yes\n")
    script = f"mount -t tmpfs none /proc && exec '{world.binary}' run -q --policy '{world.policy_file}' -s -- '{worker}' orphans 10 6"
    started = subprocess.Popen(["unshare", "--mount", "/bin/sh", "-c", script], env=world.env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert started.stdout.readline() == b"ready\n"
    started.terminate()
    assert started.wait(HANG_LIMIT) == 6


def test_handed_over_sockets(world, payload):
    """LISTEN_PID names the service, or it would not take them (sd_listen_fds(3)); somebody else's stays."""
    world.policy("[service]\ninit = yes\n")
    script = f"export LISTEN_FDS=1 LISTEN_PID=$$; exec '{world.binary}' run -q --policy '{world.policy_file}' -- '{payload}' 0 3</dev/null"
    seen = json.loads(subprocess.run(["/bin/sh", "-c", script], env=world.env, capture_output=True, check=True, timeout=HANG_LIMIT).stdout)
    assert f"LISTEN_PID={seen['pid']}" in seen["environ"] and 3 in seen["descriptors"] and seen["pid"] != seen["ppid"]
    seen = json.loads(world.start(payload, "0", env={"LISTEN_PID": "1", "LISTEN_FDS": "1"}).out)
    assert "LISTEN_PID=1" in seen["environ"]


# Terminals

class Terminal:
    def __init__(self, world, *command):
        world.policy("[service]\ninit = yes\n")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve("/bin/sh", ["sh", "-c", f"exec '{world.binary}' run -q --policy '{world.policy_file}' -- \"$@\"", "sh", *command], world.env)

    def until(self, wanted):
        seen = b""
        while wanted not in seen:
            assert select.select([self.fd], [], [], HANG_LIMIT)[0], seen
            seen += os.read(self.fd, 4096)
        return seen

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_ctrl_c_goes_to_the_service(world):
    terminal = Terminal(world, "/bin/sh", "-c", "trap 'echo interrupted; exit 3' INT; echo re''ady; while :; do sleep 0.05; done")
    terminal.until(b"ready")
    service = children(terminal.pid)[0]
    assert os.tcgetpgrp(terminal.fd) == os.getpgid(service) == service != os.getpgid(terminal.pid)
    os.write(terminal.fd, b"\x03")
    terminal.until(b"interrupted")
    assert terminal.wait() == 3


def test_the_service_reads_its_terminal_and_sees_its_size(world):
    import fcntl
    import struct
    import termios
    terminal = Terminal(world, "/bin/bash", "-c", "trap 'stty size' WINCH; echo re''ady; read line; echo got $line; read line; exit 5")
    terminal.until(b"ready")
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    os.write(terminal.fd, b"word\n")
    assert b"33 77" in terminal.until(b"got word")
    os.write(terminal.fd, b"\n")
    assert terminal.wait() == 5


def test_hang_up_reaches_the_service(world):
    marker = world.path / "hung-up"
    terminal = Terminal(world, "/bin/sh", "-c", f"trap 'touch {marker}; exit 0' HUP; echo re''ady; while :; do sleep 0.05; done")
    terminal.until(b"ready")
    os.close(terminal.fd)
    terminal.wait()
    assert marker.exists()


def test_a_background_job_does_not_take_the_terminal(world, worker):
    world.policy("[service]\ninit = yes\n")
    pid, fd = pty.fork()
    if pid == 0:
        os.execve("/bin/bash", ["bash", "-mc", f"'{world.binary}' run -q --policy '{world.policy_file}' -- '{worker}' wait & echo job $!; read line; kill $!; wait $!; exit $?"], world.env)
    seen = b""
    while seen.count(b"\n") < 2:
        seen += os.read(fd, 4096)
    assert os.tcgetpgrp(fd) == pid
    os.write(fd, b"\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# Memory errors that the sanitizers of the other build cannot see in the release

def test_under_valgrind(world, worker):
    """The supervisor of the release itself. valgrind cannot follow it through /proc/self/exe, so it is handed its service here."""
    import ctypes
    import re
    import shutil
    import struct
    if not shutil.which("valgrind"):
        missing("valgrind")
    (world.path / "aweigh: init").symlink_to(ROOT / "build/aweigh")
    magic = int(re.search(r"#define MAGIC (0x\w+?)u", (ROOT / "entry/launch/init.c").read_text())[1], 16)
    read_end, write_end = os.pipe()

    def hand_over():
        ctypes.CDLL(None).prctl(36, 1)   # PR_SET_CHILD_SUBREAPER
        ends, before = os.pipe(), os.getppid()
        service = os.fork()
        if service == 0:
            os.dup2(write_end, 1)
            os.execv(worker, [worker, "orphans", "200", "6"])
        os.write(ends[1], struct.pack("<IiiIBBBB65s256s3x", magic, service, before, 500, 0, 1, 0, 0, bytes(range(65)), bytes(range(256))))
        os.dup2(ends[0], 3)
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.valid_signals()))

    process = subprocess.Popen(["valgrind", "-q", "--error-exitcode=99", "--log-file=" + str(world.path / "log"), "aweigh: init"],
                               env={"PATH": f"{world.path}:{os.environ['PATH']}"}, preexec_fn=hand_over, close_fds=False, stdin=subprocess.DEVNULL)
    os.close(write_end)
    with os.fdopen(read_end) as out:
        assert out.readline() == "ready\n"
        wait_for(lambda: len(children(process.pid)) == 1)
        os.kill(children(process.pid)[0], signal.SIGUSR1), process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_LIMIT) == 6, (world.path / "log").read_text()
