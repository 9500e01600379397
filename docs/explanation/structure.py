"""Measures the structure of `app/` and prints the table of structure.md: python docs/explanation/structure.py [--list]

`--list` names what is over a limit, and each room's modules that other rooms import.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grimp

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.words_check import Module, modules, repeated_classes

MAX_MODULE_LINES, MAX_MEDIAN_LINES = 350, 100
MAX_FUNCTION_LINES, MAX_PARAMETERS = 40, 7
MAX_FACE = 6
MEDIAN = "lines of a module, median"
WIDE_ROOMS = frozenset({"storage", "inference"})
"""Rooms of several parts, whose face may be wider."""
EDGES = frozenset({"cli", "main", "api", "dashboard", "web", "services", "settings", "telemetry"})
"""Not rooms of the domain: entry points, and the floors that everything stands on."""
TYPER = frozenset({"typer.Option", "typer.Argument"})
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(every: list[Module]) -> Iterator[tuple[str, Function]]:
    for module in every:
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                yield f"{module.path}:{node.lineno} {node.name}", node


def parameters(node: Function) -> int:
    """Count a function's parameters, without `self` and `cls`."""
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len(named) - (bool(named) and named[0].arg in {"self", "cls"})


def is_route(node: Function) -> bool:
    """Tell whether FastAPI or Typer calls it: its parameters are then the fields of a request or a command line, named by the contract.

    By its decorator or, where a command is registered elsewhere (`app/cli/commands.py`), by a parameter that Typer describes.
    """
    decorated = any(isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) for each in node.decorator_list)
    annotations = (each.annotation for each in [*node.args.args, *node.args.kwonlyargs] if each.annotation is not None)
    return decorated or any(
        ast.unparse(call.func) in TYPER for each in annotations for call in ast.walk(each) if isinstance(call, ast.Call)
    )


def cycles(graph: grimp.ImportGraph) -> list[set[str]]:
    """Find the groups of modules that import each other, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph.find_modules_directly_imported_by(module):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(set(stack[at:]))
            del stack[at:]

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        for module in sorted(graph.modules):
            if module not in index:
                visit(module)
    finally:
        sys.setrecursionlimit(limit)
    return found


def faces(graph: grimp.ImportGraph) -> dict[str, list[str]]:
    """Find, for each room of the domain, its modules that other rooms import."""
    seen: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            room = other.split(".")[1] if other.count(".") > 1 else ""
            if room and room not in EDGES and module.split(".")[1:2] != [room] and module.split(".")[1:2] != ["services"]:
                seen[room].add(other)
    return {room: sorted(names) for room, names in sorted(seen.items())}


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure. `limit` None: it has none; `over`: what is over the limit, by name."""

    name: str
    value: float
    limit: int | None = None
    over: Sequence[str] = ()


def measure() -> tuple[list[Figure], dict[str, list[str]]]:
    """Measure the structure: the figures of the table, and each room's modules that other rooms import."""
    every, graph = modules(), grimp.build_graph("app")
    of = list(functions(every))
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for _, node in of]
    long = [f"{name}: {lines}" for (name, _), lines in zip(of, lengths, strict=True) if lines > MAX_FUNCTION_LINES]
    wide = [f"{name}: {parameters(node)}" for name, node in of if parameters(node) > MAX_PARAMETERS and not is_route(node)]
    large = [f"{each.path}: {each.lines}" for each in every if each.lines > MAX_MODULE_LINES]
    seen = faces(graph)
    faced = [f"{room}: {len(names)}" for room, names in seen.items() if room not in WIDE_ROOMS and len(names) > MAX_FACE]
    circular = [", ".join(sorted(each)) for each in cycles(graph)]
    twice = [f"{name}: {', '.join(paths)}" for name, paths in repeated_classes(every).items()]
    return [
        _counted("import cycles", circular),
        Figure("modules", len(every)),
        Figure(MEDIAN, statistics.median(each.lines for each in every), MAX_MEDIAN_LINES),
        _counted(f"modules above {MAX_MODULE_LINES} lines", large),
        Figure("lines of a function, median", statistics.median(lengths)),
        _counted(f"functions above {MAX_FUNCTION_LINES} lines", long),
        _counted(f"functions with more than {MAX_PARAMETERS} parameters (but routes and commands)", wide),
        _counted("class names with two meanings", twice),
        _counted(f"rooms with more than {MAX_FACE} modules that other rooms import (but storage, inference)", faced),
    ], seen


def _counted(name: str, over: Sequence[str]) -> Figure:
    """Make the figure of what there must be none of."""
    return Figure(name, len(over), 0, over)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--list", action="store_true", help="name what is over a limit")
    wanted = arguments.parse_args()
    figures, seen = measure()
    print("| figure | measured | wanted |\n| --- | --- | --- |")
    for each in figures:
        print(f"| {each.name} | {each.value:g} | {'' if each.limit is None else f'≤ {each.limit}' if each.limit else '0'} |")
    if wanted.list:
        for each in figures:
            if each.over:
                print(f"\n{each.name}:", *each.over, sep="\n  ")
        print("\nfaces:", *(f"{room} ({len(names)}): {', '.join(names)}" for room, names in seen.items()), sep="\n  ")


if __name__ == "__main__":
    main()
