# SPDX-License-Identifier: Apache-2.0
"""Models that the real libraries write, and their real loaders, none of which needs torch: run by the Python of an environment that has
them, `real_libraries.py make|load FAMILY DIR...`; tests/e2e/check/test_real_libraries.py asks, and holds aweigh beside them."""

import json
import os
import shutil
import signal
import struct
import sys
from importlib import import_module
from pathlib import Path

LIMIT = 60  # seconds for one load
CLASS = "the class that a configuration names reads it, and a service may do without that class"
CALLER = "the caller or the library names it, and nothing aboard does"
NO_CONFIG = {"without config.json": "weights and words without it may be another library's"}
BPE = {"without merges.txt": CLASS, "without vocab.json": CLASS}
STATIC = {"without config.json": "sentence-transformers loads the same files without it"}
BM25S = {"without vocab.index.json": "BM25.load(load_vocab=False)", "without params.index.json": "BM25.load(params_name=...)"}
SPACY = "a pipe without to_disk() has none, and a service may exclude it"
TEXT = "the quick brown fox jumps over the lazy dog and runs away from the small grey cat"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TEXT.split()]
FAMILIES = {}
KEPT = []  # what hangs when it is taken down at once


class Family:
    """make(dir) and load(dir) by the library, and where aweigh passes all the same, as VERB FILE -> why no byte aboard proves it."""

    def __init__(self, name, make, load, modules, guesses=None):
        self.name, self.make, self.load, self.modules, self.guesses = name, make, load, modules.split(), guesses or {}
        FAMILIES[name] = self


def numbers(*shape):
    import numpy
    return numpy.arange(int(numpy.prod(shape)), dtype="float32").reshape(shape) / 7


def installed(package, *path):
    return Path(import_module(package).__file__).parent.joinpath(*path)


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    made = Tokenizer(models.WordPiece({word: i for i, word in enumerate(dict.fromkeys(WORDS))}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


def save_json(path, value):
    path.write_text(json.dumps(value))


def must(value):
    """Some loaders say no by a value."""
    if not value:
        raise ValueError("the loader gave nothing")
    return value


# safetensors

def make_safetensors(folder):
    from safetensors.numpy import save_file
    save_file({"a": numbers(8, 8), "b": numbers(4)}, folder / "model.safetensors")
    (folder / "README.md").write_text("# A model\n")


def load_safetensors(folder):
    from safetensors.numpy import load_file
    load_file(folder / "model.safetensors")


Family("safetensors", make_safetensors, load_safetensors, "safetensors.numpy")


# transformers: configuration and tokenizer by the library, weights by its own list of the shards

def save_shards(folder, size="1KB"):
    from huggingface_hub import split_state_dict_into_shards_factory
    from safetensors.numpy import save_file
    state = {name: numbers(16, 8) for name in ("embeddings.a", "layer.b", "layer.c", "head.d")}
    plan = split_state_dict_into_shards_factory(state, get_storage_size=lambda t: t.nbytes, get_storage_id=lambda t: None, max_shard_size=size,
                                                filename_pattern="model{suffix}.safetensors")
    for name, tensors in plan.filename_to_tensors.items():
        save_file({tensor: state[tensor] for tensor in tensors}, folder / name, {"format": "pt"})
    if plan.is_sharded:
        save_json(folder / "model.safetensors.index.json", {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename})


def make_bert(folder, size="1KB"):
    from transformers import BertConfig, BertTokenizer, GenerationConfig
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(WORDS)))
    made = BertTokenizer(str(folder / "vocab.txt"))
    (folder / "vocab.txt").unlink()
    made.save_pretrained(folder)
    BertConfig(vocab_size=20, hidden_size=8, architectures=["BertModel"]).save_pretrained(folder)
    GenerationConfig(max_length=5).save_pretrained(folder)
    save_shards(folder, size)


def load_configuration(folder):
    from transformers import AutoConfig, AutoTokenizer
    AutoConfig.from_pretrained(folder)
    must(AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"])


def load_bert(folder):
    from safetensors.numpy import load_file
    from transformers.utils.hub import get_checkpoint_shard_files
    load_configuration(folder)
    if (folder / "model.safetensors").exists():
        load_file(folder / "model.safetensors")
        return
    files, index = get_checkpoint_shard_files(folder, str(folder / "model.safetensors.index.json"), local_files_only=True)
    there = set().union(*(load_file(file) for file in files))
    must(there >= set(index["all_checkpoint_keys"]))


TRANSFORMERS = "transformers transformers.models.bert transformers.models.auto safetensors.numpy"
Family("transformers", lambda folder: make_bert(folder, "1MB"), load_bert, TRANSFORMERS, NO_CONFIG)
Family("transformers-sharded", make_bert, load_bert, TRANSFORMERS,
       {**NO_CONFIG, "without model.safetensors.index.json": "mlx-lm and vLLM read *.safetensors without it"})


def make_bpe(folder):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config
    made = ByteLevelBPETokenizer()
    made.train_from_iterator([TEXT] * 9, vocab_size=300, show_progress=False)
    made.save_model(str(folder))
    GPT2Config(n_embd=8, n_layer=1, n_head=1, architectures=["GPT2Model"]).save_pretrained(folder)
    save_json(folder / "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer"})
    make_safetensors(folder)


