"""One runtime of the embedding model, measured: python tests/performance/measure_embedding.py openvino|onnxruntime bf16|fp32 THREADS."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as app/__init__.py does, which this script imports after numpy

import numpy as np
import psutil

from app.embeddings.cpu import load
from app.embeddings.model import ensure_exported
from app.embeddings.runtime import RuntimeEmbedder
from app.settings import EmbeddingsSettings
from tests.fakes.models import models_folder
from tests.performance.corpus import lessons, questions
from tests.performance.measure import percentile, timed


async def main(runtime: str, precision: str, threads: int) -> None:
    model = await ensure_exported(models_folder())
    began = time.perf_counter()
    options = EmbeddingsSettings(runtime=runtime, precision=precision, threads=threads)
    embedder = load(model, options, models_folder() / "compiled")
    loaded = time.perf_counter() - began
    asked = iter(questions(220))
    singles = await timed(lambda: embedder.embed([next(asked)]), iterations=200, warm_up=20)

    words = [word for title, body in lessons(200) for word in f"{title} {body}".split()]
    chosen = random.Random(1)
    texts = [" ".join(chosen.choices(words, k=chosen.choice([8, 20, 60, 120, 250]))) for _ in range(500)]
    began = time.perf_counter()
    vectors = await embedder.embed(texts)
    rate = len(texts) / (time.perf_counter() - began)
    packed, packed_ms = await _packed(embedder, texts)
    alone = np.vstack([await embedder.embed([text]) for text in texts[:60]])
    lag = await _longest_delay(embedder.embed([f"{text} again" for text in texts[:64]]))
    print(
        f"{runtime} {precision}, {threads} threads: load {loaded:.2f} s, one text p50 {percentile(singles, 0.5):.2f} p95 {percentile(singles, 0.95):.2f} ms, "
        f"{rate:.0f} texts/s, with packed token vectors {packed:.0f} ({packed_ms:.1f} ms of processor each), alone vs batch {float((alone * vectors[:60]).sum(1).min()):.6f}, longest delay of the loop {lag:.1f} ms, "
        f"RSS {psutil.Process().memory_info().rss / 1e6:.0f} MB"
    )


async def _packed(embedder: RuntimeEmbedder, texts: list[str]) -> tuple[float, float]:
    """Passages a second, and the processor's milliseconds for each: on a busy machine only the latter says something."""
    began, spent = time.perf_counter(), time.process_time()
    await embedder.embed_packed(texts)
    return len(texts) / (time.perf_counter() - began), (time.process_time() - spent) / len(texts) * 1000


async def _longest_delay(work: Awaitable[object]) -> float:
    """Milliseconds that a sleep of one millisecond overslept, at most, while `work` went on."""
    task, longest = asyncio.ensure_future(work), 0.0
    while not task.done():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - began - 0.001)
    return longest * 1000


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
