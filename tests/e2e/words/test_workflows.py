# SPDX-License-Identifier: Apache-2.0
"""The workflows and the action: by the schemas of others, by an auditor, and by running the action's own shell."""

import shutil
import subprocess

import pytest
import yaml
from hub_server import Hub, one_repo
from models import bert_files
from world import ROOT

BIN = ROOT / "build/venv/bin"
ACTION = ROOT / ".github/actions/aweigh/action.yml"


def test_schemas_and_audit():
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    subprocess.run([BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows], check=True, capture_output=True)
    subprocess.run([BIN / "check-jsonschema", "--builtin-schema", "vendor.github-actions", ACTION], check=True, capture_output=True)
    result = subprocess.run([BIN / "zizmor", "--offline", "--no-progress", ROOT / ".github"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def step(world, **env):
    """The step `check`, as a runner starts it: bash -e -o pipefail, outputs in a file."""
    action = yaml.safe_load(ACTION.read_text())
    check = next(s for s in action["runs"]["steps"] if s.get("id") == "check")
    assert "${{" not in check["run"], "inputs come by the environment, never as text of a script"
    output = world.path / "output"
    output.write_text("")
    inputs = {"AWEIGH": str(world.binary), "POLICY": str(world.policy_file), "VERIFY": action["inputs"]["verify"]["default"]}
    assert set(check["env"]) == set(inputs)
    result = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", check["run"]], capture_output=True, text=True,
                            env={**world.env, **inputs, "GITHUB_OUTPUT": str(output), "GITHUB_ACTIONS": "true", **env})
    return result.returncode, dict(line.split("=") for line in output.read_text().splitlines()), result


def test_the_action_checks_fetches_and_says_so(world):
    with Hub(one_repo(bert_files())) as hub:
        world.policy(f"[policy]\nmode = auto\nhub_cache = {world.hub}\n[model m]\nrepo = org/m\n[fetch]\nendpoint = {hub.url}\nallow_http = yes\n")
        assert step(world)[:2] == (0, {"fetched": "yes", "status": "0"})
        assert step(world)[:2] == (0, {"status": "0"}), "what was restored whole is not saved again"
        next(world.hub.glob("models--org--m/snapshots/*/config.json")).unlink()
        assert step(world)[:2] == (0, {"fetched": "yes", "status": "0"}), "what was restored incomplete is completed"
    shutil.rmtree(world.hub / "models--org--m")
    status, outputs, result = step(world)
    assert status in (69, 75) and outputs["status"] == str(status) and "::error" in result.stdout, result


@pytest.mark.parametrize("policy, status", [("[policy]\nmoed = x\n", 78)])
def test_what_no_fetch_mends_is_not_fetched(world, policy, status):
    world.policy(policy)
    assert step(world)[:2] == (status, {"status": str(status)})
