"""Sums the request log by coding session: the calls, tokens and cost of each, by agent and by model. Reads only; knows no transcript.

A cost is what the calls were charged as they ended: what an admin reconciles or corrects later changes the budget, and not these sums.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, and_, func, or_, select, tuple_

from app.budget.tables import RequestRow
from app.budget.views import CallScope, CallTotals, SessionOrder, SessionShare, SessionSpending, SpendingPlace
from app.storage.database import Database, rows_of


class SessionSpendings:
    """Reads what sessions cost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_sessions(
        self, scope: CallScope, *, order: SessionOrder = "recent", after: SpendingPlace | None = None, limit: int
    ) -> list[SessionSpending]:
        """List sessions: those with the latest calls first, or the dearest. `after`: the place of the previous page's last one."""
        key = (RequestRow.team_id, RequestRow.developer_id, RequestRow.session)
        last, spent = func.max(RequestRow.id), func.coalesce(func.sum(RequestRow.nanousd), 0)
        others = (func.max(RequestRow.project), func.count(RequestRow.agent.distinct()), func.min(RequestRow.at), func.max(RequestRow.at))
        query = select(*key, *others, last, *_sums()).where(RequestRow.session.is_not(None), *_conditions(scope)).group_by(*key)
        if after is not None:
            query = query.having(last < after.last_id if order == "recent" else tuple_(spent, last) < tuple_(after.nanousd, after.last_id))
        ordered = (last.desc(),) if order == "recent" else (spent.desc(), last.desc())
        rows = await self._database.read(rows_of(query.order_by(*ordered).limit(limit)))
        return [SessionSpending(CallTotals(*row[8:]), *row[:8]) for row in rows]

    async def read_totals(self, team_id: UUID, sessions: Collection[str], *, developer_id: UUID | None = None) -> dict[str, CallTotals]:
        """Sum the calls of each of a team's sessions that has any, by the agent's own id; of one developer, or of all."""
        if not sessions:
            return {}
        named = or_(RequestRow.session.in_(sessions), RequestRow.agent.in_(sessions))
        query = select(RequestRow.session, RequestRow.agent, *_sums()).where(named, *_conditions(CallScope([team_id], developer_id)))
        rows = await self._database.read(rows_of(query.group_by(RequestRow.session, RequestRow.agent)))
        totals: dict[str, CallTotals] = {}
        for row in rows:
            for session in {row.session, row.agent} & set(sessions):  # as in `_conditions`: Codex's sub-agents are sessions there
                totals[session] = totals.get(session, CallTotals()) + CallTotals(*row[2:])
        return totals

    async def read_shares(self, scope: CallScope) -> list[SessionShare]:
        """Read the parts of what a scope selects, the dearest first."""
        key = (RequestRow.developer_id, RequestRow.agent, RequestRow.parent_agent, RequestRow.provider, RequestRow.model_answered)
        query: Select[Any] = select(*key, func.min(RequestRow.at), func.max(RequestRow.at), *_sums())
        query = query.where(*_conditions(scope)).group_by(*key)
        rows = await self._database.read(rows_of(query.order_by(func.sum(RequestRow.nanousd).desc(), *key)))
        return [SessionShare(CallTotals(*row[7:]), *row[:7]) for row in rows]


def _sums() -> list[ColumnElement[Any]]:
    """Return the columns of CallTotals, in its order."""
    summed = (each.name for each in fields(CallTotals) if each.name not in {"requests", "cached"})
    amounts = [func.coalesce(func.sum(getattr(RequestRow, name)), 0).cast(BigInteger) for name in summed]
    return [func.count(), func.count().filter(RequestRow.cache != "miss"), *amounts]


def _conditions(scope: CallScope) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if scope.team_ids is not None:
        found.append(RequestRow.team_id.in_(scope.team_ids))
    if scope.developer_id is not None:
        found.append(RequestRow.developer_id == scope.developer_id)
    if scope.session is not None:
        # Codex's sub-agents have transcripts of their own: what is an agent within one session is a session there.
        found.append(or_(RequestRow.session == scope.session, RequestRow.agent == scope.session))
    if scope.agent is not None:
        found.append(or_(RequestRow.agent == scope.agent, RequestRow.parent_agent == scope.agent))
    if scope.project is not None:
        unlabelled = and_(RequestRow.project.is_(None), RequestRow.session.in_(scope.project_sessions))
        found.append(or_(RequestRow.project == scope.project, unlabelled))
    if scope.since is not None:
        found.append(RequestRow.at >= scope.since)
    if scope.until is not None:
        found.append(RequestRow.at < scope.until)
    return found
