"""Tells `cairn doctor` when each IDE's last event arrived, and what stops capture on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from app.cli.check import Check, Verdict
from app.cli.ide.config_file import open_to_others
from app.cli.ide.stamps import IDES, HookOutcome, HookStamp, read_stamps
from app.cli.kept import count_kept
from app.cli.machine import client_file, read_client_settings
from app.cli.pauses import read_pause
from app.cli.place import read_place
from app.errors import ConfigurationError

VERDICTS: Mapping[HookOutcome, Verdict] = {"sent": "ok", "refused": "failed", "away": "failed", "no_server": "failed", "failed": "failed"}
"""Outcomes that are no note: the others are as the developer wants it, or of one event alone."""


def capture_checks(directory: Path) -> Iterator[Check]:
    """Check what decides on this machine alone: a pause, the user's file, the directory's rules, and the last hook of each IDE."""
    if (pause := read_pause()) is not None:
        until = f"until {_clock(pause.until)}" if pause.until is not None else "until `cairn pause --off`"
        yield Check("capture", "note", f"paused on this machine {until}: no hook sends anything")
    if kept := count_kept():
        yield Check(
            "kept sessions",
            "note",
            f"{kept} stay{'s' if kept == 1 else ''} on this machine: recorded during a pause or with CAIRN_PRIVATE;"
            " `cairn ingest FILE` sends one all the same",
        )
    try:
        settings = read_client_settings()
    except ConfigurationError as error:
        yield Check("capture", "failed", error.message)
        return
    if settings.key and open_to_others(path := client_file()):
        yield Check("client.toml", "note", f"{path} contains your key and can be read by other users: run chmod 600 {path}")
    place = read_place(directory, settings)
    if place.private is not None:
        yield Check("capture", "note", f"nothing in this folder is sent: {place.private}")
    elif not place.capture:
        yield Check("capture", "note", "off in this folder (.cairn.toml)")
    stamps = list(read_stamps())
    for last, sent in stamps:
        yield _hook(last, sent)
    if not stamps:
        yield Check("hooks", "note", "no IDE has called `cairn hook` yet: connect one with `cairn connect claude-code|codex|cursor|vscode`")


def arrivals(sessions: Iterable[Mapping[str, Any]]) -> Iterator[Check]:
    """Check when the server last heard of a session of each IDE, by whatever way, from its newest sessions."""
    newest: dict[str, str] = {}
    for each in sessions:
        provider, at = str(each.get("provider", "")), each.get("ended_at") or each.get("started_at")
        if provider in IDES and at is not None:
            newest[provider] = max(newest.get(provider, ""), str(at))
    for provider, at in sorted(newest.items()):
        yield Check(f"sessions of {provider}", "ok", f"the server's newest event is from {at[:19].replace('T', ' ')}")


def _hook(last: HookStamp, sent: HookStamp | None) -> Check:
    arrived = f"last event sent {_clock(sent.at)} ({sent.event})" if sent is not None else "no event was sent yet"
    if last.outcome == "sent":
        return Check(f"hook of {last.ide}", "ok", arrived + (f"; {last.detail}" if last.detail else ""))
    why = f"the one of {_clock(last.at)} ({last.event}) was not: {last.detail or last.outcome}"
    return Check(f"hook of {last.ide}", VERDICTS.get(last.outcome, "note"), f"{arrived}; {why}")


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
