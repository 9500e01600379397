"""GitHub Copilot Chat in VS Code: an exported or stored session as one JSON document, or since 1.109 as a log of changes to it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from app.sessions.event import ReplyUsage, SessionHeader
from app.sessions.formats.amp import file_path
from app.sessions.formats.json_documents import EACH, JsonDocument
from app.sessions.formats.lines import decoded_lines, each_of, json_lines
from app.sessions.formats.object_log import ObjectLog
from app.sessions.formats.openings import beginning, is_one_document
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, records_in, string, text_of, time_of, whole
from app.settings import SessionsSettings

PROVIDER = "copilot-chat"
REQUESTS = "requests"
_FACTS = ("sessionId", "creationDate", "customTitle")
_UNUSED = frozenset(
    {"undoStop", "codeblockUri", "textEditGroup", "notebookEditGroup", "prepareToolInvocation", "mcpServersStarting", "progressMessage"}
)
Record = dict[str, object]


def parse(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally) -> Iterator[Read]:
    first = beginning(chunks)
    rest = chain([first], chunks)
    if is_one_document(first, REQUESTS):
        with JsonDocument(rest, tally, max_bytes=limits.max_line_bytes) as document:
            facts = {path[0]: value for path, value in document.facts(*((name,) for name in _FACTS)).items()}
            yield from _session(facts, document.items(REQUESTS, EACH), tally)
        return
    log = ObjectLog(tally, max_chars=4 * limits.max_line_bytes)
    for line, record in json_lines(decoded_lines(rest, limits=limits, tally=tally), tally):
        log.apply(record, line)
    requests = records_in(log.state.get(REQUESTS))
    yield from _session(log.state, ((f"{REQUESTS}[{number}]", each) for number, each in enumerate(requests)), tally)


def _session(facts: Record, requests: Iterator[tuple[str, object]], tally: ParseTally) -> Iterator[Read]:
    turns: Turns | None = None
    for locator, each in requests:
        request = mapping(each)
        if turns is None:
            name = string(facts.get("sessionId")) or content_id(str(request.get("requestId")), _typed(request))
            turns = Turns(SessionHeader(PROVIDER, name, started_at=time_of(facts.get("creationDate"), tally)), tally)
            turns.learn(title=string(facts.get("customTitle")))
        yield from each_of(_request(turns, request, locator, tally), locator, tally)
    if turns is not None:
        yield from turns.rest()


def _typed(request: Record) -> str:
    message = mapping(request.get("message"))
    return (
        text_of(request.get("message"))
        if isinstance(request.get("message"), str)
        else text_of(message.get("text")) or text_of(message.get("parts"))
    )


def _request(turns: Turns, request: Record, locator: str, tally: ParseTally) -> Iterator[Read]:
    """Yield a request's prompt and its response. A response grows part by part, so its texts are known by their content."""
    at, model = time_of(request.get("timestamp"), tally), string(request.get("modelId"))
    result = mapping(request.get("result"))
    metadata = mapping(result.get("metadata"))
    name = string(request.get("requestId"))
    yield from turns.prompt(RecordFacts(locator, name, at), _typed(request))
    facts = RecordFacts(locator, at=at, model=model, usage=_usage(metadata), parent=name)
    told: list[str] = []
    for part in records_in(request.get("response")):
        kind = string(part.get("kind"))
        if kind is None or kind in {"markdownContent", "inlineReference"}:
            told.append(_text(part))
            continue
        if kind in _UNUSED:
            continue
        yield from turns.reply(facts, _joined(told))
        yield from _part(turns, facts, kind, part, metadata, tally)
    yield from turns.reply(facts, _joined(told))
    if error := text_of(mapping(result.get("errorDetails")).get("message")):
        yield from turns.notice(facts, error)


def _joined(told: list[str]) -> str:
    """Return the pieces of a text as one, and forget them: a reference stands within its sentence."""
    words = "".join(told)
    told.clear()
    return words


def _text(part: Record) -> str:
    if part.get("kind") == "inlineReference":
        reference = mapping(part.get("inlineReference"))
        uri = mapping(reference.get("uri")) or reference
        path = string(part.get("name")) or string(reference.get("name")) or string(uri.get("path")) or file_path(uri.get("external"))
        return f"`{path}`" if path else ""
    value = part.get("value", part.get("content"))
    return text_of(mapping(value).get("value")) if isinstance(value, dict) else text_of(value)


def _part(turns: Turns, facts: RecordFacts, kind: str, part: Record, metadata: Record, tally: ParseTally) -> Iterator[Read]:
    match kind:
        case "thinking":
            yield from turns.thinking(facts, text_of(part.get("value")))
        case "toolInvocation" | "toolInvocationSerialized":
            key = string(part.get("toolCallId"))
            asked, result = _call(part, key, metadata)
            facts.sidechain = bool(part.get("subAgentInvocationId"))
            yield from turns.used(facts, key, string(part.get("toolId")), asked, result)
            facts.sidechain = False
        case "confirmation" | "warning" | "elicitation":
            yield from turns.notice(facts, text_of(part.get("title")) or text_of(mapping(part.get("content")).get("value")))
        case other:
            tally.skip_kind("part", other)


def _call(part: Record, key: str | None, metadata: Record) -> tuple[object, CallResult | None]:
    """Return a call's input and result, from where the versions keep them: beside the call, or in the request's metadata."""
    data, details = mapping(part.get("toolSpecificData")), mapping(part.get("resultDetails"))
    command = data.get("commandLine", data.get("command"))
    typed = mapping(command).get("userEdited") or mapping(command).get("original") or command
    rounds = (call for each in records_in(metadata.get("toolCallRounds")) for call in records_in(each.get("toolCalls")))
    asked = next((call.get("arguments") for call in rounds if key and call.get("id") == key), None)
    said = next(
        (
            text_of(mapping(value).get("value")) or text_of(value)
            for name in ("pastTenseMessage", "invocationMessage")
            if (value := part.get(name))
        ),
        "",
    )
    output = "\n".join(text_of(each.get("value")) for each in records_in(details.get("output")))
    output = output or text_of(mapping(data.get("terminalCommandOutput")).get("text"))
    output = output or _texts(mapping(mapping(metadata.get("toolCallResults")).get(key or "")).get("content"))
    code = mapping(data.get("terminalCommandState")).get("exitCode")
    confirmed = part.get("isConfirmed")
    declined = confirmed is False or mapping(confirmed).get("type") in {0, 5}
    given = typed or asked or details.get("input") or data.get("rawInput") or said
    if part.get("isComplete") is not True and not output:
        return given, None
    failed = True if declined or details.get("isError") is True else None if code is not None else False
    return given, CallResult(output, failed, code if type(code) is int else None)


def _texts(content: object) -> str:
    return "\n".join(words for each in records_in(content) if isinstance(words := each.get("value"), str))


def _usage(metadata: Record) -> ReplyUsage | None:
    given = mapping(metadata.get("usage")) or metadata
    usage = ReplyUsage(whole(given.get("promptTokens")), whole(given.get("completionTokens") or given.get("outputTokens")))
    return usage if usage != ReplyUsage() else None
