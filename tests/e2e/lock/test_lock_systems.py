# SPDX-License-Identifier: Apache-2.0
"""The lock files of policies/: what `aweigh lock` makes of each system's own policy and a hub of the tests'. The golden ones
are written anew with AWEIGH_GOLDEN=write."""

import json
import os
import re
import shutil

import pytest
from hub_server import Hub, one_repo
from models import bert_files, gguf, minilm_files
from world import ROOT

YOMITOKU = {"config.json": b"{}", "detector/model.safetensors": bert_files()["model.safetensors"]}
SYSTEMS = ["air-gapped-image", "bucket-on-cloud-run", "build-behind-a-proxy", "ci-cache", "shared-volume"]


def repos_of(system):
    """The repositories that its policy and its manifest name, each of other files."""
    text = "".join((ROOT / "policies" / system / name).read_text() for name in ("policy.ini", "model_manifest.txt") if (ROOT / "policies" / system / name).exists())
    ids = set(re.findall(r"^repo\s*=\s*(\S+)", text, re.M)) | set(re.findall(r"^([\w.-]+(?:/[\w.-]+)?)(?= gguf:|$)", text, re.M))
    out = {}
    for repo in sorted(ids):
        files = {**minilm_files(), "README.md": repo.encode()}
        named = re.search(rf"^{re.escape(repo)}.*gguf:(\S+)", text, re.M)
        if named:
            files = {named[1]: gguf(), "README.md": repo.encode()}
        out.update(one_repo(files, repo=repo))
    return out


class System:
    def __init__(self, world, name, hub):
        self.world, self.folder = world, world.path / name
        shutil.copytree(ROOT / "policies" / name, self.folder)
        self.policy, self.lock = self.folder / "policy.ini", self.folder / "aweigh.lock"
        text = self.policy.read_text()
        assert "; lock = aweigh.lock" in text, "each policy says how its lock file is used"
        self.text = text.replace("; lock = aweigh.lock", "lock = aweigh.lock").replace("= /app/models/yomitoku", f"= {world.path}/yomitoku")
        # The hub of the test, any user, and no place of the container's.
        self.text = re.sub(r"^(user|owner|deadline|hub_cache|min_size)\s*=.*$", "", self.text, flags=re.M)
        self.text = re.sub(r"^mode\s*=.*$", f"mode = auto\nhub_cache = {world.path}/cache", self.text, flags=re.M)
        self.text = self.text.split("[paths]")[0].split("[packages]")[0]
        self.policy.write_text(self.text + f"\n[fetch]\nendpoint = {hub}\nallow_http = yes\n")

    def run(self, *args):
        return self.world.run(*args[:1], "-p", str(self.policy), *args[1:], env={"HF_HUB_CACHE": str(self.world.path / "cache")})


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_system_has_its_lock(world, name):
    golden = ROOT / "policies" / name / "aweigh.lock"
    for path, data in YOMITOKU.items():
        (world.path / "yomitoku" / path).parent.mkdir(parents=True, exist_ok=True)
        (world.path / "yomitoku" / path).write_bytes(data)
    with Hub(repos_of(name)) as hub:
        system = System(world, name, hub.url)
        system.lock.unlink(missing_ok=True)
        result = system.run("lock")
        assert result.status == 0, result
        if os.environ.get("AWEIGH_GOLDEN") == "write":
            golden.write_bytes(system.lock.read_bytes())
        assert system.lock.read_bytes() == golden.read_bytes()
        assert system.run("lock", "--check").status == 0
        if name == "air-gapped-image":   # its models are laid out by a build
            return
        result = system.run("fetch", "--format", "json")
        assert result.status == 0, result
    result = system.run("check", "--verify", "digest", "--format", "json")
    assert result.status == 0 and not [code for code in result.codes() if code.startswith("lock.")], result
    assert all(model["level"] == "digest" for model in result.report["models"])
    assert len(json.loads(golden.read_text())["models"]) == len(result.report["models"])
