"""Reads the names in an item's words: what looks like a file, a symbol, a setting, a tool, a service or a ticket, in that order of certainty.

A name's form decides: the list of products only adds those that look like any other word (`redis`) or like a symbol (`GitHub`). Precision
before recall: another plain word is a subject only where the words beside it say so (`the billing service`, `run mypy`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from app.knowledge.item import Subject, SubjectKind
from app.knowledge.subjects.products import PRODUCTS
from app.knowledge.subjects.spelling import MAX_NAME_CHARS, normalised

MAX_SUBJECTS = 32
"""Subjects of one item, the first of each kind: one that names more is a list."""
MAX_CHARS = 8_000
"""Characters of a text that are read, as many as a person may write."""

_EXTENSIONS = (
    "py|pyi|ipynb|js|mjs|cjs|jsx|ts|mts|tsx|vue|svelte|css|scss|less|html?|go|mod|sum|rs|java|kts?|scala|swift|c|cc|cpp|h|hpp|cs|fs|rb|erb|php|"
    "lua|pl|exs?|erl|hs|ml|clj|dart|r|jl|sh|bash|zsh|fish|ps1|bat|sql|proto|graphql|ya?ml|toml|json[5lc]?|ini|cfg|conf|env|lock|xml|csv|tsv|"
    "md|mdx|rst|txt|tf|tfvars|hcl|nix|gradle|cmake|mk|service|dockerfile|tmpl|j2|log|pem|crt|patch|diff|parquet|onnx|wasm|svg|png"
)
_FILE = re.compile(
    rf"(?<![\w@:/\\.+-])(?:[A-Za-z]:)?(?:\.{{0,2}}[/\\])?(?:[\w.@+-]+[/\\])*(?:[\w@+-][\w.@+-]*\.(?:{_EXTENSIONS})|\.env(?:\.\w+)?"
    r"|\.(?:git(?:ignore|attributes)|dockerignore|editorconfig|npmrc|bashrc|zshrc)|Dockerfile(?:\.\w+)?|Makefile|Justfile|Procfile|Gemfile|Jenkinsfile"
    r"|CODEOWNERS)(?![\w/\\(-])(?!\.\w)(?::\d+)*",
    re.ASCII,
)
_ENDLESS = re.compile(rf"(?<![\w./\\@:#>$+-])[\w./\\@:#>$+-]{{{MAX_NAME_CHARS + 1},}}", re.ASCII)
"""A run of the characters of names that is too long for one. It is left out first, so that no pattern reads it from each of its places."""
_NO_FILES = re.compile(
    r"(?:node|vue|next|nuxt|react|express|d3|three|chart|ember|backbone|socket|discord|asp)\.(?:js|ts|net|io)", re.IGNORECASE
)
_TICKET = re.compile(r"(?<![\w/.#-])(?:[A-Z][A-Z0-9]{1,9}-\d{1,6}(?![\w-]|\.\d)|(?:[\w.-]+/[\w.-]+)?#\d{1,6}\b)", re.ASCII)
_ISSUE_URL = re.compile(r"https?://[^\s/]+/([\w.-]+/[\w.-]+)/(?:-/)?(?:issues|pull|merge_requests)/(\d{1,6})\b", re.ASCII)
_NO_TICKETS = re.compile(
    r"(?:UTF|ISO|SHA\d?|MD|RFC|CVE|TLS|SSL|HTTP|AES|RSA|ES|CP|IPV|PEP|EN|IEC|IEEE|BASE|GPT|CLAUDE|LLAMA|V|PY|PG|WIN|X|ARM|USB|COVID|Q|H|T|UTC|GMT)-\d+"
)
_BRANCH_TICKET = re.compile(r"(?:^|[/_-])([A-Za-z]{2,10}-\d{1,6})(?![\w.])")
_BRANCH_ISSUE = re.compile(r"(?:^|/)(?:issue|gh|bug|fix)[-_/]#?(\d{1,6})(?!\w)", re.IGNORECASE)
_SETTING = re.compile(
    r"(?<![\w.$-])\$?\{?[A-Z][A-Z0-9]*(?:_+[A-Z0-9]+)+\}?(?![\w(])|(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?![\w-])", re.ASCII
)
_CALL = re.compile(r"(?<![\w./#-])(?<!::|->)[A-Za-z_][\w]*(?:(?:\.|::|#|->)[A-Za-z_]\w*)*\(\)?", re.ASCII)
_CAMEL = re.compile(
    r"(?<![\w./@-])(?<!\w[#])(?<!::)(?:[a-z]+[0-9]*(?:[A-Z][a-z0-9]*)+|(?:[A-Z][a-z0-9]+){2,}|[A-Z]+[a-z][a-z0-9]*(?:[A-Z][a-z0-9]+)+)"
    r"(?:(?:\.|::|#)[A-Za-z_]\w*)*(?![\w/-])",
    re.ASCII,
)
_SNAKE = re.compile(r"(?<![\w./@$-])(?<!::)_{0,2}[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?:(?:\.|::)[a-z_]\w*)*(?![\w/])", re.ASCII)
_CODE = re.compile(r"`([^`\n]{1,200})`")
_DOTTED = re.compile(r"[a-z][\w-]*(?:\.[\w-]+)+(?:\s?=.*)?", re.ASCII)
_COMMAND = re.compile(r"(?:\$ |sudo |[A-Z_]+=\S+ )*([a-z][a-z0-9+_-]*)(?: +[\w./@:=-].*)", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)
_RUN = re.compile(r"\b(?:[Rr]un|[Ii]nstall|[Ee]xecute|[Ii]nvoke) `([a-z][\w+-]{1,30})`", re.ASCII)
_SERVICE_WORDS = "service|server|api|worker|cluster|broker|gateway|daemon|scheduler|consumer|producer|proxy|queue|bucket|dienst|servidor|serveur|serviço|servicio|服务"
_SERVICE = re.compile(
    rf"(?<![\w./-])(?:the |our |der |den |die |le |la |o |el )?`?([A-Za-z][a-z0-9]*(?:-[a-z0-9]+)*)`? (?:{_SERVICE_WORDS})\b", re.IGNORECASE
)
_BEHIND = re.compile(r"(?:\bservice|\bDienst|服务)\s?`([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`")
_THROUGH = re.compile(
    r"(?:\b(?:through|via|onto|über|durch|por|através de) |通过\s?)`?([a-z][a-z0-9]*(?:-[a-z0-9]+)+)`?"
    rf"|(?<![\w./-])([a-z][a-z0-9]*(?:-[a-z0-9]+)*-(?:{_SERVICE_WORDS}))(?![\w/-])"
)
_FROM_TO = re.compile(
    r"\b(?:[Mm]ov(?:e|ed)|[Ss]witch(?:ed)?|[Mm]igrat(?:e|ed))\b[^.;\n]{0,80}? from `?([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`? to `?([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`?(?![\w/-])"
)
_WORD = re.compile(r"(?<![\w./@-])[A-Za-z][\w+#]*(?![\w/@]|[.-]\w)", re.ASCII)
_PLAIN_WORDS = """
    the a an our your its this that any each every same new old other one first second next single main whole local
    remote external internal own web rest http https grpc real test fake mock live public private default production
    staging dedicated separate central shared background customer down up self per no for of in and or is as to from
    with by on at only which what my their api mcp both all de del la le el der die das den dem ein eine un une um uma
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
"""Words that stand before `service` and the like without being its name."""


