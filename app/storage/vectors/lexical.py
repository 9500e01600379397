"""Text → terms → BM25 weights. Code is the point: an error code, flag, path or symbol is one term, and its parts are terms too.

Weights must not change later (an index is compared with tomorrow's texts), so the average length is fixed, and the inverse
document frequency is the engine's part (its IDF modifier).
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass

K1, B = 1.2, 0.75
AVERAGE_TERMS = 60.0
"""Of a knowledge item, title and text: measured over the real transcripts."""

_TOKEN = re.compile(r"--?[a-z][\w-]*|[\w./:@#\\-]+", re.IGNORECASE)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")
_EDGES = "./:@#\\"
_CODE = re.compile(r"\d|[_./:@#\\]|^-")
MOST_CHARS = 120
"""A longer token (base64, a minified line) is nobody's question."""

STOP = frozenset(
    "a an and are as at be been but by can could did do does for from had has have how i if in into is it its me my no nor not of on or our"
    " should so than that the their them then there these they this to was we were what when where which who why will with would you your".split()
)


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Hashed term ids (u32, ascending, unique) and their weights."""

    indices: list[int]
    values: list[float]


def terms(text: str) -> list[str]:
    """The terms of a text, casefolded, with repetition, in order. Stop words are left out."""
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0].rstrip(_EDGES + "-").lstrip(_EDGES)
        if not token or len(token) > MOST_CHARS:
            continue
        found.extend(_of_token(token))
    return found


def is_code(term: str) -> bool:
    """Whether a term names something exactly: it has a digit or a code's punctuation, or is a flag."""
    return len(term) > 1 and bool(_CODE.search(term)) and not term.isdigit()


def document(text: str) -> SparseVector:
    """BM25's document side: term frequency, saturated (k1) and normed by length (b)."""
    counted = Counter(terms(text))
    length = K1 * (1 - B + B * sum(counted.values()) / AVERAGE_TERMS)
    return _sparse({term: count * (K1 + 1) / (count + length) for term, count in counted.items()})


def query(text: str) -> SparseVector:
    """BM25's query side: each term once."""
    return _sparse(dict.fromkeys(terms(text), 1.0))


def _of_token(token: str) -> list[str]:
    """The token as a whole, and its parts where it is made of several."""
    if _CJK.search(token):
        return _of_cjk(token)
    whole = token.casefold()
    parts = [part.casefold() for part in _PART.findall(token)]
    if len(parts) <= 1:
        return [] if whole in STOP else [_stem(whole)]
    return [whole, *(_stem(part) for part in parts if part not in STOP and (len(part) > 1 or part.isdigit()))]


def _of_cjk(token: str) -> list[str]:
    """Chinese, Japanese and Korean have no spaces: pairs of characters."""
    found = []
    for run in _CJK.findall(token):
        found.extend([run] if len(run) == 1 else [run[place : place + 2] for place in range(len(run) - 1)])
    for rest in _CJK.split(token):
        if rest := rest.strip(_EDGES + "-"):
            found.extend(_of_token(rest))
    return found


def _stem(word: str) -> str:
    """The plural's s, only: enough for `timeouts` to find `timeout`, too little to confuse two symbols."""
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) and word.isalpha():
        return word[:-1]
    return word


def _sparse(weights: dict[str, float]) -> SparseVector:
    """Hash the terms; two terms with one id are one."""
    hashed: Counter[int] = Counter()
    for term, weight in weights.items():
        hashed[zlib.crc32(term.encode())] += weight  # type: ignore[assignment]
    ordered = sorted(hashed.items())
    return SparseVector([index for index, _ in ordered], [float(value) for _, value in ordered])
