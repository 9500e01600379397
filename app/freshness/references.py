"""Finds the files and symbols that an item's words speak of. Pure.

Only what is code by its form counts: a word of prose that happens to be some function's name says nothing about that function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.freshness.symbols import qualified_parts

MAX_FILES, MAX_SYMBOLS = 20, 40
"""References of one item; later ones are left out."""
MIN_NAME_CHARS, MAX_NAME_CHARS = 3, 300
_URL = re.compile(r"\b\w{2,10}://\S+")
_QUOTED = re.compile(r"`([^`\n]{2,160})`")
_ENDINGS = (
    "py|pyi|js|jsx|mjs|cjs|ts|tsx|mts|cts|go|rs|java|kt|kts|scala|swift|c|h|cc|cpp|cxx|hh|hpp|hxx|m|mm|cs|fs|rb|rake|php|pl|lua|ex|exs|erl|hs|ml"
    "|clj|dart|vue|svelte|html|css|scss|less|sql|sh|bash|zsh|ps1|bat|json|jsonc|yaml|yml|toml|ini|cfg|conf|env|lock|xml|gradle|tf|hcl|proto|graphql"
    "|md|rst|txt|csv|ipynb|mk|cmake|bzl|nix|png|jpg|jpeg|gif|svg|ico|webp|pdf|wasm"
)
"""Endings that make a name without a folder a file: else `Pool.acquire` would be one."""
_WORD = re.compile(r"[^\s`'\"<>|,;=*{}]+")
MAX_PATH_CHARS = 500
"""Longer names of files and symbols are left out: nobody wrote them by hand, and no mark holds them."""
_NAMED = re.compile(rf"[\w.@+\-\[\]]*[\w\]]\.(?:{_ENDINGS})|Dockerfile|Makefile|Gemfile|Rakefile|Jenkinsfile|Procfile|CODEOWNERS")
_IN_FOLDER = re.compile(r"[\w.@+\-\[\]]*[\w\]]\.[A-Za-z][A-Za-z0-9]{0,9}")
_LINE = re.compile(r"(?::\d+){1,2}(?:-\d+)?$|#L\d+(?:-L?\d+)?$")
_NAME = r"[A-Za-z_$][\w$]*"
_WHOLE = re.compile(rf"(?P<name>{_NAME}(?:(?:\.|::|#|->){_NAME})*[!?]?)(?P<call>\s*\(.*\))?;?")
_IN_PROSE = re.compile(
    rf"(?<![\w./$@-])(?:(?P<called>{_NAME}(?:(?:\.|::){_NAME})*)\(\)"
    rf"|(?P<qualified>[A-Z]\w*(?:(?:\.|::){_NAME})+)"
    r"|(?P<snake>_*[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+)"
    r"|(?P<camel>[a-z][a-z0-9]*[A-Z]\w*|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+))(?![\w/-])"
)
_SPECIFIC = re.compile(r"._.|[a-z0-9][A-Z]")
_CLASS = re.compile(r"[A-Z][a-z]\w{2,}")


@dataclass(frozen=True, slots=True)
class SymbolReference:
    """A name as the item writes it, in its parts. `specific`: it can be looked for in the whole repository, not only in a named file."""

    written: str
    parts: tuple[str, ...]
    specific: bool


@dataclass(frozen=True, slots=True)
class References:
    """The files, as an item writes them, and the symbols that it speaks of."""

    files: tuple[str, ...]
    symbols: tuple[SymbolReference, ...]


def find_references(words: str, paths: Sequence[str]) -> References:
    """Find the references of an item in its title and text. `paths`: the files that a person named."""
    plain = _URL.sub(" ", words)
    written = {word: path for word in _WORD.findall(plain) if (path := _path(word)) is not None}
    files = dict.fromkeys(_normal(each) for each in (*paths, *written.values()))
    rest = _WORD.sub(lambda match: " " if match[0] in written else match[0], plain) if written else plain
    symbols: dict[tuple[str, ...], SymbolReference] = {}
    for reference in _symbols(plain, rest):
        symbols.setdefault(reference.parts, reference)
    return References(tuple(each for each in files if 0 < len(each) <= MAX_PATH_CHARS)[:MAX_FILES], tuple(symbols.values())[:MAX_SYMBOLS])


def _symbols(plain: str, rest: str) -> Iterable[SymbolReference]:
    for quoted in _QUOTED.finditer(plain):
        if (match := _WHOLE.fullmatch(quoted[1].strip())) is not None:
            yield from _reference(match["name"], quoted=True)
    for match in _IN_PROSE.finditer(_QUOTED.sub(" ", rest)):
        yield from _reference(next(filter(None, match.groups())))


def _reference(name: str, *, quoted: bool = False) -> Iterable[SymbolReference]:
    parts = qualified_parts(name.replace("->", "."))
    if parts and len(parts[-1].rstrip("!?")) >= MIN_NAME_CHARS and len(name) <= MAX_NAME_CHARS:
        specific = len(parts) > 1 or is_specific(name) or (quoted and _CLASS.fullmatch(name) is not None)
        yield SymbolReference(name, parts, specific)


def _path(word: str) -> str | None:
    """Return the path that a word of a text is, without its punctuation and the line that it names; None: it is no path."""
    if len(word) > MAX_PATH_CHARS or not ("." in word or "file" in word or "OWNERS" in word):
        return None
    path = _LINE.sub("", word.strip("()").rstrip(".:!?)"))
    folder, _, name = path.replace("\\", "/").rpartition("/")
    return path if _NAMED.fullmatch(name) or (folder and _IN_FOLDER.fullmatch(name)) else None


def is_specific(name: str) -> bool:
    """Tell whether a name by itself is code and no word: it has an inner underscore or capital."""
    return _SPECIFIC.search(name) is not None


def _normal(path: str) -> str:
    """Return a path with slashes, without the parts that say nothing; an absolute one begins with a slash, whatever its drive."""
    slashed = path.strip().replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in {"", ".", "~"}]
    absolute = slashed.startswith(("/", "~")) or (bool(parts) and parts[0].endswith(":"))
    return ("/" if absolute else "") + "/".join(part for part in parts if not part.endswith(":"))
