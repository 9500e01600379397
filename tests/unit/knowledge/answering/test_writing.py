"""What a model is shown, and what of its words passes, however they come."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import AllProvidersFailed
from app.knowledge.answering.answering import Answering
from app.knowledge.answering.cited import check_sentences, declined
from app.knowledge.answering.composed import Bill, Composed, Sentence
from app.knowledge.answering.writing import Checker, build_prompt
from app.knowledge.item import Quote
from app.knowledge.results import Result
from app.settings import KnowledgeSettings
from app.tokens import count_text
from tests.unit.knowledge.answering.test_extract import Letters

BILL = Bill("one", "one-model", 1234)
PARTS = [
    "The port is 8080",
    "It moved. ",
    "端口是八千。",
    " [1]",
    "[2]",
    " [9]",
    "[1, 2]",
    ". ",
    "! ",
    "\n",
    "```\n",
    "`x[1]`",
    "[",
    "]",
    " ",
    "e.g. ",
]


def result(text: str) -> Result:
    return Result(
        uuid4(), "passage", "passage", "T", text, 0.9, 1.0, "fresh", "shop", Quote(uuid4(), "t.md", "L1", text[:40], None), None, 1
    )


class Says:
    """A writer that says these pieces, then perhaps fails."""

    def __init__(self, pieces: Sequence[str], *, cut: bool = False, error: Exception | None = None) -> None:
        self._pieces, self.cut, self._error = pieces, cut, error
        self.bill: Bill | None = BILL
        self.asked: list[str] = []

    async def write(self, instructions: str, asked: str, /) -> AsyncGenerator[str]:
        self.asked.append(asked)
        for piece in self._pieces:
            yield piece
        if self._error is not None:
            raise self._error


def answering() -> Answering:
    return Answering(Letters(), KnowledgeSettings(embedding_timeout_seconds=60, answer_timeout_seconds=60))


RESULTS = [result("The port is 8080 in staging."), result("It moved to 8443 in March.")]


@given(st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=12)), max_size=30), st.integers(0, 3))
def test_no_sentence_passes_without_a_citation_of_a_passage_that_was_given(pieces: list[str], count: int) -> None:
    checker = Checker(count)
    passed = [found for piece in pieces for found in checker.feed(piece)] + checker.end(cut=False)
    for found in [*passed, *check_sentences("".join(pieces), count)]:
        assert found.passages
        assert all(1 <= number <= count for number in found.passages)
        assert any(map(str.isalnum, found.text))


SENTENCES = st.sampled_from(
    ["The port is 8080 [1].", "It moved in March. [2]", "Nobody said so.", "It is open [7].", "端口是八千[2]。", "See `a[1]` there [1, 2]."]
)


@given(st.lists(SENTENCES, max_size=8), st.data())
def test_however_an_answer_is_cut_into_pieces_the_same_sentences_pass(sentences: list[str], data: st.DataObject) -> None:
    text = " ".join(sentences)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    checker = Checker(2)
    assert [found for piece in pieces for found in checker.feed(piece)] + checker.end(cut=False) == check_sentences(text, 2)


async def test_a_sentence_passes_before_the_next_one_has_ended() -> None:
    parts = []
    async for part in answering().stream("Which port?", RESULTS, Says(["It moved to 8443 [2].", " The old", " port was 8080 [1]."])):
        parts.append(part)
    assert parts[:2] == [Sentence("It moved to 8443.", (1,)), Sentence("The old port was 8080.", (2,))]
    whole = parts[2]
    assert isinstance(whole, Composed)
    assert (whole.text, whole.by, whole.bill) == ("It moved to 8443. [1] The old port was 8080. [2]", "model", BILL)
    assert [quote.result for quote in whole.quotes] == [RESULTS[1], RESULTS[0]]


@pytest.mark.parametrize("error", [AllProvidersFailed("away"), TimeoutError()])
async def test_a_writer_that_fails_after_a_sentence_leaves_the_quotes(error: Exception) -> None:
    whole = await answering().compose("Which port?", RESULTS, Says(["It moved to 8443 [2]. And "], error=error))
    assert (whole.by, whole.degraded, whole.bill, whole.sentences) == ("extract", ("model",), BILL, ())
    assert whole.quotes


async def test_without_results_nobody_is_asked() -> None:
    writer = Says(["It is 8443 [1]."])
    whole = await answering().compose("Which port?", [], writer)
    assert (whole.by, whole.quotes, whole.degraded, writer.asked) == ("extract", [], (), [])


@pytest.mark.parametrize(
    "said",
    ["I don't know.", "I don’t know", '"I do not know."', "I don't know [1].", "**I don't know.** The passages tell of other things."],
)
async def test_a_model_that_does_not_know_abstains(said: str) -> None:
    whole = await answering().compose("Which port?", RESULTS, Says([said]))
    assert (whole.by, whole.quotes, whole.degraded, whole.text) == ("model", [], (), "")


@pytest.mark.parametrize("said", ["I don't know which port it was before [1].", "Now I don't know. Really [1]."])
def test_only_a_whole_sentence_declines(said: str) -> None:
    assert not declined(said)


def test_the_prompt_stays_within_its_tokens_and_shows_the_best_first() -> None:
    results = [result(f"Passage {number}. " + "word " * 300) for number in range(9)]
    shown, message = build_prompt("Which port?", results, 1000)
    assert shown == results[:3]
    assert [each["number"] for each in json.loads(message)["passages"]] == [1, 2, 3]
    shown, message = build_prompt("Which port?", [result("word " * 5000)], 200)
    assert (len(shown), count_text(json.loads(message)["passages"][0]["text"]) <= 200) == (1, True)


def test_a_secret_in_the_question_is_hidden_from_the_model() -> None:
    secret = "sk-ant-api03-" + "Zq8" * 30 + "AA"
    _, message = build_prompt(f"Why is {secret} refused?", RESULTS, 1000)
    assert secret not in message