def subjects_of(
    title: str, text: str, *, paths: Sequence[str] = (), excerpts: Iterable[str] = (), branches: Iterable[str] = ()
) -> tuple[Subject, ...]:
    """Return what an item is about, each subject once, at most MAX_SUBJECTS.

    `paths`: files that a person named. `excerpts`, `branches`: of the sessions that taught it; they only add files and tickets, since an
    excerpt holds what the item left out.
    """
    words = _readable(f"{title}\n{text}")
    found = [Subject("file", normalised(path)) for path in paths]
    found += _named(words)
    for excerpt in excerpts:
        said = _readable(excerpt)
        found += [*_tickets(said), *_files(said)]
    for branch in branches:
        found += _of_branch(branch)
    kept: dict[str, Subject] = {}
    for each in found:
        if 1 < len(each.name) <= MAX_NAME_CHARS:
            kept.setdefault(each.name, each)
    return tuple(list(kept.values())[:MAX_SUBJECTS])


def _readable(text: str) -> str:
    return _ENDLESS.sub(" ", text[:MAX_CHARS])


def _named(words: str) -> Iterator[Subject]:
    """Yield the subjects of a text. The first kind that takes a name keeps it: a file's name is no symbol."""
    yield from _tickets(words)
    yield from _files(words)
    rest = _FILE.sub(" ", _ISSUE_URL.sub(" ", words))
    yield from _all("setting", (found[0].strip("${}") for found in _SETTING.finditer(rest)))
    yield from _in_code(rest)
    yield from _all("tool", (found[1] for found in _RUN.finditer(rest)))
    yield from _products(rest)
    yield from _all("symbol", (found[0] for pattern in (_CALL, _CAMEL, _SNAKE) for found in pattern.finditer(rest)))
    yield from _services(rest)


def _tickets(words: str) -> Iterator[Subject]:
    for url in _ISSUE_URL.finditer(words):
        yield Subject("ticket", normalised(f"{url[1]}#{url[2]}"))
    yield from _all("ticket", (found[0] for found in _TICKET.finditer(_ISSUE_URL.sub(" ", words)) if not _NO_TICKETS.fullmatch(found[0])))


def _of_branch(branch: str) -> Iterator[Subject]:
    names = (found[1] for found in _BRANCH_TICKET.finditer(branch))
    yield from _all("ticket", (name for name in names if not _NO_TICKETS.fullmatch(name.upper()) and not _BRANCH_ISSUE.search(f"/{name}")))
    yield from _all("ticket", (f"#{found[1]}" for found in _BRANCH_ISSUE.finditer(branch)))


def _files(words: str) -> Iterator[Subject]:
    yield from _all("file", (found[0] for found in _FILE.finditer(words) if not _NO_FILES.fullmatch(found[0])))


def _in_code(words: str) -> Iterator[Subject]:
    """Yield what stands between backticks and tells its kind there only: a dotted setting, a command's program."""
    for code in (found[1].strip() for found in _CODE.finditer(words)):
        if _DOTTED.fullmatch(code) and not code.endswith("()"):
            yield Subject("setting", normalised(code.partition("=")[0].strip()))
        elif command := _COMMAND.fullmatch(code):
            yield Subject("tool", normalised(command[1]))


def _products(words: str) -> Iterator[Subject]:
    for found in _WORD.finditer(words):
        if kind := PRODUCTS.get(name := found[0].casefold()):
            yield Subject(kind, name)


def _services(words: str) -> Iterator[Subject]:
    for pattern in (_SERVICE, _BEHIND, _THROUGH, _FROM_TO):
        for name in (name for found in pattern.finditer(words) for name in found.groups() if name):
            if _NAME.fullmatch(name.casefold()) and not _PLAIN.intersection(name.casefold().split("-")):
                yield Subject("service", normalised(name))


def _all(kind: SubjectKind, names: Iterable[str]) -> Iterator[Subject]:
    return (Subject(kind, normalised(name)) for name in names)
