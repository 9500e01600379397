"""A hook's payload and what is read of it: the record that all IDEs' hooks become, and the events that their fields become."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from app.errors import InvalidInput
from app.sessions.event import Event, Kind, Role, SessionHeader
from app.sessions.formats.tools import PendingToolCall, exit_code_of, files_of, tool_input
from app.sessions.formats.values import mapping, string, text_of
from app.sessions.formats.words import prompt_in

Ide = Literal["claude-code", "codex", "cursor"]
Moment = Literal["session_start", "prompt", "tool", "reply", "compaction", "session_end", "other"]
MAX_ID_CHARS = 200
MAX_NAME_CHARS = 100
OUTPUT_KEYS = ("content", "result", "output", "text", "message", "results")
"""Fields under which a tool's structured result holds its text, the first that has any."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook. `name`: the event as the IDE calls it; `prompt`: what a person typed; `source`: how a session started."""

    ide: Ide
    name: str
    moment: Moment
    header: SessionHeader
    events: tuple[Event, ...] = ()
    prompt: str | None = None
    source: str | None = None

    @property
    def session(self) -> str:
        return self.header.external_id


@dataclass(frozen=True, slots=True)
class Payload:
    """The JSON of a hook, as it came at `at`. A field of another type than the documented one counts as absent."""

    ide: Ide
    fields: Mapping[str, object]
    at: datetime

    def text(self, *names: str) -> str | None:
        """Return the first of these fields that is a non-empty string."""
        return next((found for name in names if (found := string(self.fields.get(name)))), None)

    def required(self, *names: str, max_chars: int) -> str:
        """Return the first of these fields. InvalidInput for one that is absent, too long or holds a control character."""
        found = self.text(*names)
        if found is None:
            raise InvalidInput(f"{names[0]} is missing: send the hook's input as the IDE gave it.", param=names[0])
        if len(found) > max_chars or not found.isprintable():
            raise InvalidInput(
                f"{names[0]} is longer than {max_chars} characters, or isn't printable: send the hook's input as the IDE gave it.",
                param=names[0],
            )
        return found

    def hook(
        self,
        name: str,
        moment: Moment,
        session: str,
        *,
        events: tuple[Event, ...] = (),
        directory: str | None = None,
        prompt: str | None = None,
    ) -> Hook:
        """Build the hook's record, with the session's header."""
        header = SessionHeader(
            self.ide,
            session,
            directory=directory,
            agent_version=self.text("version", "cursor_version"),
            model=self.text("model"),
        )
        return Hook(self.ide, name, moment, header, events, prompt, self.text("source"))

    def text_events(self, role: Role, kind: Kind, text: str | None, *, turn: str | None, sidechain: bool = False) -> tuple[Event, ...]:
        """Make the event of a text, provisional until the transcript's own comes; none of an empty one."""
        if text is None or not text.strip():
            return ()
        event_id = self.id(kind, turn or "", text)
        return (Event(event_id, role, kind, text, event_id, self.at, sidechain=sidechain, provisional=True),)

    def prompt(self, text: str | None, *, turn: str | None, sidechain: bool = False) -> tuple[Event, ...]:
        """Return the event of a typed prompt; none of a command, which the transcript tells in other words."""
        typed = None if text is None or is_command(text) else prompt_in(text)
        return self.text_events("user", "notice" if sidechain else "prompt", typed, turn=turn, sidechain=sidechain)

    def tool(
        self, key: str | None, name: str | None, given: object, output: str, *, failed: bool | None, sidechain: bool = False
    ) -> tuple[Event, ...]:
        """Return the event of a tool's call with its result. `key`: the call's own id, which the transcript gives too."""
        if name is None:
            return ()
        asked = tool_input(name, given)
        event_id = key if key and len(key) <= MAX_ID_CHARS else self.id("tool", name, asked, output)
        call = PendingToolCall(event_id, name, asked, event_id, self.at, sidechain, files=files_of(given))
        code = exit_code_of(output[:200]) if failed else None
        return (replace(call.event(output, failed=failed, exit_code=code), provisional=True),)

    def id(self, *parts: str) -> str:
        """Return the id of what has none of its own: the same hook, sent again, has the same."""
        digest = hashlib.blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()
        return f"hook:{digest}"


def is_command(prompt: str) -> bool:
    """Tell whether a prompt is a command to the IDE, such as `/compact`; a path such as `/etc/hosts` is none."""
    word = next(iter(prompt.split(maxsplit=1)), "")
    return len(word) > 1 and word[0] == "/" and "/" not in word[1:]


def output_of(response: object) -> str:
    """Return a tool's result as its transcript has it: text, blocks of text, what a shell printed, a file; anything else as JSON."""
    if isinstance(response, str):
        return response
    given = mapping(response)
    if "stdout" in given or "stderr" in given:
        printed = (string(given.get("stdout")) or "", string(given.get("stderr")) or "")
        return "\n".join(each.rstrip("\n") for each in printed if each.strip())
    if file := mapping(given.get("file")):
        return text_of(file.get("content"))
    if text := text_of(response):
        return text
    for key in OUTPUT_KEYS:
        if text := text_of(given.get(key)):
            return text
    if isinstance(names := given.get("filenames"), list):
        return "\n".join(name for name in names if isinstance(name, str))
    return "" if response is None else json.dumps(response, ensure_ascii=False)
