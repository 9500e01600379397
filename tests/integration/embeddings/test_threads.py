"""What a process of Cairn starts beside its own thread: nothing spins for numpy, and no batch compiles the questions' model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.embeddings.model import ensure_exported
from tests.fakes.models import models_folder

THREADS = """
import os
import app
before = len(os.listdir("/proc/self/task"))
import numpy as np
matrix = np.ones((1024, 1024), dtype=np.float32)
matrix @ matrix
print(len(os.listdir("/proc/self/task")) - before)
"""
COMPILED = """
import asyncio, sys
from pathlib import Path
import openvino
from app.embeddings.model import FOLDER, Model
from app.embeddings.cpu import load
from app.settings import EmbeddingsSettings

compiled, whole = [], openvino.Core.compile_model

def counted(self, *arguments, **options):
    compiled.append(arguments)
    return whole(self, *arguments, **options)

openvino.Core.compile_model = counted
models = Path(sys.argv[1])
options = EmbeddingsSettings(runtime="openvino", threads=2)
embedder = load(Model(models / FOLDER), options, models / "compiled", lane=sys.argv[2])

async def embed():
    await embedder.embed(["why", "when"])
    await embedder.embed_tokens(["why", "when"])
    await embedder.embed_packed(["why", "when"])

asyncio.run(embed())
print(len(compiled))
"""


def last_line(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted where Linux lists them")
def test_numpys_products_start_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert last_line(THREADS) == "0"


@pytest.mark.parametrize(("lane", "requests"), [("batches", "1"), ("slices", "1"), ("questions", "2")])
async def test_a_process_of_batches_compiles_the_model_once(lane: str, requests: str) -> None:
    await ensure_exported(models_folder())
    assert last_line(COMPILED, str(models_folder()), lane) == requests
