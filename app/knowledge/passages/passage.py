"""What a passage is: a piece of what was said in a session, small enough to match a question, with where it stands."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SourceKind = Literal["said", "command", "output"]
"""Said by a person or an agent; a command that was run; a command with the telling lines of its output."""
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage. `text` is verbatim, without its heading; `indexed` is what is embedded and searched.

    `exchange`: the number of the prompt that it belongs to (0: before the first). `ordinal`: its place in the session, from 0.
    `prompt`: the beginning of the prompt that it answers; empty for a prompt itself. `files`: what the exchange's tools touched before it.
    `seq`, `event_id`, `locator`, `at`: of the event it was cut from. `sidechain`: said by or to a sub-agent.
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
        """See `indexed`."""
        return indexed(self.heading, self.text)

    @property
    def key(self) -> str:
        """The same for exact repeats, white space aside: they are stored once (within a project) and count their places."""
        return hashlib.sha256(_SPACES.sub(" ", self.indexed).strip().encode("utf-8", "replace")).hexdigest()


def indexed(heading: str, text: str) -> str:
    """What is embedded and searched: the text under its heading, since a list item alone often doesn't name its subject."""
    return f"{heading}\n{text}" if heading else text
