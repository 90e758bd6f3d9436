# SPDX-License-Identifier: Apache-2.0
"""What stands where a loader does not look for it, or under a name that hides what it is; and what looks wrong and is not."""

import io
import json
import os
import pickle
import struct
import subprocess
import zipfile

import pytest
from models import COMMIT, Repo, bert_files, complete, gguf, onnx, safetensors
from test_families import BERT, INDEX, TOKENIZER, ZIP, lay_out

WHOLE = {"config.json": BERT, "model.safetensors": safetensors(), **TOKENIZER}
ESCAPES = "[severity]\nfile.link-escapes = note\n"


def judge(world, files=None, more="", tail="", path=None, *args):
    if files is not None:
        lay_out(world.path / "model", files)
    world.policy(f"[policy]\n[model m]\npath = {path or world.path / 'model'}\n{more}\n{tail}")
    return world.check(*args)


def archive(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, pickle.dumps({}) if name.endswith(".pkl") else b"\x93NUMPY")
    return out.getvalue()


# Archives

def zipped(stored):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.npy", b"x" * 5000)
        file.writestr("inner.zip", stored)
        file.writestr("last.npy", b"y" * 5000)
    return out.getvalue()


@pytest.mark.parametrize("behind", [b"\n", b"\0" * 4096, b"a signature" * 100])
def test_what_lies_behind_an_archive_is_passed_over_as_its_readers_do(world, behind):
    """Cut short it is none, also where a whole archive is stored in what is left."""
    whole = zipped(archive("b.npy"))
    assert zipfile.ZipFile(io.BytesIO(whole + behind)).testzip() is None
    assert judge(world, {**WHOLE, "x.npz": whole + behind}).status == 0
    for size in range(len(whole) - 600, len(whole), 37):
        assert "file.truncated" in judge(world, {**WHOLE, "x.npz": whole[:size]}).codes("error"), size
        assert "file.truncated" in judge(world, {**WHOLE, "x.npz": whole[:size] + behind}).codes("error"), size


@pytest.mark.parametrize("name", ["x.bin", "x.npz", "x.pt"])
def test_an_archive_is_what_its_directory_says(world, name):
    """A reader goes by the archive's directory: an array in front makes no array of what follows."""
    mixed = judge(world, {**WHOLE, name: archive("a.npy", "archive/data.pkl")})
    assert mixed.finding("model.pickle")["path"] == name
    assert judge(world, None, "formats = safetensors, npz").finding("model.format")["path"] == name
    assert judge(world, {**WHOLE, name: archive("a.npy", "b.npy")}, "formats = safetensors, npz").status == 0


@pytest.mark.parametrize("level", ["presence", "size", "structure"])
def test_formats_are_told_by_bytes_at_each_level(world, level):
    world.policy(f"[policy]\nverify = {level}\n[model m]\npath = {world.path}/model\nformats = npz\n")
    lay_out(world.path / "model", {"voices.bin": archive("a.npy")})
    assert world.check().status == 0


# Links

def outside(world, name, data):
    lay_out(world.path / "store", {name: data})
    (world.path / "model" / name).unlink(missing_ok=True)
    os.symlink(world.path / "store" / name, world.path / "model" / name)


def test_what_an_accepted_link_leads_to_is_judged_like_any_file(world):
    lay_out(world.path / "model", WHOLE)
    outside(world, "config.json", b'{"model_type":"bert","auto_map":{"AutoModel":"m.X"}}')
    assert judge(world, None, "", ESCAPES).finding("model.remote-code")["severity"] == "error"
    assert judge(world, None, "remote_code = allow", ESCAPES).finding("model.code-missing")["path"] == "m.py"
    lay_out(world.path / "model", {name: data for name, data in WHOLE.items() if name != "model.safetensors"})
    outside(world, "model.safetensors.index.json", INDEX)
    assert judge(world, None, "", ESCAPES).finding("model.shard")["severity"] == "error"


def test_a_directory_that_is_a_link_out(world):
    lay_out(world.path / "ext", {"model.safetensors": safetensors()[:-4]})
    lay_out(world.path / "model", {"config.json": BERT, **TOKENIZER})
    os.symlink("../ext", world.path / "model" / "weights")
    assert judge(world).finding("file.link-escapes")["path"] == "weights"
    result = judge(world, None, "", ESCAPES)
    assert result.finding("file.truncated")["path"] == "weights/model.safetensors" and result.finding("file.link-escapes")["severity"] == "note"
    lay_out(world.path / "ext", {"model.safetensors": safetensors()})
    assert judge(world, None, "", ESCAPES).report["models"][0]["files"] == 3
    os.symlink(".", world.path / "ext" / "again")       # a circle: it ends
    assert judge(world, None, "", ESCAPES).status == 0


