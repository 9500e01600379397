"""Turns text into terms and BM25 weights. An error code, flag, path or symbol is one term, and its parts are terms too.

Weights must stay comparable over an index's life, so the average length is fixed; the inverse document frequency is left to the engine
(its IDF modifier).
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

K1, B = 1.2, 0.75
AVERAGE_TERMS = 60.0
"""Estimated terms of a knowledge item (title and text), fixed. 30 or 100 change MRR on CoSQA by .01."""
MAX_CHARS = 120
"""Longer tokens (base64, minified lines) are ignored: nobody searches for them."""

_CJK_CHARS = r"\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_CJK = re.compile(f"[{_CJK_CHARS}]+")
_TOKEN = re.compile(rf"[{_CJK_CHARS}]+|--?[A-Za-z](?:[\w-]|(?<!\.)\.(?=\w))*|[\w./:@#\\-]+")
"""Matches Chinese, Japanese and Korean runs, flags, and whatever code writes without a space."""
_EDGES = "./:@#\\"
_SEGMENT = re.compile(r"[/\\]+|::|[@#:]")
_NAME = re.compile(r"[./\\:@#-]+")
_PART = re.compile(r"\d+|[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
_VERSION = re.compile(r"v(\d+(?:\.\d+)+.*)", re.IGNORECASE)
_ES_PLURAL = re.compile(r"(?:ss|x|sh|[^aeiou]ch)es$")
"""Plurals in -es: `classes`, `boxes`, `hashes`, `branches`; not `caches`."""
_CAMEL = re.compile(r"\b(?:[a-z]+[A-Z]\w*|[A-Z]+[a-z]+\w*[A-Z]\w*|[A-Z]{2,}\w*[a-z]\w+)\b")
"""Matches `loadPage`, `SysProcAttr`, `HTTPError`; not `Setpgid` (it may be a capitalised word), not `API`."""
_CODE = re.compile(r"\d|[_./:@#\\]|^-")

_STOP_WORDS = """
    a an and and/or are as at be been but by can could did do does don e.g for from had has have how i i.e if in into is it its
    me my no nor not of on or our re s should so t than that the their them then there these they this to us ve was we were what
    when where which who why will with would you your
"""
STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Hashed term ids (u32, ascending, unique) with their weights."""

    indices: list[int]
    values: list[float]


def terms(text: str) -> list[str]:
    """Return a text's terms, casefolded, in order, with repetition, without stop words."""
    return [term for token in _tokens(text) for term in _of_token(token)]


def distinct(text: str) -> frozenset[str]:
    """Return a text's distinct terms; faster than `terms`."""
    return frozenset().union(*map(_of_token, set(_tokens(text))))


def grouped(text: str) -> list[tuple[str, ...]]:
    """Return a text's terms grouped by token: the token first, then its parts."""
    return [found for token in _tokens(text) if (found := _of_token(token))]


def _tokens(text: str) -> list[str]:
    # NFKC unifies characters that look alike: decomposed accents of file names, full-width letters.
    return _TOKEN.findall(text if text.isascii() else unicodedata.normalize("NFKC", text))


def is_code(term: str) -> bool:
    """Tell whether a term is an identifier: it has a digit or code punctuation, or is a flag."""
    return len(term) > 1 and bool(_CODE.search(term)) and not term.isdigit()


def codes(text: str) -> list[str]:
    """Return a text's distinct identifiers in order, including symbols recognised by their capitals (`loadPage`)."""
    inner = {term for token in _CAMEL.findall(text) for term in _of_token(token)[:1]}
    return [term for term in dict.fromkeys(terms(text)) if is_code(term) or term in inner]


def document(text: str) -> SparseVector:
    """Weigh a document by BM25: term frequency saturated (k1) and normalised by length (b). Robertson and Zaragoza, 2009."""
    return weighted(terms(text), average_terms=AVERAGE_TERMS)


def weighted(found: Iterable[str], *, average_terms: float) -> SparseVector:
    """Weigh terms by BM25, for an index whose documents have `average_terms` on average."""
    counted = Counter(found)
    length = K1 * (1 - B + B * counted.total() / average_terms)
    return sparse({term: count * (K1 + 1) / (count + length) for term, count in counted.items()})


def query(text: str) -> SparseVector:
    """Weigh a query for BM25: each term once."""
    return sparse(dict.fromkeys(terms(text), 1.0))


@lru_cache(maxsize=16_384)  # most words of a text are those of the text before: five times faster
def _of_token(token: str) -> tuple[str, ...]:
    if _CJK.search(token):
        return tuple(term for piece in _apart(token) for term in (_of_cjk(piece) if _CJK.match(piece) else _of_name(piece)))
    return tuple(_of_name(token))


def _apart(token: str) -> Iterator[str]:
    r"""Split CJK runs from Latin text written next to them without a space: `\\w` matches both."""
    place = 0
    for run in _CJK.finditer(token):
        yield token[place : run.start()]
        yield run[0]
        place = run.end()
    yield token[place:]


def _of_cjk(run: str) -> Iterator[str]:
    """Yield character bigrams, as there are no spaces between words."""
    yield from [run] if len(run) == 1 else (run[place : place + 2] for place in range(len(run) - 1))


def _of_name(token: str) -> Iterator[str]:
    """Yield the token, the names in it, and their parts: `app/Foo.bar_baz` → itself, `foo.bar_baz`, `bar_baz`, `bar` …"""
    token = token.strip(_EDGES).rstrip("-")
    if len(token) > MAX_CHARS:
        return
    parts = [part.casefold() for part in _PART.findall(token)]
    whole = token.casefold()
    if not parts or whole in STOP:
        return
    if len(parts) == 1 and whole.isalnum():
        yield _stem(whole)
        return
    wholes = dict.fromkeys([whole, *(name.casefold() for name in _names(token))])
    yield from wholes
    yield from (_stem(part) for part in parts if part not in STOP and part not in wholes and (len(part) > 1 or part.isdigit()))


def _names(token: str) -> Iterator[str]:
    """Yield the shorter names of a token: a flag without dashes, a file without its folder, a symbol without its module."""
    segments = _SEGMENT.split(token)
    yield from (name for name in (*segments, *_NAME.split(token)) if _composed(name))
    if token.startswith("-") and _composed(bare := token.lstrip("-")):
        yield bare
    yield from (version[1] for segment in segments if (version := _VERSION.fullmatch(segment)))


def _composed(name: str) -> bool:
    return len(_PART.findall(name)) > 1


def _stem(word: str) -> str:
    """Strip the plural ending only: `timeouts` finds `timeout`, and no two symbols are conflated.

    MRR on CoSQA's 500 test queries .333 (.324 unstemmed), nDCG@10 on Cranfield .531 (.521). Stripping -ing and -ed as well gives .344 and
    .534, but yields stems (`cach`) that PostgreSQL's full-text index can't match.
    """
    if len(word) <= 3 or not word.isalpha() or not word.endswith("s") or word.endswith(("ss", "us", "is", "series")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if _ES_PLURAL.search(word) else word[:-1]


def sparse(weights: dict[str, float]) -> SparseVector:
    """Hash the terms; the weights of colliding terms are added."""
    hashed: dict[int, float] = {}
    for term, weight in weights.items():
        index = zlib.crc32(term.encode("utf-8", "surrogatepass"))
        hashed[index] = hashed.get(index, 0.0) + weight
    ordered = sorted(hashed.items())
    return SparseVector([index for index, _ in ordered], [value for _, value in ordered])
