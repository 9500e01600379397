"""Progression: what is left of a formula after an event. A formula's residuals and the letters between them are an automaton, made as it is used.

Source of the rules: Bacchus and Kabanza 1998 (progression), Bauer, Leucker and Schallhart 2010 (four verdicts). Past formulas are kept as
truth values, so nothing of the past is read again. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Literal

from app.trajectory.policies.formula import MAX_NODES, Formula, FormulaTable, FormulaTooLarge, past_of
from app.trajectory.policies.residuals import loaded
from app.trajectory.policies.views import PolicyVerdict

MAX_STATES = 2_000
MAX_TRANSITIONS = 50_000
"""Bounds on the memo (residual, letter) → residual; past them it is forgotten and made anew."""
MAX_WORK = 300_000
"""The work that one formula may need in a process, about a second's: sensible ones need a thousandth, once for all sessions."""
MAX_EXPLORED, MAX_EXPLORING_WORK = 1_500, 10_000
"""Letters tried from the beginning on when a formula is defined, and the work for them: one that explodes soon is refused
then, not in a session."""


@dataclass(slots=True, eq=False)
class PolicyState:
    """A residual: the rest of a formula that later events have to fulfil, and the truth of its past formulas. `after`: letter → the state that follows it."""

    residual: Formula
    past: int
    verdict: PolicyVerdict
    after: dict[int, PolicyState] = field(default_factory=dict)


class Automaton:
    """The states of one formula. `mask`: the atoms that it names; a letter is the set of those that hold, as a bitmask."""

    def __init__(self, table: FormulaTable, formula: Formula) -> None:
        self.table: Final = table
        self._past: Final = past_of(formula)
        self._past_bit: Final = {each: 1 << place for place, each in enumerate(self._past)}
        self._states: dict[tuple[Formula, int], PolicyState] = {}
        self._transitions = 0
        self._making = Lock()
        self.formula: Final = formula
        self.mask: Final = _atoms(formula)
        self.renews: Final = _always(formula, table)
        """It says what always holds: after a violation it can be broken again."""
        self.start: Final = self.state(
            formula, sum(bit for each, bit in self._past_bit.items() if each.operator in {"weak_previous", "trigger"})
        )

    def state(self, residual: Formula, past: int) -> PolicyState:
        """Return the state of a residual and the truth of the past formulas."""
        found = self._states.get((residual, past))
        if found is None:
            found = self._states.setdefault((residual, past), PolicyState(residual, past, self._verdict(residual)))
        return found

    def restored(self, residual: Sequence[Sequence[Any]], past: int) -> PolicyState:
        """Return the state of a residual that `residuals.dumped` wrote. ValueError where the values are none."""
        with self._making:
            self._forget_where_full()
            return self.state(loaded(residual, self.table), past)

    def step(self, state: PolicyState, letter: int) -> PolicyState:
        """Return the state after an event with this letter. FormulaTooLarge where the residual, or all that was needed so far, exceeds the bounds."""
        found = state.after.get(letter)
        if found is None:
            if self.table.work > MAX_WORK:
                raise FormulaTooLarge(self.table.work)
            with self._making:  # an automaton is shared by all sessions of a process, whatever thread reads them
                self._forget_where_full()
                found = state.after[letter] = self._progressed(state, letter)
                self._transitions += 1
        return found

    def renewed(self, state: PolicyState) -> PolicyState:
        """Return the state from which the formula is demanded anew, with the past as it is."""
        return self.state(self.formula, state.past)

    def explore(self) -> None:
        """Try the letters from the beginning on, breadth first, up to a bound. Where all states were seen, verdicts become exact.

        FormulaTooLarge where one exceeds the bounds.
        """
        waiting = [self.start]
        seen = {self.start}
        tried, most = 0, self.table.work + MAX_EXPLORING_WORK
        for state in waiting:
            for letter in _subsets(self.mask):
                if (tried := tried + 1) > MAX_EXPLORED or self.table.work > most:
                    return
                if (after := self.step(state, letter)) not in seen:
                    seen.add(after)
                    waiting.append(after)
        _settle(waiting)

    def _progressed(self, state: PolicyState, letter: int) -> PolicyState:
        past = self._past_after(state.past, letter)
        return self.state(_Progression(self.table, letter, past.now).of(state.residual), past.kept)

    def _past_after(self, kept: int, letter: int) -> _Past:
        """Evaluate the past formulas at an event, from their values before it; return those of now and what the next event needs."""
        now: dict[Formula, bool] = {}
        after = 0
        for each in self._past:
            bit = self._past_bit[each]
            before = bool(kept & bit)
            values = [_holds(part, letter, now) for part in each.parts]
            match each.operator:
                case "since":
                    now[each] = holds = values[1] or (values[0] and before)
                case "trigger":
                    now[each] = holds = values[1] and (values[0] or before)
                case _:
                    now[each], holds = before, values[0]
            after |= bit if holds else 0
        return _Past(now, after)

    def _verdict(self, residual: Formula) -> PolicyVerdict:
        if residual is self.table.true:
            return "true"
        if residual is self.table.false:
            return "false"
        return "presumably_true" if accepts_end(residual) else "presumably_false"

    def _forget_where_full(self) -> None:
        if len(self._states) <= MAX_STATES and self._transitions <= MAX_TRANSITIONS and len(self.table) <= MAX_NODES * 0.8:
            return
        for state in self._states.values():
            state.after.clear()
        self._states = {(self.start.residual, self.start.past): self.start}
        self._transitions = 0
        self.table.forget_junctions()


