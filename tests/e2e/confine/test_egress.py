# SPDX-License-Identifier: Apache-2.0
"""egress: the service tries every way out and says what it got; what the kernel withholds is said, or refused."""

import errno
import os
import socket
import subprocess
import threading

import pytest
from confining import older_landlock, program

OPEN_ALWAYS = {"netlink-route", "unix", "unix-pair"}   # to the kernel and to neighbours that listen
TCP = {"tcp4", "tcp4-by-name", "tcp6", "child"}
UDP = {"udp4", "udp6"}
OTHER_CALLS = {"udp-by-32-bits", "udp-by-x32"}


@pytest.fixture
def server():
    """Takes every TCP connection to one port, over IPv4 and IPv6."""
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)

    def serve():
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def tried(world, worker, port, confine, args=(), policy="", inherited=-1, **options):
    world.policy(f"[policy]\n{policy}\n[confine]\n{confine}\n")
    result = world.start(worker, "out", str(port), str(inherited), args=args, **options)
    assert result.status == 0, result
    return {name: int(number) for name, number in (line.split() for line in result.out.splitlines())}


def test_all_is_open_when_not_asked(world, worker, server):
    """The test itself: what succeeds here is what the others must stop."""
    seen = tried(world, worker, server, "egress = allow")
    assert {name for name in TCP | UDP | OPEN_ALWAYS if seen[name] != 0} == set()


@pytest.mark.parametrize("user", ["", "user = 1000:1000", "user = 1000:1000\n[confine]\ncapabilities = none"], ids=["as started", "user", "no capabilities"])
@pytest.mark.parametrize("init", ["no", "yes"])
def test_deny(world, worker, server, user, init, request):
    if user:
        request.getfixturevalue("need_root")
    confine = "egress = deny\n[service]\ninit = " + init
    if "[confine]" in user:
        user, confine = user.split("\n[confine]\n")[0], user.split("\n[confine]\n")[1] + "\n" + confine
    seen = tried(world, worker, server, confine, policy=user)
    for name in seen.keys() - OPEN_ALWAYS - OTHER_CALLS - {"inherited"}:
        assert seen[name] == errno.EACCES, (name, seen)
    for name in OTHER_CALLS & seen.keys():
        assert seen[name] == errno.ENOSYS
    assert all(seen[name] == 0 for name in OPEN_ALWAYS)


def test_ports(world, worker, server):
    seen = tried(world, worker, server, f"egress = 443, {server}")
    assert all(seen[name] == 0 for name in TCP | UDP | OPEN_ALWAYS), seen
    for name in seen.keys() - TCP - UDP - OPEN_ALWAYS - OTHER_CALLS - {"inherited"}:
        assert seen[name] == errno.EACCES, (name, seen)
    seen = tried(world, worker, server, "egress = 443")
    assert all(seen[name] == errno.EACCES for name in TCP) and seen["udp4"] == 0
    assert "UDP stays open" in world.check().finding("confine.udp")["message"]


