"""Growing transcripts: the journal is that of an upload of the whole file, however the pieces came; nothing crosses teams."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.accounts.requester import Requester
from app.errors import NotPermitted, TooLarge, UnknownFormat
from app.sessions import following
from app.sessions.captures import Captures
from app.sessions.event import Event, Format, GivenPiece
from app.sessions.following import FollowedTranscript, PieceTaken, TranscriptFollower
from app.sessions.formats import ParseTally, parse
from app.sessions.formats.growing import tail_of
from app.settings import Settings
from tests.integration.sessions.conftest import Desk
from tests.unit.sessions.test_formats import ALL, CLAUDE, SPECSTORY
from tests.unit.sessions.test_growing import AGAIN, COUNTED

LIMITS = Settings().sessions


def follower(desk: Desk) -> TranscriptFollower:
    captures = Captures(desk.database, desk.accounts)
    return TranscriptFollower(limits=LIMITS, database=desk.database, accounts=desk.accounts, journal=desk.journal, captures=captures)


def admin(desk: Desk) -> Requester:
    return Requester(desk.team_id, "default", role="admin")


def piece(data: bytes, offset: int = 0, *, source: str = "f", end: bool = False, kind: Format = "claude-code") -> GivenPiece:
    return GivenPiece(source, "s.jsonl", data, offset, end, kind)


class Stored(NamedTuple):
    id: UUID
    events: list[Event]


async def journalled(desk: Desk, external_id: str, *, provider: str = "claude-code") -> Stored | None:
    async with desk.database.begin() as connection:
        query = text("select id from sessions where external_id = :name and provider = :provider")
        found = await connection.scalar(query, {"name": external_id, "provider": provider})
    return None if found is None else Stored(found, [event async for event in desk.journal.events(found)])


async def uploaded(desk: Desk, kind: Format, data: bytes) -> list[Event]:
    """The journal of the whole file's events, appended at once to a session of its own."""
    session = await desk.session(uuid4().hex)
    read = parse(iter([data]), format=kind, limits=LIMITS, tally=ParseTally())
    await desk.journal.append(session, [each for each in read if isinstance(each, Event)])
    return [event async for event in desk.journal.events(session)]


async def test_each_piece_is_journalled_with_its_offset_and_headers(desk: Desk) -> None:
    follow, who = follower(desk), admin(desk)
    half = CLAUDE.index(b'{"type": "progress"') + 7
    assert (await follow.take(who, piece(CLAUDE[:half]))).offset == half
    assert await follow.followed(who, limit=5) == [FollowedTranscript("f", half, tail_of(CLAUDE[:half]), ended=False)]
    await follow.take(who, piece(CLAUDE[half:], half))
    found = await journalled(desk, "s1")
    assert found is not None
    assert found.events == await uploaded(desk, "claude-code", CLAUDE)
    session = await desk.journal.get(desk.team_id, found.id)
    assert (session.title, session.transcript, session.directory) == ("Fix the parser", "s.jsonl", "/home/a/shop")


async def test_a_piece_that_does_not_follow_is_not_read_and_says_where_to_go_on(desk: Desk) -> None:
    follow, who = follower(desk), admin(desk)
    assert await follow.take(who, piece(b"x", 7)) == PieceTaken(0)
    await follow.take(who, piece(CLAUDE[:100]))
    assert await follow.take(who, piece(CLAUDE[200:], 200)) == PieceTaken(100, 0, True)
    assert (await follow.take(who, piece(CLAUDE[100:], 100))).offset == len(CLAUDE)


