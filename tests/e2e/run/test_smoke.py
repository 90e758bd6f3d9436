# SPDX-License-Identifier: Apache-2.0
"""aweigh smoke: a real service, from its start to its end, and each way in which one goes wrong."""

import json
import os
import signal
import subprocess
import sys
import time

import certificates
import pytest
from models import complete
from network import free_port
from waiting import wait_for
from world import HANG_LIMIT

PYTHON = sys.executable
SERVER = """
import http.server, os, signal, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'{"status": "ok"}')
    def log_message(self, *_): pass
print("model loaded", flush=True)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
time.sleep(PAUSE)
server = http.server.HTTPServer(("127.0.0.1", PORT), Handler)
AFTER
server.serve_forever()
"""


def smoke(world, code, ready, *args, service="", env=None, policy="", pause=0.1, after="pass", within="20s", settle="300ms", **options):
    port = free_port()
    complete(world.hub)
    world.policy(f"[policy]\n{policy}\n[model m]\nrepo = org/m\n[service]\nready = {ready.format(port=port)}\nsettle = {settle}\nready_within = {within}\n{service}\n")
    script = world.path / "service.py"
    script.write_text(code.replace("PORT", str(port)).replace("PAUSE", str(pause)).replace("AFTER", after))
    result = world.run("smoke", "--policy", str(world.policy_file), "--format", "json", *args, "--", PYTHON, "-u", str(script), env=env, **options)
    # The report comes after what the service said on standard error.
    start = result.err.find("{\n")
    result.said, result.json = result.err[:start], json.loads(result.err[start:]) if start >= 0 else None
    return result


def codes(result, severity="error"):
    return {finding["code"] for finding in result.json["findings"] if finding["severity"] == severity}


def message(result, code):
    return next(finding["message"] for finding in result.json["findings"] if finding["code"] == code)


@pytest.mark.parametrize("ready", ["http://127.0.0.1:{port}/api/", "tcp:{port}", "log:model loaded", "http://localhost:{port}/, tcp:{port}, log:loaded"])
def test_a_service_that_is_well(world, ready):
    result = smoke(world, SERVER, ready, service='ready_body = "status": "ok"\nlog_expect = model loaded\nlog_forbid = huggingface, Downloading')
    assert result.status == 0 and result.out == "model loaded\n", result
    service = result.json["service"]
    assert service["ready"] and service["exit_status"] == 0 and 0 < service["first_output_ms"] and service["ready_ms"] + 300 <= service["end_ms"], service
    assert service["memory_bytes"] > 1 << 20 and service["lines"] == 1 and service["last_lines"] == []
    assert service["observed"] and service["attempts"] == [] and "service.files" in codes(result, "note")
    world_schema(result)


def world_schema(result):
    import jsonschema
    from world import SCHEMA
    jsonschema.validate(result.json, SCHEMA)


def test_https(world, tmp_path):
    certificate = certificates.make(tmp_path / "tls")[1]
    secure = f"import ssl; c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain({str(certificate)!r}); server.socket = c.wrap_socket(server.socket, server_side=True)"
    result = smoke(world, SERVER, "https://127.0.0.1:{port}/", after=secure, service='ready_body = "status": "ok"')
    assert result.status == 0 and result.json["service"]["ready"], result


def test_human(world):
    result = smoke(world, SERVER, "tcp:{port}")
    assert result.status == 0
    result = world.run("smoke", "--policy", str(world.policy_file), "--", PYTHON, "-u", str(world.path / "service.py"))
    assert result.status == 0 and "ready after " in " ".join(result.err.split()) and "ended with status 0" in " ".join(result.err.split()), result


def test_it_dies_and_nobody_polls_on(world):
    result = smoke(world, "import sys; print('out of memory', file=sys.stderr); sys.exit(3)", "tcp:{port}")
    assert result.status == 71 and codes(result) == {"service.died"} and "status 3" in message(result, "service.died") and "out of memory" in message(result, "service.died"), result
    assert result.json["service"]["last_lines"] == ["out of memory"]
    world_schema(result)


