# SPDX-License-Identifier: Apache-2.0
"""The reports for CI and logs: each by judges of others, as a golden file, and under names that attack it."""

import html
import json
import re
import subprocess
from xml.etree import ElementTree

import pytest
from models import Repo, bert_files, complete
from network import need
from test_golden import broken, compare
from world import ROOT

FORMATS = {"junit": "xml", "sarif": "sarif", "tap": "tap", "github": "txt", "markdown": "md", "gcp": "jsonl"}


def report(world, form, *args, env=None):
    return world.run("check", "-p", "policy.ini", "--format", form, *args, env=env)


@pytest.mark.parametrize("form", FORMATS)
def test_golden(world, form, need_root):
    broken(world)
    (world.path / "image.env").write_text("HF_OFFLINE=1\nHF_HOME=/models\nHOME=/\nPATH=/usr/bin:/bin\n")
    result = report(world, form, "--root", "image", "--env-file", "image.env")
    assert result.status == 65 and result.err == "", result
    compare(f"report-{form}.{FORMATS[form]}", re.sub(r'time="\d+\.\d{3}"', 'time="N"', result.out), world)


ATTACKS = ["a|b`c*_[x](http://y).json", "<script>&amp;\"'.json", "::error::x.json", "##[error]x.json", "##vso[task.setvariable variable=PATH]x.json", "%0A::stop.json", "]]><x>.json",
           "not ok 9 - x # SKIP.json", "Bail out! x.json", "@team #1 $x$ ~~y~~.json", "a\nb.json", "a\x1b[31mb.json", "\ufffe\uffff.json", "\u202egnp.json", "x" * 200 + ".json", "---.json"]


def attacked(world):
    repo = complete(world.hub)
    for name in ATTACKS:
        path = repo.snapshot / name.replace("/", "\u2215")
        path.write_text("{")
    (repo.snapshot / b"\xff\xfe.json".decode(errors="surrogateescape")).write_text("{")
    world.policy(f"[policy]\n[model m]\nrepo = org/m\nfiles = *\n[model n]\nrepo = org/n\noptional = yes\n")


def test_junit(world):
    import junitparser
    from lxml import etree
    attacked(world)
    text = report(world, "junit").out
    root = etree.fromstring(text.encode())
    xml = junitparser.JUnitXml.fromroot(etree.fromstring(text.encode()))
    assert xml.failures == len([case for suite in xml for case in suite if any(isinstance(r, junitparser.Failure) for r in case.result)]) > 0
    assert xml.tests == sum(suite.tests for suite in xml) == len(root.findall(".//testcase"))
    for suite in root:
        names = [(case.get("classname"), case.get("name")) for case in suite.findall("testcase")]
        assert len(names) == len(set(names)) == int(suite.get("tests")), names
        assert len(suite.findall(".//failure")) == int(suite.get("failures")) and len(suite.findall(".//skipped")) == int(suite.get("skipped"))
    for failure in root.iter("failure", "skipped"):
        assert failure.text.startswith(failure.get("message")), "the text stands in the content, too"
    case = next(root.iter("failure")).getparent()
    assert case.get("file") == "policy.ini" and case.get("line").isdigit()
    schema = etree.XMLSchema(etree.parse(str(ROOT / "tests/fixtures/junit.xsd")))
    schema.assertValid(root)


def test_a_case_keeps_its_name_when_another_is_mended(world):
    """By the file, and a number only where a file has the same finding twice: CI remembers cases by their names."""
    from lxml import etree
    repo = complete(world.hub)
    world.policy()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        repo.blob(name).unlink()

    def names():
        return {case.get("name") for case in etree.fromstring(report(world, "junit").out.encode()).iter("testcase") if "dangling" in case.get("name")}

    before = names()
    repo.file("config.json", bert_files()["config.json"])
    assert len(before) == 3 and before - names() == {"file.dangling-link config.json"}, (before, names())


