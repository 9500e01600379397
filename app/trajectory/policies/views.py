"""Records of policies as other rooms see them: definitions, what a project set, what was found. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from app.trajectory.policies.predicates import PREDICATES, WITH_VALUE
from app.trajectory.policies.templates import TEMPLATES, PolicyTemplate

PolicyVerdict = Literal["true", "false", "presumably_true", "presumably_false"]
"""true, false: whatever comes; presumably: so if the session ended here."""
PolicySeverity = Literal["nudge", "metric", "alert"]
"""metric: it is only counted · nudge: the agent is told, too · alert: the agent and people are told."""
Unit = Literal["session", "file"]
"""file: the rule holds for each file by itself, over the steps that name it. Files are told apart by their name without folders."""
NUDGED: Final[frozenset[PolicySeverity]] = frozenset({"nudge", "alert"})
"""Severities of which the agent is told."""
PolicyOrigin = Literal["shipped", "project"]
MAX_OWN = 20
"""Policies of its own that a project may have."""


@dataclass(frozen=True, slots=True)
class PolicyDefinition:
    """A policy as it was given. `parts`: those of its template, in the template's order; none for a formula."""

    id: str
    words: str
    formula: str
    severity: PolicySeverity = "nudge"
    enabled: bool = True
    for_each: Unit = "session"
    template: str | None = None
    parts: tuple[tuple[str, str], ...] = ()

    def as_values(self) -> dict[str, object]:
        """Return it as plain values, from which `definition_of` makes it again."""
        rule: dict[str, object] = {"formula": self.formula} if self.template is None else {"template": self.template, **dict(self.parts)}
        given = {"id": self.id, "words": self.words, "severity": self.severity, "enabled": self.enabled, "for_each": self.for_each}
        return given | rule

    def switched(self, *, enabled: bool | None, severity: PolicySeverity | None) -> PolicyDefinition:
        """Return it with what a project says otherwise."""
        return replace(self, enabled=self.enabled if enabled is None else enabled, severity=severity or self.severity)


@dataclass(frozen=True, slots=True)
class PolicySwitch:
    """A project's own setting of a policy of the installation; None: as it is there."""

    id: str
    enabled: bool | None = None
    severity: PolicySeverity | None = None


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """A policy as it holds in a project."""

    definition: PolicyDefinition
    origin: PolicyOrigin


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A change of a project's policies. `by` None: the admin key, or a developer who was removed."""

    at: datetime
    by: str | None


@dataclass(frozen=True, slots=True)
class ShownPolicies:
    """A project's policies, and its latest changes, the newest first; and what policies are made of, by name.

    `with_value`: predicates that take a value.
    """

    policies: tuple[EffectivePolicy, ...]
    changes: tuple[PolicyChange, ...] = ()

    @property
    def templates(self) -> Mapping[str, PolicyTemplate]:
        return TEMPLATES

    @property
    def predicates(self) -> Mapping[str, str]:
        return PREDICATES

    @property
    def with_value(self) -> Mapping[str, str]:
        return WITH_VALUE


@dataclass(frozen=True, slots=True)
class PolicyStanding:
    """The verdict on a policy as a session stands. `broken`: how often. `gave_up_at`: see `CheckedPolicy`.

    `evidence`, `because`: seqs and words of what is demanded and hasn't come; empty: nothing is.
    """

    policy: str
    verdict: PolicyVerdict
    broken: int
    gave_up_at: int | None = None
    evidence: tuple[int, ...] = ()
    because: str = ""

    def as_values(self) -> list[object]:
        """Return it as plain values, which `of_values` reads."""
        return [self.policy, self.verdict, self.broken, self.gave_up_at, list(self.evidence), self.because]

    @classmethod
    def of_values(cls, values: Sequence[Any]) -> PolicyStanding:
        """Read it from its plain values."""
        policy, verdict, broken, gave_up_at, evidence, because = values
        return cls(policy, verdict, broken, gave_up_at, tuple(evidence), because)


@dataclass(frozen=True, slots=True)
class PolicyInSession:
    """The verdict on a policy in a stored session. `ended`: it is final, unless the session goes on. The rest: see `PolicyStanding`."""

    policy: str
    severity: PolicySeverity
    verdict: PolicyVerdict
    ended: bool
    broken: int
    gave_up_at: int | None
    evidence: tuple[int, ...]
    because: str


def in_session(standing: PolicyStanding, severity: PolicySeverity, *, ended: bool) -> PolicyInSession:
    """Show a standing. At a session's end what was presumably so is so."""
    verdict = _AT_END[standing.verdict] if ended else standing.verdict
    rest = (standing.broken, standing.gave_up_at, standing.evidence, standing.because)
    return PolicyInSession(standing.policy, severity, verdict, ended, *rest)


_AT_END: Final[Mapping[PolicyVerdict, PolicyVerdict]] = {
    "true": "true",
    "presumably_true": "true",
    "presumably_false": "false",
    "false": "false",
}


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
