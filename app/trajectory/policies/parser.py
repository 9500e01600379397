"""Reads a formula as it is written: `always (commits implies not (not checks since edits_code))`. Errors name line, column and what was expected.

Binding, the tightest first: not and the other words before one formula; until, release, since, trigger (to the right); and; or; implies (to the right);
iff. A predicate is a word, or a word with a value: `tool "bash"`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from app.errors import InvalidInput
from app.trajectory.policies.formula import PAST, Formula, FormulaTable

MAX_CHARS = 2_000
MAX_DEPTH = 40
AtomReader: TypeAlias = Callable[[str, str | None], int]
"""(predicate's word, value) → its bit. Raises LookupError whose words say what is wrong."""
_TOKEN = re.compile(r"[ \t]+|(?P<line>\n)|(?P<word>[^\W\d]\w*)|(?P<value>\"[^\"\n]*\")|(?P<sign><->|->|[()!&|])|(?P<other>.)", re.DOTALL)
_SIGNS = {"!": "not", "&": "and", "|": "or", "->": "implies", "<->": "iff"}
_ONE: Final[Mapping[str, Callable[[FormulaTable, Formula], Formula]]] = {
    "not": FormulaTable.negation,
    "next": FormulaTable.next,
    "weak_next": FormulaTable.weak_next,
    "eventually": lambda table, part: table.until(table.true, part),
    "always": lambda table, part: table.release(table.false, part),
    "previous": FormulaTable.previous,
    "weak_previous": FormulaTable.weak_previous,
    "once": lambda table, part: table.since(table.true, part),
    "historically": lambda table, part: table.trigger(table.false, part),
}
_TWO: Final[Mapping[str, Callable[[FormulaTable, Formula, Formula], Formula]]] = {
    "iff": lambda table, one, other: table.all_of([table.implies(one, other), table.implies(other, one)]),
    "implies": FormulaTable.implies,
    "or": lambda table, one, other: table.any_of([one, other]),
    "and": lambda table, one, other: table.all_of([one, other]),
    "until": FormulaTable.until,
    "weak_until": lambda table, one, other: table.release(other, table.any_of([one, other])),
    "release": FormulaTable.release,
    "since": FormulaTable.since,
    "trigger": FormulaTable.trigger,
}
_BINDING: Final = (("iff",), ("implies",), ("or",), ("and",), ("until", "weak_until", "release", "since", "trigger"))
_PAST_WORDS: Final = frozenset({"previous", "weak_previous", "once", "historically", "since", "trigger"})
WORDS: Final = frozenset({*_ONE, *_TWO, "true", "false"})
"""Words of the language: no predicate has such a name."""


class FormulaSyntaxError(InvalidInput):
    """A formula can't be read. `line` and `column` count from 1."""

    code = "formula_syntax"

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(f"Line {line}, column {column}: {message}", param="formula")
        self.reason, self.line, self.column = message, line, column


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int

    @property
    def shown(self) -> str:
        return "the formula's end" if self.kind == "end" else f'"{self.text[:40]}"' if self.kind != "value" else self.text[:40]


def parse_formula(text: str, table: FormulaTable, atom_of: AtomReader) -> Formula:
    """Read a formula. FormulaSyntaxError says where and why it can't be read; FormulaTooLarge, that its normal form exceeds the bounds."""
    if len(text) > MAX_CHARS:
        raise FormulaSyntaxError(f"a formula has at most {MAX_CHARS} characters; this one has {len(text)}", line=1, column=1)
    reading = _Reading(_tokens(text), table, atom_of)
    found = reading.formula(0, 0)
    if reading.token.kind != "end":
        raise reading.error(f'expected "and", "or", "implies", "until" or the end, but found {reading.token.shown}')
    return found


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    line, begun = 1, 0
    for each in _TOKEN.finditer(text):
        kind = each.lastgroup
        if kind == "line":
            line, begun = line + 1, each.end()
        elif kind == "other" and not each[0].isspace():
            said = "a value in quotes isn't closed" if each[0] == '"' else f'"{each[0]}" has no meaning here'
            raise FormulaSyntaxError(
                f"{said}; use words, parentheses and values in double quotes", line=line, column=each.start() - begun + 1
            )
        elif kind in {"word", "value", "sign"}:
            found.append(_Token(kind, _SIGNS.get(each[0], each[0]), line, each.start() - begun + 1))
    return [*found, _Token("end", "", line, len(text) - begun + 1)]


class _Reading:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, tokens: list[_Token], table: FormulaTable, atom_of: AtomReader) -> None:
        self._tokens, self._place = tokens, 0
        self._table, self._atom_of = table, atom_of

    @property
    def token(self) -> _Token:
        return self._tokens[self._place]

    def error(self, message: str, at: _Token | None = None) -> FormulaSyntaxError:
        at = at or self.token
        return FormulaSyntaxError(message, line=at.line, column=at.column)

    def formula(self, level: int, depth: int) -> Formula:
        """Read a formula whose operators bind at least as tightly as a level's."""
        if depth > MAX_DEPTH:
            raise self.error(f"formulas are nested at most {MAX_DEPTH} deep: split this one into several policies")
        if level == len(_BINDING):
            return self._unary(depth)
        one = self.formula(level + 1, depth)
        while (operator := self.token).text in _BINDING[level] and operator.kind != "value":
            self._place += 1
            to_the_right = level in {1, 4}
            other = self.formula(level if to_the_right else level + 1, depth + to_the_right)
            one = self._joined(operator, one, other)
        return one

    def _unary(self, depth: int) -> Formula:
        token = self.token
        self._place += token.kind != "end"
        if token.text == "(" and token.kind == "sign":
            return self._in_parentheses(token, depth)
        if token.text in _ONE and token.kind != "value":
            if depth > MAX_DEPTH:
                raise self.error(f"formulas are nested at most {MAX_DEPTH} deep: split this one into several policies", token)
            return self._applied(token, self._unary(depth + 1))
        if token.text in {"true", "false"}:
            return self._table.true if token.text == "true" else self._table.false
        if token.kind == "word" and token.text not in WORDS:
            return self._atom(token)
        raise self.error(f'expected a predicate, "not", "always", "eventually" or "(", but found {token.shown}', token)

    def _in_parentheses(self, opened: _Token, depth: int) -> Formula:
        found = self.formula(0, depth + 1)
        if self.token.text != ")":
            raise self.error(f'expected ")" for the "(" of line {opened.line}, column {opened.column}, but found {self.token.shown}')
        self._place += 1
        return found

    def _atom(self, token: _Token) -> Formula:
        value = None
        if self.token.kind == "value":
            value = self.token.text[1:-1]
            self._place += 1
        try:
            return self._table.atom(self._atom_of(token.text, value))
        except LookupError as problem:
            raise self.error(str(problem.args[0]), token) from problem

    def _applied(self, operator: _Token, part: Formula) -> Formula:
        self._check_past(operator, part)
        return _ONE[operator.text](self._table, part)

    def _joined(self, operator: _Token, one: Formula, other: Formula) -> Formula:
        self._check_past(operator, one, other)
        return _TWO[operator.text](self._table, one, other)

    def _check_past(self, operator: _Token, *parts: Formula) -> None:
        """Refuse what is to come within what was: past formulas are kept as truth values."""
        if operator.text in _PAST_WORDS and any(map(_looks_ahead, parts)):
            raise self.error(f'"{operator.text}" looks back and can\'t hold a formula that looks ahead: turn the nesting round', operator)


def _looks_ahead(formula: Formula) -> bool:
    waiting, seen = [formula], {formula}
    for each in waiting:
        if each.operator in {"next", "weak_next", "until", "release"}:
            return True
        if each.operator not in PAST:  # what is within was looked at when it was made
            fresh = [part for part in each.parts if part not in seen]
            seen.update(fresh)
            waiting += fresh
    return False