def test_links_to_directories_that_mean_the_model_itself(world):
    lay_out(world.path / "model", {f"v1/{name}": data for name, data in WHOLE.items()})
    os.symlink(world.path / "model" / "v1", world.path / "model" / "latest")
    for name in "abcdef":
        os.symlink(".", world.path / "model" / name)
    result = judge(world)
    assert result.status == 0 and not {"file.link-escapes", "model.limit"} & set(result.codes()), result
    repo = Repo(world.hub).all(WHOLE).ref()
    for name, target in (("r", "../.."), ("s", "../.."), ("t", str(repo.snapshot))):
        os.symlink(target, repo.snapshot / name)
    world.policy()
    result = world.check()
    assert result.status == 0 and result.report["models"][0]["files"] == len(WHOLE), result


@pytest.mark.parametrize("more, status", [("files = config.json, *.safetensors, *.txt, tokenizer.json", 0), ("exclude = logs/*", 0), ("exclude = logs", 0), ("files = *", 65), ("", 65)])
def test_a_link_out_that_is_not_wanted(world, more, status):
    lay_out(world.path / "ext", {"run.log": b"x"})
    lay_out(world.path / "model", WHOLE)
    os.symlink("../ext", world.path / "model" / "logs")
    assert judge(world, None, more).status == status


def test_a_directory_beside_the_snapshot_is_looked_into(world):
    repo = Repo(world.hub).all({"config.json": BERT, **TOKENIZER}).ref()
    lay_out(repo.folder / "extra", {"model.safetensors": safetensors()[:-4]})
    os.symlink("../../extra", repo.snapshot / "weights")
    world.policy()
    assert world.check().finding("file.truncated")["path"] == "weights/model.safetensors"


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "model.gguf"])
def test_a_directory_under_a_weights_name(world, name):
    lay_out(world.path / "model", {"config.json": BERT, **TOKENIZER, "d/x.txt": b""})
    os.symlink("d", world.path / "model" / name)
    result = judge(world)
    assert result.status == 65 and result.finding("file.special")["path"] == name, result


def test_parts_that_are_links_within_the_model(world):
    lay_out(world.path / "model", {"model_index.json": b'{"unet":["diffusers","UNet2DConditionModel"]}', "store/unet/config.json": b"{}",
                                   "store/unet/diffusion_pytorch_model.safetensors": safetensors()})
    os.symlink("store/unet", world.path / "model" / "unet")
    assert judge(world).status == 0, judge(world)


def test_a_path_that_is_a_link_to_nothing(world):
    os.symlink(world.path / "gone.gguf", world.path / "m.gguf")
    result = judge(world, path=world.path / "m.gguf")
    assert result.status == 65 and "gone.gguf" in result.finding("file.dangling-link")["message"]


# What is no weights

PART, OTHER = "model-00001-of-00002.safetensors", "pytorch_model-00001-of-00002.bin"


@pytest.mark.parametrize("files, code", [
    ({PART: safetensors()}, None), ({OTHER: ZIP}, None), ({PART: safetensors(), "model.safetensors.index.json": INDEX}, None),
    ({"pytorch_model.bin.index.json": b"{broken"}, None), ({"model.safetensors.index.json": b'{"weight_map": {}}'}, None),
    ({"checkpoint-10/config.json": BERT, f"checkpoint-10/{PART}": safetensors()}, None), ({"original/consolidated-00001-of-00002.safetensors": safetensors()}, None),
    ({"consolidated-00001-of-00003.safetensors": safetensors()}, "model.shard"), ({"model.fp16-00001-of-00002.safetensors": safetensors()}, "model.shard"),
    ({f"part/{PART}": safetensors()}, "model.shard")])
def test_a_set_that_nobody_opens(world, files, code):
    """transformers takes model.safetensors before anything else; other names are other loaders'."""
    result = judge(world, {**WHOLE, **files})
    assert result.codes("error") == ({code} if code else set()), result


def test_a_set_of_the_weights_makers_that_the_policy_names(world):
    files = {**WHOLE, f"original/{PART}": safetensors()}
    assert judge(world, files, "require = config.json").status == 0
    assert judge(world, files, "require = original/*").finding("model.shard")


@pytest.mark.parametrize("more", ["", "require = model-*"])
def test_parts_beside_pytorchs_whole(world, more):
    """vLLM reads *.safetensors first: its parts are demanded whatever else is there."""
    files = {"config.json": BERT, **TOKENIZER, "pytorch_model.bin": ZIP, PART: safetensors()}
    assert judge(world, files, more).finding("model.shard")