def load_one(folder):
    load_configuration(folder)
    load_safetensors(folder)


Family("transformers-vocab-merges", make_bpe, load_one, TRANSFORMERS + " transformers.models.gpt2", {**NO_CONFIG, **BPE})


def train_sentencepiece(folder, name):
    import sentencepiece
    text = folder / "text"
    text.write_text("\n".join([TEXT] * 99))
    sentencepiece.SentencePieceTrainer.train(input=str(text), model_prefix=str(folder / "made"), vocab_size=40, minloglevel=2, hard_vocab_limit=False)
    text.unlink()
    (folder / "made.vocab").unlink()
    (folder / "made.model").rename(folder / name)


def make_t5(folder):
    from transformers import T5Config
    train_sentencepiece(folder, "spiece.model")
    T5Config(d_model=8, num_layers=1, num_heads=1, architectures=["T5Model"]).save_pretrained(folder)
    save_json(folder / "tokenizer_config.json", {"tokenizer_class": "T5Tokenizer", "extra_ids": 0})
    make_safetensors(folder)


Family("transformers-sentencepiece", make_t5, load_one, TRANSFORMERS + " transformers.models.t5 sentencepiece",
       NO_CONFIG)


def make_marian(folder):
    from transformers import MarianConfig
    train_sentencepiece(folder, "source.spm")
    shutil.copy(folder / "source.spm", folder / "target.spm")
    save_json(folder / "vocab.json", {word: i for i, word in enumerate(["</s>", "<unk>", "▁the", "▁quick", "<pad>"])})
    MarianConfig(d_model=8, vocab_size=5, decoder_vocab_size=5, pad_token_id=4, architectures=["MarianMTModel"]).save_pretrained(folder)
    save_json(folder / "tokenizer_config.json", {"source_lang": "en", "target_lang": "de"})
    make_safetensors(folder)


Family("transformers-marian", make_marian, load_one, TRANSFORMERS + " transformers.models.marian sentencepiece",
       {**NO_CONFIG, "without *.spm": CLASS, "without vocab.json": CLASS})


def make_whisper(folder):
    from transformers import WhisperConfig, WhisperFeatureExtractor
    make_bpe(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    WhisperConfig(d_model=8, encoder_layers=1, decoder_layers=1, architectures=["WhisperForConditionalGeneration"]).save_pretrained(folder)
    save_json(folder / "tokenizer_config.json", {"tokenizer_class": "WhisperTokenizer"})


def load_processor(folder):
    from transformers import AutoConfig, AutoProcessor
    AutoConfig.from_pretrained(folder)
    must(AutoProcessor.from_pretrained(folder).feature_extractor)
    load_safetensors(folder)


Family("transformers-whisper", make_whisper, load_processor, TRANSFORMERS + " transformers.models.whisper",
       {**NO_CONFIG, **BPE, "without preprocessor_config.json": CLASS})


def make_vision(folder):
    from transformers import ViTConfig, ViTImageProcessorPil
    ViTImageProcessorPil().save_pretrained(folder)
    ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, architectures=["ViTModel"]).save_pretrained(folder)
    make_safetensors(folder)


def load_vision(folder):
    from transformers import AutoConfig, AutoImageProcessor
    AutoConfig.from_pretrained(folder)
    AutoImageProcessor.from_pretrained(folder, backend="pil")
    load_safetensors(folder)


Family("transformers-image", make_vision, load_vision, TRANSFORMERS + " transformers.models.vit PIL",
       {**NO_CONFIG, "without preprocessor_config.json": CLASS})


# mlx_lm reads a whole directory of transformers' kind

LLAMA = {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2,
         "rms_norm_eps": 1e-5, "vocab_size": 32, "rope_theta": 10000.0, "tie_word_embeddings": False, "head_dim": 16, "max_position_embeddings": 64}


def make_mlx(folder, shard=None):
    from mlx_lm.models import llama
    from mlx_lm import utils
    from transformers import PreTrainedTokenizerFast
    if shard:
        whole = utils.make_shards
        utils.make_shards = lambda weights, *_: [dict(list(whole(weights)[0].items())[at::3]) for at in range(3)]
    utils.save_model(folder, llama.Model(llama.ModelArgs.from_dict(LLAMA)))
    save_json(folder / "config.json", LLAMA)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer(), unk_token="[UNK]", eos_token="[SEP]").save_pretrained(folder)


