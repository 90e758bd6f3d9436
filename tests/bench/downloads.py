# SPDX-License-Identifier: Apache-2.0
"""BENCH=fetch: what a fetch takes beside curl, aria2c and the hub's own client, from nginx on loopback over TLS."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import certificates  # noqa: E402
from models import COMMIT, git_sha1  # noqa: E402

AWEIGH, HF = str(ROOT / "build/aweigh"), str(ROOT / "build/venv-hub-2/bin/hf")
SPAWN = ROOT / "build/bench/spawn"


class Site:
    """nginx as a hub of static files: a repository's list, its revision, its files with the headers that clients want."""

    def __init__(self, folder, port=8443):
        self.folder, self.port, self.etags = Path(folder), port, {}
        self.ca, self.server = certificates.make(self.folder / "ca")
        self.url = f"https://127.0.0.1:{port}"

    def add(self, repo, files):
        """files: path -> (size, sha256 or None, bytes or None where the file is there already)."""
        base, entries = self.folder / "www" / repo / "resolve" / COMMIT, []
        base.mkdir(parents=True, exist_ok=True)
        for path, data in files.items():
            if isinstance(data, bytes):
                (base / path).write_bytes(data)
                oid, entry = git_sha1(data), {"size": len(data)}
            else:
                size, sha = data
                oid, entry = "0" * 40, {"size": size, "lfs": {"oid": sha, "size": size, "pointerSize": 134}}
            entries.append({"type": "file", "path": path, "oid": oid, **entry})
            self.etags[f"/{repo}/resolve/{COMMIT}/{path}"] = entry["lfs"]["oid"] if "lfs" in entry else oid
        api = self.folder / "www/api/models" / repo
        (api / "tree").mkdir(parents=True, exist_ok=True)
        (api / "revision").mkdir(exist_ok=True)
        (api / "tree" / COMMIT).write_text(json.dumps(entries))
        info = json.dumps({"id": repo, "sha": COMMIT, "siblings": [{"rfilename": e["path"]} for e in entries], "tags": [], "private": False, "gated": False})
        (api / "revision" / "main").write_text(info)
        (api / "revision" / COMMIT).write_text(info)

    def start(self, limit="", zone=""):
        etags = "".join(f'"{path}" "{etag}";\n' for path, etag in self.etags.items())
        (self.folder / "nginx.conf").write_text(f"""daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log; user root;
events {{ worker_connections 512; }}
http {{ access_log {self.folder}/access.log; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s; map_hash_bucket_size 256; map_hash_max_size 8192; sendfile on; keepalive_requests 100000;
log_format bytes '$request_method $uri $body_bytes_sent'; access_log {self.folder}/access.log bytes;
map $uri $digest {{ {etags} }} {zone}
server {{ listen 127.0.0.1:{self.port} ssl; ssl_certificate {self.server}; ssl_certificate_key {self.server}; root {self.folder}/www; {limit}
location /api/ {{ default_type application/json; }}
location / {{ etag off; add_header ETag '"$digest"'; add_header X-Repo-Commit {COMMIT}; add_header X-Linked-ETag '"$digest"'; }} }} }}
""")
        self.process = subprocess.Popen(["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log"], stderr=subprocess.DEVNULL)
        time.sleep(0.5)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def sent(self, path):
        return sum(int(line.split()[2]) for line in (self.folder / "access.log").read_text().splitlines() if path in line.split()[1])

    def forget(self):
        open(self.folder / "access.log", "w").close()