@dataclass(frozen=True, slots=True)
class _Past:
    now: dict[Formula, bool]
    kept: int


class _Progression:
    """One step of progression; shared parts are progressed once."""

    def __init__(self, table: FormulaTable, letter: int, past: dict[Formula, bool]) -> None:
        self._table, self._letter, self._past = table, letter, past
        self._done: dict[Formula, Formula] = {}

    def of(self, formula: Formula) -> Formula:
        found = self._done.get(formula)
        if found is None:
            found = self._done[formula] = self._of(formula)
        return found

    def _of(self, formula: Formula) -> Formula:
        table, parts = self._table, formula.parts
        match formula.operator:
            case "and":
                return table.all_of([self.of(part) for part in parts])
            case "or":
                return table.any_of([self.of(part) for part in parts])
            case "next":
                return table.all_of([parts[0], table.nonempty])
            case "weak_next":
                return table.any_of([parts[0], table.empty])
            case "until":
                return table.any_of([self.of(parts[1]), table.all_of([self.of(parts[0]), formula])])
            case "release":
                return table.all_of([self.of(parts[1]), table.any_of([self.of(parts[0]), formula])])
            case _:
                return table.true if _holds(formula, self._letter, self._past) else table.false


def accepts_end(formula: Formula) -> bool:
    """Tell whether a residual holds where no further event comes."""
    match formula.operator:
        case "and":
            return all(map(accepts_end, formula.parts))
        case "or":
            return any(map(accepts_end, formula.parts))
        case operator:
            return operator in {"true", "weak_next", "release"}


def _holds(formula: Formula, letter: int, past: dict[Formula, bool]) -> bool:
    """Evaluate a formula without future operators at an event."""
    match formula.operator:
        case "atom":
            return bool(letter & formula.bit)
        case "not_atom":
            return not letter & formula.bit
        case "and":
            return all(_holds(part, letter, past) for part in formula.parts)
        case "or":
            return any(_holds(part, letter, past) for part in formula.parts)
        case "true" | "false" as constant:
            return constant == "true"
        case _:
            return past[formula]


def _settle(states: list[PolicyState]) -> None:
    """Make the verdicts of a whole automaton exact: what no event can change any more isn't presumed."""
    _settle_as("true", states)
    _settle_as("false", states)


def _settle_as(sure: Literal["true", "false"], states: list[PolicyState]) -> None:
    """Give this verdict to the states from which none with the contrary can be reached."""
    contrary = {state for state in states if not state.verdict.endswith(sure)}
    more = contrary
    while more:
        more = {state for state in states if state not in contrary and not contrary.isdisjoint(state.after.values())}
        contrary |= more
    for state in states:
        if state not in contrary:
            state.verdict = sure


def _always(formula: Formula, table: FormulaTable) -> bool:
    parts = formula.parts if formula.operator == "and" else (formula,)
    return all(part.operator == "release" and part.parts[0] is table.false and part is not table.empty for part in parts)


def _atoms(formula: Formula) -> int:
    found, waiting, seen = 0, [formula], {formula}
    for each in waiting:
        found |= each.bit
        fresh = [part for part in each.parts if part not in seen]
        seen.update(fresh)
        waiting += fresh
    return found


def _subsets(mask: int) -> list[int]:
    """List the submasks of a mask, the fuller ones first: what happens at once makes formulas grow."""
    found, each = [mask], mask
    while each and len(found) <= MAX_EXPLORED:
        each = (each - 1) & mask
        found.append(each)
    return found
