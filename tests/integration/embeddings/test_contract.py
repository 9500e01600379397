"""Every runtime of the model: the same vectors, whatever runs it. The GPU's where there is one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from app.embeddings import Embedder, cuda
from app.embeddings.model import Model, exported
from app.embeddings.runtime import load
from app.errors import ConfigurationError
from app.settings import Embeddings
from tests.fakes.models import models_folder

TEXTS = [
    "hello",
    "",
    "The payment worker timed out because its pool had only five connections.",
    "为什么我们选择了这个方案",
    "def parse(line: str) -> Event:\n    return Event(**json.loads(line))",
    *(f"{'the queue is full again and ' * length} number {length}" for length in range(1, 90, 3)),
]
Loader = Callable[[Model], Embedder]


def on_cpu(runtime: str, precision: str) -> Loader:
    options = Embeddings(runtime=runtime, precision=precision, device="cpu")  # type: ignore[arg-type]
    return lambda model: load(model, options, models_folder() / "compiled")


RUNTIMES: dict[str, Loader] = {
    "onnxruntime": on_cpu("onnxruntime", "fp32"),
    "openvino": on_cpu("openvino", "auto"),
    "torch on the processor": lambda model: cuda.load(model, Embeddings(), device="cpu"),
    "torch on a GPU": lambda model: cuda.load(model, Embeddings()),
}


@pytest.fixture(scope="module", params=RUNTIMES)
async def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "torch on a GPU" and (missing := await asyncio.to_thread(cuda._missing)):
        pytest.skip(missing)
    return await asyncio.to_thread(RUNTIMES[request.param], await exported(models_folder()))


@pytest.fixture(scope="module")
async def exact() -> np.ndarray:
    loaded = await asyncio.to_thread(RUNTIMES["onnxruntime"], await exported(models_folder()))
    return await loaded.embed(TEXTS)


async def test_vectors_agree_with_fp32_on_the_processor(embedder: Embedder, exact: np.ndarray) -> None:
    found = await embedder.embed(TEXTS)
    assert (found.shape, found.dtype) == (exact.shape, np.float32)
    assert float((found * exact).sum(axis=1).min()) >= 0.999
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)


async def test_no_text_is_an_empty_array(embedder: Embedder) -> None:
    assert (await embedder.embed([])).shape == (0, 384)


async def test_a_text_has_the_same_vector_in_any_batch(embedder: Embedder) -> None:
    together = await embedder.embed(TEXTS)
    for place in (0, 1, 3, len(TEXTS) - 1):
        assert float((await embedder.embed([TEXTS[place]]))[0] @ together[place]) > 0.9998


def test_without_a_gpu_a_setting_that_asks_for_one_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "devices", lambda: 0)
    assert cuda.wanted(Embeddings(device="auto"), batches=True) is False
    with pytest.raises(ConfigurationError, match="CAIRN_EMBEDDINGS__DEVICE is cuda, but NVIDIA's driver names no GPU"):
        cuda.wanted(Embeddings(device="cuda"), batches=False)


def test_with_a_gpu_that_torch_cannot_use_the_processor_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    if cuda.devices():
        pytest.skip("there is a GPU that torch may use")
    monkeypatch.setattr(cuda, "devices", lambda: 1)
    assert cuda.wanted(Embeddings(device="auto"), batches=True) is False
    with pytest.raises(ConfigurationError, match="Install its CUDA build"):
        cuda.wanted(Embeddings(device="cuda"), batches=False)


@pytest.mark.parametrize(
    ("device", "batches", "taken"), [("auto", True, True), ("auto", False, False), ("cpu", True, False), ("cuda", False, True)]
)
def test_a_gpu_is_taken_for_batches_or_where_the_setting_says_so(
    monkeypatch: pytest.MonkeyPatch, device: str, batches: bool, taken: bool
) -> None:
    monkeypatch.setattr(cuda, "_missing", lambda: "")
    assert cuda.wanted(Embeddings(device=device), batches=batches) is taken  # type: ignore[arg-type]


def test_a_worker_without_a_gpu_imports_no_torch() -> None:
    if cuda.devices():
        pytest.skip("there is a GPU: a worker imports torch to use it")
    code = (
        "import asyncio, sys; from pathlib import Path; from app.cache.memory import Memory; from app.embeddings import open_embedder; from app.settings import Embeddings\n"
        "memory = Memory('lru', entries=9, most_bytes=2**20)\n"
        "async def main():\n"
        "    async with open_embedder(Embeddings(), Path(sys.argv[1]), memory, ttl_seconds=60, batches=True) as embedder: await embedder.embed(['hello'])\n"
        "asyncio.run(main())\n"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])"
    )
    run = partial(subprocess.run, [sys.executable, "-c", code, str(models_folder())], check=True, capture_output=True, text=True)
    run()  # the export, where there was none yet
    assert run().stdout.strip().splitlines()[-1] == "[]"


def test_a_batch_that_does_not_fit_the_gpu_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    run = cuda._on("cpu", cuda._checked(), half=False)
    whole, tried = torch.nn.functional.normalize, []

    def small(found: torch.Tensor, **options: object) -> torch.Tensor:
        tried.append(len(found))
        if len(found) > 8:
            raise torch.cuda.OutOfMemoryError("full")
        return whole(found, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.functional, "normalize", small)
    ids, mask = np.full((20, 4), 102), np.ones((20, 4), dtype=np.int64)
    ids[:, 0], ids[:, 1] = 101, np.arange(2000, 2020)
    found = run(ids, mask)
    assert found.shape == (20, 384)
    assert tried == [20, 10, 5, 5, 10, 5, 5]
