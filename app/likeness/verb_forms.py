"""Compare how two texts use the verbs that they share: in another tense, as what may or must be and what is, in another voice.

A command says what must be: `errors must be logged`, `log errors`. A passive may stand for an active whose subject it has as its agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.likeness.wording import Pair, Wording


def form_differences(one: Wording, other: Wording, shared: Sequence[Pair]) -> Iterator[str]:
    """Yield `tense`, `modality` or `role`. `shared`: the words that stand once in both texts."""
    if any(mine.form != theirs.form and "participle" not in (mine.form, theirs.form) for mine, theirs in shared):
        yield "tense"
    backwards = [(theirs, mine) for mine, theirs in shared]
    if _permissions(one) != _permissions(other) or _only_states(one, other, shared) or _only_states(other, one, backwards):
        yield "modality"
    if one.passive != other.passive and _has_same_subject(one, other, shared):
        yield "role"


def _permissions(wording: Wording) -> dict[str, int]:
    """Count words such as `may`, without which a text says that something is."""
    modality: Mapping[str, int] = wording.kinds.get("modality", {})
    return {value: count for value, count in modality.items() if value not in wording.vocabulary.obligations}


def _only_states(one: Wording, other: Wording, shared: Sequence[Pair]) -> bool:
    """Tell whether the second text states what must be in the first: `the linter must pass`, `the linter passes`."""
    return "modality" not in other.kinds and any(
        mine.kinds and not theirs.opens and any(kind == "modality" and value in one.vocabulary.obligations for kind, value in mine.kinds)
        for mine, theirs in shared
    )


def _has_same_subject(one: Wording, other: Wording, shared: Sequence[Pair]) -> bool:
    """Tell whether a text with another voice is about the same: `the writer is blocked`, `the writer is blocking`."""
    agents = any((mine.link == "by") != (theirs.link == "by") for mine, theirs in shared)
    return not agents and _subject(one) == _subject(other) != ""


def _subject(wording: Wording) -> str:
    """Return the first word that no preposition governs, of what stands below a title."""
    body = [word for word in wording.words if not word.first_line] or wording.words
    return next((word.key for word in body if not (word.link or word.phrase)), "")
