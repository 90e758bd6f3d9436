# SPDX-License-Identifier: Apache-2.0
"""System 1's service as a real one: FastAPI under uvicorn, all-MiniLM-L6-v2 loaded by the repository's name, offline, and the
lines of its log. FAULT is Python that goes wrong while it starts.

    catalyst.py PORT      GET /api/"""

import os
import sys
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from huggingface_hub import hf_hub_download
from service import REPO, MiniLM
from tokenizers import Tokenizer


@asynccontextmanager
async def lifespan(app):
    print("Load pretrained SentenceTransformer: all-MiniLM-L6-v2", flush=True)
    tokenizer = Tokenizer.from_file(hf_hub_download(REPO, "tokenizer.json"))
    model = MiniLM(os.path.dirname(hf_hub_download(REPO, "config.json")))
    app.state.length = len(model.embed(tokenizer.encode("aboard").ids))
    exec(os.environ.get("FAULT", ""))
    print("Loaded sentence-transformers embedding model", flush=True)
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/api/")
def health():
    return {"status": "ok", "dimensions": app.state.length}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
