"""Formulas of linear temporal logic over finite traces, hash-consed and in a normal form. Pure.

Negation stands only before atoms: every operator has its dual. What is composed of and/or is kept as the shortest disjunction of
conjunctions, which is unique for a formula whose literals are atoms and temporal formulas. So equal residuals are one object, and a
formula has finitely many of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from app.errors import InvalidInput

Operator = Literal[
    "true",
    "false",
    "atom",
    "not_atom",
    "and",
    "or",
    "next",
    "weak_next",
    "until",
    "release",
    "previous",
    "weak_previous",
    "since",
    "trigger",
]
"""The core. weak_next holds at the end, weak_previous at the beginning; release and trigger are the duals of until and since."""
PAST: Final = frozenset({"previous", "weak_previous", "since", "trigger"})
MAX_CLAUSES = 32
MAX_LITERALS = 256
"""Bounds on a normal form: conjunctions in the disjunction, and literals in all of them."""
MAX_NODES = 10_000
"""Bound on the nodes of one table."""

_DUALS: Final[Mapping[Operator, Operator]] = {
    "true": "false",
    "atom": "not_atom",
    "and": "or",
    "next": "weak_next",
    "until": "release",
    "false": "true",
    "not_atom": "atom",
    "or": "and",
    "weak_next": "next",
    "release": "until",
    "previous": "weak_previous",
    "since": "trigger",
    "weak_previous": "previous",
    "trigger": "since",
}
_Clauses: TypeAlias = frozenset[frozenset["Formula"]]


class FormulaTooLarge(InvalidInput):
    """A formula, or what it becomes while events come, exceeds the bounds; `size` counts its literals."""

    code = "formula_too_large"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The formula grows to {size} literals in its normal form; at most {MAX_LITERALS} in {MAX_CLAUSES} alternatives are allowed."
            " Split it into several policies, or nest less deeply."
        )
        self.size = size


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A node. `bit`: an atom's place in a letter, as a mask; `number`: its place in the table that made it. Equal means identical."""

    operator: Operator
    parts: tuple[Formula, ...]
    bit: int
    number: int


