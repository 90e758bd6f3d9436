# SPDX-License-Identifier: Apache-2.0
"""Models that the real libraries write, and their real loaders as the oracle (tests/support/real_libraries.py). For each family:

* the whole model passes, and loads;
* each file in turn is taken away, or cut to half: where the loader refuses, aweigh refuses, and names the file;
  where the loader does without, aweigh passes. Only what is cut is refused though the loader never looks: bytes miss.

Beside each family stands where the two differ, and why.
"""

import fnmatch
import json
import os
import shutil
import subprocess

import pytest
import real_libraries
from fetching import python_of
from real_libraries import FAMILIES
from world import HANG_LIMIT

LOG = os.environ.get("AWEIGH_LIVE_LOG")   # a file for the whole table
NAMELESS = {"model.no-weights", "model.missing", "model.incomplete"}


def child(verb, name, *folders):
    env = {"PATH": os.environ["PATH"], "HOME": "/proc/nowhere", "HF_HOME": "/proc/nowhere", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
           "KERAS_BACKEND": "openvino", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "TMPDIR": str(folders[0].parent),
           "CUDA_VISIBLE_DEVICES": "", **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run([python_of("live"), "-W", "ignore", real_libraries.__file__, verb, name, *map(str, folders)], env=env, capture_output=True, timeout=5 * HANG_LIMIT)
    assert result.returncode == 0, result.stderr.decode()[-3000:]
    return [json.loads(line) for line in result.stdout.decode(errors="replace").split("\n") for line in line.split("\x1e")[1:]]


def check(binary, folder):
    policy = folder.parent / f"{folder.name}.ini"
    policy.write_text(f"[policy]\nmode = offline\n[model m]\npath = {folder}\n")
    env = {"PATH": os.environ["PATH"], "HOME": "/proc/nowhere", "HF_HUB_OFFLINE": "1"}
    result = subprocess.run([binary, "check", "-p", policy, "--format", "json"], env=env, capture_output=True, timeout=HANG_LIMIT)
    return result.returncode, json.loads(result.stdout)["findings"]


def changes(whole):
    files = sorted(str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file())
    return [(verb, file) for verb in ("without", "half") for file in files if verb == "without" or (whole / file).stat().st_size > 1]


def lay_out(whole, number, verb, file):
    folder = whole.parent / f"{number:03}"
    shutil.copytree(whole, folder)
    path = folder / file
    if verb == "half":
        path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
        return folder
    path.unlink()
    while not any(path.parent.iterdir()) and path.parent != folder:
        path = path.parent
        path.rmdir()
    return folder


def names(finding, file):
    told = finding["path"] + " " + finding["message"]
    return finding["code"] in NAMELESS or file in told or ("/" in file and file.rsplit("/", 1)[0] in told)


def matches(table, change):
    return [pattern for pattern in table if fnmatch.fnmatchcase(change, pattern)]


def disagreement(verb, file, loads, status, findings):
    errors = [f for f in findings if f["severity"] == "error"]
    if loads:
        cut = verb == "half" and errors and all(f["code"].startswith("file.") and names(f, file) for f in errors)  # bytes miss, read or not
        return None if status == 0 or cut else "TOO STRICT"
    if status == 0:
        return "PASSES"
    return None if status in (65, 66) and any(names(f, file) for f in errors) else "NOT NAMED"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_family(tmp_path, binary, family):
    whole = tmp_path / "whole"
    whole.mkdir()
    child("make", family.name, whole)
    tried = [("whole", ""), *changes(whole)]
    folders = [whole, *(lay_out(whole, i, *change) for i, change in enumerate(tried[1:], 1))]
    wrong, met = [], set()
    for (verb, file), folder, (_, loads, said) in zip(tried, folders, child("load", family.name, *folders), strict=True):
        assert loads or verb != "whole", said
        status, findings = check(binary, folder)
        fault = disagreement(verb, file, loads, status, findings)
        told = "; ".join(f"{f['severity']} {f['code']} {f['path']} {f['message']}" for f in findings if f["severity"] != "note")
        line = f"{fault or 'agree'} | {family.name} | {verb} {file} | {said.strip().splitlines()[-1][:160]} | {status} {told[:300]}".replace(str(folder), "DIR")
        if LOG:
            with open(LOG, "a") as log:
                log.write(line + "\n")
        known = fault == "PASSES" and matches(family.guesses, f"{verb} {file}")
        met.update(known if fault and known else [])
        if fault and not known:
            wrong.append(line)
    assert not wrong, "\n" + "\n".join(wrong)
    assert met == set(family.guesses), f"these agree: {set(family.guesses) - met}"
