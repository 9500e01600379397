"""Decides, for each item or passage that a session was served, whether it was used, and whether the person accepted or refused that.

A mark counts where the agent was the first in the session to write it, after the text that has it was served. Unsure is no use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.knowledge.uses.acts import Act, Acted, in_one_line, read_acts
from app.knowledge.uses.marks import Marks, Setting, has_structure, marks_of, telling_words, values_after
from app.sessions.event import Event
from app.trajectory.events import commands_of, ending, objects, runs_tests

MIN_NAMES, MIN_NAMES_OF_MANY, MANY = 2, 3, 12
"""Names that must be taken over; of a text with more than MANY of them, one more."""
MAX_READ_CHARS = 100_000
"""Characters read of one text."""
HEAD_CHARS, CUT_CHARS = 200, 40
_CUT = re.compile(r"… \[cut: \d+ characters\]\s*$")
"""The end of a text that the journal cut."""
_WORDS = re.compile(r"[a-z0-9_]+")
_PARTS = re.compile(r"[^\W_]+")
_CLAUSE = re.compile(r"[,.!;:\n。！，；]")
_DOUBT = re.compile(
    r"[?？]|\b(?:but|however|except|though|although|unfortunately|still|fail\w*|broke\w*|errors?|wrong|revert|undo|instead|not|doesn['’]t|"
    r"aber|leider|jedoch|nicht|trotzdem|mais|cependant|pourtant|pas|pero|mas|porém|sin embargo|no)\b|但|不过|可是|然而|失败|报错|还是|不行",
    re.IGNORECASE,
)
_DISMISSED = re.compile(
    r"\b(?:but|however|although|not|no longer|never|outdated|obsolete|deprecated|irrelevant|ignor\w+|doesn['’]t|isn['’]t|wrong|unrelated|instead of|rather than|removed|would have|"
    r"aber|nicht|veraltet|kein\w*|mais|pas|obsolète|pero|mas|não|obsoleto|desactualizado)\b|但|不适用|过时|不是|不再|无关",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ServedText:
    """An item or passage that a session was served, and the seq of the event by which the session had it."""

    id: UUID
    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class NoticedUse:
    """One verdict of a session on what it was served: the place where it was used, and whether the person accepted that."""

    id: UUID
    accepted: bool
    act: Act
    locator: str
    at: datetime | None


@dataclass(slots=True)
class _Use:
    """Something served that one exchange took over, with the last event of it. `number`: how many acts the exchange had then."""

    seq: int
    event: Event
    act: Act
    names: set[str]
    number: int


@dataclass(slots=True)
class _Exchange:
    """The number of commands and changes that followed a prompt, and the seq and result of the last run of tests."""

    acts: int = 0
    tested: int = 0
    passed: bool = False

    def add(self, seq: int, event: Event, acted: Acted) -> None:
        self.acts += acted.act in {"command", "change"}
        if runs_tests(event):
            self.tested, self.passed = seq, event.outcome == "ok"

    def proves(self, use: _Use) -> bool:
        """Tell whether tests passed after what was done; they say nothing of an answer's words."""
        return use.act != "answer" and self.passed and self.tested >= use.seq


@dataclass(slots=True)
class _Words:
    """A text, case-folded, and its words. `cut`: there was more of it, which nobody can read any more."""

    text: str
    words: frozenset[str]
    cut: bool

    @classmethod
    def of(cls, text: str) -> _Words:
        folded = text[:MAX_READ_CHARS].casefold()
        return cls(folded, frozenset(_WORDS.findall(folded)), len(text) >= MAX_READ_CHARS or _CUT.search(text[-CUT_CHARS:]) is not None)


