"""Tells a session once of each streak that was found in it, with what helped before: which finding is next, and that it was given.

One nudge a streak: what overlaps a stretch that was told of is the same streak, whichever rule found it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from app.assist.quoting import cite, headline, one_line, short_id, wrap
from app.assist.tables import NudgeRow
from app.knowledge.results import Result
from app.storage.database import Database
from app.trajectory.analysis import ToldFinding

MAX_CHARS = 1_000
"""Characters of a nudge, all in all."""
MAX_FACT_CHARS, MAX_ENTRY_CHARS, MAX_CITED_CHARS = 300, 240, 30
MAX_ENTRIES = 2
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

    async def claim(self, session_id: UUID, findings: Sequence[ToldFinding]) -> ToldFinding | None:
        """Note the first finding that the session wasn't told of as given, and return it; None: there is none, or another server was first.

        Noted before it is given: at worst it is lost, never given twice.
        """
        columns = (NudgeRow.kind, NudgeRow.name, NudgeRow.first, NudgeRow.upto)
        with suppress(IntegrityError):  # purged meanwhile
            async with self._database.begin() as connection:
                await connection.execute(_ONE_AT_A_TIME, {"session": f"nudge:{session_id}"})
                rows = await connection.execute(select(*columns).where(NudgeRow.session_id == session_id))
                chosen = next_streak(findings, [GivenNudge(*row) for row in rows])
                if chosen is None:
                    return None
                row = {"kind": chosen.kind, "name": chosen.name, "first": chosen.first, "upto": chosen.last}
                noted = upsert(NudgeRow).values(session_id=session_id, **row).on_conflict_do_nothing().returning(NudgeRow.first)
                return chosen if await connection.scalar(noted) is not None else None
        return None


def next_streak(findings: Iterable[ToldFinding], given: Sequence[GivenNudge]) -> ToldFinding | None:
    """Return the first finding that a session wasn't told of: a rule that was broken is told once, a loop once a streak."""
    return next((each for each in findings if not any(_is_told(each, nudge) for nudge in given)), None)


def compose(finding: ToldFinding, helped: Sequence[Result], known: str = "") -> str:
    """Render a nudge: the fact, what other sessions show of its kind (`known`), and as much of what helped before as fits, cited."""
    fact = one_line(finding.because, MAX_FACT_CHARS)
    head = f"- {fact} (events {finding.first} to {finding.last})" if finding.first < finding.last else f"- {fact} (event {finding.first})"
    head = f"{head}\n- {one_line(known, MAX_FACT_CHARS)}" if known else head
    text = _wrapped(head, ())
    for count in range(1, min(len(helped), MAX_ENTRIES) + 1):
        longer = _wrapped(head, helped[:count])
        if len(longer) > MAX_CHARS:
            break
        text = longer
    return text


def _is_told(finding: ToldFinding, nudge: GivenNudge) -> bool:
    if finding.kind == "policy" or nudge.kind == "policy":
        return (finding.kind, finding.name) == (nudge.kind, nudge.name)
    return finding.first <= nudge.upto


def _wrapped(head: str, helped: Sequence[Result]) -> str:
    lines = [head, *(["What was said of it before:"] if helped else ()), *map(_entry, helped)]
    return wrap("\n".join(lines), [each.id for each in helped], preamble=PREAMBLE)


def _entry(result: Result) -> str:
    said = headline(result.title if result.kind == "item" else "", result.text, MAX_ENTRY_CHARS)
    return f"- [{short_id(result.id)}] {said} ({cite(result.source, chars=MAX_CITED_CHARS)})"


_ONE_AT_A_TIME = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("session", type_=Text()), 0)))
"""Until the transaction ends: calls of tools run side by side, and of two hooks each may see another rung of one streak first."""
