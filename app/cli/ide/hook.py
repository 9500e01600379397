"""`cairn hook EVENT`: takes an IDE's hook, decides what may leave the machine, sends it, prints the IDE's answer. Never fails the IDE.

Imports nothing but the standard library and what stands beside it: it runs at every event. Whatever happens, it prints JSON and exits
with 0; what happened is in its stamp, which `cairn doctor` reads.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from app.cli.ide.exchange import HookExchange
from app.cli.ide.payload import (
    MAX_READ_BYTES,
    HookPayload,
    UnusablePayload,
    event_name,
    header_value,
    permitted_answer,
    read_payload,
)
from app.cli.ide.stamps import IDES, HookOutcome, note_away, recently_away, write_stamp
from app.cli.kept import keep_session
from app.cli.machine import HookWaits
from app.cli.pauses import read_pause
from app.cli.place import WorkPlace, read_place_or_private
from app.cli.server_address import ServerAddress, find_server

ANSWERED = frozenset({"session-start", "user-prompt-submit"})
"""Events whose answer may add to the conversation."""
FREQUENT = re.compile(r"post-tool-use|after-")
"""Events of which a turn has many: these are left out for a moment where the server let one wait in vain."""
CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class HookResult:
    """The outcome of a hook, and the answer that the IDE gets."""

    outcome: HookOutcome
    detail: str = ""
    answer: dict[str, Any] | None = None


def main(arguments: Sequence[str]) -> NoReturn:
    """Answer a hook and end the process, with status 0."""
    answer: dict[str, Any] = {}
    ide, event = "claude-code", "unknown"
    try:
        ide, event = parse(arguments)
        payload = read_payload(_read_input(), event=event, env=os.environ, here=Path.cwd())
        event = payload.event
        result = handle(ide, payload)
        write_stamp(ide, event, result.outcome, "; ".join(filter(None, (result.detail, payload.note))))
        answer = result.answer or {}
    except UnusablePayload as error:
        write_stamp(ide, event, "unreadable", str(error))
    except BaseException as error:  # noqa: BLE001 - an IDE never hears of an error of ours, an interrupt included
        write_stamp(ide, event, "failed", f"{type(error).__name__}: {error}")
    finally:
        _end(answer)


def parse(arguments: Sequence[str]) -> tuple[str, str]:
    """Read the command line: (ide, event). An unknown IDE is taken for Claude Code; what else is unknown is passed over."""
    words, ide = [], "claude-code"
    rest = iter(arguments)
    for each in rest:
        if each == "--ide":
            ide = next(rest, ide)
        elif each.startswith("--ide="):
            ide = each.removeprefix("--ide=")
        elif not each.startswith("-"):
            words.append(each)
    return ide if ide in IDES else "claude-code", event_name(words[0]) if words else "unknown"


def handle(ide: str, payload: HookPayload) -> HookResult:
    """Decide whether the hook may be sent, and send it."""
    if (pause := read_pause()) is not None:
        keep_session(payload.body)
        return HookResult("paused", "capture is paused on this machine" + ("" if pause.until else " until it is ended"))
    read = [read_place_or_private(directory) for directory in payload.directories]
    place, settings = read[0]
    if os.environ.get("CAIRN_PRIVATE"):
        keep_session(payload.body)
        return HookResult("private", "CAIRN_PRIVATE is set")
    if (private := next((each.private for each, _ in read if each.private), None)) is not None:
        return HookResult("private", private)
    if not all(each.capture for each, _ in read) and (payload.event != "session-start" or not place.inject):
        return HookResult("off", f"capture is off in {place.directory}")
    server = find_server(settings)
    if server is None:
        return HookResult("no_server", "no server is known: set CAIRN_URL, or start `cairn serve`")
    if FREQUENT.match(payload.event) and recently_away():
        return HookResult("away", "the server didn't answer a hook in time a moment ago")
    return send(ide, payload, place, server, settings.waits)


def send(ide: str, payload: HookPayload, place: WorkPlace, server: ServerAddress, waits: HookWaits) -> HookResult:
    """Send the hook as the IDE wrote it, with what the client knows of its place; return what the server's answer means."""
    exchange = HookExchange(f"{server.url}/v1/hooks/{ide}", payload.body, headers_of(place, server.key))
    answered = payload.event in ANSWERED
    exchange.run(connect_seconds=waits.connect_ms / 1000, answer_seconds=(waits.answer_ms if answered else waits.receipt_ms) / 1000)
    if exchange.status is None:
        if exchange.waited and not answered:  # a slow search is no server that is away
            note_away()
        return HookResult("away", f"the server at {server.url} doesn't answer ({exchange.problem})")
    if exchange.status == 401:
        return HookResult("refused", f"the server at {server.url} refuses the key (401): check CAIRN_KEY or client.toml")
    if exchange.status == 403:
        said = "its role can't write, the session is another developer's, or the project isn't open to you"
        return HookResult("refused", f"the server at {server.url} accepts no sessions from this key here (403): {said}")
    if exchange.status >= 300:
        return HookResult("failed", f"the server at {server.url} answered with status {exchange.status}")
    return HookResult("sent", answer=permitted_answer(ide, exchange.answer, payload.event) if place.inject else {})


def headers_of(place: WorkPlace, key: str | None) -> dict[str, str]:
    """Build the request's headers, each value percent-encoded where it isn't printable ASCII."""
    told = {
        "x-cairn-project": place.project,
        "x-cairn-repository": place.repository,
        "x-cairn-branch": place.branch,
        "x-cairn-directory-name": place.name,
        "x-cairn-directory": str(place.main) if place.main else None,
        "x-cairn-inject": None if place.inject else "off",
    }
    headers = {name: header_value(value) for name, value in told.items() if value}
    if key is not None and key.isascii() and key.isprintable():
        headers["authorization"] = f"Bearer {key}"
    return {**headers, "content-type": "application/json"}


def _read_input() -> bytes:
    """Read standard input, and all of it: an IDE whose pipe closes early reports an error. Beyond the limit it is dropped."""
    if sys.stdin is None or sys.stdin.isatty():
        return b""
    kept = bytearray()
    while chunk := sys.stdin.buffer.read(CHUNK_BYTES):
        if len(kept) <= MAX_READ_BYTES:
            kept += chunk
    return bytes(kept)


def _end(answer: dict[str, Any]) -> NoReturn:
    """Print the answer and leave at once, without waiting for a request that is still under way."""
    try:
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.flush()
    finally:
        os._exit(0)
