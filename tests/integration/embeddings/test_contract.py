"""Every runtime of the model: the same vectors, whatever runs it. The GPU's where there is one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from app.embeddings import Embedder, Encoded, TokenEmbedder, cuda, late_interaction
from app.embeddings.cpu import load
from app.embeddings.model import Model, ensure_exported
from app.errors import ConfigurationError
from app.settings import EmbeddingsSettings
from tests.fakes.models import models_folder

pytestmark = pytest.mark.long

TEXTS = [
    "hello",
    "",
    "The payment worker timed out because its pool had only five connections.",
    "为什么我们选择了这个方案",
    "def parse(line: str) -> Event:\n    return Event(**json.loads(line))",
    *(f"{'the queue is full again and ' * length} number {length}" for length in range(1, 90, 3)),
]
ODD = ["😀", "🏳️‍🌈👩‍💻", "שלום עולם, מה שלומך?", "لماذا اخترنا هذا الحل", "a\ud800b", "\udc00", "\x00", "x" * 20_000]
Loader = Callable[[Model], TokenEmbedder]


def on_cpu(runtime: str, precision: str) -> Loader:
    options = EmbeddingsSettings(runtime=runtime, precision=precision, device="cpu")  # type: ignore[arg-type]
    return lambda model: load(model, options, models_folder() / "compiled")


RUNTIMES: dict[str, Loader] = {
    "onnxruntime": on_cpu("onnxruntime", "fp32"),
    "openvino": on_cpu("openvino", "auto"),
    "torch on the processor": lambda model: cuda.load(model, EmbeddingsSettings(), device="cpu"),
    "torch on a GPU": lambda model: cuda.load(model, EmbeddingsSettings()),
}


@pytest.fixture(scope="module", params=RUNTIMES)
async def embedder(request: pytest.FixtureRequest) -> TokenEmbedder:
    if request.param == "torch on a GPU" and (problem := await asyncio.to_thread(cuda._problem)):
        pytest.skip(problem)
    return await asyncio.to_thread(RUNTIMES[request.param], await ensure_exported(models_folder()))


@pytest.fixture(scope="module")
async def exact() -> np.ndarray:
    loaded = await asyncio.to_thread(RUNTIMES["onnxruntime"], await ensure_exported(models_folder()))
    return await loaded.embed(TEXTS)


@pytest.fixture(scope="module")
async def exact_tokens() -> list[Encoded]:
    loaded = await asyncio.to_thread(RUNTIMES["onnxruntime"], await ensure_exported(models_folder()))
    return await loaded.embed_tokens(TEXTS + ODD)


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


async def test_token_vectors_agree_with_fp32_on_the_processor(embedder: TokenEmbedder, exact_tokens: list[Encoded]) -> None:
    found = await embedder.embed_tokens(TEXTS + ODD)
    for each, exact in zip(found, exact_tokens, strict=True):
        assert (each.pieces, each.offsets) == (exact.pieces, exact.offsets)
        assert each.tokens.shape == (len(each.pieces), 384)
        assert np.all((each.tokens * exact.tokens).sum(axis=1) > 0.99)


async def test_a_texts_vector_is_the_same_with_token_vectors_and_without(embedder: TokenEmbedder) -> None:
    texts = TEXTS + ODD
    encoded, vectors = await embedder.embed_tokens(texts), await embedder.embed(texts)
    assert float((np.stack([each.vector for each in encoded]) * vectors).sum(axis=1).min()) > 0.9999
    alone = await embedder.embed_tokens([texts[-1]])
    assert float(alone[0].vector @ vectors[-1]) > 0.9998


async def test_a_text_without_tokens_has_a_vector(embedder: TokenEmbedder) -> None:
    empty, half = await embedder.embed_tokens(["", "\ud83d"])
    assert empty.tokens.shape == half.tokens.shape == (0, 384)
    assert abs(float(np.linalg.norm(half.vector)) - 1) < 1e-3


async def test_half_a_surrogate_pair_takes_nothing_from_the_text_around_it_nor_from_its_neighbours(embedder: TokenEmbedder) -> None:
    whole, broken, beside = await embedder.embed_tokens(["the pool is full", "the pool\udc00 is full", "beside"])
    assert (broken.pieces, beside.pieces) == (whole.pieces, ("beside",))
    assert broken.offsets[-1] == (13, 17)
    assert float(whole.vector @ (await embedder.embed(["the pool\udc00 is full"]))[0]) > 0.9998


async def test_packed_passages_are_those_of_their_token_vectors(embedder: TokenEmbedder) -> None:
    texts = (TEXTS + ODD) * 3  # more than one run
    packed, encoded = await embedder.embed_packed(texts), await embedder.embed_tokens(texts)
    for one, other in zip(packed, encoded, strict=True):
        assert float(one.vector @ other.vector) > 0.9998
        wanted = late_interaction.unpack(late_interaction.pack(other.pieces, other.tokens))
        assert len(late_interaction.unpack(one.late)) == len(wanted)
        if len(wanted):  # in another batch, in bf16, a token may change its cluster
            assert late_interaction.best_cosines(wanted, [one.late]).mean() > 0.95


async def test_no_passages_are_no_token_vectors(embedder: TokenEmbedder) -> None:
    assert await embedder.embed_tokens([]) == await embedder.embed_packed([]) == []


def test_without_a_gpu_a_setting_that_asks_for_one_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "devices", lambda: 0)
    assert cuda.use_gpu(EmbeddingsSettings(device="auto"), batches=True) is False
    with pytest.raises(ConfigurationError, match="CAIRN_EMBEDDINGS__DEVICE is cuda, but NVIDIA's driver reports no GPU"):
        cuda.use_gpu(EmbeddingsSettings(device="cuda"), batches=False)


def test_with_a_gpu_that_torch_cannot_use_the_processor_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    if cuda.devices():
        pytest.skip("there is a GPU that torch may use")
    monkeypatch.setattr(cuda, "devices", lambda: 1)
    assert cuda.use_gpu(EmbeddingsSettings(device="auto"), batches=True) is False
    with pytest.raises(ConfigurationError, match="Install its CUDA build"):
        cuda.use_gpu(EmbeddingsSettings(device="cuda"), batches=False)


@pytest.mark.parametrize(
    ("device", "batches", "taken"), [("auto", True, True), ("auto", False, False), ("cpu", True, False), ("cuda", False, True)]
)
def test_a_gpu_is_taken_for_batches_or_where_the_setting_says_so(
    monkeypatch: pytest.MonkeyPatch, device: str, batches: bool, taken: bool
) -> None:
    monkeypatch.setattr(cuda, "_problem", lambda: "")
    assert cuda.use_gpu(EmbeddingsSettings(device=device), batches=batches) is taken  # type: ignore[arg-type]


def test_a_worker_without_a_gpu_imports_no_torch() -> None:
    if cuda.devices():
        pytest.skip("there is a GPU: a worker imports torch to use it")
    code = (
        "import asyncio, sys; from pathlib import Path; from app.cache.memory import MemoryCache; from app.embeddings import open_embedder; from app.settings import EmbeddingsSettings\n"
        "memory = MemoryCache('lru', entries=9, max_bytes=2**20)\n"
        "async def main():\n"
        "    async with open_embedder(EmbeddingsSettings(), Path(sys.argv[1]), memory, ttl_seconds=60, batches=True) as embedder: await embedder.embed(['hello'])\n"
        "asyncio.run(main())\n"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])"
    )
    run = partial(subprocess.run, [sys.executable, "-c", code, str(models_folder())], check=True, capture_output=True, text=True)
    run()  # the export, where there was none yet
    assert run().stdout.strip().splitlines()[-1] == "[]"


def test_a_batch_that_does_not_fit_the_gpu_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    loaded = cuda._TorchModel("cpu", cuda._checked_weights(), half=False)
    whole, tried = torch.nn.functional.normalize, []

    def small(found: torch.Tensor, **options: object) -> torch.Tensor:
        tried.append(len(found))
        if len(found) > 8:
            raise torch.cuda.OutOfMemoryError("full")
        return whole(found, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.functional, "normalize", small)
    ids, mask = np.full((20, 4), 102), np.ones((20, 4), dtype=np.int64)
    ids[:, 0], ids[:, 1] = 101, np.arange(2000, 2020)
    found = loaded.run(ids, mask)
    assert found.shape == (20, 384)
    assert tried == [20, 10, 5, 5, 10, 5, 5]
    vectors, tokens = loaded.run_tokens(ids, mask)
    assert np.array_equal(vectors, found)
    assert tokens.shape == (20, 4, 384)
    pooled = tokens.mean(axis=1)
    assert np.allclose(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), found, atol=1e-5)
