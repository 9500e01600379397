"""Numbers of a prompt for the classifier of intents: cues of many languages, the form of what is said, what was pasted, single words. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.trajectory.intent.cues import UNSPACED as _UNSPACED
from app.trajectory.intent.cues import cue_names, cues_in
from app.trajectory.intent.prose import PromptProse

OPENING_CHARS = 90
"""Characters of what is said in which its verb stands."""
READ_CHARS = 700
"""Characters of what is said in which cues and words are looked for, the last ones of it included."""
MAX_WORDS = 120
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\W\d_]+(?:['’][^\W\d_]+)?|[?!]")
_POLITE = re.compile(
    r"\s*(?:(?:please|pls|hey|hi|hello|ok(?:ay)?|so|now|also|and|then|well|great|thanks|thank you|cool|perfect|good|nice|hmm?|yes|can you|could you|would you|can we|could we|let's|lets|let us|i want you to|i'd like you to|"
    r"i need you to|we need to|we should|you should|bitte|kannst du|por favor|puedes|s'il te plaît|peux-tu|请|帮我|麻烦)\b[\s,.!:-]{0,4}|请|帮我|麻烦)",
    re.IGNORECASE,
)
_FORMS: Mapping[str, re.Pattern[str]] = {
    "asks": re.compile(
        r"(?:what|where|which|who|when|how|why|is|are|do|does|did|can|could|should|would|will|has|have)\b(?! (?:you|we) (?:please )?(?:add|make|fix|write|create|change|run|update|remove|move|use))|什么|怎么|为什么|哪|wie|was|wo|warum|comment|pourquoi|qu|où|cómo|qué|dónde|por qué",
        re.IGNORECASE,
    ),
    "how": re.compile(r"how\b|wie\b|comment\b|cómo\b|как\b|怎么|如何", re.IGNORECASE),
    "why": re.compile(r"why\b|warum\b|pourquoi\b|por qué\b|почему\b|为什么|怎么回事", re.IGNORECASE),
    "what": re.compile(r"what(?:'s)?\b|was\b|qu'|qué\b|что\b|什么", re.IGNORECASE),
    "where": re.compile(r"(?:where|which|who)\b|wo\b|welche|où\b|quel|dónde\b|где\b|哪", re.IGNORECASE),
    "is": re.compile(r"(?:is|are|do|does|did|has|have|was|were)\b", re.IGNORECASE),
    "reports": re.compile(r"(?:the|when|it|there|that|this|my|after|since|i (?:get|see|got|am|'m)|i'm|nothing|some)\b", re.IGNORECASE),
}
_PATH = re.compile(
    r"[\w.-]{1,60}/[\w./-]{1,80}|\b\w{1,60}\.(?:py|go|ts|tsx|js|jsx|rs|java|rb|php|c|h|cpp|cs|vue|css|html|json|toml|ya?ml|sql|sh|md)\b"
)
_NAME = re.compile(r"`[^`\n]{1,80}`|\b[a-z]{2,40}_[a-z_]{2,60}\b|\b[a-z]{2,40}[A-Z]\w{1,60}\b|\b\w{1,60}\(\)")
_IF = re.compile(r"\b(?:if|when|whenever|unless|until|so that|wenn|si|cuando|quand|если)\b|时|如果", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?\s?(?:%|ms|s|sec|seconds?|minutes?|hours?|MB|GB|kB|fps|x)\b", re.IGNORECASE)
_FORM_NAMES = (
    *_FORMS, "question", "asked somewhere", "exclaims", "terse", "short", "long", "words", "path", "names", "if", "measure",
    "trace", "trace alone", "log", "code", "quoted", "command", "items", "headings", "unspaced",
)  # fmt: skip


def feature_names() -> tuple[str, ...]:
    """Return the names of the numbers, in order."""
    return (*(f"{place} {name}" for name in cue_names() for place in ("opens", "says", "alone")), *_FORM_NAMES)


def opening_of(said: str) -> str:
    """Return the beginning of what is said without its courtesies."""
    start = said[:READ_CHARS]
    for _ in range(4):
        found = _POLITE.match(start)
        if found is None or found.end() >= len(start):
            break
        start = start[found.end() :]
    return start[: OPENING_CHARS // 3 if _UNSPACED.match(start) else OPENING_CHARS]


def features_of(prose: PromptProse) -> NDArray[np.float64]:
    """Return the numbers of a prompt, about 0 to 2 each, in the order of `feature_names`."""
    said = read_part(prose.said)
    opening = opening_of(said)
    numbers: list[float] = []
    opens, says = cues_in(opening), cues_in(said)
    for name in cue_names():
        numbers += [float(name in opens), float(name in says), (name in says) / max(1, len(says))]
    words = len(said.split()) + len(_UNSPACED.findall(said)) / 2
    numbers += [float(pattern.match(opening) is not None) for pattern in _FORMS.values()]
    numbers += [
        float(said.rstrip().endswith(("?", "？"))), float("?" in said or "？" in said), float("!" in said), float(words <= 3), float(words <= 8),
        float(words > 40), math.log1p(words) / 3, float(_PATH.search(said) is not None), float(_NAME.search(said) is not None),
        float(_IF.search(said) is not None), float(_NUMBER.search(said) is not None),
        float(prose.trace > 0), float(prose.trace > 0 and words < 4), _share(prose.log), _share(prose.code), _share(prose.quoted),
        _share(prose.commands), _share(prose.items), _share(prose.headings), float(_UNSPACED.search(said) is not None),
    ]  # fmt: skip
    return np.array(numbers)


def words_of(prose: PromptProse) -> Iterator[str]:
    """Yield a prompt's words for the table of words: single ones, neighbours, and the first ones marked; pairs of characters where words have no spaces."""
    opening = opening_of(prose.said)
    tokens = list(_tokens(read_part(prose.said)))[:MAX_WORDS]
    yield from tokens
    yield from (f"{one} {two}" for one, two in pairwise(tokens))
    yield from (f"^{token}" for token in list(_tokens(opening))[:2])


def read_part(said: str) -> str:
    """Return the part of what is said that is looked at: its beginning and its end."""
    return said if len(said) <= READ_CHARS else f"{said[: READ_CHARS - 200]} {said[-200:]}"


def _tokens(text: str) -> Iterator[str]:
    for word in _WORD.findall(text.casefold()):
        if _UNSPACED.match(word) and len(word) > 2:
            yield from (word[place : place + 2] for place in range(len(word) - 1))
        else:
            yield word.replace("’", "'")


def _share(lines: int) -> float:
    return min(1.0, lines / 4)
