# SPDX-License-Identifier: Apache-2.0
"""Mutated files, and what aweigh's level `structure` says of them beside the libraries that load them.

    build/venv-readers/bin/python tests/fuzz/differential.py [--aweigh build/aweigh] [--formats gguf,onnx] [--seed 1] [--time 60]

Two rules: no file that aweigh passes and its reader refuses, none that aweigh refuses (a finding of severity error)
and its reader loads. ACCEPTED says where they do not hold, and why. Anything else is printed, once for each class, with
the shortest mutation and file that show it, and makes the exit status 1. The same seed makes the same files.

The readers run in processes of their own, with a limit of memory and time: a crash or a hang is a refusal. Packages of
the Python that runs this: safetensors, numpy, gguf, onnx, tokenizers, and pywhispercpp, whose wheel has llama.cpp's
gguf.cpp as libggml-base.so. A reader whose package is not there is named and left out."""

import argparse
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

BATCH = 400             # models of one policy
READER_SECONDS = 10     # for one file; all of them are kilobytes
READER_CPU = 0.2        # seconds, for what is written in Python: a count that does not fit the file is counted to the end
READER_BYTES = 4 << 30  # address space of a reader
SHOWN = 20              # classes printed of a format


# --- Readers, each in a process of its own: one path a line in, {"ok": ..., "words": ...} a line out -----------------


def reader_safetensors():
    import numpy
    from safetensors import safe_open

    def read(path):
        with safe_open(path, "numpy") as file:
            file.metadata()
            for name in file.keys():
                try:
                    file.get_tensor(name)
                except Exception as error:  # types that numpy does not have are no fault of the file
                    if not re.search("dtype|data type|has no attribute|not understood", str(error)):
                        raise

    return read, numpy


def reader_gguf_py():
    import logging

    from gguf import GGUFReader

    logging.disable()
    return GGUFReader, None


def reader_llama_cpp():
    """gguf_init_from_file, and what llama-model-loader.cpp asks of each tensor: to lie within the file."""
    import ctypes
    import importlib.util

    place = Path(importlib.util.find_spec("pywhispercpp").origin).parents[1]
    library = ctypes.CDLL(str(sorted(place.glob("libggml-base.so*"))[0]))
    said = []

    class Params(ctypes.Structure):
        _fields_ = [("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p)]

    log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda level, text, data: said.append(text.decode(errors="replace")))
    library.ggml_log_set(log, None)
    library.gguf_init_from_file.argtypes, library.gguf_init_from_file.restype = [ctypes.c_char_p, Params], ctypes.c_void_p
    for name, result in (("n_tensors", ctypes.c_int64), ("data_offset", ctypes.c_size_t)):
        function = getattr(library, f"gguf_get_{name}")
        function.argtypes, function.restype = [ctypes.c_void_p], result
    for name in ("offset", "size"):
        function = getattr(library, f"gguf_get_tensor_{name}")
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int64], ctypes.c_size_t
    library.gguf_free.argtypes = [ctypes.c_void_p]

    def read(path):
        said.clear()
        file = library.gguf_init_from_file(path.encode(), Params(True, None))
        if not file:
            raise ValueError(said[0].strip() if said else "gguf_init_from_file gives NULL")
        begin, size = library.gguf_get_data_offset(file), os.stat(path).st_size
        for i in range(library.gguf_get_n_tensors(file)):
            if begin + library.gguf_get_tensor_offset(file, i) + library.gguf_get_tensor_size(file, i) > size:
                raise ValueError("tensor data is not within the file bounds, model is corrupted or incomplete")
        library.gguf_free(file)

    return read, log


def reader_onnx():
    import warnings

    import onnx

    warnings.simplefilter("ignore")
    return onnx.load, None


def reader_json():
    def read(path):
        with open(path, encoding="utf-8") as file:  # as configuration_utils.py of transformers does
            value = json.loads(file.read())
        if not isinstance(value, dict):
            raise ValueError("no object")

    return read, None


def reader_tokenizers():
    from tokenizers import Tokenizer

    return Tokenizer.from_file, None


READERS = {"safetensors": reader_safetensors, "llama.cpp": reader_llama_cpp, "gguf-py": reader_gguf_py, "onnx": reader_onnx,
           "json": reader_json, "tokenizers": reader_tokenizers}


def too_long(number, frame):
    raise TimeoutError("goes on and on")


def serve(name):
    """What the libraries print goes nowhere: the answers have a descriptor of their own."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    resource.setrlimit(resource.RLIMIT_AS, (READER_BYTES, READER_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    read, kept = READERS[name]()
    signal.signal(signal.SIGVTALRM, too_long)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_VIRTUAL, READER_CPU)
        try:
            read(line.rstrip("\n"))
            answer = {"ok": True, "words": ""}
        except BaseException as error:  # a panic of Rust is a BaseException, and the library's own words are the answer
            answer = {"ok": False, "words": f"{type(error).__name__}: {error}"[:300]}
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        print(json.dumps(answer), file=answers)
    del kept


class Reader:
    def __init__(self, name):
        self.name, self.process = name, None

    def start(self):
        env = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "GGML_NO_BACKTRACE": "1"}
        self.process = subprocess.Popen([sys.executable, __file__, "--reader", self.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=env, bufsize=0)
        self.rest = b""
        return self.line(60)

    def line(self, seconds):
        """None at the end of the process, or of the time."""
        end = time.monotonic() + seconds
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            got = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not got:
                return None
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def ask(self, path):
        if self.process is None and self.start() is None:
            raise SystemExit(f"the reader {self.name} does not start")
        self.process.stdin.write(os.fsencode(path) + b"\n")
        answer = self.line(READER_SECONDS)
        if answer is None:
            words = "hangs"
            if self.process.poll() is None and not select.select([self.process.stdout], [], [], 0)[0]:
                self.process.kill()
            else:
                words = f"dies of {signal.Signals(-self.process.wait()).name}" if self.process.wait() < 0 else "ends"
            self.close()
            answer = {"ok": False, "words": words}
        return answer

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            if self.process.poll() is None:
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    self.process.kill()
            self.process.wait()
            self.process = None


# --- Files: a model of each format that keeps its lengths right, and mutations of it ---------------------------------

BIG = [0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 4095, 65535, 1 << 20, (1 << 20) + 1, 1 << 24, (1 << 30) - 1, 1 << 30, (1 << 30) + 1,
       (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 53, 1 << 60, 1 << 61, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 32, (1 << 64) - 1, 1 << 64]
NASTY_JSON = [
    "NaN", "Infinity", "-Infinity", "-NaN", "+NaN", "1NaN", "1.NaN", "1eNaN", "NaN.5", "NaNe5", "NaN5", "Infinity.5", "1Infinity", "1e-Infinity", "-InfinityNaN", "nan", "INFINITY", "Inf",
    "0", "-0", "-0.0", "00", "01", "-01", "+1", "1.", ".5", "1.0", "1e1", "1E+1", "1e", "1e+", "0x10", "1_000", "1e400", "-1e400", "1e-400", "9" * 25, "9" * 400, "9" * 4400, "1" + "0" * 4400 + ".5", "1e99999999999",
    "18446744073709551615", "18446744073709551616", "-9223372036854775809", "9007199254740993",
    "null", "true", "false", "True", "None", "nul", "tru", "nulll", "truefalse", "[]", "{}", "[[]]", "[{}]", "[1,]", "[,1]", "[1 2]", "{,}", '{"a":1,}', '{"a"}', '{"a":}', "{1:2}", '{"a":1 "b":2}', "{'a':1}",
    '""', '"\\ud800"', '"\\udc00"', '"\\ud800\\udc00"', '"\\udc00\\ud800"', '"\\ud800x"', '"\\ud800\\n"', '"\\uD83D\\uDE00"', '"\\u0000"', '"\\u12"', '"\\u12g4"', '"\\U0041"', '"\\x41"', '"\\/"', '"\\\'"', '"\\a"', '"\\"', "'a'",
    '"\t"', '"\n"', '"\r"', '"\x00"', '"\x01"', '"\x1f"', '"\x7f"', '"\u0080"', '"\u2028"', '"\ufeff"', '"\U0001F600"', '"\\b\\f\\n\\r\\t"',
    "/* c */ 1", "// c\n1", "# c\n1", "1 /**/", "\x0b1", "\x0c1", "\xa01", "\u20281", "\ufeff1", "1\x00", " 1", "\r\n1",
    "[" * 120 + "]" * 120, "[" * 126 + "]" * 126, "[" * 200 + "]" * 200, "[" * 990 + "]" * 990, "[" * 5000 + "]" * 5000, '{"a":' * 150 + "1" + "}" * 150, "[" * 5000, '"' + "x" * 70000 + '"', '"' + "x" * 1100 + '":1',
]
RAW = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82", b"\x80", b"\x00", b"\xef\xbb\xbf", b"\xc2", b"\xf0\x9f\x98"]
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+0-9.eE]+|[A-Za-z]+|[][{}:,]|\s+|.', re.S)


def mutate_text(rng, text):
    """One change of a JSON text by its tokens; None where there was nothing to change."""
    tokens = TOKEN.findall(text)
    if not tokens:
        return None
    i, how = rng.randrange(len(tokens)), rng.randrange(10)
    values = [n for n, token in enumerate(tokens) if token not in "{}[]:," and not token.isspace()]
    if how < 5 and values:
        i, nasty = rng.choice(values), rng.choice(NASTY_JSON)
        tokens[i] = nasty
    elif how == 5:
        tokens[i] = rng.choice(NASTY_JSON) + tokens[i]
    elif how == 6:
        tokens[i] += rng.choice([*NASTY_JSON, ",", ":", "]", "}", "[", "{", " ", "\t", "\r", "\x0b", "\x0c", "\x00", "\x85", "\u2003", '"'])
    elif how == 7:
        del tokens[i]
    elif how == 8:
        tokens.insert(i, rng.choice(tokens))
    else:
        j = rng.randrange(len(tokens))
        tokens[i], tokens[j] = tokens[j], tokens[i]
    return "".join(tokens)


def mutate_bytes(rng, data, most=4096):
    """One change of the bytes, near the beginning more often than not."""
    data = bytearray(data)
    at = rng.randrange(min(len(data), rng.choice([16, 64, 256, most]))) if data else 0
    how = rng.randrange(9)
    if how == 0 and data:
        data[at] ^= 1 << rng.randrange(8)
    elif how == 1 and data:
        data[at] = rng.choice([0, 1, 9, 0x0B, 0x0C, 0x20, 0x22, 0x2C, 0x5C, 0x7B, 0x7D, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    elif how == 2:
        data[at:at + rng.choice([1, 1, 2, 4, 8, 33])] = b""
    elif how == 3:
        data[at:at] = rng.choice([*RAW, bytes([rng.randrange(256)]), bytes(8), bytes(data[at:at + 9])])
    elif how == 4:
        del data[len(data) - rng.choice([1, 1, 1, 2, 4, 31, 32, 33]):]
    elif how == 5:
        data += rng.choice([b"\0", b" ", b"\n", b"x", bytes(31), bytes(32), bytes(33), b"}", RAW[0]])
    elif how == 6:
        del data[rng.randrange(len(data) + 1):]
    elif how == 7 and len(data) > 8:
        at = min(at, len(data) - 8)
        data[at:at + 8] = struct.pack("<Q", rng.choice(BIG) % (1 << 64))
    elif len(data) > 4:
        at = min(at, len(data) - 4)
        data[at:at + 4] = struct.pack("<I", rng.choice(BIG) % (1 << 32))
    return bytes(data)


def string(text):
    return json.dumps(text)


class Pairs(list):
    """An object as it was written, with what stands twice in it."""


def no_word(word):
    raise ValueError(word)


def oddities(text):
    """What Python's json takes and serde_json does not, or neither."""
    try:
        value = json.loads(text, object_pairs_hook=Pairs, parse_int=float)
    except RecursionError:
        return {"nested deep"}, None
    except ValueError:
        return {"no JSON"}, None
    odd, todo = set(), [(value, 1)]
    try:
        json.loads(text, parse_constant=no_word, parse_int=float)
    except ValueError:
        odd.add("a word of Python's")
    while todo:
        value, depth = todo.pop()
        if depth > 128:
            odd.add("nested deep")
        if isinstance(value, Pairs):
            todo += [(item, depth + 1) for pair in value for item in pair]
            continue
        if isinstance(value, list):
            todo += [(item, depth + 1) for item in value]
        elif isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            odd.add("half a surrogate pair")
        elif isinstance(value, float) and value in (float("inf"), float("-inf")) and "a word of Python's" not in odd:
            odd.add("a number out of range")
    return odd, json.loads(text, object_pairs_hook=Pairs, parse_int=float)


