"""Budgets: a developer's own; for the admin all of them, their limits, top-ups, history and reconciliation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field

from app.api.schema import AccountName, Plain, RequestBody, ResponseBody
from app.budget.holds import Unit
from app.budget.views import Budget, MovementEntry, NamedBudget
from app.errors import InvalidInput
from app.money import from_usd, to_usd
from app.web import spreadsheet
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, Caller, TheServices
from app.web.turns import exports_of

router = APIRouter(prefix="/v1", tags=["budget"], route_class=AuthenticatedRoute)

Usd = Annotated[float, Field(strict=True, ge=0, le=1_000_000, allow_inf_nan=False, examples=[8.33])]
Developer = Annotated[AccountName, Path(examples=["ada"])]


class PeriodReply(ResponseBody):
    start: datetime
    end: datetime


class BudgetReply(ResponseBody):
    """`unreconciled_usd` is part of `spent_usd`: charged at its estimate, the outcome unknown. A null limit: none."""

    developer: str = Field(examples=["ada"])
    team: str = Field(examples=["default"])
    period: PeriodReply
    limit_usd: float | None = Field(examples=[8.33])
    added_usd: float = Field(description="Top-ups of this period.")
    spent_usd: float
    held_usd: float
    remaining_usd: float | None
    unreconciled_usd: float
    forecast_usd: float = Field(description="Spent at the period's end, at the pace so far.")
    limit_tokens: int | None
    spent_tokens: int
    alerts: list[str] = Field(examples=[["50%", "80%"]])


class BudgetList(ResponseBody):
    budgets: list[BudgetReply]


class TeamBudgetReply(ResponseBody):
    team: str
    period: PeriodReply
    limit_usd: float | None
    spent_usd: float
    held_usd: float
    limit_tokens: int | None
    spent_tokens: int
    held_tokens: int


class LimitBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"monthly_limit_usd": 20}]})

    monthly_limit_usd: Usd


class TeamLimitBody(RequestBody):
    """Fields left out stay as they are; null: no limit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"monthly_limit_usd": 250, "monthly_limit_tokens": 80_000_000}]})

    monthly_limit_usd: Usd | None = None
    monthly_limit_tokens: int | None = Field(None, strict=True, ge=0, le=2**53)


class TopUpBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount_usd": 5, "note": "the release"}]})

    amount_usd: Annotated[float, Field(strict=True, gt=0, le=1_000_000, allow_inf_nan=False)]
    note: Plain | None = Field(None, max_length=500)


class ReconcileBody(RequestBody):
    """`amount_usd`: what each hold really cost; left out: nothing. `holds`: only these; left out: all that are open."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount_usd": 0.002, "note": "as on the provider's bill"}]})

    amount_usd: Usd | None = None
    holds: list[UUID] | None = Field(None, max_length=1000)
    note: Plain | None = Field(None, max_length=500)


class CorrectionBody(RequestBody):
    """`charged_usd`: what the call should be charged in all, corrections before this one included."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"movement": 4711, "charged_usd": 0.0021, "note": "as billed"}]})

    movement: int = Field(strict=True, ge=1, le=2**62, description="The `id` of the movement that charged it.")
    charged_usd: Usd
    charged_tokens: int | None = Field(None, strict=True, ge=0, le=2**53, description="Left out: as they are.")
    note: Plain = Field(min_length=1, max_length=500, description="Why: it stands in the history.")


class ReconcileReply(ResponseBody):
    closed: int


class MovementReply(ResponseBody):
    """`usd` is what the spent sum changed by. `amount`: a new limit or a top-up, in dollars or tokens by `unit`."""

    id: int
    at: datetime
    kind: str = Field(examples=["settle"])
    mark: str | None = Field(examples=["usage"])
    hold_id: UUID | None = Field(description="Names it to `reconcile`, where it is unreconciled.")
    request_id: str | None
    attempt: int | None
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    held_usd: float | None
    usd: float
    tokens: int
    unit: str | None
    amount: float | None
    actor: str | None
    note: str | None
    corrects: int | None = Field(description="The `id` of the movement that this one sets right.")


