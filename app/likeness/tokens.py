"""Extract what a text states exactly: numbers, versions, flags, paths, URLs, identifiers, quotations, names, negations, opposites.

Reads one text; the package itself decides whether two readings contradict each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from app.likeness.opposites import IDEOGRAPHIC, MEMBERSHIPS

_EXTENSIONS = (
    "py|pyi|ipynb|jsx?|mjs|cjs|tsx?|vue|svelte|s?css|less|html?|jsonl?|json5|ya?ml|toml|ini|cfg|conf|env|lock|mdx?|rst|txt|csv|tsv|sql"
    "|sh|bash|zsh|ps1|bat|go|rs|rb|java|kts?|swift|c|cc|cpp|hpp?|cs|php|lua|exs?|erl|hs|scala|proto|graphql|xml|svg|png|jpe?g|gif|pdf"
    "|log|db|sqlite|gz|zip|tar|tf|tfvars|dockerfile|gradle|pem|key|crt|wasm|patch|diff"
)
_LIST_MARK = re.compile(r"(?m)^[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+")
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s`\"'<>|)\]}]{1,2000}", re.IGNORECASE)
_PATH = re.compile(
    r"(?<![\w@.-])(?:(?:~|\.{1,2}|[A-Za-z]:)?[/\\])?(?:[\w.@+-]{1,120}[/\\]){1,30}+[\w.@+*-]{0,120}"
    r"|(?<![\w@./\\])[/~][\w.@+-]{2,120}"
    rf"|(?<![\w@.-])\.?[\w-]{{1,120}}(?:\.[\w-]{{1,40}}){{0,4}}\.(?:{_EXTENSIONS})(?![\w-])"
    r"|(?<![\w.@/])\.[a-z][\w.-]{2,60}",
    re.IGNORECASE | re.ASCII,
)
_FLAG = re.compile(r"(?<![\w/.)\]-])-{1,2}[A-Za-z][\w-]{0,60}", re.ASCII)
_NUMBER = re.compile(
    r"(?P<before>(?:[A-Za-z]+[ \t])?)(?<![A-Za-z0-9_.])(?P<sign>(?<![\w)\]])-)?(?P<v>[vV])?"
    r"(?P<digits>0x[0-9a-fA-F]+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.:]\d+)*(?:-?(?:rc|alpha|beta)\.?\d+)?)"
    r"(?P<unit>[ \t]?(?:%|[a-zA-Zµ]{1,12}(?![A-Za-z0-9_])))?(?![A-Za-z0-9_]|\.\d)"
)
_IDENTIFIER = re.compile(
    r"(?<![\w.])(?:[A-Za-z_$][\w$]*(?:(?:\.|::|->)[A-Za-z_$][\w$]*)+|_*[A-Za-z][A-Za-z0-9]*_\w*|_+[A-Za-z]\w*|[a-z]+[A-Z]\w*"
    r"|[A-Z]\w*[a-z]\w*[A-Z]\w*|[A-Za-z]+-?\d\w*|\d+[A-Za-z]\w*)(?!\w)",
    re.ASCII,
)
_TICKED = re.compile(r"`([A-Za-z_]\w{1,60})`")
_QUOTED = re.compile(r"\"([^\"\n]{2,300})\"|“([^”\n]{2,300})”|「([^」\n]{2,300})」|(?<!\w)'([^'\n]{2,300})'(?!\w)")
_WORD = re.compile(r"[A-Za-z]+|[0-9]+|[\u3400-\u9fff]")
_RAW_WORD = re.compile(r"\w+(?:[.-]\w+)*", re.ASCII)
_NEGATION = re.compile(
    r"\bnot only\b|(?P<negation>\b(?:not|never|cannot|no|none|nothing|neither|nor|without|avoid(?:s|ed|ing)?|unless)\b(?!-)|n['’]t\b"
    r"|不(?!仅|但|过|同|断|管|止|久|错|妨|论)(?:要|能|会|可以|应该?|得|再|许|用)?|没(?!错)有?|(?<![级类区分识特个性鉴])别(?![名的人处])"
    r"|无(?!论|关|缝)(?:法|需|须)?|未(?!来)|勿|避免|切忌)",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[a-z,;)] )[A-Z][a-z]{2,}(?![\w-])")
_SWAP = re.compile(
    r"([\w./-]+)`?\s+(instead of|rather than|over|before|after|to|into|→|->|=>)\s+(?:the |a |an )?`?([\w./-]*\w)", re.IGNORECASE
)
_DIRECTED = re.compile(r"\b(?:from|to|into|than|instead|before|after|over|rather|depends?|calls?|replaces?|imports?)\b|→|->|=>|从|比|替")
_STOP = frozenset(
    "a an the to be is are was were do does did done have has had it its this that these those of in on at by for with as from and or if"  # noqa: SIM905
    " so then than when you we i they he she use uses used using can could should would will must may might just any all only very also"
    " ever need needs there here their our your my".split()
)
_PROSE = frozenset({"and", "or", "either", "he", "she", "his", "her", "yes", "no", "on", "off", "w", "o", "n"})
_UNITS = {
    form: line.split()[0].replace("-", "")
    for line in (
        "ms millisecond milliseconds millis", "s sec secs second seconds", "min mins minute minutes", "h hr hrs hour hours", "d day days",
        "% percent", "kb kib", "mb mib", "gb gib", "tb tib", "b byte bytes", "px pixel pixels", "k", "m", "us µs", "ns", "week weeks",
        "month months", "year years", "- x times st nd rd th",
    )
    for form in line.split()
}  # fmt: skip
_NUMBER_WORDS = {
    word: str(value)
    for value, words in enumerate("two twice|three|four|five|six|seven|eight|nine|ten|eleven|twelve".split("|"), start=2)  # noqa: SIM905
    for word in words.split()
}
_IDEOGRAPHIC_NUMBER = re.compile("[两二三四五六七八九十](?=[次个条台秒分小天周月年行层步位种倍])")
_IDEOGRAPHIC_DIGITS = dict(zip("两二三四五六七八九十", "2 2 3 4 5 6 7 8 9 10".split(), strict=True))  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, empty if the text has none. `version` only affects the reason's name."""

    digits: str
    unit: str = ""
    version: bool = False

    def __str__(self) -> str:
        return self.digits + self.unit


