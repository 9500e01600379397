"""Writes what is left of a formula as plain values, and reads it back into the table of the same formula. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.trajectory.policies.formula import Formula, FormulaTable


def dumped(formula: Formula) -> list[list[Any]]:
    """Return the nodes of a formula, each after those it is made of: [operator, bit, places of its parts …]."""
    places: dict[Formula, int] = {}
    found: list[list[Any]] = []

    def visit(each: Formula) -> int:
        if each not in places:
            parts = [visit(part) for part in each.parts]
            places[each] = len(found)
            found.append([each.operator, each.bit, *parts])
        return places[each]

    visit(formula)
    return found


def loaded(nodes: Sequence[Sequence[Any]], table: FormulaTable) -> Formula:
    """Make the formula again. ValueError where the values are none."""
    made: list[Formula] = []
    try:
        for operator, bit, *places in nodes:
            made.append(table.remade(operator, [made[place] for place in places], bit))
        return made[-1]
    except (IndexError, TypeError, KeyError) as error:
        raise ValueError("The stored state of a policy can't be read: the session is read anew.") from error