def test_it_dies_a_moment_after_the_first_answer(world):
    result = smoke(world, SERVER, "http://127.0.0.1:{port}/", settle="8s", after="threading.Timer(0.6, lambda: os._exit(9)).start()")
    assert result.status == 71 and "after it was ready" in result.err, result


def test_one_pattern_is_looked_for_and_others_pass(world):
    trace = "import sys, time\nprint('Traceback (most recent call last):', file=sys.stderr, flush=True)\nprint('CERTIFICATE_VERIFY_FAILED', flush=True)\ntime.sleep(60)"
    result = smoke(world, trace, "tcp:{port}", service="log_forbid = huggingface")
    assert result.status == 65 and codes(result) == {"service.log"}, result
    said = message(result, "service.log")
    assert "an exception was not caught" in said or "a certificate was refused" in said, said
    assert "line 1 of std" in said


def test_what_must_be_said_was_not(world):
    result = smoke(world, SERVER, "tcp:{port}", service="log_expect = model loaded, Uvicorn running")
    assert result.status == 65 and message(result, "service.log") == "no line of its output holds Uvicorn running"


def test_it_is_never_ready(world):
    result = smoke(world, "import time\nprint('starting', flush=True)\ntime.sleep(60)", "http://127.0.0.1:{port}/", within="700ms")
    assert result.status == 75 and "Connection refused" in result.err and '"starting"' in result.err and "service.not-ready" in result.err, result


