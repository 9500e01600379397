"""Looking through sessions: each once on its pages, found by what a person knows of it, read on from any place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest

from app.errors import InvalidInput, NotFound
from app.sessions.browsing import SessionBrowsing
from app.sessions.event import Event, SessionHeader
from app.sessions.session import SessionFilter
from tests.integration.sessions.conftest import Desk

AT = datetime(2026, 10, 1, tzinfo=UTC)


def said(number: int, locator: str = "", body: str = "") -> Event:
    return Event(f"e{number}", "user", "prompt", body or f"text {number}", locator or f"L{number}", AT + timedelta(minutes=number))


async def opened(desk: Desk, name: str, **facts: object) -> UUID:
    """A session with facts of its header; `project`, `transcript` and `dated` beside them."""
    project, transcript, dated = str(facts.pop("project", "shop")), str(facts.pop("transcript", f"{name}.jsonl")), facts.pop("dated", None)
    header = SessionHeader(str(facts.pop("provider", "generic")), name, **facts)  # type: ignore[arg-type]
    async with desk.database.begin() as connection:
        return await desk.journal.open(
            connection,
            team_id=desk.team_id,
            project_id=await desk.accounts.project_id(connection, desk.team_id, project),
            developer_id=None,
            header=header,
            transcript=transcript,
            file_dated_at=dated,  # type: ignore[arg-type]
        )


async def names(desk: Desk, wanted: SessionFilter) -> list[str]:
    return sorted(each.external_id for each in await SessionBrowsing(desk.database).page(desk.team_id, wanted, limit=100))


async def test_pages_of_sessions_hold_each_once(desk: Desk) -> None:
    browsing = SessionBrowsing(desk.database)
    for number in range(7):
        session = await desk.session(f"s{number}")
        if number % 3:
            await desk.journal.append(session, [said(number // 2)])
    everything = await browsing.page(desk.team_id, SessionFilter(), limit=100)
    pages, before = [], None
    while page := await browsing.page(desk.team_id, SessionFilter(), before=before, limit=2):
        pages += page
        before = page[-1].id
    assert [each.id for each in pages] == [each.id for each in everything]
    assert [each.started_at for each in everything[-3:]] == [None] * 3
    with pytest.raises(NotFound, match="start again from the first page"):
        await browsing.page(desk.team_id, SessionFilter(), before=uuid4(), limit=2)


async def test_sessions_are_found_by_project_agent_and_subject(desk: Desk) -> None:
    await opened(desk, "a", title="Why the 100% rollout_failed", provider="codex", branch="fix/rollout")
    await opened(desk, "b", title="Großes Aufräumen der Kasse", project="till", transcript="2026-10-kasse.md")
    await opened(desk, "c", title="为什么部署失败")
    project = (await desk.accounts.find_projects(desk.team_id, "till"))[0].id
    assert await names(desk, SessionFilter(project_id=project)) == ["b"]
    assert await names(desk, SessionFilter(provider="codex")) == ["a"]
    for subject, wanted in {
        "rollout why": ["a"],
        "FIX/roll": ["a"],
        "100%": ["a"],
        "t_f": ["a"],
        "o%f": [],
        "kasse großes": ["b"],
        "2026-10": ["b"],
        "部署": ["c"],
        "rollout kasse": [],
        "  ": ["a", "b", "c"],
        "\x00": ["a", "b", "c"],
    }.items():
        assert await names(desk, SessionFilter(title_words=subject)) == wanted, subject
    assert await SessionBrowsing(desk.database).providers(desk.team_id) == ["codex", "generic"]


async def test_a_session_is_of_the_day_it_began_by_whatever_tells_it(desk: Desk) -> None:
    await opened(desk, "by its records", started_at=AT, dated=AT - timedelta(days=9))
    await opened(desk, "by its file", dated=AT)
    await opened(desk, "by nothing")
    day = SessionFilter(since=AT, until=AT + timedelta(days=1))
    assert await names(desk, day) == ["by its file", "by its records"]
    assert await names(desk, SessionFilter(until=AT)) == []
    assert await names(desk, SessionFilter(since=AT.replace(tzinfo=None))) == ["by its file", "by its records"]  # without a zone: UTC
    with pytest.raises(InvalidInput, match="out of range"):
        await names(desk, SessionFilter(since=datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))))


async def test_another_teams_sessions_are_in_no_list(desk: Desk) -> None:
    await opened(desk, "ours", title="ours")
    assert await SessionBrowsing(desk.database).page(uuid4(), SessionFilter(title_words="ours"), limit=10) == []
    assert await SessionBrowsing(desk.database).providers(uuid4()) == []


async def test_a_session_is_read_on_from_any_place(desk: Desk) -> None:
    browsing, session = SessionBrowsing(desk.database), await desk.session()
    await desk.journal.append(session, [said(number, body="x" * 50) for number in range(1, 12)])
    stretch, seq = await browsing.around(session, "L6", events=2, max_chars=7)
    assert ([each for each, _ in stretch.events], seq, stretch.earlier, stretch.later) == ([4, 5, 6, 7, 8], 6, True, True)
    assert {event.text for _, event in stretch.events} == {"x" * 7}
    stretch, seq = await browsing.around(session, "gone", events=2, max_chars=7)
    assert ([each for each, _ in stretch.events], seq, stretch.earlier) == ([1, 2, 3, 4, 5], None, False)
    read, after = list[int](), 0
    while (stretch := await browsing.read(session, after=after, limit=4, max_chars=7)).events:
        read += [each for each, _ in stretch.events]
        after = read[-1]
        assert stretch.later == (after < 11)
    assert read == list(range(1, 12))
    assert not (await browsing.read(await desk.session("empty"), after=0, limit=4, max_chars=7)).events
