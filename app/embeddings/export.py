"""`python -m app.embeddings.export FOLDER`: writes the model as an ONNX graph, once, from its published weights, without torch.

The graph covers everything after the tokenizer: transformer, masked mean, normalization; its second output is the token vectors before
the mean, for late interaction. Before it is used, its vectors of SAMPLES are compared with those that sentence-transformers made
(`reference_vectors.npy`, written by `python tests/performance/make_reference_vectors.py`).
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from safetensors.numpy import load_file

from app.embeddings.graph import Shape, encoder
from app.embeddings.model import GRAPH, TOKENIZER, WEIGHTS, check_weights, weights_folder, write_manifest
from app.embeddings.tokenizer import Tokenizer

MIN_COSINE = 0.9999
"""Least similarity of a sample's exported vector to sentence-transformers' own."""
SAMPLES = [  # short, long, code, Chinese
    "hello",
    "The payment worker timed out: its pool had only 5 connections.",
    "def f(x):\n    return x + 1",
    "为什么选择这个方案",
    "word " * 300,
]
REFERENCE = Path(__file__).with_name("reference_vectors.npy")


def main(folder: Path) -> None:
    """Write graph, tokenizer and manifest into a new folder."""
    source = weights_folder()
    check_weights(source)
    folder.mkdir(parents=True)
    shutil.copyfile(source / "tokenizer.json", folder / TOKENIZER)
    write_graph(source, folder / GRAPH)
    _compare(folder / GRAPH, folder / TOKENIZER)
    write_manifest(folder)


def write_graph(source: Path, graph: Path) -> None:
    """Write the graph of the weights in a folder. ValueError: they are of a model that can't be built."""
    shape = Shape.of(json.loads((source / "config.json").read_text()))
    onnx.save(encoder(load_file(source / WEIGHTS), shape), graph)


def _compare(graph: Path, tokenizer: Path) -> None:
    """Exit with an error unless the graph's vectors of SAMPLES are the reference's."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    ids, mask = Tokenizer(tokenizer).batch(SAMPLES)
    (found,) = session.run(["vectors"], {"ids": ids, "mask": mask})
    lowest = float((found * np.load(REFERENCE)).sum(axis=1).min())
    if not lowest >= MIN_COSINE:  # also where a vector is not a number
        raise SystemExit(f"The exported model differs from sentence-transformers: cosine {lowest:.5f}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
