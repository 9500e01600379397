"""The composed answer: its quotes or a model's sentences, each with citations, and the cost of the model that wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.knowledge.item import Quote
from app.knowledge.results import Result


@dataclass(frozen=True, slots=True)
class Extract:
    """A verbatim quote of one or several sentences. `result`: the search result it is from; `source`: its citation, at its beginning."""

    text: str
    result: Result
    source: Quote


@dataclass(frozen=True, slots=True)
class Bill:
    """The model that wrote, and the cost in nano-dollars. `left`: the rest of the payer's budget; None: unlimited."""

    provider: str
    model: str
    nanousd: int
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """A model's sentence. `citations`: numbered from 1, in the order in which the answer first cites them; at least one."""

    text: str
    citations: tuple[int, ...]

    @property
    def marked(self) -> str:
        return f"{self.text} {''.join(f'[{number}]' for number in self.citations)}"


@dataclass(frozen=True, slots=True)
class Composed:
    """An answer. `quotes`: the citations, numbered from 1; empty: abstained. `sentences`: a model's, each citing some of the quotes.

    `degraded`: the parts that failed: `embeddings` (the quotes were chosen by words alone), `model` (the answer is extractive instead).
    `bill`: of a model that was called, whether or not its text was usable.
    """

    quotes: Sequence[Extract]
    by: Literal["extract", "model"] = "extract"
    sentences: Sequence[Sentence] = ()
    degraded: tuple[str, ...] = ()
    bill: Bill | None = None

    @property
    def text(self) -> str:
        """The sentences or quotes as one text, each followed by its citation numbers."""
        if self.by == "model":
            return " ".join(sentence.marked for sentence in self.sentences)
        return "\n\n".join(f"{quote.text} [{number}]" for number, quote in enumerate(self.quotes, start=1))

    def degraded_with(self, searched: Sequence[str]) -> tuple[str, ...]:
        """Return the failed parts of the search and of the answer together, each once."""
        return tuple(dict.fromkeys((*searched, *self.degraded)))
