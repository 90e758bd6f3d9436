# SPDX-License-Identifier: Apache-2.0
"""init = yes beside the inits that people use: tini-static, dumb-init, catatonit."""

import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INITS = str(ROOT / "build/bench/inits")
PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def memory(command):
    """Resident, and what is nobody else's and was written, in kB; and how often it woke in a second of nothing."""
    process = subprocess.Popen([*command, INITS, "echo"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.read(8)
    time.sleep(0.3)

    def field(name, file):
        return int(next(line for line in open(f"/proc/{process.pid}/{file}") if line.startswith(name + ":")).split()[1])

    before = field("voluntary_ctxt_switches", "status")
    time.sleep(3)
    woken = (field("voluntary_ctxt_switches", "status") - before) / 3
    seen = field("Rss", "smaps_rollup"), field("Private_Dirty", "smaps_rollup"), field("Private_Clean", "smaps_rollup"), woken
    process.terminate()
    process.wait()
    return seen


def number(*words):
    out = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return float(out.stdout.split()[-1])


def bench_init(folder):
    policy = Path(folder) / "init.ini"
    policy.write_text("[service]\ninit = yes\n")
    ours = [str(ROOT / "build/aweigh"), "-q", "-p", str(policy), "--"]
    commands = {"aweigh": ours, "tini-static": ["tini-static", "--"], "dumb-init": ["dumb-init", "--"], "catatonit": ["catatonit", "--"]}
    commands = {name: command for name, command in commands.items() if shutil.which(command[0])}
    rows = {}
    for name, command in commands.items():
        rows[name] = [[], [], [], memory(command)]
    for _ in range(5):   # in turn, so that what else the machine does falls on all alike
        for name, command in commands.items():
            rows[name][0].append(number(INITS, "start", "101", *command, INITS, "now"))
            rows[name][1].append(number(INITS, "signal", "301", *command, INITS, "echo"))
            if os.geteuid() == 0:
                rows[name][2].append(number(*PID_1, *command, INITS, "reap", "10000"))
    print("init                 to exec    signal   10,000 zombies   resident   written   clean   wakes/s")
    for name, (start, signal, reap, (rss, dirty, clean, woken)) in rows.items():
        zombies = f"{statistics.median(reap) / 1000:8.0f} ms" if reap else "    as root"
        print(f"{name:16} {statistics.median(start) / 1000:8.2f} ms {statistics.median(signal):6.0f} us     {zombies}  {rss:8} kB {dirty:6} kB {clean:4} kB {woken:7.1f}")
