"""Writes a part of a session's analysis in one statement: a round trip a table would take more time than the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import msgspec
from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer, LargeBinary, Text

from app.sessions.session import Session
from app.trajectory.analysis.exchanges import SessionExchange
from app.trajectory.analysis.findings import ToldFinding
from app.trajectory.analysis.session_analysis import AnalysedPart
from app.trajectory.analysis.snapshots import kept_seqs
from app.trajectory.patterns.episodes import TroubleEpisode


@dataclass(frozen=True, slots=True)
class AnalysisWrite:
    """A part of a session's analysis to store. `after`: the seq that the run began after. `states`: by seq. `last`: it reaches the end.

    `remembered`: the run's first part only, else None: findings as they were told up to `after`. What was told later is undone.
    """

    part: AnalysedPart
    after: int
    states: Mapping[int, bytes]
    made_by: str
    last: bool
    remembered: Sequence[ToldFinding] | None


async def write_part(connection: AsyncConnection, session: Session, given: AnalysisWrite, undone: Iterable[ToldFinding]) -> None:
    """Write a part, and of the run's last part the end of states that are no longer kept. `undone`: findings as they were told before."""
    part = given.part
    told = {each.key: each for each in (*undone, *part.findings)}
    states = sorted(given.states.items())
    values = {
        "session": session.id,
        "team": session.team_id,
        "project": session.project_id,
        "revision": session.revision,
        "findings": msgspec.json.encode([told[key] for key in sorted(told)]).decode(),
        "episodes": msgspec.json.encode(part.episodes).decode(),
        "exchanges": msgspec.json.encode(part.exchanges).decode(),
        "numbers": [each.number for each in part.blocks],
        "phases": [each.phases for each in part.blocks],
        "symbols": [each.symbols for each in part.blocks],
        "seqs": [seq for seq, _ in states],
        "states": [state for _, state in states],
        "made_by": given.made_by,
        "upto": part.upto,
        "left_out": part.left_out,
        "verdicts": msgspec.json.encode([each.as_values() for each in part.standings]).decode(),
        # of a run from the beginning there are no others
        "kept": sorted(kept_seqs(part.upto)) if given.last and given.after else None,
    }
    await connection.execute(_WRITE, values)


def _upsert(table: str, key: Sequence[str], columns: Mapping[str, str], source: str) -> str:
    """Write an INSERT of these columns, each with its expression; a row of the same key takes their values."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return (
        f"insert into {table} ({', '.join(columns)}) select {', '.join(columns.values())} {source}"
        f" on conflict ({', '.join(key)}) do update set {changed}"
    )


def _given(of: type) -> dict[str, str]:
    return {each.name: f"given.{each.name}" for each in fields(of)}


_SESSION = {"session_id": ":session"}
_FINDINGS = _upsert(
    "session_findings",
    ("session_id", "kind", "name", "first"),
    _SESSION | {"team_id": ":team", "project_id": ":project", "revision": ":revision"} | _given(ToldFinding),
    "from json_populate_recordset(null::session_findings, cast(:findings as json)) as given",
)
_EPISODES = _upsert(
    "trouble_episodes",
    ("session_id", "told"),
    _SESSION | {"team_id": ":team", "project_id": ":project"} | _given(TroubleEpisode),
    "from json_populate_recordset(null::trouble_episodes, cast(:episodes as json)) as given",
)
_EXCHANGES = _upsert(
    "session_exchanges",
    ("session_id", "number"),
    _SESSION | _given(SessionExchange),
    "from json_populate_recordset(null::session_exchanges, cast(:exchanges as json)) as given",
)
_BLOCKS = _upsert(
    "session_step_blocks",
    ("session_id", "number"),
    _SESSION | {"number": "number", "phases": "phases", "symbols": "symbols"},
    "from unnest(:numbers, :phases, :symbols) as given(number, phases, symbols)",
)
_STATES = _upsert(
    "session_analysis_states",
    ("session_id", "seq"),
    _SESSION | {"seq": "seq", "state": "state", "made_by": ":made_by"},
    "from unnest(:seqs, :states) as given(seq, state)",
)
_ANALYSIS = _upsert(
    "session_analyses",
    ("session_id",),
    _SESSION | {"made_by": ":made_by", "seq": ":upto", "left_out": ":left_out", "verdicts": "cast(:verdicts as jsonb)"},
    "",
)
_WRITE = text(
    f"with findings as ({_FINDINGS}), episodes as ({_EPISODES}), exchanges as ({_EXCHANGES}), blocks as ({_BLOCKS}), states as ({_STATES}),"  # noqa: S608 - made of the statements above
    " dropped as (delete from session_analysis_states where session_id = :session and seq <> all(:kept))"
    f" {_ANALYSIS}"
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("session", "team", "project")),
    *(bindparam(name, type_=Integer()) for name in ("revision", "upto", "left_out")),
    *(bindparam(name, type_=Text()) for name in ("findings", "episodes", "exchanges", "made_by", "verdicts")),
    *(bindparam(name, type_=ARRAY(Integer())) for name in ("numbers", "seqs", "kept")),
    *(bindparam(name, type_=ARRAY(LargeBinary())) for name in ("symbols", "states")),
    bindparam("phases", type_=ARRAY(Text())),
)
"""`kept` null drops no state: a comparison with it is never true."""