class Safetensors:
    """Entries are [key, value] in JSON; a tensor's value is a list of such pairs, so that a mutation may be anything that JSON is."""

    name, readers = "model.safetensors", ["safetensors"]
    TYPES = {"F32": 32, "F16": 16, "BF16": 16, "I64": 64, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F64": 64, "I8": 8, "U16": 16, "F4": 4, "F6_E2M3": 6, "C64": 64, "F8_E8M0": 8,
             "U64": 64, "I16": 16, "I32": 32, "U32": 32, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E3M2": 6}
    STRANGE = ["F128", "f32", "F8_E3M4", "I4", "U4", "BF8", "C128", "C32", "F8", "", "F32 ", "INT8", "F16\u0000"]

    def __init__(self, rng):
        at, self.entries = 0, []
        if rng.random() < 0.7:
            self.entries.append(['"__metadata__"', [['"format"', '"pt"'], ['"a"', '"b"']][:rng.randrange(3)]])
        for i in range(rng.randrange(5)):
            kind = rng.choice(["F32", "F32", "F16", "I64", *self.TYPES])
            shape = [rng.choice([0, 1, 2, 4, 8]) for _ in range(rng.randrange(4))]
            bits = self.TYPES[kind]
            for n in shape:
                bits *= n
            if bits % 8:
                shape, bits = [8], 8 * self.TYPES[kind]
            self.entries.append([string(rng.choice(["t", "layer.weight", "\u00e9", ""]) + str(i)),
                                 [['"dtype"', string(kind)], ['"shape"', json.dumps(shape)], ['"data_offsets"', f"[{at},{at + bits // 8}]"]]])
            at += bits // 8
        self.data, self.before, self.after, self.length, self.raw = bytes(at), "", " " * rng.choice([0, 0, 3, 8]), None, None

    def header(self):
        def pairs(value):
            return value if isinstance(value, str) else "{" + ",".join(f"{k}:{pairs(v)}" for k, v in value) + "}"

        return (self.before + pairs(self.entries) + self.after).encode("utf-8", "surrogatepass")

    def render(self):
        head = self.header() if self.raw is None else self.raw
        length = len(head) if self.length is None else self.length
        return {self.name: struct.pack("<Q", length % (1 << 64)) + head + self.data}

    def tensors(self):
        return [e for e in self.entries if isinstance(e[1], list) and e[0] != '"__metadata__"']

    def fields(self, rng):
        tensors = self.tensors()
        return rng.choice(tensors)[1] if tensors else [['"dtype"', '"U8"']]

    def field(self, rng, name):
        found = [f for t in self.tensors() for f in t[1] if f[0] == name]
        return rng.choice(found) if found else ["", "[0,0]"]

    def offsets(self, rng):
        field = self.field(rng, '"data_offsets"')
        numbers = re.findall(r"\d+", field[1])
        begin, end = (int(n) for n in numbers[:2]) if len(numbers) >= 2 else (0, 0)
        field[1] = rng.choice([f"[{end},{begin}]", f"[{begin}]", f"[{begin},{end},{end}]", f"[{begin + 1},{end + 1}]", f"[{begin},{end + 1}]", f"[{begin},{max(0, end - 1)}]", f"[{begin}.0,{end}]",
                               f'["{begin}",{end}]', f"[{begin},{rng.choice(BIG)}]", f"[{rng.choice(BIG)},{end}]", f"[{begin},-{end}]", f"[-0,{end}]", f"[{begin},{end}e0]", "[]", "null",
                               f"[{begin},{end}", f"[[{begin},{end}]]", f"[{begin},null]", f'{{"0":{begin},"1":{end}}}', f"[0{begin},{end}]", f"[ {begin} , {end} ]", "[0,0]"])

    def shape(self, rng):
        field = self.field(rng, '"shape"')
        big = rng.choice(BIG)
        field[1] = rng.choice([f"[{big}]", f"[{big},{rng.choice(BIG)}]", f"[0,{big}]", f"[{big},0]", f"[{big},{big},0]", f"[0,{big},{big}]", "[]", "null", "[1,[2]]", "[-1]", "[1.0]", '["1"]', "1", "[" + "1," * 80 + "1]",
                               "[0,0]", "[true]", "[0,-1]", field[1][:-1] + (",1]" if len(field[1]) > 2 else "1]"), "{}", "[[]]"])

    def dtype(self, rng):
        self.field(rng, '"dtype"')[1] = rng.choice([string(rng.choice(self.STRANGE)), string(rng.choice([*self.TYPES])), "null", "1", '["F32"]', '{"F32":null}', '"\\u0046\\u0033\\u0032"', '"F3\\u0032"'])

    def field_changed(self, rng):
        fields = self.fields(rng)
        i = rng.randrange(len(fields)) if fields else 0
        other = [rng.choice(['"extra"', '"stride"', '"Dtype"', '"offsets"', '"dtype"', '"shape"', '"data_offsets"', '"\\u0064type"', '""']),
                 rng.choice(["1", '"F32"', "[0,0]", "null", "{}", '{"a":[1,{"b":null}]}', rng.choice(NASTY_JSON)])]
        how = rng.randrange(6)
        if how == 0:
            fields.insert(i, other)
        elif how == 1 and fields:
            del fields[i]
        elif how == 2 and fields:
            fields.append(list(fields[i]))
        elif how == 3 and fields:
            fields[i][1] = rng.choice(NASTY_JSON)
        elif how == 4:
            rng.shuffle(fields)
        elif fields:
            fields[i][0] = rng.choice(["dtype", '"Dtype"', '"dtype "', '"d\\u0074ype"', '"shape"', '"x"', "1", "null", '"\\ud800"'])

    def halves(self, rng):
        """data_offsets or shape, in two pieces of one name."""
        fields = self.fields(rng)
        for i, (key, value) in enumerate(fields):
            numbers = re.findall(r"\d+", value)
            if key in ('"data_offsets"', '"shape"') and len(numbers) >= 2 and rng.random() < 0.6:
                fields[i:i + 1] = [[key, f"[{numbers[0]}]"], [key, "[" + ",".join(numbers[1:]) + "]"]]
                return

    def entry_changed(self, rng):
        entry = rng.choice(self.entries) if self.entries else None
        how = rng.randrange(9)
        if how == 0:
            self.entries.insert(rng.randrange(len(self.entries) + 1), [rng.choice(['"x"', '"__metadata__"', '""', '"__meta"']), rng.choice(["null", "{}", "[]", "1", '""', '{"a":null}', '["U8",[0],[0,0]]',
                                                                     '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}', rng.choice(NASTY_JSON)])])
        elif entry is None:
            return
        elif how == 1:
            self.entries.append(json.loads(json.dumps(entry)))
        elif how == 2:
            self.entries.remove(entry)
        elif how == 3:
            entry[0] = rng.choice(["1", '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"a\\nb"', string("n" * rng.choice([1000, 1023, 1024, 1025, 5000])), '"__metadata__"', '"\\u005f_metadata__"', rng.choice(NASTY_JSON)])
        elif how == 4 and isinstance(entry[1], list):
            entry[1] = "[" + ",".join(v if isinstance(v, str) else "{}" for _, v in entry[1]) + "]"
        elif how == 5:
            rng.shuffle(self.entries)
        elif how == 6:
            entry[1] = rng.choice(NASTY_JSON)
        elif how == 7:
            self.entries.append([entry[0], rng.choice(["null", "{}", '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'])])
        else:
            at = len(self.data)
            for i in range(rng.choice([1, 3])):
                self.entries.append([string(f"more{i}"), [['"dtype"', '"U8"'], ['"shape"', "[0]"], ['"data_offsets"', f"[{rng.choice([0, at, at, at // 2])},{rng.choice([0, at, at])}]"]]])

    def metadata(self, rng):
        key, value = rng.choice(['"k"', '"format"', '"\\ud800"', '""', string("k" * 1100), "1"]), rng.choice(['"v"', "1", "null", "{}", "[]", "true", '"\\ud83d"', string("v" * 70000), rng.choice(NASTY_JSON)])
        found = [e for e in self.entries if e[0] == '"__metadata__"' and isinstance(e[1], list)]
        if found:
            found[0][1].append([key, value])
        else:
            self.entries.insert(0, ['"__metadata__"', [[key, value]]])

    def around(self, rng):
        blanks = [" ", "\n", "\t", "\r", "\x0b", "\x0c", "\ufeff", "\u00a0", "\0", "x", "{}", "1", "[", ",", "//c\n"]
        if rng.random() < 0.4:
            self.before = rng.choice(blanks)
        else:
            self.after += rng.choice(blanks)

    def padding(self, rng):
        """A header as long as something else begins: pickle, an archive, a page, a blank."""
        wanted = rng.choice([0x0280, 0x0380, 0x0480, 0x0580, 0x3C, 0x5B, 0x7B, 0x0A0A, 0x2020, 0x3C3C, 0x4B50, 4096 - 8, 4096, 4096 + 8, 16384, 65536 - 8, 65536, 65536 + 8]) + rng.choice([0, 0, 0, 65536])
        self.after += " " * max(0, wanted - len(self.header()))

    def sizes(self, rng):
        how = rng.randrange(4)
        if how == 0:
            self.length = rng.choice([*BIG, 99_999_999, 100_000_000, 100_000_001, len(self.header()) - 1, len(self.header()) + 1, len(self.header()) + len(self.data)])
        elif how == 1:
            self.data = self.data[:max(0, len(self.data) - rng.choice([1, 1, 4, 8]))]
        elif how == 2:
            self.data += bytes(rng.choice([1, 1, 7, 8]))
        else:
            self.data = b""

    def text(self, rng):
        head = (self.header() if self.raw is None else self.raw).decode("utf-8", "surrogateescape")
        changed = mutate_text(rng, head)
        if changed is not None:
            self.raw = changed.encode("utf-8", "surrogateescape")

    def bytes(self, rng):
        self.raw = mutate_bytes(rng, self.header() if self.raw is None else self.raw)

    @classmethod
    def cause(cls, data):
        length = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
        text = data[8:8 + length].decode("utf-8", "replace")
        odd, value = oddities(text)
        if text[:1] in list(" \t\r\n"):
            odd.add("blanks first")
        for i, (name, entry) in enumerate(value if isinstance(value, Pairs) else []):
            names = [pair[0] for pair in value]
            if names.index(name) != i:
                odd.add("metadata twice" if name == "__metadata__" else "a tensor twice")
            if name == "__metadata__" and entry is None:
                odd.add("metadata null")
            elif name != "__metadata__" and isinstance(entry, list) and not isinstance(entry, Pairs):
                odd.add("a tensor as a list")
            for field, inner in entry if isinstance(entry, Pairs) else []:
                names_of_fields = [pair[0] for pair in entry]
                if name == "__metadata__":
                    continue
                if names_of_fields.count(field) > 1:
                    odd.add("a field twice" if field in ("dtype", "shape", "data_offsets") else "an unknown field twice")
                if field not in ("dtype", "shape", "data_offsets"):
                    odd.add("an unknown field")
                if field == "dtype" and not isinstance(inner, str):
                    odd.add("a dtype that is no string")
        return ", ".join(sorted(odd))

    MUTATIONS = ["offsets", "offsets", "shape", "dtype", "field_changed", "field_changed", "halves", "entry_changed", "entry_changed", "metadata", "around", "padding", "sizes", "text", "text", "bytes", "bytes"]


GGUF_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
GGML_BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
               16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
               29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18)}