def load_mlx(folder):
    from mlx_lm import load
    load(str(folder))


Family("mlx-lm", make_mlx, load_mlx, "mlx.core mlx_lm mlx_lm.models.llama transformers", {**NO_CONFIG, "without tokenizer.json": CLASS})
Family("mlx-lm-sharded", lambda folder: make_mlx(folder, True), load_mlx, "mlx.core mlx_lm mlx_lm.models.llama transformers",
       {**NO_CONFIG, "without tokenizer.json": CLASS})


# GGUF: written by gguf-py, read by llama.cpp

def make_gguf(folder, parts=0):
    from gguf import GGUFWriter, TokenType
    writer = GGUFWriter(folder / "m.gguf", "llama", split_max_tensors=parts)
    for key, value in {"context_length": 64, "embedding_length": 32, "block_count": 1, "feed_forward_length": 32, "head_count": 2}.items():
        getattr(writer, f"add_{key}")(value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "▁a"]
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, *[TokenType.BYTE] * 256, TokenType.NORMAL])
    for name in ("token_embd", "output"):
        writer.add_tensor(f"{name}.weight", numbers(len(tokens), 32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", numbers(32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", numbers(32, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load_gguf(folder):
    import xllamacpp
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(next(iter(sorted(folder.glob("*-00001-of-*"))), folder / "m.gguf"))
    parameters.n_ctx, parameters.n_parallel, parameters.warmup = 64, 1, False
    parameters.cpuparams.n_threads = 1
    KEPT.append(xllamacpp.Server(parameters))


Family("gguf", make_gguf, load_gguf, "xllamacpp")
Family("gguf-split", lambda folder: make_gguf(folder, 5), load_gguf, "xllamacpp")


# ONNX

def graph(name="model", inputs=("x",), width=64, kind=1):
    from onnx import helper, numpy_helper
    weights = [numpy_helper.from_array(numbers(width, width), "w"), numpy_helper.from_array(numbers(width), "b")]
    nodes = [helper.make_node("MatMul", [inputs[0], "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["y"])]
    made = helper.make_graph(nodes, name, [helper.make_tensor_value_info(each, kind, ["n", width]) for each in inputs],
                             [helper.make_tensor_value_info("y", 1, ["n", width])], weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def load_onnx(folder, name="model.onnx"):
    from onnxruntime import InferenceSession
    InferenceSession(folder / name)


def make_onnx(folder):
    import onnx
    onnx.save(graph(), folder / "model.onnx")


def make_onnx_external(folder, **how):
    import onnx
    onnx.save(graph(), folder / "model.onnx", save_as_external_data=True, size_threshold=0, **how)


Family("onnx", make_onnx, load_onnx, "onnxruntime")
Family("onnx-external", lambda folder: make_onnx_external(folder, location="model.onnx_data"), load_onnx, "onnxruntime")
Family("onnx-external-other-name", lambda folder: make_onnx_external(folder, location="weights"), load_onnx, "onnxruntime", {"without model.onnx": CALLER})
Family("onnx-external-many", lambda folder: make_onnx_external(folder, all_tensors_to_one_file=False), load_onnx, "onnxruntime",
       {"without model.onnx": CALLER})


def make_fastembed(folder):
    import onnx
    from onnx import helper, numpy_helper
    from transformers import BertConfig
    make_bert(folder, "1MB")
    (folder / "model.safetensors").unlink()
    (folder / "generation_config.json").unlink()
    BertConfig(vocab_size=20, hidden_size=8, pad_token_id=0, architectures=["BertModel"]).save_pretrained(folder)
    names = ("input_ids", "attention_mask", "token_type_ids")
    made = helper.make_graph([helper.make_node("Gather", ["w", "input_ids"], ["last_hidden_state"])], "bert",
                             [helper.make_tensor_value_info(each, 7, ["n", "s"]) for each in names],
                             [helper.make_tensor_value_info("last_hidden_state", 1, ["n", "s", 8])], [numpy_helper.from_array(numbers(30, 8), "w")])
    (folder / "onnx").mkdir()
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "onnx" / "model.onnx")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    save_json(folder / "tokenizer_config.json", {**settings, "model_max_length": 16, "pad_token": "[PAD]"})


def load_fastembed(folder):
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType
    TextEmbedding.add_custom_model(model="org/m", pooling=PoolingType.MEAN, normalization=True, sources=ModelSource(hf="org/m"), dim=8,
                                   model_file="onnx/model.onnx")
    list(TextEmbedding("org/m", specific_model_path=str(folder), threads=1).embed([TEXT]))


Family("fastembed", make_fastembed, load_fastembed, "fastembed",
       {"without tokenizer.json": CLASS, "without tokenizer_config.json": "transformers and tokenizers do without it"})


# model2vec, whose directory is sentence-transformers', too

def static_model(**how):
    from model2vec import StaticModel
    return StaticModel(numbers(len(set(WORDS)), 8), tokenizer(), {"tokenizer_name": "a"}, **how)


def make_model2vec(folder, **how):
    static_model(**how).save_pretrained(folder)


def load_model2vec(folder):
    from model2vec import StaticModel
    StaticModel.from_pretrained(folder).encode(["the quick fox"])


def make_static_embedding(folder):
    """What StaticEmbedding.save() of sentence-transformers writes; model2vec reads it as well."""
    from safetensors.numpy import save_file
    part = folder / "0_StaticEmbedding"
    part.mkdir()
    save_file({"embedding.weight": numbers(len(set(WORDS)), 8)}, part / "model.safetensors")
    tokenizer().save(str(part / "tokenizer.json"))
    save_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}])
    save_json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})


Family("model2vec", make_model2vec, load_model2vec, "model2vec", STATIC)


def make_model2vec_pipeline(folder):
    from model2vec.inference import StaticModelPipeline
    from model2vec.inference.mlp import Activation, Layer, MLPHead
    StaticModelPipeline(static_model(), MLPHead([Layer(numbers(2, 8), numbers(2))], Activation.SOFTMAX, ["a", "b"])).save_pretrained(folder)


def load_model2vec_pipeline(folder):
    from model2vec.inference import StaticModelPipeline
    StaticModelPipeline.from_pretrained(folder).predict(["the quick fox"])


Family("model2vec-pipeline", make_model2vec_pipeline, load_model2vec_pipeline, "model2vec.inference",
       {**STATIC, "without head.safetensors": "the same files are a StaticModel, which reads no head"})
Family("model2vec-normalized", lambda folder: make_model2vec(folder, normalize=True), load_model2vec, "model2vec", STATIC)
Family("static-embedding", make_static_embedding, load_model2vec, "model2vec",
       {"without config_sentence_transformers.json": "sentence-transformers loads without it"})


# bm25s

def make_bm25s(folder, corpus=None):
    import bm25s
    made = bm25s.BM25(corpus=corpus)
    made.index(bm25s.tokenize([TEXT, "a small cat"], show_progress=False), show_progress=False)
    made.save(folder, corpus=corpus, show_progress=False)


def load_bm25s(folder, **how):
    import bm25s
    made = bm25s.BM25.load(folder, **how)
    made.retrieve(bm25s.tokenize("cat", show_progress=False), k=1, show_progress=False)


Family("bm25s", make_bm25s, load_bm25s, "bm25s", BM25S)
Family("bm25s-corpus", lambda folder: make_bm25s(folder, [TEXT, "a small cat"]), lambda folder: load_bm25s(folder, load_corpus=True, mmap=True), "bm25s",
       {**BM25S, "half corpus.jsonl": "who loads no corpus reads neither it nor corpus.mmindex.json, which knows its size"})


# CTranslate2

def ctranslate2_weights(spec):
    """Numbers wherever the specification wants a weight."""
    from ctranslate2.specs import model_spec

    def fill(of, name, value):
        if value is None:
            setattr(of, name.rsplit("/", 1)[-1], numbers(4) if name.endswith(("gamma", "beta", "bias")) else numbers(4, 4, 3) if "conv" in name else numbers(4, 4))

    model_spec.visit_spec(spec, fill)


def save_ctranslate2(spec, folder):
    ctranslate2_weights(spec)
    spec.validate()
    spec.save(str(folder))


def translation(folder, source, target):
    from ctranslate2.specs import TransformerSpec
    spec = TransformerSpec.from_config(1, 1)
    spec.register_source_vocabulary(source)
    spec.register_target_vocabulary(target)
    save_ctranslate2(spec, folder)


def load_ctranslate2(kind):
    def load(folder):
        import ctranslate2
        getattr(ctranslate2, kind)(str(folder), intra_threads=1, inter_threads=1) if kind in ("Translator", "Generator", "Encoder") else \
            getattr(ctranslate2.models, kind)(str(folder), intra_threads=1)
    return load


SPECIAL = ["<blank>", "<s>", "</s>", "<unk>"]


def make_two_sources(folder):
    from ctranslate2.specs import TransformerSpec
    spec = TransformerSpec.from_config(1, 1, num_source_embeddings=2)
    spec.register_source_vocabulary(SPECIAL)
    spec.register_source_vocabulary([*SPECIAL[:3], "a"])
    spec.register_target_vocabulary(SPECIAL)
    save_ctranslate2(spec, folder)


def make_generator(folder):
    from ctranslate2.specs import TransformerDecoderModelSpec
    spec = TransformerDecoderModelSpec.from_config(1, 1)
    spec.register_vocabulary(["<unk>", "<s>", "</s>", "a"])
    spec.config.bos_token = "<s>"
    save_ctranslate2(spec, folder)


def make_encoder(folder):
    from ctranslate2.specs import TransformerEncoderModelSpec, TransformerEncoderSpec
    spec = TransformerEncoderModelSpec(TransformerEncoderSpec(1, 1))
    spec.register_vocabulary(["<unk>", "[PAD]", "a", "b"])
    save_ctranslate2(spec, folder)


def make_ct_whisper(folder):
    from ctranslate2.specs import WhisperSpec
    spec = WhisperSpec(1, 1, 1, 1)
    spec.register_vocabulary(["<unk>", "<s>", "</s>", "a"])
    spec.encoder.position_encodings.encodings, spec.decoder.position_encodings.encodings = numbers(8, 4), numbers(8, 4)
    spec.config.suppress_ids, spec.config.lang_ids, spec.config.alignment_heads = [1], [2], [[0, 0]]
    save_ctranslate2(spec, folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    from transformers import WhisperFeatureExtractor
    WhisperFeatureExtractor().save_pretrained(folder)


def load_faster_whisper(folder):
    from faster_whisper import WhisperModel
    WhisperModel(str(folder), device="cpu", cpu_threads=1, local_files_only=True)


def make_wav2vec2(folder):
    from ctranslate2.specs import Wav2Vec2Spec
    spec = Wav2Vec2Spec(7, 1, 1, 4, True)
    spec.register_vocabulary(SPECIAL)
    save_ctranslate2(spec, folder)


Family("ctranslate2-shared", lambda folder: translation(folder, SPECIAL, SPECIAL), load_ctranslate2("Translator"), "ctranslate2")
Family("ctranslate2-translation", lambda folder: translation(folder, SPECIAL, [*SPECIAL[:3], "<oov>"]), load_ctranslate2("Translator"), "ctranslate2")
Family("ctranslate2-two-sources", make_two_sources, load_ctranslate2("Translator"), "ctranslate2")
Family("ctranslate2-generator", make_generator, load_ctranslate2("Generator"), "ctranslate2")
Family("ctranslate2-encoder", make_encoder, load_ctranslate2("Encoder"), "ctranslate2")
Family("ctranslate2-whisper", make_ct_whisper, load_faster_whisper, "faster_whisper",
       {"without tokenizer.json": "faster_whisper would download it; CTranslate2 needs none"})
Family("ctranslate2-wav2vec2", make_wav2vec2, load_ctranslate2("Wav2Vec2"), "ctranslate2",
       {"without model.bin": "words and an empty config.json tell no family"})


# tokenizers alone

def load_tokenizer(folder):
    from tokenizers import Tokenizer
    Tokenizer.from_file(str(folder / "tokenizer.json"))


def make_tokenizer(folder):
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "README.md").write_text("# Words\n")


Family("tokenizers", make_tokenizer, load_tokenizer, "tokenizers")


def make_mistral(folder):
    shutil.copy(installed("mistral_common", "data", "tekken_240911.json"), folder / "tekken.json")
    save_json(folder / "params.json", {"dim": 8, "n_layers": 1, "head_dim": 8, "hidden_dim": 8, "n_heads": 1, "n_kv_heads": 1, "vocab_size": 131072})
    from safetensors.numpy import save_file
    save_file({"a": numbers(8, 8)}, folder / "consolidated.safetensors")


def load_mistral(folder):
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
    from safetensors.numpy import load_file
    MistralTokenizer.from_file(str(folder / "tekken.json"))
    must(json.loads((folder / "params.json").read_text())["dim"])
    load_file(folder / "consolidated.safetensors")


Family("mistral", make_mistral, load_mistral, "mistral_common.tokens.tokenizers.mistral safetensors.numpy",
       {"without params.json": CALLER, "without tekken.json": CLASS})


# Models that wheels bring along

def make_piper(folder):
    import onnx
    onnx.save(graph(), folder / "en_US-a-low.onnx")
    save_json(folder / "en_US-a-low.onnx.json", {"audio": {"sample_rate": 16000}, "espeak": {"voice": "en-us"}, "num_symbols": 4, "num_speakers": 1,
                                                 "phoneme_type": "espeak", "phoneme_id_map": {"_": [0], "^": [1], "$": [2], "a": [3]},
                                                 "inference": {"noise_scale": 0.6, "length_scale": 1, "noise_w": 0.8}})
    (folder / "MODEL_CARD").write_text("A voice\n")


def load_piper(folder):
    from piper import PiperVoice
    PiperVoice.load(folder / "en_US-a-low.onnx")


Family("piper", make_piper, load_piper, "piper",
       {"without *.onnx.json": "a graph alone is a model of another kind"})


def make_tashkeel(folder):
    for file in installed("piper", "tashkeel").iterdir():
        if file.suffix in (".json", ".onnx"):
            shutil.copy(file, folder)


def load_tashkeel(folder):
    from piper.tashkeel import TashkeelDiacritizer
    TashkeelDiacritizer(folder)


Family("piper-tashkeel", make_tashkeel, load_tashkeel, "piper.tashkeel", {"without *": CALLER})


def make_magika(folder):
    shutil.copytree(installed("magika", "models", "standard_v3_3"), folder, dirs_exist_ok=True)


def load_magika(folder):
    from magika import Magika
    Magika(model_dir=folder).identify_bytes(b"#!/bin/sh\necho\n")


Family("magika", make_magika, load_magika, "magika", {"without *": CALLER})


def make_rapidocr(folder):
    shutil.copytree(installed("rapidocr", "models"), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".gitkeep", "*.py"))


