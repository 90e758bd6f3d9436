# SPDX-License-Identifier: Apache-2.0
"""aweigh probe: a health check for images without curl."""

import os
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import certificates
import pytest
from network import free_port
from world import HANG_LIMIT


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body, chunked = self.server.answer
        self.server.asked.append((self.path, dict(self.headers)))
        if status == "slow":
            time.sleep(self.server.pause)
            status = 200
        if status == "early":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            status = 200
        self.send_response(status)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(0, len(body), 3):
                self.wfile.write(b"%x;x=y\r\n%s\r\n" % (len(body[i:i + 3]), body[i:i + 3]))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.asked, server.pause = (200, b'{"status": "ok"}', False), [], 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def url(server, path="/api/"):
    return f"http://127.0.0.1:{server.server_port}{path}"


@pytest.mark.parametrize("status, healthy", [(200, 0), (204, 0), (301, 0), (399, 0), (400, 1), (404, 1), (500, 1), (503, 1)])
def test_a_status(world, server, status, healthy):
    server.answer = (status, b"", False)
    result = world.run("probe", url(server))
    assert result.status == healthy and result.out == "" and (f"answers {status}" in result.err) == (healthy == 1) and result.err.count("\n") == healthy, result
    assert server.asked[0][0] == "/api/" and server.asked[0][1]["Host"] == f"localhost:{server.server_port}" or server.asked[0][1]["Host"].startswith("127.")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("pattern, healthy", [('"status": "ok"', 0), ("ok*}", 0), ("down", 1)])
def test_a_body(world, server, chunked, pattern, healthy):
    server.answer = (200, b'{"status": "ok"}', chunked)
    result = world.run("probe", url(server), "--body", pattern)
    assert result.status == healthy and ("does not hold" in result.err) == (healthy == 1), result


def test_what_comes_before_the_answer(world, server):
    server.answer = ("early", b"x", False)
    assert world.run("probe", url(server)).status == 0


@pytest.mark.parametrize("body, holds", [(b"x" * 65_000 + b"ok", 0), (b"x" * 66_000 + b"ok", 1), (b"\0\xff\0ok", 0)])
def test_only_so_much_is_read(world, server, body, holds):
    server.answer = (200, body, False)
    assert world.run("probe", url(server), "--body", "ok").status == holds


def test_an_answer_that_takes_too_long(world, server):
    server.answer, server.pause = ("slow", b"", False), 5
    result = world.run("probe", url(server), "--timeout", "200ms")
    assert result.status == 1 and "no answer in time" in result.err, result


def silent(answer):
    """A server that answers each connection with these bytes, and stays open."""
    listener = socket.create_server(("127.0.0.1", 0))
    held = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            if answer:
                try:
                    connection.sendall(answer)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    return listener, listener.getsockname()[1]


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000, b"HTTP/1.1 999999", b"\0" * 9000])
def test_what_is_no_http(world, answer):
    listener, port = silent(answer)
    with listener:
        assert world.run("probe", f"http://127.0.0.1:{port}/", "--timeout", "300ms").status == 1


def test_tcp_and_unix(world, tmp_path):
    listener, port = silent(b"")
    with listener:
        assert world.run("probe", f"tcp:{port}").status == world.run("probe", f"tcp:127.0.0.1:{port}").status == world.run("probe", f"tcp:localhost:{port}").status == 0
    result = world.run("probe", f"tcp:{free_port()}")
    assert result.status == 1 and "Connection refused" in result.err
    os.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as local:
        local.bind("s")
        assert world.run("probe", f"unix:{tmp_path}/s").status == 1
        local.listen()
        assert world.run("probe", f"unix:{tmp_path}/s").status == 0
    assert "No such file" in world.run("probe", "unix:/nowhere").err


def test_announcements_without_end(world):
    """HTTP/1.1 100 Continue, again and again: that is no answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def flood():
            peer = listener.accept()[0]
            try:
                while True:
                    peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            except OSError:
                pass
        threading.Thread(target=flood, daemon=True).start()
        result = world.run("probe", f"http://127.0.0.1:{listener.getsockname()[1]}/")
        assert result.status == 1 and "no answer" in result.err


def test_a_port_does_not_answer_itself(world, need_root):
    """Where nobody listens, a connection may begin at the very port that it goes to."""
    script = "ip link set lo up && echo 40000 40001 >/proc/sys/net/ipv4/ip_local_port_range && for i in 1 2 3 4 5 6 7 8 9 10 11 12; do \"$0\" probe tcp:40000 && exit 3; done; exit 0"
    assert subprocess.run(["unshare", "-n", "/bin/sh", "-c", script, world.binary], timeout=HANG_LIMIT, capture_output=True).returncode == 0


def test_https(world, server, tmp_path):
    """Of this machine alone, and its certificate is not verified: what is asked is whether it answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.make(tmp_path)[1])
    plain = url(server)
    assert "handshake" in world.run("probe", plain.replace("http:", "https:")).err
    server.socket = context.wrap_socket(server.socket, server_side=True)
    secure = url(server).replace("http:", "https:")
    assert world.run("probe", secure).status == world.run("probe", secure.replace("127.0.0.1", "localhost"), "--body", '"status": "ok"').status == 0
    server.answer = (200, b"y" * 200000, True)
    assert world.run("probe", secure, "--body", "z").status == 1
    server.answer = (503, b"", False)
    assert "answers 503" in world.run("probe", secure).err
    assert world.run("probe", plain).status == 1


def test_https_of_who_says_nothing(world):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = world.run("probe", f"https://127.0.0.1:{listener.getsockname()[1]}/", "--timeout", "200ms")
        assert result.status == 1 and "handshake" in result.err, result


def test_ipv6(world):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        for target in (f"tcp:{port}", f"tcp:[::1]:{port}", f"tcp:localhost:{port}"):
            assert world.run("probe", target).status == 0, target
    assert "[::1]" in world.run("probe", f"tcp:[::1]:{port}").err


@pytest.mark.parametrize("args, words", [
    ([], "what to ask"), (["ftp://x"], "is not one of"), (["tcp:0"], "1 to 65535"), (["tcp:70000"], "1 to 65535"), (["tcp:x"], "names a host"), (["http://127.0.0.1:0/"], "1 to 65535"),
    (["http://example.org/"], "names a host"), (["http://10.0.0.1/"], "--allow-remote"), (["https://10.0.0.1/", "--allow-remote"], "no certificate"), (["https://127.0.0.1:0/"], "1 to 65535"), (["unix:relative"], "absolute path"),
    (["http://127.0.0.1/a b"], "no request"), (["http://127.0.0.1/\r\nX: y"], "no request"), (["log:x"], "smoke"), (["exit"], "smoke"), (["tcp:80", "--timeout", "x"], "duration"),
    (["unix:/" + "x" * 200], "108 bytes"), (["tcp:80", "--format", "json"], "--format goes with")])
def test_usage(world, args, words):
    result = world.run("probe", *args)
    assert result.status == 64 and words in result.err, result


def test_another_machine_only_when_asked_for(world):
    result = world.run("probe", "tcp:127.255.255.254:1", "--allow-remote")
    assert result.status == 1 and "refused" in result.err


@pytest.mark.parametrize("target", ["tcp:1", "unix:/nowhere"])
def test_a_body_of_what_has_none(world, target):
    result = world.run("probe", "--body", "ok", target)
    assert result.status == 64 and "--body goes with http://" in result.err, result