class MovementList(ResponseBody):
    """`next`: the `before` of the next page; null on the last."""

    movements: list[MovementReply]
    next: int | None


class DifferenceReply(ResponseBody):
    subject: str
    subject_id: UUID
    period_start: datetime
    spent_usd: tuple[float, float] = Field(description="Stored, recomputed.")
    held_usd: tuple[float, float]
    spent_tokens: tuple[int, int]
    held_tokens: tuple[int, int]


class VerifyReply(ResponseBody):
    differences: list[DifferenceReply]


@router.get("/budget", summary="Your own budget", responses=responses())
async def own(services: TheServices, caller: Caller) -> BudgetReply:
    return _reply(await services.budget.budgets.get_own(caller))


@router.get("/budget/verify", summary="Recompute every balance from its rows", responses=responses())
async def verify(services: TheServices, admin: Admin) -> VerifyReply:
    found = await services.budget.budgets.verify(admin)
    return VerifyReply(
        differences=[
            DifferenceReply(
                subject=each.subject,
                subject_id=each.subject_id,
                period_start=each.period_start,
                spent_usd=(to_usd(each.spent[0]), to_usd(each.spent[1])),
                held_usd=(to_usd(each.held[0]), to_usd(each.held[1])),
                spent_tokens=each.spent_tokens,
                held_tokens=each.held_tokens,
            )
            for each in found
        ]
    )


@router.get("/budgets", summary="Every developer's budget", responses=responses())
async def every(services: TheServices, admin: Admin) -> BudgetList:
    return BudgetList(budgets=[_reply(each) for each in await services.budget.budgets.list_all(admin)])


@router.get("/budgets/{developer}", summary="A developer's budget", responses=responses())
async def one(services: TheServices, admin: Admin, developer: Developer) -> BudgetReply:
    return _reply(await services.budget.budgets.get(admin, developer))


@router.put("/budgets/{developer}", summary="Set a developer's monthly limit, this month included", responses=responses(400, 413))
async def set_limit(services: TheServices, admin: Admin, developer: Developer, body: LimitBody) -> BudgetReply:
    limit = _nanousd(body.monthly_limit_usd, "monthly_limit_usd")
    return _reply(await services.budget.budgets.set_limit(admin, developer, limit))


@router.post("/budgets/{developer}/top-ups", status_code=201, summary="Add to this month's limit, once", responses=responses(400, 413))
async def top_up(services: TheServices, admin: Admin, developer: Developer, body: TopUpBody) -> BudgetReply:
    amount = _nanousd(body.amount_usd, "amount_usd")
    return _reply(await services.budget.budgets.top_up(admin, developer, amount, note=body.note))


@router.get("/budgets/{developer}/movements", summary="A budget's history, the newest first", responses=responses())
async def movements(
    services: TheServices,
    admin: Admin,
    developer: Developer,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="The `next` of the page before.")] = None,
) -> MovementList:
    page = await services.budget.budgets.list_movements(admin, developer, before=before, limit=limit)
    return MovementList(movements=[_movement(each) for each in page.movements], next=page.next)


@router.get(
    "/budgets/{developer}/movements.csv",
    summary="The whole history as CSV",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **responses()},
    response_class=StreamingResponse,
)
async def export(request: Request, services: TheServices, admin: Admin, developer: Developer) -> StreamingResponse:
    entries = await services.budget.budgets.export_movements(admin, developer)
    headers = {"content-disposition": 'attachment; filename="movements.csv"'}
    names = list(MovementReply.model_fields)
    lines = exports_of(request).lines(spreadsheet.line(names), entries, _csv_line)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/budgets/{developer}/reconcile", summary="Close holds whose outcome is unknown", responses=responses(400, 413))
