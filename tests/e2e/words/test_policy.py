# SPDX-License-Identifier: Apache-2.0
"""The policy's grammar: everything wrong is an error with file and line, all at once, near misses suggested."""

import os

import pytest
from models import COMMIT, complete


def errors(result):
    return [(f["code"], f["policy_line"], f["message"]) for f in result.report["findings"] if f["severity"] == "error"]


def expect(world, text, *wanted):
    result = world.policy(text).check()
    assert result.status == 78, result
    found = errors(result)
    for code, line, words in wanted:
        assert any(c == code and line_ == line and words in message for c, line_, message in found), (code, line, words, found)
    return result


def test_all_errors_at_once(world):
    text = "[policy]\nmod = offline\nverify = deep\n\n[model a]\nrepo = ../x\nformat = safetensors\n[modle b]\nrepo = org/b\n[model c]\n"
    result = expect(world, text,
                    ("policy.unknown", 2, "did you mean 'mode'"),
                    ("policy.value", 3, "presence, size, structure or digest"),
                    ("policy.value", 6, "repository id '../x'"),
                    ("policy.unknown", 7, "did you mean 'formats'"),
                    ("policy.unknown", 8, "unknown section [modle b]"),
                    ("policy.value", 10, "neither repo nor path"))
    assert len(errors(result)) >= 6


@pytest.mark.parametrize("text, line, code, words", [
    ("[policy]\nmode offline\n", 2, "policy.syntax", "has no '='"),
    ("[policy\nmode = offline\n", 1, "policy.syntax", "no closing"),
    ("mode = offline\n", 1, "policy.syntax", "before the first section"),
    ("[policy]\nmode =\n", 2, "policy.value", "has no value"),
    ("[policy]\nmode = offline\nmode = auto\n", 3, "policy.duplicate", "line 2"),
    ("[policy]\n[fetch]\n[policy]\n", 3, "policy.duplicate", "is there twice"),
    ("[model a]\nrepo = org/a\n[model a]\nrepo = org/b\n", 3, "policy.duplicate", "line 1"),
    ("[model]\nrepo = org/a\n", 1, "policy.syntax", "no model name"),
    ("[model a b]\nrepo = org/a\n", 1, "policy.syntax", "no usable model name"),
    ("[policy]\nretries = 3\n", 2, "policy.unknown", "belongs in [fetch]"),
    ("[policy]\n  mode = offline\n[model a]\nrepo = org/a\n  files = *.json\n", 5, "policy.syntax", "would be read as more of 'repo'"),
    ("[policy]\nmode = offline\n  replaceable: no\n", 3, "policy.syntax", "would be read as more of 'mode'"),
    ("[environment forbid]\nA = a\n\tOTHER:\n", 3, "policy.syntax", "'OTHER:' would be read as more of 'A'"),
    ("[environment set]\nA = a\n  B+C = 2\n", 3, "policy.syntax", "'B+C = 2' would be read as more of 'A'"),
    ("[environment set]\nA = a\n  1B=2\n", 3, "policy.syntax", "'1B=2' would be read as more of 'A'"),
    ("[policy]\ndeadline = 5 parsecs\n", 2, "policy.value", "duration"),
    ("[policy]\ndeadline = 1ms\n", 2, "policy.value", "from 100ms to 86400s"),
    ("[model a]\nrepo = org/a\nmin_size = 80 apples\n", 3, "policy.value", "size"),
    ("[model a]\nrepo = org/a\nmin_size = 99999999999G\n", 3, "policy.value", "size"),
    ("[model a]\nrepo = org/a\nmode_mask = 0o22\n", 3, "policy.value", "octal"),
    ("[model a]\nrepo = org/a\nexport = MY-PATH\n", 3, "policy.value", "name of a variable"),
    ("[model a]\nrepo = org/a\nrevision = a..b/../c\n", 3, "policy.value", "commit of 40"),
    ("[model a]\nrepo = org/a\nmin_size = 9M\nmax_size = 8M\n", 4, "policy.value", "below its min_size"),
    ("[policy]\nuser = nobody-at-all\n", 2, "policy.value", "neither in the image"),
    ("[policy]\nuser = 12monkeys\n", 2, "policy.value", "neither in the image"),
    ("[policy]\nhub_cache = ${NOT_SET_ANYWHERE}\n", 2, "policy.value", "is not set"),
    ("[policy]\nhub_cache = ${oops\n", 2, "policy.value", "is not a variable"),
    ("[policy]\nonly = nope\n[model a]\nrepo = org/a\n", 2, "policy.unknown", "the models are: a"),
    ("[severity]\nmodel.mising = off\n", 2, "policy.unknown", "did you mean model.missing"),
    ("[severity]\nmodel.missing = fatal\n", 2, "policy.value", "error, warning, note or off"),
    ("[severity]\nmodel.missing = warnin\n", 2, "policy.value", "did you mean 'warning'"),
    ("[environment unset]\nAWS_* =\n", 2, "policy.value", "patterns are not taken"),
    ("[environment forbid]\nX[A] =\n", 2, "policy.value", "patterns are not taken"),
    ("[service]\nready = http://u:s3cret@127.0.0.1/\n", 2, "policy.value", "with a user or a password"),
    ("[confine]\numask = 1777\n", 2, "policy.value", "umask = 1777"),
    ("[model m]\npath = /m\nexport = LD_AUDIT\n", 3, "policy.value", "a meaning of its own"),
    ("[model m]\npath = /m\nexport = PYTHONPATH\n", 3, "policy.value", "a meaning of its own"),
    ("[model m]\npath = /m\nexport = BASH_ENV\n", 3, "policy.value", "a meaning of its own"),
    ("[policy]\nreplaceable = ${NOTHING:-no}\n", 2, "policy.value", "comes from a variable"),
    ("[policy]\ngroups = replac\n", 2, "policy.value", "group 'replac'"),
    ("[policy]\nhub_cache = ~/hub\n", 2, "policy.value", "${HOME}/ for ~/"),
    ("[packages]\nrequests = newest\n", 2, "policy.value", "expected a version"),
    ("[paths]\nfree./tmp = lots\n", 2, "policy.value", "size"),
    ("[paths]\nfree.tmp = 4G\n", 2, "policy.unknown", "unknown key"),
    ("[report]\nyaml = /tmp/x\n", 2, "policy.unknown", "unknown report format"),
    ("[model a]\npath = /a\nexport = HF_HUB_OFFLINE\n", 3, "policy.value", "a meaning of its own"),
    ("[model a]\npath = /a\nexport = PATH\n", 3, "policy.value", "a meaning of its own"),
    ("[model a]\npath = /a\nexport = M\n[model b]\npath = /b\nexport = M\n", 6, "policy.duplicate", "[model a]'s already"),
    ("[environment set]\nA B = c\n", 2, "policy.value", "not the name of a variable"),
    ("[model a]\nrepo = org/a\nrequire = x0" + "".join(f",\n x{i}" for i in range(1, 70)) + "\n", 3, "policy.value", "70 elements; 64"),
    (b"[policy]\nmode = off\xffline\n", 2, "policy.syntax", "not UTF-8"),
    (b"[policy]\nmode = off\x00line\n", 2, "policy.syntax", "NUL byte"),
    (b"\xef\xbb\xbf[policy]\nmode = offline\n", 1, "policy.syntax", "byte-order mark"),
    ("[policy]\nmode = offline\n[report]\njson =\n", 4, "policy.value", "expected a file of its own"),
    ("[policy]\nmode = offline\n[report]\njson = r\njunit = r\n", 5, "policy.value", "expected a file of its own"),
    ("[policy]\nmode = offline ; " + "x" * 5000 + "\n", 2, "policy.syntax", "bytes, more than the"),
    ("[model " + "n" * 130 + "]\nrepo = org/a\n", 1, "policy.syntax", "longer than 127 bytes"),
])
def test_error(world, text, line, code, words):
    expect(world, text, (code, line, words))


