"""Extract what a text states exactly: numbers, versions, flags, paths, URLs, identifiers, quotations, names, opposites.

Knows one text: whether two texts' claims contradict each other, `differing` in the package decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.likeness.opposites import GROUPS_BY_WORD, IDEOGRAPHIC
from app.likeness.remembering import remembered

_EXTENSIONS = (
    "py|pyi|ipynb|jsx?|mjs|cjs|tsx?|vue|svelte|s?css|less|html?|jsonl?|json5|ya?ml|toml|ini|cfg|conf|env|lock|mdx?|rst|txt|csv|tsv|sql"
    "|sh|bash|zsh|ps1|bat|go|rs|rb|java|kts?|swift|c|cc|cpp|hpp?|cs|php|lua|exs?|erl|hs|scala|proto|graphql|xml|svg|png|jpe?g|gif|pdf"
    "|log|db|sqlite|gz|zip|tar|tf|tfvars|dockerfile|gradle|pem|key|crt|wasm|patch|diff"
)
_LIST_MARK = re.compile(  # `1. `, `- `
    r"(?m)^[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+"
)
_URL = re.compile(  # `https://acme.dev/a?b=1`
    r"[a-z][a-z0-9+.-]{1,20}://[^\s`\"'<>|)\]}]{1,2000}", re.IGNORECASE
)
_PATH = re.compile(  # `src/app.py`, `~/notes`, `.env`, `config.toml`, `C:\logs\a.txt`
    r"(?<![\w@.-])(?:(?:~|\.{1,2}|[A-Za-z]:)?[/\\])?(?:[\w.@+-]{1,120}[/\\]){1,30}+[\w.@+*-]{0,120}"
    r"|(?<![\w@./\\])(?:/|~(?!\d))[\w.@+-]{2,120}"
    rf"|(?<![\w@.-])\.?[\w-]{{1,120}}(?:\.[\w-]{{1,40}}){{0,4}}\.(?:{_EXTENSIONS})(?![\w-])"
    r"|(?<![\w.@/])\.[a-z][\w.-]{2,60}",
    re.IGNORECASE | re.ASCII,
)
_FLAG = re.compile(  # `--dry-run`, `-v`
    r"(?<![\w/.)\]-])-{1,2}[A-Za-z][\w-]{0,60}", re.ASCII
)
_NUMBER = re.compile(  # `8080`, `-3`, `1,024`, `v1.2.3-rc1`, `30 s`, `99.9%`, `0xff`
    r"(?P<before>(?:(?<![A-Za-z])[A-Za-z]++[ \t])?)(?<![A-Za-z0-9_.])(?P<sign>(?<![\w)\]])-)?(?P<v>[vV])?"
    r"(?P<digits>0x[0-9a-fA-F]+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.:]\d+)*(?:-?(?:rc|alpha|beta)\.?\d+)?)"
    r"(?P<unit>[ \t]?(?:%|[a-zA-Zµ]{1,12}(?![A-Za-z0-9_])))?(?![A-Za-z0-9_]|\.\d)"
)
_IDENTIFIER = re.compile(  # `user_id`, `userId`, `GitHub`, `os.path`, `std::move`, `utf8`, `UTF-8`
    r"(?<![\w.$])(?:[A-Za-z_$][\w$]*+(?:(?:\.|::|->)[A-Za-z_$][\w$]*)+|_*[A-Za-z][A-Za-z0-9]*_\w*|_+[A-Za-z]\w*|[a-z]+[A-Z]\w*"
    r"|[A-Z]\w*[a-z]\w*[A-Z]\w*|[A-Za-z]+-?\d\w*|\d+[A-Za-z]\w*)(?!\w)",
    re.ASCII,
)
_IN_BACKTICKS = re.compile(  # a word in backticks
    r"`([A-Za-z_]\w{1,60})`"
)
_CODE = re.compile(  # `a*b`
    r"`([^`\n]{1,300})`"
)
_QUOTED = re.compile(  # "not found", “so”, 'yes'
    r"\"([^\"\n]{2,300})\"|“([^”\n]{2,300})”|「([^」\n]{2,300})」|(?<!\w)'([^'\n]{2,300})'(?!\w)"
)
_WORD = re.compile(  # `port`, `8080`, one ideograph
    r"[A-Za-z]+|[0-9]+|[\u3400-\u9fff]"
)
_LOWERED_WORD = re.compile(r"[a-z]+")
_ORIGINAL_WORD = re.compile(  # `utf-8`, `v1.2`, `user_id`
    r"\w+(?:[.-]\w+)*", re.ASCII
)
_ALPHANUMERIC = re.compile(r"[^\W_]+")
_PROPER_NOUN = re.compile(  # `Redis` in `we use Redis`
    r"(?<=[a-z,;)] )[A-Z][a-z]{2,}(?![\w-])"
)
_STOP_WORDS = frozenset(
    "a an the to be is are was were do does did done have has had it its this that these those of in on at by for with as from and or if"  # noqa: SIM905
    " so then than when you we i they he she use uses used using can could should would will must may might just any all only very also"
    " ever need needs there here their our your my".split()
)
_PROSE_WORDS = frozenset({"and", "or", "either", "he", "she", "his", "her", "yes", "no", "on", "off", "w", "o", "n"})
MAX_PARTS = 32
NO_UNIT = ""
UNITS = {
    form: line.split()[0]
    for line in (
        "ms millisecond milliseconds millis", "s sec secs second seconds", "min mins minute minutes", "h hr hrs hour hours", "d day days",
        "% percent", "kb kilobyte kilobytes", "mb megabyte megabytes", "gb gigabyte gigabytes", "tb terabyte terabytes",
        "kib", "mib", "gib", "tib",
        "b byte bytes", "px pixel pixels", "k", "m", "us µs", "ns", "week weeks", "month months", "year years",
    )
    for form in line.split()
} | dict.fromkeys(("x", "times", "st", "nd", "rd", "th"), NO_UNIT)  # fmt: skip
"""Form of a unit → unit. After `x`, `times` and the endings of ordinals a number counts as one without unit."""
_CASED_UNITS = frozenset({"Kb", "Mb", "Gb", "Tb", "M"})
"""Bits and millions, which in small letters are taken for bytes and metres or minutes."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit. `version` isn't compared: it only labels a difference `version` rather than `number`."""

    digits: str
    unit: str = NO_UNIT
    version: bool = False

    def __str__(self) -> str:
        return self.digits + self.unit


