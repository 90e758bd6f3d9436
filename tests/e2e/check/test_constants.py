# SPDX-License-Identifier: Apache-2.0
"""Where the libraries will look, and whether they are offline, asked of huggingface_hub itself: random environments."""

import json
import random
import subprocess

import pytest
from fetching import python_of

LOCATIONS = [None, None, "", "/a/b", "rel/x", "~", "~/c", "$A/y", "${A}/z", "$NOPE/q", "x$A", "/tail/", "$B$A", "//two"]
CHOICES = {"HF_HUB_CACHE": [None, None, None, *LOCATIONS], "HUGGINGFACE_HUB_CACHE": [None, None, None, None, *LOCATIONS], "HF_HOME": LOCATIONS, "XDG_CACHE_HOME": LOCATIONS,
           "HOME": ["/h", "/", "$A/h", "/h/", "rel"], "A": [None, "/v", "w", "$B", ""], "B": [None, "/b", "$A"],
           "HF_HUB_OFFLINE": [None, "", "1", "0", "yes", "True", " 1", "on", "2"], "TRANSFORMERS_OFFLINE": [None, "", "1", "no", "TRUE"]}
ASK = """
import importlib, json, os, sys
import huggingface_hub.constants as c
for line in sys.stdin:
    os.environ.clear()
    os.environ.update(json.loads(line))
    importlib.reload(c)
    print(json.dumps([os.path.realpath(os.path.join(os.getcwd(), c.HF_HUB_CACHE)), c.HF_HUB_CACHE, bool(c.HF_HUB_OFFLINE)]), flush=True)
"""


def environments(count=150):
    chance = random.Random(7)
    for _ in range(count):
        picked = {name: chance.choice(values) for name, values in CHOICES.items()}
        yield {name: value for name, value in picked.items() if value is not None}


@pytest.mark.parametrize("version", ["hub-0", "hub-1", "hub-2"])
def test_the_library_agrees(world, version):
    world.policy("[policy]\n[environment]\noffline = require\n")
    many = list(environments())
    asked = subprocess.run([python_of(version), "-c", ASK], input="".join(json.dumps(env) + "\n" for env in many), capture_output=True, text=True, cwd=world.path, timeout=120,
                           env={"PATH": "/usr/bin:/bin", "HOME": str(world.path)})
    assert asked.returncode == 0, asked.stderr
    for env, (place, raw, offline) in zip(many, map(json.loads, asked.stdout.splitlines()), strict=True):
        clean = {name: None for name in [*world.env, *CHOICES]}
        result = world.check(env={**clean, "PATH": "/usr/bin:/bin", **env}, cwd=world.path)
        ours = result.report["policy"]["hub_cache"]
        if ours is None:      # an empty name in the way: what it means is the working directory, which is an error of its own
            assert not raw.startswith("/") and "" in env.values(), (env, raw)
        else:
            assert ours.rstrip("/") == place.rstrip("/") or (ours == "/" and place == "/"), (json.dumps(env), ours, place, raw)
        assert ("env.online" not in result.codes()) == offline, (env, result.codes())
