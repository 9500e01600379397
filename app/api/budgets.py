"""Routes of budgets: a developer's own; for a lead or auditor those of their team; for admins all, with limits, top-ups, reconciliation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from app.api.listing import NamedListing
from app.api.schema import REVISION, AccountName, NamedDeveloper, Plain, RequestBody, ResponseBody
from app.budget.holds import Unit
from app.budget.views import Budget, NamedBudget
from app.errors import InvalidInput
from app.money import from_usd, to_usd
from app.web.authenticated_route import AuthenticatedRoute
from app.web.entity_tags import KnownRevision, revision_tag
from app.web.errors import responses
from app.web.idempotent import ONCE
from app.web.paging import NextCursor
from app.web.requester import Admin, BudgetReader, Reader, TheServices

router = APIRouter(prefix="/v1", tags=["budget"], route_class=AuthenticatedRoute)

Usd = Annotated[float, Field(strict=True, ge=0, le=1_000_000, allow_inf_nan=False, examples=[8.33])]
NamedTeam = Annotated[AccountName, Path(description="The team's name.")]
LIMITS_REVISION = f"Changes with the limits and the month's top-ups, not with spending. {REVISION}"


class PeriodReply(ResponseBody):
    """A calendar month in the time zone of the setting `budget.time_zone`."""

    start: datetime
    end: datetime


class BudgetReply(ResponseBody):
    """A developer's budget in the current month. Limits that are null: there is none."""

    developer: str = Field(examples=["ada"])
    team: str = Field(examples=["default"])
    period: PeriodReply
    limit_usd: float | None = Field(examples=[8.33])
    added_usd: float = Field(description="Sum of this month's top-ups, in addition to the limit.")
    spent_usd: float
    held_usd: float = Field(description="Highest possible cost of the running calls, which is reserved.")
    remaining_usd: float | None
    unreconciled_usd: float = Field(
        description=("The part of `spent_usd` whose real cost is unknown; it is charged at its highest possible cost.")
    )
    forecast_usd: float = Field(description="Forecast of `spent_usd` at the month's end; what is spent while it is `too_early_to_tell`.")
    too_early_to_tell: bool = Field(description="Whether the month, or a new developer's first call, is less than three days ago.")
    limit_tokens: int | None
    spent_tokens: int
    alerts: list[str] = Field(description="Budget alerts that were raised this month.", examples=[["50%", "80%"]])
    revision: str = Field(description=LIMITS_REVISION, examples=["1f3c9a22b0d54e77"])


class BudgetList(ResponseBody):
    budgets: list[BudgetReply]
    next_cursor: NextCursor


class TeamBudgetReply(ResponseBody):
    """A team's budget in the current month. Limits that are null: there is none."""

    team: str
    period: PeriodReply
    limit_usd: float | None
    spent_usd: float
    held_usd: float
    limit_tokens: int | None
    spent_tokens: int
    held_tokens: int
    revision: str = Field(description=LIMITS_REVISION, examples=["1f3c9a22b0d54e77"])


class LimitBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"monthly_limit_usd": 20}]})

    monthly_limit_usd: Usd


class TeamLimitBody(RequestBody):
    """The limits to change. A field that is left out stays as it is; null removes the limit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"monthly_limit_usd": 250, "monthly_limit_tokens": 80_000_000}]})

    monthly_limit_usd: Usd | None = None
    monthly_limit_tokens: int | None = Field(None, strict=True, ge=0, le=2**53)


class TopUpBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"amount_usd": 5, "note": "the release"}]})

    amount_usd: Annotated[float, Field(strict=True, gt=0, le=1_000_000, allow_inf_nan=False)]
    note: Plain | None = Field(None, max_length=500, description="The reason, for the history.")


class ReconcileBody(RequestBody):
    """Closes unreconciled holds, whose calls' real cost is unknown."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount_usd": 0.002, "note": "as on the provider's bill"}]})

    amount_usd: Usd | None = Field(None, description="Real cost of each of these holds. Default: 0.")
    holds: list[UUID] | None = Field(None, max_length=1000, description="Ids of the holds to close. Default: all that are unreconciled.")
    note: Plain | None = Field(None, max_length=500, description="The reason, for the history.")