def load_rapidocr(folder):
    from rapidocr import RapidOCR
    names = {"Det": "PP-OCRv6_det_small.onnx", "Rec": "PP-OCRv6_rec_small.onnx", "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx"}
    made = RapidOCR(params={f"{part}.model_path": str(folder / name) for part, name in names.items()})
    made._load_det_model(), made._load_rec_model(), made._load_cls_model()


Family("rapidocr", make_rapidocr, load_rapidocr, "rapidocr", {"without *": CALLER})


def make_silero(folder):
    shutil.copy(installed("faster_whisper", "assets", "silero_vad_v6.onnx"), folder)


def load_silero(folder):
    from faster_whisper.vad import SileroVADModel
    SileroVADModel(str(folder / "silero_vad_v6.onnx"))


Family("silero", make_silero, load_silero, "faster_whisper.vad onnxruntime")


def make_silero_wheel(folder):
    for spot in sys.path:
        if (Path(spot) / "silero_vad" / "data").is_dir():
            shutil.copytree(Path(spot) / "silero_vad" / "data", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__pycache__"))


def load_silero_wheel(folder):
    from onnxruntime import InferenceSession
    from safetensors.numpy import load_file
    for name in ("silero_vad.onnx", "silero_vad_16k_op15.onnx", "silero_vad_half.onnx"):
        InferenceSession(folder / name)
    load_file(folder / "silero_vad_16k.safetensors")


Family("silero-wheel", make_silero_wheel, load_silero_wheel, "onnxruntime safetensors.numpy", {"without *": CALLER})


# Trees, lines and pipelines

def make_skops(folder):
    import skops.io
    from sklearn.linear_model import LogisticRegression
    skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), folder / "example.skops")
    save_json(folder / "config.json", {"sklearn": {"model": {"file": "example.skops"}, "model_format": "skops", "task": "tabular-classification"}})