def test_sarif(world, tmp_path):
    from sarif_pydantic import Sarif
    attacked(world)
    text = report(world, "sarif").out
    sarif = json.loads(text)
    Sarif.model_validate(sarif)
    run = sarif["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "policy.ini"
    (tmp_path / "a.sarif").write_text(text)
    done = subprocess.run([ROOT / "build/venv/bin/sarif", "summary", tmp_path / "a.sarif"], capture_output=True, text=True)
    assert done.returncode == 0 and "file.not-json" in done.stdout, done
    prints = [r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"] if r["properties"].get("path")]
    assert len(prints) == len(set(prints))


def test_a_pass_has_an_empty_list_of_results(world):
    complete(world.hub, "org/m").manifest()
    world.policy(revision=Repo(world.hub).commit)
    (Repo(world.hub).folder / "refs/main").write_text(Repo(world.hub).commit)
    sarif = json.loads(report(world, "sarif", env={"HF_HUB_OFFLINE": "1"}).out)
    assert sarif["runs"][0]["results"] == [] and sarif["runs"][0]["invocations"][0]["exitCode"] == 0


@pytest.mark.parametrize("where", ["workspace", "directory", "elsewhere"])
def test_the_policy_lies_in_the_repository(world, where):
    complete(world.hub)
    (world.path / "conf dir").mkdir()
    world.policy(model="require = *.gguf")
    policy = world.path / "conf dir" / "policy.ini"
    world.policy_file.rename(policy)
    env, cwd = ({"GITHUB_WORKSPACE": str(world.path)}, "/") if where == "workspace" else ({}, world.path if where == "directory" else world.hub)
    result = world.run("check", "-p", str(policy), "--format", "sarif", env=env, cwd=cwd)
    uri = json.loads(result.out)["runs"][0]["results"][-1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == ("conf%20dir/policy.ini" if where != "elsewhere" else f"file://{world.path}/conf%20dir/policy.ini")


def test_tap(world):
    from tap.parser import Parser
    attacked(world)
    result = report(world, "tap")
    assert result.out.startswith("TAP version 13\n1..")
    lines = list(Parser().parse_text(result.out))
    tests = [line for line in lines if line.category == "test"]
    assert [test.ok for test in tests] == [False, True, True] and tests[1].skip and not [line for line in lines if line.category == "unknown"], lines
    (world.path / "a.tap").write_text(result.out)
    prove = subprocess.run([need("prove"), "--exec", "cat", "a.tap"], cwd=world.path, capture_output=True, text=True)
    assert prove.returncode == 1 and "Failed 1/3 subtests" in prove.stdout + prove.stderr and "Parse errors" not in prove.stdout, prove
    world.policy(repo="org/m", model="files = config.json, *.safetensors, tokenizer.json")
    (world.path / "a.tap").write_text(report(world, "tap").out)
    assert subprocess.run(["prove", "--exec", "cat", "a.tap"], cwd=world.path, capture_output=True).returncode == 0


def test_tap_of_a_policy_with_errors_bails_out(world):
    world.policy("[policy]\nmoed = x\n")
    result = report(world, "tap")
    assert result.status == 78 and "\nBail out! " in result.out and "policy.unknown" in result.out


def test_github(world):
    attacked(world)
    result = report(world, "github")
    commands = [re.match(r"::(\w+) (title=[^:]*)::(.*)$", line) for line in result.out.splitlines()]
    kinds = [match[1] if match else "" for match in commands]
    assert kinds.count("error") <= 10 and kinds[-1] == "notice" and all(match or "without an annotation" in line for match, line in zip(commands, result.out.splitlines())), result
    assert kinds == sorted(kinds, key=["error", "", "warning", "notice"].index) or "" in kinds
    for match in filter(None, commands[:-1]):
        assert re.fullmatch(r"title=[^,]+,file=policy\.ini,line=\d+", match[2]) and "\n" not in match[3] and not re.search(r"%(?!25|0A|0D)", match[3]), match[0]


def test_at_most_ten_of_a_kind(world):
    policy = "[policy]\n"
    for i in range(40):
        policy += f"[model m{i}]\nrepo = org/m{i}\n"
    result = report(world.policy(policy), "github")
    assert result.out.count("::error ") == 10 and "30 more (error) without an annotation" in result.out, result


def test_the_summary_of_a_step(world):
    attacked(world)
    summary = world.path / "summary.md"
    summary.write_text("before\n")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(world.path)}
    result = world.run("check", "-p", "policy.ini", env=env)
    assert result.status == 65 and result.out.startswith("::error ")
    text = summary.read_text()
    assert text.startswith("before\n### aweigh: refused") and text.count("\n| m | error ") >= 8
    world.run("check", "-p", "policy.ini", env=env)
    assert summary.read_text().startswith(text) and summary.read_text().count("### aweigh") == 2
    summary.write_text("x" * ((1 << 20) - 3000))
    world.run("check", "-p", "policy.ini", env=env)
    assert summary.stat().st_size < 1 << 20 and "### aweigh" in summary.read_text()[-3000:]
    for size in ((1 << 20) - 16, (1 << 20) - 300, 1 << 20):
        summary.write_text("x" * size)
        assert world.run("check", "-p", "policy.ini", env=env).status == 65 and summary.stat().st_size <= 1 << 20, size
    world.policy("")
    result = world.run("check", "-p", "policy.ini", env={**env, "GITHUB_STEP_SUMMARY": "/nowhere/summary.md"})
    assert result.status == 0 and "report.failed" in result.out   # nobody asked for that file


def test_markdown(world):
    attacked(world)
    rows = [line for line in report(world, "markdown").out.splitlines() if line.startswith("|")]
    for row in rows:
        assert row.count("|") == 6 and not re.search(r"[`<>*_\[\]@~$]", row), row


def test_gcp(world):
    attacked(world)
    lines = [json.loads(line) for line in report(world, "gcp").out.splitlines()]
    for line in lines[:-1]:
        assert line["severity"] in ("ERROR", "WARNING") and isinstance(line["logging.googleapis.com/sourceLocation"]["line"], str)
        assert all(isinstance(value, str) for value in line["logging.googleapis.com/labels"].values()) and line["logging.googleapis.com/labels"]["code"]
    assert lines[-1]["severity"] == "ERROR" and lines[-1]["message"].startswith("aweigh: refused (65)")
    world.policy(repo="org/m", model="files = config.json, *.safetensors, tokenizer.json")
    assert json.loads(report(world, "gcp").out.splitlines()[-1])["severity"] == "INFO"


@pytest.mark.parametrize("form", FORMATS)
def test_no_name_gives_a_command_to_the_runner(world, form):
    attacked(world)
    for line in report(world, form).out.splitlines():
        assert "##[" not in line and "##vso[" not in line and (form == "github" or not line.lstrip().startswith("::")), line
        assert not any(ord(c) < 0x20 for c in line) and "\u202e" not in line, line


def test_auto(world):
    complete(world.hub)
    run = lambda *args, **env: world.run("check", "-p", "policy.ini", *args, env=env)
    assert "::notice title=aweigh::pass" in run(GITHUB_ACTIONS="true").out
    assert json.loads(run(K_SERVICE="s").out.splitlines()[-1])["message"].startswith("aweigh: pass")
    assert json.loads(run(CLOUD_RUN_JOB="j").out.splitlines()[-1])["message"].startswith("aweigh: pass")
    assert run().out.startswith("aweigh: ") and run(GITHUB_ACTIONS="false").out.startswith("aweigh: ")
    assert run("--format", "human", GITHUB_ACTIONS="true").out.startswith("aweigh: ")
    started = world.run("-p", "policy.ini", "--", "/bin/echo", "hello", env={"K_SERVICE": "s"})
    assert started.status == 0 and started.out == "hello\n" and json.loads(started.err.splitlines()[-1])["severity"] == "INFO"


def test_files_of_each_format(world):
    complete(world.hub)
    world.policy(model="[report]\n" + "".join(f"{form} = {world.path}/row.{form}\n" for form in FORMATS))
    result = world.run("check", "-p", "policy.ini", *[f"--report={form}={world.path}/out.{form}" for form in FORMATS])
    assert result.status == 0
    for form in FORMATS:
        # Reports differ in their time alone.
        same = [re.sub(r'time="[\d.]+"', "", (world.path / f"{name}.{form}").read_text()) for name in ("row", "out")]
        assert same[0] == same[1] != ""


def test_a_misspelt_format(world):
    result = world.run("check", "--format", "junti")
    assert result.status == 64 and "did you mean 'junit'" in result.err
    assert world.policy(model="[report]\nsarf = x").check().finding("policy.unknown")["message"].endswith("did you mean 'sarif'?")


HIDDEN = "\u061c\u200b\u200f\u202e\u2060\u2066\ufeff\ufff9\ufffe\U000e0041"


def test_a_long_name_breaks_no_column(world):
    complete(world.hub)
    world.policy("[policy]\n[model all-minilm-l6-v2-of-the-team]\nrepo = org/m\n")
    lines = report(world, "human").out.splitlines()
    at = next(i for i, line in enumerate(lines) if "all-minilm-l6-v2-of-the-team" in line)
    assert lines[at] == "  ok       all-minilm-l6-v2-of-the-team" and all(line.startswith(" " * 25) and line[25] != " " for line in lines[at + 1:at + 3]), lines


@pytest.mark.parametrize("turn", [1, -1])
def test_files_of_one_sentence_come_by_their_names(world, turn):
    """A tmpfs, an ext4 and an overlay list a folder in orders of their own; a report can be compared with yesterday's."""
    folder = complete(world.hub).snapshot
    for name in ("a.onnx", "b.onnx", "c.onnx", "d.onnx", "e.onnx")[::turn]:
        (folder / name).write_bytes(b"")
    world.policy("[policy]\n[model m]\nrepo = org/m\n")
    out = " ".join(report(world, "human").out.split())
    assert "a.onnx, b.onnx, c.onnx and 2 more: " in out, out


@pytest.mark.parametrize("name", ["human", "junit", "tap", "github", "markdown"])
def test_what_nobody_sees_is_escaped(world, name):
    """Two names never look the same: neither by what has no width, nor by a backslash that begins an escape."""
    (world.path / "m").mkdir()
    for name_ in ["config.json", *(f"a{c}b.json" for c in (*HIDDEN, "\n", "\\x0a"))]:
        (world.path / "m" / name_).write_text("{")
    world.policy(f"[policy]\nmode = offline\n[model m]\npath = {world.path}/m\nfiles = *\n")
    out = report(world, name).out
    assert not set(HIDDEN) & set(out), out
    if name == "junit":
        cases = [case.get("name") for case in ElementTree.fromstring(out).iter("testcase")]
        assert len(cases) == len(set(cases)), cases


@pytest.mark.parametrize("name", ["human", "json", *FORMATS])
@pytest.mark.parametrize("models", [2, 300])
def test_a_termination_message_is_what_the_kubelet_keeps(world, need_root, name, models):
    """In a mount namespace with such a file: at most 4,096 bytes, and the verdict in them."""
    world.policy("[policy]\nmode = offline\n" + "".join(f"[model m{i}]\npath = {world.path}/none{i}\nhint = {'x' * 150}\n" for i in range(models)))
    target = world.path / "message"
    target.write_text("")
    script = 'mount -t tmpfs none /dev && touch /dev/termination-log /dev/null && mount --bind "$1" /dev/termination-log && shift && exec "$@"'
    result = world.run("check", "-q", "-p", str(world.policy_file), "--report", f"{name}=/dev/termination-log", prefix=["unshare", "-m", "sh", "-c", script, "sh", str(target)])
    text = target.read_text()
    assert result.status == 66 and 0 < len(text.encode()) <= 4096 and ("refused" in text or name in ("junit", "sarif", "tap") and models == 2), text


@pytest.mark.parametrize("form", ["human", "junit", "sarif", "tap", "github", "markdown", "gcp"])
def test_the_place_of_what_is_missing_is_told(world, form):
    world.policy(f"[policy]\n[model m]\npath = {world.path}/gone\n")
    out = world.run("check", "-p", str(world.policy_file), "--format", form, "--color", "never", env={"COLUMNS": "160"}).out
    assert f"{world.path}/gone" in html.unescape(out), out


@pytest.mark.parametrize("form", ["human", "junit", "markdown"])
def test_what_was_not_looked_at_is_not_verified(world, form):
    world.policy(f"[policy]\n[model m]\npath = {world.path}/gone\n[severity]\nmodel.missing = off\n")
    result = world.run("check", "-p", str(world.policy_file), "--format", form)
    assert "structure" not in result.out and (form == "human" or "nothing was looked at" in result.out), result
