"""Names: what is accepted can be asked for again; what isn't names its field."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.names import MAX_CHARS, canonical, check_account_name, check_project_name, project_name_of
from app.errors import InvalidInput


@pytest.mark.parametrize("name", ["a", "ada", "Ada Lovelace", "ada@example.org", "a.b_c-d+e", "Zoë", "x" * 100])
def test_an_ordinary_name_is_accepted(name: str) -> None:
    check_account_name(name)


@pytest.mark.parametrize("name", ["Анна", "Ελένη", "محمد", "अनीता", "สมชาย", "山田 太郎", "Nguyễn", "O2 ops", "Ada 山田"])
def test_a_name_may_be_in_any_script(name: str) -> None:
    check_account_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ada\u200b", "can't be seen (U+200B, ZERO WIDTH SPACE)"),
        ("a\u200dda", "can't be seen (U+200D, ZERO WIDTH JOINER)"),
        ("\u202eada", "can't be seen (U+202E, RIGHT-TO-LEFT OVERRIDE)"),
        ("ada\u2066", "can't be seen (U+2066"),
        ("ada\ufeff", "can't be seen (U+FEFF"),
        ("a\x07da", "can't be seen (U+0007, a control character)"),
        ("\u0430da", "mixes letters that look alike (Latin and Cyrillic)"),
        ("\u03bfmega", "mixes letters that look alike (Latin and Greek)"),
        ("\uff41da", "look like others: write 'ada'"),
        ("ﬁona", "look like others: write 'fiona'"),
        ("\u0301ada", "must be 1 to 100 letters"),
    ],
)
def test_a_name_that_could_pass_for_another_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(why)):
        check_account_name(name)


def test_a_name_is_the_same_however_its_accents_are_typed() -> None:
    assert canonical("Zoe\u0308") == canonical("Zoë") == "Zo\u00eb"
    assert project_name_of("cafe\u0301") == "caf\u00e9"
    check_account_name("Zoe\u0308")


@pytest.mark.parametrize("name", ["", " ada", "ada ", "a/b", "a\nb", "a\x00b", "'; drop table teams", "\ud800", "x" * 101, "a\u202eb"])
def test_a_name_that_would_be_trouble_is_refused_and_the_field_named(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_account_name(name, param="team")
    assert caught.value.param == "team"


@pytest.mark.parametrize("check", [check_account_name, check_project_name])
@pytest.mark.parametrize("name", [".", "..", "..."])
def test_dots_alone_which_an_address_takes_for_a_folder_are_refused(name: str, check: Callable[..., None]) -> None:
    with pytest.raises(InvalidInput, match=r"dots alone.*choose another"):
        check(name)
    check(f"{name}a")


@pytest.mark.parametrize("name", ["shop", "C++ (old)", "Überblick 2", "日本語", "a/b", "%2f", ".config", "a/../b"])
def test_a_project_may_be_called_as_folders_are(name: str) -> None:
    check_project_name(name)


@pytest.mark.parametrize("name", ["", " shop", "shop ", "a\x00b", "a\tb", "\ud800", "x" * 101])
def test_a_project_name_that_cannot_be_printed_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_project_name(name)
    assert caught.value.param == "project"


@given(st.text(st.characters(codec=None), max_size=3 * MAX_CHARS))
def test_what_is_made_of_any_folder_is_a_valid_project_name_or_nothing(folder: str) -> None:
    name = project_name_of(folder)
    if name is not None:
        check_project_name(name)


def test_a_valid_folder_name_stays_as_it_is() -> None:
    assert project_name_of("C++ (old)") == "C++ (old)"


def test_of_a_folder_of_blanks_nothing_is_left() -> None:
    assert project_name_of(" \t ") is None
    assert project_name_of(" .. ") is None