@dataclass(frozen=True, slots=True)
class TextTokens:
    """The exact statements of one text."""

    text: str
    """Case-folded, whitespace collapsed, without backticks."""
    words: Counter[str]
    spelled: frozenset[str]
    """Every word in its own spelling, to find a token that the other text writes without its punctuation."""
    urls: frozenset[str]
    paths: frozenset[str]
    flags: frozenset[str]
    quantities: frozenset[Quantity]
    number_words: frozenset[str]
    identifiers: frozenset[str]
    quotations: frozenset[str]
    names: frozenset[str]
    negated: tuple[str, ...]
    """The stem of the word after each negation."""
    members: dict[int, dict[str, frozenset[str]]]
    """Maps a group of opposites to its members in the text, each with the stems that follow it."""
    swaps: frozenset[tuple[str, str, str]]
    directed: bool


@lru_cache(maxsize=256)  # one text is compared with many, and reading takes 80 % of the time
def read(text: str) -> TextTokens:
    plain = _LIST_MARK.sub(" ", text.replace("\u00a0", " "))
    bare = plain.replace("`", "")
    lowered = bare.casefold()
    rest, urls = _take(_URL, bare)
    rest, paths = _take(_PATH, rest)
    rest, flags = _take(_FLAG, rest)
    rest, quantities = _quantities(rest)
    words = Counter(_WORD.findall(lowered))
    identifiers = {found[0] for found in _IDENTIFIER.finditer(rest)} | set(_TICKED.findall(plain))
    prose = {path for path in paths if _prose(path)}
    return TextTokens(
        text=" ".join(lowered.split()),
        words=words,
        spelled=frozenset(_RAW_WORD.findall(bare)) | frozenset(_WORD.findall(bare)),
        urls=frozenset(url.rstrip(".,;:!?/") for url in urls),
        paths=frozenset(_path(path) for path in paths - prose),
        flags=frozenset(flags),
        quantities=frozenset(quantities),
        number_words=frozenset(_number_words(words, lowered)),
        identifiers=frozenset(_identifier(found) for found in identifiers),
        quotations=frozenset(_quotation(next(filter(None, found))) for found in _QUOTED.findall(bare)),
        names=frozenset(_NAME.findall(rest)),
        negated=tuple(_following(lowered, found.end()) for found in _NEGATION.finditer(lowered) if found["negation"]),
        members=_members(lowered),
        swaps=frozenset((left, link, right) for left, link, right in _SWAP.findall(lowered)),
        directed=_DIRECTED.search(lowered) is not None,
    )


