# SPDX-License-Identifier: Apache-2.0
"""BENCH=volumes: fetches onto mounted buckets, from a server that takes two connections, and behind an endpoint that does not answer."""

import shutil
import socket
import sys
import threading
from pathlib import Path

from downloads import AWEIGH, HF, Site, big_file, timed

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from models import COMMIT  # noqa: E402
from storages import rclone, s3_server, s3fs  # noqa: E402


def bench_volumes(folder):
    folder = Path(folder)
    site, size = Site(folder), 2 << 30
    site.add("org/many", {"config.json": b'{"model_type": "x"}', **{f"f{i:04}.txt": b"%d " % i * 2000 for i in range(1000)}})
    path = site.folder / "www" / "org/big" / "resolve" / COMMIT / "model.safetensors"
    site.add("org/big", {"config.json": b'{"model_type": "x"}', "tokenizer.json": b"{}", "model.safetensors": (size, big_file(path, size))})
    site.start()
    try:
        on_buckets(folder, site)
        behind_a_dead_endpoint(folder, site)
        site.stop()
        site.start("limit_conn one 2;", "limit_conn_zone $binary_remote_addr zone=one:1m;")
        with_two_connections(folder, site, size)
    finally:
        site.stop()


def ours(folder, hub, repo, endpoints, ca):
    folder.mkdir(exist_ok=True)
    policy = folder / "policy.ini"
    policy.write_text(f"[policy]\nmode = auto\nhub_cache = {hub}\nverify = size\ndeadline = 3600s\n[model m]\nrepo = {repo}\n"
                      f"[fetch]\nendpoint = {endpoints}\nca_bundle = {ca}\n[severity]\nmodel.no-weights = off\n")
    return [AWEIGH, "fetch", "-q", "-p", policy], {"HF_HUB_CACHE": str(hub)}


def theirs(hub, repo, site):
    return [HF, "download", repo], {"HF_HUB_CACHE": str(hub), "HF_ENDPOINT": site.url, "SSL_CERT_FILE": str(site.ca), "HF_HUB_DISABLE_XET": "1",
                                    "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}


def on_buckets(folder, site):
    with s3_server(folder) as server:
        for name, mount in (("s3fs", s3fs(server, server.bucket(), folder / "s3fs")), ("rclone", rclone(server, server.bucket(), folder / "rclone", "writes", "1s"))):
            with mount as volume:
                # Each into a folder of its own: buckets forget slowly.
                (a, _), = timed(1, ours(folder, volume / "ours", "org/many", site.url, site.ca), before=lambda: None)
                (b, _), = timed(1, theirs(volume / "theirs", "org/many", site), before=lambda: None)
            print(f"1,000 small files onto {name:17} {a:8.0f} ms")
            print(f"hf download                              {b:8.0f} ms   {b / a:.1f} times")


def behind_a_dead_endpoint(folder, site):
    """It takes connections and says nothing."""
    hub = folder / "hub"
    with socket.create_server(("127.0.0.1", 0), backlog=64) as dead:
        threading.Thread(target=hold, args=(dead,), daemon=True).start()
        both = f"https://127.0.0.1:{dead.getsockname()[1]}, {site.url}"
        (a, _), (b, _) = timed(3, ours(folder / "one", hub, "org/many", both, site.ca), ours(folder / "two", hub, "org/many", site.url, site.ca),
                               before=lambda: shutil.rmtree(hub, ignore_errors=True))
    print(f"1,000 small files, first endpoint dead   {a:8.0f} ms   {a - b:+.0f} ms beside the second alone")


def hold(dead):
    held = []
    while True:
        try:
            held.append(dead.accept())
        except OSError:
            return


def with_two_connections(folder, site, size):
    hub, out = folder / "hub", folder / "out"

    def clean():
        shutil.rmtree(hub, ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()

    curl = (["curl", "-s", "--cacert", site.ca, "-o", out / "x", f"{site.url}/org/big/resolve/{COMMIT}/model.safetensors"], {})
    (a, _), (b, _) = timed(3, ours(folder, hub, "org/big", site.url, site.ca), curl, before=clean)
    print(f"2 GB, two connections allowed, hashed    {a:8.0f} ms   {size / a / 1e6:.2f} GB/s")
    print(f"curl -o, not hashed                      {b:8.0f} ms   {b / a * 100:.0f} % of it reached")
