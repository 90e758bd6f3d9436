# SPDX-License-Identifier: Apache-2.0
"""Completion in the shells themselves."""

import subprocess

import pytest
from network import need
from world import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    subprocess.run(["make", "-s", "install", f"DESTDIR={folder}", "PREFIX=/usr"], cwd=ROOT, check=True, capture_output=True)
    return folder / "usr/share"


def bash(installed, *words):
    script = f'source {installed}/bash-completion/completions/aweigh; COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; _aweigh; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return set(subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("words, some, none", [
    (["aweigh", ""], {"run", "check", "lock", "explain"}, {"--policy"}),
    (["aweigh", "lo"], {"lock"}, {"run"}),
    (["aweigh", "lock", "--"], {"--upgrade", "--policy", "--as"}, {"--root", "--init"}),
    (["aweigh", "check", "--"], {"--root", "--env-file"}, {"--upgrade"}),
    (["aweigh", "--"], {"--init", "--policy"}, {"--as"}),
    (["aweigh", "check", "--verify", ""], {"presence", "digest"}, {"check"}),
    (["aweigh", "check", "--format", "j"], {"json", "junit"}, {"human"}),
    (["aweigh", "lock", "--as", ""], {"sha256sums", "cyclonedx", "cog"}, set()),
    (["aweigh", "--", "ech"], {"echo"}, {"check"}),
    (["aweigh", "check", "-p", "Make"], {"Makefile"}, {"check"}),
    (["aweigh", "draft", "REA"], {"README.md"}, {"run"}),
    (["aweigh", "check", "--only", ""], set(), {"check", "run"}),
    (["aweigh", "probe", ""], set(), {"check", "run"}),
    (["aweigh", "check", "--report", "j"], {"json=", "junit="}, {"sarif="}),
    (["aweigh", "check", "--report", "json", "=", "Make"], {"Makefile"}, {"json="}),
    (["aweigh", "check", "--format", "=", "j"], {"json"}, {"Makefile"}),
    (["aweigh", "check", "--root", "=", ""], {"entry"}, {"Makefile"}),
    (["aweigh", "checks", "model.m"], {"model.missing"}, {"file.mode"}),
    (["aweigh", "help", "file."], {"file.mode"}, {"model.missing"}),
    (["aweigh", "help", "ch"], {"check", "checks"}, {"run"}),
])
def test_bash(installed, words, some, none):
    came = bash(installed, *words)
    assert some <= came and not none & came, came


def test_fish(installed):
    need("fish")
    file = installed / "fish/vendor_completions.d/aweigh.fish"

    def fish(line):
        return subprocess.run(["fish", "-c", f"source {file}; complete -C {line!r}"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "--upgrade\tlook up branches" in fish("aweigh lock --up") and "lock" in fish("aweigh lo")
    assert "README.md" in fish("aweigh draft REA") and "README.md" not in fish("aweigh check REA")
    assert "file.mode" in fish("aweigh checks file.m") and "json=" in fish("aweigh check --report j")
    assert "digest" in fish("aweigh check --verify d") and "--upgrade" not in fish("aweigh check --up")


def test_zsh(installed):
    need("zsh")
    file = installed / "zsh/site-functions/_aweigh"
    subprocess.run(["zsh", "-n", file], check=True)
    # What the function hands to _arguments is what zsh shows.
    script = f'_arguments() {{ print -rl -- "$@" }}; words=(aweigh lock ""); CURRENT=3; source {file}'
    out = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, check=True).stdout
    assert "--upgrade[look up branches and tags again]" in out and "--as[sha256sums, cyclonedx or cog; print the lock file in this form]:form:(sha256sums cyclonedx cog)" in out and "--root" not in out, out
    fetch = subprocess.run(["zsh", "-f", "-c", script.replace("aweigh lock", "aweigh fetch")], capture_output=True, text=True, check=True).stdout
    assert "--help[print this, or the help of a command]\n" in fetch, fetch
    assert ":fmt:(auto human json junit sarif tap github markdown gcp)" in out, out
