# SPDX-License-Identifier: Apache-2.0
"""policy.wait: the service and whoever fills its volume start at the same time."""

import signal
import subprocess
import time

import pytest
from hub_server import Hub, one_repo
from models import Repo, bert_files, complete
from world import HANG_LIMIT


def policy(world, wait="60s", more=""):
    world.policy(f"[policy]\nwait = {wait}\nhub_cache = {world.hub}\n{more}\n[model m]\nrepo = org/m\n")


def start(world, *args):
    return subprocess.Popen([world.binary, "-p", str(world.policy_file), *args, "--", "/bin/echo", "started"], env=world.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def ended(process):
    out, err = process.communicate(timeout=HANG_LIMIT)
    return process.returncode, out, err.decode()


def until_it_waits(process):
    assert b"waiting for the model m" in process.stderr.readline()


def test_a_model_that_comes_later(world):
    policy(world)
    process = start(world)
    until_it_waits(process)
    complete(world.hub)
    assert ended(process)[:2] == (0, b"started\n")


def test_never_while_it_is_partial(world):
    """Files come one by one, the weights piece by piece."""
    policy(world)
    process = start(world)
    until_it_waits(process)
    repo, files = Repo(world.hub), bert_files()
    repo.file("config.json", files["config.json"]).ref()
    path = repo.snapshot / "model.safetensors"
    for size in range(100, len(files["model.safetensors"]), 100):
        path.write_bytes(files["model.safetensors"][:size])
        time.sleep(0.15)
        assert process.poll() is None
    path.write_bytes(files["model.safetensors"])
    repo.file("tokenizer.json", files["tokenizer.json"])
    assert ended(process)[:2] == (0, b"started\n")


def test_beside_a_fetch_that_is_killed_once(world):
    with Hub(one_repo(bert_files())) as hub:
        prep = world.path / "prep.ini"
        prep.write_text(f"[policy]\nmode = auto\nhub_cache = {world.hub}\n[model m]\nrepo = org/m\n[fetch]\nendpoint = {hub.url}\nallow_http = yes\n")
        policy(world)
        services = [start(world), start(world)]
        for service in services:
            until_it_waits(service)
        first = subprocess.Popen([world.binary, "fetch", "-p", prep], env=world.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.02)
        first.kill()
        first.wait()
        assert subprocess.run([world.binary, "fetch", "-p", prep], env=world.env, capture_output=True, timeout=HANG_LIMIT).returncode == 0
        for service in services:
            assert ended(service)[:2] == (0, b"started\n")


def test_the_end_of_it(world):
    policy(world, "700ms")
    status, out, err = ended(start(world))
    assert status == 75 and out == b"" and "gate.wait" in err and "model.missing" in err, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_at_any_moment(world, number):
    policy(world)
    process = start(world)
    until_it_waits(process)
    process.send_signal(number)
    assert ended(process)[0] == 128 + number


def test_what_cannot_arrive_is_refused_at_once(world):
    complete(world.hub)
    policy(world, "100s", "user = 0:0\n[environment require]\nX = 1")
    assert ended(start(world))[0] == 76
    policy(world, "100s", "mode = auto")
    status, _, err = ended(start(world))
    assert status == 78 and "another brings the models" in " ".join(err.split())


def test_a_plain_folder_and_a_check(world):
    folder = world.path / "model"
    world.policy(f"[policy]\nwait = 60s\n[model m]\npath = {folder}\n")
    process = subprocess.Popen([world.binary, "check", "-p", str(world.policy_file)], env=world.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until_it_waits(process)
    folder.mkdir()
    for name, data in bert_files().items():
        (folder / name).write_bytes(data)
    assert ended(process)[0] == 0


def test_what_is_there_is_not_waited_for(world):
    complete(world.hub)
    policy(world)
    status, out, err = ended(start(world))
    assert (status, out) == (0, b"started\n") and "waiting" not in err


def test_never_while_a_file_arrives_beside_what_is_there(world):
    """huggingface_hub 0.36 leaves no manifest: what tells of a file that is to come is its partial blob alone."""
    repo = Repo(world.hub)
    repo.all().ref()
    policy(world, "60s")
    partial = next(world.hub.glob("models--*/blobs")) / ("a" * 40 + ".incomplete")
    partial.write_bytes(b"x")
    process = start(world)
    for _ in range(8):
        time.sleep(0.5)
        with partial.open("ab") as file:
            file.write(b"x")
        assert process.poll() is None
    partial.unlink()
    assert ended(process)[:2] == (0, b"started\n")
