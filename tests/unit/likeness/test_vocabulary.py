"""The lists of words are free of contradictions: no form means two things."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.likeness import vocabulary as module
from app.likeness.vocabulary import LANGUAGES, Entry, vocabulary

FOLDER = Path(module.__file__).parent / "languages"


def lists(language: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8").casefold())


def tokens(language: str, phrase: str) -> list[str]:
    return list(phrase.strip()) if language == "zh" else phrase.split()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_form_stands_in_two_groups_of_synonyms(language: str) -> None:
    base, seen = vocabulary(language).base, {}
    for group in lists(language)["same"].strip().splitlines():
        for form in group.split("|"):
            key = tuple(map(base, tokens(language, form)))
            assert seen.setdefault(key, group) == group, form


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_phrase_is_both_without_a_meaning_and_with_one(language: str) -> None:
    written: dict[str, Entry] = {}
    for phrase, entry in module._written(lists(language)):
        assert written.setdefault(phrase.strip(), entry) == entry, phrase
    for group in lists(language)["same"].strip().splitlines():
        assert not [form for form in group.split("|") if form.strip() in written and written[form.strip()].role != "opener"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_classes_of_prepositions_and_values_are_known(language: str) -> None:
    links = lists(language)["links"]
    assert {name for pair in vocabulary(language).alike_links for name in pair} <= links.keys()


def test_an_unknown_language_has_no_words() -> None:
    assert not vocabulary("tlh").listed
