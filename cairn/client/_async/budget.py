"""The key's own budget, and what sessions cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Unpack

from cairn.client._async.transport import AsyncTransport
from cairn.client.endpoints import BUDGET, SESSION_COST, SESSION_COSTS
from cairn.client.inputs import CostFilters
from cairn.client.records.budget import Budget, SessionCost, SessionCostDetails, SessionCostPage
from cairn.client.requests import Given


class AsyncBudgets:
    """Money: `client.budget`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def own(self) -> Budget:
        """Return the budget of this key's developer in the current month."""
        return await self._transport.call(BUDGET)

    async def session(self, session: str) -> SessionCostDetails:
        """Return what a session cost, by agent and by model. `session`: its id in its agent."""
        return await self._transport.call(SESSION_COST, Given(path={"session": session}))

    async def page(
        self,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        order: Literal["recent", "cost"] | None = None,
        **filters: Unpack[CostFilters],
    ) -> SessionCostPage:
        """Return one page of sessions' costs. `order`: the latest calls first, or the dearest."""
        return await self._transport.call(SESSION_COSTS, Given(query={**filters, "order": order, "limit": limit, "cursor": cursor}))

    async def sessions(self, *, page_size: int | None = None, **filters: Unpack[CostFilters]) -> AsyncIterator[SessionCost]:
        """Iterate over what sessions cost, those with the latest calls first. Pages are asked for as they are needed."""
        async for each in self._transport.every(SESSION_COSTS, Given(query={**filters, "limit": page_size}), "costs"):
            yield each
