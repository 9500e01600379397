"""Amp's threads: one JSON document each, with Anthropic's blocks; and what `amp --stream-json` prints, a record a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from urllib.parse import unquote, urlsplit

from app.sessions.event import SessionHeader
from app.sessions.formats.blocks import read_blocks, usage_of
from app.sessions.formats.json_documents import EACH, JsonDocument
from app.sessions.formats.lines import Line, decoded_lines, each_of, json_lines
from app.sessions.formats.openings import beginning, is_one_document
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, records_in, string, time_of
from app.settings import SessionsSettings

PROVIDER = "amp"
Record = dict[str, object]


def parse(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally) -> Iterator[Read]:
    first = beginning(chunks)
    rest = chain([first], chunks)
    if is_one_document(first, "messages"):
        with JsonDocument(rest, tally, max_bytes=limits.max_line_bytes) as document:
            yield from _thread(document, tally)
    else:
        yield from _stream(decoded_lines(rest, limits=limits, tally=tally), tally)


def _thread(document: JsonDocument, tally: ParseTally) -> Iterator[Read]:
    facts = {path[0]: value for path, value in document.facts(("id",), ("title",), ("created",)).items()}
    trees = mapping(next((each for _, each in document.items("env", "initial")), None)).get("trees")
    tree = next(iter(records_in(trees)), {})
    repository = mapping(tree.get("repository"))
    header = SessionHeader(
        PROVIDER,
        string(facts.get("id")) or content_id(str(facts.get("created"))),
        started_at=time_of(facts.get("created"), tally),
        directory=file_path(tree.get("uri")),
        repository=string(repository.get("url")),
        branch=(string(repository.get("ref")) or "").removeprefix("refs/heads/") or None,
        commit=string(repository.get("sha")),
    )
    turns = Turns(header, tally)
    turns.learn(title=string(facts.get("title")))
    for locator, message in document.items("messages", EACH):
        yield from each_of(_message(turns, mapping(message), locator, tally), locator, tally)
    yield from turns.rest()


def _message(turns: Turns, message: Record, locator: str, tally: ParseTally) -> Iterator[Read]:
    """Read a message. Its texts are known by their content, as the same thread's printed stream has no ids."""
    usage = mapping(message.get("usage"))
    sent = mapping(message.get("meta")).get("sentAt") or usage.get("timestamp")
    facts = RecordFacts(locator, None, time_of(sent, tally), string(usage.get("model")), usage_of(usage))
    facts.sidechain = bool(message.get("parentToolUseId"))
    yield from read_blocks(turns, facts, "user" if message.get("role") == "user" else "assistant", message.get("content"), tally)


def _stream(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    turns: Turns | None = None
    for line, record in json_lines(lines, tally):
        if turns is None:
            turns = Turns(SessionHeader(PROVIDER, string(record.get("session_id")) or content_id(line.text[:2000])), tally)
        turns.learn(directory=string(record.get("cwd")))
        if string(record.get("type")) not in {"user", "assistant"}:
            tally.skip_kind("record", record.get("type"), {"system", "result"})
            continue
        message = mapping(record.get("message"))
        facts = RecordFacts(line.locator, model=string(message.get("model")), usage=usage_of(mapping(message.get("usage"))))
        facts = replace(facts, sidechain=bool(record.get("parent_tool_use_id")))
        role = "user" if record["type"] == "user" else "assistant"
        yield from each_of(read_blocks(turns, facts, role, message.get("content"), tally), line.locator, tally)
    if turns is not None:
        yield from turns.rest()


def file_path(uri: object) -> str | None:
    """Return the path of a `file:` URL, on Windows without the slash before the drive; a plain path as it is."""
    if not isinstance(uri, str) or not uri:
        return None
    try:
        split = urlsplit(uri)
    except ValueError:
        return None
    if split.scheme != "file":
        return uri if "://" not in uri else None
    path = unquote(split.path)
    return path[1:] if path[2:3] == ":" else path or None