@pytest.mark.parametrize("name", ["upscaler_x4.pth", "scaler_x4.pth", "scheduler_model.bin"])
def test_weights_with_a_trainers_word_in_their_names(world, name):
    assert judge(world, {**WHOLE, name: ZIP[:-20]}).finding("file.truncated")["path"] == name


@pytest.mark.parametrize("name", ["scheduler_1.bin", "scaler_0.pt", "lr_scheduler.pt", "optim.pt", "mp_rank_00_optim_states.pt", "dataloader.pt"])
def test_more_of_a_trainers_state(world, name):
    assert judge(world, {"config.json": BERT, **TOKENIZER, name: ZIP}).finding("model.no-weights")


def test_weights_in_checkpoints_alone(world):
    files = {"config.json": BERT, **TOKENIZER, "checkpoint-1/model.safetensors": safetensors(), "checkpoint-2/model.safetensors": safetensors()}
    assert "beneath alone" in judge(world, files).finding("model.no-weights")["message"]
    assert judge(world, {"weights/model.safetensors": safetensors()}).status == 0


def test_a_hub_beside_a_model(world):
    assert judge(world, {**WHOLE, "hub/models--a--b/refs/main": b"x"}).status == 0


def test_one_file_of_weights_by_any_name(world):
    assert judge(world, {"README-x.safetensors": safetensors()}, path=world.path / "model/README-x.safetensors").status == 0


def test_json_that_nobody_loads(world):
    """What does not end is a copy that was cut off, whoever reads it; but what an editor keeps for itself is no part of one."""
    assert judge(world, {**WHOLE, ".ipynb_checkpoints/config-checkpoint.json": b'{"loss": [1,'}).status == 0
    assert judge(world, {"trainer_state.json": b'{"loss": [1,'}).finding("file.not-json")


@pytest.mark.parametrize("files", [{"errors.json": b'{"errors": []}'}, {"prompts.json": b'{"message": "hello"}'}, {"config.json": b'{"model_type": "bert", "x": ' + b"[" * 300 + b"]" * 300 + b"}"}])
def test_json_as_python_takes_it(world, files):
    assert judge(world, {**WHOLE, **files}).status == 0


@pytest.mark.parametrize("link", ["hubl", ".//hub", "./hub", "x/../hub"])
def test_one_cache_by_two_names(world, link):
    complete(world.path / "hub")
    (world.path / "hubl").symlink_to("hub")
    (world.path / "x").mkdir()
    world.policy(f"[policy]\nhub_cache = {world.path}/hub\n[model m]\nrepo = org/m\n")
    assert world.check(env={"HF_HUB_CACHE": f"{world.path}/{link}"}).status == 0


@pytest.mark.parametrize("more", ["files = *.json, *.safetensors", "exclude = *.py"])
def test_code_that_is_not_wanted(world, more):
    files = {**WHOLE, "config.json": b'{"model_type": "phi3", "auto_map": {"AutoModel": "modeling_x.X"}}'}
    assert judge(world, files, more + "\nremote_code = allow").status == 0
    assert judge(world, None, "remote_code = allow").finding("model.code-missing")["path"] == "modeling_x.py"


@pytest.mark.parametrize("file, text, code", [
    ("config.json", b'{"model_type": "x", "custom_pipelines": {"t": {"impl": "own.P"}}}', "own.py"), ("modules.json", b'[{"idx": 0, "name": "0", "path": "", "type": "pkg.own.T"}]', "pkg/own.py"),
    ("router_config.json", b'{"types": {"q": "own.R"}}', "own.py")])
def test_code_by_every_name(world, file, text, code):
    result = judge(world, {**WHOLE, file: text, code: b"x = 1\n"})
    assert result.finding("model.remote-code") and "model.python-file" not in result.codes(), result


@pytest.mark.parametrize("more", ["files = **/*.json, *.json, *.txt, **/*.txt, **/*.model", "files = *.json, **/*.json", "exclude = *.safetensors, *.bin, *.onnx, *.msgpack"])
def test_settings_of_diffusers_alone(world, more):
    """from_single_file(config = ...) takes the weights from elsewhere."""
    files = {"model_index.json": b'{"_class_name":"X","unet":["diffusers","UNet2DConditionModel"]}', "unet/config.json": b"{}"}
    assert judge(world, files, more).codes("error") == set()
    assert judge(world, files).finding("model.part")["path"] == "unet"


