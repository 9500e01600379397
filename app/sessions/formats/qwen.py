"""Qwen Code's JSON lines: Gemini's parts in records that have Claude Code's fields."""

from __future__ import annotations

import json
from collections.abc import Iterator

from app.nesting import too_deep
from app.sessions.event import ReplyUsage, SessionHeader
from app.sessions.formats.lines import Line, each_of, json_lines
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, records_in, string, text_of, time_of, total, whole

PROVIDER = "qwen"
_UNUSED = frozenset({"ui_telemetry", "custom_title", "rewind", "slash_command", "session_artifact_snapshot", "chat_compression"})
"""Kinds of records that hold nothing of what was said or done."""
Record = dict[str, object]
_DECODER = json.JSONDecoder()


def parse(lines: Iterator[Line], tally: ParseTally) -> Iterator[Read]:
    turns: Turns | None = None
    for line, record in json_lines(_apart(lines), tally):
        name = string(record.get("sessionId")) or (turns and turns.header.external_id) or content_id(line.text[:2000])
        if turns is None or name != turns.header.external_id:
            if turns is not None:
                yield from turns.rest()
            turns = Turns(SessionHeader(PROVIDER, name), tally)
        turns.learn(
            title=string(mapping(record.get("systemPayload")).get("customTitle")),
            directory=string(record.get("cwd")),
            branch=string(record.get("gitBranch")),
            agent_version=string(record.get("version")),
        )
        yield from each_of(_events(turns, record, line, tally), line.locator, tally)
    if turns is not None:
        yield from turns.rest()


def _apart(lines: Iterator[Line]) -> Iterator[Line]:
    """Split lines on which several records stand, as an interrupted write leaves them."""
    for line in lines:
        places = [0]
        if "}{" in line.text:
            try:
                while places[-1] < len(line.text) and line.text[places[-1]] == "{":
                    found, end = _DECODER.raw_decode(line.text, places[-1])
                    places += [end] if not too_deep(found) else []
            except (ValueError, RecursionError):
                pass  # what is left is reported as damaged
        for begins, ends in zip(places, [*places[1:], len(line.text)], strict=True):
            if begins < ends or len(places) == 1:
                yield Line(line.number, line.text[begins:ends])


def _events(turns: Turns, record: Record, line: Line, tally: ParseTally) -> Iterator[Read]:
    facts = RecordFacts(
        line.locator,
        string(record.get("uuid")),
        time_of(record.get("timestamp"), tally),
        string(record.get("model")),
        _usage(mapping(record.get("usageMetadata"))),
        string(record.get("parentUuid")),
    )
    parts = records_in(mapping(record.get("message")).get("parts"))
    match record.get("type"):
        case "user":
            typed = text_of(mapping(record.get("systemPayload")).get("displayText")) or text_of(parts)
            yield from turns.prompt(facts, typed, by_software=record.get("subtype") == "notification")
        case "assistant":
            for part in parts:
                call = mapping(part.get("functionCall"))
                said = turns.thinking if part.get("thought") is True else turns.reply
                yield from said(facts, text_of(part.get("text")))
                if call:
                    yield from turns.call(facts, string(call.get("id")), string(call.get("name")), call.get("args"))
        case "tool_result":
            yield from _results(turns, parts, mapping(record.get("toolCallResult")))
        case other:
            tally.skip_kind("record", record.get("subtype") or other, _UNUSED)


def _results(turns: Turns, parts: list[Record], told: Record) -> Iterator[Read]:
    for part in parts:
        response = mapping(part.get("functionResponse"))
        given = mapping(response.get("response"))
        output = text_of(given.get("output") or given.get("error")) or text_of(told.get("resultDisplay"))
        status = told.get("status")
        failed = "error" in given or status == "error" if given or status else None
        yield from turns.result(
            string(response.get("id")) or string(told.get("callId")), CallResult(output, failed), in_order=not response.get("id")
        )


def _usage(given: Record) -> ReplyUsage | None:
    """Read token counts under Gemini's names: the prompt's include the cached ones."""
    if not given:
        return None
    output = total(whole(given.get("candidatesTokenCount")), whole(given.get("thoughtsTokenCount")))
    return ReplyUsage(whole(given.get("promptTokenCount")), output, whole(given.get("cachedContentTokenCount")))
