# SPDX-License-Identifier: Apache-2.0
"""Fetch after fetch from servers that do not keep to ranges, under one digest's name each time: what is written late, twice or by two
connections at once would be found here. `make stress` goes on for 500 on a disk and 500 on a slow one, under the thread sanitizer."""

import contextlib
import os
import random
import shutil

import pytest
from fetching import assert_digest, blobs
from hub_server import Hub, one_repo
from models import bert_files, safetensors
from storages import passthrough  # noqa: F401 (fixture)

COUNT = int(os.environ.get("AWEIGH_STRESS", "4"))
FILES = {**bert_files(), "model.safetensors": safetensors({"w": 2_500_000}), "other.safetensors": safetensors({"v": 2_400_000}, b"\x3e")}
TYPES = {
    "no ranges": lambda hub, generator: None,
    # One whole answer to a part, and parts with other bytes after it: the digest alone decides.
    "200, then 206 with other bytes": lambda hub, generator: hub.fault(r"/cdn/.*model", times=1, no_range=True, rate=generator.choice((40, 200)) << 20).fault(
        r"/cdn/.*model", times=generator.randrange(1, 4), wrong=generator.randrange(1000, 1 << 20)),
    "206, then 200 with other bytes": lambda hub, generator: hub.fault(r"/cdn/.*model", times=1, wrong=generator.randrange(1000, 1 << 20)).fault(
        r"/cdn/.*model", times=generator.randrange(1, 3), no_range=True, wrong=generator.randrange(1 << 20, 9 << 20)),
    "some parts, then none": lambda hub, generator: hub.fault(r"/cdn/", after=generator.randrange(4), times=generator.randrange(1, 4), no_range=True, rate=200 << 20),
}


@contextlib.contextmanager
def disk(kind, passthrough, folder):  # noqa: F811
    if kind == "slow disk":
        with passthrough(folder, "slow=2000", "short=200000") as volume:
            yield volume
    else:
        yield folder


@pytest.mark.parametrize("kind", ["disk", "slow disk"])
@pytest.mark.parametrize("type", TYPES)
def test_stress(fetcher, passthrough, tmp_path, kind, type):  # noqa: F811
    generator = random.Random(f"{kind} {type}")
    with disk(kind, passthrough, tmp_path) as place, Hub(one_repo(FILES), ranges=type != "no ranges") as hub:
        fetcher.hub = place / "hub"
        fetcher.write(hub.url)
        for i in range(COUNT):
            hub.faults.clear()
            TYPES[type](hub, generator)
            result = fetcher.fetch()
            found = blobs(fetcher.repo)
            for path in found.values():
                assert_digest(path)
            assert result.status == 0 and len(found) == len(FILES) and not fetcher.partials(), (i, result)
            shutil.rmtree(fetcher.repo)
