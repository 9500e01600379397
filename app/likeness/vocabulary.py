"""The words of one language, read from `languages/*.toml`: which of them carry no meaning of their own, which stand for each other.

The lists only help: a word that stands in none of them differs from every other. Knows no texts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from app.likeness.inflection import english_base, without_ending, without_prefix

LANGUAGES = ("en", "de", "fr", "pt", "es", "zh")
_KEYS = ("generic", "scoped", "adverbs", "prepositions", "conjunctions", "negation", "universal")
_FOLDER = Path(__file__).parent / "languages"
Role = Literal["light", "framing", "opener", "kind", "link", "same"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A phrase. `light`, `framing`, `opener`: without a meaning; `kind`: one `value` excludes another; `link`: a preposition's class.

    `same`: it means its `value`.
    """

    role: Role
    value: str = ""
    kind: str = ""


Phrases = dict[str, tuple[tuple[tuple[str, ...], Entry], ...]]
"""First token → the phrases that begin with it, the longest first."""


@dataclass(frozen=True, slots=True)
class Negations:
    """A list of what a negation denies, by the words beside it. `anywhere`: a modal verb may stand anywhere in the clause, as in German."""

    values: Mapping[tuple[str, ...], str]
    imperative: frozenset[str] = frozenset()
    """Words that begin a clause that forbids: `do not`, `never`."""
    elliptical: frozenset[str] = frozenset()
    """Words that without a verb deny a word: `and not`."""
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A language's lists. `written` is looked up by a token as it is written, `inflected` by its base."""

    language: str
    written: Phrases = field(default_factory=dict)
    inflected: Phrases = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    """Every word of the lists as it is written: by them a text's language is recognised."""
    base: Callable[[str], str] = str
    numbers: Mapping[str, int] = field(default_factory=dict)
    ordinals: Mapping[str, int] = field(default_factory=dict)
    alike_links: frozenset[frozenset[str]] = frozenset()
    """Pairs of classes of prepositions that may be exchanged."""
    generic: frozenset[str] = frozenset()
    """Verbs that may come and go: `before running the tests`, `before the tests`."""
    scoped: frozenset[str] = frozenset()
    """Words whose next word matters, as `only`'s does."""
    adverbs: frozenset[str] = frozenset()
    """Words that may stand before or behind the word that they belong to."""
    prepositions: frozenset[str] = frozenset()
    """Words with a meaning that also mark the role of the next."""
    conjunctions: frozenset[str] = frozenset()
    """Words that open a clause."""
    negation: frozenset[str] = frozenset()
    negations: Negations = field(default_factory=lambda: Negations({}))
    negated: int = 0
    """Words behind a negation that it may concern."""
    universal: frozenset[str] = frozenset()
    """The word for `every`, which may be left out behind such as `before`: `before every release`, `before a release`."""
    obligations: frozenset[str] = frozenset()
    """Values of modality that a command has too: `errors must be logged`, `log errors`."""
    present: str = ""
    """The value of time of a text that tells none."""
    past: frozenset[str] = frozenset()
    """Past forms that no ending tells."""
    past_endings: tuple[str, ...] = ()
    auxiliaries: frozenset[str] = frozenset()
    """Words that make a passive with a participle."""
    participles: tuple[str, ...] = ()
    """Endings of participles; empty: the auxiliary alone tells."""


def vocabulary(language: str) -> Vocabulary:
    """Return a language's lists. An unknown language has none: there each word stands for itself."""
    return _VOCABULARIES.get(language, _NONE)


def _read(language: str) -> Vocabulary:
    lists = tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8").casefold())
    base = _base_of(lists)
    tokens = list if language == "zh" else str.split
    written = list(_written(lists))
    same = [
        (form, Entry("same", _key(group.split("|")[0], base))) for group in lists["same"].strip().splitlines() for form in group.split("|")
    ]
    keys = {name: frozenset(_key(word, base) for word in lists[name].split()) for name in _KEYS}
    return Vocabulary(
        language=language,
        written=_phrases(written, tokens),
        inflected=_phrases(same, tokens, base),
        listed=frozenset(word for phrase, _ in (*written, *same) for word in tokens(phrase)),
        base=base,
        numbers=_numbers(lists["numbers"]),
        ordinals={word: place for place, word in enumerate(lists["numbers"]["ordinal"].split()) if word != "-"},
        alike_links=frozenset(frozenset(pair.split()) for pair in lists["links"].get("alike", ())),
        negations=_negations(lists["negations"], tokens),
        negated=lists["negated"],
        obligations=frozenset(value.split("|")[0].strip() for value in lists["kinds"]["modality"][:2]),
        present=lists["present"],
        past=frozenset(lists.get("past", "").split()),
        past_endings=tuple(lists.get("past_endings", "").split()),
        auxiliaries=frozenset(lists["auxiliaries"].split()),
        participles=tuple(lists["participles"].split()),
        **keys,
    )


