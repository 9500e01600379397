"""Records of policies: rules over a session's time, and what a check of events found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy as it holds in a project. `origin`: `shipped` with the installation, or the `project`'s own. `for_each`: session or file."""

    id: str
    words: str
    severity: str
    enabled: bool
    for_each: str
    template: str | None
    parts: Mapping[str, str]
    formula: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """A change of a project's policies. `by` None: the admin key, or a developer who was removed."""

    at: datetime
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTemplate:
    """A template that a policy can use: the parts that it asks for, and the formula that it stands for."""

    name: str
    parts: tuple[str, ...]
    words: str
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """A word that formulas can name. `takes_value`: a value in double quotes follows it."""

    name: str
    words: str
    takes_value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies of a project, or of the installation, and what policies are made of."""

    project: str | None
    policies: tuple[Policy, ...]
    changes: tuple[PolicyChange, ...]
    templates: tuple[PolicyTemplate, ...]
    predicates: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Events, by id, that show that a policy isn't kept. `open`: later events may still bring what it demands."""

    events: tuple[str, ...]
    because: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPolicy:
    """The verdict on a policy: true, false, presumably_true or presumably_false.

    `broken`: how often, also past the violations that are told. `gave_up_at`: the size at which its formula was watched no longer.
    """

    id: str
    words: str
    severity: str
    verdict: str
    broken: int
    violations: tuple[Violation, ...]
    gave_up_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCheck:
    """The verdicts on so many events."""

    events: int
    verdicts: tuple[CheckedPolicy, ...]
