# SPDX-License-Identifier: Apache-2.0
"""Variables whose values come from files."""

import os

import pytest
from models import complete

SECRET = "s3cr3t-word"


def policy(world, row, section="environment file", extra=""):
    complete(world.hub)
    world.policy(model=f"[{section}]\n{row}\n{extra}")


@pytest.fixture
def secret(world):
    path = world.path / "db-password"
    path.write_text(SECRET + "\n")
    path.chmod(0o400)
    return path


@pytest.mark.parametrize("section, row", [("environment file", "DB_PASSWORD = {}"), ("environment set", "DB_PASSWORD = ${{file:{}}}")])
def test_the_service_gets_what_the_file_holds(world, secret, section, row):
    policy(world, row.format(secret), section)
    result = world.start("/bin/sh", "-c", "printf %s \"$DB_PASSWORD\"; env | grep -c db-password")
    assert result.out == SECRET + "0\n", result
    for command in (["check"], ["check", "--format", "json"], ["explain"], ["explain", "--format", "json"]):
        shown = world.run(*command, "-p", str(world.policy_file))
        assert shown.status == 0 and SECRET not in shown.out + shown.err, shown
    assert "DB_PASSWORD" in world.run("explain", "-p", str(world.policy_file)).out


@pytest.mark.parametrize("content, value", [("a\nb\n", "a\nb"), ("a", "a"), ("", ""), ("a\n\n", "a\n"), (" a ", " a "), ("ä=\t", "ä=\t")])
def test_one_newline_is_cut(world, secret, content, value):
    secret.chmod(0o600)
    secret.write_text(content)
    policy(world, f"X = {secret}")
    assert world.start("/bin/sh", "-c", "printf '%s.' \"$X\"").out == value + "."


@pytest.mark.parametrize("what, words", [("missing", "No such file"), ("folder", "not a regular file"), ("large", "64 KiB"), ("nul", "NUL byte"), ("both", "is set in the environment")])
def test_what_cannot_be_taken(world, secret, what, words):
    secret.chmod(0o600)
    env = {"X": "other"} if what == "both" else {}
    if what == "missing":
        secret.unlink()
    elif what == "folder":
        secret.unlink()
        secret.mkdir()
    elif what == "large":
        secret.write_text("x" * 70_000)
    elif what == "nul":
        secret.write_bytes(b"a\0b")
    policy(world, f"X = {secret}")
    result = world.check(env=env)
    assert result.status == 76 and words in result.finding("env.file")["message"], result
    assert world.start("/bin/true", env=env).status == 76


@pytest.mark.parametrize("mode, warned", [(0o400, False), (0o600, False), (0o440, True), (0o644, True)])
def test_a_file_that_others_may_read(world, secret, mode, warned):
    secret.chmod(mode)
    policy(world, f"X = {secret}")
    result = world.check()
    assert result.status == 0 and ("env.file-mode" in result.codes("warning")) == warned, result


@pytest.mark.parametrize("row, section, code", [("X = relative", "environment file", "policy.value"), ("X = ${file:relative}", "environment set", "policy.value"),
                                                ("X = /a\n[environment set]\nX = b", "environment file", "policy.duplicate"), ("X = a${file:/b}", "environment set", "policy.value")])
def test_rows_that_say_nothing(world, row, section, code):
    policy(world, row, section)
    result = world.check()
    assert result.status == 78 and code in result.codes(), result


def test_a_link_that_is_swapped(world, secret):
    """Kubernetes' projected secrets: NAME -> ..data/NAME, ..data -> a directory of the moment."""
    folder = world.path / "projected"
    (folder / "..2026").mkdir(parents=True)
    (folder / "..2026/token").write_text("first")
    (folder / "..2026/token").chmod(0o400)
    os.symlink("..2026", folder / "..data")
    os.symlink("..data/token", folder / "token")
    policy(world, f"X = {folder}/token")
    assert world.start("/bin/sh", "-c", "printf %s $X").out == "first"


def test_an_image_has_no_secrets_yet(world, tmp_path):
    (tmp_path / "etc").mkdir()
    policy(world, "X = /run/secrets/x")
    result = world.run("check", "--root", str(tmp_path), "-p", str(world.policy_file), "--format", "json")
    assert "env.file" not in result.codes(), result


@pytest.mark.parametrize("name", ["HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_CACHE", "HF_XET_CACHE"])
def test_what_every_report_shows_is_no_secret(world, secret, name):
    policy(world, f"{name} = {secret}")
    result = world.check(env={"HF_HOME": None, "HF_HUB_CACHE": None, "HOME": str(world.path)})
    assert "env.file" in result.codes("error") and "not a secret" in result.finding("env.file")["message"] and SECRET not in result.out + result.err


@pytest.mark.parametrize("values", [["github_pat_11AAAAfirst", "github_pat_22BBBBsecond"], ["sk-proj-AAAA", "sk-proj-BBBBreal", "sk-proj-BBBBreality"],
                                    [f"sekret{i:03}value" for i in range(80)]])
def test_secrets_that_begin_alike_and_many(world, values):
    world.env.update({f"V{i}_TOKEN": value for i, value in enumerate(values)})
    rows = "".join(f"W{i} = ${{V{i}_TOKEN}}\n" for i in range(len(values)))
    policy(world, rows, "environment set", f"[environment require]\nPATH = ${{V{len(values) - 1}_TOKEN}}\n")
    for command in (["check"], ["check", "--format", "json"], ["explain"], ["explain", "--format", "json"]):
        shown = world.run(*command, "-p", str(world.policy_file))
        assert "***" in shown.out and not [value for value in values if value[-6:] in shown.out + shown.err], shown


def test_more_secrets_than_can_be_kept(world):
    world.env.update({f"V{i}_TOKEN": f"sekret{i:03}value" for i in range(300)})
    policy(world, "".join(f"W{i} = ${{V{i}_TOKEN}}\n" for i in range(300)), "environment set")
    result = world.check()
    assert result.status == 78 and "more than 256 secret variables" in result.finding("policy.value")["message"]
