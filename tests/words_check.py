"""Checks the words of `app/` and `cairn/` that a program can see: python -m tests.words_check. Exit 1 where one breaks a rule of VOCABULARY.

- A public class name is defined once: two meanings of one word are one too many.
- A docstring, also that of a constant or a field, opens with what is done or is, not with a question word or with "Of".
- A bound is MAX_ or MIN_.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPENINGS = frozenset({"What", "Of", "Whether", "How", "Who", "Whose", "Whom", "Where", "Which", "When", "Why"})
ALLOWED: Mapping[str, str] = {}
"""Class names that may stand twice, each with its reason."""
_BOUND = re.compile(r"_?(?:MOST|LEAST)_")


@dataclass(frozen=True, slots=True)
class Module:
    path: str
    lines: int
    tree: ast.Module


def modules(folder: Path = ROOT / "app") -> list[Module]:
    """Read every module below a folder."""
    found = sorted(folder.rglob("*.py"))
    return [Module(str(each.relative_to(folder.parent)), (text := each.read_text()).count("\n"), ast.parse(text)) for each in found]


def repeated_classes(every: Sequence[Module]) -> dict[str, list[str]]:
    """Find public class names that are defined in more than one place."""
    where: dict[str, list[str]] = defaultdict(list)
    for module in every:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(f"{module.path}:{node.lineno}")
    return {name: paths for name, paths in sorted(where.items()) if len(paths) > 1 and name not in ALLOWED}


def docstrings(every: Sequence[Module]) -> Iterator[str]:
    """Find the docstrings that open with a question word or with "Of"."""
    for module in every:
        for name, line, said in _docstrings(module.tree):
            words = said.split()
            if words and words[0].strip(".,:;") in OPENINGS:
                yield f'{module.path}:{line}: the docstring of {name} opens with "{words[0]}": open with a verb, or with what it is'


def _docstrings(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    """Yield the name, line and text of each docstring, also of those under an assignment."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            yield getattr(node, "name", "the module"), getattr(node, "lineno", 1), ast.get_docstring(node) or ""
        body = getattr(node, "body", None)
        for assigned, after in pairwise(body if isinstance(body, list) else ()):
            match assigned, after:
                case (ast.Assign() | ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(said)))):
                    yield ast.unparse(assigned).partition(" ")[0].rstrip(":"), after.lineno, said


def bounds(every: Sequence[Module]) -> Iterator[str]:
    """Find the constants that are called MOST_ or LEAST_."""
    for module in every:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and _BOUND.match(node.id):
                yield f"{module.path}:{node.lineno}: {node.id}: call a bound MAX_ or MIN_"


def problems(every: Sequence[Module]) -> list[str]:
    """Find all that breaks a rule, each with its place and what to do."""
    twice = [f"class {name} is defined in {', '.join(paths)}: give each its own name" for name, paths in repeated_classes(every).items()]
    return [*twice, *docstrings(every), *bounds(every)]


if __name__ == "__main__":
    found = [*problems(modules()), *problems(modules(ROOT / "cairn"))]
    for problem in found:
        print(problem)
    print(f"Words: {len(found)} to mend." if found else "Words: nothing to mend.")
    sys.exit(bool(found))
