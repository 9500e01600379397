"""Checks items against a commit of a repository: what each speaks of is looked up there, and its changes since it was said are judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import UUID

from app.freshness.digests import Digests, open_digests
from app.freshness.git import Commit, Repository
from app.freshness.grammars import grammar_of
from app.freshness.history import DatedChange, History
from app.freshness.paths import PathIndex
from app.freshness.references import SymbolReference, find_references, is_specific
from app.freshness.verdicts import UNKNOWN, Alteration, CodeFinding, State, alterations, combine, judge

MAX_PLACES = 3
"""Files that may define a symbol which an item names without a file; with more, the name alone says too little."""
MAX_INDEXED_FILES = 30_000
"""In a larger repository symbols are looked for only in the files that items name."""
MAX_REMOVALS = 3_000
"""Changes of files, the newest, in which removed symbols are looked for."""


@dataclass(frozen=True, slots=True)
class CheckedItem:
    """An item as it is checked. `said_at`: changes after it count."""

    id: UUID
    words: str
    paths: Sequence[str]
    said_at: datetime


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The commit that was checked, and each item's finding, in the items' order."""

    commit: str
    findings: Sequence[tuple[UUID, CodeFinding]]


def check_items(
    repository: Repository, items: Sequence[CheckedItem], *, ref: str = "HEAD", kept: Path | None = None, private: Container[str] = ()
) -> CheckResult:
    """Check items against the commit that `ref` names. `kept`: the file that keeps digests between runs.

    `private`: paths, present and former ones, that are as if they weren't in the repository.
    InvalidInput where there is no such commit; ModuleNotFoundError without the grammars' packages.
    """
    commit = repository.commit_id(ref)
    with open_digests(repository, kept) as digests:
        since = min((each.said_at for each in items), default=datetime.now(UTC))
        history = digests.read_history(repository, commit, since=since)
        code = CodeAt(_public(repository.files(commit), history.commits, private), digests)
        return CheckResult(commit, [(each.id, _check(code, each, history.floor)) for each in items])


def _public(files: Mapping[str, str], commits: Sequence[Commit], private: Container[str]) -> History:
    changed = [
        replace(commit, changes=[each for each in commit.changes if each.before not in private and each.after not in private])
        for commit in commits
    ]
    return History({path: blob for path, blob in files.items() if path not in private}, changed)


def _check(code: CodeAt, item: CheckedItem, floor: int) -> CodeFinding:
    """Check one item. `floor`: the time before which the history is missing; 0: it is whole."""
    named = find_references(item.words, item.paths)
    if not named.files and not named.symbols:
        return CodeFinding("unverifiable", reason="names_nothing")
    said_at = int(item.said_at.timestamp())
    if said_at < floor:
        return CodeFinding("unverifiable", reason="history_missing")
    files = [(written, code.resolve(written)) for written in named.files]
    paths = [path for _, path in files if isinstance(path, str)]
    symbols = [code.symbol(reference, paths, said_at) for reference in named.symbols]
    # A symbol tells more than its file: a file that was named as a symbol's place isn't judged by all that is in it.
    places = {path for each in symbols if each.verdict != "unverifiable" for path in (each.path, each.former_path)}
    judged = [
        each if isinstance(each, CodeFinding) else code.file(written, each, said_at, whole=each not in places) for written, each in files
    ]
    moved = {each.path: each.former_path for each in judged}
    told = [replace(each, former_path=moved[each.path]) if each.former_path is None and moved.get(each.path) else each for each in symbols]
    alone = [each for each in judged if each.path not in places or each.path is None]
    return combine([*alone, *told])


