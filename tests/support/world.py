# SPDX-License-Identifier: Apache-2.0
"""The real binary, run as a user would: a folder with a hub cache and a policy, and what came of a run."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text())
HANG_LIMIT = float(os.environ.get("AWEIGH_HANG_LIMIT", "120"))  # seconds; no test needs a tenth of it


def missing(what):
    if os.environ.get("AWEIGH_NO_SKIP") == "1":
        pytest.fail(f"this machine should have {what}, and AWEIGH_NO_SKIP=1 turns the skip into a failure")
    pytest.skip(f"needs {what}")


class Result:
    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout.decode(errors="surrogateescape")
        self.err = process.stderr.decode(errors="surrogateescape")

    @property
    def report(self):
        """Every JSON report that any test reads is held against the schema."""
        report = json.loads(self.out)
        jsonschema.validate(report, SCHEMA)
        return report

    def codes(self, severity=None):
        return {f["code"] for f in self.report["findings"] if severity in (None, f["severity"])}

    def finding(self, code):
        found = [f for f in self.report["findings"] if f["code"] == code]
        assert found, f"expected {code}, came: {sorted(self.codes())}\n{self.out}\n{self.err}"
        return found[0]

    def __repr__(self):
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


class World:
    def __init__(self, path, binary):
        path.chmod(0o755)
        for parent in path.parents:
            if parent == Path("/tmp") or parent == Path("/"):
                break
            if parent.stat().st_uid == os.geteuid():
                parent.chmod(parent.stat().st_mode | 0o755)
        self.path, self.binary = path, binary
        self.hub = path / "home" / "hub"
        self.hub.mkdir(parents=True)
        self.policy_file = path / "policy.ini"
        self.env = {"HF_HOME": str(path / "home"), "HOME": str(path), "PATH": os.environ["PATH"]}
        if "TSAN_OPTIONS" in os.environ:
            self.env["TSAN_OPTIONS"] = os.environ["TSAN_OPTIONS"]
        self.policy()

    def policy(self, text=None, repo="org/m", revision=None, mode="offline", extra="", model=""):
        if text is None:
            text = f"[policy]\nmode = {mode}\n{extra}\n[model m]\nrepo = {repo}\n"
            if revision:
                text += f"revision = {revision}\n"
            text += model + "\n"
        if isinstance(text, bytes):
            self.policy_file.write_bytes(text)
        else:
            self.policy_file.write_text(text)
        return self

    def readable(self):
        """For the users that services run as."""
        for path in [self.path, *self.path.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))

    def run(self, *args, env=None, prefix=(), **options):
        full = dict(self.env)
        for name, value in (env or {}).items():
            full.pop(name, None) if value is None else full.__setitem__(name, value)
        options.setdefault("cwd", self.path)
        options.setdefault("stdin", subprocess.DEVNULL)
        return Result(subprocess.run([*prefix, self.binary, *args], env=full, capture_output=True, timeout=HANG_LIMIT, **options))

    def check(self, *args, **options):
        return self.run("check", "-p", str(self.policy_file), "--format", "json", *args, **options)

    def start(self, *command, args=(), **options):
        return self.run("-p", str(self.policy_file), *args, "--", *command, **options)