class Gguf:
    """Keys are [name, type, bytes of the value], tensors [name, dimensions, type, offset]; counts are what is there unless overridden."""

    name, readers = "model.gguf", ["llama.cpp", "gguf-py"]

    def __init__(self, rng):
        self.keys = [[b"general.architecture", 8, self.text(b"llama")]]
        for i in range(rng.randrange(5)):
            self.keys.append([b"key.%d" % i, *self.value(rng)])
        self.alignment = rng.choice([None, None, 8, 16, 32, 64, 256])
        if self.alignment:
            self.keys.insert(rng.randrange(len(self.keys) + 1), [b"general.alignment", 4, struct.pack("<I", self.alignment)])
        self.tensors, self.places = [], None
        for i in range(rng.randrange(4)):
            kind = rng.choice([0, 0, 1, 8, *GGML_BLOCKS])
            dims = [GGML_BLOCKS[kind][0] * rng.choice([1, 1, 2])] + [rng.choice([1, 1, 2, 3]) for _ in range(rng.randrange(4))]
            self.tensors.append([b"blk.%d.weight" % i, dims, kind, None])
        self.version, self.counts, self.dims, self.pad, self.end, self.magic = rng.choice([2, 3, 3, 3]), {}, {}, 0, 0, b"GGUF"
        self.post = []

    @staticmethod
    def text(data):
        return struct.pack("<Q", len(data)) + data

    def value(self, rng, depth=0):
        kind = rng.choice([*GGUF_SIZES, 8, 8, 9, 9]) if depth == 0 else rng.choice([*GGUF_SIZES, 8, 8])
        if kind == 8:
            return kind, self.text(rng.choice([b"", b"text", "\u00e9".encode(), b"\xff\xfe", b"nul\0", b"x" * 300]))
        if kind == 9:
            inner, count = rng.choice([*GGUF_SIZES, 8]), rng.choice([0, 1, 2, 5])
            items = b"".join(self.text(b"tok%d" % i) if inner == 8 else bytes(GGUF_SIZES[inner]) for i in range(count))
            return kind, struct.pack("<IQ", inner, count) + items
        return kind, rng.choice([bytes(GGUF_SIZES[kind]), rng.randbytes(GGUF_SIZES[kind])])

    def render(self):
        align, at, records = self.alignment or 32, 0, b""
        for i, (name, dims, kind, offset) in enumerate(self.tensors):
            elements, size = GGML_BLOCKS.get(kind, (1, 4))
            count = 1
            for n in dims:
                count *= n
            n_dims = self.dims.get(i, len(dims))
            records += self.text(name) + struct.pack("<I", n_dims % (1 << 32)) + b"".join(struct.pack("<Q", n % (1 << 64)) for n in dims)
            records += struct.pack("<IQ", kind % (1 << 32), (at if offset is None else offset) % (1 << 64))
            last = count // elements * size
            at += (last + align - 1) // align * align
        at = min(at, 1 << 16)  # what a huge tensor would need is not written
        out = self.magic + struct.pack("<IQQ", self.version, self.counts.get("tensors", len(self.tensors)) % (1 << 64), self.counts.get("keys", len(self.keys)) % (1 << 64))
        for name, kind, value in self.keys:
            out += self.text(name) + struct.pack("<I", kind % (1 << 32)) + value
        out += records
        if self.tensors:
            out += bytes((-len(out) % align + self.pad) % (2 * align))
        data = (b"\x3f" * at)[:max(0, at + min(0, self.end))] + bytes(max(0, self.end))
        out += data
        for change in self.post:
            out = change(out)
        return {self.name: out}

    def key(self, rng):
        return rng.choice(self.keys) if self.keys else [b"", 0, b""]

    def key_changed(self, rng):
        key, how = self.key(rng), rng.randrange(8)
        if how == 0:
            key[0] = rng.choice([b"", b"\xff", b"k" * 63, b"k" * 64, b"k" * 65535, b"nul\0key", b"general.alignment", b"GGUF.version", b"split.count", b"split.no", b"general.architecture", b"\xc0\x80", b" "])
        elif how == 1:
            self.keys.append(list(key))
        elif how == 2:
            self.keys.insert(0, [key[0], *self.value(rng)])
        elif how == 3:
            key[1] = rng.choice([*range(16), 255, 256, 1 << 31, (1 << 32) - 1])
        elif how == 4:
            key[1:] = self.value(rng)
        elif how == 5:
            key[1:] = [9, struct.pack("<IQ", rng.choice([*range(15), 99]), rng.choice([0, 1, 2, *BIG]) % (1 << 64)) + bytes(rng.choice([0, 8, 16, 64]))]
        elif how == 6:
            inner = struct.pack("<IQ", 4, 2) + bytes(8)
            key[1:] = [9, struct.pack("<IQ", 9, 2) + inner * 2]
        else:
            key[1:] = [8, struct.pack("<Q", rng.choice(BIG) % (1 << 64)) + b"text"]

    def split(self, rng):
        self.keys += [[b"split.no", 2, struct.pack("<H", 0)], [b"split.count", rng.choice([2, 2, 4, 0]), struct.pack("<I", rng.choice([0, 1]))]]
        self.keys[-1][2] = self.keys[-1][2][:GGUF_SIZES[self.keys[-1][1]]]

    def align(self, rng):
        self.keys = [key for key in self.keys if key[0] != b"general.alignment"]
        value = rng.choice([0, 1, 2, 3, 4, 8, 24, 32, 4096, 1 << 16, 1 << 20, 1 << 21, 1 << 31, (1 << 32) - 1])
        kind = rng.choice([*[4] * 20, 5, 10, 2, 8, 9, 7, 6])
        data = {4: "<I", 5: "<i", 10: "<Q", 2: "<H", 7: "<B", 6: "<I"}.get(kind)
        limit = {5: 1 << 31, 2: 1 << 16, 7: 2}.get(kind, 1 << 32)
        payload = struct.pack(data, value % limit) if data else self.text(b"32") if kind == 8 else struct.pack("<IQI", 4, 1, 32)
        self.keys.insert(rng.randrange(len(self.keys) + 1), [b"general.alignment", kind, payload])
        self.alignment = value if kind == 4 and 0 < value <= 1 << 16 else self.alignment if rng.random() < 0.5 else None

    def tensor_changed(self, rng):
        if not self.tensors:
            self.tensors = [[b"one", [8], 0, None]]
        i = rng.randrange(len(self.tensors))
        tensor, how = self.tensors[i], rng.randrange(9)
        if how == 0:
            tensor[0] = rng.choice([b"", b"n" * 62, b"n" * 63, b"n" * 64, b"n" * 65, b"n" * 300, b"nul\0name", b"\xff", b"blk.0.weight"])
        elif how == 1:
            self.tensors.append([tensor[0], [1], 0, None])
        elif how == 2:
            tensor[2] = rng.choice([*range(48), 255, 1 << 31, (1 << 32) - 1])
        elif how == 3:
            tensor[3] = rng.choice([0, 1, 8, 16, 32, 64, 4096, (1 << 64) - 32, (1 << 64) - 1])
        elif how == 4:
            tensor[1][rng.randrange(len(tensor[1]))] = rng.choice([0, *BIG])
        elif how == 5:
            tensor[1] = [rng.choice([0, 1, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1]) for _ in range(rng.randrange(5))]
        elif how == 6:
            tensor[1] = tensor[1] + [1] * rng.randrange(5)
        elif how == 7:
            tensor[1] = []
        else:
            self.dims[i] = rng.choice([0, 1, 2, 4, 5, 8, 255, (1 << 32) - 1])

    def order(self, rng):
        """Offsets that leave a hole, overlap or go backwards."""
        at = 0
        for tensor in self.tensors:
            tensor[3] = at
            at += rng.choice([0, 4, 32, 64, 128])
        rng.shuffle(self.tensors)

    def head(self, rng):
        how = rng.randrange(4)
        if how == 0:
            self.version = rng.choice([0, 1, 2, 3, 4, 1 << 16, 2 << 24, 3 << 24, (1 << 32) - 1])
        elif how == 1:
            self.magic = rng.choice([b"GGUF", b"GGML", b"gguf", b"FUGG", b"GGU", b"\0GGUF"])
        else:
            name = "tensors" if how == 2 else "keys"
            self.counts[name] = rng.choice([len(getattr(self, name)) + rng.choice([-1, 1]), *BIG])

    def ends(self, rng):
        how = rng.randrange(3)
        if how == 0:
            self.pad = rng.choice([1, 4, 8, 31])
        elif how == 1:
            self.end = -rng.choice([1, 4, 16, 28, 31, 32, 33])
        else:
            self.end = rng.choice([1, 4, 31, 32, 33, 256])

    def bytes(self, rng):
        seed = rng.random()
        self.post.append(lambda data: mutate_bytes(random.Random(seed), data, 2048))

    @staticmethod
    def cause(data):
        """What is odd in the tensors' records and the keys, as far as they can be followed."""
        odd, at, keys = set(), 24, set()

        def take(form):
            nonlocal at
            values = struct.unpack_from(form, data, at)
            at += struct.calcsize(form)
            return values[0]

        def name():
            nonlocal at
            length = take("<Q")
            if length > len(data) - at:
                raise ValueError
            at += length
            return data[at - length:at]

        def skip(kind):
            nonlocal at
            if kind == 8:
                name()
            elif kind == 9:
                inner, count = take("<I"), take("<Q")
                if inner == 9:
                    odd.add("an array of arrays")
                for _ in range(count):
                    skip(inner)
            else:
                at += GGUF_SIZES[kind]

        try:
            tensors, pairs = struct.unpack_from("<QQ", data, 8)
            for _ in range(pairs):
                key, kind = name(), take("<I")
                odd |= {"a key twice"} if key in keys else set()
                odd |= {"an alignment that is no u32"} if key == b"general.alignment" and kind != 4 else set()
                keys.add(key)
                skip(kind)
            names = set()
            for _ in range(tensors):
                tensor, dims = name(), take("<I")
                odd |= {"a tensor twice"} if tensor.split(b"\0")[0] in names else set()
                odd |= {"a tensor without a name"} if not tensor else set()
                odd |= {"a tensor's name of 64 bytes"} if len(tensor) == 64 else set()
                names.add(tensor.split(b"\0")[0])
                shape = [take("<Q") for _ in range(min(dims, 5))]
                odd |= {"no elements"} if 0 in shape[1:] else set()
                kind, _ = take("<I"), take("<Q")
                odd |= {"a type above 41"} if kind > 41 else set()
        except (ValueError, KeyError, struct.error, RecursionError):
            pass
        return ", ".join(sorted(odd))

    MUTATIONS = ["key_changed", "key_changed", "key_changed", "split", "align", "align", "tensor_changed", "tensor_changed", "tensor_changed", "order", "head", "head", "ends", "ends", "bytes", "bytes", "bytes"]


