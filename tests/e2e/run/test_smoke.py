# SPDX-License-Identifier: Apache-2.0
"""aweigh smoke: a real service, from its start to its end, and each way in which one goes wrong."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree

import certificates
import pytest
from models import Repo, bert_files, complete, safetensors
from network import free_port
from waiting import wait_for
from world import HANG_LIMIT, ROOT, missing

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
    body = 'ready_body = "status": "ok"\n' if "http" in ready else ""
    result = smoke(world, SERVER, ready, service=body + "log_expect = model loaded\nlog_forbid = huggingface, Downloading")
    assert result.status == 0 and result.out == "model loaded\n", result
    service = result.json["service"]
    assert service["ready"] and service["exit_status"] == 0 and 0 < service["first_output_ms"] and service["ready_ms"] + 300 <= service["end_ms"], service
    assert service["memory_bytes"] > 1 << 20 and service["lines"] == 1 and service["last_lines"] == []
    assert service["observed"] and service["attempts"] == [] and "service.files" in codes(result, "note")
    world_schema(result)


@pytest.mark.parametrize("after, status", [("pass", 0), ("os._exit(3)", 71)])
def test_the_service_has_a_place_of_its_own_in_each_report(world, after, status):
    """A suite, a test, a row: not among what is told of the environment, and there where all is well, too."""
    args = [word for name in ("junit", "tap", "markdown") for word in ("--report", f"{name}={world.path / name}")]
    result = smoke(world, SERVER, "tcp:{port}", *args, after=after)
    assert result.status == status, result
    junit, tap, markdown = ((world.path / name).read_text() for name in ("junit", "tap", "markdown"))
    suites = {suite.get("name"): suite for suite in ElementTree.fromstring(junit)}
    assert list(suites) == ["m", "environment", "service"] and suites["service"].get("failures") == str(int(status != 0)) and suites["environment"].get("failures") == "0"
    assert "\n1..3\n" in tap and re.search(r"^(ok|not ok) 3 - service", tap, re.M)[1] == ("ok" if status == 0 else "not ok")
    assert ("| service | ok |" if status == 0 else "| service | error | service.died |") in markdown


def test_a_start_that_fails_is_reported(world):
    """What refuses on the way to the service is in the report, and in the files."""
    file = world.path / "report.json"
    result = smoke(world, SERVER, "tcp:{port}", "--report", f"json={file}", service="working_directory = /nowhere")
    assert result.status == 77 and codes(result) == {"service.directory"} and json.loads(file.read_text())["status"] == 77, result
    assert world.check().status == 77
    world.policy("[policy]\n[service]\nready = exit\n")
    result = world.run("smoke", "--policy", str(world.policy_file), "--report", f"junit={world.path}/none/j.xml", "--", "/bin/true")
    assert result.status == 74 and "report.failed" in result.err, result


def test_weights_of_no_model_section(world):
    """By their names, wherever they lie; a link to a model of the policy is that model."""
    for name in ("stray", "mine"):
        (world.path / name).mkdir()
        (world.path / name / "model.safetensors").write_bytes(safetensors())
    (world.path / "alias").symlink_to(world.path / "mine")
    for opened, status in (("stray", 65), ("alias", 0)):
        world.policy(f"[policy]\n[model m]\npath = {world.path}/mine\n[service]\nready = exit\nfiles = refuse\n")
        result = world.run("smoke", "--policy", str(world.policy_file), "--format", "json", "--", PYTHON, "-c", f"open('{world.path}/{opened}/model.safetensors', 'rb').read(1)")
        assert result.status == status and ("no [model] section names where it lies" in result.err) == (status == 65), result
    # Told where it refuses nothing, too.
    world.policy(f"[policy]\n[model m]\npath = {world.path}/mine\n[service]\nready = exit\n")
    result = world.run("smoke", "--policy", str(world.policy_file), "--", PYTHON, "-c", f"open('{world.path}/stray/model.safetensors', 'rb').read(1)")
    assert result.status == 0 and "1 file that no [model] section covers" in " ".join(result.err.split()), result


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


def test_human_says_whose_fault_it_is(world):
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    lines = world.run("smoke", "-p", str(world.policy_file), "--", "/bin/sh", "-c", "exit 3").err.splitlines()
    assert any(line.split()[:2] == ["refused", "service"] for line in lines) and any(line.split()[:2] == ["ok", "environment"] for line in lines), lines


def test_it_dies_and_nobody_polls_on(world):
    result = smoke(world, "import sys; print('out of memory', file=sys.stderr); sys.exit(3)", "tcp:{port}")
    assert result.status == 71 and codes(result) == {"service.died"} and "status 3" in message(result, "service.died") and "out of memory" in message(result, "service.died"), result
    assert result.json["service"]["last_lines"] == ["out of memory"]
    world_schema(result)


def test_it_dies_a_moment_after_the_first_answer(world):
    result = smoke(world, SERVER, "http://127.0.0.1:{port}/", settle="8s", after="threading.Timer(0.6, lambda: os._exit(9)).start()")
    assert result.status == 71 and "after it was ready" in result.err, result


LAPSES = """
import http.server, os, signal, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS if time.monotonic() > begun + 0.5 else 200); self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
begun = time.monotonic()
threading.Thread(target=server.serve_forever, daemon=True).start()
if CLOSES:
    time.sleep(0.5); server.shutdown(); server.server_close()
time.sleep(60)
"""


@pytest.mark.parametrize("ready", ["http://127.0.0.1:{port}/", "tcp:{port}, http://127.0.0.1:{port}/"])
@pytest.mark.parametrize("status, closes, words", [(500, False, "answers 500"), (200, True, "Connection refused"), (200, False, None)])
def test_it_lives_and_does_not_answer_any_more(world, ready, status, closes, words):
    """The first 200 is not the last word: it is asked once more when it has settled."""
    result = smoke(world, LAPSES.replace("STATUS", str(status)).replace("CLOSES", str(closes)), ready, settle="1s")
    if words is None:
        assert result.status == 0, result
    else:
        assert result.status == 75 and words in message(result, "service.not-ready"), result


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


def test_lines_of_both_streams_in_one_place(world):
    """A pipe holds less than the line, which is of one write; nobody's line is cut by the other's."""
    code = """