@dataclass(slots=True)
class _Watched:
    """A served text while its session is read. `seen`: marks that others wrote first; `own`: those that the agent wrote first."""

    served: ServedText
    marks: Marks
    seen: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    seen_values: set[Setting] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    use: _Use | None = None
    uses: list[tuple[bool, _Use]] = field(default_factory=list)

    def known_before(self, words: _Words) -> None:
        """Take note of what somebody other than the agent wrote, or of what was there before the text was served."""
        self.seen |= self.found(words) - self.own
        self.seen_values |= self.settings(words)
        self.seen |= {
            each for each in self.marks.commands if self.marks.words[each] in words.words and each.casefold() in words.text
        } - self.own

    def maybe_known_before(self) -> None:
        """Take it that all marks are known which the agent hasn't written: they may have stood where a text was cut."""
        self.seen |= {*(each.name for each in self.marks.names), *self.marks.commands} - self.own
        self.seen_values |= set(self.marks.settings)

    def written(self, words: _Words) -> tuple[set[str], set[str]]:
        """Take note of what the agent wrote; return the names that it was the first to write, and those that it was first to give their value."""
        names, settings = self.found(words), self.settings(words) - self.seen_values
        self.own |= names - self.seen
        return names & self.own, {each.name for each in settings}

    def ran(self, commands: str) -> set[str]:
        """Return those of the text's commands that were run, and that the agent is the first to write."""
        line = f" {commands} "
        found = {each for each in self.marks.commands if f" {in_one_line(commands_of(each))} " in line}
        self.own |= found - self.seen
        return found & self.own

    def taken_out(self, removed: _Words, written: _Words) -> set[str]:
        """Take note of what stood where the agent changes something; return its names that are there still. A use that is undone is none."""
        before, after = self.found(removed), self.found(written)
        undone = (before - after) | {each.name for each in self.settings(removed) - self.settings(written)}
        if self.use is not None and undone & self.use.names:
            self.use = None
        self.done -= undone
        self.known_before(removed)
        return before & after

    def enough(self, names: set[str], act: Act) -> bool:
        """Tell whether so many names show that the text was followed. Files are named by whoever works on them: only an answer quotes them."""
        marks = [each for each in self.marks.names if each.name in names]
        if act != "answer":
            marks = marks if act == "change" and not all(each.path for each in marks) else [each for each in marks if not each.path]
        many = len(self.marks.names) > MANY
        telling = act != "answer" and not many and any(each.telling for each in marks)
        return telling or len(_apart(each.name for each in marks)) >= (MIN_NAMES_OF_MANY if many else MIN_NAMES)

    def found(self, words: _Words) -> set[str]:
        """Return the names that a text has."""
        known, patterns = self.marks.words, self.marks.patterns
        return {each.name for each in self.marks.names if known[each.name] in words.words and patterns[each.name].search(words.text)}

    def settings(self, words: _Words) -> set[Setting]:
        """Return the settings that a text gives their value."""
        known, patterns = self.marks.words, self.marks.patterns
        there = [each for each in self.marks.settings if known[each.name] in words.words]
        values = {name: set(values_after(words.text, patterns[name])) for name in {each.name for each in there}}
        return {each for each in there if each.value in values[each.name]}


class _Index:
    """Finds the served texts of which a text may have a mark: most have none, and cost one intersection of sets."""

    def __init__(self, watched: Sequence[_Watched]) -> None:
        self._by_word: dict[str, list[int]] = {}
        for place, each in enumerate(watched):
            for word in set(each.marks.words.values()):
                self._by_word.setdefault(word, []).append(place)
        self._words = frozenset(self._by_word)
        self._watched = watched

    def of(self, texts: Iterable[_Words]) -> list[_Watched]:
        places = {place for text in texts for word in self._words & text.words for place in self._by_word[word]}
        return [self._watched[place] for place in sorted(places)]


@dataclass(frozen=True, slots=True)
class _Read:
    """One event's texts, read once for all served texts."""

    seq: int
    event: Event
    acted: Acted
    looked: _Words
    removed: _Words
    written: _Words
    others: _Words

    @classmethod
    def of(cls, seq: int, event: Event, acted: Acted) -> _Read:
        return cls(seq, event, acted, *map(_Words.of, (acted.looked, acted.removed, acted.written, acted.others)))

    @property
    def texts(self) -> tuple[_Words, ...]:
        return self.looked, self.removed, self.written, self.others


