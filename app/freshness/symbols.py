"""Digests of source files and of the symbols they define, by their token streams: layout, comments and docstrings don't count.

Pure: bytes in, digests out. Broken source gives what tree-sitter makes of it, the same each time.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from app.freshness.grammars import LoadedGrammar, grammar_of, load

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_PARSED_BYTES = 512 * 1024
"""Longer files are generated or minified: their symbols aren't looked at, so they aren't known."""
MAX_SYMBOLS = 5_000
"""Symbols of one file. With more, none of them counts as known, since those beyond would seem to be gone."""
BINARY_BYTES = 8_000
"""A NUL within so many bytes means binary, as git has it."""
_TOKEN = re.compile(rb"\w+|[^\w\s]")
_PLAIN_QUOTED = re.compile(rb"'([^'\"\\#\n]*)'")
_LAYOUT = re.compile(rb"(?:(?<=\0)|^),\0(?=[)\]}])")
"""The token that formatters add: a comma before a closing bracket. (Python's `(a,)` is then as `(a)`: formatters leave that alone.)"""
_LAYOUT_OR_SEMICOLONS = re.compile(rb"(?:(?<=\0)|^)(?:,\0(?=[)\]}])|;(?:\0|$))")
"""Also semicolons, where the language lets them be left out."""
_SEPARATORS = re.compile(r"::|\.|#")


@dataclass(frozen=True, slots=True)
class FileDigest:
    """`whole`: of all tokens of a file. `symbols`: of each definition, by its qualified name (`Class.method`); None: they aren't known."""

    whole: str
    symbols: Mapping[str, str] | None = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A range whose bytes are one token, or none (a comment), or a block's edge, which has no bytes."""

    start: int
    end: int
    token: bytes


def digest_file(path: str, content: bytes, *, blob: str) -> FileDigest:
    """Digest a file. `blob`: its id in git, which stands for a binary file's content. ModuleNotFoundError without its grammar's package."""
    if b"\0" in content[:BINARY_BYTES]:
        return FileDigest(blob, None)
    content = content.replace(b"\r\n", b"\n")  # the ends of lines within strings are layout, too
    grammar = grammar_of(path)
    if grammar is None or len(content) > MAX_PARSED_BYTES:
        return FileDigest(_hash(b"\0".join(_TOKEN.findall(content))), None)
    return _digest_source(content, load(grammar))


def qualified_parts(name: str) -> tuple[str, ...]:
    """Split a name as code writes it (`Pool.acquire`, `pool::acquire`, `Pool#acquire`) into its parts."""
    return tuple(part for part in _SEPARATORS.split(name) if part)


def _digest_source(source: bytes, grammar: LoadedGrammar) -> FileDigest:
    from tree_sitter import Parser, QueryCursor

    root = Parser(grammar.language).parse(source).root_node
    cuts = _cuts(QueryCursor(grammar.ranges).captures(root), source)
    starts = [cut.start for cut in cuts]

    layout = _LAYOUT_OR_SEMICOLONS if grammar.optional_semicolons else _LAYOUT

    def digest(start: int, end: int) -> str:
        first = bisect_left(starts, start)
        return _hash(layout.sub(b"", _tokens(source, cuts[first : bisect_left(starts, end)], start, end)))

    digests: dict[str, list[str]] = {}
    for name, start, end in _definitions(QueryCursor(grammar.definitions).matches(root)):
        if len(digests) > MAX_SYMBOLS:
            break
        digests.setdefault(name, []).append(digest(start, end))
    # Overloads and redefinitions of one name are one symbol, which changes when one of them does.
    symbols = {name: each[0] if len(each) == 1 else _hash("\0".join(each).encode()) for name, each in digests.items()}
    return FileDigest(digest(0, len(source)), symbols if len(symbols) <= MAX_SYMBOLS else None)


def _cuts(captured: Mapping[str, Sequence[Node]], source: bytes) -> list[_Cut]:
    """Return the ranges in order, none within another: a docstring is a comment rather than a string, and a string within it is nothing."""
    found = [(node.start_byte, 0, node.end_byte, b"") for node in captured.get("comment", ())]
    found += [
        (node.start_byte, 1, node.end_byte, _string_token(source[node.start_byte : node.end_byte])) for node in captured.get("string", ())
    ]
    for node in captured.get("block", ()):  # where indentation alone tells what belongs to it
        found.append((node.start_byte, -1, node.start_byte, b"\x01"))
        found.append((node.end_byte, -2, node.end_byte, b"\x02"))
    cuts: list[_Cut] = []
    reached = 0
    for start, _, end, token in sorted(found):
        if start >= reached:
            cuts.append(_Cut(start, end, token))
            reached = end
    return cuts


def _string_token(written: bytes) -> bytes:
    """Return a string as its token: single and double quotation marks are the same where nothing inside depends on them."""
    plain = _PLAIN_QUOTED.fullmatch(written)
    return b'"' + plain[1] + b'"' if plain else written


def _tokens(source: bytes, cuts: Sequence[_Cut], start: int, end: int) -> bytes:
    """Return the tokens of a range, with NULs between them."""
    tokens: list[bytes] = []
    at = start
    for cut in cuts:
        tokens += _TOKEN.findall(source, at, cut.start)
        if cut.token:
            tokens.append(cut.token)
        at = max(at, cut.end)
    tokens += _TOKEN.findall(source, at, end)
    return b"\0".join(tokens)


def _definitions(matches: Sequence[tuple[int, Mapping[str, Sequence[Node]]]]) -> Iterator[tuple[str, int, int]]:
    """Yield (qualified name, start, end) of each definition, in the file's order. Its scope is the definitions around it."""
    found: set[tuple[int, int, str, bool]] = set()
    for _, captured in matches:
        named = captured.get("name") or captured.get("around")
        around = captured.get("def") or captured.get("owner")
        if not named or not around or named[0].text is None:
            continue
        name = ".".join(qualified_parts(named[0].text.decode("utf-8", "replace")))
        if (scope := captured.get("scope")) and scope[0].text:
            name = f"{scope[0].text.decode('utf-8', 'replace')}.{name}"
        found.add((around[0].start_byte, -around[0].end_byte, name, "def" in captured))
    scopes: list[tuple[int, str, str]] = []
    for start, negative_end, name, defines in sorted(found):
        end = -negative_end
        while scopes and scopes[-1][0] < end:
            scopes.pop()
        if scopes and scopes[-1][:1] == (end,) and scopes[-1][2] == name:
            continue  # a decorated definition holds the definition itself
        qualified = f"{scopes[-1][1]}.{name}" if scopes else name
        scopes.append((end, qualified, name))
        if defines:
            yield qualified, start, end


def _hash(tokens: bytes) -> str:
    return blake2b(tokens, digest_size=8).hexdigest()