def varint(value):
    out, value = b"", value % (1 << 64)
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


class Raw(bytes):
    """Bytes of a message that go as they are, tag and all."""


def message(fields):
    out = b""
    for field in fields:
        if isinstance(field, Raw):
            out += field
            continue
        number, value = field
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            payload = message(value) if isinstance(value, list) else value
            out += varint(number << 3 | 2) + varint(len(payload)) + payload
    return out


class Onnx:
    """A tree of [field number, value]: an int, bytes, or the list of a message's own fields."""

    name, readers = "model.onnx", ["onnx"]
    DATA = {"w.data": bytes(64), "sub/deep.data": bytes(32), "none.data": b"", "w..data": bytes(64)}

    def __init__(self, rng):
        self.files = dict(self.DATA)
        self.post = []
        graph = [[1, self.node(rng, 0)], [2, b"graph"]]
        graph += [[5, self.tensor(rng, i)] for i in range(rng.randrange(4))]
        if rng.random() < 0.3:
            graph.append([15, self.sparse(rng)])
        graph += [[11, [[1, b"x"], [2, [[1, [[1, 1], [2, [[1, [[1, 4]]]]]]]]]]], [12, [[1, b"y"]]]]
        self.model = [[1, 8], [2, b"maker"], [7, graph], [8, [[1, b""], [2, 17]]]]
        if rng.random() < 0.3:
            self.model.append([25, [[1, b"f"], [4, b"x"], [5, b"y"], [7, self.node(rng, 1)], [10, b"d"]]])
        if rng.random() < 0.3:
            self.model.append([14, [[1, b"key"], [2, b"value"]]])

    def external(self, rng):
        entries = [[b"location", rng.choice([b"w.data", b"w.data", b"sub/deep.data"])]]
        if rng.random() < 0.8:
            entries.append([b"offset", rng.choice([b"0", b"8"])])
        if rng.random() < 0.8:
            entries.append([b"length", rng.choice([b"0", b"8", b"24"])])
        return [[13, [[1, key], [2, value]]] for key, value in entries]

    def tensor(self, rng, i=0):
        fields = [[1, 2], [2, 1], [8, b"t%d" % i]]
        if rng.random() < 0.5:
            return fields + self.external(rng) + [[14, 1]]
        return fields + rng.choice([[[9, bytes(8)]], [[4, bytes(8)]], []])

    def sparse(self, rng):
        return [[1, self.tensor(rng)], [2, self.tensor(rng)], [3, 4]]

    def node(self, rng, depth):
        fields = [[1, b"x"], [2, b"y"], [3, b"n"], [4, b"Constant"]]
        for i in range(rng.randrange(3)):
            kind = rng.choice(["t", "tensors", "g", "graphs", "sparse", "f", "ints"] if depth < 3 else ["t", "f"])
            body = {"t": [[5, self.tensor(rng)], [20, 4]], "tensors": [[10, self.tensor(rng)], [20, 9]], "f": [Raw(b"\x15\0\0\x80\x3f"), [20, 1]], "ints": [[8, 1], [8, 2], [20, 7]]}.get(kind)
            if kind in ("g", "graphs"):
                graph = [[1, self.node(rng, depth + 1)], [2, b"sub"], [5, self.tensor(rng)]]
                body = [[6 if kind == "g" else 11, graph], [20, 5 if kind == "g" else 10]]
            elif kind == "sparse":
                body = [[rng.choice([22, 23]), self.sparse(rng)], [20, rng.choice([11, 12])]]
            fields.append([5, [[1, b"a%d" % i], *body]])
        return fields

    def messages(self, within=None):
        found = [self.model if within is None else within]
        for field in found[0]:
            if not isinstance(field, Raw) and isinstance(field[1], list):
                found += self.messages(field[1])
        return found

    def fields(self, test=lambda field: True):
        return [(fields, i) for fields in self.messages() for i, field in enumerate(fields) if not isinstance(field, Raw) and test(field)]

    def render(self):
        data = message(self.model)
        for change in self.post:
            data = change(data)
        return {self.name: data, **self.files}

    def entries(self, key):
        return [field[1] for fields, i in self.fields(lambda f: f[0] == 13 and isinstance(f[1], list)) for field in [fields[i]] if len(field[1]) > 1 and field[1][0] == [1, key]]

    def number(self, rng):
        found = self.entries(rng.choice([b"offset", b"length"]))
        if found:
            rng.choice(found)[1] = [2, rng.choice([b"", b"abc", b"-1", b"-0", b"+8", b" 8", b"8 ", b"8\n", b"1_0", b"0x8", b"8.0", b"1e1", b"00", b"08", b"\xd9\xa3", b"8\0", *(str(n).encode() for n in BIG)])]

    def location(self, rng):
        found = self.entries(b"location")
        if found:
            rng.choice(found)[1] = [2, rng.choice([b"", b".", b"..", b"../w.data", b"/etc/passwd", b"absent.data", b"none.data", b"sub", b"sub/../w.data", b"sub//deep.data", b"./sub/./deep.data", b"w.data/", b"w.data\0", b"\xff",
                                                      b"w..data", b"model.onnx", b"W.DATA", b" w.data", b"sub\\deep.data", b"x" * 300, b"sub/" * 100 + b"w.data", b"//w.data"])]

    def external_changed(self, rng):
        tensors = [fields for fields in self.messages() if any(not isinstance(f, Raw) and f[0] == 14 for f in fields)]
        if not tensors:
            return
        tensor, how = rng.choice(tensors), rng.randrange(8)
        entries = [f for f in tensor if not isinstance(f, Raw) and f[0] == 13 and isinstance(f[1], list)]
        flags = [f for f in tensor if not isinstance(f, Raw) and f[0] == 14]
        if how == 0 and flags:
            flags[0][1] = rng.choice([0, 1, 2, -1, 1 << 32])
        elif how == 1 and flags:
            tensor.remove(flags[0])
        elif how == 2:
            tensor.append([14, rng.choice([0, 1])])
        elif how == 3 and entries:
            tensor.remove(rng.choice(entries))
        elif how == 4 and entries:
            rng.choice(entries)[1].reverse()
        elif how == 5:
            tensor.append([13, [[1, rng.choice([b"location", b"offset", b"length", b"checksum", b"basepath", b"Location", b"x", b"location" + b"x" * 20])], [2, rng.choice([b"w.data", b"absent", b"16", b"4", b"99", b""])]]])
        elif how == 6 and entries:
            entry = rng.choice(entries)[1]
            entry.append([rng.choice([1, 2]), rng.choice([b"offset", b"w.data", b"7", b""])])
        elif entries:
            del rng.choice(entries)[1][0]

    def data(self, rng):
        name = rng.choice([*self.files]) if self.files else "w.data"
        if rng.random() < 0.3:
            self.files.pop(name, None)
        else:
            self.files[name] = bytes(rng.choice([0, 7, 8, 31, 32, 33, 63, 65]))

    def field_changed(self, rng):
        fields, i = rng.choice(self.fields())
        how = rng.randrange(7)
        if how == 0:
            del fields[i]
        elif how == 1:
            fields.append(json_copy(fields[i]))
        elif how == 2:
            fields[i] = [rng.choice([1, 2, 3, 5, 7, 13, 14, 15, 20, 22, 25, 26, 100, 536870911]), fields[i][1]]
        elif how == 3:
            fields[i] = [fields[i][0], rng.choice([0, 1, -1, 1 << 31, 1 << 40, b"", b"\xff", b"\x08", b"\0", bytes(9), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"])]
        elif how == 4:
            rng.shuffle(fields)
        elif how == 5:
            wire = rng.choice([0, 1, 2, 3, 4, 5, 6, 7])
            fields.insert(i, Raw(varint(rng.choice([fields[i][0], 99, 0, 1 << 28, 1 << 29]) << 3 | wire) + rng.choice([b"", b"\0", bytes(4), bytes(8), b"\x80", varint(1 << 31), varint(1 << 63)])))
        elif how == 6 and isinstance(fields[i][1], list):  # one message in two pieces, which protobuf joins
            number, body = fields[i]
            cut = rng.randrange(len(body) + 1)
            fields[i:i + 1] = [[number, body[:cut]], [number, body[cut:]]]

    def encoding(self, rng):
        """Varints longer than they must be, groups, lengths that lead out of the message."""
        fields, i = rng.choice(self.fields())
        number, value = fields[i]
        payload = varint(value) if isinstance(value, int) else message(value) if isinstance(value, list) else value
        wire = 0 if isinstance(value, int) else 2
        tag, length = varint(number << 3 | wire), b"" if wire == 0 else varint(len(payload))
        how = rng.randrange(7)
        if how == 0:
            tag = tag[:-1] + bytes([tag[-1] | 0x80]) + b"\x80" * rng.choice([0, 1, 2, 3, 4, 7]) + b"\0"
        elif how == 1 and wire == 2:
            length = length[:-1] + bytes([length[-1] | 0x80]) + b"\x80" * rng.choice([0, 1, 2, 3, 4, 7, 8]) + b"\0"
        elif how == 2 and wire == 0:
            payload = b"\xff" * rng.choice([8, 9, 10]) + rng.choice([b"\0", b"\x01", b"\x02", b"\x7f"])
        elif how == 3:
            length = varint(len(payload) + rng.choice([-1, 1, 2, 100, 1 << 31, 1 << 63])) if wire == 2 else length
        elif how == 4:
            tag = varint(99 << 3 | 3) + rng.choice([varint(99 << 3 | 4), b"", varint(98 << 3 | 4), varint(1 << 3) + b"\0" + varint(99 << 3 | 4)]) + tag
        elif how == 5:
            tag = varint(number << 3 | rng.choice([0, 1, 2, 3, 4, 5, 6, 7]))
        else:
            tag = rng.choice([b"\0", b"\x07", b"\xff\xff\xff\xff\x0f\0", b"\xff\xff\xff\xff\x1f\0", varint(1 << 29 << 3) + b"\0"]) + tag
        fields[i] = Raw(tag + length + payload)

    def deep(self, rng):
        """A graph in an attribute of a node in a graph, and so on."""
        levels = rng.choice([5, 10, 20, 24, 25, 26, 30, 32, 33, 34, 40, 41, 42, 43, 44, 60, 200])
        graph = [[2, b"end"]]
        for _ in range(levels):
            graph = [[1, [[5, [[6, graph], [20, 5]]]]]]
        self.model = [[1, 8], [7, graph]]

    def bytes(self, rng):
        seed = rng.random()
        self.post.append(lambda data: mutate_bytes(random.Random(seed), data, 2048))

    @staticmethod
    def cause(data):
        walk = OnnxWalk(data)
        try:
            walk.message("model", 0, len(data), 1, frozenset())
        except ValueError as error:
            walk.odd.add(f"protobuf: {error}")
        if not walk.has_graph:
            walk.odd.add("no graph")
        return ", ".join(sorted(walk.odd))

    MUTATIONS = ["number", "number", "location", "external_changed", "external_changed", "data", "field_changed", "field_changed", "field_changed", "encoding", "encoding", "deep", "bytes", "bytes"]


class OnnxWalk:
    """The messages that lead to tensors, by protobuf's own rules: what is odd in them, and nothing of what is beside them."""

    PATHS = {("model", 7): "graph", ("model", 25): "function", ("function", 7): "node", ("graph", 1): "node", ("graph", 5): "tensor", ("graph", 15): "sparse", ("node", 5): "attribute",
             ("attribute", 5): "tensor", ("attribute", 10): "tensor", ("attribute", 6): "graph", ("attribute", 11): "graph", ("attribute", 22): "sparse", ("attribute", 23): "sparse",
             ("sparse", 1): "tensor", ("sparse", 2): "tensor", ("tensor", 13): "entry"}
    SINGLE = {("model", 7), ("attribute", 5), ("attribute", 6), ("attribute", 22), ("sparse", 1), ("sparse", 2)}

    def __init__(self, data):
        self.data, self.odd, self.has_graph = data, set(), False

    def varint(self, at, end, most=10):
        value = 0
        for i in range(most):
            if at >= end:
                raise ValueError("cut short")
            byte = self.data[at]
            at, value = at + 1, value | (byte & 0x7F) << 7 * i
            if byte < 0x80:
                if value >> 64:
                    raise ValueError("a varint above 64 bits")
                return value, at
        raise ValueError(f"a varint of more than {most} bytes")

    def fields(self, at, end, groups=()):
        """(number, wire, value or bounds) of a message's fields; those within groups are passed over."""
        while at < end:
            tag, at = self.varint(at, end, 5)
            number, wire = tag >> 3, tag & 7
            if number == 0 or tag >> 32 or wire > 5:
                raise ValueError("no tag")
            if wire in (3, 4):
                self.odd.add("groups")
                groups = (*groups, number) if wire == 3 else groups[:-1] if groups[-1:] == (number,) else None
                if groups is None:
                    raise ValueError("the end of no group")
                continue
            value, begin = None, at
            if wire == 0:
                value, at = self.varint(at, end)
            elif wire == 2:
                length, begin = self.varint(at, end, 5)
                at = begin + length
            else:
                at += 8 if wire == 1 else 4
            if at > end:
                raise ValueError("cut short")
            if not groups:
                yield number, wire, value, begin, at
        if groups:
            raise ValueError("a group without end")

    def message(self, kind, at, end, depth, within):
        if depth > 101:  # the first message is at 1, and holds 100 more
            raise ValueError("nested more than 100 deep")
        fields = list(self.fields(at, end))
        types = [value for number, wire, value, _, _ in fields if kind == "attribute" and number == 20 and wire == 0]
        if kind == "tensor":
            self.tensor(fields, depth, within)
        single = [number for number, wire, _, _, _ in fields if (kind, number) in self.SINGLE and wire == 2]
        if len(single) > len(set(single)):
            self.odd.add("a message in two pieces")
        for number, wire, _, begin, stop in fields:
            inner = self.PATHS.get((kind, number))
            if inner is not None and wire == 2 and inner != "entry":
                self.has_graph |= (kind, number) == ("model", 7)
                inside = {"a function's graph"} if "a function" in within and (kind, number) == ("graph", 5) else {"a function"} if inner == "function" else set()
                wrong = kind == "attribute" and inner == "graph" and types[-1:] != [5 if number == 6 else 10]
                self.message(inner, begin, stop, depth + 1, within | inside | ({"sparse"} if inner == "sparse" else {"an attribute of another type"} if wrong else set()))

    def tensor(self, fields, depth, within):
        found = {}
        for number, wire, _, begin, stop in fields:
            if (number, wire) == (13, 2):
                pair = {1: b"", 2: b""}
                for key, inner, _, a, b in self.fields(begin, stop):
                    if inner == 2 and key in pair:
                        pair[key] = self.data[a:b]
                found[pair[1]] = pair[2]
        flags = [value for number, wire, value, _, _ in fields if (number, wire) == (14, 0) and value in (0, 1)]
        if found and flags[-1:] != [1]:
            self.odd.add("external data of no external tensor")
        elif found or flags[-1:] == [1]:
            self.odd |= {f"external data in {what}" for what in within - {"a function"}}
            place = found.get(b"location", b"")
            if place == b"":
                self.odd.add("no location")
            elif b".." in place.split(b"/"):
                self.odd.add("a location with ..")
            elif set(place.split(b"/")) & {b"", b"."}:
                self.odd.add("a location not in its plain form")
            for key in (b"offset", b"length"):
                if not re.fullmatch(rb"[0-9]+", found.get(key, b"0")):
                    self.odd.add("no number")
                elif int(found.get(key, 0)) >> 64:
                    self.odd.add("a number above 64 bits")


def json_copy(field):
    return Raw(field) if isinstance(field, Raw) else [field[0], [json_copy(f) for f in field[1]]] if isinstance(field[1], list) else list(field)


class Json:
    name, readers = "config.json", ["json"]

    def __init__(self, rng):
        value = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 32, "eps": 1e-12, "rate": 0.1, "flag": True, "none": None, "neg": -5, "\u00e9": "\u00fc\n\"\\",
                 "id2label": {"0": "a", "1": "b"}, "rope": {"type": "yarn", "factor": 4.0, "list": [1, 2.5, [], {}]}}
        keep = rng.sample(list(value), rng.randrange(1, len(value)))
        self.value = json.dumps({key: value[key] for key in keep}, indent=rng.choice([None, None, 2]), ensure_ascii=rng.random() < 0.5)
        self.post = []
        if rng.random() < 0.05:  # beyond the bytes that are read of each file in any case
            self.value = self.value[:-1] + ', "long": [' + ",".join(["1234567"] * rng.choice([600, 9000])) + "]}"

    def render(self):
        data = self.value.encode("utf-8", "surrogateescape")
        for change in self.post:
            data = change(data)
        return {self.name: data}

    def text(self, rng):
        self.value = mutate_text(rng, self.value) or self.value

    def duplicate(self, rng):
        self.value = self.value.replace("{", '{"model_type": ' + rng.choice(NASTY_JSON) + ",", 1)

    def top(self, rng):
        self.value = rng.choice([*NASTY_JSON, "", " ", "\n", self.value + self.value, self.value + " 1", "[" + self.value + "]", self.value + "\0", "\ufeff" + self.value, " " * 5000 + self.value, self.value + "\n" * 5000])

    def coded(self, rng):
        name = rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
        self.post.append(lambda data: data.decode("utf-8", "replace").encode(name, "replace"))

    def raw(self, rng):
        """Bytes that are no UTF-8, in a string or outside of one."""
        what, at = rng.choice(RAW), rng.random()
        self.post.append(lambda data: data[:int(at * len(data))] + what + data[int(at * len(data)):])

    def bytes(self, rng):
        seed = rng.random()
        self.post.append(lambda data: mutate_bytes(random.Random(seed), data))

    @staticmethod
    def cause(data):
        return ""

    MUTATIONS = ["text", "text", "text", "text", "duplicate", "top", "coded", "raw", "bytes", "bytes"]


class TokenizerJson(Json):
    name, readers = "tokenizer.json", ["tokenizers"]

    def __init__(self, rng):
        vocab = {"[UNK]": 0, **{f"w{i}": i + 1 for i in range(rng.choice([2, 5, 2000] if rng.random() < 0.05 else [2, 5]))}}
        value = {"version": "1.0", "truncation": None, "padding": None,
                 "added_tokens": [{"id": 0, "content": "[UNK]", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}],
                 "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
                 "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}}
        if rng.random() < 0.3:
            value["model"] = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.5], ["b", -2e0]], "byte_fallback": False}
        self.value = json.dumps(value, indent=rng.choice([None, 2]), ensure_ascii=rng.random() < 0.5)
        self.post = []

    def extra(self, rng):
        """Keys that tokenizers does not know, at the top and below."""
        where = rng.choice(['{"type"', '{"type"', "{"])
        self.value = self.value.replace(where, '{"extra": ' + rng.choice(NASTY_JSON) + "," + where[1:], 1)

    @staticmethod
    def cause(data):
        try:
            return ", ".join(sorted(oddities(data.decode())[0])) or "another shape"
        except UnicodeDecodeError:
            return "no UTF-8"

    MUTATIONS = ["text", "text", "text", "text", "extra", "top", "coded", "raw", "bytes", "bytes"]