class CorrectionBody(RequestBody):
    """Corrects the charge of one call. `charged_usd` and `charged_tokens`: its right total, not the difference."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"movement": 4711, "charged_usd": 0.0021, "note": "as billed"}]})

    movement: int = Field(strict=True, ge=1, le=2**62, description="`id` of the movement that charged the call.")
    charged_usd: Usd
    charged_tokens: int | None = Field(None, strict=True, ge=0, le=2**53, description="Default: unchanged.")
    note: Plain = Field(min_length=1, max_length=500, description="The reason, for the history.")


class ReconcileReply(ResponseBody):
    closed: int = Field(description="Number of holds that were closed.")


class DifferenceReply(ResponseBody):
    """A balance that differs from the sum of its movements and holds. Each pair: stored, recomputed."""

    subject: str = Field(description="`developer`, `team` or `key`.")
    subject_id: UUID
    period_start: datetime
    spent_usd: tuple[float, float]
    held_usd: tuple[float, float]
    spent_tokens: tuple[int, int]
    held_tokens: tuple[int, int]


class VerifyReply(ResponseBody):
    differences: list[DifferenceReply] = Field(description="Empty: every balance is right.")


@router.get("/budget", summary="Show your own budget", responses=responses())
async def own(services: TheServices, caller: Reader, response: Response) -> BudgetReply:
    return _tagged(response, _reply(await services.budget.budgets.get_own(caller)))


@router.get(
    "/budget/verify", summary=("Recompute every balance from its movements and reservations, and list differences"), responses=responses()
)
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


@router.get(
    "/budgets",
    summary="List developers' budgets",
    description="`since` and `until`: of developers who were made then.",
    responses=responses(),
)
async def every(services: TheServices, reader: BudgetReader, listing: NamedListing) -> BudgetList:
    page = await services.budget.budgets.list_page(reader, listing.wanted)
    return BudgetList(budgets=[_reply(each) for each in page.entries], next_cursor=listing.next_cursor(page.next))


@router.get("/budgets/{developer}", summary="Show a developer's budget", responses=responses())
async def one(services: TheServices, reader: BudgetReader, developer: NamedDeveloper, response: Response) -> BudgetReply:
    return _tagged(response, _reply(await services.budget.budgets.get(reader, developer)))


@router.put("/budgets/{developer}", summary="Set a developer's monthly limit, from this month on", responses=responses(400, 409, 412, 413))
async def set_limit(
    services: TheServices, admin: Admin, developer: NamedDeveloper, body: LimitBody, known: KnownRevision, response: Response
) -> BudgetReply:
    limit = nanousd_of(body.monthly_limit_usd, "monthly_limit_usd")
    return _tagged(response, _reply(await services.budget.budgets.set_limit(admin, developer, limit, revision=known)))


@router.post(
    "/budgets/{developer}/top-ups",
    status_code=201,
    summary="Top up a developer's budget, for this month only",
    description="Send an `idempotency-key`: a retry then never adds twice, whatever became of the first attempt.",
    dependencies=[ONCE],
    responses=responses(400, 409, 413),
)
async def top_up(services: TheServices, admin: Admin, developer: NamedDeveloper, body: TopUpBody) -> BudgetReply:
    amount = nanousd_of(body.amount_usd, "amount_usd")
    return _reply(await services.budget.budgets.top_up(admin, developer, amount, note=body.note))


@router.post(
    "/budgets/{developer}/reconcile",
    summary="Settle unconfirmed charges: calls whose real cost is unknown",
    responses=responses(400, 413),
)
async def reconcile(services: TheServices, admin: Admin, developer: NamedDeveloper, body: ReconcileBody) -> ReconcileReply:
    amount = None if body.amount_usd is None else nanousd_of(body.amount_usd, "amount_usd")
    closed = await services.budget.budgets.reconcile(admin, developer, nanousd=amount, hold_ids=body.holds, note=body.note)
    return ReconcileReply(closed=closed)


@router.post(
    "/budgets/{developer}/corrections",
    status_code=201,
    summary="Correct the charge of a call",
    dependencies=[ONCE],
    description="The history keeps both movements, and who made the correction. A higher charge must fit the limit of its month.",
    responses=responses(400, 409, 413),
)
async def correct(services: TheServices, admin: Admin, developer: NamedDeveloper, body: CorrectionBody) -> BudgetReply:
    amount = nanousd_of(body.charged_usd, "charged_usd")
    made = await services.budget.budgets.correct(
        admin, developer, body.movement, nanousd=amount, tokens=body.charged_tokens, note=body.note
    )
    return _reply(made)


@router.get("/teams/{name}/budget", summary="Show a team's budget, which all of its developers share", responses=responses())
async def one_team(services: TheServices, reader: BudgetReader, name: NamedTeam, response: Response) -> TeamBudgetReply:
    return _tagged(response, _team(name, await services.budget.budgets.get_team(reader, name)))


@router.put("/teams/{name}/budget", summary="Set a team's monthly limits, from this month on", responses=responses(400, 412, 413))
async def set_team(
    services: TheServices, admin: Admin, name: NamedTeam, body: TeamLimitBody, known: KnownRevision, response: Response
) -> TeamBudgetReply:
    limits: dict[Unit, int | None] = {}
    if "monthly_limit_usd" in body.model_fields_set:
        limits["nanousd"] = None if body.monthly_limit_usd is None else nanousd_of(body.monthly_limit_usd, "monthly_limit_usd")
    if "monthly_limit_tokens" in body.model_fields_set:
        limits["tokens"] = body.monthly_limit_tokens
    if not limits:
        raise InvalidInput("No limit was sent: send monthly_limit_usd or monthly_limit_tokens (null: no limit).", param="monthly_limit_usd")
    return _tagged(response, _team(name, await services.budget.budgets.set_team_limits(admin, name, limits, revision=known)))


Shown = TypeVar("Shown", BudgetReply, TeamBudgetReply)


def _tagged(response: Response, reply: Shown) -> Shown:
    response.headers["etag"] = revision_tag(reply.revision)
    return reply


def _reply(named: NamedBudget) -> BudgetReply:
    budget = named.budget
    return BudgetReply(
        developer=named.developer,
        team=named.team,
        period=PeriodReply(start=budget.period.start, end=budget.period.end),
        limit_usd=optional_usd(budget.limit),
        added_usd=to_usd(budget.added),
        spent_usd=to_usd(budget.spent),
        held_usd=to_usd(budget.held),
        remaining_usd=optional_usd(budget.remaining),
        unreconciled_usd=to_usd(budget.unreconciled),
        forecast_usd=to_usd(budget.forecast),
        too_early_to_tell=budget.too_early_to_tell,
        limit_tokens=budget.limit_tokens,
        spent_tokens=budget.spent_tokens,
        alerts=list(budget.alerts),
        revision=budget.revision,
    )


def _team(name: str, budget: Budget) -> TeamBudgetReply:
    return TeamBudgetReply(
        team=name,
        period=PeriodReply(start=budget.period.start, end=budget.period.end),
        limit_usd=optional_usd(budget.limit),
        spent_usd=to_usd(budget.spent),
        held_usd=to_usd(budget.held),
        limit_tokens=budget.limit_tokens,
        spent_tokens=budget.spent_tokens,
        held_tokens=budget.held_tokens,
        revision=budget.revision,
    )


def optional_usd(nanousd: int | None) -> float | None:
    return None if nanousd is None else to_usd(nanousd)


def nanousd_of(amount: float, param: str) -> int:
    """Convert a field's US dollars to nano-dollars. InvalidInput, with the field, for an amount that has none."""
    try:
        return from_usd(amount)
    except ValueError as error:
        raise InvalidInput(f"{param} {error}.", param=param) from None
