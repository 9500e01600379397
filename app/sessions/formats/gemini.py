"""Gemini CLI's chats: one JSON document, or since 0.40 JSON lines: a header, messages, and changes of the header (`$set`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from app.sessions.event import ReplyUsage, SessionHeader
from app.sessions.formats.json_documents import EACH, JsonDocument
from app.sessions.formats.lines import decoded_lines, each_of, json_lines
from app.sessions.formats.openings import beginning, is_one_document
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.tools import exit_code_of
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, records_in, string, text_of, time_of, total, whole
from app.settings import SessionsSettings

PROVIDER = "gemini"
MESSAGES = "messages"
_FACTS = ("sessionId", "startTime", "start_time", "summary")
_ERRORS = frozenset({"error", "failed"})
Record = dict[str, object]


def parse(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally) -> Iterator[Read]:
    first = beginning(chunks)
    rest = chain([first], chunks)
    if is_one_document(first, MESSAGES, "history"):
        with JsonDocument(rest, tally, max_bytes=limits.max_line_bytes) as document:
            facts = document.facts(*((name,) for name in _FACTS), ("meta", "model"))
            header = {path[-1]: value for path, value in facts.items()}
            found = chain(document.items(MESSAGES, EACH), document.items("history", EACH))
            yield from _session(header, ((locator, mapping(each)) for locator, each in found), tally)
        return
    lines = ((line.locator, record) for line, record in json_lines(decoded_lines(rest, limits=limits, tally=tally), tally))
    yield from _session({}, lines, tally)


def _session(header: Record, records: Iterator[tuple[str, Record]], tally: ParseTally) -> Iterator[Read]:
    """Read a session. A record without type and role tells the header's values, first or later."""
    turns: Turns | None = None
    for locator, record in records:
        if "type" not in record and "role" not in record:
            header = header | record | mapping(record.get("$set"))
            if turns is not None:
                turns.learn(title=string(header.get("summary")))
            continue
        if turns is None:
            turns = _opened(header, record, tally)
        yield from each_of(_events(turns, record, locator, tally), locator, tally)
    if turns is not None:
        yield from turns.rest()


def _opened(header: Record, first: Record, tally: ParseTally) -> Turns:
    started = time_of(header.get("startTime") or header.get("start_time"), tally)
    name = string(header.get("sessionId")) or content_id(str(started), _words(first))
    turns = Turns(SessionHeader(PROVIDER, name, started_at=started, model=string(header.get("model"))), tally)
    turns.learn(title=string(header.get("summary")))
    return turns


def _events(turns: Turns, record: Record, locator: str, tally: ParseTally) -> Iterator[Read]:
    at = time_of(record.get("timestamp") or record.get("ts"), tally)
    facts = RecordFacts(locator, string(record.get("id")), at, string(record.get("model")), _usage(mapping(record.get("tokens"))))
    match record.get("type", record.get("role")):
        case "user":
            yield from turns.prompt(facts, _words(record))
        case "gemini" | "model" | "assistant":
            yield from turns.thinking(facts, "\n".join(_thought(each) for each in records_in(record.get("thoughts"))))
            yield from turns.reply(facts, _words(record))
            for call in records_in(record.get("toolCalls")):
                facts.at = time_of(call.get("timestamp"), tally) or at
                yield from turns.used(facts, string(call.get("id")), string(call.get("name")), call.get("args"), _result(call))
        case "info" | "error" | "warning" | "system":
            yield from turns.notice(facts, _words(record))
        case other:
            tally.skip_kind("record", other)


def _words(record: Record) -> str:
    return text_of(record.get("content")) or text_of(record.get("parts"))


def _thought(thought: Record) -> str:
    return ": ".join(filter(None, (string(thought.get("subject")), string(thought.get("description")))))


def _usage(tokens: Record) -> ReplyUsage | None:
    """Read token counts; the prompt's include the cached ones, thoughts are output."""
    if not tokens:
        return None
    return ReplyUsage(
        whole(tokens.get("input")), total(whole(tokens.get("output")), whole(tokens.get("thoughts"))), whole(tokens.get("cached"))
    )


def _result(call: Record) -> CallResult | None:
    """Return a call's result; None if it is still under way. The model's copy is whole, the displayed one is not."""
    status, parts = string(call.get("status")), records_in(call.get("result"))
    responses = [mapping(mapping(part.get("functionResponse")).get("response")) for part in parts]
    output = "\n".join(filter(None, (text_of(each.get("output") or each.get("error")) for each in responses)))
    output = output or text_of(call.get("resultDisplay"))
    if not output and status not in {"success", "error", "cancelled"}:
        return None
    failed = status in _ERRORS or any("error" in each for each in responses)
    return CallResult(output, failed, exit_code_of(output) if "command" in mapping(call.get("args")) else None)
