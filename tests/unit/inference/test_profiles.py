"""The facts of each kind of provider, and that nobody else tells kinds apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

import app.inference
from app.inference.parameters import ALLOWED_PARAMETERS
from app.inference.profiles import PROFILES, Dialect, ErrorWords, ProviderProfile, error_words, profile_of

INFERENCE = Path(app.inference.__file__).parent
FACTS = [
    # kind, dialect, needs an address, streams, prefill, margin, cache write, id chars, what it takes or needs
    ("openai", "chat", False, True, False, 1.0, 1, 40, {"takes_developer", "takes_refusals"}),
    ("groq", "chat", False, True, True, 1.1, 1, 40, set()),
    ("local", "chat", True, True, False, 1.2, 1, None, {"takes_unlisted", "takes_anthropic_fields"}),
    (
        "anthropic",
        None,
        False,
        False,
        True,
        1.15,
        2,
        None,
        {"takes_anthropic_fields", "takes_efforts", "thinking_below_bound", "object_arguments", "caches_when_asked"},
    ),
    ("gemini", None, False, False, False, 1.15, 1, None, {"object_arguments", "fetches_urls", "mends_litellm"}),
    ("azure", None, False, False, False, 1.0, 1, None, set()),
    ("cairn", None, False, False, False, 1.2, 2, None, {"runs_here"}),
    ("mistral", None, False, False, False, 1.2, 2, None, set()),
    ("somebody's own", None, False, False, False, 1.2, 2, None, set()),
]
YES_OR_NO = {each.name for each in fields(ProviderProfile) if each.type == "bool"} - {"streams", "prefill"}


@pytest.mark.parametrize(
    ("kind", "dialect", "needs_address", "streams", "prefill", "margin", "cache_write", "id_chars", "yes"),
    FACTS,
    ids=[each[0] for each in FACTS],
)
def test_each_kind_has_its_facts(
    kind: str,
    dialect: Dialect | None,
    needs_address: bool,
    streams: bool,
    prefill: bool,
    margin: float,
    cache_write: int,
    id_chars: int | None,
    yes: set[str],
) -> None:
    found = profile_of(kind)
    assert (found.kind, found.dialect, found.needs_address) == (kind, dialect, needs_address)
    assert (found.streams, found.prefill) == (streams, prefill)
    assert (found.token_margin, found.cache_write_factors[1], found.max_call_id_chars) == (margin, Fraction(cache_write), id_chars)
    assert {name for name in YES_OR_NO if getattr(found, name)} == yes


def test_every_entry_stands_in_the_table_under_its_own_name() -> None:
    assert {each[0] for each in FACTS} >= PROFILES.keys()
    assert all(kind == each.kind for kind, each in PROFILES.items())


@pytest.mark.parametrize("each", PROFILES.values(), ids=lambda each: each.kind)
def test_a_kind_without_an_entry_is_never_taken_for_cheaper_than_one_with(each: ProviderProfile) -> None:
    other = profile_of("somebody's own")
    assert other.token_margin >= each.token_margin >= 1
    for dearer, factor in zip(other.cache_write_factors, each.cache_write_factors, strict=True):
        assert dearer >= factor >= 1
    assert each.caches_when_asked >= other.caches_when_asked
    assert each.documents >= other.documents
    assert all(other.effort_tokens[effort] >= tokens for effort, tokens in each.effort_tokens.items())


@pytest.mark.parametrize(
    ("kind", "not_taken"),
    [
        ("openai", set()),
        ("groq", {"logit_bias", "logprobs", "top_logprobs", "n", "verbosity"}),
        (
            "anthropic",
            {
                "n",
                "presence_penalty",
                "frequency_penalty",
                "seed",
                "logit_bias",
                "logprobs",
                "top_logprobs",
                "functions",
                "function_call",
                "verbosity",
            },
        ),
        ("gemini", {"seed", "logit_bias", "top_logprobs", "user", "function_call", "verbosity"}),
        ("mistral", None),
    ],
)
def test_what_a_kind_does_not_take_is_known_without_loading_litellm(kind: str, not_taken: set[str] | None) -> None:
    found = profile_of(kind).not_taken
    assert (None if found is None else found & ALLOWED_PARAMETERS) == not_taken


def test_profiles_are_values() -> None:
    assert profile_of("mistral") == profile_of("mistral") != profile_of("xai")
    assert len({*PROFILES.values()}) == len(PROFILES)


def test_every_kinds_error_words_are_searched_in_lower_case() -> None:
    words = error_words()
    for each in fields(ErrorWords):
        found = getattr(words, each.name)
        assert len(found) == len(set(found)) > 0
        assert all(word == word.lower() and word for word in found)
        assert all(word in found for profile in PROFILES.values() for word in getattr(profile.errors, each.name))


def test_the_profiles_know_nothing_of_who_reads_them() -> None:
    tree = ast.parse((INFERENCE / "profiles.py").read_text(encoding="utf-8"))
    assert not [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and str(each.module).startswith("app")]


def told_apart(source: str) -> list[int]:
    """Return the lines that compare a kind with a provider's, or look it up among them."""
    tree = ast.parse(source)
    named = {
        target.id: assigned.value
        for assigned in ast.walk(tree)
        if isinstance(assigned, ast.Assign | ast.AnnAssign) and assigned.value is not None
        for target in (assigned.targets if isinstance(assigned, ast.Assign) else [assigned.target])
        if isinstance(target, ast.Name)
    }
    return sorted({node.lineno for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt) and _tells_apart(node, named)})


