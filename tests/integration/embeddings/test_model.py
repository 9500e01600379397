"""The real model: exported once, checked, the same alone and in company, without torch."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.cache.memory import MemoryCache
from app.embeddings import Embedder, export, open_embedder
from app.embeddings.cpu import load
from app.embeddings.model import FOLDER, GRAPH, MANIFEST, Model, check_weights, ensure_exported, weights_folder
from app.errors import ConfigurationError
from app.settings import EmbeddingsSettings
from tests.fakes.models import models_folder
from tests.performance.corpus import lessons

pytestmark = pytest.mark.long

TEXTS = [
    "hello",
    "",
    "The payment worker timed out because its pool had only five connections.",
    "为什么我们选择了这个方案",
    "def parse(line: str) -> Event:\n    return Event(**json.loads(line))",
    "word " * 600,
]


def memory(entries: int = 100) -> MemoryCache:
    return MemoryCache("lru", entries=entries, max_bytes=2**20)


@pytest.fixture(scope="module")
async def embedder() -> Embedder:
    async with open_embedder(EmbeddingsSettings(), models_folder(), memory(), ttl_seconds=60) as opened:
        return opened


async def test_vectors_have_unit_length_also_of_an_empty_text(embedder: Embedder) -> None:
    vectors = await embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


async def test_a_text_has_the_same_vector_alone_and_in_any_company() -> None:
    async with open_embedder(EmbeddingsSettings(), models_folder(), memory(1), ttl_seconds=60) as embedder:
        together = await embedder.embed(TEXTS)
        for text, vector in zip(TEXTS, together, strict=True):
            alone = (await embedder.embed([text]))[0]
            assert float(alone @ vector) > 0.9998


async def test_like_is_near_and_unlike_is_far(embedder: Embedder) -> None:
    near, same, far = await embedder.embed(
        ["the database connection pool was exhausted", "we ran out of database connections", "a recipe for apple pie"]
    )
    assert near @ same > 0.6
    assert near @ far < 0.2


async def test_fp32_and_the_chosen_precision_agree(embedder: Embedder) -> None:
    async with open_embedder(
        EmbeddingsSettings(runtime="onnxruntime", precision="fp32"), models_folder(), memory(), ttl_seconds=60
    ) as exact:
        wanted, found = await exact.embed(TEXTS), await embedder.embed(TEXTS)
    assert float((wanted * found).sum(axis=1).min()) > 0.9995


async def test_folders_that_are_links_to_one_model_share_what_was_compiled_of_it(tmp_path: Path) -> None:
    model = await ensure_exported(models_folder())
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(model.folder)
        await asyncio.to_thread(load, Model(tmp_path / name), EmbeddingsSettings(runtime="openvino", threads=1), tmp_path / "compiled")
    assert len(list((tmp_path / "compiled").glob("*.blob"))) == 1


def test_weights_that_are_not_the_authors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ConfigurationError, match="sha256"):
        check_weights(tmp_path)
    check_weights(weights_folder())


async def test_a_damaged_export_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / GRAPH).write_bytes(b"half")
    models = await asyncio.gather(ensure_exported(tmp_path), ensure_exported(tmp_path))
    assert models[0].graph.stat().st_size > 1_000_000
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(f".{FOLDER}")] == []


def test_neither_the_export_nor_a_start_after_it_imports_torch(tmp_path: Path) -> None:
    export = "import sys; from pathlib import Path; from app.embeddings.export import main; main(Path(sys.argv[1]) / 'model')\n"
    start = (
        "import asyncio, sys; from pathlib import Path; from app.embeddings import open_embedder; from app.settings import EmbeddingsSettings; from app.cache.memory import MemoryCache\n"
        "async def main():\n"
        "    async with open_embedder(EmbeddingsSettings(), Path(sys.argv[1]), MemoryCache('lru', entries=9, max_bytes=2**20), ttl_seconds=60) as embedder: await embedder.embed(['hello'])\n"
        "asyncio.run(main())\n"
    )
    ending = "print([name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])"
    for code, folder in ((export, tmp_path), (start, models_folder())):
        done = subprocess.run([sys.executable, "-c", code + ending, str(folder)], check=True, capture_output=True, text=True)
        assert done.stdout.strip().splitlines()[-1] == "[]"


async def test_a_thousand_texts_have_the_vectors_of_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    texts = [*TEXTS, *(f"{title}: {body}" for title, body in lessons(1000 - len(TEXTS)))]
    model = await asyncio.to_thread(SentenceTransformer, str(weights_folder()), device="cpu")
    wanted = await asyncio.to_thread(model.encode, texts, normalize_embeddings=True)
    async with open_embedder(
        EmbeddingsSettings(runtime="onnxruntime", precision="fp32"), models_folder(), memory(), ttl_seconds=60
    ) as exact:
        found = await exact.embed(texts)
    assert len(texts) == 1000
    assert float((wanted * found).sum(axis=1).min()) > 0.9999


def test_an_export_whose_vectors_are_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.load(export.REFERENCE)
    np.save(tmp_path / "others.npy", np.roll(vectors, 1, axis=1))
    monkeypatch.setattr(export, "REFERENCE", tmp_path / "others.npy")
    with pytest.raises(SystemExit, match="differs from sentence-transformers: cosine"):
        export.main(tmp_path / "model")
    assert not (tmp_path / "model" / MANIFEST).exists()


async def test_token_vectors_leave_the_pooled_ones_as_they_are_to_the_bit() -> None:
    embedder = await asyncio.to_thread(load, await ensure_exported(models_folder()), EmbeddingsSettings(), models_folder() / "compiled")
    encoded = await embedder.embed_tokens(TEXTS)
    assert np.array_equal(np.stack([each.vector for each in encoded]), embedder.embed_blocking(TEXTS))
    assert [len(each.tokens) for each in encoded] == [len(each.pieces) for each in encoded]
    assert encoded[1].tokens.shape == (0, 384)
