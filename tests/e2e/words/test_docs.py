# SPDX-License-Identifier: Apache-2.0
"""Documentation is executed: each example runs, each key and code is in the manual, and the reverse."""

import re
import subprocess

import pytest
from world import ROOT, missing

KEYS = re.findall(r'^KEY\((\w+), \w+, [^"]*, "(\w+)"', (ROOT / "include/keys.def").read_text(), re.M)
POLICY_MAN = (ROOT / "docs/aweigh-policy.5").read_text().replace("\\-", "-").replace("\\e", "\\")


def codes(world):
    return re.findall(r"^([a-z]+\.[a-z-]+) \(", world.run("checks").out, re.M)


def examples(text):
    return [match.replace("\\-", "-").replace("\\e", "\\").strip() + "\n" for match in re.findall(r"^\.EX\n(.*?)^\.EE", text, re.M | re.S)]


def test_every_key_is_in_the_manual_and_the_reverse():
    for section, name in KEYS:
        assert re.search(rf"^\.B {name}$", POLICY_MAN, re.M), f"[{section.lower()}] {name} is not in aweigh-policy(5)"
    for name in re.findall(r"^\.B ([a-z_]+)$", POLICY_MAN, re.M):
        assert name in {key for _, key in KEYS}, f"aweigh-policy(5) has the key {name}, which the program does not know"


def test_every_code_that_the_manual_names_exists(world):
    known = codes(world)
    for name in re.findall(r"\b((?:env|model|file|cache|paths|package|gate|policy|confine|secret|report)\.[a-z-]+)\b", POLICY_MAN):
        assert name in known or name.startswith(("policy.ini", "model.safetensors")), name


@pytest.mark.parametrize("text", examples((ROOT / "docs/aweigh-policy.5").read_text()))
def test_examples_of_the_policy_manual(world, text):
    (world.path / "etc").mkdir()
    world.policy(text)
    result = world.run("explain", "-p", str(world.policy_file))
    assert result.status == 0, result


@pytest.mark.parametrize("line", examples((ROOT / "docs/aweigh.1").read_text())[0].splitlines())
def test_examples_of_the_program_manual(world, line):
    assert line.startswith("aweigh ")
    assert world.run(*line.split()[1:]).status == 0


def test_policies_of_the_readme(world):
    blocks = re.findall(r"^```ini\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert blocks
    for text in blocks:
        result = world.policy(text).run("explain", "-p", str(world.policy_file))
        assert result.status == 0, result


@pytest.mark.parametrize("page", ["docker", "kubernetes", "cloud-run", "ci", "systemd"])
def test_pages_quote_what_other_tests_run(page):
    """Each example is a part of the file that is named before it, which the tests of policies/ judge and start."""
    text = (ROOT / f"docs/{page}.md").read_text()
    named, quoted = None, 0
    for path, block in re.findall(r"\]\((\.\./[\w./-]+)\)|^```\w+\n(.*?)^```", text, re.M | re.S):
        if path:
            assert (ROOT / "docs" / path).exists(), path
            named = ROOT / "docs" / path
        else:
            assert block in named.read_text(), (named, block)
            quoted += 1
    assert quoted


def test_each_claim_of_the_comparison_is_shown():
    text = (ROOT / "docs/comparison.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| claim", "| ---"))]
    assert len(rows) > 12
    for claim, shown in rows:
        assert re.search(r"`tests/|https://|`make bench", shown), claim
    for path, name in re.findall(r"`(tests/[\w/.]+)::(\w+)`", text):
        assert f"def {name}(" in (ROOT / path).read_text(), (path, name)
    # The figures are those of the benchmark's page.
    page = (ROOT / "docs/benchmarks.md").read_text()
    assert re.search(r"hf cache verify +\d+ ms +20\.\d times", page) and re.search(r"model_signing, its hashing alone +\d+ ms +[23]\.\d times", page)


@pytest.mark.parametrize("page", ["aweigh.1", "aweigh-policy.5"])
def test_manual_pages_format_without_a_warning(page):
    try:
        result = subprocess.run(["man", "--warnings", "-l", ROOT / "docs" / page], capture_output=True, text=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANWIDTH": "80"})
    except FileNotFoundError:
        missing("man")
    assert result.returncode == 0 and result.stderr == "", result.stderr


def test_every_option_is_in_the_manual(world):
    manual = (ROOT / "docs/aweigh.1").read_text().replace("\\-", "-")
    for option in re.findall(r"^  (?:-\w, )?--([a-z-]+)", world.run("--help").out, re.M):
        assert f"--{option}" in manual, option


def test_every_kind_of_finding_is_seen_in_a_test(world):
    """Meta: a check that no test has ever seen speak is not known to work."""
    tests = "".join(path.read_text() for path in (ROOT / "tests/e2e").rglob("test_*.py"))
    unseen = [code for code in codes(world) if f'"{code}"' not in tests]
    assert unseen == []


def test_checks_know_and_do_not_act():
    """The arrow itself is proven by tests/meta/arrow.py: this is about the C library."""
    for path in (ROOT / "checks").rglob("*.c"):
        text = path.read_text()
        for call in ("getenv(", "printf(stderr", "fork(", "socket(", "exit("):
            assert not re.search(rf"(?<![\w_]){re.escape(call)}", text.replace("_exit(STATUS_BUG)", "")), (path, call)
