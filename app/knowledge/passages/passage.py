"""Defines a passage: a piece of a session's dialogue, small enough to match a question, with its position."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SourceKind = Literal["said", "command", "output"]
"""Said by a person or an agent; a command without output; a command with the informative lines of its output."""
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage. `text` is verbatim, without its heading; `indexed` is what is embedded and searched.

    `exchange`: the number of its prompt (0: before the first). `ordinal`: its position in the session, from 0.
    `prompt`: the beginning of the prompt it replies to; empty for a prompt itself. `files`: touched by the exchange's tools before it.
    `seq`, `event_id`, `locator`, `at`: those of its event. `sidechain`: said by or to a sub-agent.
    """

    session: str
    exchange: int
    ordinal: int
    role: str
    kind: SourceKind
    text: str
    heading: str
    prompt: str
    seq: int
    event_id: str
    locator: str
    at: datetime | None = None
    files: tuple[str, ...] = ()
    sidechain: bool = False

    @property
    def indexed(self) -> str:
        """The text under its heading; see the function `indexed`."""
        return indexed(self.heading, self.text)

    @property
    def key(self) -> str:
        """SHA-256 of `indexed`, white space normalized: exact repeats in a project share one row."""
        return hashlib.sha256(_SPACES.sub(" ", self.indexed).strip().encode("utf-8", "replace")).hexdigest()


def indexed(heading: str, text: str) -> str:
    """Return the text to embed and search: with its heading, since a list item alone often doesn't name its subject."""
    return f"{heading}\n{text}" if heading else text
