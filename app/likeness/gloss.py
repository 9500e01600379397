"""Reads another language's cue words as English: one vocabulary for all patterns. Knows words, not grammar; pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("gloss.toml")
MAX_CHARS = 2_000
"""Characters of a text that are read; cues stand at its beginning."""
MIN_COMMON = 2
"""Function words of a language that a text in Latin letters needs, or one cue and no English word: a name may be one by chance."""
_WORD = re.compile(r"(?:[^\W\d_]{2,}|[^\W\d_\x00-\x7f])(?:['’](?=\w))?")
"""A word; of one letter only one with an accent, or of another script: `è` is Italian, `a` is many."""
_ENGLISH = frozenset(
    _WORD.findall(
        "the a an is are was were be been it its this that these those to of and or on at by for from with as we you i they he she not but if when "
        "which so than then because can will would should must has have had does do did into only also there their our your all any one more most "
        "before after never always each every other some use using"
    )
)
_ALSO_ENGLISH = frozenset(
    _WORD.findall(
        "no attention important solo want bare mal super standard perfect per serve car convention non nic sans vain usa sin die den son van vi op men man "
        "sea come fin dare pose case note simple source mine send sender gem"
    )
)
"""Words of other languages that English technical text has, too: they tell nothing about a text's language."""
_MARKS = "\u0300-\u036f\u064b-\u065f\u0900-\u0903\u093a-\u094f"
"""Marks that belong to the letter before them, though no pattern counts them as letters."""
_SCRIPTS: Mapping[str, re.Pattern[str]] = {
    "kana": re.compile(r"[\u3040-\u30ff]"),
    "hangul": re.compile(r"[\uac00-\ud7af]"),
    "han": re.compile(r"[\u3400-\u9fff]"),
    "cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "greek": re.compile(r"[\u0370-\u03ff]"),
    "hebrew": re.compile(r"[\u0590-\u05ff]"),
    "arabic": re.compile(r"[\u0600-\u06ff]"),
    "devanagari": re.compile(r"[\u0900-\u097f]"),
}
"""Scripts in the order in which they decide: Japanese is written with Han characters, too."""
_IN_SCRIPT = re.compile("|".join(each.pattern for each in _SCRIPTS.values()))
_UNSPACED = frozenset({"kana", "han", "hangul"})
"""Scripts in which a word isn't set off by spaces, or carries its endings."""
_MIN_SHARE = 0.2
"""Share of a script's characters among a text's letters from which on the text is written in it."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language's function words, its one-word cues, both together (`words`), and all forms of its cues with the English word of each, the longest form first."""

    code: str
    script: str
    common: frozenset[str]
    cues: frozenset[str]
    words: frozenset[str]
    forms: tuple[tuple[str, str], ...]


@lru_cache(maxsize=4096)
def gloss(text: str) -> str:
    """Return the text with the cue words of its language in English; an English text, and code in backticks, as they are."""
    parts = text[:MAX_CHARS].split("`")
    language = _language_of(" ".join(parts[::2]))
    if language is None:
        return text
    for place in range(0, len(parts), 2):
        parts[place] = _pattern(language).sub(lambda found: _replacement(language, found), parts[place])
    return "`".join(parts).strip()


def is_foreign(text: str) -> bool:
    """Tell whether a text is in a language other than English that is known here."""
    return _language_of(" ".join(text[:MAX_CHARS].split("`")[::2])) is not None


def _replacement(language: Language, found: re.Match[str]) -> str:
    _, word = language.forms[(found.lastindex or 1) - 1]
    return f" {word} " if language.script in _UNSPACED else word


@lru_cache(maxsize=4096)
def _language_of(prose: str) -> Language | None:
    if not any(map(str.isalpha, prose)):
        return None
    if _IN_SCRIPT.search(prose):
        letters = sum(map(str.isalpha, prose))
        for script, pattern in _SCRIPTS.items():
            if len(pattern.findall(prose)) >= _MIN_SHARE * letters:
                return _likeliest([each for each in languages() if each.script == script], prose, least=0)
    return _likeliest([each for each in languages() if not each.script], prose, least=MIN_COMMON)


def _likeliest(candidates: list[Language], prose: str, *, least: int) -> Language | None:
    """Return the language most of whose function words occur, more than English ones; the first of the table where two have as many."""
    if len(candidates) == 1 and least == 0:
        return candidates[0]
    words = set(_WORD.findall(prose.casefold()))
    english = len(words & _ENGLISH)
    words &= _known_words()
    if not words and least:
        return None
    counts = [(len(words & each.words), len(words & each.common), -place) for place, each in enumerate(candidates)]
    best, _, place = max(counts)
    likeliest = candidates[-place]
    needed = 1 if not english and words & likeliest.cues else max(least, english + 1)
    return likeliest if not least or best >= needed else None


@cache
def _known_words() -> frozenset[str]:
    return frozenset().union(*(each.words for each in languages()))


@cache
def languages() -> tuple[Language, ...]:
    """Read the table of languages, in its order."""
    return tuple(_language(code, table) for code, table in tomllib.loads(TABLE.read_text("utf-8")).items())


def _language(code: str, table: Mapping[str, str]) -> Language:
    script = table.get("script", "")
    forms = [(form, english) for english, of in table.items() if english not in {"script", "common"} for form in of.split("|")]
    # The longest form wins where one begins another: alternatives are tried in order.
    ordered = sorted(forms, key=lambda each: (-len(each[0]), each))
    cues = frozenset(form for form, _ in ordered if form.isalpha()) - _ENGLISH - _ALSO_ENGLISH
    common = frozenset(table["common"].split("|")) - _ALSO_ENGLISH
    return Language(code, script, common, cues, common | cues, tuple(ordered))


@cache
def _pattern(language: Language) -> re.Pattern[str]:
    """Compile the pattern of a language's cues, one group for each of its forms, when a text of it is first met."""
    forms = "|".join(f"({_form(form, spaced=language.script not in _UNSPACED)})" for form, _ in language.forms)
    # Most places in a text begin no form: one question instead of one for each of hundreds.
    first = "".join(sorted({re.escape(form[0]) for form, _ in language.forms}))
    return re.compile(f"(?=[{first}])(?:{forms})", re.IGNORECASE)


def _form(form: str, *, spaced: bool) -> str:
    """Write a form as a pattern: whole words where words have spaces, `*` for any ending."""
    stem = re.escape(form.removesuffix("*")).replace("\\ ", r"\s+")
    before = rf"(?<![\w{_MARKS}])" if spaced else ""
    after = r"\w*" if form.endswith("*") else rf"(?![\w{_MARKS}])" if spaced and form[-1].isalnum() else ""
    return f"{before}{stem}{after}"
