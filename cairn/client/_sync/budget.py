# Written from cairn/client/_async/budget.py by `python -m tests.sync_client`: change that one.
"""The key's own budget, and what sessions cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from cairn.client._sync.transport import Transport
from cairn.client.endpoints import BUDGET, SESSION_COST, SESSION_COSTS
from cairn.client.inputs import CostFilters
from cairn.client.records.budget import Budget, SessionCost, SessionCostDetails, SessionCostPage
from cairn.client.requests import Given


class Budgets:
    """Money: `client.budget`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def own(self) -> Budget:
        """Return the budget of this key's developer in the current month."""
        return self._transport.call(BUDGET)

    def session(self, session: str) -> SessionCostDetails:
        """Return what a session cost, by agent and by model. `session`: its id in its agent."""
        return self._transport.call(SESSION_COST, Given(path={"session": session}))

    def page(
        self,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        order: Literal["recent", "cost"] | None = None,
        **filters: Unpack[CostFilters],
    ) -> SessionCostPage:
        """Return one page of sessions' costs. `order`: the latest calls first, or the dearest."""
        return self._transport.call(SESSION_COSTS, Given(query={**filters, "order": order, "limit": limit, "cursor": cursor}))

    def sessions(self, *, page_size: int | None = None, **filters: Unpack[CostFilters]) -> Iterator[SessionCost]:
        """Iterate over what sessions cost, those with the latest calls first. Pages are asked for as they are needed."""
        for each in self._transport.every(SESSION_COSTS, Given(query={**filters, "limit": page_size}), "costs"):
            yield each
