# SPDX-License-Identifier: Apache-2.0
"""Servers and proxies of others, started beside a test."""

import os
import shutil
import socket
import subprocess
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