class CodeAt:
    """The code at a commit, with its history: looks up files and symbols."""

    def __init__(self, history: History, digests: Digests) -> None:
        self._history = history
        self._digests = digests
        self._paths = PathIndex(history.files, history.former_paths)
        self._sources = [path for path in history.files if grammar_of(path) is not None]

    def resolve(self, written: str) -> str | CodeFinding:
        """Return the last path of the file that an item names; a finding where it is a folder, is not found, or may be several files."""
        found = self._paths.find(written)
        if len(found) == 1:
            return self._history.last_path(found[0])
        if found:
            return CodeFinding("unverifiable", reason="ambiguous")
        folder = self._paths.folder(written)
        return CodeFinding("unverifiable", reason="not_found") if folder is None else CodeFinding("fresh", path=folder)

    def file(self, written: str, path: str, said_at: int, *, whole: bool) -> CodeFinding:
        """Judge a file. `whole`: by all of its content, else only by whether it is there, since a symbol in it tells more."""

        def state(at: str, blob: str | None) -> str | None:
            if blob is None:
                return None
            return self._digests.of(at, blob).whole if whole else "there"

        finding = self._judged(path, said_at, state)
        moved = not (path == written.lstrip("/") or path.endswith(f"/{written}") or written.endswith(f"/{path}"))
        return replace(finding, path=path, former_path=written.lstrip("/") if moved else None)

    def symbol(self, reference: SymbolReference, paths: Sequence[str], said_at: int) -> CodeFinding:
        """Judge a symbol: in the files that the item names, else wherever it is defined."""
        unread: CodeFinding | None = None
        for parts in _readings(reference):
            for path in paths:
                finding, before = self._symbol_in(path, parts, said_at)
                if finding.verdict == "gone":
                    finding = self._moved(parts, before, finding, said_at)
                if finding.verdict != "unverifiable":
                    return replace(finding, symbol=reference.written)
                if finding.reason == "unreadable":
                    unread = finding
            if unread is None and reference.specific and (anywhere := self._symbol_anywhere(parts, said_at)) is not None:
                return replace(anywhere, symbol=reference.written)
        return replace(unread or CodeFinding("unverifiable", reason="not_found"), symbol=reference.written)

    def _symbol_in(self, path: str, parts: tuple[str, ...], said_at: int) -> tuple[CodeFinding, str | None]:
        """Judge a symbol in one file; also return its digest before the first change since."""
        if grammar_of(path) is None:
            return CodeFinding("unverifiable", reason="not_found"), None
        altered, now = self._altered(path, said_at, self._symbol_state(parts))
        before = altered[-1].before if altered else now
        return replace(judge(now, altered), path=path), before

    def _symbol_state(self, parts: tuple[str, ...]) -> State:
        name_alone, within = ".".join(parts), f".{'.'.join(parts)}"

        def state(at: str, blob: str | None) -> str | None:
            if blob is None:
                return None
            if (symbols := self._digests.of(at, blob).symbols) is None:
                return UNKNOWN
            return " ".join(digest for name, digest in symbols.items() if name == name_alone or name.endswith(within)) or None

        return state

    def _moved(self, parts: tuple[str, ...], before: str | None, gone: CodeFinding, said_at: int) -> CodeFinding:
        """Judge a symbol that left its file: where another one defines it now, it moved there."""
        places = self._places(parts)
        if not places and self._may_be_unread(said_at):
            return CodeFinding("unverifiable", reason="unreadable")
        if not 0 < len(places) <= MAX_PLACES:
            return gone
        same = next((path for path in places if self._symbol_state(parts)(path, self._history.files[path]) == before), None)
        if same is not None:
            return CodeFinding("fresh", path=same, former_path=gone.path)
        return replace(gone, verdict="changed", path=places[0], former_path=gone.path)

    def _symbol_anywhere(self, parts: tuple[str, ...], said_at: int) -> CodeFinding | None:
        """Judge a symbol wherever it is defined; None: nowhere that is known of, neither now nor before."""
        places = self._places(parts)
        if len(places) > MAX_PLACES:
            return CodeFinding("unverifiable", reason="ambiguous")
        if places:
            findings = [self._symbol_in(path, parts, said_at)[0] for path in places]
            return next((each for each in findings if each.verdict == "fresh"), findings[0])
        if not self._is_indexed:
            return CodeFinding("unverifiable", reason="unreadable")
        removed = next((each for each in self._removed.get(parts[-1], ()) if each[0].at > said_at and _names(each[1], parts)), None)
        if removed is None:
            return None
        if self._may_be_unread(said_at):
            return CodeFinding("unverifiable", reason="unreadable")
        change = removed[0]
        return CodeFinding("gone", path=self._history.last_path(change.change.after), commit=change.commit, at=change.at)

    def _places(self, parts: tuple[str, ...]) -> list[str]:
        return list(dict.fromkeys(path for path, name in self._defined.get(parts[-1], ()) if _names(name, parts)))

    def _may_be_unread(self, said_at: int) -> bool:
        """Tell whether what left its file may be in one that wasn't read. Where it wasn't before, so only one that changed since counts."""
        return not self._is_indexed or any(self._history.changes(path, after=said_at) for path in self._unread)

    def _judged(self, path: str, said_at: int, state: State) -> CodeFinding:
        altered, now = self._altered(path, said_at, state)
        return judge(now, altered)

    def _altered(self, path: str, said_at: int, state: State) -> tuple[list[Alteration], str | None]:
        return alterations(self._history.changes(path, after=said_at), state), state(path, self._history.files.get(path))

    @property
    def _is_indexed(self) -> bool:
        return len(self._sources) <= MAX_INDEXED_FILES

    @cached_property
    def _unread(self) -> Sequence[str]:
        """The source files whose symbols aren't known."""
        return [path for path in self._sources if self._digests.of(path, self._history.files[path]).symbols is None]

    @cached_property
    def _defined(self) -> Mapping[str, list[tuple[str, str]]]:
        """Map each symbol's last part to (path, qualified name) of its definitions."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        if self._is_indexed:
            for path in self._sources:
                for name in self._digests.of(path, self._history.files[path]).symbols or ():
                    found[_last(name)].append((path, name))
        return found

    @cached_property
    def _removed(self) -> Mapping[str, list[tuple[DatedChange, str]]]:
        """Map the last part of each symbol that a commit removed to (change, qualified name), the newest first."""
        found: dict[str, list[tuple[DatedChange, str]]] = defaultdict(list)
        changed = [each for each in self._history.all_changes() if each.change.old_blob and grammar_of(each.change.before) is not None]
        for each in sorted(changed, key=lambda each: each.order)[:MAX_REMOVALS]:
            before, after = (
                self._names_in(each.change.before, each.change.old_blob),
                self._names_in(each.change.after, each.change.new_blob),
            )
            if before is not None and after is not None:
                for name in before - after:
                    found[_last(name)].append((each, name))
        return found

    def _names_in(self, path: str, blob: str | None) -> Set[str] | None:
        """Return the symbols of a content; None: they aren't known. Nothing, and what isn't source, has none."""
        if blob is None or grammar_of(path) is None:
            return frozenset()
        symbols = self._digests.of(path, blob).symbols
        return None if symbols is None else symbols.keys()


def _readings(reference: SymbolReference) -> Iterator[tuple[str, ...]]:
    """Yield a symbol's parts as written, then its last part alone: the first may be a variable, which the code doesn't define.

    `save!` is a name of its own in Ruby; elsewhere a name's mark is how it is used.
    """
    yield reference.parts
    if len(reference.parts) > 1 and is_specific(reference.parts[-1]):
        yield reference.parts[-1:]
    if (bare := reference.parts[-1].rstrip("!?")) != reference.parts[-1]:
        yield (*reference.parts[:-1], bare)


def _names(qualified: str, parts: tuple[str, ...]) -> bool:
    """Tell whether a qualified name ends with these parts, which hold no dot."""
    named = ".".join(parts)
    return qualified == named or qualified.endswith(f".{named}")


def _last(qualified: str) -> str:
    return qualified[qualified.rfind(".") + 1 :]
