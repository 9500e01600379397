"""Throughput of the model on the processor and on an NVIDIA GPU, and whether their vectors agree, as JSON.

On a machine with Cairn installed:      python tests/performance/measure_gpu.py
For a bare machine without a network:   python tests/performance/measure_gpu.py --pack .gpu
                                        python3 tests/performance/measure_gpu.py --packed .gpu    (there; docs/how-to/use-a-gpu.md has the whole command)

Packed, the weights are rounded to fp16 (45 MB instead of 90, what a lent machine takes at once) for both sides alike. Exit 1 unless
every vector agrees (cosine ≥ 0.999) and batches are at least 5 times as fast.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import structlog

if TYPE_CHECKING:
    from app.embeddings.embedder import Embedder
    from app.embeddings.model import Model
    from app.embeddings.runtime import RuntimeEmbedder

ROOT = Path(__file__).resolve().parents[2]
TEXTS, SINGLES, MIN_COSINE, MIN_RATIO = 4096, 50, 0.999, 5.0
CPU_TEXTS = 512
"""The processor gets fewer: its rate is the same, and the machine is lent."""
WORDS = (8, 20, 60, 120, 200)
SMALL = ("pydantic", "pydantic-core", "pydantic-settings", "structlog", "cachebox", "python-dotenv", "annotated-types", "typing-inspection")
"""What a machine with torch, sentence-transformers and ONNX Runtime still lacks to import `app.embeddings`."""
PLATFORMS = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (17, 24, 27, 28, 31, 34, 35)] + ["--platform=manylinux2014_x86_64"]


def pack(folder: Path, python: str) -> None:
    """FOLDER: weights and small wheels. FOLDER-openvino: the processor's fast runtime, too large for the same trip."""
    from safetensors.numpy import load_file, save_file

    from app.embeddings.model import check_weights, weights_folder

    source = weights_folder()
    check_weights(source)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder / "model", ignore=shutil.ignore_patterns("*.safetensors", "README.md", "data_config.json", ".git*"))
    rounded = {
        name: array.astype(np.float16) if array.dtype == np.float32 else array
        for name, array in load_file(source / "model.safetensors").items()
    }
    settings = json.loads((source / "config.json").read_text()) | {"dtype": "float32", "torch_dtype": "float32"}
    (folder / "model" / "config.json").write_text(json.dumps(settings))  # computed in fp32 all the same
    save_file(rounded, folder / "model" / "model.safetensors", metadata={"format": "pt"})
    _download(folder / "wheels", python, SMALL)
    _download(folder.with_name(f"{folder.name}-openvino"), python, ("openvino", "openvino-telemetry"))
    for each in (folder, folder.with_name(f"{folder.name}-openvino")):
        print(f"{each}: {sum(file.stat().st_size for file in each.rglob('*') if file.is_file()) / 2**20:.1f} MiB")


