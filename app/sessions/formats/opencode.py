"""OpenCode: its export, {info, messages: [{info, parts}]}, which `cairn ingest` makes of its storage too; and its database."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from app.sessions.event import ReplyUsage, SessionHeader
from app.sessions.formats.databases import UploadedDatabase, is_database
from app.sessions.formats.json_documents import EACH, JsonDocument
from app.sessions.formats.lines import each_of
from app.sessions.formats.openings import beginning
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, nanousd, records_in, string, text_of, time_of, total, whole
from app.settings import SessionsSettings

PROVIDER = "opencode"
TABLES = ("session", "message", "part")
_RUNNING = frozenset({"pending", "running"})
_UNUSED = frozenset({"step-start", "step-finish", "snapshot", "patch", "file", "compaction", "agent", "retry"})
"""Kinds of records that hold nothing of what was said or done."""
Record = dict[str, object]


def parse(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally) -> Iterator[Read]:
    first = beginning(chunks)
    rest = chain([first], chunks)
    if is_database(first):
        with UploadedDatabase(rest, tally, tables=TABLES, max_bytes=limits.max_line_bytes) as database:
            yield from _sessions(database, tally)
        return
    with JsonDocument(rest, tally, max_bytes=limits.max_line_bytes) as document:
        info = mapping(next((each for _, each in document.items("info")), None))
        turns = _opened(info, tally)
        for locator, message in document.items("messages", EACH):
            given = mapping(message)
            found = _message(turns, mapping(given.get("info")), records_in(given.get("parts")), locator, info, tally)
            yield from each_of(found, locator, tally)
        yield from turns.rest()


def _sessions(database: UploadedDatabase, tally: ParseTally) -> Iterator[Read]:
    columns = "id, parent_id, directory, title, version, time_created"
    for row in database.rows(f"SELECT {columns} FROM session ORDER BY time_created, id"):  # noqa: S608 - constant
        name, parent, directory, title, version, created = row
        info: Record = {
            "id": name,
            "parentID": parent,
            "directory": directory,
            "title": title,
            "version": version,
            "time": {"created": created},
        }
        turns = _opened(info, tally)
        messages = database.rows("SELECT id, time_created, data FROM message WHERE session_id = ? ORDER BY time_created, id", name)
        for message_id, message_created, data in messages:
            own = {"id": message_id, "time": {"created": message_created}} | database.json(data, str(message_id))
            found = database.rows("SELECT id, data FROM part WHERE message_id = ? ORDER BY id", message_id)
            parts = ({"id": part_id} | database.json(part, str(part_id)) for part_id, part in found)
            yield from each_of(_message(turns, own, parts, str(message_id), info, tally), str(message_id), tally)
        yield from turns.rest()


def _opened(info: Record, tally: ParseTally) -> Turns:
    started = time_of(mapping(info.get("time")).get("created"), tally)
    header = SessionHeader(
        PROVIDER,
        string(info.get("id")) or content_id(str(info.get("title")), str(started)),
        started_at=started,
        directory=string(info.get("directory")),
        agent_version=string(info.get("version")),
    )
    turns = Turns(header, tally)
    turns.learn(title=string(info.get("title")))
    return turns


def _message(
    turns: Turns, message: Record, parts: Iterator[Record] | list[Record], locator: str, session: Record, tally: ParseTally
) -> Iterator[Read]:
    model = string(message.get("modelID")) or string(mapping(message.get("model")).get("modelID"))
    created = time_of(mapping(message.get("time")).get("created"), tally)
    usage = _usage(message) if message.get("role") == "assistant" else None
    for part in parts:
        began = mapping(part.get("time") or mapping(part.get("state")).get("time")).get("start")
        at = time_of(began, tally) or created
        facts = RecordFacts(
            locator, string(part.get("id")), at, model, usage, string(message.get("parentID")), bool(session.get("parentID"))
        )
        yield from _part(turns, facts, part, message, tally)
        usage = facts.usage
    if words := text_of(mapping(mapping(message.get("error")).get("data")).get("message")):
        name = string(message.get("id"))
        yield from turns.notice(RecordFacts(locator, name and f"{name}#error", created), words)


def _part(turns: Turns, facts: RecordFacts, part: Record, message: Record, tally: ParseTally) -> Iterator[Read]:
    match part.get("type"):
        case "text" if message.get("role") == "user":
            yield from turns.prompt(facts, text_of(part.get("text")), by_software=part.get("synthetic") is True)
        case "text":
            yield from (turns.notice if part.get("synthetic") is True else turns.reply)(facts, text_of(part.get("text")))
        case "reasoning":
            yield from turns.thinking(facts, text_of(part.get("text")))
        case "tool":
            state = mapping(part.get("state"))
            key = string(part.get("callID")) or facts.id
            yield from turns.used(facts, key, string(part.get("tool")), state.get("input"), _result(state))
        case "subtask":
            yield from turns.notice(facts, text_of(part.get("prompt")))
        case other:
            tally.skip_kind("part", other, _UNUSED)


def _result(state: Record) -> CallResult | None:
    status, code = string(state.get("status")), mapping(state.get("metadata")).get("exit")
    if status in _RUNNING:
        return None
    output = text_of(state.get("output")) or text_of(state.get("error"))
    return CallResult(output, status == "error", code if type(code) is int else None)


def _usage(message: Record) -> ReplyUsage | None:
    """Read a message's tokens, whose input leaves out what was cached, and its price in dollars."""
    given, cost = mapping(message.get("tokens")), nanousd(message.get("cost"))
    cache = mapping(given.get("cache"))
    read = whole(cache.get("read"))
    asked = total(whole(given.get("input")), read, whole(cache.get("write")))
    usage = ReplyUsage(asked, total(whole(given.get("output")), whole(given.get("reasoning"))), read, cost)
    return usage if given or cost is not None else None