def big_file(path, size):
    """A safetensors file of random bytes; returns its SHA-256."""
    head = json.dumps({"w": {"dtype": "U8", "shape": [size - 128], "data_offsets": [0, size - 128]}}).encode().ljust(120)
    digest, chunk = hashlib.sha256(), os.urandom(1 << 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        data = len(head).to_bytes(8, "little") + head
        out.write(data)
        digest.update(data)
        left, i = size - 128, 0
        while left > 0:
            block = (i.to_bytes(8, "little") + chunk[8:])[:left]
            out.write(block)
            digest.update(block)
            left, i = left - len(block), i + 1
    return digest.hexdigest()


def timed(rounds, *commands, before=None):
    """Medians in milliseconds of each command, and the largest kB. In a new order each round: who comes after whom matters by some percent."""
    times, largest = [[] for _ in commands], [0] * len(commands)
    for _ in range(rounds):
        for i in random.sample(range(len(commands)), len(commands)):
            command, env = commands[i]
            before()
            # A small static parent: a child of Python begins with Python's pages in its account.
            out = subprocess.run([SPAWN, "1", *map(str, command)], env={"PATH": os.environ["PATH"], "HOME": "/tmp", **env}, capture_output=True, text=True,
                                 stdin=subprocess.DEVNULL)
            assert out.returncode == 0, (command, out)
            us, kb = out.stdout.split()[-2:]
            times[i].append(float(us) / 1000)
            largest[i] = max(largest[i], int(kb))
    return [(sorted(t)[len(t) // 2], kb) for t, kb in zip(times, largest)]


def bench_fetch(folder):
    # In memory where there is room, so that it is not the disk that is measured; aweigh waits for the disk, curl does not.
    if shutil.disk_usage("/dev/shm").free > 10 << 30:
        folder = tempfile.mkdtemp(dir="/dev/shm")
    try:
        bench_site(Path(folder))
    finally:
        shutil.rmtree(folder)


def bench_site(folder):
    site, hub, out = Site(folder), folder / "hub", folder / "out"
    policy = folder / "policy.ini"

    def write(repo, mode="auto", more=""):
        policy.write_text(f"[policy]\nmode = {mode}\nhub_cache = {hub}\nverify = size\ndeadline = 600s\n[model m]\nrepo = {repo}\n[fetch]\nendpoint = {site.url}\nca_bundle = {site.ca}\n[severity]\nmodel.no-weights = off\n{more}")

    def clean():
        shutil.rmtree(hub, ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()

    def address(repo):
        return f"{site.url}/{repo}/resolve/{COMMIT}/model.safetensors"

    def curl(repo):
        return (["curl", "-s", "--cacert", site.ca, "-o", out / "x", address(repo)], {})

    def settle():
        # What was just freed goes back to the host within a moment. Without a wait each command would find as much of it as its predecessor
        # was slow; with it, all write into memory that is fresh, as in a container that has just started.
        clean()
        time.sleep(3)

    env = {"HF_HUB_CACHE": str(hub)}
    their_env = {"HF_HUB_CACHE": str(hub), "HF_ENDPOINT": site.url, "SSL_CERT_FILE": str(site.ca), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
                 "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    size, middle, small = 2 << 30, 512 << 20, 400 << 20
    for repo, length in (("org/big", size), ("org/middle", middle), ("org/slow", small)):
        path = site.folder / "www" / repo / "resolve" / COMMIT / "model.safetensors"
        site.add(repo, {"config.json": b'{"model_type": "x"}', "tokenizer.json": b"{}", "model.safetensors": (length, big_file(path, length))})
    site.add("org/many", {"config.json": b'{"model_type": "x"}', **{f"f{i:04}.txt": os.urandom(10_000).hex().encode() for i in range(1000)}})
    site.start()
    try:
        write("org/big")
        ours = ([AWEIGH, "fetch", "-q", "-p", policy], env)
        aria = (["aria2c", "-q", "-x8", "-s8", f"--ca-certificate={site.ca}", "--file-allocation=none", "-d", out, "-o", "x", address("org/big")], {})
        hf = ([HF, "download", "org/big"], their_env)
        (a, kb), (b, _), (c, _), (d, dkb) = timed(12, ours, curl("org/big"), aria, hf, before=settle)
        print(f"2 GB in one file, hashed                 {a:8.0f} ms   {size / a / 1e6:.2f} GB/s, {kb / 1000:.1f} MB")
        print(f"curl -o, not hashed                      {b:8.0f} ms   {b / a * 100:.0f} % of it reached")
        print(f"aria2c -x8, not hashed                   {c:8.0f} ms   {c / a * 100:.0f} % of it reached")
        print(f"hf download, not hashed                  {d:8.0f} ms   {d / a:.1f} times, {dkb / 1000:.0f} MB")

        write("org/middle")
        (a, _), (b, _) = timed(12, ours, curl("org/middle"), before=clean)
        print(f"512 MB, memory at hand, hashed           {a:8.0f} ms   {middle / a / 1e6:.2f} GB/s")
        print(f"curl -o, not hashed                      {b:8.0f} ms   {b / a * 100:.0f} % of it reached")

        clean()
        write("org/big")
        process = subprocess.Popen(ours[0], env={"PATH": os.environ["PATH"], **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while site_partial(hub) < size * 0.9 and process.poll() is None:
            time.sleep(0.001)
        subprocess.run(["pkill", "-KILL", "-P", str(process.pid)])
        process.kill()
        process.wait()
        there = site_partial(hub)
        time.sleep(1)   # until nginx has written down what it sent to the one that is gone
        site.forget()
        ((e, ekb),) = timed(1, ours, before=lambda: None)
        time.sleep(0.3)
        moved = site.sent("model.safetensors")
        print(f"resume at {there / size * 100:.0f} % of 2 GB                   {e:8.0f} ms   {moved / 1e6:.0f} MB moved ({moved / size * 100:.1f} %), {ekb / 1000:.1f} MB")

        offline = folder / "offline.ini"
        offline.write_text(policy.read_text().replace("mode = auto", "mode = offline"))
        site.forget()
        (f, _), (g, _) = timed(102, ([AWEIGH, "-q", "-p", policy, "--", "/bin/true"], env), ([AWEIGH, "-q", "-p", offline, "--", "/bin/true"], env), before=lambda: None)
        print(f"a complete model in auto                 {f:8.2f} ms   {f - g:+.2f} ms beside offline, {len((site.folder / 'access.log').read_text())} requests")

        write("org/many")
        (h, hkb), (i, _) = timed(4, ours, ([HF, "download", "org/many"], their_env), before=clean)
        print(f"1,000 files of 20 kB                     {h:8.0f} ms   {hkb / 1000:.1f} MB")
        print(f"hf download                              {i:8.0f} ms   {i / h:.1f} times")
        site.stop()
        # nginx sleeps whole milliseconds after each send: with its own 64 kB, eight connections get 16 MB/s each, and one alone gets 20.
        site.start("limit_rate 20m; output_buffers 2 512k;")
        write("org/slow")
        (j, jkb), (k, _) = timed(3, ours, curl("org/slow"), before=clean)
        print(f"400 MB, each connection at 20 MB/s       {j:8.0f} ms   {jkb / 1000:.1f} MB")
        print(f"curl -o                                  {k:8.0f} ms   {k / j:.1f} times")
    finally:
        site.stop()


def site_partial(hub):
    """Bytes that a partial file's chunk marks say are there."""
    for path in hub.rglob("*.incomplete"):
        try:
            with open(path, "rb") as file:
                length = os.fstat(file.fileno()).st_size
                file.seek(length - 24)
                footer = file.read(24)
                size, chunk = int.from_bytes(footer[8:16], "little"), int.from_bytes(footer[16:24], "little")
                if footer[:6] != b"aweigh" or size < 1 << 30:
                    continue
                file.seek(size)
                return file.read(length - 24 - size).count(1) * chunk
        except (OSError, ValueError):
            pass
    return 0