@pytest.mark.parametrize("first, count", [(1, "000002"), (0, "00003"), (1, "00002")])
def test_parts_are_numbered_as_the_first_one_is(world, first, count):
    parts = {f"model-{i:05}-of-{count}.safetensors": safetensors({f"w{i}": 4}) for i in range(first, first + int(count))}
    rest = {name: data for name, data in WHOLE.items() if name != "model.safetensors"}
    assert judge(world, {**rest, **parts}, "files = config.json, tokenizer*, *.safetensors").codes("error") == set()
    for name in list(parts)[first == 0:]:   # without the first of all it looks as if they began at 1
        assert judge(world, {**rest, **{other: data for other, data in parts.items() if other != name}}).finding("model.shard")["path"] == name


@pytest.mark.parametrize("path", ["./0_T", "0_T/", "0_T/.", ".//0_T"])
def test_a_modules_path_as_it_is_written(world, path):
    files = {f"0_T/{name}": data for name, data in WHOLE.items()}
    assert judge(world, {**files, "modules.json": json.dumps([{"idx": 0, "name": "0", "path": path, "type": "sentence_transformers.models.Transformer"}]).encode()}).codes("error") == set()


@pytest.mark.parametrize("name", ["vocab.txt.bak", "merges.log", "merges.md", "vocabulary_stats.csv"])
def test_names_that_only_begin_as_a_vocabulary(world, name):
    assert judge(world, {**{key: data for key, data in WHOLE.items() if key != "tokenizer.json"}, "vocab.txt": b"a\n", name: b""}).codes("error") == set()


def test_a_base_at_the_revision_that_the_adapter_names(world):
    Repo(world.hub, "org/base").all(WHOLE).ref("v1")
    files = {"adapter_config.json": b'{"base_model_name_or_path": "org/base", "peft_type": "LORA", "revision": "v1"}', "adapter_model.safetensors": safetensors()}
    assert judge(world, files).codes("error") == set()
    assert judge(world, files | {"adapter_config.json": files["adapter_config.json"].replace(b"v1", b"v2")}).finding("model.base")


def test_a_part_of_diffusers_that_is_empty(world):
    files = {"model_index.json": b'{"_class_name":"X","unet":["diffusers","U"],"vae":["diffusers","A"]}', "vae/config.json": b"{}", "vae/diffusion_pytorch_model.safetensors": safetensors(), "unet/README.md": b"x"}
    assert judge(world, files).finding("model.part")["path"] == "unet"
    assert judge(world, None, "files = model_index.json, vae/*").status == 0


@pytest.mark.parametrize("name", ["x.pkl.gz", "x.joblib.bz2", "x.npy.zst", "a/x.bin.xz", "x.tar.gz", "x.pkl.gz.gz"])
def test_weights_that_are_packed(world, name):
    """joblib opens them as if they were not: nobody knows of which format they are."""
    assert judge(world, {**WHOLE, name: b"packed"}, "formats = safetensors").finding("model.format")


@pytest.mark.parametrize("name", ["x.json.gz", "README.md.xz", "x.csv.zst"])
def test_text_that_is_packed(world, name):
    assert judge(world, {**WHOLE, name: b"packed"}, "formats = safetensors").status == 0


ERRORS = ['{"errors": [{"status": 404, "message": "x"}]}', '{"message": "Forbidden"}', '{"detail": "Not authenticated"}', '{"error": {"code": 404, "message": "x"}}',
          '{"timestamp": 1, "status": 404, "error": "Not Found", "path": "/config.json"}']


@pytest.mark.parametrize("text", ERRORS)
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer.model"])
def test_what_a_server_says_in_the_place_of_a_file(world, name, text):
    assert judge(world, {**WHOLE, name: text.encode()}, f"require = {name}").finding("file.error-page")["path"] == name


def test_words_of_an_answer_are_words_of_a_vocabulary_as_well(world):
    assert judge(world, {**WHOLE, "vocab.json": b'{"error": 1, "message": 2}', "prompts.json": b'{"message": "hello", "model": "x"}'}).status == 0


@pytest.mark.parametrize("name", [
    "runs/x/events.out.tfevents.1700000000.host.1.0", "bpe.codes", "tokenizer.model.v3", "Modelfile", "USE_POLICY", "model.sig", "data.parquet", "a.csv.gz", "a.mp4",
    "x.pyc", "x.rst", "a.css", "wandb/run.wandb", "random_states_0.pkl", "sampler.bin", "custom_checkpoint_0.pkl", "optimizer_0.pt", "optimizer_state.bin",
    "training_state.pt", "optimizer.safetensors"])
def test_what_stands_for_no_weights(world, name):
    data = safetensors() if name.endswith("safetensors") else b"any bytes"
    assert judge(world, {"config.json": BERT, **TOKENIZER, name: data}).finding("model.no-weights")
    assert judge(world, {**WHOLE, name: data}, "formats = safetensors").status == 0


