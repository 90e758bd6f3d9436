# SPDX-License-Identifier: Apache-2.0
"""The ways in which people start a service, in an image that is Debian with bash and Python: entrypoints and commands in both forms,
scripts of both sides, words behind `docker run IMAGE`, what a Dockerfile and a HEALTHCHECK run."""

import itertools
import json
import os
import shutil

import debian
import pytest
from models import Repo, bert_files
from test_docker import Container, docker
from waiting import wait_for
from world import ROOT, missing

NUMBERS = itertools.count()
POLICY = "[policy]\nuser = app\nhome = set\nhub_cache = /models/hub\n[model m]\nrepo = org/m\n"
APP = """import json, os, signal, sys
def end(*_):
    print("ended", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
told = {"home": os.environ.get("HOME"), "offline": os.environ.get("HF_HUB_OFFLINE")}
print("ready", json.dumps({"argv": sys.argv[1:], "pid": os.getpid(), "uid": os.getuid(), **told}), flush=True)
while "stay" in sys.argv:
    signal.pause()
"""
SCRIPT = "#!/bin/bash\nset -e\nif [ \"${1#-}\" != \"$1\" ] || [ $# = 0 ]; then set -- python3 /app.py \"$@\"; fi\nexport FROM_SCRIPT=yes\nexec %s\"$@\"\n"


class Images:
    """A base image, and small ones upon it, each a Dockerfile of few lines."""

    def __init__(self, folder):
        self.folder, self.base, self.images, self.containers = folder, f"aweigh-debian-{os.getpid()}", [], []
        files = folder / "files"
        (files / "etc/aweigh").mkdir(parents=True)
        (files / "etc/aweigh/policy.ini").write_text(POLICY)
        (files / "app.py").write_text(APP)
        outside = SCRIPT % ""
        scripts = {"outside.sh": outside, "inside.sh": SCRIPT % "/aweigh -- ", "windows.sh": outside.replace("\n", "\r\n"), "nowhere.sh": "#!/opt/bash\n", "locked.sh": outside}
        for name, text in scripts.items():
            (files / name).write_bytes(text.encode())
            (files / name).chmod(0o644 if name == "locked.sh" else 0o755)
        shutil.copy(ROOT / "build/aweigh", files)
        Repo(files / "models/hub").all(bert_files()).ref().manifest()

    def make(self):
        archive = self.folder / "debian.tar"
        if not debian.archive(archive):
            missing("Debian's packages bash and python3, whose files become the image's")
        self.images.append(f"{self.base}-files")
        docker("import", archive, f"{self.base}-files")
        archive.unlink()
        self.build("", base=f"{self.base}-files", lines="RUN echo app:x:1000:1000::/home/app:/bin/bash >>/etc/passwd && echo app:x:1000: >>/etc/group\n"
                   "RUN mkdir /home/app && chown 1000:1000 /home/app && cp /bin/true /root/python && ln -s /root/python /usr/bin/uvpython\nCOPY files/ /\nENV HF_HOME=/models\n")

    def build(self, name, lines, base=None, check=True):
        tag = self.base + name
        rows = lines.splitlines()
        if tag not in self.images and all(row.startswith(("ENTRYPOINT ", "CMD ")) for row in rows):
            # The same words read by the same parser, without a container for each, as the classic builder has it.
            docker("create", "--name", tag, self.base, "-")
            docker("commit", *itertools.chain(*(("--change", row) for row in rows)), tag, tag)
            docker("rm", tag)
            self.images.append(tag)
        elif tag not in self.images:
            (self.folder / "Dockerfile").write_text(f"FROM {base or self.base}\n{lines}")
            built = docker("build", "-q", "--force-rm", "-t", tag, self.folder, check=False)
            if check:
                assert built.returncode == 0, built
                self.images.append(tag)
            else:
                return built
        return tag

    def run(self, image, *words, options=()):
        return docker("run", "--rm", "--network", "none", *options, image, *words, check=False)

    def said(self, image, *words, options=()):
        """What the service said of itself."""
        result = self.run(image, *words, options=options)
        assert result.returncode == 0, result
        return json.loads(result.stdout.split("ready ", 1)[1])

    def start(self, image, *words, options=()):
        name = f"{self.base}-{next(NUMBERS)}"
        self.containers.append(name)
        docker("run", "-d", "--name", name, "--network", "none", *options, image, *words)
        return Container(name)

    def clean(self):
        if self.containers:
            docker("rm", "-f", *self.containers, check=False)
        for image in reversed(self.images):
            docker("rmi", "-f", image, check=False)


