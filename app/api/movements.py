"""Routes of a budget's movements: listed in pages, exported as CSV."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from app.api.budgets import optional_usd
from app.api.periods import Moment, check_period
from app.api.schema import NamedDeveloper, NewestOrder, ResponseBody
from app.budget.views import MovementEntry, MovementFilter, MovementKind
from app.money import to_usd
from app.web import spreadsheet
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.paging import NextCursor, Page
from app.web.requester import BudgetReader, TheServices

router = APIRouter(prefix="/v1", tags=["budget"], route_class=AuthenticatedRoute)


class MovementReply(ResponseBody):
    """One entry of a budget's history: a charge, a correction, a new limit or a top-up."""

    id: int
    at: datetime
    kind: str = Field(description="`settle`, `unreconciled`, `reconcile`, `limit`, `top_up` or `correction`.", examples=["settle"])
    mark: str | None = Field(
        description="How the cost is known: `usage` (reported by the provider), `counted` (by Cairn), `partial` (the client disconnected),"
        " `overrun` (above its hold), `disputed` (the report can't be true), `corrected` (by an admin).",
        examples=["usage"],
    )
    hold_id: UUID | None = Field(description="Its hold: pass it to `reconcile` if it is unreconciled.")
    request_id: str | None
    attempt: int | None
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    held_usd: float | None
    usd: float = Field(description="Change of the spent sum.")
    tokens: int = Field(description="Change of the spent tokens.")
    unit: str | None = Field(description="Unit of `amount`: `nanousd` (then `amount` is in dollars) or `tokens`.")
    amount: float | None = Field(description="The new limit or the top-up.")
    actor: str | None = Field(description="Who made the change.")
    note: str | None
    corrects: int | None = Field(description="`id` of the movement that this one corrects.")


class MovementList(ResponseBody):
    movements: list[MovementReply]
    next_cursor: NextCursor


@router.get("/budgets/{developer}/movements", summary="List a budget's movements", responses=responses())
async def movements(
    services: TheServices,
    reader: BudgetReader,
    developer: NamedDeveloper,
    *,
    kind: Annotated[MovementKind | None, Query(description="Only movements of this kind.")] = None,
    since: Annotated[Moment | None, Query(description="Only movements at this time or later. Without a time zone: UTC.")] = None,
    until: Annotated[Moment | None, Query(description="Only movements before this time.")] = None,
    order: NewestOrder = "newest",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    paging: Page,
) -> MovementList:
    check_period(since, until)
    wanted = MovementFilter(kind, since, until, oldest_first=order == "oldest")
    after = None if paging.after is None else int(paging.after)
    page = await services.budget.budgets.list_movements(reader, developer, wanted, after=after, limit=limit)
    return MovementList(movements=[_movement(each) for each in page.entries], next_cursor=paging.next_cursor(page.next))


@router.get(
    "/budgets/{developer}/movements.csv",
    summary="Export all movements of a budget as CSV",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **responses()},
    response_class=StreamingResponse,
)
async def export(request: Request, services: TheServices, reader: BudgetReader, developer: NamedDeveloper) -> StreamingResponse:
    entries = await services.budget.budgets.export_movements(reader, developer)
    return spreadsheet.stream(request, "movements.csv", list(MovementReply.model_fields), entries, _cells)


def _movement(entry: MovementEntry) -> MovementReply:
    amount = entry.amount if entry.unit == "tokens" or entry.amount is None else to_usd(entry.amount)
    return MovementReply(
        **{name: getattr(entry, name) for name in MovementReply.model_fields if name not in {"held_usd", "usd", "amount"}},
        held_usd=optional_usd(entry.held_nanousd),
        usd=to_usd(entry.nanousd),
        amount=amount,
    )


def _cells(entry: MovementEntry) -> list[object]:
    return list(_movement(entry).model_dump(mode="json").values())
