"""A text is read as its words with a meaning: inflections, numbers and synonyms as one, in the language that it is in."""

from __future__ import annotations

import pytest

from app.likeness.inflection import english_base
from app.likeness.tokenization import language_of
from app.likeness.wording import wording_of

SAME_BASE = [
    "retry retries retried retrying",
    "name names named naming",
    "plan planned planning",
    "cache caches cached caching",
    "box boxes boxed boxing",
]
OTHER_BASE = [
    "plan plane",
    "author authority",
    "weekday weekend",
    "bite bit",
    "new news",
    "fast faster fastest",
    "opt opted-out",
    "code cod",
]


@pytest.mark.parametrize("forms", SAME_BASE)
def test_inflections_of_a_word_have_one_base(forms: str) -> None:
    assert len({english_base(form) for form in forms.split()}) == 1


@pytest.mark.parametrize("words", OTHER_BASE)
def test_other_words_have_other_bases(words: str) -> None:
    assert len({english_base(word) for word in words.split()}) == len(words.split())


@pytest.mark.parametrize(
    ("text", "language", "number"),
    [
        ("thirty-five workers", "en", "#35"),
        ("two hundred and six workers", "en", "#200"),
        ("the twice-nightly job", "en", "#2"),
        ("1,024 workers", "en", "#1024"),
        ("three dozen workers", "en", "#36"),
        ("a dozen workers", "en", "#12"),
        ("two thousand three hundred workers", "en", "#2300"),
        ("the fifteenth worker", "en", "#15."),
        ("the 15th worker", "en", "#15."),
        ("dreißig Arbeiter", "de", "#30"),
        ("quinze serveurs", "fr", "#15"),
        ("十五天", "zh", "#15"),
        ("五十天", "zh", "#50"),
        ("三万二千", "zh", "#32000"),
    ],
)
def test_numbers_are_read_in_words_digits_and_ideographs(text: str, language: str, number: str) -> None:
    assert number in wording_of(text, language).keys


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Run the tests before a release.", "en"),
        ("Vor dem Release laufen die Tests.", "de"),
        ("Les tests tournent avant la livraison.", "fr"),
        ("Os testes rodam antes da entrega.", "pt"),
        ("Las pruebas corren antes de la entrega.", "es"),
        ("发布之前运行 `make test`。", "zh"),
        ("リリースの前にテストを実行する。", ""),
        ("Nightly backups", "en"),
    ],
)
def test_a_texts_language_is_recognised_by_the_words_of_its_lists(text: str, language: str) -> None:
    assert language_of(text) == language


def test_synonyms_have_one_key_and_function_words_none() -> None:
    assert wording_of("Please delete the temporary directory.", "en").keys == wording_of("Remove the temp folder!", "en").keys


@pytest.mark.parametrize(
    "text", ["Workers can't wait.", "Workers cannot wait.", "Workers can not wait.", "Workers won’t wait.", "Workers don't wait."]
)
def test_a_contracted_not_is_a_not(text: str) -> None:
    assert wording_of(text, "en").keys == ("worker", "not", "wait")


def test_a_single_framing_word_only_counts_as_such_alone_in_its_clause() -> None:
    assert wording_of("Important: rotate the keys.", "en").keys == wording_of("Rotate the keys.", "en").keys
    assert wording_of("Important keys rotate.", "en").keys != wording_of("Keys rotate.", "en").keys