FORMATS = {"safetensors": Safetensors, "gguf": Gguf, "onnx": Onnx, "json": Json, "tokenizer": TokenizerJson}


class Case:
    """A format, the seed of its model, and mutations with a seed each: any part of them can be left out again."""

    def __init__(self, kind, seed, mutations):
        self.kind, self.seed, self.mutations = kind, seed, mutations
        model = FORMATS[kind](random.Random(seed))
        for name, own in mutations:
            getattr(model, name)(random.Random(own))
        self.files, self.name = model.render(), model.name

    def __str__(self):
        return f"{self.kind} {self.seed} " + (" ".join(f"{name}:{own}" for name, own in self.mutations) or "as it is")


def new_case(kind, rng):
    names = FORMATS[kind].MUTATIONS
    while True:
        try:
            return Case(kind, rng.randrange(1 << 32), [(rng.choice(names), rng.randrange(1 << 32)) for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 2, 3]))])
        except (IndexError, ValueError, struct.error, RecursionError):  # one mutation left nothing for the next
            continue


# --- aweigh, of many models in one run -------------------------------------------------------------------------------


class Bench:
    """A directory with a model for each case, on a file system in memory where there is one."""

    def __init__(self, aweigh):
        self.aweigh = aweigh
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.place = Path(tempfile.mkdtemp(prefix="differential-", dir=where))
        self.readers, self.kept = {}, {}
        self.files = 0

    def close(self):
        for reader in self.readers.values():
            reader.close()
        shutil.rmtree(self.place)

    def lay_out(self, i, case):
        folder = self.place / f"m{i}"
        if self.kept.get(i) == case.kind and len(case.files) == 1:  # one file in place of another
            (folder / case.name).write_bytes(case.files[case.name])
            return
        shutil.rmtree(folder, ignore_errors=True)
        for name, data in case.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        self.kept[i] = case.kind if len(case.files) == 1 else None

    def judge(self, cases):
        """Findings about files of each case: [(code, severity, message)]."""
        for i, case in enumerate(cases):
            self.lay_out(i, case)
        policy = self.place / "policy.ini"
        policy.write_text("[policy]\nmode = offline\nverify = structure\n" + "".join(
            f"[model m{i}]\npath = {self.place}/m{i}\n" + (f"formats = {case.kind}\n" if case.kind in ("safetensors", "gguf") else "") for i, case in enumerate(cases)))
        env = {"PATH": os.environ["PATH"], "HOME": str(self.place), "HF_HUB_OFFLINE": "1"}
        run = subprocess.run([self.aweigh, "check", "-p", policy, "--format", "json"], env=env, capture_output=True, timeout=120)
        if run.returncode < 0 or not run.stdout:
            kept = shutil.copytree(self.place, tempfile.mkdtemp(prefix="differential-kept-"), dirs_exist_ok=True)
            raise SystemExit(f"aweigh ends with {run.returncode}: {run.stderr.decode(errors='replace')[-500:]}; the models are in {kept}")
        report = json.loads(run.stdout)
        assert len(report["models"]) == len(cases) and report["findings_dropped"] == 0, run
        found = [[] for _ in cases]
        for finding in report["findings"]:
            if finding["code"].startswith("file.") or finding["code"] == "model.format":
                found[int(finding["model"][1:])].append((finding["code"], finding["severity"], finding["message"]))
        self.files += len(cases)
        return found

    def read(self, name, i, case):
        if name not in self.readers:
            self.readers[name] = Reader(name)
        return self.readers[name].ask(self.place / f"m{i}" / case.name)

    def compare(self, cases, readers):
        """For each case the disagreements, {reader: Disagreement}; of readers who agree the first speaks."""
        found = self.judge(cases)
        out = []
        for i, case in enumerate(cases):
            errors = [f for f in found[i] if f[1] == "error"]
            answers = {name: self.read(name, i, case) for name in readers}
            mine = {}
            for name, answer in answers.items():
                if answer["ok"] == bool(errors) and not any(answers[other]["ok"] == answer["ok"] for other in mine):
                    mine[name] = Disagreement(case, name, found[i], answers)
            out.append(mine)
        return out


