# SPDX-License-Identifier: Apache-2.0
"""The lock file: what it adds to the gate, what a large one costs, and making one beside the digest level and tools of others."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from hub_server import Hub, one_repo  # noqa: E402
from models import COMMIT, Repo, bert_files, safetensors  # noqa: E402

AWEIGH = str(ROOT / "build" / "aweigh")


def policy(folder, name, hub, models, lock=None):
    path = Path(folder) / f"{name}.ini"
    path.write_text(f"[policy]\nhub_cache = {hub}\n" + (f"lock = {lock}\n" if lock else "") + "".join(f"[model {m}]\nrepo = org/{m}\n" for m in models))
    return str(path)


def timed(command, env=None, rounds=3):
    """Median milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, capture_output=True, env={"PATH": os.environ["PATH"], "HOME": "/tmp", **(env or {})})
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)[len(times) // 2]


def large(path, count):
    files = sorted((f"data/part-{i // 1000:04}/file-{i:06}.json", i, hashlib.sha256(str(i).encode()).hexdigest()) for i in range(count))
    whole = hashlib.sha256("\n".join(sorted(f"{h}  {p}" for p, _, h in files)).encode()).hexdigest()
    model = {"name": "m", "repo": "org/other", "revision": "main", "commit": COMMIT, "set": f"sha256:{whole}", "files": [{"path": p, "size": s, "sha256": h} for p, s, h in files]}
    path.write_text(json.dumps({"aweigh_lock": 1, "models": [model]}))


def bench_lock(folder):
    from bench import spawn
    hub, names = Path(folder) / "hub", [f"m{i}" for i in range(5)]
    for name in names:
        Repo(hub, f"org/{name}").all({**bert_files(), **{f"extra{i}.json": b'{"a": [1, 2, 3]}' for i in range(9)}}).ref().manifest()
    without, locked = policy(folder, "without", hub, names), policy(folder, "with", hub, names, "aweigh.lock")
    env = {"HF_HUB_CACHE": str(hub)}
    subprocess.run([AWEIGH, "lock", "--aboard", "-p", locked], check=True, capture_output=True)
    (plain, _), (with_lock, _) = spawn(301, [AWEIGH, "check", "-q", "-p", without], [AWEIGH, "check", "-q", "-p", locked], env=env)
    print(f"gate, 5 models, 60 files                 {plain:8.2f} ms")
    print(f"the same with a lock file                {with_lock:8.2f} ms   {with_lock - plain:+.2f} ms")
    large(Path(folder) / "large.lock", 100_000)
    refused = policy(folder, "large", hub, ["m"], "large.lock")   # of another repository, so that nothing but the lock file is read
    ((ms, kb),) = spawn(11, ["/bin/sh", "-c", f"{AWEIGH} check -q -p {refused} >/dev/null || exit 0"], env=env)
    print(f"a lock file of 100,000 files             {ms:8.1f} ms   {kb / 1000:.1f} MB")
    files = {**bert_files(), **{f"model-{i}.safetensors": safetensors({"w": 134_000_000}, fill=bytes([64 + i])) for i in range(4)}}
    del files["model.safetensors"]
    whole = Repo(Path(folder) / "big", "org/m").all(files).ref().manifest()
    big, digest = policy(folder, "big", Path(folder) / "big", ["m"], "big.lock"), policy(folder, "digest", Path(folder) / "big", ["m"])
    env = {"HF_HUB_CACHE": str(Path(folder) / "big")}
    hashed = timed([AWEIGH, "check", "-q", "--verify", "digest", "-p", digest], env)
    made = timed([AWEIGH, "lock", "--aboard", "-q", "-p", big], env)
    held = timed([AWEIGH, "check", "-q", "--verify", "digest", "-p", big], env)
    print(f"digest of 2 GB in 4 files                {hashed:8.0f} ms")
    print(f"lock --aboard of the same                {made:8.0f} ms   {hashed / made * 100:.0f} % of its speed")
    print(f"held against the lock file               {held:8.0f} ms")
    with Hub(one_repo(files)) as server:
        hf = timed([ROOT / "build/venv-hub-2/bin/hf", "cache", "verify", "org/m"], {**env, "HF_ENDPOINT": server.url, "HF_HUB_DISABLE_TELEMETRY": "1"}, 1)
    print(f"hf cache verify                          {hf:8.0f} ms   {hf / held:.1f} times")
    code = "import sys, model_signing; model_signing.hashing.Config().set_allow_symlinks(True).hash(sys.argv[1])"
    signing = timed([ROOT / "build/venv-signing/bin/python", "-c", code, whole.snapshot], rounds=1)
    print(f"model_signing, its hashing alone         {signing:8.0f} ms   {signing / held:.1f} times")