def test_crlf_comments_and_lists_over_lines_are_taken(world):
    complete(world.hub)
    text = "; comment\r\n[policy]\r\nmode = offline   ; inline\r\n# more\r\n[model m]\r\nrepo = org/m\r\nrequire = config.json,\r\n    *.safetensors | *.bin,\r\n\ttokenizer.json\r\n"
    result = world.policy(text).check()
    assert result.status == 0, result
    assert world.policy(text.replace("tokenizer.json", "absent.json")).check().finding("model.required")["message"] == "no file matches absent.json"


def test_long_key_names_are_kept_whole(world):
    mount = "/" + "/".join(["folder"] * 12)
    result = world.policy(f"[paths]\nmount.{mount} = tmpfs\n").check()
    assert result.status == 76 and result.finding("paths.not-mounted")["path"] == mount


def test_expansion(world):
    complete(world.hub)
    text = "[policy]\nmode = ${MODE:-offline}\nonly = ${MODELS:-all}\n[model m]\nrepo = ${ORG:-org}/m\n[model n]\nrepo = org/n\n"
    world.policy(text)
    assert world.check(env={"MODELS": "m"}).status == 0
    assert world.check(env={"MODELS": ""}).status == 66
    assert world.check(env={"MODELS": "m, "}).status == 0
    result = world.check(env={"MODELS": "m,nn"})
    assert result.status == 78 and "did you mean" in result.finding("policy.unknown")["message"]
    assert world.check(env={"MODELS": "m", "MODE": "on\nline"}).status == 78