class Disagreement:
    def __init__(self, case, reader, findings, answers):
        self.case, self.reader, self.findings, self.answers = case, reader, findings, answers
        self.loads = answers[reader]["ok"]
        self.aweigh = "; ".join(sorted({f"{code} ({severity}) {words}" for code, severity, words in findings})) or "nothing"
        self.words = " | ".join(f"{name}: {answer['words'] or 'loads'}" for name, answer in answers.items())

    @property
    def signature(self):
        """What makes two of them the same: who is on which side, and both sides' words without names and numbers."""
        cause = FORMATS[self.case.kind].cause(self.case.files[self.case.name])
        words = re.sub(r", expected one of.*| at line \d+.*", "", self.answers[self.reader]["words"], flags=re.S)
        text = f"{self.reader} {'loads' if self.loads else 'refuses'} / {cause} / {self.aweigh} / {words}"
        text = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|/dev/shm\S*|/tmp/\S*", "'...'", text)
        text = re.sub(r"\b\w*\d[\w.]*", "N", text)
        return re.sub(r"[^\x20-\x7e]", "?", text)

    @property
    def accepted(self):
        data = self.case.files[self.case.name]
        for kind, reader, loads, words, reason in ACCEPTED:
            if self.case.kind in kind.split("|") and self.reader == reader and self.loads == loads:
                text = f"{FORMATS[self.case.kind].cause(data)} / {self.aweigh} / {self.words}"
                if words(self, data) if callable(words) else re.search(words, text, re.S):
                    return reason
        return None


