"""What a file is, compared with its item: unchanged, older, edited, or not to be taken."""

from __future__ import annotations

from typing import Any

import pytest

from app.cli.knowledge.comparing import PresentItem, check_new, compare, differences
from app.cli.knowledge.documents import ItemDocument, read, write
from app.errors import InvalidInput
from app.knowledge.edits import MAX_TEXT_CHARS
from tests.unit.cli.knowledge.items import item

MADE = item(text="One line.  \nAnother line.")


def file(*changes: tuple[str, str], of: dict[str, Any] = MADE) -> ItemDocument:
    """The item's file with these words replaced."""
    content = write(of).decode()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    found = read(content.encode())
    assert found is not None
    return found


def test_a_file_as_it_was_written_is_unchanged() -> None:
    assert compare(file(), PresentItem.of(MADE)) == "unchanged"


def test_white_space_that_an_editor_took_away_is_no_edit() -> None:
    trimmed = file(("One line.  \n", "One line.\n"))
    assert not trimmed.is_as_written
    assert compare(trimmed, PresentItem.of(MADE)) == "unchanged"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (("Another line", "Another word"), {"text": "One line.  \nAnother word."}),
        (("Staging is restored nightly", "Staging: nightly"), {"title": "Staging: nightly"}),
        (("type: gotcha", "type: tool_usage"), {"type": "tool_usage"}),
        (("deploy/staging.yaml", "deploy/all.yaml"), {"paths": ("deploy/all.yaml",)}),
        (('paths:\n  - "deploy/staging.yaml"', "paths: []"), {"paths": ()}),
    ],
)
def test_an_edit_changes_only_what_it_changes(change: tuple[str, str], wanted: dict[str, object]) -> None:
    present = PresentItem.of(MADE)
    assert compare(file(change), present) == "edited"
    assert present.changes(file(change)) == wanted


def test_lines_that_are_left_out_change_nothing() -> None:
    without = file(('title: "Staging is restored nightly"\n', ""), ('paths:\n  - "deploy/staging.yaml"\n', ""), ("type: gotcha\n", ""))
    assert compare(without, PresentItem.of(MADE)) == "unchanged"


def test_a_file_that_nobody_edited_is_older_than_an_item_that_was_changed() -> None:
    assert compare(file(), PresentItem.of(item(id=MADE["id"], text="Newer words."))) == "outdated"


def test_an_edit_of_older_words_is_a_conflict_and_the_words_of_others_stay() -> None:
    now = item(id=MADE["id"], text="Newer words.")
    with pytest.raises(InvalidInput, match=f"changed since this file was written.*revision: {now['revision']}"):
        compare(file(("Another", "My own")), PresentItem.of(now))
    resolved = file(("Another", "My own"), (MADE["revision"], now["revision"]))
    assert compare(resolved, PresentItem.of(now)) == "edited"


def test_an_edit_that_others_made_too_is_none() -> None:
    assert compare(file(("Another", "My own")), PresentItem.of(item(text="One line.\nMy own line."))) == "unchanged"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([("Another", "My own"), (f'revision: "{MADE["revision"]}"\n', "")], "revision` is missing"),
        ([('project: "shop"', "project: till")], "project 'till', but the item belongs to 'shop'"),
        ([('title: "Staging is restored nightly"', 'title: " "')], "title is empty"),
        ([("One line.  \nAnother line.", "")], "text is empty"),
        ([("Another line", "x" * MAX_TEXT_CHARS)], "text is longer than 8,000"),
        ([("gotcha", "wisdom")], "type: 'wisdom' is not known"),
    ],
)
def test_what_can_not_be_taken_says_why(changes: list[tuple[str, str]], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        compare(file(*changes), PresentItem.of(MADE))


def test_a_long_text_that_a_session_taught_does_not_bind_the_edit_of_a_title() -> None:
    long = item(text="x" * (MAX_TEXT_CHARS + 1))
    assert compare(file(("nightly", "daily"), of=long), PresentItem.of(long)) == "edited"


def test_a_passage_is_no_item() -> None:
    with pytest.raises(InvalidInput, match="passage"):
        PresentItem.of({"kind": "passage", "id": "x"})


@pytest.mark.parametrize(
    ("stored", "given", "same"),
    [
        ("Use [REDACTED:password] here.", "Use hunter2 here.", True),
        ("Use [REDACTED:password] here.", "Use [REDACTED:password] here.", True),
        ("[REDACTED:api-key]", "sk_live_1", True),
        ("a [REDACTED:api-key] b [REDACTED:password] c", "a one b two c", True),
        ("a [REDACTED:api-key] b [REDACTED:password] c", "a one two c", False),
        ("Use [REDACTED:password] here.", "Use hunter2 there.", False),
        ("ab[REDACTED:password]bc", "abc", False),
        ("Use hunter2 here.", "Use hunter3 here.", False),
        ("Use it here.", "use it here.", False),
    ],
)
def test_a_new_file_says_what_was_stored_but_for_redacted_secrets(stored: str, given: str, *, same: bool) -> None:
    assert differences(ItemDocument(None, None, None, None, None, None, given), item(text=stored)) == ([] if same else ["text"])


def test_a_new_item_needs_a_text_and_may_leave_out_the_rest() -> None:
    check_new(ItemDocument(None, None, None, None, None, None, "words"))
    with pytest.raises(InvalidInput, match="text is empty"):
        check_new(ItemDocument(None, None, None, None, None, None, " "))
