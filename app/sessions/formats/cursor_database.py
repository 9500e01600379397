"""Cursor's `state.vscdb`: sessions (`composerData:…`) and their messages (`bubbleId:…`) as JSON in a key-value table."""

from __future__ import annotations

from collections.abc import Iterator

from app.sessions.event import ReplyUsage, SessionHeader
from app.sessions.formats.databases import UploadedDatabase
from app.sessions.formats.lines import each_of, json_object
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import mapping, records_in, string, text_of, time_of, whole
from app.settings import SessionsSettings

PROVIDER = "cursor"
TABLE = "cursorDiskKV"
_COMPOSER = "composerData:"
Record = dict[str, object]


def parse(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally) -> Iterator[Read]:
    with UploadedDatabase(chunks, tally, tables=(TABLE,), max_bytes=limits.max_line_bytes) as database:
        # The keys first: a session's messages are looked up while the others wait.
        found = database.rows(f"SELECT key FROM {TABLE} WHERE key >= ? AND key < ? ORDER BY key", _COMPOSER, "composerData;")  # noqa: S608
        for (key,) in found:
            if isinstance(key, str):
                yield from _session(database, key.removeprefix(_COMPOSER), _value(database, key), tally)


def _value(database: UploadedDatabase, key: str) -> Record:
    row = next(database.rows(f"SELECT value FROM {TABLE} WHERE key = ?", key), (None,))  # noqa: S608 - constant
    return database.json(row[0], key)


def _session(database: UploadedDatabase, name: str, composer: Record, tally: ParseTally) -> Iterator[Read]:
    """Yield a session's events. Old versions keep its messages within it, new ones apart, in the order of their headers."""
    model = string(mapping(composer.get("modelConfig")).get("modelName"))
    workspace = mapping(mapping(composer.get("workspaceIdentifier")).get("uri"))
    started = time_of(composer.get("createdAt"), tally)
    header = SessionHeader(PROVIDER, name, started_at=started, directory=string(workspace.get("fsPath")) or string(workspace.get("path")))
    turns = Turns(header, tally)
    turns.learn(title=string(composer.get("name")))
    by_agent = bool(mapping(composer.get("subagentInfo")))
    tally.lines += 1
    for bubble_id, bubble in _bubbles(database, name, composer):
        usage = _usage(mapping(bubble.get("tokenCount")))
        own_model = string(mapping(bubble.get("modelInfo")).get("modelName")) or model
        facts = RecordFacts(bubble_id, bubble_id, time_of(bubble.get("createdAt"), tally), own_model, usage, sidechain=by_agent)
        yield from each_of(_events(turns, facts, bubble, tally), bubble_id, tally)
    yield from turns.rest()


def _bubbles(database: UploadedDatabase, name: str, composer: Record) -> Iterator[tuple[str, Record]]:
    seen = set[str]()
    for bubble in records_in(composer.get("conversation")):
        if bubble_id := string(bubble.get("bubbleId")):
            seen.add(bubble_id)
            yield bubble_id, bubble
    for header in records_in(composer.get("fullConversationHeadersOnly")):
        bubble_id = string(header.get("bubbleId"))
        if bubble_id and bubble_id not in seen:
            seen.add(bubble_id)
            yield bubble_id, _value(database, f"bubbleId:{name}:{bubble_id}")


def _events(turns: Turns, facts: RecordFacts, bubble: Record, tally: ParseTally) -> Iterator[Read]:
    words = text_of(bubble.get("text"))
    match bubble.get("type"):
        case 1:  # a person's
            yield from turns.prompt(facts, words)
        case 2:  # the agent's
            yield from turns.thinking(facts, text_of(bubble.get("thinking")))
            yield from turns.reply(facts, words)
            if tool := mapping(bubble.get("toolFormerData")):
                key = string(tool.get("toolCallId")) or (facts.id and f"{facts.id}#tool")
                asked = tool.get("rawArgs") or tool.get("params")
                yield from turns.used(facts, key, string(tool.get("name")) or string(tool.get("tool")), asked, _result(tool))
        case _:
            tally.skip_kind("message", None)


def _result(tool: Record) -> CallResult | None:
    """Read a call's result, JSON in a string: what a command printed and its exit code, or whatever the tool returns."""
    status, given = string(tool.get("status")), tool.get("result")
    if status in {"loading", "pending", "running"} or (status is None and not given):
        return None
    decision = mapping(tool.get("additionalData")).get("status") or tool.get("userDecision")
    output = given if isinstance(given, str) else text_of(given)
    found = json_object(output)
    code = next((found[key] for key in ("exitCode", "exitCodeV2", "exit_code") if type(found.get(key)) is int), None)
    printed = next((words for key in ("output", "contents", "result") if (words := string(found.get(key)))), output)
    failed = status in {"error", "cancelled"} or decision in {"error", "rejected"}
    return CallResult(printed, failed, code if isinstance(code, int) else None)


def _usage(given: Record) -> ReplyUsage | None:
    usage = ReplyUsage(whole(given.get("inputTokens")), whole(given.get("outputTokens")))
    return usage if usage != ReplyUsage() else None