# --- Differences that are right: format, reader, whether the reader loads, what says so, and why ---------------------

ACCEPTED = [
    ("safetensors", "safetensors", True, "blanks first", "the format wants { as the first byte"),
    ("safetensors", "safetensors", True, "a tensor twice", "the format forbids a name twice; serde keeps the last"),
    ("safetensors", "safetensors", True, "a tensor as a list", "serde takes a list for a struct; the format says object, and no writer writes one"),
    ("safetensors", "safetensors", False, "maximum supported dimension|Maximum allowed dimension", "numpy's own limits of dimensions; the format has none"),
    ("safetensors", "safetensors", False, "an unknown field.*(recursion limit exceeded|number out of range)", "in a field that nobody reads"),
    ("safetensors", "safetensors", False, "file.unsized.*unknown variant", "a newer library may know the dtype: a note says that nothing is proved"),
    ("safetensors", "safetensors", True, "a dtype that is no string", "serde takes {\"F32\": null} for a variant; no writer writes one"),
    ("json", "json", True, "nested deeper than", "MAX_JSON_DEPTH"),
    ("gguf", "llama.cpp", True, "an alignment that is no u32.*gguf-py: (ValueError|UnicodeDecodeError)", "llama.cpp takes a list of one u32, too, gguf-py does not"),
    ("gguf", "llama.cpp", True, "file.trailing", "bytes behind the padded end are read by nobody; they say that the file is another than its header"),
    ("gguf", "llama.cpp", False, "a type above 41.*invalid ggml type", "a newer llama.cpp may know the type: aweigh has those of its main branch, and a note for the rest"),
    ("gguf", "llama.cpp", False, "a tensor's name of 64 bytes.*is too long: 64", "the format allows 64 bytes; GGML_MAX_NAME is 64 with the NUL, and other loaders are built with more"),
    ("gguf", "llama.cpp", False, "file.unsized.*(invalid number of dimensions|is too long: )", "other engines write more dimensions and longer names: a note says that llama.cpp does not read them"),
    ("gguf", "llama.cpp", False, r"file.unsized.*(REMOVED|block size \(0\)|invalid ggml type)", "types that ggml has removed are still other engines' (BitNet): a note says that nothing is proved"),
    ("gguf", "llama.cpp", True, r"file.truncated.* PB,", "ggml_nbytes() wraps; no disk has the bytes"),
    ("gguf", "gguf-py", True, "llama.cpp: [^l]", "llama.cpp refuses"),
    ("gguf", "gguf-py", False, "llama.cpp: loads", "llama.cpp loads"),
    ("onnx", "onnx", True, "no graph", "nothing to run: onnxruntime refuses"),
    ("onnx", "onnx", True, "external data in sparse", "onnx.load leaves external data of sparse tensors alone, onnxruntime reads it"),
    ("onnx", "onnx", True, "external data in an attribute of another type", "onnx.load does not look at a graph whose attribute says another type"),
    ("onnx", "onnx", True, "external data in a function's graph", "onnx.load does not look at initializers of graphs in functions"),
    ("onnx", "onnx", True, r"a location with \.\.", "a way down and up again is no path beneath the model that can be trusted"),
    ("onnx", "onnx", True, "no number", "Python's int() takes blanks, signs, underscores and other digits; onnxruntime wants digits"),
    ("onnx", "onnx", False, r"'w\.\.data' points outside", "onnx.load takes two dots anywhere for a way up, onnxruntime does not"),
    ("onnx", "onnx", False, "TypeError", "a name that is not UTF-8 does not get through Python's binding"),
    ("onnx", "onnx", True, "a varint above 64 bits", "what the tenth byte of a varint has too much: protobuf takes it in some fields and not in others"),
    ("onnx", "onnx", False, "a varint above 64 bits", "the same"),
    ("onnx", "onnx", True, "a message in two pieces", "protobuf joins the pieces of one message, and no library writes them"),
    ("onnx", "onnx", False, "a message in two pieces", "the same"),
    ("onnx", "onnx", True, lambda found, data: Onnx.cause(data).startswith("external data of no external tensor"),
     "rows of a tensor that has no data of its own, without EXTERNAL: onnxruntime has nothing to run"),
    ("onnx", "onnx", True, "groups", "what protobuf calls a group: onnx.proto has none, and no exporter writes one"),
    ("onnx", "onnx", False, lambda found, data: "DecodeError" in found.words and "protobuf:" not in Onnx.cause(data), "damage in messages that lead to no tensor"),
    ("json", "json", False, "Exceeds the limit", "sys.set_int_max_str_digits, a setting of the interpreter"),
    ("tokenizer", "tokenizers", False, lambda found, data: "expected `,` or `}`" in found.words and not re.match("no JSON", TokenizerJson.cause(data)),
     "tokenizers does not read the value of a key that it does not know, and stumbles over it"),
    ("tokenizer", "tokenizers", True, lambda found, data: re.search(rb'[{,]\s*"[^"]*"\s*,', data), "the same: a key without a value is none to it"),
    ("tokenizer", "tokenizers", False, "a number out of range / nothing", "a number beyond doubles: no tokenizer has one, and each would have to be computed"),
    ("tokenizer", "tokenizers", False, "^another shape / nothing", "sound JSON: what a tokenizer must be made of is not structure"),
    ("tokenizer", "tokenizers", True, lambda found, data: len(data) > 16384 and data[:4096].isspace(), "the same of its beginning, behind more than 4,000 blanks"),
    ("tokenizer", "tokenizers", False, lambda found, data: len(data) > 16384, "a vocabulary above 16 KiB is read at both ends (WHOLE_JSON_BYTES)"),
]