def test_half_of_the_time_is_told_on_a_terminal(world):
    complete(world.hub)
    port = free_port()
    world.policy(f"[policy]\n[model m]\nrepo = org/m\n[service]\nready = tcp:{port}\nready_within = 1s\n")
    ours, theirs = os.openpty()
    with subprocess.Popen([world.binary, "smoke", "-p", str(world.policy_file), "--", "/bin/sleep", "60"], env=world.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # the last writer is gone
                break
            said += more
        assert process.wait(HANG_LIMIT) == 75
    os.close(ours)
    lines = [line for line in said.decode().splitlines() if "half of ready_within" in line]
    assert len(lines) == 1 and "Connection refused" in lines[0], said
    assert "half of ready_within" not in world.run("smoke", "-p", str(world.policy_file), "--", "/bin/sleep", "60").err


def test_it_does_not_stop(world):
    result = smoke(world, SERVER, "tcp:{port}", service="stop_within = 500ms", after="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert result.status == 75 and codes(result) == {"service.stop-slow"} and result.json["service"]["signal"] == 9, result


@pytest.mark.parametrize("status, code", [(0, 0), (4, 71)])
def test_a_command_that_ends(world, status, code):
    result = smoke(world, f"import sys; print('done'); sys.exit({status})", "exit")
    assert result.status == code and result.out == "done\n", result


def test_systemds_notification(world):
    code = "import os, socket, time\nname = os.environ['NOTIFY_SOCKET']\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.sendto(b'STATUS=x\\nREADY=1\\n', '\\0' + name[1:])\ntime.sleep(60)"
    assert smoke(world, code, "notify").status == 0


def test_a_file(world):
    target = world.path / "ready"
    assert smoke(world, f"import time\ntime.sleep(0.2)\nopen({str(target)!r}, 'w')\ntime.sleep(60)", f"file:{target}").status == 0


STREAMS = """
import os, sys, time
os.write(1, b"10%\\r20%\\r30%\\n")
os.write(2, b"\\xff\\xfe no UTF-8\\n")
os.write(1, b"x" * 1_000_000 + b"\\n")
os.write(2, b"no newline")
os.write(1, b"\\0\\n")
if CLOSES: os.close(1)
print("READY", file=sys.stderr, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("closes", [0, 1])
def test_the_streams_are_as_they_were(world, closes):
    result = smoke(world, STREAMS.replace("CLOSES", str(closes)), "log:READY", service="log_expect = 20%, no UTF-8")
    assert result.status == 0, result
    assert result.out.encode(errors="surrogateescape") == b"10%\r20%\r30%\n" + b"x" * 1_000_000 + b"\n\0\n"
    assert result.said.encode(errors="surrogateescape") == b"\xff\xfe no UTF-8\nno newlineREADY\n"


def test_a_log_without_end(world):
    """Bounded memory: what is said is passed on, and counted."""
    code = "import os, time\nline = b'y' * 4095 + b'\\n'\nfor _ in range(20_000): os.write(1, line)\nos.write(1, b'READY\\n')\ntime.sleep(60)"
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = log:READY\nsettle = 0s\nready_within = 100s\n")
    (world.path / "service.py").write_text(code)
    command = ["/bin/sh", "-c", f"ulimit -v 200000; exec {world.binary} smoke --policy {world.policy_file} -- {PYTHON} -u {world.path}/service.py"]
    if "sanitize" in str(world.binary):
        command[2] = command[2].removeprefix("ulimit -v 200000; ")
    done = subprocess.run(command, env=world.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANG_LIMIT)
    assert done.returncode == 0 and len(done.stdout) == 20_000 * 4096 + 6, done.stderr


def test_workers_and_what_is_left(world):
    code = SERVER.replace("server.serve_forever()", "for _ in range(3):\n    if os.fork() == 0: time.sleep(300)\nserver.serve_forever()")
    before = {p for p in os.listdir("/proc") if p.isdigit()}
    result = smoke(world, code, "tcp:{port}")
    assert result.status == 0
    left = [p for p in set(os.listdir("/proc")) - before if p.isdigit() and str(world.path).encode() in cmdline(p)]
    assert not left, left


def cmdline(pid):
    try:
        return open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        return b""


@pytest.mark.parametrize("command, status", [("/nowhere", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_start(world, command, status):
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = tcp:1\n")
    assert world.run("smoke", "--policy", str(world.policy_file), "--", command).status == status


@pytest.mark.parametrize("service, words", [
    ("", "needs to know when"), ("ready = tcp:0", "1 to 65535"), ("ready = exit, tcp:80", "answers nothing else"), ("ready = http://10.0.0.1/", "--allow-remote"), ("ready = sometimes", "is none of")])
def test_a_ready_that_says_nothing(world, service, words):
    complete(world.hub)
    world.policy(f"[policy]\nenforce = no\n[model m]\nrepo = org/m\n[service]\n{service}\n")
    result = world.run("smoke", "--policy", str(world.policy_file), "--", "/bin/true")
    assert result.status == 78 and words in " ".join(result.err.split()), result


def test_what_the_gate_refuses_is_not_started(world):
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    result = world.run("smoke", "--policy", str(world.policy_file), "--", "/bin/echo", "started")
    assert result.status == 66 and result.out == ""


def test_a_stop_request_ends_it(world):
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = tcp:1\nready_within = 100s\n")
    process = subprocess.Popen([world.binary, "smoke", "--policy", str(world.policy_file), "--", "/bin/sh", "-c", "echo on; sleep 300"], env=world.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=HANG_LIMIT)
    assert process.returncode == 143


def test_who_and_what_the_service_is(world, need_root):
    """Everything that run does: its user, its environment, its confinement."""
    complete(world.hub)
    for path in [world.path, *world.path.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    world.policy("[policy]\nuser = 65534:65534\n[model m]\nrepo = org/m\n[confine]\nno_new_privileges = yes\n[service]\nready = exit\n")
    result = world.run("smoke", "--policy", str(world.policy_file), "--", "/bin/sh", "-c", "id -u; echo $HF_HUB_OFFLINE; grep NoNewPrivs /proc/self/status", cwd="/")
    assert result.status == 0 and result.out.split() == ["65534", "1", "NoNewPrivs:", "1"], result


# What the kernel saw

REACH = """
import ctypes, os, socket, subprocess, sys, threading, time
def tcp():
    s = socket.socket(); s.settimeout(0.2)
    try: s.connect(("192.0.2.7", 443))
    except OSError as e: print("tcp", e.errno, flush=True)
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try: s.sendto(b"hello", ("192.0.2.8", 9999))
    except OSError as e: print("udp", e.errno, flush=True)
def six():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try: s.connect(("2001:db8::1", 53))
    except OSError: pass
    question = b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x0bhuggingface\\x02co\\x00\\x00\\x01\\x00\\x01"
    try: s.sendmsg([question])
    except OSError: pass
    try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(question.replace(b"huggingface\\x02co", b"example-org\\x02co"), ("127.0.0.1", 53))
    except OSError: pass
def local():
    s = socket.socket()
    try: s.connect(("127.0.0.1", 1))
    except OSError: pass
HOW
print("READY", flush=True)
time.sleep(60)
"""


def attempts(result):
    return {(a["host"].replace("\\x3a", ":"), a["port"]): a for a in result.json["service"]["attempts"]}


@pytest.mark.parametrize("how", ["tcp(); udp(); six(); local()", "t = threading.Thread(target=lambda: (tcp(), udp(), six())); t.start(); t.join()",
                                 "pid = os.fork()\nif pid == 0:\n    tcp(); udp(); six(); os._exit(0)\nos.waitpid(pid, 0)",
                                 "if len(sys.argv) < 2: subprocess.run([sys.executable, sys.argv[0], 'x'])\nelse:\n    tcp(); udp(); six(); os._exit(0)"], ids=["plain", "thread", "fork", "exec"])
def test_whom_it_reaches_out_to(world, how):
    result = smoke(world, REACH.replace("HOW", how), "log:READY")
    assert result.status == 0, result
    seen = attempts(result)
    assert {("192.0.2.7", 443), ("192.0.2.8", 9999), ("2001:db8::1", 53), ("huggingface.co", 0), ("example-org.co", 0)} <= set(seen) and not any(h.startswith("127.") for h, _ in seen), seen
    assert seen["192.0.2.7", 443]["program"].startswith("python") and not seen["192.0.2.7", 443]["refused"]
    assert "service.network" in codes(result, "note") and result.json["service"]["observed"]
    world_schema(result)


def test_a_policy_that_refuses_the_network(world):
    result = smoke(world, REACH.replace("HOW", "tcp()"), "log:READY", service="network = refuse")
    assert result.status == 76 and codes(result) == {"service.network"}, result
    assert smoke(world, SERVER, "http://127.0.0.1:{port}/", service="network = refuse").status == 0


def test_what_egress_refuses_is_told(world):
    code = REACH.replace("HOW", "tcp()\ntry: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nexcept OSError as e: print('udp', e.errno, flush=True)\n"
                                "try: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)\nexcept OSError as e: print('raw', e.errno, flush=True)")
    result = smoke(world, code, "log:READY", service="[confine]\negress = deny")
    assert result.status == 0 and result.out.splitlines()[:3] == ["tcp 13", "udp 13", "raw 13"], result
    seen = attempts(result)
    assert seen["192.0.2.7", 443]["refused"] and any("datagrams" in host and seen[host, port]["refused"] for host, port in seen), seen
    # As run answers.
    plain = world.run("run", "--policy", str(world.policy_file), "--", PYTHON, "-u", "-c", code.replace("time.sleep(60)", ""))
    assert plain.status == 0 and plain.out.splitlines()[:3] == ["tcp 13", "udp 13", "raw 13"], plain


def test_a_name_by_the_systems_resolver(world):
    code = "import socket, time\ntry: socket.getaddrinfo('some.host.invalid', 443)\nexcept OSError: pass\nprint('READY', flush=True)\ntime.sleep(60)"
    result = smoke(world, code, "log:READY")
    assert result.status == 0
    # Where this machine has no resolver nobody is asked.
    if any(line.startswith("nameserver") for line in open("/etc/resolv.conf")):
        assert ("some.host.invalid", 0) in attempts(result), result.json["service"]


def test_which_files_it_opens(world):
    repo = complete(world.hub)
    repo.file("pytorch_model.bin", b"x" * 5000)
    other = complete(world.hub, "org/other")
    code = f"open({str(repo.snapshot / 'config.json')!r}).read()\nimport os, time\nos.chdir({str(repo.snapshot)!r})\nopen('model.safetensors', 'rb').read()\nopen({str(other.snapshot / 'config.json')!r}).read()\n" \
           f"try: open({str(world.hub / 'models--org--third/refs/main')!r})\nexcept OSError: pass\nprint('READY', flush=True)\ntime.sleep(60)"
    result = smoke(world, code, "log:READY")
    said = {finding["path"]: finding["message"] for finding in result.json["findings"] if finding["code"] == "service.files"}
    assert "of [model m] 2 files were opened, and 2 (5.0 kB) never" in said[str(repo.snapshot / "pytorch_model.bin")], said
    assert "was opened" in said[str(other.snapshot / "config.json")] and "not there" in said[str(world.hub / "models--org--third/refs/main")], said
    result = smoke(world, code, "log:READY", service="files = refuse")
    assert result.status == 65 and codes(result) == {"service.files"}, result


def test_many_opens(world):
    """10,000 a second, and a service that goes on as it would."""
    code = f"import os, time\nfor _ in range(30_000): os.close(os.open({str(world.hub)!r}, os.O_RDONLY))\nprint('READY', flush=True)\ntime.sleep(60)"
    assert smoke(world, code, "log:READY").status == 0


def test_a_program_of_32_bits_and_exits_under_observation(world):
    """Calls of another architecture go on unseen, and status and signals are what they were."""
    for command, status in (("exit 3", 71), ("kill -9 $$", 71), ("exit 0", 0)):
        complete(world.hub)
        world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
        assert world.run("smoke", "--policy", str(world.policy_file), "--", "/bin/sh", "-c", command).status == status


def test_where_nothing_can_be_observed(world):
    """Whoever is observed already cannot be so again: as on a platform without notifications, that is said, and nothing is claimed."""
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\nnetwork = refuse\n")
    inner = f"{world.binary} smoke -p {world.policy_file} --format json -- /bin/true 2>{world.path}/inner.json"
    assert world.run("smoke", "-p", str(world.policy_file), "--", "/bin/sh", "-c", inner).status == 0
    report = json.loads((world.path / "inner.json").read_text())
    assert ("service.unobserved", "warning") in [(finding["code"], finding["severity"]) for finding in report["findings"]] and not report["service"]["observed"] and report["service"]["attempts"] == []


@pytest.mark.parametrize("before, hidden", [("", False), ("setpriv --reuid 65533 --regid 65533 --clear-groups", False),
                                            ("import os; os.setgid(65533); os.setuid(65533)", True), ("import ctypes; ctypes.CDLL(None).prctl(4, 0)", True)])
def test_who_may_be_looked_into(world, need_root, before, hidden):
    """A container's root has no CAP_SYS_PTRACE: a service of another user is observed as itself, and what cannot be seen is not said to be nothing."""
    model = complete(world.hub).snapshot
    script = world.path / "reach.py"
    code = f"open({str(model / 'config.json')!r}).close()\nimport socket\ns = socket.socket()\ns.settimeout(1)\ntry:\n    s.connect(('192.0.2.1', 443))\nexcept OSError:\n    pass\n"
    script.write_text((before + "\n" if hidden else "") + code)
    world.policy(f"[policy]\nuser = {'unchanged' if before else '65534:65534'}\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    for path in [world.path, *world.path.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    command = [*(before.split() if before and not hidden else []), "/usr/bin/python3", str(script)]
    result = world.run("smoke", "-p", str(world.policy_file), "--format", "json", "--", *command, cwd="/",
                       prefix=["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"])
    report = json.loads(result.err)
    codes = [finding["code"] for finding in report["findings"]]
    assert result.status == 0 and ("service.unobserved" in codes) == hidden, result
    assert [attempt["host"] for attempt in report["service"]["attempts"]] == ([] if hidden else ["192.0.2.1"]), result
    assert ("service.files" in codes) == (not hidden), result