def notice_uses(served: Sequence[ServedText], events: Iterable[tuple[int, Event]]) -> list[NoticedUse]:
    """Return at most one use of each served text. `events`: all of the session's, each with its seq, in order."""
    watched = [_Watched(each, marks) for each in served if (marks := marks_of(each.text))]
    if not watched:
        return []
    index, exchange = _Index(watched), _Exchange()
    for seq, event in events:
        if event.kind == "thinking":
            continue
        if event.kind == "prompt" and not event.sidechain:
            _close(watched, exchange, event.text)
            exchange = _Exchange()
        acted = read_acts(event)
        exchange.add(seq, event, acted)
        read = _Read.of(seq, event, acted)
        for each in index.of(read.texts):
            if seq > each.served.seq:
                _follow(each, read, exchange.acts)
                each.known_before(read.others)
            else:
                for words in read.texts:
                    each.known_before(words)
        if any(words.cut for words in read.texts):
            for each in watched:
                if read.others.cut or seq <= each.served.seq:
                    each.maybe_known_before()
    return [found for each in watched if (found := _verdict(each)) is not None]


def _follow(watched: _Watched, read: _Read, number: int) -> None:
    """Take note of what the agent does in an event, and of what of it follows the text."""
    act, words = read.acted.act, read.written
    watched.written(read.looked)
    commands = watched.ran(read.acted.ran)
    stayed = watched.taken_out(read.removed, words)
    names, settings = watched.written(words)
    names -= stayed
    if act == "answer":
        names = {each for each in names if not _is_dismissed(words.text, watched.marks.patterns[each])}
        if watched.use is None and watched.enough(names, act):
            watched.use = _Use(read.seq, read.event, act, names, number)
    elif commands or settings or (names and watched.enough(names | watched.done, act or "change")):
        kind: Act = "command" if commands else act or "change"
        use = _Use(read.seq, read.event, kind, names | watched.done | settings | commands, number)
        if act is not None:
            watched.use = use
        elif read.event.outcome == "rejected":
            watched.uses.append((False, use))
    if act in {"command", "change"}:
        watched.done |= names


def _close(watched: Iterable[_Watched], exchange: _Exchange, prompt: str) -> None:
    """Judge what was used in an exchange by the prompt that follows it."""
    ended, said, refused = ending(prompt), prompt[:HEAD_CHARS], objects(prompt)
    # An error that was pasted, or thanks with a but, tells of the whole exchange: not that what was used was wrong.
    doubtful = ended == "corrected" or _is_doubtful(prompt)
    for each in watched:
        if refused:
            each.uses += [(False, use) for accepted, use in each.uses if accepted and _speaks_of(said, use)]
        use, each.use = each.use, None
        each.done = set()
        if use is None:
            continue
        if refused:
            if use.number == exchange.acts or _speaks_of(said, use):
                each.uses.append((False, use))
        elif not doubtful and (ended == "accepted" or exchange.proves(use)):
            each.uses.append((True, use))


def _verdict(watched: _Watched) -> NoticedUse | None:
    """Return the session's verdict; None where there is none, or where one use was accepted and another refused."""
    if len({accepted for accepted, _ in watched.uses}) != 1:
        return None
    accepted, use = watched.uses[0]
    return NoticedUse(watched.served.id, accepted, use.act, use.event.locator, use.event.at)


def _speaks_of(prompt: str, use: _Use) -> bool:
    """Tell whether a prompt has one of the used names, written as such or in words ("pool pre ping"), or a command's word that isn't everybody's."""
    telling = (word for name in use.names for word in (telling_words(name) if " " in name else [name] if has_structure(name) else []))
    words = f" {_spaced(prompt)} "
    return any(f" {_spaced(each)} " in words for each in telling)


def _spaced(text: str) -> str:
    return " ".join(_PARTS.findall(text.casefold()))


def _is_doubtful(prompt: str) -> bool:
    """Tell whether a prompt that begins as an acceptance has a doubt in its first two clauses."""
    clauses = _CLAUSE.split(prompt.strip()[:HEAD_CHARS], maxsplit=2)[:2]
    return any(_DOUBT.search(each) for each in clauses)


def _is_dismissed(text: str, name: re.Pattern[str]) -> bool:
    """Tell whether every line that has the name says that it isn't so, or isn't needed."""
    lines: Iterator[str] = (line for line in text.splitlines() if name.search(line))
    return all(_DISMISSED.search(line) for line in lines)


def _apart(names: Iterable[str]) -> set[str]:
    """Leave out names that are part of another one."""
    several = set(names)
    return {each for each in several if not any(each != other and each in other for other in several)}
