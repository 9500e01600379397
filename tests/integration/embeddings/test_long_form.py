"""The real long-form encoder: windows that leave nothing out, and a tail that can be found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from app.cache.memory import MemoryCache
from app.embeddings import Embedder, LongForm, local_long_form, open_embedder
from app.embeddings.longform import DIMS, agreement, closeness, parts_of
from app.embeddings.model import ensure_exported
from app.embeddings.windows import PARTS, WindowCutter
from app.settings import EmbeddingsSettings
from tests.fakes.models import models_folder

HEAD = "The release checklist names who reviews what and in which order the services are deployed. " * 20
TAIL = "The pgbouncer pool must run in session mode, because prepared statements break in transaction mode. " * 3


@pytest.fixture(scope="module")
async def embedder() -> AsyncIterator[Embedder]:
    async with open_embedder(
        EmbeddingsSettings(device="cpu"), models_folder(), MemoryCache("lru", entries=100, max_bytes=2**20), ttl_seconds=60
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
async def long_form(embedder: Embedder) -> LongForm:
    return local_long_form(embedder, models_folder())


@pytest.fixture(scope="module")
async def tokenizer() -> Path:
    return (await ensure_exported(models_folder())).tokenizer


async def test_a_text_that_the_model_reads_whole_needs_no_other_vector(long_form: LongForm) -> None:
    assert await long_form.embed(["hello", "", "word " * 254]) == [None, None, None]
    assert await long_form.embed([]) == []


async def test_a_longer_one_has_1536_dims_of_unit_length_in_its_place(long_form: LongForm) -> None:
    short, long, other = await long_form.embed(["hello", HEAD + TAIL, "word " * 10_000])
    assert short is None
    for vector in (long, other):
        assert vector is not None
        assert vector.shape == (DIMS,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


async def test_a_question_about_the_tail_is_nearer_than_the_beginning_tells(embedder: Embedder, long_form: LongForm) -> None:
    head, question = await embedder.embed([HEAD + TAIL, "pgbouncer in session mode for prepared statements"])
    (long,) = await long_form.embed([HEAD + TAIL])
    assert closeness(question, head, long) > float(head @ question) + 0.2


async def test_long_texts_that_begin_alike_and_end_otherwise_do_not_agree(embedder: Embedder, long_form: LongForm) -> None:
    texts = [HEAD * 2 + TAIL, HEAD * 2 + "Apple pie wants a cold dough and a hot oven, and cinnamon at the very end. " * 5]
    heads, longs = await embedder.embed(texts), await long_form.embed(texts)
    assert float(heads[0] @ heads[1]) > 0.999
    wholes = [parts_of(head, long) for head, long in zip(heads, longs, strict=True)]
    assert agreement(*wholes) < 0.95
    assert agreement(wholes[0], wholes[0]) == pytest.approx(1, abs=1e-3)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from(["pool", "timeout", "getUserById()", "/etc/nginx/nginx.conf", "为什么", "\n\n", "a" * 90, "🙂", "--dry-run"]),
        min_size=60,
        max_size=400,
    )
)
def test_windows_leave_nothing_out_and_each_is_read_whole(tokenizer: Path, words: list[str]) -> None:
    text = " ".join(words)
    whole = Tokenizer.from_file(str(tokenizer))
    whole.no_padding()
    whole.no_truncation()
    count = len(whole.encode(text, add_special_tokens=False).ids)
    (windows,) = WindowCutter(tokenizer).cut([text])
    assert len(windows) == (PARTS if count > 254 else 0)
    if windows and count <= 984:
        assert "".join(windows) == text.strip()
    # A long word that was cut in two may be written with a token more.
    assert all(len(whole.encode(window).ids) <= 256 + 2 for window in windows)
