"""Progression: agrees with the definition of every operator, after every event, and its sure verdicts stay whatever comes."""

from __future__ import annotations

from itertools import permutations, product
from unittest.mock import patch

import pytest
from hypothesis import given, settings

from app.trajectory.policies import automaton as automata
from app.trajectory.policies import formula as formulas
from app.trajectory.policies.automaton import Automaton
from app.trajectory.policies.formula import FormulaTable, FormulaTooLarge
from app.trajectory.policies.parser import parse_formula
from app.trajectory.policies.residuals import dumped
from app.trajectory.policies.views import PolicyVerdict
from tests.unit.trajectory.policies.reference import ATOMS, LETTERS, Letter, Tree, generated, holds, text, traces, trees

BITS = {name: 1 << place for place, name in enumerate(ATOMS)}


def automaton(formula: str, *, explored: bool = False) -> Automaton:
    table = FormulaTable()
    made = Automaton(table, parse_formula(formula, table, lambda word, value: BITS[word]))
    if explored:
        made.explore()
    return made


def letter(true: Letter) -> int:
    return sum(BITS[name] for name in true)


def verdict(made: Automaton, trace: tuple[Letter, ...]) -> PolicyVerdict:
    state = made.start
    for true in trace:
        state = made.step(state, letter(true))
    return state.verdict


def check(tree: Tree, longest: int, *, explored: bool) -> None:
    made = automaton(text(tree), explored=explored)
    for trace in traces(longest):
        assert verdict(made, trace).endswith(str(holds(tree, trace)).lower()), (text(tree), trace)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_small_formula_means_what_its_definition_says(size: int) -> None:
    for tree in trees(size):
        check(tree, 3, explored=False)


@settings(max_examples=40, deadline=None)
@given(generated())
def test_formulas_of_five_nodes_agree_with_the_definition_on_every_trace_of_six_events(tree: Tree) -> None:
    check(tree, 6, explored=False)


@settings(max_examples=40, deadline=None)
@given(generated())
def test_exploring_changes_no_meaning(tree: Tree) -> None:
    check(tree, 4, explored=True)


@settings(max_examples=60, deadline=None)
@given(generated())
def test_a_sure_verdict_stays_whatever_comes(tree: Tree) -> None:
    made = automaton(text(tree), explored=True)
    for trace in traces(2):
        if (found := verdict(made, trace)) in {"true", "false"}:
            assert all(holds(tree, trace + more) == (found == "true") for length in (1, 2, 3) for more in product(LETTERS, repeat=length))


@pytest.mark.parametrize(
    ("formula", "found"),
    [
        ("(eventually a) or (always not a)", "true"),
        ("(next a) or (next not a) or weak_next false", "true"),
        ("always ((eventually a) and always not a)", "false"),
        ("eventually (a and not a)", "false"),
        ("eventually a", "presumably_false"),
        ("always not a", "presumably_true"),
    ],
)
def test_what_no_event_can_change_is_sure_at_once(formula: str, found: PolicyVerdict) -> None:
    assert verdict(automaton(formula, explored=True), (frozenset(),)) == found


def test_a_formula_has_few_residuals_however_long_the_trace() -> None:
    made = automaton("always (a implies (eventually b and (a until b) or next next a))")
    state, seen = made.start, set()
    for place in range(5_000):
        state = made.step(state, place * 7919 % 4)
        seen.add(state)
    assert len(seen) < 60


def test_a_forgotten_memo_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.trajectory.policies.automaton.MAX_TRANSITIONS", 3)
    for formula in ("always (a implies next next b)", "always (a implies not (not b since a))", "(eventually always a) iff eventually b"):
        small, whole = automaton(formula), automaton(formula, explored=True)
        for trace in traces(4):
            assert verdict(small, trace).split("_")[-1] == verdict(whole, trace).split("_")[-1]


def nested(parts: int) -> str:
    return " iff ".join(f"(next {'next ' * place}a until b)" for place in range(parts))


@pytest.mark.parametrize("formula", [nested(9), nested(12), "always (" + nested(8) + ")"])
def test_a_formula_that_explodes_is_refused_with_its_size(formula: str) -> None:
    with pytest.raises(FormulaTooLarge) as refused:
        automaton(formula, explored=True)
    assert refused.value.size > 32
    assert str(refused.value.size) in refused.value.message


@pytest.mark.parametrize("operator", ["until", "release", "since", "trigger", "and", "or", "implies", "iff"])
def test_deep_formulas_are_read_or_refused_in_bounded_work(operator: str) -> None:
    deep = "a"
    for _ in range(18):
        deep = f"({deep} {operator} b)" if operator in {"since", "trigger"} else f"eventually ({deep} {operator} b)"
    try:
        automaton(deep, explored=True)
    except FormulaTooLarge as refused:
        assert refused.size > 32


def test_a_formula_that_needs_too_much_work_is_followed_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    made = automaton("always (a implies next (b until a))")
    monkeypatch.setattr("app.trajectory.policies.automaton.MAX_WORK", made.table.work - 1)
    with pytest.raises(FormulaTooLarge):
        made.step(made.start, 1)


MADE_FIRST = ("eventually a", "eventually b", "b until a")
MIXED = "always ((a implies eventually b) and (b implies (b until a))) and (eventually a or always b)"


def made_after(given: tuple[str, ...]) -> Automaton:
    """An automaton in a table that holds other formulas already, made in this order."""
    table = FormulaTable()
    for each in given:
        parse_formula(each, table, lambda word, value: BITS[word])
    return Automaton(table, parse_formula(MIXED, table, lambda word, value: BITS[word]))


def test_a_stored_state_is_the_same_state_in_a_process_that_made_the_formulas_in_another_order() -> None:
    one, *others = map(made_after, permutations(MADE_FIRST))
    for trace in traces(3):
        state = one.start
        for true in trace:
            state = one.step(state, letter(true))
        for other in others:
            own = other.start
            for true in trace:
                own = other.step(own, letter(true))
            assert other.restored(dumped(state.residual), state.past) is own


def test_states_are_read_back_into_a_table_that_is_full() -> None:
    one, other = made_after(()), made_after(())
    stored = []
    for trace in traces(3):
        state = one.start
        for true in trace:
            state = one.step(state, letter(true))
        stored.append((dumped(state.residual), state.past, state.verdict))
    bound = len(other.table) + 8
    with patch.object(automata, "MAX_NODES", bound), patch.object(formulas, "MAX_NODES", 2 * bound):
        assert [other.restored(residual, past).verdict for residual, past, _ in stored] == [verdict for *_, verdict in stored]


def test_reading_a_state_back_waits_for_who_makes_formulas_in_the_same_table() -> None:
    made, held = made_after(()), []
    remade = FormulaTable.remade

    def watched(table: FormulaTable, *given: object) -> object:
        held.append(made._making.locked())
        return remade(table, *given)  # type: ignore[arg-type]

    with patch.object(FormulaTable, "remade", watched):
        made.restored(dumped(made.start.residual), made.start.past)
    assert held
    assert all(held)