# --- Making a disagreement small -------------------------------------------------------------------------------------


def shrink(bench, found):
    """Fewer mutations, then a shorter text, as long as it stays the same disagreement."""
    signature, readers = found.signature, FORMATS[found.case.kind].readers

    def same(cases):
        for mine in bench.compare(cases, readers):
            if found.reader in mine and mine[found.reader].signature == signature and not mine[found.reader].accepted:
                return mine[found.reader]
        return None

    while found.case.mutations:
        smaller, case = [], found.case
        for i in range(len(case.mutations)):
            try:
                smaller.append(Case(case.kind, case.seed, case.mutations[:i] + case.mutations[i + 1:]))
            except (IndexError, ValueError, struct.error):
                pass
        less = same(smaller) if smaller else None
        if less is None:
            break
        found = less
    return shrink_bytes(found, same)


def shrink_bytes(found, same, rounds=60):
    """Pieces of the file are left out, halves first; a safetensors header keeps its length right."""
    case = found.case
    fixed = case.kind == "safetensors" and len(case.files[case.name]) >= 8

    def rebuilt(data):
        other = object.__new__(Case)
        other.__dict__.update(case.__dict__)
        other.files = {**case.files, case.name: data}
        return other

    def without(data, at, size):
        if not fixed:
            return data[:at] + data[at + size:]
        length = struct.unpack("<Q", data[:8])[0]
        if at < 8:
            return None
        return struct.pack("<Q", length - min(size, max(0, 8 + length - at)) if at < 8 + length <= len(data) else length) + data[8:at] + data[at + size:]

    data = case.files[case.name]
    size = max(1, len(data) // 2)
    for _ in range(rounds):
        step = max(1, len(data) // 300, size)
        cuts = [cut for at in range(0, len(data), step) for cut in [without(data, at, size)] if cut is not None and cut != data][:BATCH]
        less = same([rebuilt(cut) for cut in cuts]) if cuts else None
        if less is not None:
            found, data = less, less.case.files[case.name]
        elif size == 1:
            break
        else:
            size = max(1, size // 2)
    return found


def shown(data):
    return repr(data) if len(data) <= 400 else f"{data[:200]!r} ... {data[-100:]!r} ({len(data)} bytes)"


# --- The run ---------------------------------------------------------------------------------------------------------


def run(bench, kind, seed, seconds, batches, quiet):
    rng, readers = random.Random(f"{kind} {seed}"), []
    for name in FORMATS[kind].readers:
        reader = Reader(name)
        if reader.start() is None:
            print(f"{kind}: without the reader {name}, whose package is not there")
        else:
            readers.append(name)
        reader.close()
    begun, files, classes, counts, accepted, agreed = time.monotonic(), 0, {}, Counter(), Counter(), Counter()
    while readers and time.monotonic() - begun < seconds and files < batches * BATCH:
        cases = [new_case(kind, rng) for _ in range(BATCH)]
        for mine in bench.compare(cases, readers):
            agreed["same" if not mine else "other"] += 1
            for found in mine.values():
                reason = found.accepted
                if reason is not None:
                    accepted[f"{found.reader}: {reason}"] += 1
                    continue
                counts[found.signature] += 1
                known = classes.get(found.signature)
                if known is None or (len(found.case.mutations), len(found.case.files[found.case.name])) < (len(known.case.mutations), len(known.case.files[known.case.name])):
                    classes[found.signature] = found
        files += len(cases)
    spent = time.monotonic() - begun
    print(f"\n== {kind}: {files} files in {spent:.0f} s, {files / max(spent, 0.001) * 60:.0f} a minute, {agreed['same']} of one mind, {sum(accepted.values())} accepted, "
          f"{sum(counts.values())} disagreements in {len(classes)} classes", flush=True)
    for reason, count in accepted.most_common() if not quiet else []:
        print(f"   accepted {count:6}  {reason}")
    for signature, count in counts.most_common(SHOWN):
        found = shrink(bench, classes[signature])
        small = found.case
        print(f"\n{count:6} x  {found.reader} {'LOADS, aweigh refuses' if found.loads else 'REFUSES, aweigh passes'}")
        print(f"          aweigh  {found.aweigh[:200]}\n          because {FORMATS[kind].cause(small.files[small.name])}\n          reader  {found.words[:300]}\n          case    {small}\n          file    {shown(small.files[small.name])}", flush=True)
    if len(counts) > SHOWN:
        print(f"\n{len(counts) - SHOWN} more classes")
    return len(classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--aweigh", default=os.environ.get("AWEIGH", "build/aweigh"))
    parser.add_argument("--formats", default=",".join(FORMATS), help="of " + ", ".join(FORMATS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--time", type=float, default=60, help="seconds, for each format")
    parser.add_argument("--batches", type=int, default=1 << 30, help=f"of {BATCH} files, at most, for each format: then the same files in each run")
    parser.add_argument("--quiet", action="store_true", help="do not list what is accepted")
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        serve(options.reader)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the directory is removed all the same
    bench = Bench(os.path.abspath(options.aweigh))
    try:
        classes = sum(run(bench, kind, options.seed, options.time, options.batches, options.quiet) for kind in options.formats.split(","))
    finally:
        bench.close()
    return 1 if classes else 0


if __name__ == "__main__":
    sys.exit(main())
