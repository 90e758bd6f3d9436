# SPDX-License-Identifier: Apache-2.0
"""The rows of the five systems' requirements that need a network: policies/ as they are, with the places and the hub
of the test put in. A test's name begins with the row's number."""

import json
import os
import shutil
import subprocess
import time

import certificates
import pytest
from world import HANG_LIMIT, ROOT
from hub_server import Hub, one_repo
from models import COMMIT, bert_files, gguf, safetensors
from fetching import library
from network import tinyproxy

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
NANONETS = "nanonets/Nanonets-OCR-s"
HOMEIQ = {"all-MiniLM-L6-v2": MINILM, "bge-reranker-base": "BAAI/bge-reranker-base", "flan-t5-small": "google/flan-t5-small"}


def repos(*names, files=None):
    return {name: one_repo(files or bert_files(), repo=name)[name] for name in names}


class System:
    """A system's own policy; `changes`: what is another place here."""

    def __init__(self, world, name, hub, changes, fetch="", **env):
        folder = world.path / name
        shutil.copytree(ROOT / "policies" / name, folder)
        self.world, self.policy, self.cache = world, folder / "policy.ini", world.path / "cache"
        text = self.policy.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        extra = f"endpoint = {hub}\nallow_http = yes\nretries = 2\nretry_delay = 10ms\n{fetch}\n" if hub else ""
        self.policy.write_text(text + (f"\n[fetch]\n{extra}" if extra else ""))
        self.env = {"HF_HOME": str(self.cache), "HOME": str(world.path), **env}

    def run(self, *args, **env):
        prefix = env.pop("prefix", ())
        return self.world.run(*args[:1], "-p", str(self.policy), *args[1:], env={**self.env, **env}, prefix=prefix)

    def fetch(self, *args, **env):
        return self.run("fetch", "--format", "json", *args, **env)

    def start(self, *command, **env):
        return self.world.run("-p", str(self.policy), "--", *command, env={**self.env, **env})


def catalyst(world, hub, fetch="", **env):
    cache = world.path / "cache/hub"
    return System(world, "build-behind-a-proxy", hub,
                  [("/home/catalyst/.cache/huggingface/hub", str(cache)), ("user      = 1000:1000", ""), ("owner    = 1000:1000", ""), ("min_size = 80M", ""),
                   ("1_Pooling/config.json, ", ""), ("[packages]\nrequests = 2.32.5", "")], fetch, **env)


def ocr_rag(world, hub, fetch=""):
    return System(world, "air-gapped-image", hub, [("/app", str(world.path / "app")), ("min_size    = 900M", ""), ("min_size    = 4G", "")], fetch)


def homeiq(world, hub, fetch="", **env):
    return System(world, "shared-volume", hub, [("/app/models", str(world.path / "cache")), ("[paths]", "[severity]\npaths.not-mounted = off\n\n[paths]")], fetch, **env)


def gnosis(world, hub, fetch="", **env):
    return System(world, "bucket-on-cloud-run", hub, [("/cache", str(world.path / "cache")), ("= fuse*", "= *"), ("[environment require]", "[severity]\npaths.not-mounted = off\n\n[environment require]")],
                  fetch, **{"HF_HOME": str(world.path / "cache/huggingface"), "STORAGE_PATH": "/tmp/s", "GCS_BUCKET_NAME": "b", "MODEL_BUCKET_NAME": "m", **env})


# 1: build-behind-a-proxy, behind a proxy that intercepts TLS

def test_1_12_each_cause_has_its_own_finding(world, tls, tmp_path):
    other, _ = certificates.make(tmp_path / "mitm", "Corporate Proxy CA")
    with Hub(repos(MINILM), tls=tls[1]) as hub:
        def causes(endpoint, fetch, **env):
            shutil.rmtree(world.path / "build-behind-a-proxy", ignore_errors=True)
            result = catalyst(world, endpoint, f"{fetch}\nconnect_timeout = 1s", **env).fetch()
            assert result.status != 0
            return {f["code"]: f["message"] for f in result.report["findings"]}

        assert "issued by 'aweigh test CA'" in causes(hub.url, f"ca_bundle = {other}")["fetch.tls"]
        assert "refused" in causes("https://127.0.0.1:9", f"ca_bundle = {tls[0]}")["fetch.connect"]
        assert "cannot be resolved" in causes("https://hub.invalid", f"ca_bundle = {tls[0]}")["fetch.dns"]
        port, proxy = tinyproxy(tmp_path, "user")
        with proxy:
            assert "authentication" in causes(hub.url, f"ca_bundle = {tls[0]}", HTTPS_PROXY=f"http://127.0.0.1:{port}")["fetch.proxy"]
        hub.fault("/api/", status=500)
        assert "answers 500" in causes(hub.url, f"ca_bundle = {tls[0]}")["fetch.server"]


