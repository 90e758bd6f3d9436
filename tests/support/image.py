# SPDX-License-Identifier: Apache-2.0
"""An image from scratch for engines that are not Docker's: its files, and the archive that each of them loads."""

import hashlib
import io
import json
import os
import shutil
import tarfile

from models import Repo, bert_files
from world import ROOT

ENVIRONMENT = ["PATH=/", "HF_HOME=/models"]
ENTRYPOINT = ["/aweigh", "--"]
POLICY = "[policy]\nmode = offline\nhub_cache = /models/hub\n{policy}\n[model m]\nrepo = org/m\n{more}\n"


def reachable(folder):
    """For the users that a test becomes: pytest's own folders are root's alone."""
    for path in (folder, *folder.parents):
        if str(path) in ("/tmp", "/"):
            break
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o755)
    return folder


def policy_text(policy="", more=""):
    return POLICY.format(policy=policy, more=more)


def fill(root):
    """aweigh, a policy, a tiny model and two static services."""
    (root / "etc/aweigh").mkdir(parents=True)
    for name in ("tmp", "proc", "dev", "sys"):
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nserver:x:1000:1000::/home/server:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nserver:x:1000:\nmore:x:2000:server\n")
    (root / "etc/aweigh/policy.ini").write_text(policy_text())
    for name in ("payload", "worker"):
        shutil.copy(ROOT / "build/programs" / name, root)
    shutil.copy(ROOT / "build/aweigh", root)
    Repo(root / "models/hub").all(bert_files()).ref().manifest()
    return root


def archive(path, root, name, **config):
    """What `docker save` writes, as `podman load` and `ctr images import` read it: one layer, all of it root's."""
    def owned(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(root, ".", filter=owned)
    layer = layer.getvalue()
    described = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ENVIRONMENT, "Entrypoint": ENTRYPOINT, **config},
                            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
                            "history": [{"created_by": "aweigh's tests"}]}).encode()
    config_name = hashlib.sha256(described).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as tar:
        for member, data in ((config_name, described), ("layer.tar", layer), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path
