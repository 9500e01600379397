"""Checks policies against the events of one session that are sent along. Nothing is stored; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import InvalidInput
from app.sessions.event import Event
from app.trajectory.analyzers.analyzer import SessionFinding
from app.trajectory.events.steps import steps_of
from app.trajectory.policies.policy import PolicyError, definition_of
from app.trajectory.policies.views import CheckedPolicy, PolicyDefinition, ShownViolation
from app.trajectory.policies.watching import PolicyAnalyzer


def definitions_of(given: Sequence[Mapping[str, Any]]) -> list[PolicyDefinition]:
    """Read definitions as a request gives them. InvalidInput names the policy by its place, the key and the place in a formula."""
    found: list[PolicyDefinition] = []
    for place, each in enumerate(given):
        try:
            made = definition_of(each)
        except PolicyError as error:
            raise InvalidInput(f"policies.{place}: {error.message}", code=error.code, param=f"policies.{place}.{error.key}") from error
        if made.id in {other.id for other in found}:
            raise InvalidInput(f"There is a policy {made.id} already: give this one another id.", param="policies")
        found.append(made)
    return found


def check_events(definitions: Sequence[PolicyDefinition], events: Sequence[Event]) -> tuple[CheckedPolicy, ...]:
    """Return the verdict of each enabled policy after all events, with the events that broke it."""
    analyzer = PolicyAnalyzer(definitions)
    ids = [each.id for each in events]
    found: dict[str, list[ShownViolation]] = {}

    def tell(finding: SessionFinding) -> None:
        told = ShownViolation(tuple(ids[seq] for seq in finding.evidence), finding.because, finding.open)
        found.setdefault(finding.name, []).append(told)

    for step in steps_of(enumerate(events)):
        for finding in analyzer.add(step):
            tell(finding)
    for finding in analyzer.at_end():
        tell(finding)
    return tuple(
        CheckedPolicy(each.definition, each.verdict, each.broken, tuple(found.get(each.definition.id, ())), each.too_large or None)
        for each in analyzer.monitors
    )