def stem(word: str) -> str:
    """Return a word's stem, crudely: enough to recognize its inflections."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def _take(pattern: re.Pattern[str], text: str) -> tuple[str, set[str]]:
    """Return the text without the pattern's matches, and the matches."""
    return pattern.sub(" ", text), set(pattern.findall(text))


def _prose(path: str) -> bool:
    """Tell whether a path is two words of prose: `and/or`, `read/write`, `CI/CD`."""
    parts = path.split("/")
    return len(parts) == 2 and all(part.isupper() or part.lower() in _PROSE or part.lower() in MEMBERSHIPS for part in parts)


def _path(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./").rstrip("./,;:") or path


def _identifier(token: str) -> str:
    """Normalize an identifier: case matters, except for all-caps ones such as `UTF-8`."""
    token = token.rstrip(".:")
    return token.lower() if "_" not in token and token.isupper() else token


def _quotation(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;:!?")


def _quantities(text: str) -> tuple[str, set[Quantity]]:
    found: set[Quantity] = set()

    def take(match: re.Match[str]) -> str:
        unit = (match["unit"] or "").strip().lower()
        attached = bool(match["unit"]) and not match["unit"][0].isspace()
        if attached and unit not in _UNITS:
            return match[0]  # `8b`, `2xlarge`: an identifier
        digits = match["digits"].replace(",", "").lower()
        if digits.isdigit():
            digits = digits.lstrip("0") or "0"
        version = bool(match["v"]) or digits.count(".") > 1 or ("." in digits and bool(match["before"]) and match["before"][0].isupper())
        found.add(Quantity((match["sign"] or "") + digits, _UNITS.get(unit, "").replace("-", ""), version))
        return match["before"] + " " + (match["unit"] if unit not in _UNITS and match["unit"] else "")

    return _NUMBER.sub(take, text), found


def _number_words(words: Counter[str], lowered: str) -> Iterator[str]:
    yield from (_NUMBER_WORDS[word] for word in words if word in _NUMBER_WORDS)
    yield from (_IDEOGRAPHIC_DIGITS[found] for found in _IDEOGRAPHIC_NUMBER.findall(lowered))


def _following(text: str, place: int) -> str:
    """Return the stem of the first content word after this place, in the same clause; empty if there is none."""
    for found in _WORD.finditer(text, place, place + 80):
        if any(mark in text[place : found.start()] for mark in ".;!?\n。；！？，,"):
            break
        if not found[0].isascii():
            return text[found.start() : found.start() + 2]
        if found[0] not in _STOP:
            return stem(found[0])
    return ""


def _members(text: str) -> dict[int, dict[str, frozenset[str]]]:
    found: dict[int, dict[str, frozenset[str]]] = {}
    for form, end in _occurrences(text):
        follows = _following(text, end)
        for group, member in MEMBERSHIPS[form]:
            members = found.setdefault(group, {})
            members[member] = members.get(member, frozenset()) | {follows}
    return found


def _occurrences(text: str) -> Iterator[tuple[str, int]]:
    for word in re.finditer(r"[a-z]+", text):
        if word[0] in MEMBERSHIPS:
            yield word[0], word.end()
    if not text.isascii():
        for form in IDEOGRAPHIC:
            yield from ((form, found.end()) for found in re.finditer(re.escape(form), text))
