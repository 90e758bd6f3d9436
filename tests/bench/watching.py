# SPDX-License-Identifier: Apache-2.0
"""What observing costs a service, and what a health check costs."""

import socket
import statistics
import subprocess
import time
from pathlib import Path

from models import Repo, bert_files

ROOT = Path(__file__).resolve().parents[2]
AWEIGH = str(ROOT / "build" / "aweigh")
PYTHON = str(ROOT / "build" / "venv-model" / "bin" / "python")
ROUNDS = 25


def timed(rounds, *commands, env=None):
    """Median milliseconds of each command, run in turn."""
    rows = [[] for _ in commands]
    for number in range(rounds + 1):
        for row, command in zip(rows, commands):
            start = time.perf_counter()
            subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if number > 0:  # the first fills the caches
                row.append((time.perf_counter() - start) * 1000)
    return [statistics.median(row) for row in rows]


def beside(name, plain, observed):
    print(f"{name:40} {plain:8.1f} ms")
    print(f"{'the same under smoke':40} {observed:8.1f} ms   {observed / plain * 100:.0f} %")


def bench_smoke(folder):
    hub = Path(folder) / "hub"
    Repo(hub).all(bert_files()).ref()
    policy = Path(folder) / "policy.ini"
    policy.write_text(f"[policy]\nhub_cache = {hub}\n[model m]\nrepo = org/m\n[service]\nready = exit\n")
    smoke = [AWEIGH, "smoke", "-q", "-p", str(policy), "--"]
    imports = [PYTHON, "-c", "import fastapi, huggingface_hub, numpy, safetensors.numpy, tokenizers, uvicorn"]
    beside("Python imports what serves a model", *timed(ROUNDS, imports, smoke + imports))
    opens = [PYTHON, "-S", "-c", f"import os\nfor _ in range(20000): os.close(os.open({str(hub)!r}, 0))"]
    beside("20,000 opens, and nothing else", *timed(5, opens, smoke + opens))
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        (probe,) = timed(101, [AWEIGH, "probe", f"tcp:{server.getsockname()[1]}"])
    print(f"{'probe of a port, with its start':40} {probe:8.2f} ms")
