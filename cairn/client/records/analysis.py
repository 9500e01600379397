"""Records of a session's analysis: its exchanges, and what was found in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cairn.client.records.budget import SessionCostDetails
from cairn.client.records.patterns import RecurringTrouble


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionExchange:
    """A prompt of a session and what followed up to the next: the events `first` to `last`.

    `outcome`: what the person's next prompt says of it (accepted, corrected, neutral); None: there is none yet. `checked`: how the last run
    of tests or checks ended. `intent` None: not classified; `intent_confidence` None: a person said it.
    """

    number: int
    first: int
    last: int
    intent: str | None
    outcome: str | None
    phases: Mapping[str, int]
    failed: int
    checks_passed: int
    checks_failed: int
    checked: str | None
    files: tuple[str, ...]
    began_at: datetime | None
    ended_at: datetime | None
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    intent_confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisFinding:
    """Something found in the events `first` to `last` of a session. `open`: it still holds at the last event that was read.

    `because` None: this key doesn't see what was said in the session.
    """

    name: str
    first: int
    last: int
    open: bool
    evidence: tuple[int, ...]
    because: str | None
    tool: str | None
    began_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionVerdict:
    """The verdict on a policy after all events that were read: `true`, `false`, or `presumably_…`, so if the session ended here.

    `ended`: it has, and the verdict is final unless it goes on. `evidence`: events that demand what hasn't come; `because`: that in words.
    `gave_up_at`: the size at which the policy was watched no longer.
    """

    policy: str
    severity: str
    verdict: str
    ended: bool
    broken: int
    gave_up_at: int | None
    evidence: tuple[int, ...]
    because: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCounts:
    """Successive events of a session, counted by phase."""

    first: int
    last: int
    phases: Mapping[str, int]
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAnalysis:
    """A page of a session's analysis. `analysed`: number of events that were read; `current`: the whole session was.

    `next_cursor`: pass it as `cursor` for the next page; None on the last one.
    """

    session_id: str
    events: int
    analysed: int
    current: bool
    parked: str | None
    exchanges: tuple[SessionExchange, ...]
    activity: tuple[AnalysisFinding, ...]
    health: tuple[AnalysisFinding, ...]
    loops: tuple[AnalysisFinding, ...]
    policies: tuple[AnalysisFinding, ...]
    verdicts: tuple[SessionVerdict, ...]
    findings_left_out: int
    steps: tuple[StepCounts, ...]
    recurrence: Mapping[str, float] | None
    cost: SessionCostDetails | None
    patterns: tuple[RecurringTrouble, ...] = ()
    next_cursor: str | None = None