def _base_of(lists: Mapping[str, str]) -> Callable[[str], str]:
    groups = [group.split() for group in lists["irregular"].replace("\n", "|").split("|")]
    irregular = {form: group[0] for group in groups for form in group[1:]}
    endings = tuple(sorted(lists["endings"].split(), key=len, reverse=True)) if "endings" in lists else None

    prefix = lists.get("prefix", "")

    def regular_base(word: str) -> str:
        return english_base(word) if endings is None else without_ending(without_prefix(word, prefix), endings)

    listed = {form.strip() for group in lists["same"].splitlines() for form in group.split("|")} if endings is None else set()
    adjectives = {regular_base(form) for form in listed if not form.endswith("ly")}

    @lru_cache(maxsize=8192)
    def base(word: str) -> str:
        found = regular_base(irregular.get(word, word))
        # `commonly` isn't what `common` stands for, unless the list says so.
        return word if word.endswith("ly") and word not in listed and found in adjectives else found

    return base


def _written(lists: Mapping[str, Any]) -> Iterator[tuple[str, Entry]]:
    for kind, values in lists["kinds"].items():
        yield from ((phrase, Entry("kind", value.split("|")[0].strip(), kind)) for value in values for phrase in value.split("|"))
    for name, words in lists["links"].items():
        if name != "alike":
            yield from ((word.replace("_", " "), Entry("link", name)) for word in words.split())
    yield from ((phrase, Entry("light")) for phrase in (*lists["light"].split(), *lists["fillers"].split("|")))
    yield from ((phrase, Entry("opener")) for phrase in lists["openers"].split())
    yield from ((phrase, Entry("framing")) for phrase in lists["framing"].replace("\n", "|").split("|"))


def _phrases(listed: Iterable[tuple[str, Entry]], tokens: Callable[[str], list[str]], base: Callable[[str], str] = str) -> Phrases:
    found: dict[str, dict[tuple[str, ...], Entry]] = {}
    for phrase, entry in listed:
        if words := [base(word) for word in tokens(phrase.strip())]:
            found.setdefault(words[0], {}).setdefault(tuple(words[1:]), entry)
    return {first: tuple(sorted(rests.items(), key=lambda each: -len(each[0]))) for first, rests in found.items()}


def _negations(lists: Mapping[str, Any], tokens: Callable[[str], list[str]]) -> Negations:
    values = {tuple(tokens(phrase.strip())): name for name, phrases in lists["values"].items() for phrase in phrases.split("|")}
    return Negations(values, frozenset(lists["imperative"].split()), frozenset(lists["elliptical"].split()), lists["anywhere"])


def _key(phrase: str, base: Callable[[str], str]) -> str:
    return " ".join(base(word) for word in phrase.split())


def _numbers(lists: Mapping[str, str]) -> dict[str, int]:
    small = {word: value for value, word in enumerate(lists["cardinal"].split()) if word != "-"}
    also = lists.get("also", "").split()
    small |= {word: int(value) for word, value in zip(also[::2], also[1::2], strict=True)}
    return small | {word: 20 + 10 * place for place, word in enumerate(lists["tens"].split()) if word != "-"}


def _languages_by_word() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language, lists in _VOCABULARIES.items():
        for word in lists.listed | lists.numbers.keys():
            found[word] = (*found.get(word, ()), language)
    return found


_NONE = Vocabulary("")
_VOCABULARIES = {language: _read(language) for language in LANGUAGES}
"""Read when this module is imported, 15 ms: a server's event loop must not read files."""
LANGUAGES_BY_WORD: Mapping[str, tuple[str, ...]] = _languages_by_word()
"""Each word of the lists with the languages that have it: by them a text's language is recognised."""
