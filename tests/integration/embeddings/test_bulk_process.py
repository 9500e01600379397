"""The process that embeds batches: the same vectors, at low priority; started when needed, again when it died, gone when idle."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.cache.memory import MemoryCache
from app.embeddings import open_bulk, open_embedder
from app.embeddings.bulk import MAX_QUESTION_TEXTS
from app.embeddings.model import ensure_exported
from app.embeddings.process import NICE
from app.embeddings.supervision import EmbeddingProcess
from app.errors import Unavailable
from app.settings import EmbeddingsSettings
from tests.fakes.models import models_folder
from tests.waiting import patience

TEXTS = ["", "hello", "The payment worker timed out.", "word " * 600, "为什么我们选择了这个方案", *(f"case {n} " * n for n in range(1, 40))]
PATIENCE = 60.0

SPEAKING = """
import sys
from app.embeddings.frames import LENGTH, SliceReply, framed
out, count = sys.stdout.buffer, 0
def say(reply):
    out.write(framed(reply)); out.flush()
def heard():
    head = sys.stdin.buffer.read(4)
    if len(head) < 4: sys.exit()
    return sys.stdin.buffer.read(LENGTH.unpack(head)[0])
"""


def speaking(body: str, **options: float) -> EmbeddingProcess:
    """A process that speaks the protocol, with another mind."""
    return EmbeddingProcess([sys.executable, "-c", SPEAKING + body], **{"timeout_seconds": PATIENCE, **options})


@pytest.fixture
async def process() -> AsyncIterator[EmbeddingProcess]:
    await ensure_exported(models_folder())
    made = EmbeddingProcess.of(EmbeddingsSettings(device="cpu"), models_folder())
    yield made
    await made.close()


async def gone(pid: int) -> None:
    async with patience():
        while psutil.pid_exists(pid):
            await asyncio.sleep(0.02)


async def test_a_batch_has_the_vectors_that_its_texts_have_alone_and_in_their_order() -> None:
    memory = MemoryCache("lru", entries=1, max_bytes=2**16)
    async with (
        open_embedder(EmbeddingsSettings(device="cpu"), models_folder(), memory, ttl_seconds=60) as questions,
        open_bulk(questions, EmbeddingsSettings(device="cpu"), models_folder()) as bulk,
    ):
        assert len(TEXTS) > MAX_QUESTION_TEXTS
        found, wanted = await bulk.embedder.embed(TEXTS), await questions.embed(TEXTS)
    assert found.shape == (len(TEXTS), 384)
    assert float((found * wanted).sum(axis=1).min()) > 0.9998


async def test_it_starts_with_the_first_batch_and_yields_to_everybody(process: EmbeddingProcess) -> None:
    assert process.pid is None
    await process.embed(["hello"])
    assert process.pid is not None
    assert psutil.Process(process.pid).nice() >= NICE
    autogroup = Path(f"/proc/{process.pid}/autogroup")
    if autogroup.exists():
        assert autogroup.read_text().split()[-1] == str(NICE)


async def test_one_that_was_killed_is_started_again_and_the_slice_embedded(process: EmbeddingProcess) -> None:
    before = await process.embed(["hello"])
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    after = await process.embed(["hello"])
    assert process.pid not in {None, first}
    assert np.array_equal(before, after)


async def test_texts_that_it_dies_over_twice_are_an_error_and_others_are_embedded() -> None:
    process = speaking(
        "say(SliceReply())\nwhile True:\n    if b'poison' in heard(): sys.exit(3)\n    say(SliceReply(vectors=bytes(4 * 384)))"
    )
    with pytest.raises(Unavailable, match="died while embedding these texts") as error:
        await process.embed(["poison"])
    assert error.value.code == "embeddings_unavailable"
    assert (await process.embed(["bread"])).shape == (1, 384)
    await process.close()


async def test_one_that_does_not_start_says_so() -> None:
    process = speaking("sys.exit(2)")
    with pytest.raises(Unavailable, match="could not be started"):
        await process.embed(["hello"])
    assert process.pid is None


async def test_a_runtimes_error_is_told_in_its_words_and_the_process_goes_on() -> None:
    process = speaking(
        "say(SliceReply())\nwhile heard():\n    count += 1\n    say(SliceReply(bytes(1536) if count > 1 else b'', '' if count > 1 else 'ValueError: too odd'))"
    )
    with pytest.raises(Unavailable, match="too odd"):
        await process.embed(["hello"])
    pid = process.pid
    assert (await process.embed(["hello"])).shape == (1, 384)
    assert process.pid == pid
    await process.close()


async def test_one_that_hangs_is_ended_and_the_next_slice_has_another() -> None:
    process = speaking("say(SliceReply())\nheard()\nimport time; time.sleep(3600)", timeout_seconds=0.2)
    await process.start()
    pid = process.pid
    assert pid is not None
    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await process.embed(["hello"])
    await gone(pid)


async def test_a_slice_that_is_given_up_leaves_no_answer_behind_for_the_next_one() -> None:
    process = speaking("say(SliceReply())\nheard()\nimport time; time.sleep(3600)")
    await process.start()
    pid = process.pid
    assert pid is not None
    task = asyncio.create_task(process.embed(["hello"]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)
    assert process.pid is None


async def test_one_that_nobody_needs_leaves() -> None:
    process = speaking("say(SliceReply())\nwhile True:\n    heard(); say(SliceReply(vectors=bytes(1536)))", idle_seconds=0.05)
    await process.embed(["hello"])
    pid = process.pid
    if pid is not None:
        await gone(pid)
    assert process.pid is None
    assert (await process.embed(["hello"])).shape == (1, 384)
    await process.close()


async def test_it_ends_with_its_owner_however_that_ended() -> None:
    code = (
        "import asyncio, os, sys; from pathlib import Path; from app.embeddings.supervision import EmbeddingProcess; from app.settings import EmbeddingsSettings\n"
        "async def main():\n"
        "    process = EmbeddingProcess.of(EmbeddingsSettings(device='cpu'), Path(sys.argv[1]))\n"
        "    await process.start(); print(process.pid, flush=True); os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    await ensure_exported(models_folder())
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(models_folder()), stdout=asyncio.subprocess.PIPE)
    assert owner.stdout is not None
    lines = [line async for line in owner.stdout]  # their end: the process, which holds nothing of it, needn't end for that
    await owner.wait()
    await gone(int(lines[-1]))
