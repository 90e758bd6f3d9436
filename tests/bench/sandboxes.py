# SPDX-License-Identifier: Apache-2.0
"""The gate and init in the real gVisor (Debian's runsc, ptrace platform): at most 50 ms and 100 ms there (issue 15, platform.md 3)."""

import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e" / "run"))

ROUNDS = 15


def bench_gvisor(folder):
    if not shutil.which("runsc") or os.geteuid() != 0:
        print("gVisor                                   needs runsc, as root")
        return
    from image import reachable
    from test_gvisor import INIT, Sandbox

    sandbox = Sandbox(reachable(Path(folder)))

    def took(*words, **options):
        bundle = sandbox.bundle(words, **options)
        begun = time.monotonic()
        started = sandbox.started(bundle)
        status = started.status()
        assert status == 0, started.err()
        return (time.monotonic() - begun) * 1000, started

    rows = {"plain": [], "exec": [], "init": []}
    gates = []
    for _ in range(ROUNDS):   # in turn, so that the machine's moods are everybody's
        rows["plain"].append(took("/payload", "0")[0])
        rows["exec"].append(took("/aweigh", "-q", "--", "/payload", "0")[0])
        rows["init"].append(took("/aweigh", "-q", "--", "/payload", "0", policy=INIT)[0])
        gates.append(json.loads(took("/aweigh", "check", "--format", "json")[1].out())["elapsed_ms"])
    plain, execs, init = (statistics.median(rows[name]) for name in ("plain", "exec", "init"))
    gate = statistics.median(gates)
    print(f"gVisor: a container that only starts     {plain:8.1f} ms")
    print(f"gVisor: the gate, by its own clock       {gate:8.1f} ms   {'within' if gate <= 50 else 'ABOVE'} 50 ms")
    print(f"gVisor: exec mode, from start to end     {execs:8.1f} ms   {execs - plain:+.1f} ms")
    print(f"gVisor: init beside exec mode            {init:8.1f} ms   {init - execs:+.1f} ms, {'within' if init - execs <= 100 else 'ABOVE'} 100 ms")
    sandbox.clean()
