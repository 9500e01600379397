"""Routes of alerts: each rule's value now, what fires, and recommendations from a day of measurements."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from app.api.schema import ResponseBody
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, TheServices

router = APIRouter(prefix="/v1", tags=["operations"], route_class=AuthenticatedRoute)


class FiringReply(ResponseBody):
    rule: str = Field(examples=["inference_slow"])
    labels: dict[str, str]
    severity: str = Field(examples=["warning"])
    summary: str = Field(examples=["Answers of models are slow (p95): 2.4 s, above 2 s"])
    value: float
    since: datetime


class OverReply(ResponseBody):
    rule: str
    labels: dict[str, str]
    severity: str
    summary: str
    since: datetime
    until: datetime


class RuleReply(ResponseBody):
    """`value` null: too little was measured to say anything. `breached`: now; it fires once that has lasted."""

    rule: str
    what: str
    labels: dict[str, str]
    severity: str
    value: float | None
    threshold: float
    breached: bool
    summary: str


class AdviceReply(ResponseBody):
    topic: str
    evidence: str
    change: str


class AlertsReply(ResponseBody):
    firing: list[FiringReply]
    over: list[OverReply] = Field(description="The last that are over.")
    rules: list[RuleReply] = Field(description="What each rule says now, once and without its duration.")
    recommendations: list[AdviceReply] = Field(description="From the last 24 hours.")


@router.get("/alerts", summary="Alerts that fire, every rule's value now, recommendations with their evidence", responses=responses())
async def alerts(services: TheServices, admin: Admin) -> AlertsReply:
    report = await services.watch.report(admin)
    return AlertsReply.model_validate(
        {
            "firing": report.firing,
            "over": report.resolved,
            "rules": report.rules,
            "recommendations": report.recommendations,
        },
        from_attributes=True,
    )
