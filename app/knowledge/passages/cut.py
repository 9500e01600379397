"""Cuts a session's events into passages, in order. Resumable: a small state carries from one event to the next, however long the session.

Kept: prompts, replies, commands and the informative lines of their output. Dropped: notices, thinking, tool noise, and what Cairn itself
served (as a tool's output, in an `untrusted` block, or quoted by the agent).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.knowledge.passages.blocks import TextBlock, pieces
from app.knowledge.passages.outputs import informative_text, is_report, is_served, touched
from app.knowledge.passages.passage import Passage, SourceKind
from app.sessions.event import Event

MAX_PROMPT_CHARS = 160
MAX_FILES = 8
MAX_PASSAGES_AN_EVENT = 300
MAX_SERVED_LINES = 400
_MIN_SERVED_CHARS = 24
_UNTRUSTED = re.compile(r"<(untrusted|cairn)[^>]{0,200}>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_UNTRUSTED_JSON = re.compile(r'"untrusted"\s*:\s*true')
_WORDS = re.compile(r"\w+")


@dataclass(slots=True)
class CutState:
    """The cutting's state between two events. JSON-serializable: stored with the checkpoint, a few kB at most."""

    exchange: int = 0
    ordinal: int = 0
    prompt: str = ""
    files: list[str] = field(default_factory=list)
    served: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> CutState:
        """Restore a stored state; fields that it lacks keep their defaults, unknown ones are ignored."""
        return cls(**{name: stored[name] for name in cls.__slots__ if name in stored})


class PassageCutter:
    """Cuts one session. Feed each event once, by ascending seq; then store `state` with the last seq."""

    def __init__(self, session: str, state: CutState | None = None) -> None:
        self._session = session
        self.state = state or CutState()

    def cut(self, events: Iterable[tuple[int, Event]]) -> list[Passage]:
        """Return the passages of these (seq, event) pairs."""
        return [passage for seq, event in events for passage in self.feed(seq, event)]

    def feed(self, seq: int, event: Event) -> list[Passage]:
        """Return the passages of the next event. The cost depends on this event alone."""
        match event.kind:
            case "prompt" | "reply":
                return self._said(seq, event)
            case "tool":
                return self._tool(seq, event)
            case "thinking" | "notice":
                return []

    def _said(self, seq: int, event: Event) -> list[Passage]:
        state = self.state
        text = _UNTRUSTED.sub("", event.text) if "<" in event.text else event.text
        opens = event.kind == "prompt" and not event.sidechain
        if opens:
            state.exchange += 1
            state.files = []
            state.prompt = ""
        found: list[TextBlock] = []
        for piece in pieces(text):
            if not _UNTRUSTED_JSON.search(piece.text) and not self._was_served(piece.text):
                found.append(piece)
            if len(found) >= MAX_PASSAGES_AN_EVENT:
                break
        made = [self._passage(seq, event, "said", piece) for piece in found]
        if opens:
            state.prompt = " ".join(text[: MAX_PROMPT_CHARS * 2].split())[:MAX_PROMPT_CHARS]
        return made

    def _tool(self, seq: int, event: Event) -> list[Passage]:
        if is_served(event):
            self._serve(event.tool.output if event.tool else "")
            return []
        if file := touched(event):
            self.state.files = [file, *(each for each in self.state.files if each != file)][:MAX_FILES]
        if is_report(event) and event.tool is not None:
            return self._said(seq, replace(event, text=event.tool.output, role="assistant", kind="reply", sidechain=True))
        text, has_output = informative_text(event)
        if not text or _UNTRUSTED_JSON.search(text):
            return []
        return [self._passage(seq, event, "output" if has_output else "command", TextBlock("", text))]

    def _passage(self, seq: int, event: Event, kind: SourceKind, piece: TextBlock) -> Passage:
        ordinal, self.state.ordinal = self.state.ordinal, self.state.ordinal + 1
        return Passage(
            session=self._session,
            exchange=self.state.exchange,
            ordinal=ordinal,
            role=event.role,
            kind=kind,
            text=piece.text,
            heading=piece.heading,
            prompt=self.state.prompt,
            seq=seq,
            event_id=event.id,
            locator=event.locator,
            at=event.at,
            files=tuple(self.state.files),
            sidechain=event.sidechain,
        )

    def _serve(self, output: str) -> None:
        """Remember the hashes of the lines that Cairn served, since the agent may repeat them."""
        lines = re.split(r"\\n|\n|(?<=[.!?])\s+", output[:50_000])
        self.state.served = [*self.state.served, *(code for line in lines if (code := _hash(line)))][-MAX_SERVED_LINES:]

    def _was_served(self, text: str) -> bool:
        """Tell whether most of a piece's lines were served by Cairn before."""
        if not self.state.served:
            return False
        codes = [code for line in re.split(r"\n|(?<=[.!?])\s+", text) if (code := _hash(line))]
        served = set(self.state.served)
        return bool(codes) and sum(code in served for code in codes) * 2 > len(codes)


def _hash(line: str) -> int:
    """Hash a line's words, ignoring marks that a quote adds. 0 for a line too short to be recognised."""
    words = " ".join(_WORDS.findall(line.casefold()))
    return zlib.crc32(words.encode("utf-8", "replace")) if len(words) >= _MIN_SERVED_CHARS else 0