@dataclass(frozen=True, slots=True)
class ExactClaims:
    """The exact claims of one text."""

    text: str
    """Case-folded, whitespace collapsed, without backticks."""
    words: Counter[str]
    original_words: frozenset[str]
    """Every word in its original case, to find an identifier that the other text writes without its punctuation."""
    urls: frozenset[str]
    paths: frozenset[str]
    path_tails: frozenset[str]
    """The paths, each without none, one, two … of its first folders: `a/b`, `b`."""
    flags: frozenset[str]
    quantities: frozenset[Quantity]
    identifiers: frozenset[str]
    identifier_tails: frozenset[str]
    quotations: frozenset[str]
    codes: Mapping[str, frozenset[str]]
    """The words of what stands in backticks → what stands there, without spaces: {"user id": {"user_id"}}."""
    proper_nouns: frozenset[str]
    """Capitalized words within a sentence."""
    opposites: dict[int, dict[str, frozenset[str]]]
    """Group of opposites → the words of it in the text → the stems of the words that follow each: {7: {"enable": {"cach"}}}."""


def plain(text: str) -> str:
    """Return a text as claims hold it: case-folded, whitespace collapsed, without backticks and marks of lists."""
    return " ".join(_without_lists(text).replace("`", "").casefold().split())


def _without_lists(text: str) -> str:
    return _LIST_MARK.sub(" ", text.replace("\u00a0", " "))


@remembered
def extract_claims(text: str) -> ExactClaims:
    without_lists = _without_lists(text)
    without_ticks = without_lists.replace("`", "")
    lowered = without_ticks.casefold()
    remaining, urls = _take(_URL, without_ticks)
    remaining, paths = _take(_PATH, remaining)
    remaining, flags = _take(_FLAG, remaining)
    remaining, quantities = _quantities(remaining)
    words = Counter(_WORD.findall(lowered))
    found = {each[0] for each in _IDENTIFIER.finditer(remaining)} | set(_IN_BACKTICKS.findall(without_lists))
    identifiers = frozenset(map(_normalized_identifier, found))
    places = frozenset(_normalized_path(path) for path in paths if not _is_prose_pair(path))
    return ExactClaims(
        text=" ".join(lowered.split()),
        words=words,
        original_words=frozenset(_ORIGINAL_WORD.findall(without_ticks)) | frozenset(_WORD.findall(without_ticks)),
        urls=frozenset(url.rstrip(".,;:!?/") for url in urls),
        paths=places,
        path_tails=frozenset(tail for path in places for tail in tails(path.lstrip("/"), "/")),
        flags=frozenset(flags),
        quantities=frozenset(quantities),
        identifiers=identifiers,
        identifier_tails=frozenset(tail for token in identifiers for tail in tails(token, ".")),
        quotations=frozenset(_normalized_quotation(next(filter(None, found))) for found in _QUOTED.findall(without_ticks)),
        codes=_codes(without_lists),
        proper_nouns=frozenset(_PROPER_NOUN.findall(remaining)),
        opposites={} if lowered.isascii() and GROUPS_BY_WORD.keys().isdisjoint(words) else _opposites(lowered),
    )


