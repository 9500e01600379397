"""Patterns are a function of the occurrences that there are: order, repetition and removal leave counts exact; words say no more than they."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trajectory.patterns import failures
from app.trajectory.patterns.endings import TroubleOutcome
from app.trajectory.patterns.failures import failure_signature, trouble_signature
from app.trajectory.patterns.merging import HALF_LIFE_DAYS, TroubleOccurrence, TroublePattern, aged, patterns_of, reduced
from app.trajectory.patterns.wording import known_of
from app.trajectory.shapes.phases import PhaseSymbol

SPACE = UUID(int=7)
AT = datetime(2026, 9, 3, 12, tzinfo=UTC)
FAILS, EDITS, TESTS, RUNS, LOOKS = (
    PhaseSymbol("test", "failed").char,
    PhaseSymbol("edit").char,
    PhaseSymbol("test").char,
    PhaseSymbol("run").char,
    PhaseSymbol("explore").char,
)


def occurrence(
    session: int = 1,
    *,
    told: int = 5,
    project: int = 1,
    signature: int = 9,
    failing: str = FAILS,
    ended: str = EDITS + TESTS,
    outcome: TroubleOutcome = "check_passed",
    seconds: float | None = 60.0,
    at: datetime = AT,
) -> TroubleOccurrence:
    places = (uuid5(SPACE, f"s{session}"), uuid5(SPACE, f"p{project}"), told, told - 2, told + 3)
    return TroubleOccurrence(*places, "error", "a lock", signature, failing, ended, outcome, seconds, at)


occurrences = st.builds(
    occurrence,
    st.integers(1, 4),
    told=st.integers(3, 8),
    project=st.integers(1, 2),
    signature=st.integers(1, 2),
    failing=st.text(FAILS + EDITS + RUNS + LOOKS, max_size=6),
    ended=st.text(EDITS + TESTS + LOOKS, max_size=5),
    outcome=st.sampled_from(get_args(TroubleOutcome)),
    at=st.integers(0, 400).map(lambda days: AT - timedelta(days=days)),
)
sets = st.lists(occurrences, max_size=14, unique_by=lambda each: (each.session_id, each.told))


def pattern_of(*given: TroubleOccurrence) -> TroublePattern:
    (found,) = patterns_of(given)
    return found


@given(sets, st.randoms())
def test_the_order_in_which_sessions_came_changes_nothing(given: list[TroubleOccurrence], random: object) -> None:
    shuffled = list(given)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert patterns_of(shuffled) == patterns_of(given)


@given(sets)
def test_each_occurrence_is_in_one_pattern_of_its_class_and_project(given: list[TroubleOccurrence]) -> None:
    found = patterns_of(given)
    assert sorted(each.order for one in found for each in one.occurrences) == sorted(each.order for each in given)
    for pattern in found:
        assert len({(each.project_id, each.signature) for each in pattern.occurrences}) == 1
        assert sum(each.times for each in pattern.outcomes) == pattern.times
    ids = [each.id for each in found]
    assert len(set(ids)) == len(ids)


@given(sets, st.integers(1, 4))
def test_without_a_session_is_as_if_it_had_never_come(given: list[TroubleOccurrence], session: int) -> None:
    """A purge leaves what the others alone would have given, unless it was the link between two groups of shapes."""
    gone = uuid5(SPACE, f"s{session}")
    left = [each for each in given if each.session_id != gone]
    alone = patterns_of(left)
    assert sum(each.times for each in alone) == len(left)
    for pattern in patterns_of(given):
        others = pattern.without(gone)
        assert (others is None) == all(each.session_id == gone for each in pattern.occurrences)
        if others is not None:
            parts = [each for each in alone if set(each.occurrences) <= set(others.occurrences)]
            assert sum(each.times for each in parts) == others.times


def test_shapes_that_are_alike_are_one_pattern_and_others_are_not() -> None:
    loop = FAILS + EDITS
    assert len(patterns_of([occurrence(1, failing=loop * 3), occurrence(2, failing=loop * 2 + FAILS), occurrence(3, failing=FAILS)])) == 1
    assert len(patterns_of([occurrence(1, failing=FAILS), occurrence(2, failing=LOOKS + RUNS)])) == 2
    assert len(patterns_of([occurrence(1, signature=1), occurrence(2, signature=2)])) == 2
    assert len(patterns_of([occurrence(1, project=1), occurrence(2, project=2)])) == 2
    assert len(patterns_of([occurrence(1, failing=""), occurrence(2, failing="")])) == 1


def test_the_id_stays_as_a_pattern_grows() -> None:
    first, second = occurrence(1, failing=FAILS + EDITS), occurrence(2, failing=EDITS + FAILS, at=AT + timedelta(days=1))
    assert pattern_of(first).id == pattern_of(second, first).id


def test_what_followed_is_what_all_had_in_common() -> None:
    found = pattern_of(
        occurrence(1, ended=LOOKS + EDITS + RUNS + TESTS, seconds=10),
        occurrence(2, ended=EDITS + LOOKS + TESTS, seconds=None),
        occurrence(3, outcome="unresolved", ended=EDITS),
        occurrence(4, outcome="committed", ended=EDITS + PhaseSymbol("commit").char),
    )
    assert [(each.outcome, each.times, each.deeds, each.seconds) for each in found.outcomes] == [
        ("check_passed", 2, ("exploring", "editing"), 10),
        ("committed", 1, ("editing",), 60),
        ("unresolved", 1, ("editing",), 60),
    ]


def test_age_halves_what_an_occurrence_weighs_and_never_turns_an_order() -> None:
    old, new = occurrence(1, at=AT - timedelta(days=HALF_LIFE_DAYS)), occurrence(2, signature=2, at=AT)
    assert aged(1, AT) == pytest.approx(2 * aged(1, old.at))
    assert [each.occurrences[0] for each in patterns_of([old, new])] == [new, old]
    thrice = [replace(old, told=told) for told in (3, 4, 5)]
    assert patterns_of([*thrice, new])[0].times == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([occurrence()], "Seen in 1 other session of this project, in September 2026: followed by a passing check, after editing."),
        (
            [occurrence(outcome="unresolved", ended="")],
            "Seen in 1 other session of this project, in September 2026: with no end that shows.",
        ),
        (
            [occurrence(1), occurrence(1, told=9), occurrence(2, at=AT + timedelta(days=40)), occurrence(3, outcome="unresolved")],
            (
                "Seen in 3 other sessions of this project, 4 times, since September 2026: 3 times followed by a passing check, after editing;"
                " once with no end that shows."
            ),
        ),
        (
            [
                occurrence(1, outcome="approved", ended=PhaseSymbol("ask").char),
                occurrence(2, outcome="call_worked", ended=LOOKS + EDITS + RUNS),
            ],
            (
                "Seen in 2 other sessions of this project, in September 2026: once followed by a person's approval; once followed by the same kind"
                " of call with success, after exploring and editing."
            ),
        ),
    ],
)
def test_a_pattern_is_told_by_its_counts(given: Sequence[TroubleOccurrence], words: str) -> None:
    assert known_of(pattern_of(*given), others=True) == words


@given(sets)
def test_nothing_is_told_of_chance_or_cause(given: list[TroubleOccurrence]) -> None:
    for pattern in patterns_of(given):
        said = known_of(pattern, others=False)
        assert "%" not in said
        assert not any(word in said for word in ("because", "fixed", "solved", "likely", "caused"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ModuleNotFoundError: No module named 'yaml'", "ModuleNotFoundError: No module named 'attrs'"),
        (
            "src/a.ts(3,9): error TS2345: Argument of type 'A' is not assignable",
            "lib/long/b.ts(77,1): error TS2345: Argument of type 'Bc' is not assignable",
        ),
        ("bash: foo: command not found", "bash: foo: command not found"),
        ('psycopg.errors.UndefinedColumn: column "a" does not exist', 'psycopg.errors.UndefinedColumn: column "b" does not exist'),
        ("! [rejected] main -> main (non-fast-forward)", "! [rejected] a/long-name -> a/long-name (non-fast-forward)"),
        ("ОшибкаЗапуска: нет файла «а.txt»", "ОшибкаЗапуска: нет файла «б.txt»"),
    ],
)
def test_failures_that_differ_by_names_and_values_are_of_one_class(one: str, other: str) -> None:
    assert failure_signature("failed", one) == failure_signature("failed", other)


@pytest.mark.parametrize(
    ("error", "family"),
    [
        ('psycopg.errors.UndefinedColumn: column "a" does not exist', "a database's schema"),
        ("a.ts(3,9): error TS2339: Property 'sum' does not exist on type 'Till'.", "a type error"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'a.txt'", "a missing file"),
        ("No profile is set and the default does not exist", "another failure"),
        ("12345 0x77", "an unknown failure"),
        ("", "an unknown failure"),
    ],
)
def test_a_failure_is_told_by_the_family_that_its_line_shows(error: str, family: str) -> None:
    assert failure_signature("failed", error).family == family


def test_failures_of_other_classes_differ() -> None:
    lines = [
        "ModuleNotFoundError: No module named 'yaml'",
        "error TS2345: Argument is not assignable",
        "error TS2322: Argument is not assignable",
        "AssertionError: expected 3, got 4",
        "Permission denied (publickey)",
        "something else went wrong here",
        "",
    ]
    found = [failure_signature("failed", line) for line in lines] + [
        failure_signature("unavailable", "x"),
        failure_signature("rejected", "x"),
        trouble_signature("exact"),
        trouble_signature("monologue"),
    ]
    assert len({each.value for each in found}) == len(found)
    assert failure_signature("unavailable", "a") == failure_signature("unavailable", "b")


@given(st.text(max_size=200))
def test_whatever_the_error_line_its_family_is_of_the_list(error: str) -> None:
    found = failure_signature("failed", error)
    assert 0 <= found.value < 1 << 63
    assert found.family in {family for family, _ in failures._FAMILIES} | {"another failure", failures.UNKNOWN}


def test_a_shape_is_reduced_before_it_is_compared() -> None:
    assert reduced((FAILS + EDITS) * 5) == FAILS + EDITS