import os, threading
def say(fd, letter):
    for _ in range(100): os.write(fd, letter * 20_000 + b"\\n")
both = [threading.Thread(target=say, args=args) for args in ((1, b"a"), (2, b"b"))]
[thread.start() for thread in both]; [thread.join() for thread in both]
"""
    script = world.path / "both.py"
    script.write_text(code)
    world.policy("[policy]\nmode = offline\n[service]\nready = exit\n")
    with (world.path / "log").open("w+") as log:
        subprocess.run([world.binary, "smoke", "-q", "--policy", str(world.policy_file), "--", PYTHON, str(script)], stdout=log, stderr=log, env=world.env, timeout=HANG_LIMIT, check=True)
        log.seek(0)
        lines = log.read().split("\n")
    assert sorted(set(lines)) == ["", "a" * 20_000, "b" * 20_000] and len(lines) == 201, [line[:20] for line in lines]


@pytest.mark.parametrize("begins", ["\\r", "."], ids=["written over", "without an end"])
def test_a_progress_bar_keeps_nobody_waiting(world, begins):
    """It begins a line with each of its steps, and says its next before the last has rested."""
    code = """
import sys, threading, time
def bar():
    for step in range(3000): sys.stderr.write(f"\\r{step}%|###"); sys.stderr.flush(); time.sleep(0.02)