def test_it_listens_and_answers(world, worker):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world.policy("[confine]\negress = deny\n")
    process = subprocess.Popen([world.binary, "-q", "-p", str(world.policy_file), "--", worker, "serve", str(port)], env=world.env, stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout.readline() == b"ready\n"
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        assert connection.recv(10) == b"hello"
    assert process.wait(60) == 0


@pytest.mark.parametrize("kind", ["connected", "udp", "listening", "unix", "file"])
def test_what_was_handed_in(world, worker, server, kind):
    """A socket that leads out does not reach the service, and that is said; others do."""
    pair = socket.socketpair()
    handed = {"connected": lambda: socket.create_connection(("127.0.0.1", server)), "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
              "listening": lambda: socket.create_server(("127.0.0.1", 0)), "unix": lambda: pair[0], "file": lambda: open(os.devnull, "wb")}[kind]()
    fd = handed.fileno()
    leads_out = kind in ("connected", "udp")
    world.policy("[confine]\negress = deny\n")
    report = world.check(pass_fds=[fd])
    assert ("confine.descriptor" in report.codes()) == leads_out
    if leads_out:
        assert f"descriptor {fd} " in report.finding("confine.descriptor")["message"]
    seen = tried(world, worker, server, "egress = deny", inherited=fd, pass_fds=[fd])
    assert (seen["inherited"] == errno.EBADF) == leads_out
    handed.close()


@pytest.mark.parametrize("text", ["maybe", "0", "65536", "443, deny", ",", "1-5", ",".join("1" * 66)])
def test_what_is_no_egress(world, text):
    result = world.policy(f"[confine]\negress = {text}\n").check()
    assert result.status == 78 and "expected allow, deny, or up to 64 TCP ports" in result.finding("policy.value")["message"]


@pytest.mark.parametrize("withheld, words", [("ENOSYS", "the kernel has no Landlock"), ("EOPNOTSUPP", "started without it"), ("EPERM", "seccomp profile forbids")])
def test_without_landlock(world, worker, server, withheld, words):
    """TCP stays open, and that is said; the filter holds all the same; require refuses."""
    prefix = [program(world, f"-DLANDLOCK={withheld}")]
    seen = tried(world, worker, server, "egress = deny", prefix=prefix)
    assert seen["tcp4"] == 0 and seen["udp4"] == seen["raw"] == seen["io_uring"] == errno.EACCES
    result = world.check(prefix=prefix)
    finding = result.finding("confine.egress")
    assert result.status == 0 and finding["severity"] == "warning" and "TCP connections" in finding["message"] and words in finding["message"]
    assert result.report["confinement"]["egress_tcp_enforced"] is False and result.report["confinement"]["egress_others_enforced"] is True
    world.policy("[confine]\negress = deny\nlandlock = require\n")
    refused = world.start(worker, "out", str(server), prefix=prefix)
    assert refused.status == 76 and refused.out == "" and "confine.egress" in refused.err


def test_landlock_that_is_older(world, worker, server):
    seen = tried(world, worker, server, "egress = deny", prefix=older_landlock(3))
    assert seen["tcp4"] == 0 and seen["udp4"] == errno.EACCES
    result = world.check(prefix=older_landlock(3))
    assert "older than Linux 6.7" in result.finding("confine.egress")["message"]
    assert "the inspector could open TCP connections" in result.finding("confine.unavailable")["message"]


def test_without_seccomp(world, worker, server):
    prefix = [program(world, "-DCALL=SYS_seccomp", "-DANSWER=EPERM")]
    seen = tried(world, worker, server, "egress = deny", prefix=prefix)
    assert seen["tcp4"] == errno.EACCES and seen["udp4"] == 0
    result = world.check(prefix=prefix)
    assert "UDP and all else but TCP" in result.finding("confine.egress")["message"] and result.status == 0
    assert result.report["confinement"]["egress_others_enforced"] is False


def test_require_where_all_is_there(world, worker, server):
    seen = tried(world, worker, server, "egress = deny\nlandlock = require\ncapabilities = none")
    assert seen["tcp4"] == errno.EACCES
    assert world.check().report["confinement"] | {"inspector_is_service_user": True} == {
        "inspector_is_service_user": True, "inspector_landlock": True, "landlock_reason": None, "egress": "deny",
        "egress_tcp_enforced": True, "egress_others_enforced": True, "models_read_only": "no"}


def test_require_without_confinement_of_the_service(world):
    """The inspector's own."""
    prefix = [program(world, "-DLANDLOCK=ENOSYS")]
    result = world.policy("[confine]\nlandlock = require\n").check(prefix=prefix)
    assert result.status == 76 and result.finding("confine.unavailable")["severity"] == "error"
    result = world.policy("[confine]\nlandlock = require\n[severity]\nconfine.unavailable = note\n").check(prefix=prefix)
    assert result.status == 0


@pytest.mark.parametrize("rows, prefix, told", [
    ("", [], True), ("capabilities = net_admin", [], True), ("capabilities = chown", [], False), ("[policy]\nuser = 1000:1000", [], False),
    ("", ["setpriv", "--bounding-set=-sys_admin,-net_admin,-sys_module", "--inh-caps=-sys_admin,-net_admin,-sys_module"], False)])
def test_what_the_kernel_sends_for_who_may_ask_it(world, need_root, rows, prefix, told):
    """mount(2) of a file system of the network, a tunnel: no limit of a process sees that."""
    result = world.policy(f"[confine]\negress = deny\n{rows}\n").check(prefix=prefix)
    assert result.status == 0 and ("confine.egress" in result.codes("warning")) == told, result
    if told:
        assert "mount from the network" in result.finding("confine.egress")["message"]
        result = world.policy(f"[confine]\negress = deny\nlandlock = require\n{rows}\n").check(prefix=prefix)
        assert result.status == 76, result


def test_the_report_says_what_is_enforced(world):
    world.policy("[confine]\negress = deny\n")
    result = world.run("check", "-p", str(world.policy_file))
    assert result.status == 0 and "confinement   egress deny" in result.out


def test_python_works_within(world):
    """What an ordinary service does: names, threads, a child, files."""
    world.policy("[confine]\negress = deny\n")
    code = ("import socket, subprocess, threading, tempfile, json\n"
            "s = socket.create_server(('127.0.0.1', 0)); t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
            "print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip())\n"
            "print(socket.getaddrinfo('localhost', 80)[0][4][0] in ('::1', '127.0.0.1'))\n"
            "tempfile.TemporaryFile().write(b'x')\n"
            "try: socket.create_connection(('127.0.0.1', 1))\n"
            "except PermissionError as e: print(e)\n")
    result = world.start("python3", "-c", code, cwd="/")
    assert result.status == 0 and result.out.split("\n")[:4] == ["thread", "child", "True", "[Errno 13] Permission denied"], result


@pytest.mark.parametrize("egress, env, told", [
    ("deny", {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1234"}, True), ("443", {"MASTER_ADDR": "127.0.0.1"}, True), ("443, 29500", {"MASTER_ADDR": "127.0.0.1"}, False),
    ("1234", {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1234"}, False), ("deny", {}, False), ("allow", {"MASTER_ADDR": "127.0.0.1"}, False)])
def test_processes_that_meet_over_tcp(world, egress, env, told):
    """torch.distributed connects to itself over loopback, which Landlock forbids as it does the rest: said before NCCL times out."""
    result = world.policy(f"[confine]\negress = {egress}\n").check("-v", env=env)
    assert result.status == 0 and ("confine.distributed" in result.codes()) == told, result
