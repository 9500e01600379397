"""Routes of policies: rules over a session's time, shown, switched per project, and checked against events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field, JsonValue

from app.api.live import GenericEvent, given_event
from app.api.schema import ProjectFilter, ProjectName, RequestBody, ResponseBody
from app.services.given_events import read_given
from app.trajectory.policies import (
    MAX_OWN,
    CheckedPolicy,
    GivenPolicies,
    PolicyOrigin,
    PolicySeverity,
    PolicySwitch,
    PolicyVerdict,
    ShownPolicies,
    Unit,
)
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=AuthenticatedRoute)

OWN_POLICY: JsonValue = {
    "id": "plan-before-migration",
    "words": "A migration is edited only after a plan.",
    "severity": "nudge",
    "template": "precedence",
    "before": 'edits and path "migrations/*"',
    "need": "plans",
}
EVENTS: JsonValue = [
    {"id": "e1", "role": "user", "text": "Round the till's sums."},
    {"id": "e2", "role": "tool", "tool": {"name": "edit", "input": "till.py\n- x = 1\n+ x = 2", "output": "updated"}},
    {
        "id": "e3",
        "role": "tool",
        "tool": {"name": "bash", "input": "git commit -am 'Round sums'", "output": "1 file changed", "exit_code": 0},
    },
]
Severity = Annotated[
    PolicySeverity,
    Field(description="`metric`: it is only counted. `nudge`: the agent is told, too. `alert`: the agent and people are told."),
]
Definition = Annotated[
    dict[str, Any],
    Field(
        description="A policy as in config/policies.yaml: `id`, `words`, `severity`, `enabled`, `for_each`, and either `formula` or"
        " `template` with its parts. GET /v1/policies shows the templates and the predicates.",
        examples=[OWN_POLICY],
    ),
]


class PolicyReply(ResponseBody):
    """A policy as it holds in the project."""

    id: str = Field(examples=["check-before-commit"])
    words: str = Field(description="What it demands, in a sentence.")
    severity: Severity
    enabled: bool
    for_each: Unit = Field(description="`file`: it holds for each file by itself, over the events that name it.")
    template: str | None = Field(description="Null: it is given as a formula.", examples=["renewed_precedence"])
    parts: dict[str, str] = Field(description="The template's parts, each a formula.")
    formula: str = Field(description="Linear temporal logic over a session's events.")
    origin: PolicyOrigin = Field(description="`shipped`: the installation's, in every project. `project`: the project's own.")


class PolicyChangeReply(ResponseBody):
    at: datetime
    by: str | None = Field(description="Null: the admin key, or a developer who was removed.", examples=["ada"])


class PolicyTemplateReply(ResponseBody):
    name: str = Field(examples=["response"])
    parts: list[str] = Field(examples=[["when", "then"]])
    words: str
    formula: str


class PredicateReply(ResponseBody):
    name: str = Field(examples=["checks_failed"])
    words: str
    takes_value: bool = Field(description="It is followed by a value in double quotes.")


class PoliciesReply(ResponseBody):
    project: str | None = Field(description="Null: the installation's policies.")
    policies: list[PolicyReply]
    changes: list[PolicyChangeReply] = Field(description="The project's latest changes, the newest first.")
    templates: list[PolicyTemplateReply]
    predicates: list[PredicateReply]


class PolicySwitchBody(RequestBody):
    """A project's own setting of a policy of the installation."""

    id: str = Field(max_length=64, examples=["done-after-check"])
    enabled: bool | None = Field(None, strict=True)
    severity: Severity | None = None


class PoliciesBody(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"switches": [{"id": "done-after-check", "severity": "metric"}], "policies": [OWN_POLICY]}]}
    )

    switches: list[PolicySwitchBody] = Field([], max_length=200)
    policies: list[Definition] = Field([], max_length=MAX_OWN, description="The project's own policies.")


class CheckBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"events": EVENTS}]})

    events: list[GenericEvent] = Field(max_length=10_000, description="A session's events, in order.")
    policies: list[Definition] | None = Field(None, max_length=100, description="Policies to check instead of the installation's.")
    file: str | None = Field(None, max_length=200_000, description="Or the text of a file of policies in YAML: errors name its lines.")
    project: ProjectName | None = Field(None, description="Or this project's policies.")


class ViolationReply(ResponseBody):
    """Events that show that a policy isn't kept."""

    events: list[str] = Field(description="Ids of events, in order; the last one broke it.", examples=[["e2", "e3"]])
    because: str
    open: bool = Field(description="Nothing broke it yet: what it demands hasn't come, and later events may bring it.")


class CheckedPolicyReply(ResponseBody):
    id: str = Field(examples=["check-before-commit"])
    words: str
    severity: Severity
    verdict: PolicyVerdict = Field(
        description="`true`, `false`: whatever comes; false once broken. `presumably_…`: so if the session ended here."
    )
    broken: int = Field(description="How often it was broken; at most 50 are told.")
    violations: list[ViolationReply]
    gave_up_at: int | None = Field(description="The formula grew to this size with these events and is watched no longer. Null: it didn't.")


class CheckReply(ResponseBody):
    events: int = Field(description="Number of events that were read.")
    verdicts: list[CheckedPolicyReply]


@router.get("", summary="Show the policies of a project, or of the installation", responses=responses())
async def show(services: TheServices, caller: Reader, project: ProjectFilter = None) -> PoliciesReply:
    return _shown(project, await services.trajectory.policies.show(caller, project))


@router.put(
    "",
    summary="Replace what a project says about its policies",
    description="For leads and admins. Replaces all of it: what isn't sent is as the installation says. Takes effect with the next events;"
    " the project's stored sessions are read anew in the background, the latest first. A policy blocks nothing.",
    responses=responses(400, 413),
)
async def replace(
    services: TheServices,
    caller: Reader,
    project: Annotated[ProjectName, Query(description="The project.", examples=["shop"])],
    body: PoliciesBody,
) -> PoliciesReply:
    switches = [PolicySwitch(each.id, each.enabled, each.severity) for each in body.switches]
    return _shown(project, await services.trajectory.policies.replace(caller, project, switches=switches, given=body.policies))


@router.post(
    "/check",
    summary="Check policies against events; nothing is stored",
    description="The verdict of each policy after all events, and the events that broke it. Without events: whether they can be used.",
    responses=responses(400, 413),
)
async def check(services: TheServices, caller: Reader, body: CheckBody) -> CheckReply:
    given = GivenPolicies(body.policies, body.file, body.project)
    events = await read_given(services, [given_event(each) for each in body.events])
    found = await services.trajectory.policies.check(caller, events, given)
    return CheckReply(events=len(body.events), verdicts=[_checked(each) for each in found])


def _shown(project: str | None, shown: ShownPolicies) -> PoliciesReply:
    return PoliciesReply(
        project=project,
        policies=[
            PolicyReply(
                **{name: getattr(each.definition, name) for name in PolicyReply.model_fields if name not in {"parts", "origin"}},
                parts=dict(each.definition.parts),
                origin=each.origin,
            )
            for each in shown.policies
        ],
        changes=[PolicyChangeReply.model_validate(each) for each in shown.changes],
        templates=[
            PolicyTemplateReply(name=name, parts=list(each.parts), words=each.words, formula=each.formula)
            for name, each in shown.templates.items()
        ],
        predicates=[
            PredicateReply(name=name, words=words, takes_value=takes)
            for takes, among in ((False, shown.predicates), (True, shown.with_value))
            for name, words in among.items()
        ],
    )


def _checked(found: CheckedPolicy) -> CheckedPolicyReply:
    return CheckedPolicyReply(
        id=found.policy.id,
        words=found.policy.words,
        severity=found.policy.severity,
        verdict=found.verdict,
        broken=found.broken,
        violations=[ViolationReply.model_validate(each) for each in found.violations],
        gave_up_at=found.gave_up_at,
    )
