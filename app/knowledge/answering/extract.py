"""Extracts a few quotes that answer a question from search results: each one or several sentences of a result, with its citation.

A sentence is scored by late interaction with the question, by the question's rare terms in it, by its result's rank, and by the preceding
sentence's score. The best are taken until MAX_TOKENS are used; adjacent ones are joined into one quote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from app.embeddings.embedder import Encoded, Packed
from app.knowledge.answering.composed import Extract
from app.knowledge.answering.sentences import TextSentence, pieces
from app.knowledge.passages import terms
from app.knowledge.passages.question import parse_question
from app.knowledge.passages.ranking import inverse_frequency, late_scores, token_weights
from app.knowledge.results import Result
from app.tokens import count_text

MAX_QUOTES, MAX_TOKENS = 5, 400
MAX_RESULTS, MAX_PIECES = 8, 64
"""Results, and sentences of them, that are compared with the question: each sentence is embedded for every answer."""
LATE, WORDS, RANK, NEXT = 1.0, 0.8, 0.35, 0.25
"""Weights of late interaction (0 to 1), of rare terms (0 to 1), of 1 / (1 + the result's rank), and of the preceding sentence's score."""
NEW_PARAGRAPH = 2
"""Line breaks between two sentences from which on they belong to different paragraphs."""
MIN_SHARE = 0.4
"""A sentence is quoted only if its score is at least this share of the best one's."""


class TokenEncoder(Protocol):
    """The part of an embedder that `extract` uses."""

    async def embed_question(self, text: str, /) -> Encoded:
        """Return a question's vector and token vectors, unpacked."""

    async def embed_packed(self, texts: Sequence[str], /) -> list[Packed]:
        """Return the texts' vectors and packed token vectors."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Sentence `number` of the result with index `result`."""

    result: int
    number: int
    piece: TextSentence


@dataclass(frozen=True, slots=True, order=True)
class _Quote:
    """A range of characters of a result's text."""

    result: int
    start: int
    end: int


async def extract(question: str, results: Sequence[Result], encoder: TokenEncoder | None) -> list[Extract]:
    """Return the quotes, in the order of the results and their texts; none without results. Without an encoder, words alone decide."""
    texts = [result.text for result in results[:MAX_RESULTS]]
    sentences, places = await asyncio.to_thread(_candidates, question, texts)  # results may be 20,000 tokens together
    if not places:
        return []
    late = [0.0] * len(places) if encoder is None else await _late_scores(question, [place.piece.text for place in places], encoder)
    quotes = await asyncio.to_thread(lambda: _choose(places, _sentence_scores(question, places, late), results, sentences))
    return [_extract(texts[each.result][each.start : each.end], results[each.result], each.start) for each in quotes]


def _extract(text: str, result: Result, start: int) -> Extract:
    return Extract(text, result, replace(result.source, locator=result.locator_of(start)))


def _candidates(question: str, texts: Sequence[str]) -> tuple[list[list[TextSentence]], list[_Place]]:
    """Return each text's sentences, and the distinct ones to compare; beyond MAX_PIECES, those of top results and with rare terms."""
    sentences = [pieces(text) for text in texts]
    found: list[_Place] = []
    seen: set[str] = set()
    for number, of_text in enumerate(sentences):
        for place, piece in enumerate(of_text):
            words = " ".join(piece.text.casefold().split())
            if words not in seen:
                seen.add(words)
                found.append(_Place(number, place, piece))
    if len(found) <= MAX_PIECES:
        return sentences, found
    shares = _word_shares(question, [place.piece.text for place in found])
    worth = [share + RANK / (1 + place.result) for share, place in zip(shares, found, strict=True)]
    kept = sorted(range(len(found)), key=lambda each: -worth[each])[:MAX_PIECES]
    return sentences, [found[each] for each in sorted(kept)]


def _sentence_scores(question: str, places: Sequence[_Place], late: Sequence[float]) -> list[float]:
    """Score each sentence: its own scores to the question, plus NEXT × that of the sentence before it."""
    shares = _word_shares(question, [place.piece.text for place in places])
    own = [LATE * met + WORDS * share for share, met in zip(shares, late, strict=True)]
    before = [
        NEXT * own[each - 1] if each and (places[each - 1].result, places[each - 1].number + 1) == (place.result, place.number) else 0.0
        for each, place in enumerate(places)
    ]
    return [mine + previous for mine, previous in zip(own, before, strict=True)]


def _is_question(sentence: str) -> bool:
    """Tell whether a sentence is a question: close to the one asked, but no answer. The sentence after it gains instead."""
    return sentence.rstrip("\"'”’)*_` ").endswith(("?", "？"))


async def _late_scores(question: str, texts: Sequence[str], encoder: TokenEncoder) -> list[float]:
    encoded, packed = await encoder.embed_question(question), await encoder.embed_packed(texts)
    asked = parse_question(question, encoded.pieces, encoded.tokens)
    scores: list[float] = late_scores(
        asked, [each.late for each in packed], token_weights(asked, [text.casefold() for text in texts])
    ).tolist()
    return scores


def _choose(
    places: Sequence[_Place], scores: Sequence[float], results: Sequence[Result], sentences: Sequence[Sequence[TextSentence]]
) -> list[_Quote]:
    """Choose the best sentences that fit MAX_QUOTES and MAX_TOKENS, as quotes; then extend quotes by the sentences after them while tokens
    are left."""
    quotes: list[_Quote] = []
    statements = [each for each, place in enumerate(places) if not _is_question(place.piece.text)] or range(len(places))
    least = MIN_SHARE * max(scores[each] for each in statements)
    eligible = [each for each in statements if scores[each] >= least]
    best_first = [places[each] for each in sorted(eligible, key=lambda each: -(scores[each] + RANK / (1 + places[each].result)))]
    for place in best_first:
        quotes = _add_if_fits(quotes, _quote(place.result, place.piece), results)
    for place in best_first:
        following = sentences[place.result][place.number + 1 : place.number + 2]
        end = place.piece.start + len(place.piece.text)
        if following and results[place.result].text.count("\n", end, following[0].start) < NEW_PARAGRAPH:
            wider = _add_if_fits(quotes, _quote(place.result, following[0]), results)
            quotes = wider if len(wider) == len(quotes) else quotes  # only extend an existing quote
    return sorted(quotes)


def _add_if_fits(quotes: list[_Quote], added: _Quote, results: Sequence[Result]) -> list[_Quote]:
    wider = _with(quotes, added, results)
    tokens = sum(count_text(results[quote.result].text[quote.start : quote.end]) for quote in wider)
    return wider if len(wider) <= MAX_QUOTES and tokens <= MAX_TOKENS else quotes


def _quote(result: int, piece: TextSentence) -> _Quote:
    return _Quote(result, piece.start, piece.start + len(piece.text))


def _with(quotes: Sequence[_Quote], added: _Quote, results: Sequence[Result]) -> list[_Quote]:
    """Add a quote, joining it to those of the same event from which only white space separates it."""
    kept: list[_Quote] = []
    for quote in quotes:
        first, second = sorted((quote, added))
        if quote.result == added.result and _is_one(results[added.result], first, second):
            added = _Quote(added.result, first.start, max(first.end, second.end))
        else:
            kept.append(quote)
    return [*kept, added]


def _is_one(result: Result, first: _Quote, second: _Quote) -> bool:
    same_event = result.locator_of(first.start) == result.locator_of(second.start)
    return same_event and not result.text[first.end : second.start].strip()


def _word_shares(question: str, texts: Sequence[str]) -> list[float]:
    """Return for each text the share of the question's terms that it contains, weighted by their idf among the texts."""
    asked = dict.fromkeys(terms.terms(question))
    terms_of_texts = [set(terms.terms(text)) for text in texts]
    rarity = {term: inverse_frequency(sum(term in each for each in terms_of_texts), len(terms_of_texts)) for term in asked}
    total = sum(rarity.values())
    return [sum(rarity[term] for term in asked if term in each) / total if total else 0.0 for each in terms_of_texts]
