"""The sets that recall is measured on, read from ../shared/data without a server or a database."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections import defaultdict
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.knowledge.passages.cut import PassageCutter
from app.knowledge.passages.passage import Passage
from app.sessions.event import Event, SessionHeader, ToolUse
from app.sessions.formats import HEAD_BYTES, ParseTally, detect, parse
from app.sessions.redacted import storable
from app.settings import SessionsSettings

ROOT = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    return Path(os.environ.get("CAIRN_EVAL_DATA", ROOT.parent / "shared" / "data"))


def scratch() -> Path:
    folder = Path("/tmp") / f"cairn-recall-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    return folder


@dataclass(slots=True)
class Question:
    id: str
    text: str
    project: str
    answerable: bool = True
    must: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    style: str = ""
    lang: str = ""
    temporal: bool = False


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def questions(data: Path) -> list[Question]:
    made = []
    for row in lines(data / "questions" / "questions.jsonl"):
        must = [text for gold in row.get("gold", []) for text in gold["must_contain"]]
        made.append(
            Question(
                row["id"], row["question"], row["project"], row["answerable"], must, row.get("stale", []),
                row["style"], row["lang"], bool(row.get("temporal")),
            )
        )  # fmt: skip
    return made


def journal(data: Path) -> dict[str, dict[str, list[Event]]]:
    """project → session → its redacted events, as the journal holds them; kept on disk, since redaction takes a minute."""
    shape = ",".join(each.name for each in fields(Event))
    kept = scratch() / f"journal-{digest(shape).hex()[:8]}.pickle"  # events of another shape can't be read back
    if kept.exists():
        stored: dict[str, dict[str, list[Event]]] = pickle.loads(kept.read_bytes())
        return stored
    limits, sessions = SessionsSettings(), defaultdict[str, dict[str, list[Event]]](dict)
    for upload in lines(data / "questions" / "uploads.jsonl"):
        content = (data / upload["transcript"]).read_bytes()
        current: list[Event] = []
        for each in parse(iter([content]), format=detect(content[:HEAD_BYTES]), limits=limits, tally=ParseTally()):
            if isinstance(each, SessionHeader):
                current = sessions[upload["project"]].setdefault(f"{each.provider}:{each.external_id}", [])
            else:
                current.append(each)
    made = {project: {name: _redacted(events, limits) for name, events in found.items()} for project, found in sessions.items()}
    kept.write_bytes(pickle.dumps(made))
    return made


def _redacted(events: list[Event], limits: SessionsSettings) -> list[Event]:
    made = []
    for stored in storable(events, max_chars=1_000_000):
        row = stored.row
        tool = row["tool_name"] and ToolUse(row["tool_name"], row["tool_input"] or "", row["tool_output"] or "", row["exit_code"])
        made.append(
            Event(
                row["event_id"], row["role"], row["kind"], row["text"], row["locator"], row["at"], row["speaker"], tool or None,
                row["outcome"], row["sidechain"],
            )
        )  # fmt: skip
    return made


def project_passages(data: Path) -> dict[str, list[Passage]]:
    """project → its passages, in the order of the uploads."""
    return {
        project: [passage for session, events in sessions.items() for passage in PassageCutter(session).cut(enumerate(events, 1))]
        for project, sessions in journal(data).items()
    }


def devmem(data: Path) -> tuple[list[Passage], list[dict[str, Any]]]:
    """The passages of its sessions (by their numbers), and its questions."""
    made: list[Passage] = []
    for session in json.loads((data / "devmem" / "sessions.json").read_text()):
        at = datetime.fromisoformat(session["metadata"]["date"]).replace(tzinfo=UTC)
        cutter = PassageCutter(session["sessionId"])
        for number, message in enumerate(session["messages"], 1):
            kind = "prompt" if message["role"] == "user" else "reply"
            made += cutter.feed(number, Event(str(number), message["role"], kind, message["content"], f"L{number}", at))  # type: ignore[arg-type]
    return made, json.loads((data / "devmem" / "questions.json").read_text())


def document(key: str, text: str) -> Passage:
    """A text of a plain retrieval set as a passage of its own."""
    return Passage(key, 1, 0, "assistant", "said", text, "", "", 1, key, "L1")


def digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