async def reconcile(services: TheServices, admin: Admin, developer: Developer, body: ReconcileBody) -> ReconcileReply:
    amount = None if body.amount_usd is None else _nanousd(body.amount_usd, "amount_usd")
    closed = await services.budget.budgets.reconcile(admin, developer, nanousd=amount, hold_ids=body.holds, note=body.note)
    return ReconcileReply(closed=closed)


@router.post(
    "/budgets/{developer}/corrections",
    status_code=201,
    summary="Set right what a call was charged, by a movement against it",
    description="Both stay in the history, with who corrected. A dearer charge must fit the limit of its month.",
    responses=responses(400, 409, 413),
)
async def correct(services: TheServices, admin: Admin, developer: Developer, body: CorrectionBody) -> BudgetReply:
    amount = _nanousd(body.charged_usd, "charged_usd")
    made = await services.budget.budgets.correct(
        admin, developer, body.movement, nanousd=amount, tokens=body.charged_tokens, note=body.note
    )
    return _reply(made)


@router.put("/teams/{name}/budget", summary="Set a team's limits, this month included", responses=responses(400, 413))
async def set_team(services: TheServices, admin: Admin, name: Annotated[AccountName, Path()], body: TeamLimitBody) -> TeamBudgetReply:
    limits: dict[Unit, int | None] = {}
    if "monthly_limit_usd" in body.model_fields_set:
        limits["nanousd"] = None if body.monthly_limit_usd is None else _nanousd(body.monthly_limit_usd, "monthly_limit_usd")
    if "monthly_limit_tokens" in body.model_fields_set:
        limits["tokens"] = body.monthly_limit_tokens
    if not limits:
        raise InvalidInput("Name monthly_limit_usd or monthly_limit_tokens (null: no limit).", param="monthly_limit_usd")
    return _team(name, await services.budget.budgets.set_team_limits(admin, name, limits))


def _reply(named: NamedBudget) -> BudgetReply:
    budget = named.budget
    return BudgetReply(
        developer=named.developer,
        team=named.team,
        period=PeriodReply(start=budget.period.start, end=budget.period.end),
        limit_usd=_usd(budget.limit),
        added_usd=to_usd(budget.added),
        spent_usd=to_usd(budget.spent),
        held_usd=to_usd(budget.held),
        remaining_usd=_usd(budget.remaining),
        unreconciled_usd=to_usd(budget.unreconciled),
        forecast_usd=to_usd(budget.forecast),
        limit_tokens=budget.limit_tokens,
        spent_tokens=budget.spent_tokens,
        alerts=list(budget.alerts),
    )


def _team(name: str, budget: Budget) -> TeamBudgetReply:
    return TeamBudgetReply(
        team=name,
        period=PeriodReply(start=budget.period.start, end=budget.period.end),
        limit_usd=_usd(budget.limit),
        spent_usd=to_usd(budget.spent),
        held_usd=to_usd(budget.held),
        limit_tokens=budget.limit_tokens,
        spent_tokens=budget.spent_tokens,
        held_tokens=budget.held_tokens,
    )


def _movement(entry: MovementEntry) -> MovementReply:
    amount = entry.amount if entry.unit == "tokens" or entry.amount is None else to_usd(entry.amount)
    return MovementReply(
        **{name: getattr(entry, name) for name in MovementReply.model_fields if name not in {"held_usd", "usd", "amount"}},
        held_usd=_usd(entry.held_nanousd),
        usd=to_usd(entry.nanousd),
        amount=amount,
    )


def _csv_line(entry: MovementEntry) -> str:
    row = _movement(entry).model_dump(mode="json")
    return spreadsheet.line([row[name] for name in MovementReply.model_fields])


def _usd(nanousd: int | None) -> float | None:
    return None if nanousd is None else to_usd(nanousd)


def _nanousd(amount: float, param: str) -> int:
    try:
        return from_usd(amount)
    except ValueError as error:
        raise InvalidInput(f"{param} {error}.", param=param) from None
