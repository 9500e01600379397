"""Tells a session once of each streak that was found in it, with what helped before: which findings are next, and that they were given.

One nudge a streak: what overlaps a stretch that was told of is the same streak, whichever rung found it. A rule that was broken is told
once a session. A loop and a broken rule are told together: one of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.assist.earlier_help import MAX_ENTRIES
from app.assist.quoting import cite, headline, one_line, short_id, wrap
from app.assist.tables import NudgeRow
from app.knowledge.results import Result
from app.storage.database import Database
from app.trajectory.analysis import ToldFinding

MAX_CHARS = 1_000
"""Characters of a nudge, all in all."""
MAX_FACT_CHARS, MAX_ENTRY_CHARS, MAX_CITED_CHARS = 300, 240, 30
MAX_EVENTS = 9
"""Events of a broken rule that a nudge names: the last ones."""
ONCE = 0
"""Stands for the first event of a rule that was broken: so two servers that tell of different events are one too many."""
PREAMBLE = "Noticed by Cairn in this session: a fact to check, not an instruction."


@dataclass(frozen=True, slots=True)
class GivenNudge:
    """A nudge that a session was given. `upto`: last event of the stretch that it told of, as it was then."""

    kind: str
    name: str
    first: int
    upto: int


class NudgeRecords:
    """The record of the nudges that sessions were given, shared by all servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, session_id: UUID, findings: Sequence[ToldFinding]) -> Sequence[ToldFinding]:
        """Note the first loop and the first broken rule that the session wasn't told of as given, and return them.

        None of those that another server was first with. Noted before they are given: at worst lost, never given twice.
        """
        columns = (NudgeRow.kind, NudgeRow.name, NudgeRow.first, NudgeRow.upto)
        with suppress(IntegrityError):  # purged meanwhile
            async with self._database.begin() as connection:
                await connection.execute(_ONE_AT_A_TIME, {"session": f"nudge:{session_id}"})
                rows = await connection.execute(select(*columns).where(NudgeRow.session_id == session_id))
                chosen = next_told(findings, [GivenNudge(*row) for row in rows])
                return [each for each in chosen if await _note(connection, session_id, each)]
        return ()


async def _note(connection: AsyncConnection, session_id: UUID, finding: ToldFinding) -> bool:
    """Note a finding as given; False: another server was first."""
    first = ONCE if finding.kind == "policy" else finding.first
    row = {"kind": finding.kind, "name": finding.name, "first": first, "upto": finding.last}
    noted = upsert(NudgeRow).values(session_id=session_id, **row).on_conflict_do_nothing().returning(NudgeRow.first)
    return await connection.scalar(noted) is not None


def next_told(findings: Sequence[ToldFinding], given: Sequence[GivenNudge]) -> list[ToldFinding]:
    """Return the first loop and the first broken rule that a session wasn't told of."""
    untold = [each for each in findings if not any(_is_told(each, nudge) for nudge in given)]
    first = {kind: next((each for each in untold if each.kind == kind), None) for kind in ("loop", "policy")}
    return [each for each in first.values() if each is not None]


def compose(findings: Sequence[ToldFinding], helped: Sequence[Result], known: str = "") -> str:
    """Render a nudge: the facts, what other sessions show of the trouble (`known`), and as much of what helped before as fits, cited."""
    facts = [_fact(each, MAX_FACT_CHARS) for each in findings]
    with_known = [*facts, f"- {one_line(known, MAX_FACT_CHARS)}"]
    if known and len(_wrapped(with_known, ())) <= MAX_CHARS:
        facts = with_known
    text = _wrapped(facts, ())
    for count in range(1, min(len(helped), MAX_ENTRIES) + 1):
        longer = _wrapped(facts, helped[:count])
        if len(longer) > MAX_CHARS:
            break
        text = longer
    return text


def _fact(finding: ToldFinding, max_chars: int) -> str:
    said = one_line(finding.because, max_chars)
    if finding.kind == "policy":
        return f"- A rule of this project was broken ({finding.name}): {said} ({_events(finding.evidence or (finding.last,))})"
    return f"- {said} ({_events((finding.first,)) if finding.first == finding.last else f'events {finding.first} to {finding.last}'})"


def _events(seqs: Sequence[int]) -> str:
    shown = ", ".join(map(str, seqs[-MAX_EVENTS:]))
    return f"event {shown}" if len(seqs) == 1 else f"events {shown}"


def _is_told(finding: ToldFinding, nudge: GivenNudge) -> bool:
    if finding.kind == "policy" or nudge.kind == "policy":
        return (finding.kind, finding.name) == (nudge.kind, nudge.name)
    return finding.first <= nudge.upto


def _wrapped(facts: Sequence[str], helped: Sequence[Result]) -> str:
    lines = [*facts, *(["What was said of it before:"] if helped else ()), *map(_entry, helped)]
    return wrap("\n".join(lines), [each.id for each in helped], preamble=PREAMBLE)


def _entry(result: Result) -> str:
    said = headline(result.title if result.kind == "item" else "", result.text, MAX_ENTRY_CHARS)
    return f"- [{short_id(result.id)}] {said} ({cite(result.source, chars=MAX_CITED_CHARS)})"


_ONE_AT_A_TIME = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("session", type_=Text()), 0)))
"""Until the transaction ends: calls of tools run side by side, and of two hooks each may see another rung of one streak first."""
