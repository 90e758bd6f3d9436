# SPDX-License-Identifier: Apache-2.0
"""Repositories as their libraries write them, one file each in fixtures/layouts: what loads passes, what cannot is refused with
the name in the sentence, and where nothing aboard demands a name nothing is an error.

A layout is INI, names as they are spelled:
    [layout]    repo, family, library (with its version), source (how what stands below was found out), and perhaps
                beside (repositories that the same policy names, each a whole model)
    [files]     path = kind, see KINDS; a text's lines end with \\n, wherever the layout breaks them
    [needs]     paths = code: the loader cannot do without, and the repository's own files say so: refused
    [unproven]  paths = code or nothing: the loader cannot, but only a guess could tell: no error, at most this warning
    [bears]     paths: loads without
    [warnings]  codes that the whole repository may have
Several paths, with blanks between them, are taken away together; * stands for any characters.
"""

import configparser
import fnmatch
import json
import struct
from pathlib import Path

import pytest
from models import Repo, bert_files, gguf, onnx, safetensors

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "layouts"
FAMILIES = {"transformers", "sentence-transformers", "model2vec", "diffusers", "PEFT", "GLiNER", "pyannote", "Flair", "open_clip", "timm", "MLC", "ONNX",
            "ONNX Runtime GenAI", "CTranslate2", "OpenVINO", "GGUF", "Mistral", "Neuron", "Paddle", "MNN", "ExecuTorch", "TensorFlow", "spaCy", "tokenizers",
            "bm25s", "piper", "silero-vad", "whisper.cpp", "fastText", "Keras", "scikit-learn", "XGBoost", "LightGBM", "Core ML", "RapidOCR"}
# These say where no weights are, and there is no one name that would mend it.
NAMELESS = {"model.no-weights", "model.missing", "model.incomplete"}


def zip_of(name):
    """An archive as far as its first local header and its end say."""
    return b"PK\3\4" + b"\0" * 22 + struct.pack("<HH", len(name), 0) + name + b"PK\5\6" + b"\0" * 18


# A graph of one layer: constants, which are in the .bin, or something that needs none.
OPENVINO = '<net name="m" version="11"><layers><layer id="0" name="a" type="KIND" version="opset1"><data DATA/></layer></layers></net>'


def index_of(parts):
    names = parts.split()
    return json.dumps({"metadata": {"total_size": 8}, "weight_map": {f"t{i}": name for i, name in enumerate(names)}}).encode()


def ctranslate2(spec):
    """model.bin of converters/model_spec.py: one variable of one float, no alias."""
    def name(text):
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"
    variable = name("a") + struct.pack("<BIBI", 1, 1, 0, 4) + b"\0\0\x80\x3f"
    return struct.pack("<I", 6) + name(spec) + struct.pack("<II", 3, 1) + variable + struct.pack("<I", 0)


KINDS = {
    "safetensors": lambda _: safetensors(),
    "gguf": lambda _: gguf(),
    "onnx": lambda location: onnx((location, 0, 64) if location else None),
    "torch-zip": lambda _: zip_of(b"archive/data.pkl"),
    "npz": lambda _: zip_of(b"a.npy"),
    "zip": lambda _: zip_of(b"config.json"),
    "npy": lambda _: b"\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".ljust(128) + b"\0\0\x80\x3f",
    "pickle": lambda _: b"\x80\4}\x94.",
    "hdf5": lambda _: b"\x89HDF\r\n\x1a\n" + b"\1" * 88,
    "index": index_of,
    "ctranslate2": ctranslate2,
    "openvino": lambda kind: OPENVINO.replace("KIND", kind).replace("DATA", 'offset="0" size="64"' if kind == "Const" else "").encode(),
    "ggml": lambda _: b"lmgg" + struct.pack("<11i2i2i", 51864, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1, 0, 0, 0, 0)[:-4] + struct.pack("<3ii", 1, 1, 0, 4) + b"a" + b"\1" * 16,
    "protobuf": lambda _: b"\x08\x07",
    "json": lambda text: text.encode(),
    "text": lambda text: text.replace("\n", "").replace("\\n", "\n").encode() + b"\n",
    "bytes": lambda count: b"\x5a" * int(count),
}


