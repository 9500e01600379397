"""A session that is edited (it grows, calls are filled in late) is analysed by all real analyzers as one that was there at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sessions.event import Event, Outcome, ToolUse
from app.trajectory.analysis import findings as book
from app.trajectory.analysis.exchanges import SessionExchange
from app.trajectory.analysis.findings import FindingKey, ToldFinding
from app.trajectory.analysis.session_analysis import MAX_STATE_BYTES, SessionAnalysis
from app.trajectory.analysis.snapshots import kept_seqs
from app.trajectory.analysis.step_blocks import BLOCK_STEPS, StepBlock
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.part import ANALYZERS
from app.trajectory.policies.policy import definition_of
from app.trajectory.policies.policy_file import SHIPPED, load_policies
from app.trajectory.policies.predicates import PREDICATES
from app.trajectory.policies.views import MAX_OWN
from app.trajectory.policies.watching import PolicyAnalyzer

OWN = [
    {"id": "answered", "words": "Every prompt is answered.", "template": "response", "when": "asks", "then": "says"},
    {"id": "edited-once", "words": "A file is edited once.", "template": "at_most_once", "of": "edits", "for_each": "file"},
    {"id": "no-make", "words": "It is never built.", "template": "absence", "of": 'command "make"'},
]
POLICIES = [*load_policies(SHIPPED), *map(definition_of, OWN)]
_INPUTS = st.sampled_from(
    [
        "",
        "make",
        "pytest -q",
        "cat a.py",
        "a.py\n- x\n+ y",
        "b.py\n- y\n+ x",
        "git commit -m x",
        "sed -i s/a/b/ a.py",
        '{"command": "rm tests/test_a.py"}',
    ]
)
_OUTPUTS = st.sampled_from(
    ["", "ok", "error: cannot find the header of the library", "HTTP/2 429 too many requests", "a long listing " * 9]
)
_OUTCOMES: st.SearchStrategy[Outcome | None] = st.sampled_from(["ok", "failed", "rejected", None])
_CALLS = st.builds(
    lambda name, given, output, outcome: Event(
        "e", "tool", "tool", "", "L1", tool=ToolUse(name, given, output), outcome=outcome, files=("a.py",) if name == "Edit" else ()
    ),
    st.sampled_from(["Bash", "Read", "Edit"]),
    _INPUTS,
    _OUTPUTS,
    _OUTCOMES,
)
_WORDS = st.builds(
    lambda kind, text: Event("e", "user" if kind == "prompt" else "assistant", kind, text, "L1"),
    st.sampled_from(["prompt", "reply", "thinking", "notice"]),
    st.sampled_from(["no, that's wrong", "thanks", "add a flag", "I apologize, I misread it", "/undo", "All tests pass now.", ""]),
)
_EVENTS = st.lists(st.one_of(_CALLS, _CALLS, _WORDS), min_size=1, max_size=12)
_STRETCHES = st.builds(lambda events, times: events * times, _EVENTS, st.integers(1, 6))
_EDITS = st.lists(st.one_of(_STRETCHES, st.tuples(st.floats(0, 1), _OUTPUTS, _OUTCOMES)), min_size=1, max_size=5)


def analyzers() -> list[Analyzer]:
    return [*(make() for make in ANALYZERS), PolicyAnalyzer(POLICIES)]


@dataclass(slots=True)
class Stored:
    """What the database holds of a session, by the rules of `analysis.storage`."""

    findings: dict[FindingKey, ToldFinding] = field(default_factory=dict)
    exchanges: dict[int, SessionExchange] = field(default_factory=dict)
    blocks: dict[int, StepBlock] = field(default_factory=dict)
    states: dict[int, bytes] = field(default_factory=dict)
    left_out: int = 0

    def bring_up(self, events: Sequence[Event], after: int) -> None:
        begin = max((seq for seq in self.states if seq <= after), default=0)
        analysis = SessionAnalysis(analyzers())
        remembered: Sequence[ToldFinding] = ()
        if begin:
            kept = self.blocks[begin // BLOCK_STEPS] if begin % BLOCK_STEPS else None
            remembered = analysis.restore(self.states[begin], kept)
        gone = {key for key, each in self.findings.items() if each.told > begin}
        self.findings = {key: each for key, each in self.findings.items() if key not in gone}
        self.findings |= {each.key: each for each in remembered if each.key in gone}
        self.exchanges = {number: each for number, each in self.exchanges.items() if each.first <= begin}
        self.states = {seq: state for seq, state in self.states.items() if seq <= begin}
        self.states |= analysis.read([*enumerate(events, 1)][begin:], kept_seqs(len(events)))
        part = analysis.take()
        self.findings |= {each.key: each for each in part.findings}
        self.exchanges |= {each.number: each for each in part.exchanges}
        self.blocks = {each: block for each, block in self.blocks.items() if each < begin // BLOCK_STEPS} | {
            each.number: each for each in part.blocks
        }
        self.states = {seq: state for seq, state in self.states.items() if seq in kept_seqs(len(events))}
        self.left_out = part.left_out

    def shown(self) -> tuple[Any, ...]:
        return sorted(self.findings.items()), self.exchanges, self.blocks, self.left_out


@pytest.mark.parametrize("remembered", [12, 100])
@given(edits=_EDITS)
@settings(max_examples=40, deadline=None)
def test_an_edited_session_is_analysed_as_one_that_was_there_at_once(remembered: int, edits: list[Any]) -> None:
    events: list[Event] = []
    live = Stored()
    with patch.object(book, "MAX_REMEMBERED", remembered), patch.object(book, "MAX_FINDINGS", 40):
        for edit in edits:
            after = len(events)
            if isinstance(edit, list):
                events.extend(edit)
            elif events:
                place, output, outcome = int(edit[0] * (len(events) - 1)), *edit[1:]
                after, filled = place, events[place]
                if filled.tool is not None:
                    events[place] = replace(filled, tool=replace(filled.tool, output=output), outcome=outcome)
            live.bring_up(events, after)
            whole = Stored()
            whole.bring_up(events, 0)
            assert live.shown() == whole.shown()


@pytest.mark.parametrize(
    "letters", ["abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "".join(map(chr, range(0x4E00, 0x9FFF)))]
)
def test_the_state_of_a_hostile_session_stays_within_its_bound(letters: str) -> None:
    """A session of names as long and as different as the journal takes them, under as many rules as a project may have."""
    drawn = random.Random(1)
    rules = [
        definition_of(
            {
                "id": f"own-{number}",
                "words": "W.",
                "formula": f"always ((edits and succeeds) implies next eventually {word})",
                "for_each": "file",
            }
        )
        for number, word in enumerate(list(PREDICATES)[:MAX_OWN])
    ]
    analysis = SessionAnalysis([*(make() for make in ANALYZERS), PolicyAnalyzer([*load_policies(SHIPPED), *rules])])
    for seq in range(1, 500):
        tool, given, output, *files = ("".join(drawn.choices(letters, k=size)) for size in (990, 200, 190, 240, 240, 240))
        used = ToolUse(tool, given, f"error: {output}", seq % 2)
        analysis.add(seq, Event("e", "tool", "tool", "", "L1", tool=used, files=tuple(f"{each}.py" for each in files)))
    assert len(analysis.state()) < MAX_STATE_BYTES / 2
