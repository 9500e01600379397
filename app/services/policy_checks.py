"""Operations on policies: shown, replaced, and checked against events that are sent along. One call for a route and a tool alike."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.accounts.requester import Requester
from app.errors import InvalidInput
from app.services.services import Services
from app.sessions.event import Event, GivenEvent, too_many_events
from app.sessions.live_events import event_of
from app.trajectory.policies.automaton import PolicyVerdict
from app.trajectory.policies.policy import PolicyDefinition, PolicyError, definition_of
from app.trajectory.policies.policy_file import read_policies
from app.trajectory.policies.projects import PolicySwitch, ShownPolicies
from app.trajectory.policies.watching import PolicyAnalyzer
from app.trajectory.steps import steps_of


@dataclass(frozen=True, slots=True)
class ShownViolation:
    """Events that show that a policy isn't kept, by their ids; the last one broke it. `open`: later events may still mend it."""

    events: tuple[str, ...]
    because: str
    open: bool


@dataclass(frozen=True, slots=True)
class CheckedPolicy:
    """The verdict on a policy after all events. `broken`: how often, also past what is told.

    `gave_up_at`: the size at which its formula exceeded the bounds; None: it didn't.
    """

    policy: PolicyDefinition
    verdict: PolicyVerdict
    broken: int
    violations: tuple[ShownViolation, ...]
    gave_up_at: int | None


@dataclass(frozen=True, slots=True)
class GivenPolicies:
    """The policies to check, one way or another: as definitions, as a file in YAML, or those of a project."""

    definitions: Sequence[Mapping[str, Any]] | None = None
    file: str | None = None
    project: str | None = None


async def show_policies(services: Services, requester: Requester, project: str | None) -> ShownPolicies:
    """Show the policies of a project, or of the installation. NotFound for a project that isn't open to the requester."""
    return await services.policies.show(requester, project)


async def replace_policies(
    services: Services, requester: Requester, project: str, *, switches: Sequence[PolicySwitch], own: Sequence[Mapping[str, Any]]
) -> ShownPolicies:
    """Replace what a project says about its policies, for leads and admins. PolicyError names the policy and the place."""
    requester.check("change_any")
    definitions = await asyncio.to_thread(_definitions, own)
    return await services.policies.replace(requester, project, switches=switches, own=definitions)


async def check_policies(
    services: Services, requester: Requester, events: Sequence[GivenEvent], given: GivenPolicies
) -> tuple[CheckedPolicy, ...]:
    """Give the verdicts of policies on events, off the event loop; nothing is stored."""
    requester.check("read")
    if len(events) > (limit := services.settings.sessions.max_live_events):
        raise too_many_events(len(events), limit=limit)
    if sum(each is not None for each in (given.definitions, given.file, given.project)) > 1:
        raise InvalidInput("Send only one of policies, file and project.", param="policies")
    if given.definitions is not None:
        definitions = await asyncio.to_thread(_definitions, given.definitions)
    elif given.file is not None:
        definitions = await asyncio.to_thread(_of_file, given.file)
    else:
        shown = await services.policies.show(requester, given.project)
        definitions = [each.definition for each in shown.policies if each.definition.enabled]
    return await asyncio.to_thread(_checked, definitions, [event_of(each) for each in events])


def _definitions(given: Sequence[Mapping[str, Any]]) -> list[PolicyDefinition]:
    found = []
    for place, each in enumerate(given):
        try:
            found.append(definition_of(each))
        except PolicyError as error:
            raise InvalidInput(f"policies.{place}: {error.message}", code=error.code, param=f"policies.{place}.{error.key}") from error
    return found


def _of_file(text: str) -> list[PolicyDefinition]:
    return list(read_policies(text, name="The file"))


def _checked(definitions: Sequence[PolicyDefinition], events: Sequence[Event]) -> tuple[CheckedPolicy, ...]:
    analyzer = PolicyAnalyzer(definitions)
    ids = [each.id for each in events]
    found: dict[str, list[ShownViolation]] = {}
    for step in steps_of(enumerate(events)):
        for each in analyzer.add(step):
            found.setdefault(each.name, []).append(ShownViolation(tuple(ids[seq] for seq in each.evidence), each.because, open=False))
    for each in analyzer.at_end():
        found.setdefault(each.name, []).append(ShownViolation(tuple(ids[seq] for seq in each.evidence), each.because, open=True))
    return tuple(
        CheckedPolicy(
            monitor.definition, monitor.verdict, monitor.broken, tuple(found.get(monitor.definition.id, ())), monitor.too_large or None
        )
        for monitor in analyzer.monitors
    )
