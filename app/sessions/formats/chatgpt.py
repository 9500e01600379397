"""ChatGPT's export (`conversations.json`): many conversations in one file, each a tree of messages; the branch shown last is read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from app.sessions.event import SessionHeader
from app.sessions.formats.json_documents import EACH, JsonDocument
from app.sessions.formats.lines import each_of
from app.sessions.formats.openings import beginning
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.turns import CallResult, Read, RecordFacts, Turns
from app.sessions.formats.values import content_id, mapping, records_in, string, text_of, time_of
from app.settings import SessionsSettings

PROVIDER = "chatgpt"
Record = dict[str, object]


def parse(chunks: Iterator[bytes], *, limits: SessionsSettings, tally: ParseTally) -> Iterator[Read]:
    first = beginning(chunks)
    several = first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    with JsonDocument(chain([first], chunks), tally, max_bytes=limits.max_line_bytes) as document:
        for locator, conversation in document.items(*([EACH] if several else [])):
            yield from each_of(_conversation(mapping(conversation), locator, tally), locator, tally)


def _conversation(given: Record, locator: str, tally: ParseTally) -> Iterator[Read]:
    nodes = mapping(given.get("mapping"))
    if not nodes:
        tally.skip("conversation without messages", locator)
        return
    name = string(given.get("conversation_id")) or string(given.get("id")) or content_id(str(given.get("title")), *sorted(nodes)[:2])
    header = SessionHeader(
        PROVIDER, name, started_at=time_of(given.get("create_time"), tally), model=string(given.get("default_model_slug"))
    )
    turns = Turns(header, tally)
    turns.learn(title=string(given.get("title")))
    for node_id in _branch(nodes, string(given.get("current_node"))):
        message = mapping(mapping(nodes[node_id]).get("message"))
        if message:
            yield from each_of(_message(turns, message, node_id, tally), node_id, tally)
    yield from turns.rest()


def _branch(nodes: Record, current: str | None) -> list[str]:
    """Return the ids from the root to the message shown last, or to the last one that has no answer. A cycle ends the way up."""
    if current not in nodes:
        leaves = [name for name, node in nodes.items() if not mapping(node).get("children")]
        current = leaves[-1] if leaves else next(iter(nodes))
    way: dict[str, None] = {}
    while current is not None and current in nodes and current not in way:
        way[current] = None
        current = string(mapping(nodes[current]).get("parent"))
    return [*reversed(way)]


def _message(turns: Turns, message: Record, node_id: str, tally: ParseTally) -> Iterator[Read]:
    author, content, metadata = mapping(message.get("author")), mapping(message.get("content")), mapping(message.get("metadata"))
    facts = RecordFacts(
        node_id, string(message.get("id")) or node_id, time_of(message.get("create_time"), tally), string(metadata.get("model_slug"))
    )
    words, recipient = _words(content), string(message.get("recipient")) or "all"
    hidden = metadata.get("is_visually_hidden_from_conversation") is True
    match author.get("role"):
        case "user":
            yield from turns.prompt(facts, words, by_software=hidden)
        case "assistant" if content.get("content_type") in {"thoughts", "reasoning_recap"}:
            yield from turns.thinking(facts, words)
        case "assistant" if recipient != "all":
            yield from turns.call(facts, facts.id, recipient, words)
        case "assistant":
            yield from turns.reply(facts, words)
        case "tool":
            yield from turns.result(None, CallResult(words), in_order=True)
        case "system":
            yield from turns.notice(facts, words)
        case other:
            tally.skip_kind("message", other)


def _words(content: Record) -> str:
    """Return a message's text. What is no text, such as an uploaded image, is told by its size."""
    if thoughts := records_in(content.get("thoughts")):
        return "\n".join(text_of(each.get("content")) or text_of(each.get("summary")) for each in thoughts)
    parts = content.get("parts")
    if isinstance(parts, list):
        return "\n".join(filter(None, (each if isinstance(each, str) else _asset(mapping(each)) for each in parts)))
    return text_of(content.get("text")) or text_of(content.get("result")) or text_of(content.get("content"))


def _asset(part: Record) -> str:
    if "text" in part:
        return text_of(part)
    kind, size = string(part.get("content_type")) or "", part.get("size_bytes")
    told = f", {size:,} bytes" if type(size) is int else ""
    return f"[{'image' if 'image' in kind else 'file'}{told}]" if kind else ""
