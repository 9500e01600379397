"""Names: what is accepted can be asked for again; what isn't names its field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.names import MAX_CHARS, check_account_name, check_project_name, project_name_of
from app.errors import InvalidInput


@pytest.mark.parametrize("name", ["a", "ada", "Ada Lovelace", "ada@example.org", "a.b_c-d+e", "Zoë", "x" * 100])
def test_an_ordinary_name_is_accepted(name: str) -> None:
    check_account_name(name)


@pytest.mark.parametrize("name", ["", " ada", "ada ", "a/b", "a\nb", "a\x00b", "'; drop table teams", "\ud800", "x" * 101, "a\u202eb"])
def test_a_name_that_would_be_trouble_is_refused_and_the_field_named(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_account_name(name, param="team")
    assert caught.value.param == "team"


@pytest.mark.parametrize("name", ["shop", "C++ (old)", "Überblick 2", "日本語"])
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