@pytest.mark.parametrize("make, words", [
    (lambda path: path.mkdir(), "it is a directory"),
    (lambda path: os.mkfifo(path), "not a regular file"),
    (lambda path: None, "No such file"),
    (lambda path: path.open("wb").truncate(100_000_000), "larger than"),
    (lambda path: path.symlink_to(path), "symbolic link"),
], ids=["folder", "fifo", "missing", "100MB", "loop"])
def test_unreadable_policy(world, make, words):
    world.policy_file.unlink()
    make(world.policy_file)
    result = world.check()
    assert result.status == 78 and words.lower() in result.finding("policy.missing")["message"].lower(), result


def test_policy_without_permission(world, need_root):
    world.policy_file.chmod(0)
    result = world.check(user=1000, group=1000)
    assert result.status == 78 and "Permission denied" in result.finding("policy.missing")["message"]


def test_policy_through_configmap_links(world):
    complete(world.hub)
    data = world.path / "..data"
    data.mkdir()
    world.policy_file.rename(data / "policy.ini")
    world.policy_file.symlink_to("..data/policy.ini")
    assert world.check().status == 0


def test_where_the_policy_comes_from(world):
    complete(world.hub)
    assert world.run("check", env={"AWEIGH_POLICY": str(world.policy_file)}).status == 0
    result = world.run("check")
    assert result.status == 78 and "/etc/aweigh/policy.ini" in result.out


def test_policies_without_models_are_valid(world):
    for text in ("", "[policy]\n", "# nothing\n", "[policy]\nmode = offline"):
        assert world.policy(text).check().status == 0


def test_manifest(world):
    names = ["sentence-transformers/all-MiniLM-L6-v2", "gpt2", "bert-base-uncased"]
    for name in names:
        complete(world.hub, name)
    (world.path / "models.txt").write_bytes(("\ufeff# models\r\n\r\n" + "\n".join(names[:2]) + f" \t\r\n{names[2]}@{COMMIT}").encode())
    result = world.policy("[policy]\nmode = offline\nmanifest = models.txt\n").check()
    assert result.status == 0 and [m["repo"] for m in result.report["models"]] == names, result


def test_manifest_selects_one_gguf_file(world):
    from models import Repo, gguf

    repo = Repo(world.hub, "TheBloke/Tiny-GGUF").file("tiny.Q3_K_S.gguf", gguf()).ref()
    repo.manifest({"tiny.Q8_0.gguf": gguf(), "README.md": b"x"})
    (world.path / "models.txt").write_text("TheBloke/Tiny-GGUF gguf:tiny.Q3_K_S.gguf\n")
    world.policy("[policy]\nmanifest = models.txt\n")
    assert world.check().status == 0
    (world.path / "models.txt").write_text("TheBloke/Tiny-GGUF gguf:tiny.Q2_K.gguf\n")
    assert "tiny.Q2_K.gguf" in world.check().finding("model.required")["message"]


@pytest.mark.parametrize("line", ["org/a ggfu:x.gguf", "org/a b c d", "../x", "org/a@", "a/b/c"])
def test_manifest_errors_have_lines(world, line):
    (world.path / "models.txt").write_text(f"# first\n{line}\n")
    result = world.policy("[policy]\nmanifest = models.txt\n").check()
    assert result.status == 78, result
    finding = [f for f in result.report["findings"] if f["severity"] == "error"][0]
    assert finding["policy_line"] == 2 and finding["policy_file"].endswith("models.txt")


def test_missing_manifest_is_named(world):
    result = world.policy("[policy]\nmanifest = nowhere.txt\n").check()
    assert result.status == 78 and "nowhere.txt" in result.finding("policy.missing")["message"]


def test_only_and_verify_options(world):
    complete(world.hub)
    world.policy("[policy]\nverify = size\n[model m]\nrepo = org/m\n[model n]\nrepo = org/n\n")
    assert world.check("--only", "m").status == 0
    assert world.check("--only", "m", "--verify", "presence").report["models"][0]["level"] == "size"
    assert world.check("--only", "m", "--verify", "digest").report["models"][0]["level"] == "digest"
    assert world.check("--only", "q").status == 78


