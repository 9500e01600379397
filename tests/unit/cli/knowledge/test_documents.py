"""An item's file says the item again, to the last byte, and whether anybody has edited it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.cli.knowledge.documents import MAX_BYTES, MAX_SOURCES, read, same_text, write
from app.cli.knowledge.front_matter import BadFrontMatter
from tests.unit.cli.knowledge.items import SESSION, item

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(WORDS, WORDS, st.lists(WORDS.filter(bool), max_size=3))
def test_what_is_written_is_read_again_and_known_to_be_unedited(title: str, text: str, paths: list[str]) -> None:
    made = item(title=title, text=text, paths=paths)
    found = read(write(made))
    assert found is not None
    assert (found.id, found.project, found.type, found.revision) == (made["id"], "shop", "gotcha", made["revision"])
    assert ((found.title or ""), found.text, list(found.paths or ())) == (title, text, paths)
    assert found.is_as_written


def test_other_tools_read_the_front_matter_as_yaml() -> None:
    content = write(item(title='"Quotes": and #', corrected_at="2026-11-11T00:00:00Z")).decode()
    found = yaml.safe_load(content.split("---\n")[1])
    assert found["title"] == '"Quotes": and #'
    assert found["paths"] == ["deploy/staging.yaml"]
    assert found["created"].isoformat() == "2026-11-10T10:02:11+00:00"
    assert found["subjects"] == ["deploy/staging.yaml", "staging"]
    assert [str(each["session"]) for each in found["sources"]] == [SESSION]
    assert found["sources"][0]["transcript"] == "a: b.jsonl"
    assert "said so" not in content, "what was said stays on the server"


def test_the_bytes_depend_on_the_item_alone() -> None:
    made = item()
    as_a_route_tells_it = made | {"age_days": 3, "mine": True, "created_at": "2026-11-10T11:02:11.000000+01:00"}
    assert write(made) == write(as_a_route_tells_it)


def test_a_name_of_two_kinds_is_one_subject_and_without_any_there_is_no_line() -> None:
    found = write(item(subjects=[{"kind": "service", "name": "redis"}, {"kind": "tool", "name": "redis"}])).decode()
    assert yaml.safe_load(found.split("---\n")[1])["subjects"] == ["redis"]
    assert "subjects" not in write(item(subjects=[])).decode()


def test_an_edited_subject_is_no_edit_since_it_is_found_in_the_words() -> None:
    found = read(write(item()).replace(b'- "staging"', b'- "production"'))
    assert found is not None
    assert found.is_as_written


def test_only_the_newest_citations_are_written() -> None:
    evidence = [{"session_id": SESSION, "transcript": "a", "locator": f"L{number}", "at": None} for number in range(30)]
    found = yaml.safe_load(write(item(evidence=evidence)).decode().split("---\n")[1])
    assert [each["locator"] for each in found["sources"]] == [f"L{number}" for number in range(MAX_SOURCES)]


@pytest.mark.parametrize("change", [b"nightly", b"deploy/staging.yaml", b"at three", b"gotcha"])
def test_a_file_whose_words_were_edited_is_told_from_one_that_was_not(change: bytes) -> None:
    found = read(write(item()).replace(change, b"changed"))
    assert found is not None
    assert not found.is_as_written


def test_ends_of_lines_and_a_mark_of_an_editor_are_no_edit() -> None:
    content = write(item(text="one\n\ntwo"))
    for saved in (content.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + content):
        found = read(saved)
        assert found is not None
        assert found.is_as_written


def test_a_text_with_ends_of_lines_of_its_own_is_unedited_too() -> None:
    found = read(write(item(text="one\r\ntwo\r\n")))
    assert found is not None
    assert found.is_as_written


def test_what_editors_change_unasked_is_the_same_text() -> None:
    assert same_text("one  \r\n\ntwo\t\n\n") == same_text("\none\n\ntwo") == "one\n\ntwo"


@pytest.mark.parametrize("blank", [" ", "\t", "\r", " \t\r"])
def test_a_megabyte_of_blanks_within_a_line_is_kept_and_soon_read(blank: str) -> None:
    blanks = blank * (MAX_BYTES // len(blank))
    assert same_text(f"one{blanks}two{blanks}") == f"one{blanks}two"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"---\nid: 1\n---\n", "no item's id"),
        (b"---\nid: [a]\n---\n", "its id is a list"),
        (b"---\ntitle: [a, b]\n---\n", "its title is a list"),
        (b"---\ntype: gotcha\n", "no end"),
        (b"---\ntype: g\xffotcha\n---\n", "not text in UTF-8"),
        (b"\x89PNG\x00\x01", "binary"),
    ],
)
def test_a_file_that_can_not_be_read_says_why(content: bytes, says: str) -> None:
    with pytest.raises(BadFrontMatter, match=says):
        read(content)


def test_a_file_without_front_matter_is_no_item() -> None:
    assert read(b"# About this folder\n") is None
    assert read(b"") is None
