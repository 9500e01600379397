"""Who gets all threads of the processor."""

from __future__ import annotations

import pytest

from app.embeddings.runtime import are_questions
from app.embeddings.tokens import MOST_TOKENS
from app.embeddings.windows import PARTS


@pytest.mark.parametrize(("texts", "tokens", "shared"), [(1, 20, False), (2, 20, True), (32, 64, True), (33, 20, False), (4, 65, False)])
def test_questions_that_came_at_once_share_one_thread(texts: int, tokens: int, shared: bool) -> None:
    assert are_questions(texts, tokens) is shared


def test_a_long_text_gets_all_threads() -> None:
    assert not are_questions(PARTS, MOST_TOKENS)