def test_1_12_with_the_bundle_it_is_built(world, tls):
    with Hub(repos(MINILM), tls=tls[1]) as hub:
        system = catalyst(world, hub.url, REQUESTS_CA_BUNDLE=str(tls[0]))
        assert system.fetch().status == 0
        assert system.run("check").status == 0


# 2: air-gapped-image, plain folders

OCR = ("nvidia/Llama-3.2-NV-RerankQA-1B-v2", "sbintuitions/sarashina-embedding-v1-1b")


def test_2_6_three_attempts_with_a_delay(world):
    (world.path / "app/models/yomitoku").mkdir(parents=True)
    (world.path / "app/models/yomitoku/weights.safetensors").write_bytes(safetensors())
    with Hub(repos(*OCR)) as hub:
        times = []
        hub.fault("reranker|Llama.*resolve.*config", status=503, times=2)
        system = ocr_rag(world, hub.url, "retry_max_delay = 300ms")
        system.policy.write_text(system.policy.read_text().replace("retries = 2", "retries = 3").replace("retry_delay = 10ms", "retry_delay = 300ms"))
        result = system.fetch()
        assert result.status == 0, result
        assert len(hub.paths("Llama.*resolve.*config")) == 3
        # Three failures, and the build fails: no 72 KB folder passes for a model.
        shutil.rmtree(world.path / "app/reranker_models")
        hub.fault("Llama.*resolve.*config", status=503)
        result = system.fetch()
        finding = result.finding("fetch.server")
        assert result.status == 75 and "tried 4 times" in finding["message"] and finding["hint"] == "./dev.sh rebuild base", result
    assert not times and not (world.path / "app/reranker_models/llama-nv-reranker/model.safetensors").exists()


def test_2_7_the_host_behind_a_redirect_is_named(world):
    with Hub(repos(*OCR)) as hub:
        hub.servers[1].shutdown(), hub.servers[1].server_close()
        result = ocr_rag(world, hub.url).fetch("--only", "reranker")
        message = result.finding("fetch.connect")["message"]
        assert hub.cdn.split("//")[1] in message and f"redirected from {hub.root.split('//')[1]}" in message, message
        hub.servers.pop(), hub.threads.pop()


def test_2_17_another_endpoint_of_the_environment(world):
    with Hub(repos(*OCR)) as hub:
        system = ocr_rag(world, None)
        system.policy.write_text(system.policy.read_text() + "\n[fetch]\nallow_http = yes\n")
        assert system.fetch("--only", "sarashina", HF_ENDPOINT=hub.url + "/").status == 0
        assert hub.requests


# 3: ci-cache, a manifest in CI

def candle(world, hub, fetch="", **env):
    system = System(world, "ci-cache", hub, [], fetch, HF_HOME=str(world.path / "cache"), **env)
    return system