def _tells_apart(node: ast.AST, named: dict[str, ast.expr]) -> bool:
    match node:
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
        case ast.Match(subject=subject, cases=cases):
            sides = [subject, *(value.value for case in cases for value in ast.walk(case.pattern) if isinstance(value, ast.MatchValue))]
        case ast.Subscript(value=value, slice=key):
            sides = [value, key]
        case ast.Call(func=ast.Attribute(value=value, attr="get" | "startswith"), args=[key, *_]):
            sides = [value, key]
        case _:
            return False
    return any(map(_is_kind, sides)) and any(text in PROFILES for side in sides for text in _texts(side, named))


def _is_kind(side: ast.expr) -> bool:
    name = side.id if isinstance(side, ast.Name) else side.attr if isinstance(side, ast.Attribute) else ""
    return name.lower().strip("_") in {"kind", "provider_kind"}


def _texts(side: ast.expr, named: dict[str, ast.expr]) -> Iterator[str]:
    """Yield the texts in an expression, and in what this module assigns to the names in it."""
    for node in ast.walk(side):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in named:
            yield from (each.value for each in ast.walk(named[node.id]) if isinstance(each, ast.Constant) and isinstance(each.value, str))


@pytest.mark.parametrize(
    "source",
    [
        "if candidate.kind == 'gemini': ...",
        "if kind in {'openai', 'groq'}: ...",
        "if 'local' != self._kind: ...",
        "KINDS = frozenset({'anthropic'})\nx = options.kind not in KINDS",
        "MARGINS: dict[str, float] = {'openai': 1.0}\nx = MARGINS.get(kind, 2)",
        "BASES = {'openai': 'https://…'}\nx = BASES[kind]",
        "match candidate.kind:\n    case 'groq' | 'local': ...",
        "x = {'azure': 1}.get(self._kind)",
    ],
)
def test_the_check_sees_where_kinds_are_told_apart(source: str) -> None:
    assert told_apart(source)


@pytest.mark.parametrize(
    "source",
    ["if fault.kind == 'cut': ...", "if candidate.profile.prefill: ...", "x = WIRES['gemini']", "x = kind in PROFILES", "load('openai')"],
)
def test_the_check_lets_everything_else_pass(source: str) -> None:
    assert not told_apart(source)


@pytest.mark.parametrize("path", sorted(INFERENCE.rglob("*.py")), ids=lambda path: str(path.relative_to(INFERENCE)))
def test_only_the_profiles_tell_kinds_of_providers_apart(path: Path) -> None:
    lines = [] if path == INFERENCE / "profiles.py" else told_apart(path.read_text(encoding="utf-8"))
    assert not lines, f"{path}, lines {lines}: a provider's kind is told apart here. Give ProviderProfile a field for it."
