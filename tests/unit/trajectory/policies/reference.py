"""Formulas as nested tuples, and what they mean by definition: evaluated at every place of a whole trace. Nothing of the engine is used."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from hypothesis import strategies as st

Tree = str | tuple[str, "Tree"] | tuple[str, "Tree", "Tree"]
Letter = frozenset[str]
ATOMS = ("a", "b")
LETTERS: tuple[Letter, ...] = (frozenset(), frozenset("a"), frozenset("b"), frozenset("ab"))
LEAVES = (*ATOMS, "true", "false")
BOOLEAN = ("and", "or", "implies", "iff")
FUTURE_ONE, FUTURE_TWO = ("next", "weak_next", "eventually", "always"), ("until", "weak_until", "release")
PAST_ONE, PAST_TWO = ("previous", "weak_previous", "once", "historically"), ("since", "trigger")


def text(tree: Tree) -> str:
    if isinstance(tree, str):
        return tree
    return f"({tree[0]} {text(tree[1])})" if len(tree) == 2 else f"({text(tree[1])} {tree[0]} {text(tree[2])})"


def trees(size: int, *, past: bool = False) -> Iterator[Tree]:
    """Yield every formula of a size; `past`: only those that don't look ahead, which past operators may hold."""
    if size == 1:
        yield from LEAVES
        return
    for operator in ("not", *(PAST_ONE if past else FUTURE_ONE + PAST_ONE)):
        yield from ((operator, part) for part in trees(size - 1, past=past or operator in PAST_ONE))
    for operator in BOOLEAN + (PAST_TWO if past else FUTURE_TWO + PAST_TWO):
        inner = past or operator in PAST_TWO
        for left in range(1, size - 1):
            yield from ((operator, one, other) for one in trees(left, past=inner) for other in trees(size - 1 - left, past=inner))


@st.composite
def generated(draw: st.DrawFn, size: int = 5, *, past: bool = False) -> Tree:
    """Draw a formula of at most this size."""
    if size < 2 or draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(LEAVES if size < 2 else ATOMS))
    one = ("not", *(PAST_ONE if past else FUTURE_ONE + PAST_ONE))
    two = BOOLEAN + (PAST_TWO if past else FUTURE_TWO + PAST_TWO)
    operator = draw(st.sampled_from(one + two if size > 2 else one))
    inner = past or operator in PAST_ONE + PAST_TWO
    if operator in one:
        return (operator, draw(generated(size - 1, past=inner)))
    left = draw(st.integers(1, size - 2))
    return (operator, draw(generated(left, past=inner)), draw(generated(size - 1 - left, past=inner)))


def traces(longest: int) -> Iterator[tuple[Letter, ...]]:
    for length in range(1, longest + 1):
        yield from product(LETTERS, repeat=length)


def holds(tree: Tree, trace: tuple[Letter, ...]) -> bool:
    return values(tree, trace)[0]


def values(tree: Tree, trace: tuple[Letter, ...]) -> list[bool]:
    """Evaluate a formula at every place of a trace."""
    places = range(len(trace))
    if isinstance(tree, str):
        return [tree == "true" or tree in letter for letter in trace]
    one = values(tree[1], trace)
    other = values(tree[2], trace) if len(tree) == 3 else one
    match tree[0]:
        case "not":
            return [not each for each in one]
        case "and":
            return [x and y for x, y in zip(one, other, strict=True)]
        case "or":
            return [x or y for x, y in zip(one, other, strict=True)]
        case "implies":
            return [not x or y for x, y in zip(one, other, strict=True)]
        case "iff":
            return [x == y for x, y in zip(one, other, strict=True)]
        case "next":
            return [i + 1 < len(trace) and one[i + 1] for i in places]
        case "weak_next":
            return [i + 1 == len(trace) or one[i + 1] for i in places]
        case "eventually":
            return [any(one[i:]) for i in places]
        case "always":
            return [all(one[i:]) for i in places]
        case "until":
            return [any(other[j] and all(one[i:j]) for j in range(i, len(trace))) for i in places]
        case "weak_until":
            return [all(one[i:]) or any(other[j] and all(one[i:j]) for j in range(i, len(trace))) for i in places]
        case "release":
            return [all(other[j] or any(one[i:j]) for j in range(i, len(trace))) for i in places]
        case "previous":
            return [i > 0 and one[i - 1] for i in places]
        case "weak_previous":
            return [i == 0 or one[i - 1] for i in places]
        case "once":
            return [any(one[: i + 1]) for i in places]
        case "historically":
            return [all(one[: i + 1]) for i in places]
        case "since":
            return [any(other[j] and all(one[j + 1 : i + 1]) for j in range(i + 1)) for i in places]
        case _:
            return [all(other[j] or any(one[j + 1 : i + 1]) for j in range(i + 1)) for i in places]