threading.Thread(target=bar, daemon=True).start()
time.sleep(0.3)
for line in range(20_000): print("a line of what it says to whom it may concern", flush=True)
print("model loaded", flush=True)
time.sleep(60)
"""
    script = world.path / "bar.py"
    script.write_text(code.replace("\\r", begins))
    world.policy("[policy]\nmode = offline\n[service]\nready = log:model loaded\nready_within = 20s\nsettle = 0s\n")
    with (world.path / "log").open("w+") as log:
        done = subprocess.run([world.binary, "smoke", "-q", "--policy", str(world.policy_file), "--", PYTHON, str(script)], stdout=log, stderr=log, env=world.env, timeout=HANG_LIMIT)
    assert done.returncode == 0, (world.path / "log").read_text()[-2000:]


def test_the_memory_of_what_it_starts(world):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'b = bytes(range(250)) * 600_000; print(\"up\", flush=True); import time; time.sleep(60)'])\nimport time; time.sleep(60)"
    result = smoke(world, code, "log:up")
    assert result.status == 0 and result.json["service"]["memory_bytes"] > 150_000_000, result.json["service"]


@pytest.mark.parametrize("said, status, code", [("startup complete", 0, None), ("startup complete, FATAL", 65, "service.log")])
def test_a_line_that_has_not_ended(world, said, status, code):
    """A prompt or a bar that stands: what it holds counts at once, and once."""
    script = f"import sys, time\nfor c in {said!r}: sys.stdout.write(c); sys.stdout.flush()\ntime.sleep(60)"
    result = smoke(world, script, "log:startup complete", service="log_forbid = FATAL", settle="60s" if code else "300ms", within="60s")
    assert result.status == status and codes(result) == ({code} if code else set()), result
    assert result.json["service"]["lines"] == 1 and (not code or "line 1 of" in message(result, code)), result


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
    ("", "needs to know when"), ("ready = tcp:0", "1 to 65535"), ("ready = exit, tcp:80", "answers nothing else"), ("ready = http://10.0.0.1/", "--allow-remote"), ("ready = sometimes", "is not one of"),
    ("ready = tcp:80\nready_body = ok", "no element of ready has a body"), ("ready = log:[INFO", "does not close its ["), ("ready = exit\nlog_expect = fine, [ERROR", "'[ERROR' does not close"),
    ("ready = exit\nlog_forbid = [ab]c[", "'[ab]c[' does not"), ("ready = http://127.0.0.1/\nready_body = [", "'[' does not close")])
def test_a_ready_that_says_nothing(world, service, words):
    complete(world.hub)
    world.policy(f"[policy]\nenforce = no\n[model m]\nrepo = org/m\n[service]\n{service}\n")
    result = world.run("smoke", "--policy", str(world.policy_file), "--", "/bin/true")
    assert result.status == 78 and words in " ".join(result.err.split()) and result.err.count("policy.value") == 1, result
    # A check of the image says so, too; where smoke may ask is smoke's own affair, and that it must ask as well.
    assert world.check().status == (0 if service == "" or words == "--allow-remote" else 78)


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
    world.readable()
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
    return {(a["host"], a["port"]): a for a in result.json["service"]["attempts"]}


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


def test_an_address_of_ipv4_in_one_of_ipv6(world):
    code = "import socket, time\ns = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n" \
           "for host in ('::ffff:192.0.2.5', '::ffff:127.0.0.1'): s.sendto(b'x', (host, 9))\nprint('READY', flush=True)\ntime.sleep(60)"
    result = smoke(world, code, "log:READY")
    assert result.status == 0 and set(attempts(result)) == {("192.0.2.5", 9)}, result


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


def test_exits_under_observation(world):
    """Status and signals are what they were."""
    for command, status in (("exit 3", 71), ("kill -9 $$", 71), ("exit 0", 0)):
        complete(world.hub)
        world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
        assert world.run("smoke", "--policy", str(world.policy_file), "--", "/bin/sh", "-c", command).status == status


@pytest.mark.parametrize("init", [[], ["--init"], ["--init", "--subreaper", "--group"]], ids=" ".join)
@pytest.mark.parametrize("command, status", [(["orphans", "200", "0"], 0), (["orphans", "20", "7"], 7), (["two", "0"], 0), (["two", "9"], 9), (["busy", "300", "0"], 0), (["hold", "15"], 0)], ids=lambda c: " ".join(c) if isinstance(c, list) else str(c))
def test_orphans_and_signals_under_observation(world, worker, init, command, status):
    """What init reaps and forwards, and the status that it ends with, are the same where its service is watched."""
    complete(world.hub)
    ready = "log:ready" if command[0] == "orphans" else "exit"   # those are stopped by SIGTERM, and end with the status all the same
    world.policy(f"[policy]\n[model m]\nrepo = org/m\n[service]\nready = {ready}\nsettle = 100ms\ngrace = 200ms\n")
    result = world.run("smoke", *init, "--policy", str(world.policy_file), "--format", "json", "--", worker, *command)
    report = json.loads(result.err[result.err.find("{\n"):])
    assert report["service"]["exit_status"] == status and report["service"]["observed"] and result.status == (0 if status == 0 or ready != "exit" else 71), result


@pytest.mark.parametrize("service, severity, status", [("", "note", 0), ("network = refuse", "error", 71)])
def test_a_program_of_32_bits(world, worker, service, severity, status):
    """Whom it reaches is not seen, and that is told: what is to be refused must be seen."""
    if subprocess.run([worker, "reach32"]).returncode == 3:
        missing("a kernel with the calls of 32-bit programs")
    result = run_smoke(world, "exit", worker, "reach32", service=service)
    assert result.status == status and "service.unobserved" in codes(result, severity) and "may not be looked into" in message(result, "service.unobserved"), result


def test_a_name_that_is_written_to_a_socket(world):
    """As Go's resolver does: the address is known, and that it is a resolver's; not the name."""
    code = "import os, socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('192.0.2.9', 53))\ntry: os.write(s.fileno(), b'x' * 30)\nexcept OSError: pass"
    result = run_smoke(world, "exit", *python(code))
    assert result.status == 0 and set(attempts(result)) == {("192.0.2.9", 53)}, result



@pytest.mark.parametrize("rule, severity, status", [("report", "note", 0), ("refuse", "error", 71)])
def test_where_nothing_can_be_observed(world, rule, severity, status):
    """Whoever is observed already cannot be so again: as on a platform without notifications, that is said, and nothing is claimed."""
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    (world.path / "inner.ini").write_text(world.policy_file.read_text() + f"network = {rule}\n")
    inner = f"{world.binary} smoke -p {world.path}/inner.ini --format json -- /bin/true 2>{world.path}/inner.json; test $? = {status}"
    assert world.run("smoke", "-p", str(world.policy_file), "--", "/bin/sh", "-c", inner).status == 0
    report = json.loads((world.path / "inner.json").read_text())
    assert ("service.unobserved", severity) in [(finding["code"], finding["severity"]) for finding in report["findings"]] and not report["service"]["observed"] and report["service"]["attempts"] == []


@pytest.mark.parametrize("before, hidden", [("", False), ("setpriv --reuid 65533 --regid 65533 --clear-groups", False),
                                            ("import os; os.setgid(65533); os.setuid(65533)", True), ("import ctypes; ctypes.CDLL(None).prctl(4, 0)", True)])
def test_who_may_be_looked_into(world, need_root, before, hidden):
    """A container's root has no CAP_SYS_PTRACE: a service of another user is observed as itself, and what cannot be seen is not said to be nothing."""
    model = complete(world.hub).snapshot
    script = world.path / "reach.py"
    code = f"open({str(model / 'config.json')!r}).close()\nimport socket\ns = socket.socket()\ns.settimeout(1)\ntry:\n    s.connect(('192.0.2.1', 443))\nexcept OSError:\n    pass\n"
    script.write_text((before + "\n" if hidden else "") + code)
    world.policy(f"[policy]\nuser = {'unchanged' if before else '65534:65534'}\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    world.readable()
    command = [*(before.split() if before and not hidden else []), "/usr/bin/python3", str(script)]
    result = world.run("smoke", "-p", str(world.policy_file), "--format", "json", "--", *command, cwd="/",
                       prefix=["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"])
    report = json.loads(result.err)
    codes = [finding["code"] for finding in report["findings"]]
    assert result.status == 0 and ("service.unobserved" in codes) == hidden, result
    assert [attempt["host"] for attempt in report["service"]["attempts"]] == ([] if hidden else ["192.0.2.1"]), result
    assert ("service.files" in codes) == (not hidden), result


# What a service does besides

def run_smoke(world, ready, *command, service="", policy="", **options):
    complete(world.hub)
    world.policy(f"[policy]\n{policy}\n[model m]\nrepo = org/m\n[service]\nready = {ready}\nsettle = 200ms\n{service}\n")
    result = world.run("smoke", "-p", str(world.policy_file), "--format", "json", "--", *command, **options)
    result.json = json.loads(result.err[result.err.find("{\n"):])
    return result


def python(code):
    return [PYTHON, "-u", "-c", code]


def test_a_command_that_only_ends_when_it_is_stopped(world):
    result = run_smoke(world, "exit", *python("import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); time.sleep(60)"), service="ready_within = 500ms")
    assert result.status == 75 and codes(result) == {"service.not-ready"} and not result.json["service"]["ready"], result


def test_ready_too_late_is_not_ready(world):
    result = run_smoke(world, "log:up", *python("import signal, sys, time; signal.signal(15, lambda *_: (print('up'), sys.exit(0))); time.sleep(60)"), service="ready_within = 500ms")
    assert result.status == 75 and codes(result) == {"service.not-ready"} and "up" in result.out, result


def test_a_crash_at_the_stop_is_told(world):
    result = run_smoke(world, "log:up", *python("import os, signal, time; signal.signal(15, lambda *_: os.kill(os.getpid(), 11)); print('up'); time.sleep(60)"))
    assert result.status == 71 and codes(result) == {"service.died"} and "signal 11" in message(result, "service.died"), result


def test_more_patterns_than_are_counted(world):
    result = run_smoke(world, "exit", "/bin/true", service="log_expect = " + ",\n  ".join(f"a{i}" for i in range(65)))
    assert result.status == 78 and "64" in message(result, "policy.value"), result


LEAVES = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    os.write(1, b'%d ' % os.getpid())
    time.sleep(60)
if IGNORES: signal.signal(15, signal.SIG_IGN)
os.write(1, b'%d ' % os.getpid())
print('up')
time.sleep(ENDS)
"""


@pytest.mark.parametrize("service", ["", "init = yes"])
@pytest.mark.parametrize("ignores, ends", [(0, 60), (1, 60), (0, 0.1)])
def test_nothing_is_left(world, service, ignores, ends):
    """What left the group, what init started, and what hears no SIGTERM."""
    result = run_smoke(world, "log:up", *python(LEAVES.replace("IGNORES", str(ignores)).replace("ENDS", str(ends))), service=f"stop_within = 500ms\n{service}")
    assert result.status == (75 if ignores else 71 if ends < 1 and not service else result.status), result
    pids = [int(word) for word in re.findall(r"\d+", result.out)]
    assert len(pids) == 2 and not [pid for pid in pids if os.path.exists(f"/proc/{pid}")], result


def test_its_descriptors_are_its_own(world):
    """No number is taken from it, and few are needed."""
    ours, theirs = os.pipe()
    os.write(theirs, b"mine")
    os.close(theirs)
    os.dup2(ours, 63)
    os.set_inheritable(63, True)
    try:
        assert run_smoke(world, "exit", "/bin/cat", "/dev/fd/63", pass_fds=[63], close_fds=True).out == "mine"
    finally:
        os.close(ours)
        os.close(63)
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    assert world.run("smoke", "-p", str(world.policy_file), "--", "/bin/true", prefix=["prlimit", "--nofile=40:40"]).status == 0


def start_smoke(world, ready, *command, service="", **options):
    complete(world.hub)
    world.policy(f"[policy]\n[model m]\nrepo = org/m\n[service]\nready = {ready}\n{service}\n")
    return subprocess.Popen([world.binary, "smoke", "-p", str(world.policy_file), "--", *command], env=world.env, cwd=world.path, stdin=options.pop("stdin", subprocess.DEVNULL), **options)


def test_a_reader_that_rests_loses_nothing(world):
    code = "import sys; sys.stdout.write('x' * 200000 + '\\nTraceback (most recent call last)\\n')"
    with start_smoke(world, "exit", *python(code), service="log_forbid = huggingface", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        time.sleep(3)
        out = process.stdout.read()
        assert process.wait(HANG_LIMIT) == 65 and len(out) == 200035 and out.endswith(b"last)\n")


def test_a_pipe_that_does_not_block_loses_nothing(world):
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with start_smoke(world, "exit", *python("import sys; sys.stdout.write('y' * 500000)"), stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        time.sleep(0.5)
        with os.fdopen(ours, "rb") as file:
            assert len(file.read()) == 500000
        assert process.wait(HANG_LIMIT) == 0


def test_nobody_reads_and_a_stop_request_is_heard(world):
    code = "import sys\nwhile True: sys.stdout.write('z' * 100 + '\\n'); sys.stderr.write('e\\n')"
    ours, theirs = os.pipe()
    with start_smoke(world, "tcp:1", *python(code), stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        time.sleep(1)
        process.terminate()
        assert process.wait(HANG_LIMIT) == 143
    os.close(ours)


def test_a_terminal_does_not_stop_it(world):
    ours, theirs = os.openpty()
    with start_smoke(world, "exit", *python("import sys; print(repr(sys.stdin.read()))"), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                     preexec_fn=lambda: __import__("fcntl").ioctl(theirs, 0x540E, 0), pass_fds=[theirs]) as process:  # TIOCSCTTY
        assert process.communicate(timeout=HANG_LIMIT)[0] == b"''\n" and process.returncode == 0
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["smoke", "run", "check"])
def test_streams_that_are_not_there(world, closed, command):
    """What is opened next does not take their place, and the service finds them as they were."""
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    service = "-- /bin/sh -c 'test -e /proc/self/fd/0 || : >no-stdin; : >done'" if command != "check" else ""
    result = subprocess.run(["/bin/sh", "-c", f"exec {world.binary} {command} --policy {world.policy_file} {service} {closed}"], env=world.env, cwd=world.path, timeout=HANG_LIMIT,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert result.returncode == 0 and (world.path / "done").exists() == (command != "check")
    if command != "check":
        assert (world.path / "no-stdin").exists() == ("<&-" in closed)


def test_a_folder_with_links_to_itself(world):
    snapshot = complete(world.hub).snapshot
    result = run_smoke(world, "exit", *python(f"import os; os.symlink('.', {str(snapshot)!r} + '/a'); os.symlink('.', {str(snapshot)!r} + '/b'); os.symlink('/', {str(snapshot)!r} + '/c')"))
    assert result.status == 0 and "3 (648 bytes) never" in message(result, "service.files"), result


def test_files_by_model(world):
    """What it opened, what it never did, and what it looked for in vain, by their names: not what it made itself, nor what lies elsewhere."""
    snapshot = complete(world.hub).snapshot
    code = f"""import os
snapshot = {str(snapshot)!r}
open(snapshot + '/config.json').close()
for name in ('processor_config.json', 'sub/x.json', 'config.json', '.hidden', '../../../outside.json', ''): os.path.exists(snapshot + '/' + name)
open(snapshot + '/made.json', 'w').close(); os.remove(snapshot + '/made.json')"""
    result = run_smoke(world, "exit", *python(code), service="[severity]\nservice.files = warning")
    (files,) = result.json["service"]["files"]
    assert result.status == 0 and (files["model"], files["opened"], files["never_opened"]) == ("m", 1, len(list(snapshot.iterdir())) - 1), files
    assert files["never_opened_bytes"] == sum(path.stat().st_size for path in snapshot.iterdir()) - (snapshot / "config.json").stat().st_size
    assert files["never_opened_files"] == sorted((path.name for path in snapshot.iterdir() if path.name != "config.json"), key=lambda name: -(snapshot / name).stat().st_size)
    assert files["absent"] == 2 and sorted(files["absent_files"]) == ["processor_config.json", "sub/x.json"], files
    world_schema(result)
    human = world.run("smoke", "-p", str(world.policy_file), "--", *python(code)).err
    assert "looked for 2 files that its models do not have" in " ".join(human.split()), human


@pytest.mark.parametrize("slash", ["", "/"])
def test_files_of_a_folder(world, slash):
    """Whatever it is called; what the policy leaves out is not missed."""
    folder = world.path / "folder"
    folder.mkdir()
    for name, data in bert_files().items():
        (folder / name).write_bytes(data)
    (folder / "tokenizer.json").unlink(missing_ok=True)
    complete(world.hub)
    world.policy(f"[policy]\n[model m]\nrepo = org/m\n[model f]\npath = {folder}{slash}\nexclude = tokenizer.json\n[service]\nready = exit\n")
    code = f"import os\nfor name in ('', '/', '/tokenizer.json', '/other.json'): os.path.exists({str(folder)!r} + name)"
    result = world.run("smoke", "-p", str(world.policy_file), "--format", "json", "--", *python(code))
    files = json.loads(result.err[result.err.find("{\n"):])["service"]["files"]
    assert result.status == 0 and [(f["model"], f["absent_files"]) for f in files] == [("m", []), ("f", ["other.json"])], result


@pytest.mark.parametrize("path", ["folder", "./folder", "folder/model.safetensors"])
def test_a_relative_path_is_covered(world, path):
    """The policy's path is the service's working directory's, whatever the service calls it; a model may be one file."""
    (world.path / "folder").mkdir()
    for name, data in bert_files().items():
        (world.path / "folder" / name).write_bytes(data)
    world.policy(f"[model f]\npath = {path}\n[service]\nready = exit\nfiles = refuse\n")
    result = world.run("smoke", "-p", str(world.policy_file), "--format", "json", "--", *python(f"open({str(world.path / 'folder/model.safetensors')!r})"), cwd=world.path)
    (files,) = json.loads(result.err[result.err.find("{\n"):])["service"]["files"]
    assert result.status == 0 and files["opened"] == 1 and (files["never_opened"] == 0) == path.endswith("safetensors"), result


def test_files_behind_links_of_the_image(world):
    """A folder and a cache that the service knows by other names: what it opened there is of their models."""
    folder = world.path / "models" / "m"
    folder.mkdir(parents=True)
    for name, data in bert_files().items():
        (folder / name).write_bytes(data)
    (folder / "pytorch_model.bin").write_bytes(b"x" * 100)
    complete(world.hub)
    other = Repo(world.hub, "org/other").all({"vocab.txt": b"a\n"})
    os.symlink(folder, world.path / "app")
    os.symlink(world.hub, world.path / "cache")
    opened = [world.path / "app/pytorch_model.bin", world.path / "app/config.json", world.path / "cache" / other.snapshot.relative_to(world.hub) / "vocab.txt"]
    world.policy(f"[policy]\n[model m]\npath = {folder}\nexclude = *.safetensors\n[service]\nready = exit\nfiles = refuse\n")
    code = f"import os\nfor name in {list(map(str, opened))!r}: open(name).close()\nos.path.exists({str(world.path / 'cache' / 'models--org--absent/refs/main')!r})"
    result = world.run("smoke", "-p", str(world.policy_file), "--verify", "presence", "--format", "json", "--", *python(code))
    report = json.loads(result.err[result.err.find("{\n"):])
    (files,) = report["service"]["files"]
    assert files["opened"] == 2 and "pytorch_model.bin" not in files["never_opened_files"], files
    uncovered = {f["path"]: f["message"] for f in report["findings"] if f["code"] == "service.files" and f["severity"] == "error"}
    assert set(uncovered) == {str(other.snapshot / "vocab.txt"), str(world.hub / "models--org--absent/refs/main")}, uncovered


def test_weights_elsewhere_behind_many_other_files(world):
    """However many files are opened that say nothing: what is refused is refused, and what is met again is not counted as left out."""
    complete(world.hub)
    (world.path / "other.safetensors").write_bytes(safetensors())
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\nfiles = refuse\nready_within = 120s\n")
    code = ("def look(name):\n    try: open(name).close()\n    except OSError: pass\n"
            "for i in range({0}): look('/nowhere/%d' % i)\nfor i in range({0}): look('/nowhere/%d' % i)\nlook({1!r})\n")
    for count, told in ((17_000, True), (10_000, False)):
        result = world.run("smoke", "-p", str(world.policy_file), "--format", "json", "--", *python(code.format(count, str(world.path / "other.safetensors"))))
        findings = json.loads(result.err[result.err.find("{\n"):])["findings"]
        assert [f["path"] for f in findings if f["code"] == "service.files" and f["severity"] == "error"] == [str(world.path / "other.safetensors")], result
        assert any("files elsewhere" in f["message"] for f in findings) == told, result


def test_a_look_as_musl_looks(world):
    """lstat(2), where a machine has it."""
    snapshot = complete(world.hub).snapshot
    call = {"x86_64": "6, {}, {}", "aarch64": "79, -100, {}, {}, 256"}[platform.machine()].format(os.fsencode(snapshot) + b"/adapter_config.json", "ctypes.create_string_buffer(256)")
    result = run_smoke(world, "exit", *python(f"import ctypes; ctypes.CDLL(None).syscall({call})"))
    assert result.status == 0 and result.json["service"]["files"][0]["absent_files"] == ["adapter_config.json"], result


def test_a_file_by_another_spelling_was_opened(world):
    snapshot = complete(world.hub).snapshot
    (snapshot / "sub").mkdir()
    result = run_smoke(world, "exit", *python(f"import os\nfor name in os.listdir({str(snapshot)!r}):\n    if name != 'sub': open({str(snapshot)!r} + '/sub/../' + name).close()"))
    assert result.status == 0 and "service.files" not in codes(result, "note"), result


def test_a_socket_that_only_its_user_reaches(world, need_root):
    complete(world.hub)
    world.readable()
    own = world.path / "own"
    own.mkdir(mode=0o700)
    os.chown(own, 65534, 65534)
    code = f"import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('{own}/s'); s.listen(); time.sleep(60)"
    world.policy(f"[policy]\nuser = 65534:65534\n[model m]\nrepo = org/m\n[service]\nready = unix:{own}/s\nready_within = 20s\nsettle = 100ms\n")
    assert world.run("smoke", "-p", str(world.policy_file), "--", "/usr/bin/python3", "-c", code, cwd="/").status == 0


def test_what_the_policy_took_is_not_to_be_had_from_the_parent(world):
    code = "import os\ntry: print('secret-of-mine' in open(f'/proc/{os.getppid()}/environ').read())\nexcept PermissionError: print('refused')"
    prefix = ["setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups"] if os.geteuid() == 0 else []
    complete(world.hub)
    world.readable()
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n[environment unset]\nHF_TOKEN =\n")
    result = world.run("smoke", "-p", str(world.policy_file), "--", "/usr/bin/python3", "-c", code, env={"HF_TOKEN": "secret-of-mine"}, prefix=prefix, cwd="/")
    assert result.status == 0 and result.out in ("refused\n", "False\n"), result


def test_a_notification_of_something_else(world):
    code = "import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'READY=10', '\\0' + os.environ['NOTIFY_SOCKET'][1:]); time.sleep(60)"
    assert run_smoke(world, "notify", *python(code), service="ready_within = 500ms").status == 75


# What the service and its surroundings do to smoke

def test_what_a_shell_started_before_is_spared(world):
    """`exec aweigh smoke` in a script: the script's children are nobody's service."""
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    script = f"sleep 300 >/dev/null 2>&1 & echo $!; exec {world.binary} smoke -p {world.policy_file} -- /bin/true"
    result = subprocess.run(["/bin/sh", "-c", script], env=world.env, capture_output=True, timeout=HANG_LIMIT)
    other = int(result.stdout)
    assert result.returncode == 0 and b"sleep" in cmdline(other), result
    os.kill(other, signal.SIGKILL)


def test_root_that_may_not_signal_others(world, need_root):
    """A container's `--cap-drop KILL`: the service is signalled as the user that it is."""
    code = python("import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('up'); time.sleep(600)")
    complete(world.hub)
    world.readable()
    world.policy("[policy]\nuser = 65534:65534\n[model m]\nrepo = org/m\n[service]\nready = log:up\nsettle = 100ms\nstop_within = 30s\n")
    result = world.run("smoke", "-p", str(world.policy_file), "--format", "json", "--", "/usr/bin/python3", *code[1:], cwd="/",
                       prefix=["setpriv", "--bounding-set=-kill", "--inh-caps=-kill"])
    result.json = json.loads(result.err[result.err.find("{\n"):])
    assert result.status == 0 and not codes(result) and result.json["service"]["exit_status"] == 0, result


def test_somebody_else_holds_its_output(world):
    """A stranger that got the service's standard output and goes on writing holds nobody up who is asked to stop."""
    code = "import os, time; print(os.getpid()); time.sleep(600)"
    with start_smoke(world, "log:never", *python(code), service="ready_within = 600s", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        pid = int(process.stdout.readline())
        writer = "import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY)\nprint(flush=True)\nos.close(1)\nwhile True: os.write(fd, b'x\\n' * 100)"
        with subprocess.Popen([PYTHON, "-c", writer, f"/proc/{pid}/fd/1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as stranger:
            stranger.stdout.readline()
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
            process.terminate()
            out = process.communicate(timeout=HANG_LIMIT)[0]
            stranger.kill()
        assert process.returncode and b"x" in out


def test_without_proc(world, need_root):
    # The sanitizer's own look for leaks needs /proc, and so does what would tell it not to.
    script = "mount -t tmpfs none /proc && mkdir /proc/self && printf 'ASAN_OPTIONS=detect_leaks=0\\0' >/proc/self/environ && exec \"$@\""
    result = run_smoke(world, "exit", "/bin/sh", "-c", "echo said; exit 0", prefix=["unshare", "-m", "sh", "-c", script, "sh"])
    assert result.status == 0 and result.out == "said\n", result


def test_what_is_said_at_the_stop_is_no_expectation_met(world):
    code = "import signal, sys, time; signal.signal(15, lambda *_: (print('loaded'), sys.exit(0))); print('up'); time.sleep(600)"
    result = run_smoke(world, "log:up", *python(code), service="log_expect = loaded")
    assert result.status == 65 and codes(result) == {"service.log"}, result


RING = "import ctypes; print(ctypes.CDLL(None, use_errno=True).syscall(425, 8, ctypes.create_string_buffer(120)), ctypes.get_errno())"


CHROOT = "import ctypes; print(ctypes.CDLL(None, use_errno=True).chroot(b'/'), ctypes.get_errno())"


def test_another_root_that_names_begin_at(world, need_root):
    """What a name means after chroot(2) is not seen: refused where that would break a demand, otherwise told."""
    result = run_smoke(world, "exit", *python(CHROOT), service="files = refuse")
    assert result.status == 0 and result.out == "-1 1\n", result
    for service in ("", "network = refuse"):
        result = run_smoke(world, "exit", *python(CHROOT), service=service)
        assert result.status == 0 and result.out == "0 0\n" and "another root" in message(result, "service.unobserved"), result


def test_a_program_that_is_started_by_its_descriptor(world):
    code = "import os\nif os.fork() == 0: os.execve(os.open('/bin/true', os.O_PATH), ['true'], {})\nos.wait()"
    result = run_smoke(world, "exit", *python(code))
    assert result.status == 0 and os.path.realpath("/bin/true") in map(os.path.realpath, result.json["service"]["programs"]), result


@pytest.mark.parametrize("init", [[], ["--init"]])
@pytest.mark.parametrize("policy", ["", "user = 1234:1234\n"])
def test_what_is_watched_does_not_outlive_smoke(world, need_root, init, policy):
    """Killed without a word: nobody answers the service's calls any more."""
    complete(world.hub)
    world.policy(f"[policy]\nmode = offline\n{policy}[model m]\nrepo = org/m\n[service]\nready = log:never\n")
    world.readable()
    with subprocess.Popen([world.binary, "smoke", *init, "--policy", str(world.policy_file), "--", "/bin/sh", "-c", "trap : TERM; echo $$; while :; do sleep 1; done"], stdout=subprocess.PIPE, env=world.env) as process:
        pid = int(process.stdout.readline())
        process.kill()
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"))


def test_a_ring_that_nobody_sees_through(world):
    """io_uring(7) opens and connects without a call that is observed: refused where that would break a demand, otherwise told."""
    result = run_smoke(world, "exit", *python(RING), service="network = refuse")
    assert result.status == 0 and result.out == "-1 1\n", result
    result = run_smoke(world, "exit", *python(RING))
    assert result.status == 0 and "service.unobserved" in codes(result, "note"), result


MANY = """
import ctypes, socket, struct
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("size", ctypes.c_uint), ("parts", ctypes.c_void_p), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t), ("flags", ctypes.c_size_t), ("sent", ctypes.c_size_t)]
messages = (Message * 12)()
kept = []
for i, message in enumerate(messages):
    address = ctypes.create_string_buffer(struct.pack("=HHBBBB8x", socket.AF_INET, socket.htons(9), 203, 0, 113, i + 1))
    kept.append(address)
    message.name, message.size = ctypes.addressof(address), 16
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ctypes.CDLL(None).sendmmsg(s.fileno(), messages, 12, 0)
"""


def test_every_message_of_one_call(world):
    result = run_smoke(world, "exit", *python(MANY))
    assert result.status == 0 and {f"203.0.113.{i}" for i in range(1, 13)} <= {host for host, _ in attempts(result)}, result


def test_its_own_addresses_are_no_network(world, need_root):
    net = ["unshare", "-n", "sh", "-c", 'ip link set lo up && ip addr add 198.51.100.5/32 dev lo && exec "$@"', "sh"]
    connect = "import socket\ntry: socket.create_connection(('{}', 9), timeout=1)\nexcept OSError: pass"
    assert run_smoke(world, "exit", *python(connect.format("198.51.100.5")), service="network = refuse", prefix=net).status == 0
    assert run_smoke(world, "exit", *python(connect.format("198.51.100.6")), service="network = refuse", prefix=net).status == 76


def test_the_locks_of_the_cache_are_no_model_files(world):
    lock = world.hub / ".locks/models--org--m/x.lock"
    lock.parent.mkdir(parents=True)
    result = run_smoke(world, "exit", *python(f"open({str(lock)!r}, 'w')"), service="files = refuse")
    assert result.status == 0, result


def test_what_it_offers_and_starts(world):
    after = "import subprocess; subprocess.run(['/bin/true']); subprocess.run(['nothing-of-that-name || :'], shell=True)"
    result = smoke(world, SERVER, "tcp:{port}", after=after)
    service = result.json["service"]
    port = int(re.search(r"tcp:(\d+)", world.policy_file.read_text())[1])
    assert result.status == 0 and service["ports"] == [port] and "/bin/true" in service["programs"] and "/bin/sh" in service["programs"], service
    assert not any("nothing-of-that-name" in program or "python" in program for program in service["programs"]), service
    world_schema(result)
    human = world.run("smoke", "-p", str(world.policy_file), "--", PYTHON, "-u", str(world.path / "service.py")).err
    assert f"listened on {port}" in " ".join(human.split()), human


@pytest.mark.parametrize("withheld", [False, True])
def test_what_nobody_refuses_is_not_told_as_refused(world, withheld):
    """egress = deny where the platform withholds Landlock: TCP goes on."""
    prefix = ()
    if withheld:
        program = str(world.path.parent / "without-landlock")
        subprocess.run(["gcc", "-O1", "-o", program, "-DLANDLOCK=ENOSYS", ROOT / "tests/programs/forbid.c"], check=True)
        prefix = [program]
    code = "import socket\ns = socket.socket(); s.settimeout(0.05)\ntry: s.connect(('192.0.2.77', 443))\nexcept OSError: pass"
    result = run_smoke(world, "exit", *python(code), service="[confine]\negress = deny", prefix=prefix)
    (attempt,) = result.json["service"]["attempts"]
    assert attempt["port"] == 443 and attempt["refused"] != withheld and ("was refused" in message(result, "service.network")) != withheld, result


@pytest.mark.parametrize("asks", ["udp.sendmsg([q[:1], q[1:12], q[12:]])", "tcp.send(len(q).to_bytes(2, 'big') + q)", "tcp.sendmsg([len(q).to_bytes(2, 'big'), q])"])
def test_a_question_in_pieces_and_over_tcp(world, asks):
    code = f"""import socket
q = b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x0bhuggingface\\x02co\\x00\\x00\\x01\\x00\\x01"
server = socket.create_server(("127.0.0.1", 0)); tcp = socket.create_connection(server.getsockname())
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.connect(server.getsockname())
{asks}"""
    result = run_smoke(world, "exit", *python(code))
    assert [attempt["host"] for attempt in result.json["service"]["attempts"]] == ["huggingface.co"], result


@pytest.mark.parametrize("listens", ["pid = os.fork()\nif pid == 0: s.listen(); os._exit(0)\nos.waitpid(pid, 0)", "t = threading.Thread(target=s.listen); t.start(); t.join()"])
def test_what_others_of_it_listen_on(world, listens):
    """The workers of a server listen on what their parent has bound."""
    port = free_port()
    result = run_smoke(world, "exit", *python(f"import os, socket, threading\ns = socket.socket(); s.bind(('127.0.0.1', {port}))\n{listens}"))
    assert result.status == 0 and result.json["service"]["ports"] == [port], result


@pytest.mark.parametrize("look", ["os.path.exists", "os.stat", "lambda p: os.access(p, os.R_OK)", "os.lstat"])
@pytest.mark.parametrize("path, words", [("models--org--other", "no [model] section names its repository"), ("models--org--m/refs/v2", "a revision that is not aboard"),
                                         ("models--org--m/snapshots/" + "e" * 40, "a revision that is not aboard")])
def test_what_it_looks_for_in_vain(world, look, path, words):
    """A library asks with stat(2) first, and opens only what is there."""
    code = f"import os\ntry: ({look})({str(world.hub / path)!r})\nexcept OSError: pass"
    result = run_smoke(world, "exit", *python(code))
    said = {finding["path"]: finding["message"] for finding in result.json["findings"] if finding["code"] == "service.files"}
    assert result.status == 0 and "not there" in said[str(world.hub / path)] and words in said[str(world.hub / path)], said


def test_what_a_library_looks_for_by_the_way_is_no_lack(world):
    """A commit beneath refs/, and files that a model need not have."""
    snapshot = complete(world.hub).snapshot
    looked = [snapshot / "adapter_config.json", world.hub / "models--org--m/refs" / snapshot.name, world.hub / "models--org--m/.no_exist" / snapshot.name / "x"]
    result = run_smoke(world, "exit", *python(f"import os\nfor p in {[str(p) for p in looked]!r}: os.path.exists(p)"), service="files = refuse")
    assert result.status == 0 and not any("not there" in f["message"] for f in result.json["findings"]), result


@pytest.mark.parametrize("how", ["open(real + path)", "os.chdir(named); open(path[1:])", "os.chdir(real); open(path[1:])", "open(named + '/' + path)", "open(named + '/.' + path)",
                                 "os.open(path[1:], os.O_RDONLY, dir_fd=os.open(named, os.O_RDONLY))"])
def test_a_cache_behind_a_link_by_any_name(world, how):
    complete(world.hub, "not/named")
    complete(world.hub)
    os.symlink(world.hub, world.path / "link")
    code = f"import os\nreal, named, path = {str(world.hub)!r}, {str(world.path / 'link')!r}, '/models--not--named/refs/main'\n{how}"
    result = run_smoke(world, "exit", *python(code), policy=f"hub_cache = {world.path / 'link'}", service="files = refuse", env={"HF_HOME": None})
    assert result.status == 65 and codes(result) == {"service.files"}, result
    model = "models--org--m/snapshots"
    code = f"import os\nos.chdir({str(world.path / 'link')!r})\nfor d, _, n in os.walk({model!r}):\n    for f in n: open(d + '/' + f).close()"
    result = run_smoke(world, "exit", *python(code), policy=f"hub_cache = {world.path / 'link'}", service="files = refuse", env={"HF_HOME": None})
    assert result.status == 0 and not [f for f in result.json["findings"] if "never" in f["message"]], result


def test_ports_that_are_not_offered(world):
    """A number that was given back, another family on it, another process."""
    ports = [free_port() for _ in range(3)]
    code = f"""
import os, socket
a = socket.socket(); a.bind(("127.0.0.1", {ports[0]})); number = a.fileno(); a.close()
b = socket.socket(socket.AF_UNIX); b.bind("\\0x{ports[0]}"); b.listen(); b.close()
if os.fork() == 0:
    c = socket.socket(); c.bind(("127.0.0.1", {ports[1]})); os._exit(0)
os.wait()
d = socket.socket(); d.bind(("127.0.0.1", {ports[2]})); d.listen()
"""
    assert run_smoke(world, "exit", *python(code)).json["service"]["ports"] == [ports[2]]


def test_somebody_else_answers_already(world):
    import socket
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = run_smoke(world, f"tcp:{server.getsockname()[1]}", "/bin/sh", "-c", ": >started; sleep 60")
    assert result.status == 75 and codes(result) == {"service.not-ready"} and "answers already" in message(result, "service.not-ready"), result
    assert not (world.path / "started").exists()


def test_a_file_of_an_earlier_start(world):
    (world.path / "ready").touch()
    result = run_smoke(world, f"file:{world.path / 'ready'}", "/bin/sh", "-c", ": >started; sleep 60")
    assert result.status == 75 and "is there already" in message(result, "service.not-ready") and not (world.path / "started").exists(), result


@pytest.mark.parametrize("ready, words", [("log:never this", "log:never this was not seen"), ("notify", "notify was not seen"), ("tcp:PORT, log:never", "log:never was not seen")])
def test_what_was_waited_for_is_named(world, ready, words):
    result = smoke(world, SERVER, ready.replace("PORT", "{port}"), within="1s")
    assert result.status == 75 and words in message(result, "service.not-ready"), result


def test_the_last_answer_is_the_services(world):
    """What nobody answers any more when it is stopped is not why it was not ready."""
    code = SERVER.replace("self.send_response(200)", "self.send_response(503)")
    for _ in range(5):
        result = smoke(world, code, "http://127.0.0.1:{port}/", within="1s")
        assert result.status == 75 and "answers 503" in message(result, "service.not-ready"), result


def test_what_cannot_start_is_the_services_fault(world):
    complete(world.hub)
    world.policy("[policy]\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    lines = world.run("smoke", "-p", str(world.policy_file), "--", "nothing-of-that-name").err.splitlines()
    assert any(line.split()[:2] == ["refused", "service"] for line in lines) and any(line.split()[:2] == ["ok", "environment"] for line in lines), lines


def test_many_programs_are_named_in_part(world):
    """A shell's start-up alone starts a dozen: people read five, programs read all."""
    programs = ["true", "false", "ls", "cat", "uname", "id", "env"]
    command = ["/bin/sh", "-c", "".join(f"/bin/{name} </dev/null >/dev/null; " for name in programs)]
    result = run_smoke(world, "exit", *command)
    seen = len(result.json["service"]["programs"])
    assert seen >= len(programs), result
    human = world.run("smoke", "-p", str(world.policy_file), "--format", "human", "--", *command)
    assert f"and {seen - 5} more" in " ".join(human.err.split()), human