class FormulaTable:
    """Makes formulas; two that are equal in normal form are one object. Formulas of two tables must not be mixed."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[Operator, tuple[int, ...], int], Formula] = {}
        self._negations: dict[Formula, Formula] = {}
        self._made = 0
        self.work = 0
        """A measure of what normal forms have cost so far: about two microseconds each."""
        self.true = self._node("true")
        self.false = self._node("false")
        self.nonempty = self._node("until", self.true, self.true)
        """Holds where another event comes; false on what is left after the last one."""
        self.empty = self._node("release", self.false, self.false)

    def __len__(self) -> int:
        return len(self._nodes)

    def atom(self, bit: int) -> Formula:
        return self._node("atom", bit=bit)

    def negation(self, formula: Formula) -> Formula:
        """Return the negation, pushed down to the atoms."""
        found = self._negations.get(formula)
        if found is None:
            parts = [self.negation(part) for part in formula.parts]
            match formula.operator:
                case "and":
                    found = self.any_of(parts)
                case "or":
                    found = self.all_of(parts)
                case operator:
                    found = self._node(_DUALS[operator], *parts, bit=formula.bit)
            self._negations[formula] = found
        return found

    def forget_junctions(self) -> None:
        """Forget the conjunctions and disjunctions made so far: progression makes new ones for as long as events come."""
        self._negations.clear()
        for key in [key for key in self._nodes if key[0] in {"and", "or"}]:
            del self._nodes[key]

    def all_of(self, formulas: Sequence[Formula]) -> Formula:
        """Return the conjunction. FormulaTooLarge past the bounds."""
        found: _Clauses = frozenset([frozenset()])
        for clauses in map(_clauses, formulas):
            _check(len(found) * len(clauses) // MAX_CLAUSES, len(found) * len(clauses))
            found = self._shortest(one | other for one in found for other in clauses)
        return self._of(found)

    def any_of(self, formulas: Sequence[Formula]) -> Formula:
        """Return the disjunction. FormulaTooLarge past the bounds."""
        return self._of(self._shortest(clause for formula in formulas for clause in _clauses(formula)))

    def implies(self, one: Formula, other: Formula) -> Formula:
        return self.any_of([self.negation(one), other])

    def next(self, formula: Formula) -> Formula:
        return self._node("next", formula)

    def weak_next(self, formula: Formula) -> Formula:
        return self._node("weak_next", formula)

    def until(self, one: Formula, other: Formula) -> Formula:
        """Return `one until other`: what holds trivially on every trace with an event is told as `nonempty`."""
        if other is self.false:
            return other
        return self.nonempty if other is self.true else self._node("until", one, other)

    def release(self, one: Formula, other: Formula) -> Formula:
        """Return `one release other`: other holds up to and with the event where one does, or to the end."""
        if other is self.true:
            return other
        return self.empty if other is self.false else self._node("release", one, other)

    def previous(self, formula: Formula) -> Formula:
        return self._node("previous", formula)

    def weak_previous(self, formula: Formula) -> Formula:
        return self._node("weak_previous", formula)

    def since(self, one: Formula, other: Formula) -> Formula:
        return self._node("since", one, other)

    def trigger(self, one: Formula, other: Formula) -> Formula:
        return self._node("trigger", one, other)

    def remade(self, operator: Operator, parts: Sequence[Formula], bit: int) -> Formula:
        """Return the node with these parts, as it was in normal form in another table, where their order was another. KeyError for no operator."""
        if operator not in _DUALS:
            raise KeyError(operator)
        return self._node(operator, *(sorted(parts, key=_number) if operator in {"and", "or"} else parts), bit=bit)

    def _node(self, operator: Operator, *parts: Formula, bit: int = 0) -> Formula:
        key = (operator, tuple(part.number for part in parts), bit)
        found = self._nodes.get(key)
        if found is None:
            if len(self._nodes) >= MAX_NODES:
                raise FormulaTooLarge(len(self._nodes))
            found = self._nodes[key] = Formula(operator, parts, bit, self._made)
            self._made += 1
        return found

    def _of(self, clauses: _Clauses) -> Formula:
        if not clauses:
            return self.false
        if frozenset() in clauses:
            return self.true
        made = sorted((self._conjunction(clause) for clause in clauses), key=_number)
        return made[0] if len(made) == 1 else self._node("or", *made)

    def _conjunction(self, clause: frozenset[Formula]) -> Formula:
        literals = sorted(clause, key=_number)
        return literals[0] if len(literals) == 1 else self._node("and", *literals)

    def _shortest(self, given: Iterable[frozenset[Formula]]) -> _Clauses:
        """Drop conjunctions that contradict themselves or that a shorter one covers; all, where two say a thing and its contrary."""
        kept: list[frozenset[Formula]] = []
        clauses = sorted(set(given), key=len)
        self.work += 1 + len(clauses) ** 2 // 16
        for clause in clauses:
            if not any(other <= clause for other in kept) and not any(self.negation(literal) in clause for literal in clause):
                kept.append(clause)
        alone = {next(iter(clause)) for clause in kept if len(clause) == 1}
        if any(self.negation(literal) in alone for literal in alone):
            return frozenset([frozenset()])
        _check(len(kept), sum(map(len, kept)))
        return frozenset(kept)


def past_of(formula: Formula) -> list[Formula]:
    """List the past formulas within one, each after those within it."""
    found: dict[Formula, None] = {}
    seen: set[Formula] = set()

    def visit(each: Formula) -> None:
        if each in seen:
            return
        seen.add(each)
        for part in each.parts:
            visit(part)
        if each.operator in PAST:
            found[each] = None

    visit(formula)
    return list(found)


def _clauses(formula: Formula) -> _Clauses:
    match formula.operator:
        case "true":
            return frozenset([frozenset()])
        case "false":
            return frozenset()
        case "and":
            return frozenset([frozenset(formula.parts)])
        case "or":
            return frozenset(frozenset(part.parts) if part.operator == "and" else frozenset([part]) for part in formula.parts)
        case _:
            return frozenset([frozenset([formula])])


def _check(clauses: int, literals: int) -> None:
    if clauses > MAX_CLAUSES or (literals > MAX_LITERALS and clauses > 1):
        raise FormulaTooLarge(literals)


def _number(formula: Formula) -> int:
    return formula.number