def load_skops(folder):
    import skops.io
    skops.io.load(folder / "example.skops")


Family("skops", make_skops, load_skops, "skops.io sklearn.linear_model")


def make_joblib(folder):
    import joblib
    from sklearn.linear_model import LogisticRegression
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), folder / "model.joblib")


def load_joblib(folder):
    import joblib
    joblib.load(folder / "model.joblib")


Family("joblib", make_joblib, load_joblib, "joblib sklearn.linear_model", {"half model.joblib": "a pickle does not say where it ends"})


def make_lightgbm(folder):
    import lightgbm
    made = lightgbm.train({"verbose": -1, "min_data": 1, "num_threads": 1}, lightgbm.Dataset(numbers(40, 2), [0, 1] * 20), 3)
    made.save_model(folder / "model.txt")


def load_lightgbm(folder):
    import lightgbm
    lightgbm.Booster(model_file=folder / "model.txt")


Family("lightgbm", make_lightgbm, load_lightgbm, "lightgbm")


def make_xgboost(folder, name="model.json"):
    import xgboost
    xgboost.train({"nthread": 1}, xgboost.DMatrix(numbers(40, 2), [0, 1] * 20), 3).save_model(folder / name)


def load_xgboost(folder):
    import xgboost
    xgboost.Booster(model_file=next((str(file) for file in folder.glob("model.*")), "model.json"))


