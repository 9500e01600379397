"""Finds what of a text can be recognised when somebody does what it says: commands, names of its own, settings with their value.

Words of prose are no marks: an agent says the same of its own accord.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from app.knowledge.extraction.commands import OBVIOUS, normal
from app.likeness.claims import extract_claims

MAX_MARKS = 40
"""Marks of one text; a longer passage is recognised by those that stand first."""
MIN_CHARS = 5
MIN_TELLING_CHARS, MIN_TELLING_PARTS = 12, 3
"""Length and parts of a name that nobody writes by chance: `pool_pre_ping`, `testing.capture_logs`."""
VALUE_CHARS = 40
"""Characters within which a setting's value follows its name."""
_COMMONPLACE = frozenset(
    "readme.md changelog.md license.md package.json package-lock.json pnpm-lock.yaml yarn.lock tsconfig.json pyproject.toml setup.py"  # noqa: SIM905
    " requirements.txt dockerfile docker-compose.yml makefile cargo.toml cargo.lock go.mod go.sum index.js index.ts index.html main.py main.go"
    " main.rs app.py app.tsx app.ts conftest.py __init__.py __main__.py __name__ config.py settings.py utils.py node_modules .gitignore .env"
    " claude.md agents.md src/index.ts src/main.rs dev/null /dev/null usestate useeffect usememo usecallback useref localhost console.log"
    " console.error math.max math.min json.parse json.stringify json.dumps json.loads os.path os.environ process.env sys.path asyncio.run"
    " typescript javascript postgresql github gitlab utf-8 utf8 sha256 http/1.1 async/await and/or ci/cd i/o true/false --help --version"
    " --force --verbose --quiet --all --oneline --amend --watch --save-dev --dry-run --no-verify --recursive --yes --json origin/main".split()
)
"""Names that occur in most projects."""
_SPAN = re.compile(
    r"(?<!`)`{3,}+[^\n`]*+\n(?P<block>.{3,2000}?)`{3,}|`(?P<span>[^`\n]{3,240})`|^[ \t]*\$[ \t]+(?P<shell>[^\n]{3,240})$",
    re.DOTALL | re.MULTILINE,
)
_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*[a-z][\w.+-]*(?: \S+)+")
_TELLING_WORD = re.compile(r"--[a-z][\w-]{4,}|(?=[^\s=]{6})[A-Za-z0-9]+(?:[-_:][A-Za-z0-9]+)+|[A-Z_]{3,}=\S+")
_PARTS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_HYPHENATED = re.compile(r"`([a-z0-9]+(?:[-:][a-z0-9]+)+)`")
_TICKED = re.compile(r"`([A-Za-z_]\w{5,60})`")
_VALUE = re.compile(
    r"[\"'`]?\s*(?:[:=]{1,2}|(?:to|is|be|at|of|auf|sur|à|a|para|de|em|设为|设置为|改为|为|是)(?![A-Za-z]))?\s*(?:(?:must|should|to) be |\"|'|`)*"
    r"(?P<value>\d[\d_.,]*\d[a-zA-Z%]{0,3}|[2-9][a-zA-Z%]{0,3}|true|false|none|off|on)(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[,;!?。，；！？\n]|\.(?=\s|$)|:\s|\s[-–—]\s")
_AGAINST_BEFORE = re.compile(
    r"\b(?:not|never|no|avoid\w*|without|don['’]t|cannot|can['’]t|isn['’]t|doesn['’]t|stop|remove|drop|instead of|rather than|replaces?|nicht|nie|kein\w*|statt|ohne|ne|pas|"
    r"jamais|sans|au lieu d\w*|não|nunca|sem|en vez de|em vez de|evitar?|sin)\b|不要|不能|不用|别|避免|禁止|勿|而不是|代替",
    re.IGNORECASE,
)
_AGAINST_AFTER = re.compile(
    r"^.{0,30}?(?:\b(?:hangs?|fails?|failed|breaks?|broke|broken|crash\w*|deprecated|removed|wrong|forbidden|not|never|doesn['’]t|didn['’]t|corrupts?|loses?|deletes|nicht|verboten|"
    r"veraltet|est interdit|ne|não|nunca|falla|falha)\b|失败|报错|不行|不能|已废弃|禁止)",
    re.IGNORECASE,
)
_BOUND = r"(?<![A-Za-z0-9_]){}(?![A-Za-z0-9_])"


