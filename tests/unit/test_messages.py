"""A message that names an HTTP route also names what a person at the command line uses: it reaches both."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.wording import without_routes

APP = Path(__file__).resolve().parents[2] / "app"
_ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (?!FROM\b)(\S+)")  # DELETE FROM is SQL
_PARAMETER = re.compile(r" \?[a-z_]+=")
_FOR_PEOPLE = ("`cairn ", "dashboard")
_PAGES = {"description", "summary", "help"}
"""Arguments whose text describes the API itself: its readers use HTTP."""


def texts(source: str) -> Iterator[str]:
    """Yield each text of a module but docstrings and descriptions; `{…}` stands for what an f-string puts in."""

    def walk(node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Expr(value=ast.Constant()):
                return
            case ast.keyword(arg=str(name)) if name in _PAGES:
                return
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if not (isinstance(key, ast.Constant) and key.value in _PAGES):
                        yield from walk(value)
                return
            case ast.Constant(value=str(text)):
                yield text
                return
            case ast.JoinedStr(values=parts):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in parts)
                return
        for child in ast.iter_child_nodes(node):
            yield from walk(child)

    yield from walk(ast.parse(source))


def faults(source: str) -> list[str]:
    """Return the texts of a module that name a route and nothing for a person, or a route that is not whole."""
    found = []
    for text in texts(source):
        routes = [path for _, path in _ROUTE.findall(text)]
        unfinished = any(not path.startswith("/v1/") or re.search(r"/[A-Z]", path) for path in routes)
        for_people = any(each in text for each in _FOR_PEOPLE)
        stays = _PARAMETER.search(text) or _ROUTE.search(without_routes(text))  # the command line can't leave it out
        if stays or (routes and (unfinished or not for_people)):
            found.append(text)
    return found


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: str(path.relative_to(APP)))
def test_a_message_with_a_route_names_the_command_or_the_page_too(path: Path) -> None:
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        '"There is no team. List them: GET /v1/teams."',
        'f"There is no team {name}. List them: GET /v1/teams/{name}."',
        '"Say so on the dashboard: POST …/feedback."',
        '"List them with `cairn budget history` or GET /v1/budgets/NAME/movements."',
        '"Send GET /v1/teams, or list them with `cairn teams list`."',
        '"Name the format with ?format= if it is known."',
    ],
)
def test_a_route_alone_or_in_part_is_found(text: str) -> None:
    assert len(faults(f"raise NotFound({text})")) == 1


@pytest.mark.parametrize(
    "source",
    [
        'raise NotFound("List them with `cairn teams list` or GET /v1/teams.")',
        'Path(description="As `GET /v1/caches` lists it.")',
        '{"description": "Each as `GET …/messages` returns it."}',
        'def read():\n    """Send GET /v1/teams."""',
    ],
)
def test_both_ways_and_descriptions_of_the_api_are_no_fault(source: str) -> None:
    assert faults(source) == []