Family("xgboost", make_xgboost, load_xgboost, "xgboost")
Family("xgboost-ubj", lambda folder: make_xgboost(folder, "model.ubj"), load_xgboost, "xgboost")


def make_fasttext(folder):
    import fasttext
    (folder / "text").write_text("__label__a the quick fox\n__label__b the lazy dog\n" * 20)
    for left in range(20, 0, -1):
        try:
            made = fasttext.train_supervised(str(folder / "text"), dim=8, bucket=50, thread=1, epoch=25, verbose=0)
            break
        except RuntimeError:   # "Encountered NaN": its loss is 0 / 0 where the thread ends before it was asked
            if left == 1:
                raise
    made.save_model(str(folder / "model.bin"))
    (folder / "text").unlink()


def load_fasttext(folder):
    import fasttext
    fasttext.load_model(str(folder / "model.bin"))


Family("fasttext", make_fasttext, load_fasttext, "fasttext")


def make_spacy(folder):
    import spacy
    made = spacy.blank("en")
    made.add_pipe("sentencizer")
    made.add_pipe("tagger").add_label("A")
    made.initialize()
    made.to_disk(folder)


def load_spacy(folder):
    import spacy
    spacy.load(folder)(TEXT)


Family("spacy", make_spacy, load_spacy, "spacy spacy.lang.en",
       {"without meta.json": CALLER, "without sentencizer.json": SPACY, "without tagger/*": SPACY, "without tokenizer": SPACY, "half *": "no size is stated anywhere",
        "without vocab/strings.json": "spacy.load(exclude=['vocab'])"})