@dataclass(frozen=True, slots=True)
class Mark:
    """A name, case-folded. `telling`: long enough that nobody writes it by chance; `path`: a file's, or an address."""

    name: str
    telling: bool
    path: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A name and the value that it is to have, both case-folded."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one text. `commands`: whole, as they are run.

    `words` tells of each name and command its longest word, by which a text is asked first whether it may hold it.
    """

    names: tuple[Mark, ...]
    settings: tuple[Setting, ...]
    commands: tuple[str, ...]
    words: dict[str, str] = field(init=False, compare=False)
    patterns: dict[str, re.Pattern[str]] = field(init=False, compare=False)
    """Patterns of the names, by name."""

    def __post_init__(self) -> None:
        named = dict.fromkeys([*(each.name for each in self.names), *(each.name for each in self.settings)])
        object.__setattr__(self, "words", {each: _longest_word(each) for each in (*named, *self.commands)})
        object.__setattr__(self, "patterns", {name: re.compile(_BOUND.format(re.escape(name))) for name in named})

    def __bool__(self) -> bool:
        return bool(self.names or self.settings or self.commands)


@lru_cache(maxsize=512)  # a growing session is read again and again, and what is served to it stays
def marks_of(text: str) -> Marks:
    """Return the marks of a text; none that it says not to use."""
    folded = text.casefold()
    found = sorted(dict.fromkeys(_names(text)), key=lambda each: folded.find(each.casefold()))
    names = list(islice((each for each in found if _recommended(text, each)), MAX_MARKS))
    claims = extract_claims(text)
    paths = {each.casefold() for each in claims.paths | claims.urls}
    telling = {name.casefold() for name in names if _is_telling(name)} - paths
    distinct = [Mark(name, name in telling, name in paths) for name in dict.fromkeys(each.casefold() for each in names)]
    return Marks(
        tuple(distinct),
        tuple(dict.fromkeys(_settings(text, [each.name for each in distinct if not each.path])))[:MAX_MARKS],
        tuple(islice((each for each in dict.fromkeys(_commands(text)) if _recommended(text, each)), MAX_MARKS)),
    )


def values_after(text: str, name: re.Pattern[str]) -> Iterator[str]:
    """Yield the values that follow a name in a case-folded text, each on the name's line."""
    for found in name.finditer(text):
        if value := _VALUE.match(text[found.end() : found.end() + VALUE_CHARS].split("\n", 1)[0]):
            yield value["value"]


def has_structure(name: str) -> bool:
    """Tell whether a name has parts, as a word of prose has not; a product's capitals (`GitHub`) and a unit (`30s`) are no parts."""
    return bool(re.search(r"[A-Za-z0-9][_./:-]+[A-Za-z0-9]|^--\w|[a-z][A-Z]", name)) and not re.fullmatch(
        r"[A-Z][a-z]+[A-Z][a-z]+|[\d.]+\w?", name
    )


def telling_words(command: str) -> list[str]:
    """Return the words of a command that aren't in everybody's."""
    words = command.split()[1:]
    return [
        each for each in words if _TELLING_WORD.fullmatch(each.split("=")[0] if each.startswith("-") else each) and each not in _COMMONPLACE
    ]


def _names(text: str) -> Iterator[str]:
    claims = extract_claims(text)
    hyphenated = _HYPHENATED.findall(text)
    for name in (*claims.identifiers, *claims.paths, *claims.urls, *claims.flags, *hyphenated):
        plain = name.strip("./")
        structured = has_structure(name)
        if len(plain) >= MIN_CHARS and structured and not {name.casefold(), plain.casefold()} & _COMMONPLACE:
            yield name


def _is_telling(name: str) -> bool:
    return len(name) >= MIN_TELLING_CHARS and len(_PARTS.findall(name)) >= MIN_TELLING_PARTS


def _settings(text: str, names: Sequence[str]) -> Iterator[Setting]:
    folded = text.casefold()
    ticked = islice((each.casefold() for each in dict.fromkeys(_TICKED.findall(text)) if _recommended(text, each)), MAX_MARKS)
    for name in dict.fromkeys([*names, *ticked]):
        for value in values_after(folded, re.compile(_BOUND.format(re.escape(name)))):
            yield Setting(name, value)


def _commands(text: str) -> Iterator[str]:
    for found in _SPAN.finditer(text):
        written = found["block"] or found["span"] or found["shell"]
        for line in written.splitlines():
            command = " ".join(normal(line.strip().removeprefix("$ ")).split())
            if _COMMAND.fullmatch(command) and not OBVIOUS.match(command) and telling_words(command):
                yield command


def _longest_word(name: str) -> str:
    return max(re.findall(r"[a-z0-9_]+", name.casefold()), key=len, default="")


def _recommended(text: str, name: str) -> bool:
    """Tell whether a text nowhere says not to use a name: in the clause before it, or shortly behind it."""
    place = text.find(name)
    while place >= 0:
        before = text[max(0, place - 100) : place]
        ends = [found.end() for found in _CLAUSE_END.finditer(before)]
        after = text[place + len(name) : place + len(name) + 60]
        end = _CLAUSE_END.search(after)
        if _AGAINST_BEFORE.search(before[ends[-1] :] if ends else before) or _AGAINST_AFTER.search(after[: end.start()] if end else after):
            return False
        place = text.find(name, place + len(name))
    return True