@pytest.fixture(scope="module")
def images(tmp_path_factory, request):
    if not shutil.which("docker") or docker("info", check=False).returncode != 0:
        missing("a Docker engine")
    images = Images(tmp_path_factory.mktemp("debian"))
    request.addfinalizer(images.clean)
    images.make()
    return images


EXEC = 'ENTRYPOINT ["/aweigh", "--"]\n'


@pytest.fixture
def usual(images):
    """README's image."""
    return images.build("-usual", EXEC + 'CMD ["python3", "/app.py"]\n')


# Words behind `docker run IMAGE`

@pytest.mark.parametrize("words, status, said", [
    (["check"], 0, "pass: 1 model"), (["check", "--format", "json"], 0, '"verdict": "pass"'), (["check", "-v", "--verify", "digest"], 0, "verified: digest"),
    (["check", "--only", "absent"], 64, ""), (["--version"], 0, "aweigh "), (["-V"], 0, "aweigh "), (["--help"], 0, "aweigh run [options]"), (["-h"], 0, "aweigh run [options]"),
    (["help", "fetch.retries"], 0, "retries"), (["checks", "file.truncated"], 0, "file.truncated"), (["explain"], 0, "org/m"), (["--nonsense"], 64, ""),
    (["python3", "--version"], 0, "Python 3"), (["bash", "--version"], 0, "GNU bash"),
])
def test_words_behind_docker_run(images, usual, words, status, said):
    result = images.run(usual, *words)
    if "--only" in words:   # an unknown name
        assert result.returncode not in (0, 127) and "absent" in result.stderr + result.stdout, result
    else:
        assert result.returncode == status and said in result.stdout, result


def test_a_program_of_the_image_comes_first(images):
    """One that is called `check` is what `docker run IMAGE check` always meant there."""
    image = images.build("-own", 'RUN mkdir -p /usr/local/bin && ln -s /bin/true /usr/local/bin/check\n' + EXEC)
    result = images.run(image, "check", "--format", "json")
    assert result.returncode == 0 and result.stdout == "" and "pass: 1 model" in result.stderr, result


def test_another_policy_by_the_environment(images, usual):
    assert images.run(usual, "check", options=["-e", "AWEIGH_POLICY=/none.ini"]).returncode == 78


# Forms of CMD and ENTRYPOINT