async def test_a_failed_transaction_leaves_neither_events_nor_offset(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    follow, who = follower(desk), admin(desk)

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("lost")

    with monkeypatch.context() as patched:
        patched.setattr(desk.journal, "write", broken)
        with pytest.raises(RuntimeError, match="lost"):
            await follow.take(who, piece(CLAUDE))
    assert (await follow.followed(who, limit=5), await journalled(desk, "s1")) == ([], None)
    assert await follow.take(who, piece(b"x", len(CLAUDE))) == PieceTaken(0)
    assert (await follow.take(who, piece(CLAUDE))).offset == len(CLAUDE)


async def test_a_format_that_is_read_whole_grows_by_its_last_turn(desk: Desk) -> None:
    follow, who = follower(desk), admin(desk)
    cut = SPECSTORY.index(b"Because of X") + 5
    for end in (cut, len(SPECSTORY)):
        await follow.take(who, piece(SPECSTORY[:40], kind="specstory"))
        await follow.take(who, piece(SPECSTORY[40:end], 40, end=True, kind="specstory"))
    found = await journalled(desk, "11111111-2222-3333-4444-555555555555")
    assert found is not None
    assert found.events == await uploaded(desk, "specstory", SPECSTORY)


async def test_what_is_too_long_to_be_read_whole_or_no_transcript_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MAX_WHOLE", 100)
    with pytest.raises(TooLarge, match="POST /v1/sessions"):
        await follower(desk).take(admin(desk), piece(SPECSTORY, kind="specstory"))
    with pytest.raises(UnknownFormat):
        await follower(desk).take(admin(desk), GivenPiece("f", "n", b"hello", 0))
    with pytest.raises(NotPermitted):
        await follower(desk).take(Requester(desk.team_id, "default", uuid4(), "eve", role="auditor"), piece(CLAUDE))


async def test_a_purged_session_does_not_come_back_from_the_file_that_is_followed(desk: Desk) -> None:
    follow, who = follower(desk), admin(desk)
    await follow.take(who, piece(CLAUDE[:-200]))
    found = await journalled(desk, "s1")
    assert found is not None
    async with desk.database.begin() as connection:
        await desk.journal.delete(connection, desk.team_id, found.id)
    await follow.take(who, piece(CLAUDE[-200:], len(CLAUDE) - 200))
    await follower(desk).take(who, piece(CLAUDE))
    assert await journalled(desk, "s1") is None
    await follow.take(who, piece(CLAUDE, source="another"))
    assert await journalled(desk, "s1") is not None


async def test_two_developers_and_two_teams_do_not_meet(desk: Desk) -> None:
    names = ("ada", "bob")
    for name in names:
        await desk.accounts.create_developer(name)
    ada, bob = [Requester(desk.team_id, "default", each.id, each.name) for each in await desk.accounts.list_developers()]
    async with desk.database.begin() as connection:
        other = await connection.scalar(text("insert into teams (id, name) values (gen_random_uuid(), 'other') returning id"))
    foreign = Requester(other, "other", role="admin")
    follow = follower(desk)
    for who in (ada, foreign):
        await follow.take(who, piece(CLAUDE))
    assert await follow.take(bob, piece(b"x", len(CLAUDE))) == PieceTaken(0)
    await follow.take(bob, piece(CLAUDE + CLAUDE.replace(b'"u', b'"v')))
    async with desk.database.begin() as connection:
        counts = (await connection.execute(text("select team_id, count(*) from sessions join events on id = session_id group by 1"))).all()
    assert sorted(count for _, count in counts) == [len(await uploaded(desk, "claude-code", CLAUDE))] * 2
    assert [len(await follow.followed(who, limit=9)) for who in (ada, bob, foreign)] == [1, 1, 1]


@pytest.mark.long
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_pieces_restarts_lost_replies_and_uploads_leave_the_journal_of_one_upload(desk: Desk, data: st.DataObject) -> None:
    name = uuid4().hex
    kind: Format = data.draw(st.sampled_from(["claude-code", "codex"]))
    old, source = (b'"s1"', ALL["claude-code"]) if kind == "claude-code" else (b'"c1"', COUNTED + AGAIN + AGAIN)
    file = source.replace(old, f'"{name}"'.encode())
    follow, who, offset, written = follower(desk), admin(desk), 0, 0
    while offset < len(file):
        match data.draw(st.sampled_from(["grow", "grow", "restart", "lost", "anew"])):
            case "restart":
                follow = follower(desk)
            case "anew":
                offset = 0
            case step:
                written = min(len(file), max(written, offset) + data.draw(st.integers(1, 900)))
                taken = await follow.take(who, piece(file[offset:written], offset, source=name, kind=kind))
                offset = offset if step == "lost" else taken.offset
    await follow.take(who, piece(b"", offset, source=name, kind=kind, end=True))
    found = await journalled(desk, name, provider=kind)
    assert found is not None
    assert found.events == await uploaded(desk, kind, file)


async def test_a_files_folder_places_the_sessions_that_tell_none(desk: Desk) -> None:
    follow, who = follower(desk), admin(desk)
    for number, (kind, given_text, place) in enumerate((("specstory", SPECSTORY, "/srv/bakery"), ("claude-code", CLAUDE, "/home/a/shop"))):
        given = GivenPiece(f"f{number}", "s", given_text, 0, end=True, format=kind, directory="/srv/bakery")  # type: ignore[arg-type]
        assert (await follow.take(who, given)).resumed is (kind == "claude-code")
        found = await journalled(desk, "11111111-2222-3333-4444-555555555555" if number == 0 else "s1", provider=await provider(desk))
        assert found is not None
        assert (await desk.journal.get(desk.team_id, found.id)).directory == place


async def test_a_worktrees_session_is_placed_with_its_repository_as_its_client_tells(desk: Desk) -> None:
    follow, who = follower(desk), admin(desk)
    placed = {}
    for name, cwd, told in (
        ("main", "/home/a/acme/shop", "/home/a/acme/shop"),
        ("worktree", "/home/a/.codex/worktrees/1d2f/shop", "/home/a/acme/shop"),
        ("another", "/home/b/.codex/worktrees/9a77/shop", "/home/b/globex/shop"),
        ("unknown", "/home/c/.codex/worktrees/5b5b/shop", None),
    ):
        given_text = CLAUDE.replace(b'"s1"', f'"{name}"'.encode()).replace(b"/home/a/shop", cwd.encode())
        await follow.take(who, GivenPiece(name, "s", given_text, 0, end=True, format="claude-code", directory=told))
        found = await journalled(desk, name)
        assert found is not None
        session = await desk.journal.get(desk.team_id, found.id)
        assert session.directory == cwd
        placed[name] = session.project_id
    assert placed["main"] == placed["worktree"]
    assert len(set(placed.values())) == 3


async def provider(desk: Desk) -> str:
    """The agent of the session that was opened last."""
    async with desk.database.begin() as connection:
        return str(await connection.scalar(text("select provider from sessions order by created_at desc limit 1")))
