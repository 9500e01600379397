"""The book of findings: the latest telling of each, bounded."""

from __future__ import annotations

from app.trajectory.analysis import findings
from app.trajectory.analysis.findings import MAX_EVIDENCE, MAX_FINDINGS, MAX_REMEMBERED, MAX_WORDS, FindingBook
from app.trajectory.analyzers.analyzer import SessionFinding
from app.trajectory.events.steps import SessionStep


def loop(first: int, last: int, *, evidence: tuple[int, ...] = (), because: str = "") -> SessionFinding:
    return SessionFinding("loop", "exact", first, last, evidence, because)


def test_a_later_telling_replaces_the_earlier_one() -> None:
    book = FindingBook()
    book.tell(4, loop(1, 4))
    book.tell(5, loop(1, 5))
    assert [(each.first, each.last, each.told) for each in book.take()] == [(1, 5, 5)]
    assert book.take() == []


def test_evidence_and_words_are_cut() -> None:
    book = FindingBook()
    book.tell(9, loop(1, 9, evidence=tuple(range(1000)), because="x" * 10_000))
    (told,) = book.take()
    assert (len(told.evidence), told.evidence[-1], len(told.because)) == (MAX_EVIDENCE, 999, MAX_WORDS)


def test_findings_beyond_the_bound_are_counted_and_the_state_stays_small() -> None:
    book = FindingBook()
    for seq in range(1, MAX_FINDINGS + 11):
        book.pass_step(SessionStep(seq, "tool", "run", tool="bash"))
        book.tell(seq, loop(seq, seq))
    assert (len(book.take()), book.left_out) == (MAX_FINDINGS, 10)
    assert len(book.remembered()) == MAX_REMEMBERED
    again = FindingBook()
    again.restore(book.snapshot())
    assert (again.remembered(), again.left_out) == (book.remembered(), 10)


def test_a_finding_of_steps_long_past_has_no_beginning_but_keeps_one_that_was_known() -> None:
    book = FindingBook()
    steps = range(1, findings.RECENT_STEPS + 10)
    for seq in steps:
        book.pass_step(SessionStep(seq, "tool", "run", tool="read"))
    book.tell(steps[-1], loop(1, steps[-1]))
    (told,) = book.take()
    assert (told.began_at, told.tool) == (None, "read")


def test_a_findings_tool_is_that_of_its_evidence_and_not_of_the_step_that_ended_it() -> None:
    book = FindingBook()
    for seq, tool in enumerate(("bash", "bash", "bash", "edit"), start=1):
        book.pass_step(SessionStep(seq, "tool", "run", tool=tool))
    book.tell(4, loop(1, 4, evidence=(1, 2, 3)))
    assert [each.tool for each in book.take()] == ["bash"]