@pytest.mark.parametrize("name, data", [("data.json", b""), ("NOTICE.txt", b"<html><p>terms</p></html>"), ("LICENSE.txt", b"<!doctype html>")])
def test_what_no_loader_reads_refuses_nothing(world, name, data):
    assert judge(world, {**WHOLE, name: data}).status == 0


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "vocab.json"])
def test_what_a_loader_reads_is_not_empty(world, name):
    assert judge(world, {**WHOLE, name: b""}).finding("file.empty")["path"] == name


# Parts

@pytest.mark.parametrize("kind, data", [("gguf", gguf()), ("safetensors", safetensors())])
@pytest.mark.parametrize("named", [1, 2])
def test_the_path_of_one_part_means_all(world, kind, data, named):
    parts = {f"m-0000{i}-of-00003.{kind}": data for i in (1, 2, 3)}
    path = world.path / "model" / f"m-0000{named}-of-00003.{kind}"
    assert judge(world, {**parts, "other.gguf": b"damaged"}, path=path).report["models"][0]["files"] == 3
    for gone in parts:
        if gone != path.name:
            result = judge(world, {name: data for name, data in parts.items() if name != gone}, path=path)
            assert result.status == 65 and any(f["path"].endswith(gone) for f in result.report["findings"]), result


def test_a_part_by_its_header_alone(world):
    part = gguf(keys=(("split.count", 2, struct.pack("<H", 3)), ("split.no", 2, struct.pack("<H", 0))))
    assert "NAME-00001-of-0000N" in judge(world, {"model.gguf": part}).finding("file.header")["message"]
    assert judge(world, {f"m-0000{i}-of-00003.gguf": part for i in (1, 2, 3)}).status == 0


def with_tensor(name="w", dimensions=(4,), kind=0, data=b"\x3f" * 32):
    text = name.encode()
    out = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", len(text)) + text
    out += struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, 0)
    return out + b"\0" * (-len(out) % 32) + data


@pytest.mark.parametrize("tensor", [{"dimensions": (2, 2, 1, 1, 2)}, {"name": "w" * 65}, {"name": "w" * 200}])
def test_gguf_beyond_what_ggml_reads(world, tensor):
    result = judge(world, {"x.gguf": with_tensor(**tensor)})
    assert result.status == 0 and result.finding("file.unsized")["severity"] == "note"
    assert judge(world, {"x.gguf": with_tensor(**{"dimensions": (16,), **tensor, "data": b""})}).finding("file.truncated")


@pytest.mark.parametrize("kind", [4, 5, 31, 32, 33, 36, 37, 38, 43, 200])
def test_gguf_types_of_other_engines(world, kind):
    result = judge(world, {"x.gguf": with_tensor(kind=kind)})
    assert result.status == 0 and result.finding("file.unsized")["severity"] == "note"


GRAPH = b'<?xml version="1.0"?>\n<net name="m"><layers><layer id="0" type="Const"><data element_type="f32" shape="2" offset="8" size="8"/></layer></layers></net>'


@pytest.mark.parametrize("name", ["model", "FP16/model", "face-detection-0200", "openvino_model"])
def test_an_openvino_graph_and_its_weights(world, name):
    assert judge(world, {f"{name}.xml": GRAPH, f"{name}.bin": b"x" * 16}).status == 0
    assert judge(world, {f"{name}.xml": GRAPH, f"{name}.bin": b"x" * 15}).finding("file.truncated")["path"] == f"{name}.bin"
    assert judge(world, {f"{name}.xml": GRAPH}).finding("model.part")["path"] == f"{name}.bin"
    assert judge(world, {f"{name}.xml": GRAPH}, path=world.path / "model" / f"{name}.xml").finding("model.part")["path"].endswith(".bin")


def test_openvino_weights_without_a_graph(world):
    assert judge(world, {"config.json": BERT, "openvino_model.bin": b"x" * 16, **TOKENIZER}).finding("model.part")["path"] == "openvino_model.xml"
    assert judge(world, {**WHOLE, "openvino_model.bin": b"x" * 16}).status == 0      # other weights are what is loaded


def test_the_constants_of_a_large_graph_are_all_seen(world):
    layers = b"".join(b'<layer id="%d" type="Const"><data element_type="f32" shape="1" offset="%d" size="4"/></layer>' % (i, 4 * i) for i in range(9000))
    files = {"model.xml": b'<net name="m"><layers>' + layers + b"</layers></net>", "model.bin": b"x" * 35999}
    assert "needs 36000 bytes" in judge(world, files).finding("file.truncated")["message"]


