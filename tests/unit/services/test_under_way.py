"""What is told of a session that goes on: one line of a prompt and of a command, files as seen from its folder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.budget.views import CallTotals
from app.knowledge.item import LearntItems
from app.services.under_way import SessionUnderWay, compose, first_line, within
from app.sessions.session import Activity, LastCall, Session

AT = datetime(2026, 11, 1, tzinfo=UTC)
SESSION = Session(
    id=uuid4(), team_id=uuid4(), project_id=uuid4(), developer_id=None, provider="codex", external_id="s", title=None, transcript="t.jsonl",
    directory="/home/ada/shop", repository=None, branch=None, commit=None, agent_version=None, model=None, started_at=AT, ended_at=None,
    file_dated_at=None, event_count=3, revision=1, redactions={}, created_at=AT, updated_at=AT + timedelta(minutes=5),
)  # fmt: skip


def told(session: Session = SESSION, activity: Activity | None = None) -> SessionUnderWay:
    return compose(
        session, project="shop", developer="ada", activity=activity or Activity(), cost=CallTotals(requests=1), learnt=LearntItems(0, ())
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        (" \n\t\n", ""),
        ("\n\n  Mend   the\tpool \nand more", "Mend the pool"),
        ("a\u2028b", "a"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 38 + " …"),
    ],
)
def test_a_text_is_told_by_its_first_line_that_says_something(text: str, line: str) -> None:
    assert first_line(text, 40) == line


@pytest.mark.parametrize(
    ("path", "directory", "seen"),
    [
        ("/home/ada/shop/app/pool.py", "/home/ada/shop", "app/pool.py"),
        ("/home/ada/shop/app/pool.py", "/home/ada/shop/", "app/pool.py"),
        ("/home/ada/shopping/a.py", "/home/ada/shop", "/home/ada/shopping/a.py"),
        ("/home/ada/shop", "/home/ada/shop", "/home/ada/shop"),
        ("app/pool.py", "/home/ada/shop", "app/pool.py"),
        ("/etc/hosts", None, "/etc/hosts"),
        ("C:\\shop\\app\\pool.py", "C:\\shop", "app\\pool.py"),
        ("D:\\x.py", "C:\\shop", "D:\\x.py"),
    ],
)
def test_a_file_is_named_from_the_sessions_folder_where_it_lies_in_it(path: str, directory: str | None, seen: str) -> None:
    assert within(path, directory) == seen


def test_a_session_is_told_with_what_it_does() -> None:
    activity = Activity("Mend it.\nPlease.", LastCall("Bash", "pytest -q\n", "failed"), ("/home/ada/shop/a.py", "/tmp/b.py"))
    found = told(activity=activity)
    assert (found.prompt, found.tool, found.call, found.outcome) == ("Mend it.", "Bash", "pytest -q", "failed")
    assert found.files == ("a.py", "/tmp/b.py")


def test_a_session_that_has_done_nothing_yet_is_told_without_prompt_and_call() -> None:
    found = told()
    assert (found.prompt, found.tool, found.call, found.outcome, found.files) == ("", "", "", None, ())


def test_the_last_event_is_the_sessions_own_or_where_it_has_no_time_the_last_that_came() -> None:
    assert told().last_at == SESSION.updated_at
    assert told(replace(SESSION, ended_at=AT)).last_at == AT