def stem(word: str) -> str:
    """Return a word's stem, crudely: enough to recognize its inflections."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def tails(name: str, separator: str) -> Iterator[str]:
    """Yield a name, and it without its first parts; of very many parts only the last ones."""
    yield name
    parts = name.split(separator)[-MAX_PARTS:]
    yield from (separator.join(parts[start:]) for start in range(1, len(parts)))


def _take(pattern: re.Pattern[str], text: str) -> tuple[str, set[str]]:
    """Return the text without the pattern's matches, and the matches."""
    found = set(pattern.findall(text))
    return pattern.sub(" ", text) if found else text, found


def _is_prose_pair(path: str) -> bool:
    """Tell whether a path is two words of prose or two numbers: `and/or`, `read/write`, `CI/CD`, `1/2`."""
    parts = path.split("/")
    return len(parts) == 2 and all(
        part.isupper() or part.isdecimal() or part.lower() in _PROSE_WORDS or part.lower() in GROUPS_BY_WORD for part in parts
    )


def _normalized_path(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./").rstrip("./,;:") or path


def _normalized_identifier(token: str) -> str:
    """Normalize an identifier: case matters, except for all-caps ones such as `UTF-8`."""
    token = token.rstrip(".:")
    return token.lower() if "_" not in token and token.isupper() else token


def _normalized_quotation(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;:!?")


def _quantities(text: str) -> tuple[str, set[Quantity]]:
    found: set[Quantity] = set()

    def take(match: re.Match[str]) -> str:
        written = (match["unit"] or "").strip()
        unit = written.lower()
        attached = bool(match["unit"]) and not match["unit"][0].isspace()
        if attached and unit not in UNITS:
            return match[0]  # `8b`, `2xlarge`: an identifier
        digits = match["digits"].replace(",", "").lower()
        if digits.isdigit():
            digits = digits.lstrip("0") or "0"
        version = bool(match["v"]) or digits.count(".") > 1 or ("." in digits and bool(match["before"]) and match["before"][0].isupper())
        found.add(Quantity((match["sign"] or "") + digits, written if written in _CASED_UNITS else UNITS.get(unit, NO_UNIT), version))
        return match["before"] + " " + (match["unit"] if unit not in UNITS and match["unit"] else "")

    return _NUMBER.sub(take, text), found


def _codes(text: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for code in _CODE.findall(text):
        words = " ".join(_ALPHANUMERIC.findall(code.casefold()))
        found[words] = found.get(words, frozenset()) | {"".join(code.casefold().split()).replace("()", "")}
    return found


def _following_stem(text: str, place: int) -> str:
    """Return the stem of the first content word after this place, in the same clause; empty if there is none."""
    for found in _WORD.finditer(text, place, place + 80):
        if any(mark in text[place : found.start()] for mark in ".;!?\n。；！？，,"):
            break
        if not found[0].isascii():
            return text[found.start() : found.start() + 2]
        if found[0] not in _STOP_WORDS:
            return stem(found[0])
    return ""


def _opposites(text: str) -> dict[int, dict[str, frozenset[str]]]:
    found: dict[int, dict[str, frozenset[str]]] = {}
    for form, end in _occurrences(text):
        follows = _following_stem(text, end)
        for group, member in GROUPS_BY_WORD[form]:
            words = found.setdefault(group, {})
            words[member] = words.get(member, frozenset()) | {follows}
    return found


def _occurrences(text: str) -> Iterator[tuple[str, int]]:
    for word in _LOWERED_WORD.finditer(text):
        if word[0] in GROUPS_BY_WORD:
            yield word[0], word.end()
    if not text.isascii():
        for form in filter(text.__contains__, IDEOGRAPHIC):
            yield from ((form, found.end()) for found in re.finditer(re.escape(form), text))