def candle_repos(system):
    out = {}
    for line in (system.policy.parent / "model_manifest.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            name = words[0]
            files = {words[1].split(":")[1]: gguf()} if len(words) > 1 else {**bert_files(), "extra.gguf": gguf()}
            out[name] = {"commit": COMMIT, "refs": {"main": COMMIT}, "files": {**files, "README.md": b"x"}}
    return out


def manifest_system(world, hub, fetch=""):
    system = candle(world, hub.url, fetch)
    hub.repos.update(candle_repos(system))
    system.policy.write_text(system.policy.read_text().replace("manifest = model_manifest.txt", f"manifest = {system.policy.parent}/model_manifest.txt"))
    return system


def test_3_4_429_waits_as_long_as_the_server_says(world):
    with Hub({}) as hub:
        system = manifest_system(world, hub)
        hub.fault("/api/", status=429, times=2, headers={"Retry-After": "2"})
        seen = []
        original = hub.actions
        hub.actions = lambda path: (seen.append((time.monotonic(), path)), original(path))[1]
        result = system.fetch()
        assert result.status == 0, result
        first = [at for at, path in seen if path == seen[0][1]]
        assert len(first) == 3 and first[1] - first[0] >= 2 and first[2] - first[1] >= 2
        hub.faults.clear()
        hub.fault("/api/", status=401)
        shutil.rmtree(world.path / "cache")
        seen.clear()
        assert system.fetch("--only", [line for line in candle_repos(system)][0]).status == 69 and len(seen) == 1


def test_3_4_the_rate_limit_headers(world):
    with Hub(repos(MINILM)) as hub:
        hub.fault("/api/", status=429, times=1, headers={"RateLimit": '"api";r=0;t=2'})
        system = catalyst(world, hub.url)
        started = time.monotonic()
        assert system.fetch().status == 0 and time.monotonic() - started >= 2


def test_3_4_a_pause_longer_than_the_deadline_ends_at_once(world):
    with Hub(repos(MINILM)) as hub:
        hub.fault("/api/", status=429, headers={"Retry-After": "3600"})
        result = catalyst(world, hub.url).fetch()
        assert result.status == 75 and "429" in result.finding("fetch.rate-limited")["message"]


def test_3_5_the_token_stays_with_the_hub(world):
    with Hub(repos(MINILM), token="hf_secret") as hub:
        result = catalyst(world, hub.url).fetch(HF_TOKEN="hf_secret")
        assert result.status == 0 and "hf_secret" not in result.out + result.err
        assert {s["server"]: s.get("authorization") for s in hub.seen} == {"127.0.0.1": "Bearer hf_secret", "127.0.0.2": None}


@pytest.mark.parametrize("on_missing", ["fail", "fetch", "warn"])
def test_3_6_each_way_to_deal_with_a_missing_model(world, payload, on_missing):
    with Hub(repos(MINILM)) as hub:
        system = catalyst(world, hub.url)
        text = system.policy.read_text()
        if on_missing != "fail":
            text = text.replace("mode      = offline", "mode = auto")
        if on_missing == "warn":
            hub.fault("/", status=404)
            text = text.replace("[model minilm]", "[model minilm]\noptional = yes")
        system.policy.write_text(text)
        result = system.start(payload, "0")
        assert result.status == {"fail": 66, "fetch": 0, "warn": 0}[on_missing], result
        assert bool(hub.requests) == (on_missing != "fail")


@pytest.mark.parametrize("version", ["hub-0", "hub-1", "hub-2"])
def test_3_12_the_library_finds_it(world, version):
    with Hub({}) as hub:
        system = manifest_system(world, hub)
        result = system.fetch()
        assert result.status == 0, result
        assert not hub.paths("extra.gguf.*TinyLlama")
    for name, repo in candle_repos(system).items():
        patterns = [next(iter(repo["files"]))] if any(f.endswith(".gguf") and f != "extra.gguf" for f in repo["files"]) else None
        result = library(version, f"from huggingface_hub import snapshot_download as s; s({name!r}, local_files_only=True, allow_patterns={patterns!r})",
                         HF_HUB_OFFLINE="1", HF_HOME=str(world.path / "cache"))
        assert result.returncode == 0, result.stderr


# 4: HomeIQ, a prep container and its services on one volume

def test_4_1_prep_then_services_without_a_socket(world, payload, tmp_path):
    """The same policy in both: `aweigh fetch` fills the volume, the services open no socket."""
    with Hub(repos(*HOMEIQ.values())) as hub:
        system = homeiq(world, hub.url)
        assert system.fetch().status == 0
    for service in range(3):
        trace = tmp_path / f"trace{service}"
        result = world.run("-p", str(system.policy), "--", payload, "0", env=system.env, prefix=["strace", "-f", "-e", "trace=network", "-o", str(trace)])
        assert result.status == 0 and not [line for line in trace.read_text().splitlines() if "(" in line], result


def test_4_4_keys_select(world):
    with Hub(repos(*HOMEIQ.values())) as hub:
        system = homeiq(world, hub.url)
        assert system.fetch(MODELS_TO_DOWNLOAD="all-MiniLM-L6-v2, flan-t5-small").status == 0
        assert not hub.paths("bge") and hub.paths("flan") and hub.paths("MiniLM")
        assert system.fetch(MODELS_TO_DOWNLOAD="flan-t5-smal").status == 78


def test_4_6_the_librarys_timeout_is_honoured(world):
    with Hub(repos(*HOMEIQ.values())) as hub:
        hub.fault("resolve.*config", hang=6, times=1)
        result = homeiq(world, hub.url).fetch("--only", "flan-t5-small", HF_HUB_DOWNLOAD_TIMEOUT="1")
        assert result.status == 0, result   # a second without a byte, and it asked again
        shutil.rmtree(world.path / "shared-volume")
        assert "env.not-a-number" in homeiq(world, hub.url).fetch("--only", "flan-t5-small", HF_HUB_DOWNLOAD_TIMEOUT="600s").codes()


def test_4_7_through_the_companys_proxy(world, tls, tmp_path):
    port, proxy = tinyproxy(tmp_path)
    with proxy, Hub(repos(*HOMEIQ.values()), tls=tls[1]) as hub:
        address = f"http://127.0.0.1:{port}"
        assert homeiq(world, hub.url, f"ca_bundle = {tls[0]}").fetch(HTTP_PROXY=address, HTTPS_PROXY=address).status == 0
    assert "CONNECT" in (tmp_path / "proxy.log").read_text()


def test_4_8_from_the_cache_or_fetched(world, payload):
    with Hub(repos(*HOMEIQ.values())) as hub:
        system = homeiq(world, hub.url)
        system.policy.write_text(system.policy.read_text().replace("mode      = offline", "mode = auto"))
        assert system.start(payload, "0", HF_HUB_OFFLINE="1").status == 76 and not hub.requests
        assert system.start(payload, "0").status == 0 and hub.requests
        hub.requests.clear()
        assert system.start(payload, "0").status == 0 and not hub.requests


def test_4_12_no_silent_minutes(world):
    with Hub(repos(*HOMEIQ.values(), files={**bert_files(), "pad.safetensors": safetensors({"w": 2_500_000})})) as hub:
        hub.fault("/cdn/.*pad", rate=400_000)
        result = homeiq(world, hub.url, "connections = 2").run("fetch", "--only", "flan-t5-small")
        assert result.status == 0 and "bytes_per_second=" in result.err, result


# 5: bucket-on-cloud-run, Cloud Run with a bucket

def test_5_1_offline_variables_and_an_empty_cache(world):
    offline = {"HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    with Hub(repos(NANONETS)) as hub:
        result = gnosis(world, hub.url).fetch(**offline)
        message = result.finding("fetch.offline")["message"]
        assert result.status == 76 and all(name in message for name in offline) and not hub.requests, result


def test_5_2_first_online_then_offline(world, payload):
    with Hub(repos(NANONETS)) as hub:
        system = gnosis(world, hub.url)
        for requests in (True, False):
            hub.requests.clear()
            result = system.start(payload, "0")
            assert result.status == 0 and bool(hub.requests) == requests, result
            assert "HF_HUB_OFFLINE=1" in json.loads(result.out)["environ"]


def test_5_3_a_partial_snapshot_is_no_model(world, payload):
    index = json.dumps({"weight_map": {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}}).encode()
    files = {**bert_files(), "model.safetensors.index.json": index, "m-00001-of-00002.safetensors": safetensors({"a": 8}), "m-00002-of-00002.safetensors": safetensors({"b": 8})}
    files.pop("model.safetensors")
    with Hub(repos(NANONETS, files=files)) as hub:
        system = gnosis(world, hub.url)
        assert system.fetch().status == 0
        snapshot = world.path / f"cache/huggingface/hub/models--nanonets--Nanonets-OCR-s/snapshots/{COMMIT}"
        (snapshot / "m-00002-of-00002.safetensors").resolve().unlink()
        hub.requests.clear()
        assert system.start(payload, "0").status == 0
        assert len(hub.paths("resolve")) == 1


def test_5_6_a_cache_that_is_memory(world, payload, need_root):
    with Hub(repos(NANONETS)) as hub:
        system = gnosis(world, hub.url)
        (world.path / "cache").mkdir(exist_ok=True)
        result = system.run("fetch", "--format", "json", prefix=["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {world.path}/cache && exec "$@"', "sh"])
        assert result.status == 0 and "tmpfs" in result.finding("cache.ephemeral")["message"], result


def test_5_10_stable_lines(world, payload):
    with Hub(repos(NANONETS)) as hub:
        system = gnosis(world, hub.url)
        first, second = system.start(payload, "0"), system.start(payload, "0")
    missing, aboard = "aweigh: model=nanonets-ocr status=missing action=fetch", "aweigh: model=nanonets-ocr status=ok action=offline"
    assert [first.err.splitlines().count(line) for line in (missing, aboard)] == [1, 1], first.err
    assert [second.err.splitlines().count(line) for line in (missing, aboard)] == [0, 1], second.err


def test_5_13_many_instances_at_once(world):
    """On a volume whose locks work, and on one that has neither locks nor links: never a torn model."""
    program = world.path / "without-flock"
    subprocess.run(["gcc", "-O1", "-o", program, "-DCALL=SYS_flock", "-DANSWER=ENOSYS", ROOT / "tests/programs/forbid.c"], check=True)
    files = {**bert_files(), "pad.safetensors": safetensors({"w": 500_000})}
    with Hub(repos(NANONETS, files=files)) as hub:
        for prefix in ([], [str(program)]):
            shutil.rmtree(world.path / "bucket-on-cloud-run", ignore_errors=True), shutil.rmtree(world.path / "cache", ignore_errors=True)
            system = gnosis(world, hub.url)
            hub.requests.clear()
            env = {"PATH": os.environ["PATH"], **system.env}
            running = [subprocess.Popen([*prefix, world.binary, "fetch", "-p", str(system.policy)], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                       for _ in range(4)]
            for process in running:
                out, _ = process.communicate(timeout=HANG_LIMIT)
                assert process.returncode == 0, out.decode()
            if not prefix:
                assert len(hub.paths("resolve.*pad")) == 1
            snapshot = world.path / f"cache/huggingface/hub/models--nanonets--Nanonets-OCR-s/snapshots/{COMMIT}"
            assert {name: (snapshot / name).read_bytes() for name in files} == files
