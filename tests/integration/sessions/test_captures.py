"""By which ways sessions come: noted by who knows it, whatever else fails; listed for pages as of at most a minute ago."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from app.accounts.requester import Requester
from app.errors import DatabaseUnavailable
from app.queue.jobs import Done, Job
from app.sessions.captures import Captures
from app.sessions.event import Event, SessionHeader
from app.sessions.live import LiveIntake
from app.settings import Settings
from tests.integration.sessions.conftest import Desk


def admin(desk: Desk) -> Requester:
    return Requester(desk.team_id, "default", role="admin")


async def ways(desk: Desk) -> dict[str | None, list[str]]:
    listed = await Captures(desk.database, desk.accounts).list(admin(desk))
    return {each.agent: sorted(one.way for one in each.ways) for each in listed}


async def uploaded(captures: Captures, team_id: UUID, *session_ids: UUID) -> None:
    """Run the handler of an upload that stored these sessions."""
    done = Done({"sessions": [str(each) for each in session_ids]})

    async def ingest(*_: object) -> Done:
        return done

    async def progress(*_: int) -> None:
        pass

    now = datetime.now(UTC)
    job = Job(uuid4(), "ingest", team_id, None, {}, "running", 1, 1, 0, 0, None, None, None, now, now, None)
    assert await captures.of_uploads(ingest)(job, progress) is done


async def test_the_way_of_an_upload_is_read_where_it_was_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    captures = Captures(desk.database, desk.accounts)
    session = await desk.session(provider="codex")

    async def lagging(*_: object) -> list[object]:
        return []

    with monkeypatch.context() as replica:
        replica.setattr(desk.database, "read", lagging)
        await uploaded(captures, desk.team_id, session)
    assert await ways(desk) == {"codex": ["upload"]}


async def test_an_upload_is_done_where_its_way_cannot_be_noted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    captures = Captures(desk.database, desk.accounts)
    session = await desk.session(provider="codex")

    def away(*_: object) -> None:
        raise DatabaseUnavailable("Away.")

    with monkeypatch.context() as database:
        database.setattr(desk.database, "begin", away)
        database.setattr(desk.database, "read", away)
        await uploaded(captures, desk.team_id, session)
    assert await ways(desk) == {"codex": []}


@pytest.mark.parametrize("provisional", [True, False])
async def test_what_a_hook_told_came_by_a_hook_whatever_the_event(desk: Desk, provisional: bool) -> None:
    captures = Captures(desk.database, desk.accounts)
    live = LiveIntake(limits=Settings().sessions, database=desk.database, accounts=desk.accounts, journal=desk.journal, captures=captures)
    event = Event("e1", "user", "prompt", "Hello.", "L1", provisional=provisional)
    await live.capture(admin(desk), SessionHeader("codex", "s"), [event], "shop")
    assert await ways(desk) == {"codex": ["hook"]}


async def test_pages_are_served_one_list_for_a_while(desk: Desk) -> None:
    captures = Captures(desk.database, desk.accounts)
    first = await captures.lately(admin(desk))
    await captures.record(desk.team_id, None, "codex", "watch")
    assert await captures.lately(admin(desk)) is first
    assert [each.agent for each in await captures.list(admin(desk))] == ["codex"]