def _download(folder: Path, python: str, names: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    pins = dict(
        line.split("#")[0].strip().split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line.split("#")[0]
    )
    wanted = [f"{name}=={pins[name]}" for name in names]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--implementation=cp"]
    subprocess.run([*command, f"--python-version={python}", *PLATFORMS, f"--dest={folder}", *wanted], check=True)


def passages() -> list[str]:
    """Invented sentences of 8 to 200 words, as mixed as items are."""
    from tests.performance.corpus import lessons

    chosen = random.Random(1)
    words = [word for title, body in lessons(200) for word in f"{title} {body}".split()]
    return [" ".join(chosen.choices(words, k=chosen.choice(WORDS))) for _ in range(TEXTS)]


async def rate(embedder: Embedder, texts: list[str], *, repeats: int = 1) -> tuple[float, np.ndarray]:
    """Texts a second (the best of `repeats`), after a warm-up with the same shapes; and the vectors."""
    embed = embedder.embed
    await embed(texts[: max(64, len(texts) // 8)])
    fastest = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        vectors = await embed(texts)
        fastest = min(fastest, time.perf_counter() - began)
    return round(len(texts) / fastest, 1), vectors


async def one_by_one(embedder: Embedder, texts: list[str]) -> dict[str, float]:
    took = []
    for text in texts[: SINGLES + 5]:
        began = time.perf_counter()
        await embedder.embed([text])
        took.append((time.perf_counter() - began) * 1000)
    return {"p50_ms": round(float(np.percentile(took[5:], 50)), 2), "p95_ms": round(float(np.percentile(took[5:], 95)), 2)}


async def measure(weights: Path | None) -> dict[str, object]:
    from app.embeddings import cuda
    from app.settings import EmbeddingsSettings

    texts, short = passages(), [text for text in passages() if len(text.split()) == WORDS[0]]
    report: dict[str, object] = {"texts": TEXTS, "cpus": os.cpu_count(), "weights": "fp16, rounded" if weights else "as published"}
    with tempfile.TemporaryDirectory() as scratch:
        model = await _model(weights, Path(scratch), report)
        reference: np.ndarray | None = None
        agrees: float | None
        fastest = 0.0
        for name, load in _processors(model, Path(scratch), weights).items():
            try:
                embedder = await asyncio.to_thread(load)
                found, vectors = await rate(embedder, texts[:CPU_TEXTS])
            except Exception as error:
                report[name] = {"error": f"{type(error).__name__}: {error}"[:400]}
                continue
            fastest = max(fastest, found)
            reference = vectors if reference is None else reference
            agrees = round(float((vectors * reference).sum(axis=1).min()), 6)
            report[name] = {"texts_per_second": found, "least_cosine": agrees, "one": await one_by_one(embedder, short)}
        if problem := cuda._problem():
            return report | {"cuda": {"skipped": problem}}
        import torch

        report["gpu"] = {
            "name": torch.cuda.get_device_name(),
            "free_gib": round(torch.cuda.mem_get_info()[0] / 2**30, 1),
            "torch": torch.__version__,
        }
        for precision in ("fp32", "auto"):
            options = EmbeddingsSettings(device="cuda", precision=precision)
            began = time.perf_counter()
            embedder = await asyncio.to_thread(cuda.load, model, options, weights=weights)
            loaded = round(time.perf_counter() - began, 2)
            found, vectors = await rate(embedder, texts, repeats=3)
            agrees = None if reference is None else round(float((vectors[:CPU_TEXTS] * reference).sum(axis=1).min()), 6)
            report[f"cuda {'fp32' if precision == 'fp32' else 'fp16 (default)'}"] = {
                "texts_per_second": found,
                "times_the_fastest_processor_path": round(found / fastest, 1) if fastest else None,
                "least_cosine": agrees,
                "load_seconds": loaded,
                "one": await one_by_one(embedder, short),
                "padded_tokens": embedder._padded_tokens,
                "gpu_peak_mib": round(torch.cuda.max_memory_allocated() / 2**20),
            }
    return report


async def _model(weights: Path | None, scratch: Path, report: dict[str, object]) -> Model:
    """The exported model. Packed weights are exported here and now; without a graph only torch's paths are measured."""
    from app.embeddings import export
    from app.embeddings.model import GRAPH, TOKENIZER, Model, ensure_exported
    from tests.fakes.models import models_folder

    if weights is None:
        return await ensure_exported(models_folder())
    shutil.copyfile(weights / "tokenizer.json", scratch / TOKENIZER)
    try:
        export.write_graph(weights, scratch / GRAPH)
    except BaseException as error:
        report["export"] = f"{type(error).__name__}: {error}"[:400]
    return Model(scratch)


def _processors(model: Model, scratch: Path, weights: Path | None) -> dict[str, Callable[[], RuntimeEmbedder]]:
    """The paths of a Cairn without a GPU, fp32 first: the others are compared with it."""
    from app.embeddings import cpu, cuda
    from app.settings import EmbeddingsSettings

    ways: dict[str, Callable[[], RuntimeEmbedder]] = {}
    for name, precision in (("onnxruntime", "fp32"), ("openvino", "bf16")):
        options = EmbeddingsSettings(device="cpu", runtime=name, precision=precision)
        if importlib.util.find_spec(name) is not None:
            ways[f"processor, {name} {precision}, 4 threads"] = partial(cpu.load, model, options, scratch / "compiled")
    ways["processor, sentence-transformers on torch fp32"] = lambda: cuda.load(model, EmbeddingsSettings(), device="cpu", weights=weights)
    return ways


def verdict(report: dict[str, object]) -> int:
    """0: as promised, or there is no GPU to promise anything of."""
    found = report.get("cuda fp16 (default)")
    if not isinstance(found, dict):
        return 0
    ratio, cosine = found["times_the_fastest_processor_path"], found["least_cosine"]
    return 0 if ratio is not None and ratio >= MIN_RATIO and cosine is not None and cosine >= MIN_COSINE else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, metavar="FOLDER")
    parser.add_argument("--packed", type=Path, metavar="FOLDER")
    parser.add_argument("--python", default="3.12", help="of the bare machine")
    options = parser.parse_args()
    if options.pack:
        pack(options.pack, options.python)
        return 0
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the report is all that stdout holds
    report = asyncio.run(measure(options.packed / "model" if options.packed else None))
    print(json.dumps(report, indent=2))
    return verdict(report)


if __name__ == "__main__":
    sys.exit(main())
