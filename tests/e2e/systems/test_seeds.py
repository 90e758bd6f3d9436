# SPDX-License-Identifier: Apache-2.0
"""The five systems of policies/, each row of their requirements that needs no network and no resident init. A test's
name begins with the row's number. The policies are the real files, checked against an unpacked image (--root)."""

import json
import os
import shutil
import struct
import time

import pytest
from world import ROOT
from models import COMMIT, OTHER, Repo, bert_files, gguf, minilm_files, safetensors

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


class Image:
    """An unpacked image with one system's policy."""

    def __init__(self, world, system, **env):
        self.world, self.root = world, world.path / "image"
        shutil.copytree(ROOT / "policies" / system, self.root / "etc" / "aweigh")
        (self.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ncatalyst:x:1000:1000::/home/catalyst:/bin/sh\n")
        (self.root / "etc/group").write_text("root:x:0:\ncatalyst:x:1000:\n")
        self.env = {"HOME": "/root", "HF_HOME": None, **env}

    def path(self, name):
        return self.root / name.lstrip("/")

    def check(self, *args, **env):
        return self.look("check", "--format", "json", *args, **env)

    def look(self, command, *args, prefix=(), **env):
        """What the image declares is judged, not what the machine has that looks at it."""
        file = self.world.path / "image.env"
        declared = {**self.env, **env}
        file.write_text("".join(f"{name}={value}\n" for name, value in declared.items() if value is not None))
        return self.world.run(command, "--root", str(self.root), "--env-file", str(file), *args, prefix=list(prefix))

    def own(self, name, uid=1000, gid=1000):
        for folder, _, files in os.walk(self.path(name)):
            for entry in [folder, *(os.path.join(folder, f) for f in files)]:
                os.chown(entry, uid, gid, follow_symlinks=False)

    def edit(self, *changes):
        policy = self.path("/etc/aweigh/policy.ini")
        text = policy.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        policy.write_text(text)


def sparse_weights(path, size):
    """A whole safetensors file of `size` bytes that takes no space on the disk."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size - 128], "data_offsets": [0, size - 128]}}).encode().ljust(120)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(size)
        file.seek(size - 8192)
        file.write(b"\x3f" * 8192)


# 1: build-behind-a-proxy

HUB = "/home/catalyst/.cache/huggingface/hub"


def catalyst(world, size=90_900_000, files=None, **env):
    image = Image(world, "build-behind-a-proxy", **{"HF_HOME": "/home/catalyst/.cache/huggingface", "HOME": "/home/catalyst", **env})
    repo = Repo(image.path(HUB), MINILM).all(files or minilm_files()).ref()
    if size:
        sparse_weights(repo.blob("model.safetensors"), size)
    site = image.path("/usr/lib/python3.11/site-packages/requests-2.32.5.dist-info")
    site.mkdir(parents=True)
    image.own("/home/catalyst")
    image.repo = repo
    return image


@pytest.fixture(autouse=True)
def as_root(need_root):
    pass


def test_1_1_weights_too_small(world):
    image = catalyst(world)
    assert image.check().status == 0, image.check()
    sparse_weights(image.repo.blob("model.safetensors"), 72_000)
    result = image.check()
    assert result.status == 65 and "72.3 kB < 80.0 MB" in result.finding("model.too-small")["message"], result


def test_1_2_the_cache_and_its_origin(world):
    image = catalyst(world, HF_HOME=None)
    image.edit(("hub_cache = " + HUB, ""))
    result = image.check()
    assert result.status == 0 and result.report["policy"]["hub_cache"] == HUB and result.report["policy"]["hub_cache_origin"] == "HOME"
    shutil.rmtree(image.path(HUB))
    assert f"the cache {HUB} (from HOME) is not there" in image.check().finding("model.missing")["message"]


def test_1_3_the_old_layout_of_sentence_transformers(world):
    image = catalyst(world, SENTENCE_TRANSFORMERS_HOME="/models")
    shutil.move(image.repo.folder, image.path("/elsewhere"))
    image.path("/models/sentence-transformers_all-MiniLM-L6-v2").mkdir(parents=True)
    finding = image.check().finding("model.elsewhere")
    assert "/models/sentence-transformers_all-MiniLM-L6-v2" in finding["message"] and "path = " in finding["fix"]


def test_1_4_owners_and_modes(world):
    image = catalyst(world)
    blob = image.repo.blob("config.json")
    os.chown(blob, 0, 0), blob.chmod(0o600)
    result = image.check()
    assert result.status == 77
    finding = result.finding("file.unreadable")
    assert "refuses uid 1000: owner 0:0, mode 0600" in finding["message"]
    blob.chmod(0o644)
    assert {"file.owner"} == image.check().codes("error")
    image.edit(("owner    = 1000:1000\n", ""))
    assert image.check().status == 0


def test_1_5_the_folder_that_refuses_is_named(world):
    image = catalyst(world)
    parent = image.path("/home/catalyst/.cache")
    os.chown(parent, 0, 0), parent.chmod(0o700)
    result = image.check()
    assert result.status == 77 and "/home/catalyst/.cache refuses uid 1000" in result.finding("model.unreadable")["message"], result


def test_1_6_a_dangling_link_is_no_weight(world):
    image = catalyst(world)
    image.repo.blob("model.safetensors").unlink()
    result = image.check()
    assert result.status == 65 and {"file.dangling-link", "model.required"} <= result.codes("error")


def test_1_7_nested_names(world):
    image = catalyst(world)
    (image.repo.snapshot / "1_Pooling/config.json").unlink()
    result = image.check()
    assert result.status == 65 and "1_Pooling/config.json" in result.finding("model.required")["message"]


def test_1_8_the_build_time_downgrade(world):
    image = catalyst(world)
    site = image.path("/usr/lib/python3.11/site-packages")
    (site / "requests-2.27.1.dist-info").mkdir()
    assert "requests 2.27.1, but the policy wants 2.32.5" in image.check().finding("package.version")["message"]
    (site / "requests-2.27.1.dist-info").rmdir(), (site / "requests-2.32.5.dist-info").rmdir()
    assert "in no site-packages" in image.check().finding("package.version")["message"]


def test_1_9_the_deadline_is_kept(world):
    image = catalyst(world)
    started = time.monotonic()
    result = image.check("--verify", "digest")
    assert result.status in (65, 75) and time.monotonic() - started < 60


def test_1_10_no_socket_and_offline_variables(world):
    image = catalyst(world)
    trace = world.path / "trace"
    image.look("check", prefix=["strace", "-f", "-e", "trace=network", "-o", str(trace)])
    assert "socket" not in trace.read_text() and "connect" not in trace.read_text()
    environment = image.check().report["environment"]
    assert environment["HF_HUB_OFFLINE"] == environment["TRANSFORMERS_OFFLINE"] == "1"


@pytest.mark.parametrize("name, value", [("CURL_CA_BUNDLE", ""), ("REQUESTS_CA_BUNDLE", ""), ("PYTHONHTTPSVERIFY", "0"), ("GIT_SSL_NO_VERIFY", "1")])
def test_1_11_verification_left_off(world, name, value):
    image = catalyst(world, **{name: value})
    assert image.check().status == 76 and image.check().finding("env.tls-off")["path"] == name
    image.edit(("env.tls-off = error", "env.tls-off = warning"))
    assert image.check().status == 0


def test_1_13_explain_says_where_values_come_from(world):
    image = catalyst(world)
    out = image.look("explain").out
    assert f"hub                {HUB}   (policy.hub_cache)" in out and "HF_HUB_OFFLINE     1   (offline)" in out


def test_1_14_an_empty_snapshot_folder(world):
    image = catalyst(world)
    shutil.rmtree(image.repo.folder)
    (image.repo.folder / "snapshots").mkdir(parents=True)
    result = image.check()
    assert result.status == 66 and "no snapshot" in result.finding("model.no-snapshot")["message"]
    assert result.finding("model.no-snapshot")["hint"] == "make build-artifactory"


def test_1_15_the_short_name(world):
    image = catalyst(world)
    image.edit(("repo     = " + MINILM, "repo     = all-MiniLM-L6-v2"))
    result = image.check()
    assert result.status == 66 and "models--sentence-transformers--all-MiniLM-L6-v2" in result.finding("model.name")["message"]


def test_1_16_the_services_output_is_its_own(world):
    world.policy("")
    result = world.start("/bin/sh", "-c", "echo Application startup complete; echo warning >&2")
    assert result.out == "Application startup complete\n" and result.err.endswith("warning\n")


def test_1_17_check_is_the_smoke_test(world):
    image = catalyst(world)
    assert image.look("check").status == 0
    shutil.rmtree(image.repo.folder / "blobs")
    assert image.look("check").status == 65


def test_1_18_the_pin_and_the_ref(world):
    image = catalyst(world)
    image.edit(("repo     = " + MINILM, f"repo     = {MINILM}\nrevision = {COMMIT}"))
    assert image.check().status == 0
    image.repo.ref(text=OTHER)
    finding = image.check().finding("model.stale-ref")
    assert COMMIT in finding["message"] and OTHER in finding["message"]
    image.edit((COMMIT, OTHER))
    assert image.check().status == 66


# 2: air-gapped-image

PLAIN = {"/app/reranker_models/llama-nv-reranker": 2_400_000_000, "/app/models/sarashina": 4_600_000_000, "/app/models/yomitoku": 1_000_000}


def ocr_rag(world, **env):
    image = Image(world, "air-gapped-image", **env)
    for folder, size in PLAIN.items():
        path = image.path(folder)
        path.mkdir(parents=True)
        for name, data in bert_files().items():
            (path / name).write_bytes(data)
        sparse_weights(path / "model.safetensors", size)
    image.path("/root/.cache/huggingface").mkdir(parents=True)
    image.reranker = image.path("/app/reranker_models/llama-nv-reranker")
    return image


def test_2_1_the_environment_cannot_loosen_offline(world):
    image = ocr_rag(world, HF_HUB_OFFLINE="0")
    result = image.check()
    assert result.status == 0 and result.report["environment"]["HF_HUB_OFFLINE"] == "1" and "env.conflict" in result.codes("warning"), result


def test_2_2_plain_folders_pass(world):
    result = ocr_rag(world).check()
    assert result.status == 0 and [m["result"] for m in result.report["models"]] == ["ok"] * 3, result


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["missing", "empty"])
def test_2_3_missing_or_empty_with_the_hint(world, make):
    image = ocr_rag(world)
    shutil.rmtree(image.reranker)
    make(image.reranker)
    result = image.check("--only", "reranker")
    finding = result.finding("model.missing")
    assert result.status == 66 and finding["hint"] == "./dev.sh rebuild base" and finding["path"] == "/app/reranker_models/llama-nv-reranker"
    human = image.look("check", "--only", "reranker").out
    assert "./dev.sh rebuild base" in human and "/app/reranker_models/llama-nv-reranker" in human


def test_2_4_and_2_5_a_folder_of_72_kilobytes(world):
    image = ocr_rag(world)
    (image.reranker / "model.safetensors").unlink()
    (image.reranker / "tokenizer.json").write_text("{" + " " * 72_000 + "}")
    result = image.check()
    assert result.status == 65 and {"model.too-small", "model.required"} <= result.codes("error")
    assert "no file matches *.safetensors | *.bin" in result.finding("model.required")["message"]


def test_2_8_hf_transfer_left_on(world):
    assert ocr_rag(world, HF_HUB_ENABLE_HF_TRANSFER="1").check().status == 0


def test_2_9_an_interrupted_local_dir(world):
    image = ocr_rag(world)
    download = image.reranker / ".cache/huggingface/download"
    download.mkdir(parents=True)
    (download / "config.json.metadata").write_text("x")
    assert image.check().status == 0
    (download / "abc=.0123.incomplete").write_bytes(b"part")
    assert image.check().status == 65 and "interrupted download" in image.check().finding("model.interrupted")["message"]


def test_2_10_the_cache_mount_hint(world):
    image = catalyst(world)
    shutil.rmtree(image.repo.folder)
    assert "RUN --mount=type=cache" in image.check().finding("model.missing")["fix"]


def test_2_11_two_copies(world):
    image = ocr_rag(world)
    Repo(image.path("/root/.cache/huggingface/hub"), "sbintuitions/sarashina-embedding-v1-1b").all().ref()
    assert image.check("-v").finding("model.two-copies")["model"] == "sarashina"


def test_2_12_remote_code(world):
    image = ocr_rag(world)
    config = {"model_type": "x", "auto_map": {"AutoModel": "modeling.Model", "AutoConfig": "org/code--configuration.Config"}}
    (image.reranker / "config.json").write_text(json.dumps(config))
    found = {f["path"]: f["message"] for f in image.check().report["findings"] if f["code"] == "model.code-missing"}
    assert "modeling.py" in found and "org/code" in found["config.json"]
    (image.reranker / "modeling.py").write_text("")
    Repo(image.path("/root/.cache/huggingface/hub"), "org/code").file("configuration.py", b"").ref()
    assert image.check().status == 0
    image.edit(("remote_code = allow\nhint        = ./dev.sh rebuild base\n\n[model sarashina]", "hint = x\n\n[model sarashina]"))
    assert image.check().status == 65 and image.check().finding("model.remote-code")["model"] == "reranker"


def test_2_13_read_only_and_writable(world):
    image = ocr_rag(world)
    assert image.check().status == 0
    image.path("/etc/aweigh/policy.ini").open("a").write("\n[paths]\nwritable = /app/scratch\n")
    assert image.check().status == 77
    image.path("/app/scratch").mkdir()
    assert image.check().status == 0


def test_2_14_twelve_gigabytes_in_no_time(world):
    assert ocr_rag(world).check().report["elapsed_ms"] < 1000 * 60


def test_2_15_no_forbidden_line(world):
    image = ocr_rag(world)
    result = image.look("check")
    assert "using huggingface hub" not in (result.out + result.err).lower()


def test_2_16_report_has_ids_and_sizes(world):
    model = ocr_rag(world).check().report["models"][1]
    assert model["repo"] == "sbintuitions/sarashina-embedding-v1-1b" and model["bytes"] > 4_600_000_000 and model["files"] == 3


def test_2_17_a_clone_without_git_lfs(world):
    image = ocr_rag(world)
    (image.reranker / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 2400000000\n")
    (image.reranker / ".gitattributes").write_text("x")
    result = image.check()
    assert result.status == 65 and "135 bytes, not the 2.4 GB" in result.finding("file.pointer")["message"], result


def test_2_18_without_a_network(world):
    image = ocr_rag(world)
    result = image.look("check", prefix=["unshare", "--net"])
    assert result.status == 0


# 3: ci-cache

GGUF = {"TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF": "tinyllama-1.1b-chat-v1.0.Q3_K_S.gguf", "TheBloke/Mistral-7B-Instruct-v0.2-GGUF": "mistral-7b-instruct-v0.2.Q2_K.gguf"}


def candle(world, **env):
    image = Image(world, "ci-cache", HF_HOME="/cache", **env)
    names = [line.split()[0] for line in image.path("/etc/aweigh/model_manifest.txt").read_text().splitlines() if line and line[0] != "#"]
    for name in names:
        if name in GGUF:
            Repo(image.path("/cache/hub"), name).file(GGUF[name], gguf()).ref()
        else:
            Repo(image.path("/cache/hub"), name).all().ref()
    image.names = names
    return image


def test_3_1_the_manifest_of_nine(world):
    image = candle(world)
    result = image.check()
    assert result.status == 0 and [m["repo"] for m in result.report["models"]] == image.names and len(image.names) == 9, result


def test_3_2_an_error_page_as_gguf(world):
    image = candle(world)
    name = "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF"
    Repo(image.path("/cache/hub"), name).blob(GGUF[name]).write_text("<!DOCTYPE html><html>429</html>")
    assert image.check().status == 65 and "HTML" in image.check().finding("file.error-page")["message"]


def test_3_3_old_tokenizers_are_notes(world):
    image = candle(world)
    repo = Repo(image.path("/cache/hub"), "dslim/bert-base-NER")
    (repo.snapshot / "tokenizer.json").unlink()
    repo.file("vocab.txt", b"[PAD]\n")
    assert image.check().status == 0


def test_3_7_aliases_and_wrong_names(world, payload):
    image = candle(world, HF_OFFLINE="true")
    result = image.check()
    assert result.report["environment"]["HF_HUB_OFFLINE"] == "1" and "env.misspelt" not in result.codes()
    image.edit(("aliases = HF_OFFLINE, CI_OFFLINE_MODE", ""))
    assert image.check().finding("env.misspelt")["fix"] == "set HF_HUB_OFFLINE instead"


def test_3_8_truth_as_the_hub_reads_it(world):
    image = candle(world, HF_HUB_OFFLINE="enabled")
    assert "[enabled]" in image.check().finding("env.value")["message"]
    assert image.check(HF_HUB_OFFLINE="YES").status == 0


def test_3_9_no_home_at_all(world):
    image = candle(world)
    result = image.check(HF_HOME=None, HOME=None)
    assert result.report["policy"]["hub_cache"] == "/root/.cache/huggingface/hub"   # the passwd file's home, as expanduser has it
    image.path("/etc/passwd").write_text("")
    result = image.check(HF_HOME=None, HOME=None)
    assert result.status == 76 or result.status == 66
    assert "cannot be located" in result.finding("cache.path-mismatch")["message"]


def test_3_10_a_restored_cache_that_lacks_a_shard(world):
    image = candle(world)
    index = json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}).encode()
    Repo(image.path("/cache/hub"), "gpt2").file("model.safetensors.index.json", index)
    assert image.check().status == 65 and image.check().finding("model.shard")["path"] == "model-2.safetensors"


def test_3_11_free_space_before_anything(world):
    image = candle(world)
    image.path("/etc/aweigh/policy.ini").open("a").write("\n[paths]\nfree./cache = 900T\n")
    result = image.check()
    assert result.status == 74 and "the policy wants 900.0 TB" in result.finding("paths.full")["message"]


def test_3_13_one_run_answers(world):
    report = candle(world).check().report
    assert report["policy"]["hub_cache"] == "/cache/hub" and all(m["result"] == "ok" for m in report["models"])


def test_3_14_statuses_tell_missing_from_damaged(world):
    image = candle(world)
    shutil.rmtree(image.path("/cache/hub/models--gpt2"))
    assert image.check().status == 66
    Repo(image.path("/cache/hub"), "gpt2").all().ref().blob("config.json").write_text("{")
    assert image.check().status == 65


# 4: shared-volume

HOMEIQ = [MINILM, "BAAI/bge-reranker-base", "google/flan-t5-small"]


def homeiq(world, hub="/app/models/hub", **env):
    image = Image(world, "shared-volume", HF_HOME="/app/models", **env)
    for name in HOMEIQ:
        Repo(image.path(hub), name).all(minilm_files() if name == MINILM else None).ref()
    image.edit(("mount./app/models = *", "writable ="))
    return image


def test_4_2_one_level_off(world):
    image = homeiq(world, hub="/app/models")
    finding = image.check().finding("model.elsewhere")
    assert "found in /app/models, but the service will look in /app/models/hub" in finding["message"] and finding["fix"].startswith("set HF_HUB_CACHE=/app/models")


def test_4_2_both_variables(world):
    result = homeiq(world, TRANSFORMERS_CACHE="/app/models").check()
    assert {"cache.disagree", "env.deprecated"} <= result.codes("warning")


def test_4_3_capitals(world):
    image = homeiq(world)
    image.edit(("repo = BAAI/bge-reranker-base", "repo = baai/bge-reranker-base"))
    assert "models--BAAI--bge-reranker-base" in image.check().finding("model.name")["message"]


def test_4_4_models_to_download(world):
    image = homeiq(world)
    picked = image.check(MODELS_TO_DOWNLOAD="all-MiniLM-L6-v2, flan-t5-small")
    assert [m["name"] for m in picked.report["models"]] == ["all-MiniLM-L6-v2", "flan-t5-small"]
    assert len(image.check(MODELS_TO_DOWNLOAD="").report["models"]) == 3
    wrong = image.check(MODELS_TO_DOWNLOAD="flan-t5-smal")
    message = wrong.finding("policy.unknown")["message"]
    assert wrong.status == 78 and "did you mean 'flan-t5-small'" in message and "bge-reranker-base" in message


def test_4_5_another_variant(world):
    image = homeiq(world)
    image.edit(("repo = google/flan-t5-small", "repo = google/flan-t5-small\nmax_size = 300"))
    assert "unexpected variant" in image.check().finding("model.too-large")["message"]


def test_4_6_timeouts_that_end_the_library(world):
    assert homeiq(world, HF_HUB_DOWNLOAD_TIMEOUT="600").check().status == 0
    result = Image(World2(world), "shared-volume", HF_HOME="/app/models").check(HF_HUB_DOWNLOAD_TIMEOUT="600s")
    assert "ValueError" in result.finding("env.not-a-number")["message"]


class World2:
    """A second image beside the first."""

    def __init__(self, world):
        self.path, self.run = world.path / "second", world.run
        self.path.mkdir()


def test_4_9_the_volume_is_not_mounted(world):
    image = homeiq(world)
    image.edit(("writable =", "mount./app/models = *"))
    result = image.check()
    assert result.status == 76 and "is not a mount point" in result.finding("paths.not-mounted")["message"]


def test_4_10_filled_by_root_with_umask_077(world):
    image = homeiq(world)
    for folder, _, files in os.walk(image.path("/app/models")):
        os.chmod(folder, 0o700)
    result = image.check("--user", "1000:1000")
    assert result.status == 77 and "chmod a+rx /app/models" in result.finding("model.unreadable")["fix"], result


def test_4_11_two_pins_on_one_volume(world):
    image = homeiq(world)
    Repo(image.path("/app/models/hub"), HOMEIQ[1], commit=OTHER).all()
    for pin in (COMMIT, OTHER):
        copy = image.path("/etc/aweigh/policy.ini").read_text().replace("repo = BAAI/bge-reranker-base", f"repo = BAAI/bge-reranker-base\nrevision = {pin}")
        policy = world.path / "pinned.ini"
        policy.write_text(copy)
        assert image.check("-p", str(policy)).report["models"][1]["commit"] == pin


# 5: bucket-on-cloud-run

GNOSIS = {"STORAGE_PATH": "/tmp/storage", "GCS_BUCKET_NAME": "b", "MODEL_BUCKET_NAME": "gnosis-ocr-models"}


def gnosis(world, hub="/cache/huggingface/hub", **env):
    image = Image(world, "bucket-on-cloud-run", **{"HF_HOME": "/cache/huggingface", **GNOSIS, **env})
    image.edit(("mount./cache = fuse*", "writable ="))
    image.repo = Repo(image.path(hub), "nanonets/Nanonets-OCR-s").all(link=False).ref()
    return image


def test_5_3_half_a_model_is_not_aboard(world):
    image = gnosis(world)
    index = json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}).encode()
    image.repo.file("model.safetensors.index.json", index, link=False)
    assert image.check().status == 65


def test_5_4_download_and_lookup_in_two_places(world):
    finding = gnosis(world, hub="/cache/huggingface").check().finding("model.elsewhere")
    assert "found in /cache/huggingface, but the service will look in /cache/huggingface/hub" in finding["message"]


def test_5_5_variables_that_disagree(world):
    result = gnosis(world, HF_HOME="/cache", TRANSFORMERS_CACHE="/cache/huggingface").check()
    assert result.status == 76 and {"cache.path-mismatch"} <= result.codes("error") and "cache.disagree" in result.codes()
    second = Image(World2(world), "bucket-on-cloud-run", **GNOSIS, HF_HOME="/cache/huggingface", HUGGINGFACE_HUB_CACHE="/cache/huggingface")
    assert "HUGGINGFACE_HUB_CACHE overrides HF_HOME" in second.check().finding("cache.disagree")["message"]


def test_5_7_the_bucket_is_not_mounted(world):
    image = gnosis(world)
    image.edit(("writable =", "mount./cache = fuse*"))
    assert image.check().status == 76 and "paths.not-mounted" in image.check().codes("error")


def test_5_8_no_links_on_the_volume(world):
    result = gnosis(world).check()
    assert result.status == 0 and result.report["models"][0]["level"] == "size", result


def test_5_9_required_variables(world):
    result = gnosis(world, STORAGE_PATH=None).check()
    assert result.status == 76 and result.finding("env.required")["path"] == "STORAGE_PATH"


def test_5_11_remote_code_is_denied(world):
    image = gnosis(world)
    image.repo.file("config.json", json.dumps({"model_type": "x", "auto_map": {"AutoModel": "m.M"}}).encode(), link=False)
    assert image.check().status == 65 and "model.remote-code" in image.check().codes("error")


def test_5_12_nothing_is_hashed(world):
    image = gnosis(world)
    weights = image.repo.snapshot / "model.safetensors"
    weights.write_bytes(safetensors(fill=b"\x40"))
    assert image.check().status == 0
