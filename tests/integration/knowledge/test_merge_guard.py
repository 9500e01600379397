"""One word keeps two lessons apart, and other words for the same don't: in the store, and by the model's own vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.embeddings import Embedder
from app.embeddings.cpu import load
from app.embeddings.model import ensure_exported
from app.settings import EmbeddingsSettings
from tests.contrast_pairs import contrast_pairs, held_out_pairs
from tests.fakes.models import models_folder
from tests.integration.knowledge.conftest import Bench, lesson
from tests.paraphrases import HELD_OUT, KNOWN, LATEST, UNSEEN
from tests.performance.measure_merging import merged

THRESHOLD = 0.95
APART = [
    ("The importer keeps at least one idle worker for the nightly run", "The importer keeps at most one idle worker for the nightly run"),
    ("The archive on the file server holds fifteen nightly backups", "The archive on the file server holds thirty nightly backups"),
    ("Telemetry of the desktop client is opt-in for all customers", "Telemetry of the desktop client is opt-out for all customers"),
    ("The export of the ledger runs on weekdays only", "The export of the ledger runs on weekends only"),
    ("In the newsroom only editors may publish a draft", "In the newsroom only authors may publish a draft"),
]


@pytest.mark.parametrize(("one", "other"), APART)
async def test_lessons_that_differ_in_one_word_are_two_items(bench: Bench, one: str, other: str) -> None:
    await bench.teach("a", [lesson("1", one)])
    learnt = await bench.teach("b", [lesson("1", other)])
    assert (learnt.new, learnt.merged) == (1, 0)


async def test_a_lesson_in_another_order_is_one_item(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", "Run the migrations before every deploy.")])
    learnt = await bench.teach("b", [lesson("1", "Before each deploy, run the migrations.")])
    assert (learnt.new, learnt.merged) == (0, 1)


@pytest.fixture(scope="module")
async def model() -> Embedder:
    return await asyncio.to_thread(load, await ensure_exported(models_folder()), EmbeddingsSettings(), models_folder() / "compiled")


@pytest.mark.slow
async def test_none_of_hundreds_of_contrast_pairs_is_merged(model: Embedder) -> None:
    pairs = [pair[1:] for pair in (*contrast_pairs(), *held_out_pairs())]
    assert len(pairs) > 400
    assert await merged(model, pairs, THRESHOLD) == []


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [KNOWN, HELD_OUT, UNSEEN, LATEST], ids=["known", "held out", "unseen", "latest"])
async def test_nine_of_ten_paraphrases_are_merged(model: Embedder, pairs: Sequence[tuple[str, str]]) -> None:
    assert len(await merged(model, pairs, THRESHOLD)) >= 0.9 * len(pairs)
