"""Who sees what was said in a session, and how much of it one page holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.accounts.requester import DeveloperRole, Requester
from app.sessions.browsing import EventPage
from app.sessions.event import Event, ToolUse
from app.sessions.prompts import bounded, prompt_access
from app.sessions.session import Session

TEAM, ADA = uuid4(), uuid4()
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
LATER, BEFORE = SINCE + timedelta(days=1), SINCE - timedelta(days=1)
ADMIN_KEY = Requester(TEAM, "core", role="admin")


def requester(role: DeveloperRole, developer_id: UUID | None = None) -> Requester:
    return Requester(TEAM, "core", developer_id or uuid4(), "ada", uuid4(), role=role)


def session(*, by: UUID | None = ADA, began: datetime | None = LATER, heard: datetime = LATER) -> Session:
    facts: dict[str, Any] = dict.fromkeys(Session.__dataclass_fields__)
    known = {"id": uuid4(), "team_id": TEAM, "project_id": uuid4(), "developer_id": by, "started_at": began, "created_at": heard}
    return Session(**(facts | known))


@pytest.mark.parametrize(
    ("role", "since", "began", "heard", "reason"),
    [
        ("developer", SINCE, LATER, LATER, "role"),
        ("lead", None, LATER, LATER, "off"),
        ("lead", SINCE, LATER, LATER, "recorded"),
        ("auditor", SINCE, LATER, LATER, "recorded"),
        ("admin", SINCE, SINCE, LATER, "recorded"),
        ("lead", SINCE, BEFORE, LATER, "before"),
        ("lead", SINCE, LATER, BEFORE, "before"),
        ("lead", SINCE, None, LATER, "before"),
    ],
)
def test_others_see_sessions_that_began_since(
    role: DeveloperRole, since: datetime | None, began: datetime | None, heard: datetime, reason: str
) -> None:
    found = prompt_access(requester(role), session(began=began, heard=heard), since)
    assert (found.reason, found.shown) == (reason, reason == "recorded")


@pytest.mark.parametrize("role", ["developer", "auditor", "lead", "admin"])
@pytest.mark.parametrize("since", [None, SINCE])
def test_ones_own_session_one_always_sees(role: DeveloperRole, since: datetime | None) -> None:
    assert prompt_access(requester(role, ADA), session(began=BEFORE), since).reason == "own"


def test_the_admin_key_owns_what_it_sent_and_nothing_else() -> None:
    assert prompt_access(ADMIN_KEY, session(by=None), None).reason == "own"
    assert prompt_access(ADMIN_KEY, session(), None).reason == "off"
    assert prompt_access(requester("admin"), session(by=None), None).reason == "off"


def event(words: str, output: str = "") -> Event:
    tool = ToolUse("Bash", words, output) if output else None
    return Event("e", "user", "prompt", words, "L1", tool=tool)


@given(some.lists(some.tuples(some.text("a<&ü😀", max_size=30), some.text("b>", max_size=30)), min_size=1, max_size=12), some.data())
def test_a_page_keeps_within_its_bytes_or_has_one_event(texts: list[tuple[str, str]], data: Any) -> None:
    page = EventPage([(seq, event(*each)) for seq, each in enumerate(texts, start=1)], earlier=False, later=False)
    around = data.draw(some.sampled_from([None, *range(1, len(texts) + 1)]))
    cut = bounded(page, max_bytes=100, around=around)
    seqs = [seq for seq, _ in cut.events]
    shown = [each.text + (f"{each.tool.input}{each.tool.output}" if each.tool else "") for _, each in cut.events]
    assert len(seqs) == 1 or sum(len(escape(each).encode()) for each in shown) <= 100
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    assert (around or 1) in seqs
    assert (cut.earlier, cut.later) == (seqs[0] > 1, seqs[-1] < len(texts))