@pytest.mark.parametrize("args, words", [
    (["chekc"], "did you mean 'check'"), (["python", "app.py"], "behind '--'"), (["--polcy", "x"], "did you mean '--policy'"), (["check", "--format", "xml"], "unknown format"),
    (["check", "--format", "jnuit"], "did you mean 'junit'"), (["check", "--verify", "deep"], "takes presence, size, structure or digest"), (["check", "--verify", "strcture"], "did you mean 'structure'"), (["help", "sevrity"], "did you mean 'severity'"), (["check", "--report", "json"], "FMT=FILE"),
    (["check", "--only", "a", "--only=b"], "--only is there twice"), (["check", "--report", "json=x", "--report", "tap=x"], "two reports go to x"), (["checks", "--format", "tap"], "human or json"), (["explain", "--format", "sarif"], "human or json"),
    (["check", "extra"], "takes no argument"), (["--policy"], "needs FILE"), (["lokc"], "did you mean 'lock'"), (["lock", "--as", "xml"], "takes sha256sums, cyclonedx or cog"), (["fetch", "--root", "/"], "--root goes with"), (["draft", "--"], "no command follows"), (["draft", "--format", "json"], "--format goes with"), ([], "run needs"), (["--root", "/", "--", "true"], "--root"),
])
def test_usage_errors(world, args, words):
    result = world.run(*args)
    assert result.status in (64, 78) and words in result.err + result.out, result


def test_explain_refuses_a_policy_with_errors_as_check_does(world):
    world.policy("[policy]\nmode = x\nenforce = no\n")
    told = [world.run(command, "-p", str(world.policy_file)) for command in ("check", "explain")]
    for result, text in zip(told, (told[0].out, told[1].err)):
        assert result.status == 78 and "refused (78)" in text, result
        assert "policy.ini:2: mode = x: expected" in " ".join(text.split()), text


def test_explain_says_what_a_limit_brings_along(world):
    world.policy("[policy]\nmode = offline\n[confine]\negress = deny\n[model m]\nrepo = org/m\n")
    assert "no   [egress sets it]" in world.run("explain", "-p", str(world.policy_file)).out


SECRET = "hf_abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("rows", ["[policy]\nuser = ${HF_TOKEN}", "[policy]\nmode = ${HF_TOKEN}", "[confine]\negress = ${HF_TOKEN}", "[policy]\nwait = ${HF_TOKEN:-1s}",
                                  "[environment set]\nX = before${HF_TOKEN}", "[model m]\npath = /nowhere\nhint = ask ${HF_TOKEN}", "[service]\nready = ${HF_TOKEN}"])
def test_a_secret_under_another_name_is_not_shown(world, rows):
    """Neither whole nor its beginning, which a sentence with a limit would have."""
    world.policy(rows + "\n")
    for arguments in (("check", "-v"), ("check", "--format", "json"), ("explain",), ("explain", "--format", "json")):
        result = world.run(*arguments, "-p", str(world.policy_file), env={"HF_TOKEN": SECRET * 8})
        assert SECRET[:12] not in result.out + result.err, result


@pytest.mark.parametrize("rows", ["[model m]\npath = /m\nexport = PYTHON_MODEL_DIR", "[policy]\ngroups = render, 44", "[service]\nready = log:connected to redis://default@cache"])
def test_what_is_no_mistake(world, rows):
    world.policy(rows + "\n")
    assert world.check().status != 78


def test_a_secret_that_stands_often(world):
    """It takes no room from another."""
    world.policy("[environment set]\n" + "".join(f"A{i} = ${{MY_TOKEN}}\n" for i in range(40)) + "[service]\nready_within = ${DB_PASSWORD}\n[policy]\nhub_cache = /x/${DB_PASSWORD}\n[model m]\nrepo = org/m\n")
    result = world.run("check", "-p", str(world.policy_file), env={"MY_TOKEN": "another secret", "DB_PASSWORD": "hunter2secret"})
    assert "hunter2" not in result.out + result.err, result


def test_a_directory_of_credentials_is_no_secret(world):
    world.policy("[model m]\npath = ${CREDENTIALS_DIRECTORY}/m\n")
    assert "/run/credentials/x/m" in world.run("explain", "-p", str(world.policy_file), env={"CREDENTIALS_DIRECTORY": "/run/credentials/x"}).out


def test_what_goes_on_in_the_next_line(world):
    """Addresses, targets, patterns and versions have = and : in them, and are no rows."""
    world.policy("[model m]\npath = /m\nfiles = *.json,\n  *.txt\noptional = yes\n[service]\nready = tcp:80,\n  http://127.0.0.1/x=1,\n  log:up: yes,\n  file:/a=b\n[packages]\nnumpy = >=1,\n  <3,\n  !=2.0\n"
                 "[fetch]\nendpoint = https://a,\n  https://b:8443/x\n[severity]\npackage.version = off\n", model="")
    assert "policy.syntax" not in {f["code"] for f in world.check().report["findings"]}
