# SPDX-License-Identifier: Apache-2.0
"""Servers and proxies of others, started beside a test."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from world import HANG_LIMIT, missing


def need(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        missing(program)
    return path


def wait_for_port(port, host="127.0.0.1", process=None):
    limit = time.monotonic() + HANG_LIMIT
    while True:
        try:
            return socket.create_connection((host, port), 1).close()
        except OSError:
            assert time.monotonic() < limit and (process is None or process.poll() is None), "the server does not start"
            time.sleep(0.02)


def ports():
    """Ports below those that the kernel gives out, of a block that no other run of the tests beside this one takes from."""
    for first in range(10000, 32000, 200):
        mine = socket.socket(socket.AF_UNIX)
        try:
            mine.bind(f"\0aweigh-ports-{first}")
        except OSError:
            mine.close()
            continue
        while True:
            for port in range(first, first + 200):
                with socket.socket() as s:
                    try:
                        s.bind(("127.0.0.1", port))
                    except OSError:
                        continue
                yield port
    raise RuntimeError("no port is free")


PORTS = ports()


def free_port():
    return next(PORTS)


class Running:
    """A program of somebody else's, ended by its pid."""

    def __init__(self, command, port=None, host="127.0.0.1", **options):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=options.pop("stdout", subprocess.DEVNULL), stderr=subprocess.STDOUT, **options)
        if port:
            wait_for_port(port, host, self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def tinyproxy(tmp_path, user=None):
    port = free_port()
    conf = tmp_path / "tinyproxy.conf"
    conf.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nAllow 127.0.0.1\nLogFile \"{tmp_path}/proxy.log\"\nLogLevel Connect\n"
                    + (f"BasicAuth {user} secret-word\n" if user else ""))
    return port, Running([need("tinyproxy"), "-d", "-c", conf], port)


def nginx(tmp_path, root, tls=None, extra=""):
    port = free_port()
    listen = f"listen 127.0.0.1:{port}" + (f" ssl; ssl_certificate {tls[1]}; ssl_certificate_key {tls[1]}" if tls else "") + ";"
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"daemon off; master_process off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;\nevents {{}}\n"
                    f"http {{ access_log {tmp_path}/access.log; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f;\n"
                    f"uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s; {extra}\nserver {{ {listen} root {root}; }} }}\n")
    return port, Running([need("nginx"), "-p", tmp_path, "-c", conf, "-e", tmp_path / "error.log"], port)


class Narrow:
    """A way to `port` that lets so many connections through at once and turns away what comes beyond: by "503", by a
    "reset", or "refused" before it is a connection."""

    def __init__(self, port, most, says):
        self.port, self.most, self.says = port, most, says
        self.lock, self.open, self.turned_away, self.over = threading.Lock(), 0, 0, False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.own = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.own}"
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join(10)
        self.listener.close()

    def is_full(self):
        with self.lock:
            return self.open >= self.most

    def serve(self):
        while not self.over:
            if self.says == "refused" and self.is_full():
                self.listener.close()
                while self.is_full() and not self.over:
                    time.sleep(0.005)
                self.listener = socket.create_server(("127.0.0.1", self.own), backlog=128)
            self.listener.settimeout(0.05)
            try:
                client, _ = self.listener.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            if self.is_full():
                self.turn_away(client)
                continue
            with self.lock:
                self.open += 1
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def turn_away(self, client):
        self.turned_away += 1
        if self.says == "503":
            with contextlib.suppress(OSError):
                client.recv(65536)
                client.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()

    def carry(self, client):
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            asks = threading.Thread(target=self.pump, args=(client, server), daemon=True)
            asks.start()
            self.pump(server, client)
            asks.join()
        with self.lock:
            self.open -= 1

    @staticmethod
    def pump(source, to):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data)
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