# Keras, on OpenVINO in place of torch or TensorFlow

def keras_model():
    import keras
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(200), keras.layers.Dense(200)])


def load_keras(folder):
    import keras
    keras.saving.load_model(folder / "model.keras")


def load_keras_weights(folder):
    name = "model.weights.json" if list(folder.glob("*_0*.h5")) or (folder / "model.weights.json").exists() else "model.weights.h5"
    keras_model().load_weights(folder / name)


Family("keras", lambda folder: keras_model().save(folder / "model.keras"), load_keras, "keras")
Family("keras-weights", lambda folder: keras_model().save_weights(folder / "model.weights.h5"), load_keras_weights, "keras")
Family("keras-shards", lambda folder: keras_model().save_weights(folder / "model.weights.json", max_shard_size=0.0002), load_keras_weights, "keras",
       {"without model.weights.json": CALLER})


# OpenVINO, Core ML, ONNX Runtime GenAI, whisper.cpp

def make_openvino(folder):
    import openvino
    from openvino import opset13 as ops
    data = ops.parameter([1, 8], openvino.Type.f32, "x")
    openvino.save_model(openvino.Model([ops.matmul(data, ops.constant(numbers(8, 8)), False, False)], [data], "m"), folder / "openvino_model.xml")


def load_openvino(folder):
    import openvino
    core = openvino.Core()
    core.compile_model(core.read_model(folder / "openvino_model.xml"), "CPU")


Family("openvino", make_openvino, load_openvino, "openvino")


def make_coreml(folder):
    import coremltools
    from coremltools.converters.mil import Builder

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 4))])
    def program(x):
        return Builder.linear(x=x, weight=numbers(64, 4))

    coremltools.convert(program, convert_to="mlprogram").save(str(folder / "m.mlpackage"))


def load_coreml(folder):
    import coremltools
    from coremltools.models.utils import load_spec
    made = coremltools.models.MLModel(str(folder / "m.mlpackage"))
    must(load_spec(str(folder / "m.mlpackage")).mlProgram.functions)
    must(made.weights_dir and (Path(made.weights_dir) / "weight.bin").exists())
    coremltools.optimize.coreml.get_weights_metadata(made, 1)


Family("coreml", make_coreml, load_coreml, "coremltools")


def make_genai(folder):
    import onnx
    from onnx import helper, numpy_helper
    make_bpe(folder)
    for name in ("model.safetensors", "config.json", "README.md", "vocab.json", "merges.txt"):
        (folder / name).unlink()
    from tokenizers import ByteLevelBPETokenizer
    words = ByteLevelBPETokenizer()
    words.train_from_iterator([TEXT] * 9, vocab_size=300, show_progress=False)
    words.save(str(folder / "tokenizer.json"))
    parts = [helper.make_node("Gather", ["w", "input_ids"], ["logits"]), helper.make_node("Identity", ["past_key_values.0.key"], ["present.0.key"]),
             helper.make_node("Identity", ["past_key_values.0.value"], ["present.0.value"])]
    value = helper.make_tensor_value_info
    made = helper.make_graph(parts, "m", [value("input_ids", 7, ["n", "s"]), value("attention_mask", 7, ["n", "t"]),
                                          value("past_key_values.0.key", 1, ["n", 1, "p", 8]), value("past_key_values.0.value", 1, ["n", 1, "p", 8])],
                             [value("logits", 1, ["n", "s", 20]), value("present.0.key", 1, ["n", 1, "q", 8]), value("present.0.value", 1, ["n", 1, "q", 8])],
                             [numpy_helper.from_array(numbers(20, 20), "w")])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx", save_as_external_data=True,
              location="model.onnx.data", size_threshold=0)
    keys = {"past_key_names": "past_key_values.%d.key", "past_value_names": "past_key_values.%d.value"}
    decoder = {"filename": "model.onnx", "head_size": 8, "hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "num_key_value_heads": 1,
               "session_options": {"provider_options": []}, "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask", **keys},
               "outputs": {"logits": "logits", "present_key_names": "present.%d.key", "present_value_names": "present.%d.value"}}
    save_json(folder / "genai_config.json", {"model": {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "context_length": 16, "type": "llama",
                                                       "vocab_size": 20, "decoder": decoder}, "search": {"max_length": 16}})


