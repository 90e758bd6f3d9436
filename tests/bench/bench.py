# SPDX-License-Identifier: Apache-2.0
"""make bench: speed as ratios in one run, medians, beside tini-static, Python, sha256sum and openssl speed.
BENCH="gate digest scale lock smoke init gvisor fetch volumes size" selects."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.path.insert(0, str(ROOT / "tests" / "bench"))
from downloads import bench_fetch  # noqa: E402, F401
from supervising import bench_init  # noqa: E402, F401
from locks import bench_lock  # noqa: E402, F401
from sandboxes import bench_gvisor  # noqa: E402, F401
from volumes import bench_volumes  # noqa: E402, F401
from watching import bench_smoke  # noqa: E402, F401
from models import COMMIT, Repo, bert_files, safetensors, sha256  # noqa: E402

AWEIGH = str(ROOT / "build" / "aweigh")
HUB = str(ROOT / "build" / "venv-hub-0" / "bin" / "python")
BUILD = ROOT / "build" / "bench"
BUILD.mkdir(parents=True, exist_ok=True)
for name, source in (("spawn", (ROOT / "tests/bench/spawn.c").read_text()), ("inits", (ROOT / "tests/bench/inits.c").read_text()), ("true", "int main(void) { return 0; }\n")):
    subprocess.run([ROOT / "build/deps/bin/mcc", "-Os", "-static", "-D_GNU_SOURCE", "-I", ROOT / "tests/bench", "-x", "c", "-", "-o", BUILD / name], input=source, text=True, check=True)
TRUE = str(BUILD / "true")


def spawn(rounds, *commands, env=None):
    """Median milliseconds and largest kB of each command, run in turn."""
    words = []
    for command in commands:
        words += (["---"] if words else []) + list(map(str, command))
    out = subprocess.run([BUILD / "spawn", str(rounds), *words], env={"PATH": os.environ["PATH"], "HOME": "/tmp", **(env or {})},
                         capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines() if re.fullmatch(r"[\d.]+ \d+", line)]
    return [(float(ms) / 1000, int(kb)) for ms, kb in rows]


def policy(folder, hub, names, extra=""):
    path = Path(folder) / "policy.ini"
    path.write_text(f"[policy]\nmode = offline\nhub_cache = {hub}\n{extra}\n" + "".join(f"[model m{i}]\nrepo = {name}\n" for i, name in enumerate(names)))
    return str(path)


def bench_gate(folder):
    hub = Path(folder) / "hub"
    files = {f"extra{i}.json": b'{"a": [1, 2, 3], "b": "text"}' * 1 for i in range(9)}
    names = [f"org/model{i}" for i in range(5)]
    for name in names:
        Repo(hub, name).all({**bert_files(), **files}).ref().manifest()
    full = policy(folder, hub, names)
    empty = Path(folder) / "empty.ini"
    empty.write_text("[policy]\nmode = offline\n")
    env = {"HF_HUB_CACHE": str(hub)}
    (tini, _), (gate, kb), (bare, _) = spawn(301, ["tini-static", "--", TRUE], [AWEIGH, "-q", "-p", full, "--", TRUE], [AWEIGH, "-q", "-p", empty, "--", TRUE], env=env)
    print(f"tini-static                              {tini:8.2f} ms")
    print(f"gate, empty policy                       {bare:8.2f} ms   {bare - tini:+.2f} ms beside tini-static")
    print(f"gate, 5 models, 60 files, structure      {gate:8.2f} ms   {gate - tini:+.2f} ms beside tini-static, {kb / 1000:.1f} MB")
    if os.path.exists(HUB):
        code = f"from huggingface_hub import snapshot_download as s; [s(n, local_files_only=True) for n in {names!r}]"
        ((python, kb),) = spawn(5, [HUB, "-c", code], env=env)
        print(f"the same with huggingface_hub in Python  {python:8.2f} ms   {python / gate:.0f} times the gate, {kb / 1000:.0f} MB")


def bench_digest(folder):
    hub, size, files = Path(folder) / "hub", 512 << 20, 4
    repo = Repo(hub).all(bert_files()).ref()
    chunk = os.urandom(1 << 20)
    import hashlib

    for i in range(files):
        digest, blob = hashlib.sha256(), repo.folder / "blobs" / "new"
        with open(blob, "wb") as out:
            for _ in range(size >> 20):
                block = bytes([i]) + chunk[1:]
                digest.update(block)
                out.write(block)
        blob.rename(blob.parent / digest.hexdigest())
        (repo.snapshot / f"part{i}.bin").symlink_to(f"../../blobs/{digest.hexdigest()}")
    path = policy(folder, hub, ["org/m"], "verify = digest\n[severity]\nmodel.pickle = off")
    blobs = sorted(str((repo.snapshot / f"part{i}.bin").resolve()) for i in range(files))
    env = {"HF_HUB_CACHE": str(hub)}
    cores = len(os.sched_getaffinity(0))
    (ours, kb), (coreutils, _), (parallel, _) = spawn(5, [AWEIGH, "check", "-q", "-p", path], ["sha256sum", *blobs],
                                                     ["sh", "-c", f"printf '%s\\n' {' '.join(blobs)} | xargs -P {cores} -n 1 sha256sum"], env=env)
    speed = subprocess.run(["openssl", "speed", "-multi", str(cores), "-seconds", "2", "-bytes", "16384", "-evp", "sha256"], capture_output=True, text=True).stdout
    rate = float(re.findall(r"([\d.]+)k\s*$", speed, re.M)[-1]) * 1000
    ideal = files * size / rate * 1000
    print(f"digest of 2 GB in 4 files, {cores} cores          {ours:8.0f} ms   {files * size / ours / 1e6:.2f} GB/s, {kb / 1000:.1f} MB")
    print(f"openssl speed sha256, {cores} cores               {ideal:8.0f} ms   {ideal / ours * 100:.0f} % of it reached")
    print(f"sha256sum                                {coreutils:8.0f} ms   {coreutils / ours:.1f} times")
    print(f"sha256sum, {cores} at once                      {parallel:8.0f} ms   {parallel / ours:.1f} times")


def bench_scale(folder):
    for count in (1000, 10_000):
        hub = Path(folder) / f"hub{count}"
        first = Repo(hub, "org/m0", commit=COMMIT).all({"config.json": b'{"model_type": "x"}', "tokenizer.json": b"{}", "model.safetensors": safetensors()}).ref()
        names = [f"org/m{i}" for i in range(count)]
        for name in names[1:]:
            shutil.copytree(first.folder, hub / ("models--" + name.replace("/", "--")), symlinks=True)
        path = policy(folder, hub, names)
        ((ms, kb),) = spawn(5, [AWEIGH, "check", "-q", "-p", path], env={"HF_HUB_CACHE": str(hub)})
        print(f"{count:6} models                            {ms:8.1f} ms   {ms * 1000 / count:.1f} us a model, {kb / 1000:.1f} MB")
        shutil.rmtree(hub)
    for count in (10_000, 100_000):
        hub = Path(folder) / f"files{count}"
        repo = Repo(hub).all(bert_files()).ref()
        blob = os.path.relpath(repo.blob("tokenizer.json"), repo.snapshot)
        for i in range(count // 100):
            (repo.snapshot / f"d{i}").mkdir()
            for j in range(100):
                (repo.snapshot / f"d{i}" / f"f{j}.json").symlink_to("../" + blob)
        path = policy(folder, hub, ["org/m"])
        ((ms, kb),) = spawn(5, [AWEIGH, "check", "-q", "-p", path], env={"HF_HUB_CACHE": str(hub)})
        print(f"{count:6} files in a snapshot               {ms:8.1f} ms   {ms * 1000 / count:.1f} us a file, {kb / 1000:.1f} MB")
        shutil.rmtree(hub)


def bench_size(_):
    for name in ("build/aweigh", "build/nofetch/aweigh"):
        if (ROOT / name).exists():
            print(f"{name:40} {(ROOT / name).stat().st_size:9} bytes")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["gate", "digest", "scale", "lock", "smoke", "init", "gvisor", "fetch", "volumes", "size"]:
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            globals()[f"bench_{name}"](folder)