FORMS = {
    "exec form": (EXEC + 'CMD ["python3", "/app.py", "stay"]\n', 1),
    "shell form of CMD with exec": (EXEC + "CMD exec python3 /app.py stay\n", 1),
    "SHELL bash": ('SHELL ["/bin/bash", "-c"]\n' + EXEC + "CMD python3 /app.py stay\n", 1),
    "shell form of ENTRYPOINT": ("ENTRYPOINT exec /aweigh -- python3 /app.py stay\n", 1),
    "the whole line in ENTRYPOINT": ('ENTRYPOINT ["/aweigh", "--", "python3", "/app.py", "stay"]\n', 1),
    "run spelt out": ('ENTRYPOINT ["/aweigh", "run", "--"]\nCMD ["python3", "/app.py", "stay"]\n', 1),
    "a script before aweigh": ('ENTRYPOINT ["/inside.sh"]\nCMD ["python3", "/app.py", "stay"]\n', 1),
    "a script behind aweigh": ('ENTRYPOINT ["/aweigh", "--", "/outside.sh"]\nCMD ["python3", "/app.py", "stay"]\n', 1),
    "env as the command": (EXEC + 'CMD ["env", "A=b", "python3", "/app.py", "stay"]\n', 1),
    "init": ('ENTRYPOINT ["/aweigh", "run", "--init", "--"]\nCMD ["python3", "/app.py", "stay"]\n', None),
    "init and the shell form of CMD": ('ENTRYPOINT ["/aweigh", "run", "--init", "--"]\nCMD python3 /app.py stay\n', None),   # sh is asked, and what it leaves behind
    "init and a shell that stays": ('ENTRYPOINT ["/aweigh", "run", "--group", "--"]\nCMD python3 /app.py stay; exit $?\n', None),
    "tini's letters": ('ENTRYPOINT ["/aweigh", "run", "-g", "--"]\nCMD ["bash", "-c", "python3 /app.py stay & wait $!"]\n', None),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_cmd_and_entrypoint(images, form):
    """It starts as the policy's user, offline, and `docker stop` reaches it."""
    lines, pid = FORMS[form]
    container = images.start(images.build(f"-form{list(FORMS).index(form)}", lines)).ready()
    said = json.loads(container.logs().split("ready ", 1)[1].splitlines()[0])
    assert said["uid"] == 1000 and said["home"] == "/home/app" and said["offline"] == "1" and pid in (None, said["pid"])
    assert container.stop() in ((0, 143) if pid is None and form != "init" else (0,))   # a shell dies of it
    wait_for(lambda: "ended" in container.logs())


def test_options_fall_to_the_script(images):
    """`docker run IMAGE --port 80`, as database images have it: the script adds its program before the options."""
    image = images.build("-options", 'ENTRYPOINT ["/inside.sh"]\n')
    assert images.said(image, "--port", "80")["argv"] == ["--port", "80"]
    assert images.run(image, "check").returncode == 0   # the script hands it to aweigh


def test_the_entrypoint_without_dashes(images):
    """`ENTRYPOINT ["/aweigh"]`: what is meant is said, whatever follows."""
    image = images.build("-bare", 'ENTRYPOINT ["/aweigh"]\nCMD ["python3", "/app.py"]\n')
    result = images.run(image)
    assert result.returncode == 64 and "--" in result.stderr, result
    assert images.run(image, "check").returncode == 0
    assert images.said(image, "--", "python3", "/app.py", "x")["argv"] == ["x"]


def test_another_entrypoint(images, usual):
    """How people look into an image: aweigh is not in the way."""
    result = images.run(usual, "-c", "id -u", options=["--entrypoint", "bash"])
    assert result.stdout == "0\n" and result.stderr == ""


# A service that cannot start

@pytest.mark.parametrize("command, status, words", [
    ("/locked.sh", 126, "chmod +x"), ("/windows.sh", 127, "Windows line ends"), ("/nowhere.sh", 127, "/opt/bash"), ("/etc", 126, "not a regular file"), ("nothing", 127, "PATH"),
    ("uvpython", 126, "/root"),   # a virtual environment whose Python lies in root's home, as uv leaves it: there for root alone
])
def test_a_service_that_cannot_start(images, command, status, words):
    """The report says what the run comes to, before anything is fetched for it: no "pass" above a service that is not there."""
    result = images.run(images.build("-told", 'ENTRYPOINT ["/aweigh", "--report", "json=/dev/stdout", "--"]\n'), command)
    assert result.returncode == status and words in result.stderr, result
    report = json.loads(result.stdout)
    assert (report["verdict"], report["status"]) == ("refused", status)


# Dockerfile, HEALTHCHECK, exec

def test_a_build_that_checks(images):
    assert images.build("-good", 'RUN ["/aweigh", "check"]\nRUN /aweigh check && echo checked\n')
    empty = images.build("-empty", "RUN rm -r /models/hub\n")
    failed = images.build("-bad", 'RUN ["/aweigh", "check"]\n', base=empty, check=False)
    assert failed.returncode != 0 and "66" in failed.stderr + failed.stdout


def test_a_healthcheck(images):
    """`aweigh check -q` in a container whose service runs: no output, and healthy."""
    image = images.build("-health", 'HEALTHCHECK --interval=1s CMD ["/aweigh", "check", "-q"]\n' + EXEC + 'CMD ["python3", "/app.py", "stay"]\n')
    container = images.start(image).ready()
    wait_for(lambda: docker("inspect", "-f", "{{.State.Health.Status}}", container.name).stdout.strip() == "healthy")
    assert docker("inspect", "-f", "{{range .State.Health.Log}}{{.Output}}{{end}}", container.name).stdout.strip() == ""
    assert container.stop() == 0


def test_docker_exec_with_a_shell(images):
    """What is left behind by shells of `docker exec` is reaped, and a check there says what the gate said."""
    container = images.start(images.build("-init", 'ENTRYPOINT ["/aweigh", "run", "--init", "--"]\nCMD ["python3", "/app.py", "stay"]\n')).ready()
    for _ in range(5):
        docker("exec", container.name, "bash", "-c", "(sleep 0.1 &) ; exit 0")
    assert json.loads(docker("exec", container.name, "/aweigh", "check", "--format", "json").stdout)["verdict"] == "pass"
    wait_for(lambda: "Z" not in docker("exec", container.name, "ps", "-eo", "stat=").stdout and "sleep" not in docker("exec", container.name, "ps", "-eo", "comm=").stdout)
    assert container.stop() == 0


def test_a_service_of_several_processes(images):
    """A shell that starts two and waits: `docker stop` ends both, as the group is asked."""
    image = images.build("-two", 'ENTRYPOINT ["/aweigh", "run", "--group", "--"]\nCMD ["bash", "-c", "python3 /app.py stay & python3 /app.py stay & wait"]\n')
    container = images.start(image)
    wait_for(lambda: container.logs().count("ready") == 2)
    container.stop()
    wait_for(lambda: container.logs().count("ended") == 2)