def load_genai(folder):
    import onnxruntime_genai
    made = onnxruntime_genai.Model(str(folder))
    onnxruntime_genai.Tokenizer(made)


Family("onnxruntime-genai", make_genai, load_genai, "onnxruntime_genai",
       {"without genai_config.json": CALLER, "without tokenizer*.json": "Model loads without, Tokenizer does not"})


def make_whisper_cpp(folder):
    """As convert-pt-to-ggml.py of whisper.cpp writes it: sizes, mel filters, words, tensors."""
    sizes = dict(vocab=8, audio_ctx=4, audio_state=8, audio_head=1, audio_layer=4, text_ctx=4, text_state=8, text_head=1, text_layer=4, mels=80, ftype=0)
    out = struct.pack("<I11i", 0x67676d6c, *sizes.values()) + struct.pack("<2i", 80, 201) + numbers(80, 201).tobytes()
    out += struct.pack("<i", 8) + b"".join(struct.pack("<i", 1) + bytes([97 + i]) for i in range(8))
    tensors = {"encoder.positional_embedding": (4, 8), "encoder.conv1.weight": (8, 80, 3), "encoder.conv1.bias": (8, 1), "encoder.conv2.weight": (8, 8, 3),
               "encoder.conv2.bias": (8, 1), "decoder.positional_embedding": (4, 8), "decoder.token_embedding.weight": (8, 8)}
    for norm in ("encoder.ln_post", "decoder.ln"):
        tensors.update({f"{norm}.weight": (8,), f"{norm}.bias": (8,)})
    for side, block in ((side, f"{side}.blocks.{i}") for side in ("encoder", "decoder") for i in range(4)):
        for norm in ("mlp_ln", "attn_ln", *(["cross_attn_ln"] if side == "decoder" else [])):
            tensors.update({f"{block}.{norm}.weight": (8,), f"{block}.{norm}.bias": (8,)})
        tensors.update({f"{block}.mlp.0.weight": (32, 8), f"{block}.mlp.0.bias": (32,), f"{block}.mlp.2.weight": (8, 32), f"{block}.mlp.2.bias": (8,)})
        for attention in ("attn", *(["cross_attn"] if side == "decoder" else [])):
            for part in ("query", "key", "value", "out"):
                tensors[f"{block}.{attention}.{part}.weight"] = (8, 8)
                if part != "key":
                    tensors[f"{block}.{attention}.{part}.bias"] = (8,)
    for name, shape in tensors.items():
        half = len(shape) > 1 and "weight" in name
        out += struct.pack("<3i", len(shape), len(name), 1 if half and sizes["ftype"] else 0)
        out += struct.pack(f"<{len(shape)}i", *reversed(shape)) + name.encode() + numbers(*shape).tobytes()
    (folder / "ggml-tiny.bin").write_bytes(out)


def load_whisper_cpp(folder):
    from pywhispercpp.model import Model
    from _pywhispercpp import whisper_full_n_segments
    whisper_full_n_segments(Model(str(folder / "ggml-tiny.bin"), n_threads=1)._ctx)


Family("whisper-cpp", make_whisper_cpp, load_whisper_cpp, "pywhispercpp.model")


# The child

def run_child(verb, name, folders):
    """One line of JSON a directory; each load in a process of its own, which may crash or hang."""
    family = FAMILIES[name]
    if verb == "make":
        family.make(Path(folders[0]))
        return
    for module in family.modules:
        import_module(module)
    for folder in folders:
        reader, writer = os.pipe()
        if os.fork() == 0:
            signal.alarm(LIMIT)
            os.chdir("/")
            words = "loads"
            try:
                family.load(Path(folder))
            except BaseException as error:
                words = f"{type(error).__name__}: {error}"
            os.write(writer, words.encode(errors="replace")[:60000])
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read().decode(errors="replace")
        status = os.wait()[1]
        print("\x1e" + json.dumps([folder, said == "loads", said or f"died of {status}"]), flush=True)


if __name__ == "__main__":
    run_child(sys.argv[1], sys.argv[2], sys.argv[3:])
