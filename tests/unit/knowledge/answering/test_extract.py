"""What is quoted of the results, how much, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4
from zlib import crc32

import numpy as np
import pytest

from app.embeddings.embedder import Encoded, Packed
from app.embeddings.late_interaction import pack
from app.errors import Unavailable
from app.knowledge.answering.answering import Answering
from app.knowledge.answering.extract import MAX_QUOTES, MAX_TOKENS, extract
from app.knowledge.item import Quote
from app.knowledge.results import Result
from app.settings import KnowledgeSettings
from app.tokens import count_text


def result(text: str, score: float = 0.9) -> Result:
    source = Quote(uuid4(), "t.md", "L1", text[:40], None)
    return Result(uuid4(), "passage", "passage", "A title", text, score, 1.0, "fresh", "shop", source, None, 1)


class Letters:
    """A token a word, its vector the word's letters: equal words meet, others hardly."""

    model = "letters"

    def encoded(self, text: str) -> Encoded:
        words = text.casefold().replace("?", "").replace(".", "").split()
        vectors = np.zeros((len(words), 384), dtype=np.float32)
        for row, word in enumerate(words):
            vectors[row, crc32(word.encode()) % 384] = 1.0
        return Encoded(np.zeros(384, dtype=np.float32), tuple(words), tuple((0, 0) for _ in words), vectors)

    async def embed_question(self, text: str) -> Encoded:
        return self.encoded(text)

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        made = [self.encoded(text) for text in texts]
        return [Packed(each.vector, pack(each.pieces, each.tokens)) for each in made]


class Away(Letters):
    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        raise Unavailable("There are no embeddings.")


FILLER = "The colour of the login button stays teal, as the brand book says. Nobody asked for another one in that meeting."
ANSWER = "In staging the gateway listens on port 8443."
ASKED = "which port does the gateway use in staging?"


async def test_the_sentence_that_answers_is_quoted_verbatim_with_its_result() -> None:
    results = [result(f"{FILLER}\n\n{ANSWER} Only the mesh may reach it."), result(FILLER)]
    quotes = await extract(ASKED, results, Letters())
    assert any(ANSWER in quote.text and quote.result is results[0] for quote in quotes)
    assert all(quote.text in quote.result.text for quote in quotes)


async def test_sentences_that_stand_beside_each_other_are_one_quote_and_a_gap_parts_them() -> None:
    text = f"{ANSWER} That port of the staging gateway is for the mesh.\n\n[…]\n\nThe port of the staging gateway was 443 before."
    quotes = [quote.text for quote in await extract(ASKED, [result(text)], Letters())]
    assert quotes == [text.partition("\n\n[…]\n\n")[0], text.partition("\n\n[…]\n\n")[2]]


async def test_a_quote_ends_with_its_event_and_cites_where_it_begins() -> None:
    text = f"{ANSWER} It did so before.\n\nThe staging gateway has that port by default.\n\nThe staging gateway has one port."
    second, third = text.index("The staging gateway has that"), text.index("The staging gateway has one")
    found = replace(result(text), places=((0, "L1"), (second, "L7"), (third, "L7")))
    quotes = await extract(ASKED, [found], Letters())
    assert [(quote.source.locator, quote.text) for quote in quotes] == [("L1", f"{ANSWER} It did so before."), ("L7", text[second:])]


async def test_what_follows_in_its_paragraph_is_quoted_too_and_chatter_below_it_is_not() -> None:
    text = f"{ANSWER} Ask Mia about it.\n\nPerfect, thanks."
    quotes = await extract(ASKED, [result(text)], Letters())
    assert [quote.text for quote in quotes] == [f"{ANSWER} Ask Mia about it."]


@pytest.mark.parametrize(
    "asks", ["Which port does the gateway use in staging?", "ゲートウェイ gateway staging port does use which ですか？"]
)
async def test_a_question_is_not_quoted_for_an_answer_but_what_follows_it_is(asks: str) -> None:
    text = f"{asks}\n\nThe mesh opens 8443 for it.\n\n{FILLER}"
    quotes = await extract(ASKED, [result(text), result(ANSWER)], Letters())
    assert asks not in " ".join(quote.text for quote in quotes)
    assert ANSWER in quotes[-1].text


@pytest.mark.parametrize("count", [1, 3, 40])
async def test_quotes_are_few_short_together_and_in_the_order_of_the_results(count: int) -> None:
    results = [
        result("\n\n".join(f"{FILLER} The gateway {place} of staging {number} has a port." for place in range(30)))
        for number in range(count)
    ]
    quotes = await extract(ASKED, results, Letters())
    assert 1 <= len(quotes) <= MAX_QUOTES
    assert sum(count_text(quote.text) for quote in quotes) <= MAX_TOKENS
    order = [results.index(quote.result) for quote in quotes]
    assert order == sorted(order)


async def test_a_sentence_that_two_results_hold_is_quoted_once() -> None:
    quotes = await extract(ASKED, [result(ANSWER), result(ANSWER)], Letters())
    assert [quote.text for quote in quotes] == [ANSWER]


@pytest.mark.parametrize("texts", [[], [""], ["ok\n---"]])
async def test_nothing_to_quote_is_no_answer(texts: list[str]) -> None:
    assert await extract(ASKED, [result(text) for text in texts], Letters()) == []


@pytest.mark.parametrize("question", ["?", "the", "\U0001f98a", "x" * 5000])
async def test_an_odd_question_is_answered_within_bounds(question: str) -> None:
    quotes = await extract(question, [result(f"{FILLER} {ANSWER}")], Letters())
    assert sum(count_text(quote.text) for quote in quotes) <= MAX_TOKENS


async def test_without_vectors_the_words_choose_and_it_says_so() -> None:
    composed = await Answering(Away(), KnowledgeSettings(embedding_timeout_seconds=60)).compose(ASKED, [result(f"{ANSWER}\n\n{FILLER}")])
    assert composed.degraded
    assert ANSWER in composed.text
    assert composed.text.endswith(f"[{len(composed.quotes)}]")
