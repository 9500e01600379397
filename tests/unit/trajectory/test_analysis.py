"""The analysis of one session: the same whether read at once or from a stored state, and nothing of what was undone stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sessions.event import Event
from app.trajectory.analysis.exchanges import SessionExchange
from app.trajectory.analysis.findings import FindingKey, ToldFinding
from app.trajectory.analysis.session_analysis import SessionAnalysis, StateTooLarge, made_by
from app.trajectory.analysis.step_blocks import StepBlock
from tests.unit.trajectory.sessions import FailureStreaks, call, numbered, prompt, reply, sessions


class Stored:
    """What a database would hold of an analysis: the latest of each key."""

    def __init__(self) -> None:
        self.findings: dict[FindingKey, ToldFinding] = {}
        self.exchanges: dict[int, SessionExchange] = {}
        self.blocks: dict[int, StepBlock] = {}

    def take(self, analysis: SessionAnalysis) -> Stored:
        part = analysis.take()
        self.findings |= {each.key: each for each in part.findings}
        self.exchanges |= {each.number: each for each in part.exchanges}
        self.blocks |= {each.number: each for each in part.blocks}
        return self

    @property
    def told(self) -> tuple[object, ...]:
        return self.findings, self.exchanges, self.blocks


def at_once(events: list[Event]) -> Stored:
    analysis = SessionAnalysis([FailureStreaks()])
    analysis.read(numbered(events), ())
    return Stored().take(analysis)


@given(sessions, st.integers(0, 80))
def test_going_on_from_a_state_tells_the_same_as_reading_at_once(events: list[Event], cut: int) -> None:
    cut = min(cut, len(events))
    begun = SessionAnalysis([FailureStreaks()])
    begun.read(list(numbered(events))[:cut], ())
    stored, state = Stored().take(begun), begun.state()
    resumed = SessionAnalysis([FailureStreaks()])
    remembered = resumed.restore(state, stored.blocks.get(cut // 256))
    assert {each.key: each for each in remembered} == stored.findings
    resumed.read(list(numbered(events))[cut:], ())
    assert stored.take(resumed).told == at_once(events).told


def test_states_are_given_at_the_points_that_were_asked_for() -> None:
    events = [call(seq) for seq in range(1, 40)]
    states = SessionAnalysis([FailureStreaks()]).read(numbered(events), {16, 32, 64})
    assert list(states) == [16, 32]
    again = SessionAnalysis([FailureStreaks()])
    again.restore(states[16], StepBlock(0, "r" * 40, bytes(8 * 40)))
    assert again.seq == 16


def test_a_session_without_events_or_with_one_has_an_analysis() -> None:
    assert at_once([]).told == ({}, {}, {})
    (exchange,) = at_once([call(1)]).exchanges.values()
    assert (exchange.number, exchange.first, exchange.last, exchange.outcome) == (0, 1, 1, None)


def test_a_finding_is_dated_and_names_its_tool() -> None:
    told = at_once([prompt(1), call(2, code=1), reply(3), call(4, code=1), reply(5)])
    (found,) = told.findings.values()
    assert (found.first, found.last, found.told, found.tool, found.open) == (2, 4, 4, "bash", True)
    assert found.began_at is not None
    assert found.ended_at is not None
    assert (found.ended_at - found.began_at).total_seconds() == 2


def test_code_that_gives_other_findings_has_another_name() -> None:
    assert made_by([FailureStreaks()]) != made_by([FailureStreaks(version="2")])
    assert made_by([FailureStreaks(), FailureStreaks("other")]) == made_by([FailureStreaks("other"), FailureStreaks()])


def test_a_state_that_outgrows_its_bound_is_refused_with_its_size() -> None:
    class Hoarder(FailureStreaks):
        def snapshot(self) -> dict[str, object]:
            return {"seen": [hash(str(number)) for number in range(60_000)]}

    with pytest.raises(StateTooLarge, match="bound it"):
        SessionAnalysis([Hoarder()]).state()
