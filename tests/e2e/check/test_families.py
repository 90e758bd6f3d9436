# SPDX-License-Identifier: Apache-2.0
"""Models as their libraries write them: what loads passes whole, and is refused after a removal that its loader
cannot bear, with the name in the sentence."""

import json
import os
import shutil

import pytest
from models import COMMIT, Repo, bert_files, complete, gguf, safetensors

TOKENIZER = {"tokenizer.json": b'{"version":"1.0","model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}'}
BERT = b'{"model_type":"bert"}'
INDEX = json.dumps({"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}).encode()
ZIP = b"PK\3\4" + b"a" * 26 + b"PK\5\6" + b"\0" * 18
NPZ = b"PK\3\4" + b"\0" * 22 + b"\x05\0" + b"\0\0" + b"a.npy" + b"PK\5\6" + b"\0" * 18

# name: files, and what of them its loader cannot do without (path: finding)
LAYOUTS = {
    "transformers": ({"config.json": BERT, "model.safetensors": safetensors(), **TOKENIZER}, {"model.safetensors": "model.no-weights"}),
    "transformers, shards": ({"config.json": BERT, **TOKENIZER, "model.safetensors.index.json": INDEX, "model-00001-of-00002.safetensors": safetensors(),
                              "model-00002-of-00002.safetensors": safetensors()}, {"model-00001-of-00002.safetensors": "model.shard", "model-00002-of-00002.safetensors": "model.shard"}),
    "transformers, shards without an index": ({"config.json": BERT, **TOKENIZER, "model-00001-of-00002.safetensors": safetensors(), "model-00002-of-00002.safetensors": safetensors()},
                                              {"model-00001-of-00002.safetensors": "model.shard", "model-00002-of-00002.safetensors": "model.shard"}),
    "an index of weights that were left out": ({"config.json": BERT, "model.safetensors": safetensors(), **TOKENIZER,
                                                "pytorch_model.bin.index.json": INDEX.replace(b"safetensors", b"bin").replace(b"model-", b"pytorch_model-")}, {}),
    "configuration with Infinity": ({"config.json": b'{"model_type":"mamba2","time_step_limit":[0.0, Infinity, -Infinity, NaN]}', "model.safetensors": safetensors(), **TOKENIZER}, {}),
    "files that no loader reads": ({"config.json": BERT, "model.safetensors": safetensors(), **TOKENIZER, "examples.json": b'{"a":1}\n{"a":2}\n', "NOTICE.txt": b"",
                                    "trainer_state.json": b'{"loss": NaN}', "training_args.bin": ZIP, "sample.json": b'{"png":"' + b"A" * 5_000_000 + b'"}'},
                                   {"model.safetensors": "model.no-weights"}),
    "model2vec": ({"config.json": b'{"normalize": true}', "model.safetensors": safetensors(), **TOKENIZER,
                   "modules.json": b'[{"idx":0,"name":"0","path":".","type":"sentence_transformers.models.StaticEmbedding"},{"idx":1,"name":"1","path":"1_Normalize","type":"sentence_transformers.models.Normalize"}]'},
                  {"model.safetensors": "model.no-weights"}),
    "sentence-transformers with Dense": ({**bert_files(), "2_Dense/config.json": b"{}", "2_Dense/model.safetensors": safetensors(),
                                          "modules.json": b'[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},{"idx":1,"name":"1","path":"2_Dense","type":"sentence_transformers.models.Dense"}]'},
                                         {"2_Dense/model.safetensors": "model.part"}),
    "diffusers": ({"model_index.json": b'{"_class_name":"P","unet":["diffusers","UNet"],"scheduler":["diffusers","DDIM"],"tokenizer":["transformers","T"]}', "unet/config.json": b"{}",
                   "unet/diffusion_pytorch_model.safetensors": safetensors(), "scheduler/scheduler_config.json": b"{}", "tokenizer/vocab.json": b"{}"},
                  {"unet/diffusion_pytorch_model.safetensors": "model.part"}),
    "LoRA": ({"adapter_config.json": b'{"base_model_name_or_path":null,"peft_type":"LORA"}', "adapter_model.safetensors": safetensors()}, {"adapter_model.safetensors": "model.no-weights"}),
    "GLiNER": ({"gliner_config.json": b'{"model_name":"microsoft/deberta-v3-base"}', "pytorch_model.bin": ZIP}, {}),
    "Flair": ({"pytorch_model.bin": ZIP}, {}),
    "MLC": ({"mlc-chat-config.json": b"{}", "ndarray-cache.json": b"{}", "params_shard_0.bin": b"xxxx", **TOKENIZER}, {}),
    "open_clip": ({"open_clip_config.json": b"{}", "open_clip_model.safetensors": safetensors(), **TOKENIZER}, {}),
    "tokenizer alone": ({**TOKENIZER, "tokenizer_config.json": b"{}"}, {}),
    "timm": ({"config.json": b'{"architecture":"resnet50","pretrained_cfg":{}}', "model.safetensors": safetensors()}, {"model.safetensors": "model.no-weights"}),
    "Neuron": ({"config.json": BERT, "model.neuron": b"x", **TOKENIZER}, {}),
    "Paddle": ({"config.json": BERT, "inference.pdiparams": b"x", "inference.pdmodel": b"x"}, {}),
    "ExecuTorch": ({"config.json": BERT, "model.pte": b"x", **TOKENIZER}, {}),
    "SavedModel": ({"config.json": BERT, "saved_model.pb": b"x", "variables/variables.index": b"x", "variables/variables.data-00000-of-00001": b"x", **TOKENIZER}, {}),
    "bm25s": ({"params.index.json": b'{"k1": 1.5}', "vocab.index.json": b'{"a": 0}', "data.csc.index.npy": b"x"}, {}),
    "an npz named .bin": ({"config.json": BERT, "voices.bin": NPZ, "model.safetensors": safetensors(), **TOKENIZER}, {}),
    "OpenVINO": ({"config.json": BERT, "openvino_model.xml": b'<net><layers><layer id="0" type="Const"/></layers></net>', "openvino_model.bin": b"x" * 64, **TOKENIZER}, {"openvino_model.bin": "model.part"}),
    "Mistral": ({"params.json": b'{"dim": 4096}', "consolidated.safetensors": safetensors(), "tekken.json": b"{}"}, {"consolidated.safetensors": "model.no-weights"}),
    "GGUF in parts": ({"m-00001-of-00002.gguf": gguf(), "m-00002-of-00002.gguf": gguf()}, {"m-00001-of-00002.gguf": "file.split", "m-00002-of-00002.gguf": "file.split"}),
}


def lay_out(folder, files):
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_loads_passes_and_what_cannot_is_refused(world, name):
    files, needed = LAYOUTS[name]
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    lay_out(world.path / "model", files)
    result = world.check()
    assert result.status == 0, result
    for path, code in needed.items():
        (world.path / "model" / path).rename(world.path / "aside")
        result = world.check()
        assert result.status == 65, (path, result)
        finding = result.finding(code)
        assert code == "model.no-weights" or path.split("/")[0] in finding["path"] + finding["message"], finding
        (world.path / "aside").rename(world.path / "model" / path)


def shared_store(world, damage=False):
    """As huggingface_hub 1.32 and newer keep what arrived by Xet (facts: utils/_shared_blobs.py)."""
    repo = complete(world.hub)
    blob = repo.blob("model.safetensors")
    hash = "ab" * 32
    store = world.hub / "blobs" / "ab"
    store.mkdir(parents=True)
    (world.hub / "blobs" / ".huggingface-shared-blobs").write_text("1\n")
    shutil.move(blob, store / hash)
    if damage:
        with (store / hash).open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\xff")
    os.symlink(f"../../blobs/ab/{hash}", blob)
    return repo, store / hash


@pytest.mark.parametrize("level", ["structure", "digest"])
def test_the_shared_blob_store(world, level):
    shared_store(world)
    result = world.check("--verify", level)
    assert result.status == 0 and result.report["models"][0]["level"] == level, result


def test_the_shared_store_has_an_owner_and_a_mode(world):
    shared_store(world)
    world.policy("[policy]\n[model m]\nrepo = org/m\nmode_mask = 0022\n")
    assert world.check().status == 0, world.check()
    (world.hub / "blobs").chmod(0o777)
    assert world.check().finding("file.mode")["path"].endswith("/blobs")


def test_damage_in_the_shared_store_is_found(world):
    shared_store(world, damage=True)
    assert world.check().status == 0 and world.check("--verify", "digest").finding("file.digest")["path"] == "model.safetensors"


def test_the_shared_store_was_left_behind(world):
    _, payload = shared_store(world)
    payload.unlink()
    finding = world.check().finding("file.dangling-link")
    assert "blobs/ab/" in finding["message"] and "HF_HUB_DISABLE_SHARED_BLOBS" in finding["fix"]


@pytest.mark.parametrize("target", ["../../blobs/ac/" + "ab" * 32, "../../blobs/ab/../" + "ab" * 32, "/etc/passwd", "../../../secret"])
def test_no_other_link_of_a_blob_leads_out(world, target):
    repo, _ = shared_store(world)
    repo.blob("model.safetensors").unlink()
    os.symlink(target, repo.blob("model.safetensors"))
    (world.path / "home" / "secret").write_text("x")
    assert world.check().status == 65


def test_links_out_that_the_policy_accepts(world):
    lay_out(world.path / "store", bert_files())
    (world.path / "model").mkdir()
    for name in bert_files():
        if "/" not in name:
            os.symlink(world.path / "store" / name, world.path / "model" / name)
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\nfiles = *.json, *.safetensors, *.txt\nexclude = */*\n")
    assert world.check().status == 65
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\nfiles = *.json, *.safetensors, *.txt\nexclude = */*\n[severity]\nfile.link-escapes = note\n")
    result = world.check()
    assert result.status == 0 and result.report["models"][0]["bytes"] > 100, result


def test_a_path_into_a_snapshot(world):
    repo = complete(world.hub)
    world.policy(f"[policy]\n[model m]\npath = {repo.snapshot}\n")
    result = world.check("--verify", "digest")
    assert result.status == 0 and result.report["models"][0]["commit"] == COMMIT, result


@pytest.mark.parametrize("how", ["slash", "link", "link to the cache", "component", "kernels"])
def test_other_ways_into_a_snapshot(world, how):
    """A slash at its end, a link like models/current, a part of it: its links lead to the blobs all the same."""
    repo = complete(world.hub)
    if how == "component":
        (repo.snapshot / "part").mkdir()
        for file in list(repo.snapshot.iterdir()):
            if file.is_symlink():
                os.symlink(os.path.join("..", os.readlink(file)), repo.snapshot / "part" / file.name)
    os.symlink(repo.snapshot if how == "link" else world.hub, world.path / "current")
    path = {"slash": f"{repo.snapshot}//", "link": world.path / "current", "component": repo.snapshot / "part",
            "link to the cache": world.path / "current" / repo.snapshot.relative_to(world.hub), "kernels": repo.snapshot}[how]
    if how == "kernels":
        repo.folder.rename(world.hub / "kernels--org--m")
        path = str(repo.snapshot).replace("models--", "kernels--")
    world.policy(f"[policy]\n[model m]\npath = {path}\n")
    result = world.check("--verify", "digest")
    assert result.status == 0 and result.report["models"][0]["commit"] == COMMIT and result.report["models"][0]["level"] == "digest", result


@pytest.mark.parametrize("path, code", [
    ("home/hub", "model.missing"), ("home/hub/models--org--m", "model.missing"), ("home/hub/models--org--m/blobs", "model.missing"), ("home", "model.missing"),
    ("junk", "model.no-weights"), ("junk/README.md", "model.no-weights"), ("junk/run.py", "model.no-weights"), ("plain/config.json", "model.no-weights"),
    ("reranker", "file.empty")])
def test_a_path_that_holds_no_model(world, path, code):
    """A wrong path is the commonest mistake."""
    complete(world.hub)
    lay_out(world.path / "junk", {"README.md": b"# A model", "LICENSE": b"x", "train.log": b"done"})
    (world.path / "junk/run.py").write_bytes(b"import torch\n")
    lay_out(world.path / "plain", bert_files())
    (world.path / "reranker").write_bytes(b"")
    if path == "junk":
        (world.path / "junk/run.py").unlink()
    world.policy(f"[policy]\n[model m]\npath = {world.path}/{path}\n")
    result = world.check()
    assert result.status in (65, 66) and result.codes("error") == {code}, result


@pytest.mark.parametrize("parts, more, warned", [(2, {}, True), (2, {"model.safetensors": safetensors()}, False), (2, {"model.safetensors.index.json": INDEX}, False)])
def test_shards_without_their_index(world, parts, more, warned):
    """vLLM and TGI load them as they are, transformers and diffusers do not: no proof, a warning."""
    names = [f"model-{number:05}-of-{parts:05}.safetensors" for number in range(1, parts + 1)]
    lay_out(world.path / "model", {"config.json": BERT, **TOKENIZER, **dict.fromkeys(names, safetensors()), **more})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    result = world.check()
    assert result.status == 0 and ("model.no-config" in result.codes("warning")) == warned and "model.shard" not in result.codes(), result


@pytest.mark.parametrize("lowered, gone", [("file.dangling-link", "README.md"), ("file.dangling-link", "model.safetensors")])
def test_what_the_policy_makes_less_of_hides_nothing(world, lowered, gone):
    """A dangling link that only warns is no reason not to say that the weights are gone."""
    lay_out(world.path / "model", {"config.json": BERT, **TOKENIZER})
    os.symlink("nowhere", world.path / "model" / gone)
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\nmin_size = 1000\n[severity]\n{lowered} = warning\n")
    result = world.check()
    assert result.status == 65 and "model.no-weights" in result.codes("error") and "model.too-small" in result.codes("error"), result


@pytest.mark.parametrize("name", ["model-00002-of-000163.safetensors", "model-000002-of-000163.safetensors", "model-00002-of-00003.safetensors"])
def test_numbers_of_shards_have_five_digits_or_more(world, name):
    lay_out(world.path / "model", {"config.json": BERT, name: safetensors(), **TOKENIZER})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    assert "model.shard" in world.check().codes("error"), name


def test_the_path_of_a_single_file(world):
    lay_out(world.path / "model", {"a.gguf": gguf(), "b.gguf": b"damaged"})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model/a.gguf\n")
    result = world.check()
    assert result.status == 0 and result.report["models"][0]["files"] == 1, result
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model/b.gguf\n")
    assert world.check().status == 65


@pytest.mark.parametrize("whole", [True, False])
def test_the_rest_of_a_download_beside_a_whole_model(world, whole):
    """What a complete manifest proves to be nobody's business is not told."""
    repo = complete(world.hub)
    (repo.folder / "blobs" / ("1" * 64 + ".incomplete")).write_bytes(b"x" * 1000)
    if whole:
        repo.manifest()
    world.policy("[policy]\n[model m]\nrepo = org/m\n")
    result = world.check()
    assert result.status == 0 and ("cache.interrupted" in result.codes()) != whole, result


def test_directories_that_are_links(world):
    lay_out(world.path / "model" / "..2026", {"config.json": BERT, "model.safetensors": safetensors(), **TOKENIZER})
    os.symlink("..2026", world.path / "model" / "..data")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        os.symlink(f"..data/{name}", world.path / "model" / name)
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    assert world.check().status == 0, world.check()


def test_what_is_excluded_demands_nothing(world):
    repo = complete(world.hub)
    manifest = {"config.json": len(bert_files()["config.json"]), "original/params.json": 10}
    (repo.folder / "trees").mkdir()
    (repo.folder / "trees" / f"{COMMIT}.json").write_text(json.dumps({"format_version": 1, "files": {
        name: {"size": size, "blob_id": "c" * 40} for name, size in manifest.items()}}))
    world.policy(model="files = *.json, *.safetensors, *.txt")
    assert world.check().finding("model.incomplete")["path"] == "original/params.json"
    world.policy(model="files = *.json, *.safetensors, *.txt\nexclude = original/*")
    assert "model.incomplete" not in world.check().codes()


def test_a_total_size_from_before_quantization(world):
    lay_out(world.path / "model", {**LAYOUTS["transformers, shards"][0], "model.safetensors.index.json": INDEX.replace(b'"total_size": 8', b'"total_size": 80000')})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    result = world.check()
    assert result.status == 0 and result.finding("model.index-size")["severity"] == "warning"


def test_a_total_size_beside_a_manifest(world):
    """It has the shards' own sizes, which is better than what an index says of their sum."""
    repo = Repo(world.hub).all({**LAYOUTS["transformers, shards"][0], "model.safetensors.index.json": INDEX.replace(b'"total_size": 8', b'"total_size": 80000')}).ref()
    assert "model.index-size" in world.check().codes()
    repo.manifest()
    assert "model.index-size" not in world.check().codes(), world.check()


def test_other_repositories_are_named(world):
    lay_out(world.path / "model", LAYOUTS["GLiNER"][0])
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    assert "microsoft/deberta-v3-base" in world.check().finding("model.repository")["message"]
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n[model base]\nrepo = microsoft/deberta-v3-base\npath = {world.path}/model\n")
    assert "model.repository" not in world.check().codes()


@pytest.mark.parametrize("named, revision", [("pyannote/segmentation-3.0", "main"), ("pyannote/segmentation@2022.07", "2022.07")])
@pytest.mark.parametrize("place", ["hub", "home/.cache/torch/pyannote", "elsewhere"])
def test_what_a_pipeline_of_pyannote_names(world, named, revision, place):
    """Before 4.0 it kept what it loads in a cache of its own, which PYANNOTE_CACHE may name."""
    lay_out(world.path / "model", {"config.yaml": f"pipeline:\n  name: pyannote.audio.pipelines.SpeakerDiarization\n  params:\n    segmentation: \"{named}\" # pinned\n".encode()})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    env = {"HOME": str(world.path / "home")}
    result = world.check(env=env)
    assert result.status == 66 and named in result.finding("model.base")["message"], result
    where = world.hub if place == "hub" else world.path / place
    Repo(where, named.partition("@")[0]).all({"pytorch_model.bin": ZIP}).ref(revision)
    if place == "elsewhere":
        env["PYANNOTE_CACHE"] = str(where)
    assert world.check(env=env).status == 0, world.check(env=env)


@pytest.mark.parametrize("line", ["model: meta-llama/Llama-3.1-8B", "embedding: learned/absolute", "segmentation: models/segmentation-3.0.bin", "model: a/b.ckpt"])
def test_a_config_yaml_of_another_library(world, line):
    lay_out(world.path / "model", {"config.yaml": (line + "\n").encode(), **bert_files()})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    assert world.check().status == 0, world.check()


def test_the_base_of_an_adapter(world):
    lay_out(world.path / "model", {"adapter_config.json": b'{"base_model_name_or_path":"org/base"}', "adapter_model.safetensors": safetensors()})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    (world.hub / "models--org--base" / "refs").mkdir(parents=True)
    (world.hub / "models--org--base" / "refs" / "main").write_text(COMMIT)
    assert "org/base" in world.check().finding("model.base")["message"]      # a ref and nothing else
    Repo(world.hub, "org/base").all(bert_files()).ref()
    assert world.check().status == 0


@pytest.mark.parametrize("files, code", [
    ({"config.json": b'{"auto_map":{"AutoModel":"modeling_x.X"}}', "modeling_x.py": b"from .attn import A\n"}, "model.code-missing"),
    ({"config.json": b'{"auto_map":{"AutoModel":"org/code--mod.X"}}'}, "model.code-missing"),
])
def test_code_that_is_not_aboard(world, files, code):
    lay_out(world.path / "model", {**files, "model.safetensors": safetensors(), **TOKENIZER})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\nremote_code = allow\n")
    (world.hub / "models--org--code" / "refs").mkdir(parents=True)
    (world.hub / "models--org--code" / "refs" / "main").write_text(COMMIT)
    assert world.check().finding(code)["severity"] == "error"


@pytest.mark.parametrize("files", [
    {"modules.json": b'[{"idx":0,"name":"0","path":"","type":"custom_st.Transformer"}]', "custom_st.py": b"x = 1"},
    {"model_index.json": b'{"_class_name":["pipeline_x","P"]}', "pipeline_x.py": b"x = 1"},
    {"model_index.json": b'{"unet":["my_unet","U"]}', "unet/my_unet.py": b"x = 1", "unet/config.json": b"{}", "unet/w.safetensors": safetensors()},
    {"0_Transformer/config.json": b'{"auto_map":{"AutoModel":"m.X"}}', "0_Transformer/m.py": b"x = 1"},
    {"generation_config.json": b'{"auto_map":{"AutoModel":"m.X"}}', "m.py": b"x = 1"},
])
def test_code_is_seen_wherever_it_is_named(world, files):
    lay_out(world.path / "model", {"config.json": BERT, "model.safetensors": safetensors(), **TOKENIZER, **files})
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\nremote_code = deny\n")
    result = world.check()
    assert result.status == 65 and result.finding("model.remote-code"), result


def test_hub_cache_is_the_one_place_of_truth(world, payload):
    complete(world.path / "elsewhere")
    world.policy(f"[policy]\nhub_cache = {world.path}/elsewhere\n[model m]\nrepo = org/m\n")
    assert world.check(env={"HF_HOME": None}).status == 0
    assert json.loads(world.start(payload, env={"HF_HOME": None}).out)["environ"].count(f"HF_HUB_CACHE={world.path}/elsewhere") == 1
    assert world.check().status == 76 and world.check(env={"HF_HOME": None, "LLAMA_CACHE": f"{world.path}/elsewhere"}).status == 0


def test_a_model_of_which_no_digest_is_stated(world):
    lay_out(world.path / "model", LAYOUTS["transformers"][0])
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    report = world.check("--verify", "digest").report
    assert [f["code"] for f in report["findings"] if f["code"] == "file.unverified"] == ["file.unverified"]
    assert report["models"][0]["level"] == "structure"


