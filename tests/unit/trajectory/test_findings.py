"""The book of findings: the latest telling of each, bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

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


@pytest.mark.parametrize("hostile", ["Not so with a\x00b.py", "Not so with \ud800.py", "\udfff\x00" * 300])
def test_words_that_cannot_be_stored_are_mended(hostile: str) -> None:
    book = FindingBook()
    book.tell(1, loop(1, 1, because=hostile))
    (told,) = book.take()
    assert "\x00" not in told.because
    assert told.because.encode()


def test_what_goes_on_is_remembered_however_much_is_told_meanwhile() -> None:
    book, at = FindingBook(), datetime(2026, 10, 1, tzinfo=UTC)
    book.pass_step(SessionStep(1, "tool", "run", tool="bash", at=at))
    book.tell(1, loop(1, 1))
    for seq in range(2, 2 * MAX_REMEMBERED):
        book.pass_step(SessionStep(seq, "tool", "run", tool="bash"))
        book.tell(seq, replace(loop(seq, seq), open=False))
    book.take()
    book.tell(999, replace(loop(1, 999), open=False))
    (ended,) = book.take()
    assert ended.began_at == at
    assert len(book.remembered()) == MAX_REMEMBERED


def test_a_finding_told_again_counts_the_same_whether_it_was_taken_meanwhile() -> None:
    lefts = []
    for takes in (False, True):
        book = FindingBook()
        for seq in range(1, MAX_FINDINGS + 1):
            book.tell(seq, replace(loop(seq, seq), open=False))
        if takes:
            book.take()
        for seq in range(1, 4):
            book.tell(MAX_FINDINGS + seq, replace(loop(seq, seq + 1), open=False))
        lefts.append(book.left_out)
    assert lefts[0] == lefts[1]


def test_a_stretch_that_began_before_what_is_known_has_the_earliest_known_time() -> None:
    book, at = FindingBook(), datetime(2026, 10, 1, tzinfo=UTC)
    for seq in range(1, 201):
        book.pass_step(SessionStep(seq, "tool", "run", tool="read", at=at + timedelta(seconds=seq)))
    book.tell(200, loop(20, 200))
    (told,) = book.take()
    assert told.began_at == at + timedelta(seconds=201 - findings.RECENT_STEPS)


def test_a_finding_of_steps_without_time_has_no_beginning() -> None:
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