def content(kind):
    name, _, argument = kind.partition(":")
    return KINDS[name](argument.strip())


class Layout:
    def __init__(self, path):
        ini = configparser.ConfigParser(delimiters=("=",), comment_prefixes=(";",), interpolation=None, allow_no_value=True)
        ini.optionxform = str
        ini.read_string(path.read_text())
        self.name = path.stem
        self.about = dict(ini["layout"])
        self.files = {file: content(kind) for file, kind in ini["files"].items()}
        sections = [section for section in ("needs", "unproven", "bears") if section in ini]
        self.removals = [(section, paths, code or "") for section in sections for paths, code in ini[section].items()]
        self.warnings = set(ini["warnings"]) if "warnings" in ini else set()
        self.beside = self.about.get("beside", "").split()

    def met(self, paths):
        return {file for file in self.files for path in paths.split() if fnmatch.fnmatchcase(file, path)}

    def lay_out(self, folder, without=()):
        """A directory of the repository is there as long as a file is in it: neither git nor the hub keeps others."""
        for file, data in self.files.items():
            if file not in without:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(data)
        folder.mkdir(exist_ok=True)
        return folder

    def policy(self, world, model):
        text = f"[policy]\n[model m]\n{model}\n"
        for i, repo in enumerate(self.beside):
            base = world.path / f"beside{i}"
            base.mkdir(exist_ok=True)
            for file, data in bert_files().items():
                (base / file).write_bytes(data)
            text += f"[model beside{i}]\nrepo = {repo}\npath = {base}\n"
        world.policy(text)


LAYOUTS = {path.stem: Layout(path) for path in sorted(FOLDER.glob("*.ini"))}
REMOVALS = [pytest.param(layout, *removal, id=f"{layout.name}: {removal[0]} {removal[1]}") for layout in LAYOUTS.values() for removal in layout.removals]


def of(result, severity):
    return [f for f in result.report["findings"] if f["severity"] == severity]


def names(finding, paths):
    """The finding tells what is missing: one of the files, or the directory that the model's own list names."""
    told = finding["path"] + " " + finding["message"]
    return any(path in told or ("/" in path and path.rsplit("/", 1)[0] in told) for path in paths)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_loads_passes(world, layout):
    layout.policy(world, f"path = {layout.lay_out(world.path / 'model')}")
    result = world.check()
    assert result.status == 0 and not of(result, "error"), result
    assert {f["code"] for f in of(result, "warning")} <= layout.warnings, result


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_loads_passes_in_a_cache_too(world, layout):
    Repo(world.hub, layout.about["repo"]).all(layout.files).ref()
    layout.policy(world, f"repo = {layout.about['repo']}")
    result = world.check()
    assert result.status == 0 and not of(result, "error"), result


@pytest.mark.parametrize("layout, section, paths, code", REMOVALS)
def test_what_was_taken_away(world, layout, section, paths, code):
    gone = layout.met(paths)
    assert gone, f"{paths} is no file of the layout"
    layout.policy(world, f"path = {layout.lay_out(world.path / 'model', gone)}")
    result = world.check()
    if section != "needs":
        assert result.status == 0 and not of(result, "error"), result
        assert {f["code"] for f in of(result, "warning")} <= layout.warnings | {code}, result
        return
    assert result.status in (65, 66), result
    errors = [f for f in of(result, "error") if code in ("", f["code"])]
    assert any(f["code"] in NAMELESS or names(f, gone) for f in errors), result


def test_the_layouts_say_where_they_are_from():
    assert len(LAYOUTS) >= 40
    for layout in LAYOUTS.values():
        assert all(layout.about.get(key) for key in ("repo", "family", "library", "source")), layout.name
        assert layout.removals, layout.name
        assert layout.about["family"] in FAMILIES, layout.name
    assert {layout.about["family"] for layout in LAYOUTS.values()} == FAMILIES