def test_external_data_of_a_model_of_one_file(world):
    folder = world.path / "one"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(onnx(("weights.data", 0, 64)))
    world.policy(f"[policy]\n[model m]\npath = {folder}/model.onnx\n")
    result = world.check()
    assert result.status == 65 and result.finding("file.truncated")["path"].endswith("weights.data"), result
    (folder / "weights.data").write_bytes(b"x" * 64)
    assert world.check().status == 0


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "image.png", "results.csv", "train.parquet", "notebook.ipynb", "events.out.tfevents.1.host.2.0"])
def test_a_pointer_that_people_read(world, name):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 90868376\n"
    assert judge(world, {**bert_files(), name: pointer}).status == 0
    assert judge(world, {**bert_files(), "extra.bin": pointer}).finding("file.pointer")


def test_external_data_of_onnx_by_any_name(world):
    files = {"model.onnx": onnx(("onnx__MatMul_12", 0, 64)), "onnx__MatMul_12": b"x" * 64}
    assert judge(world, files, "formats = onnx").status == 0
    assert judge(world, {**files, "onnx__MatMul_13": b"\x80\x02}."}, "formats = onnx").finding("model.format")


# Modules and components

def modules(*types):
    return json.dumps([{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(types)]).encode()


@pytest.mark.parametrize("path, kind", [("", "sentence_transformers.models.Transformer"), ("0_Transformer", "sentence_transformers.base.modules.transformer.Transformer")])
def test_a_transformer_module_has_its_configuration(world, path, kind):
    at = path + "/" if path else ""
    files = {f"{at}model.safetensors": safetensors(), f"{at}tokenizer.json": b"{}", "modules.json": modules((path, kind))}
    assert judge(world, files).finding("model.part")["path"] == f"{at}config.json"
    assert judge(world, {**files, f"{at}adapter_config.json": b'{"base_model_name_or_path": null}'}).status == 0
    assert judge(world, {**files, f"{at}config.json": BERT}).status == 0


@pytest.mark.parametrize("kind", ["LayerNorm", "WeightedLayerPooling", "SparseAutoEncoder"])
def test_modules_that_keep_weights(world, kind):
    files = {**bert_files(), "2_X/config.json": b"{}", "modules.json": modules(("", "sentence_transformers.models.Transformer"), ("2_X", f"sentence_transformers.models.{kind}"))}
    assert judge(world, files).finding("model.part")["path"] == "2_X/model.safetensors"
    assert judge(world, {**files, "2_X/model.safetensors": safetensors()}).status == 0


@pytest.mark.parametrize("files, place", [
    ({"modules.json": modules(("", "org/other--custom_st.Transformer"))}, "modules.json"),
    ({"model_index.json": b'{"_class_name":["pipeline_x","P"]}'}, "model_index.json")])
def test_code_of_another_place(world, files, place):
    assert judge(world, {**WHOLE, **files}).finding("model.remote-code")["path"] == place
    assert judge(world, None, "remote_code = allow").finding("model.code-missing")["severity"] == "error"


PIPELINE = {"model_index.json": b'{"unet":["diffusers","UNet2DConditionModel"],"vae":["diffusers","AutoencoderKL"]}', "unet/config.json": b"{}", "vae/config.json": b"{}",
            "vae/diffusion_pytorch_model.fp16.safetensors": safetensors()}


def test_a_variant_that_one_component_lacks(world):
    assert judge(world, PIPELINE, "files = *.json, *.fp16.safetensors").finding("model.part")["path"] == "unet"
    assert judge(world, {**PIPELINE, "unet/diffusion_pytorch_model.fp16.safetensors": safetensors()}, "files = *.json, *.fp16.safetensors").status == 0


@pytest.mark.parametrize("pattern", ["safety_checker/*", "safety_checker/", "safety_checker*"])
def test_a_component_that_is_excluded(world, pattern):
    files = {"model_index.json": b'{"safety_checker":["stable_diffusion","S"],"vae":["diffusers","AutoencoderKL"]}', "vae/config.json": b"{}",
             "vae/diffusion_pytorch_model.safetensors": safetensors()}
    assert judge(world, files).finding("model.part")["path"] == "safety_checker"
    assert judge(world, files, f"exclude = {pattern}").status == 0


def test_an_index_beside_what_an_exporter_made(world):
    index = {"config.json": BERT, **TOKENIZER, "pytorch_model.bin.index.json": INDEX}
    assert judge(world, {**index, "onnx/model.safetensors": safetensors()}).status == 0
    assert judge(world, {**index, "original/consolidated.00.pth": ZIP}).finding("model.shard")


@pytest.mark.parametrize("name", ["optimizer-7b.gguf", "optimizer-7b.safetensors", "sampler.safetensors", "training_state.onnx"])
def test_weights_that_are_called_like_a_trainers_state(world, name):
    assert judge(world, {name: b"GGUF"}).status == 65


def test_arrays_with_a_note_beside_them(world):
    assert judge(world, {"meta.npz": archive("a.npy", "allow.txt"), "empty.npz": archive()}, "formats = npz").status == 0


@pytest.mark.parametrize("name", ["openvino_model.bin", "model.onnx_data"])
def test_numbers_that_begin_like_a_pickle(world, name):
    assert "model.pickle" not in judge(world, {"openvino_model.xml": GRAPH.replace(b"offset=\"8\"", b"offset=\"0\""), name: b"\x80\x02" + b"\0" * 30,
                                               "openvino_model.bin": b"\x80\x02" + b"\0" * 30}).codes()


def test_code_beside_the_configuration_that_names_it(world):
    """path is the folder of several models: each has its own."""
    files = {f"org/name/{name}": data for name, data in WHOLE.items()}
    files["org/name/config.json"] = b'{"model_type":"bert","auto_map":{"AutoModel":"modeling_x.M"}}'
    assert judge(world, {**files, "org/name/modeling_x.py": b"x = 1"}, "remote_code = allow").status == 0
    assert judge(world, {**files, "org/name/modeling_x.py": b"x = 1"}).finding("model.remote-code")


def test_a_folder_one_level_too_high(world):
    files = {f"b/{name}": data for name, data in WHOLE.items()} | {"README.md": b"x", ".gitignore": b"x"}
    result = judge(world, files)
    assert result.status == 0 and result.finding("model.no-config")["fix"] == f"path = {world.path}/model/b", result
    assert judge(world, None, path=f"{world.path}/model/b").codes() == set()
    assert judge(world, {**files, **{f"a/{name}": data for name, data in WHOLE.items()}}).codes() == set()   # two models, or parts of one
    for more in ("files = b/*", "require = b/config.json"):
        assert judge(world, files, more).codes() == set(), more
    assert judge(world, {**files, "modules.json": b'[{"idx": 0, "name": "0", "path": "b", "type": "sentence_transformers.models.Transformer"}]'}).codes() == set()


def test_code_that_its_own_repository_names(world):
    Repo(world.hub).all({**WHOLE, "config.json": b'{"model_type":"bert","auto_map":{"AutoModel":"org/m--modeling_x.M"}}', "modeling_x.py": b"x = 1"})
    world.policy(f"[policy]\n[model m]\nrepo = org/m\nrevision = {COMMIT}\nremote_code = allow\n")
    assert world.check().status == 0, world.check()


# The way to a model

@pytest.fixture
def beside():
    """A container beside this one, as KServe's modelcar is: its files are reached through /proc/PID/root."""
    process = subprocess.Popen(["sleep", "600"])
    yield f"/proc/{process.pid}/root"
    process.kill()
    process.wait()


@pytest.mark.parametrize("way", ["{root}{model}", "{link}", "{link}/", "{above}/model", "{twice}", "./{root}/{model}", "{above}/model/model.gguf"])
def test_a_modelcar(world, beside, way):
    """However the path leads there; the inspector has lost the right to go that way when it looks."""
    lay_out(world.path / "model", {**WHOLE, "model.gguf": gguf()})
    for name, target in (("link", f"{beside}{world.path}/model"), ("above", f"{beside}{world.path}"), ("twice", "link")):
        os.symlink(target, world.path / name)
    path = way.format(root=beside, model=world.path / "model", **{name: world.path / name for name in ("link", "above", "twice")})
    result = judge(world, path="/" + path if path.startswith("./") else path)
    assert result.status == 0 and result.report["models"][0]["files"] == (1 if way.endswith("gguf") else len(WHOLE) + 1), result
    (world.path / "model" / "model.safetensors").write_bytes(safetensors()[:-4])
    (world.path / "model" / "model.gguf").write_bytes(gguf()[:-4])
    assert "file.truncated" in judge(world, path="/" + path if path.startswith("./") else path, more="verify = digest").codes("error")


# The environment

@pytest.mark.parametrize("names, told", [
    (("HF_HOME", "HF_HUB_CACHE=hub"), False), (("XDG_CACHE_HOME", "HF_HOME=home"), False),
    (("HF_HUB_CACHE", "HF_HOME=home"), True), (("HF_HOME",), True)])
def test_empty_variables_that_decide_nothing(world, names, told):
    complete(world.hub)
    env = {"HF_HOME": None} | {name.partition("=")[0]: str(world.path / name.partition("=")[2]) if "=" in name else "" for name in names}
    env |= {"HF_HUB_CACHE": str(world.hub)} if "HF_HUB_CACHE=hub" in names else {"HF_HOME": str(world.hub.parent)} if "HF_HOME=home" in names else {}
    world.policy("[policy]\n[model m]\nrepo = org/m\n" if not told else f"[policy]\nhub_cache = {world.hub}\n[model m]\nrepo = org/m\n")
    result = world.check(env=env)
    assert ("env.empty-path" in result.codes()) == told and (told or result.status == 0), result
    lay_out(world.path / "model", WHOLE)
    world.policy(f"[policy]\n[model m]\npath = {world.path}/model\n")
    assert "env.empty-path" not in world.check(env=env).codes()   # nobody looks there


def test_old_names_that_say_the_same(world):
    complete(world.path / "elsewhere")
    cache = f"{world.path}/elsewhere"
    world.policy(f"[policy]\nhub_cache = {cache}\n[model m]\nrepo = org/m\n")
    assert world.check(env={"HF_HOME": None, "TRANSFORMERS_CACHE": cache}).status == 0
    assert world.check(env={"HF_HOME": None, "TRANSFORMERS_CACHE": "/other"}).status == 76
    assert world.check(env={"HF_HOME": None, "LLAMA_CACHE": "/other"}).status == 0


@pytest.mark.parametrize("name, status", [("HF_XET_CACHE", 0), ("HF_ASSETS_CACHE", 0), ("HF_DATASETS_CACHE", 0), ("HF_MODULES_CACHE", 76)])
def test_empty_names_beside_the_models(world, name, status):
    complete(world.hub)
    world.policy()
    assert world.check(env={name: ""}).status == status


def test_a_token_that_tei_reads_is_a_token(world):
    complete(world.hub)
    world.policy()
    result = world.check(env={"HF_API_TOKEN": "hf_x"})
    assert "env.misspelt" not in result.codes() and result.finding("env.secret")["path"] == "HF_API_TOKEN"


# The level that was proven

def test_the_level_is_that_of_the_whole(world):
    repo = complete(world.hub)
    world.policy("[policy]\nverify = digest\n[model m]\nrepo = org/m\n")
    model = world.check().report["models"][0]
    assert model["level"] == "digest" and model["verified_files"] == model["files"]
    data = (repo.snapshot / "config.json").read_bytes()
    (repo.snapshot / "config.json").unlink()
    (repo.snapshot / "config.json").write_bytes(data)
    model = world.check().report["models"][0]
    assert model["level"] == "structure" and model["verified_files"] == model["files"] - 1
    assert f"structure, {model['files'] - 1} of {model['files']} by digest" in " ".join(world.run("check", "-p", world.policy_file).out.split())


# A name for the pinned commit

def test_ref_is_of_a_pinned_commit(world):
    complete(world.hub)
    for row in ("ref = main", f"ref = {COMMIT}\nrevision = {COMMIT}"):
        world.policy(f"[policy]\n[model m]\nrepo = org/m\n{row}\n")
        assert world.check().status == 78 and "ref = " in world.check().finding("policy.value")["message"]
    world.policy(f"[policy]\n[model m]\nrepo = org/m\nref = prod\nrevision = {COMMIT}\n")
    assert "refs/prod" in world.check().finding("model.no-main")["message"]


def test_a_model_elsewhere_is_mended_where_the_place_was_said(world):
    """Where policy.hub_cache decides, a variable would change nothing."""
    elsewhere = world.path / "home"
    complete(world.hub)
    world.policy(f"[policy]\nhub_cache = {elsewhere}\n[model m]\nrepo = org/m\n")
    assert f"HF_HUB_CACHE={world.hub}, and policy.hub_cache" in world.check().finding("model.elsewhere")["fix"]
    world.policy("[policy]\n[model m]\nrepo = org/m\n")
    fix = world.check(env={"HF_HOME": None, "HF_HUB_CACHE": str(elsewhere)}).finding("model.elsewhere")["fix"]
    assert f"HF_HUB_CACHE={world.hub}" in fix and "policy.hub_cache" not in fix


def test_a_folder_without_a_repository_is_not_to_be_fetched(world):
    """"fetch the file again" would send its reader in a circle: nobody knows from where."""
    files = bert_files()
    files["model.safetensors"] = files["model.safetensors"][:-9]
    fixes = {finding["fix"] for finding in judge(world, files).report["findings"] if finding["severity"] == "error"}
    assert fixes and all("repo = ORG/NAME" in fix for fix in fixes), fixes


def test_a_token_from_a_file_of_the_policys_is_taken_out_of_the_policy(world):
    """Unsetting it changes nothing: the file goes before."""
    (world.path / "token").write_text("hf_secretvalue")
    (world.path / "token").chmod(0o600)
    world.policy(f"[policy]\n[environment file]\nHF_TOKEN = {world.path}/token\n")
    result = world.check()
    assert "[environment file]" in result.finding("env.secret")["fix"] and "hf_secretvalue" not in result.out, result
