"""The newer formats: the same story told by each agent comes out the same; damage is counted; nothing is trusted."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import UnknownFormat
from app.sessions.event import Event, Format, SessionHeader
from app.sessions.formats import HEAD_BYTES, ParseTally, detect, parse
from app.settings import SessionsSettings
from tests.unit.sessions import transcripts_of_agents as agents
from tests.unit.sessions.transcripts_of_agents import ANSWER, COMMAND, OUTPUT, QUESTION, THOUGHT, TRANSCRIPTS

LIMITS = SessionsSettings()


def read(
    data: bytes, format: Format, *, step: int = 10**9, limits: SessionsSettings = LIMITS
) -> tuple[list[SessionHeader], list[Event], ParseTally]:
    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    tally = ParseTally()
    made = list(parse(chunks(), format=format, limits=limits, tally=tally))
    return [each for each in made if isinstance(each, SessionHeader)], [each for each in made if isinstance(each, Event)], tally


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.kind, event.tool.input if event.tool else event.text) for event in events if event.kind != "notice"]


@pytest.fixture(params=TRANSCRIPTS)
def transcript(request: pytest.FixtureRequest) -> tuple[Format, bytes]:
    return TRANSCRIPTS[request.param]


def test_each_format_is_recognised_by_its_content(transcript: tuple[Format, bytes]) -> None:
    assert detect(transcript[1][:HEAD_BYTES]) == transcript[0]


@pytest.mark.parametrize("name", ["gemini", "copilot-chat", "opencode", "amp", "chatgpt"])
def test_a_document_on_one_line_is_recognised(name: str) -> None:
    format, data = TRANSCRIPTS[name]
    made = agents.document(json.loads(data), indent=None)
    assert detect(made) == format
    assert read(made, format)[1] == read(data, format)[1]


def test_a_database_of_another_program_is_refused() -> None:
    with pytest.raises(UnknownFormat, match="binary"):
        detect(agents.database(("CREATE TABLE bookmarks (url TEXT)", ())))


def test_a_record_that_quotes_another_format_keeps_its_own() -> None:
    quoted = {"requests": [{"requestId": "x"}], "mapping": {"a": {"parent": 1}}}
    record = {
        "type": "user",
        "uuid": "u",
        "sessionId": "s",
        "requestId": "r",
        "message": {"content": [{"type": "tool_use", "input": quoted}]},
    }
    assert detect(agents.lines(record)) == "claude-code"


def test_the_story_is_the_same_whoever_tells_it(transcript: tuple[Format, bytes]) -> None:
    headers, events, tally = read(transcript[1], transcript[0])
    story = [("prompt", QUESTION), ("thinking", THOUGHT), ("tool", COMMAND), ("reply", ANSWER)]
    first = events if transcript[0] != "chatgpt" else events[: len(events) // 2]
    found = [(kind, text.removeprefix("Plan: ")) for kind, text in told(first)]
    assert [kind for kind, _ in found] == [kind for kind, _ in story]
    assert all(text in heard for (_, text), (_, heard) in zip(story, found, strict=True))
    call = next(event for event in events if event.tool)
    assert call.tool is not None
    assert OUTPUT in call.tool.output
    assert call.outcome == "failed"
    assert not tally.problems
    assert headers[-1].title is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [("gemini", "gemini-lines"), ("copilot-chat", "copilot-chat-log"), ("opencode", "opencode-database"), ("amp", "amp-lines")],
)
def test_a_session_has_the_same_events_in_each_of_its_agents_forms(one: str, other: str) -> None:
    found = [read(TRANSCRIPTS[name][1], TRANSCRIPTS[name][0]) for name in (one, other)]
    assert len({headers[0].external_id for headers, _, _ in found}) == 1
    first, second = ([(event.id, event.kind) for event in events] for _, events, _ in found)
    assert first == second


@pytest.mark.parametrize("name", sorted(set(TRANSCRIPTS) - {"qwen", "pi", "chatgpt"}))
def test_exit_codes_are_read_where_the_agent_tells_them(name: str) -> None:
    format, data = TRANSCRIPTS[name]
    call = next(event for event in read(data, format)[1] if event.tool)
    assert call.tool is not None
    assert call.tool.exit_code == 1


@pytest.mark.parametrize(
    ("name", "external_id", "facts"),
    [
        ("gemini", "gem-1", {}),
        ("gemini-lines", "gem-1", {"title": "Turnstile", "title_given": True}),
        ("qwen", "qw-1", {"directory": "/home/a/gate", "branch": "main"}),
        ("copilot-cli", "cop-1", {"repository": "https://github.com/a/gate", "branch": "main", "agent_version": "1.0.77"}),
        ("copilot-chat", "chat-1", {"title": QUESTION}),
        ("copilot-chat-log", "chat-1", {"title": "Turnstile"}),
        ("opencode", "ses_1", {"directory": "/home/a/gate", "title": "Turnstile"}),
        ("opencode-database", "ses_1", {"directory": "/home/a/gate", "title": "Turnstile"}),
        ("amp", "T-1234-abcd", {"directory": "/home/a/gate", "repository": "https://example.org/a/gate", "branch": "main"}),
        ("droid", "dro-1", {"title": "Turnstile"}),
        ("pi", "pi-1", {"model": "claude-opus-4-5"}),
        ("chatgpt", "conv-2", {"title": "Again"}),
        ("claude-export", None, {"agent_version": "2.0.14"}),
        ("cursor-database", "comp-1", {"directory": "/home/a/gate", "title": "Turnstile", "model": "claude-opus-4-5"}),
    ],
)
def test_headers_say_where_and_with_what_a_session_was(name: str, external_id: str | None, facts: dict[str, object]) -> None:
    format, data = TRANSCRIPTS[name]
    headers, _, _ = read(data, format)
    known = {key: next((found for header in reversed(headers) if (found := getattr(header, key)) is not None), None) for key in facts}
    assert known == facts
    assert external_id in {None, headers[-1].external_id}


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("gemini", (90, 15, 40)),
        ("qwen", (90, 10, 0)),
        ("copilot-chat", (90, 10, 0)),
        ("opencode", (90, 15, 40)),
        ("amp", (90, 10, 40)),
        ("pi", (90, 10, 40)),
        ("kimi", (90, 10, 40)),
        ("cursor-database", (90, 10, 0)),
    ],
)
def test_usage_stands_once_and_its_input_holds_what_was_cached(name: str, usage: tuple[int, int, int]) -> None:
    format, data = TRANSCRIPTS[name]
    found = [event.usage for event in read(data, format)[1] if event.usage is not None]
    assert [(each.input, each.output, each.cached) for each in found] == [usage]


@pytest.mark.parametrize("name", ["gemini", "qwen", "opencode", "amp", "pi", "kimi"])
def test_a_sum_of_tokens_can_be_stored_whatever_is_given(name: str) -> None:
    format, data = TRANSCRIPTS[name]
    for count in (b"90", b"50", b"40", b"10", b"5"):
        data = data.replace(b": " + count + b",", b": 2147483647,").replace(b": " + count + b"}", b": 2147483647}")
    found = [event.usage for event in read(data, format)[1] if event.usage is not None]
    assert found
    assert all(0 <= each < 2**31 for usage in found for each in (usage.input, usage.output, usage.cached))


@given(name=st.sampled_from(sorted(TRANSCRIPTS)), step=st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_where_the_bytes_are_cut_never_matters(name: str, step: int) -> None:
    format, data = TRANSCRIPTS[name]
    assert read(data, format, step=step)[:2] == read(data, format)[:2]


@given(name=st.sampled_from(sorted(TRANSCRIPTS)), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_transcript_that_grows_keeps_the_ids_of_what_was_whole(name: str, share: float) -> None:
    format, data = TRANSCRIPTS[name]
    if format in {"copilot-chat", "claude-export"} or data.startswith(b"SQLite"):
        return  # the last text is known by its content until it is whole; a database has no beginning
    cut = data[: data.rfind(b"\n", 0, int(len(data) * share)) + 1]
    whole = {event.id for event in read(data, format)[1]}
    found = read(cut, format)
    if found[0] and found[0][-1].external_id == read(data, format)[0][0].external_id:
        assert {event.id for event in found[1]} <= whole


@given(name=st.sampled_from(sorted(TRANSCRIPTS)), place=st.floats(0, 1), inserted=st.binary(max_size=40), cut=st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_a_damaged_transcript_never_raises(name: str, place: float, inserted: bytes, cut: int) -> None:
    format, data = TRANSCRIPTS[name]
    at = int(place * len(data))
    read(data[:at] + inserted + data[at + cut :], format)


SCRAPS: tuple[object, ...] = (
    None,
    True,
    -1,
    1e300,
    "",
    "x",
    "\x00\ud83d",
    [],
    ["x"],
    [[1]],
    {},
    {"x": []},
    {"text": {"text": 3}},
    [{"type": ["x"]}],
)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value within a JSON value."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: object) -> Any:
    if not path:
        return other
    made = copy(value)
    made[path[0]] = replaced(value[path[0]], path[1:], other)
    return made


@pytest.mark.parametrize("name", [name for name, (_, data) in sorted(TRANSCRIPTS.items()) if data[:1] in b"{["])
def test_values_of_unexpected_kinds_never_raise(name: str) -> None:
    format, whole = TRANSCRIPTS[name]
    several = whole.count(b"\n{") > 0 and format != "chatgpt" and not whole.startswith(b"{\n")
    records = [json.loads(line) for line in whole.splitlines()] if several else [json.loads(whole)]
    for number, record in enumerate(records):
        for path in places(record):
            for other in SCRAPS:
                made = [*records[:number], replaced(record, path, other), *records[number + 1 :]]
                data = agents.lines(*made) if several else agents.document(made[0])
                read(data, format)
                with suppress(UnknownFormat):
                    detect(data)


def test_values_of_unexpected_kinds_in_a_database_never_raise() -> None:
    for key, value in agents.CURSOR_VALUES.items():
        for path in places(value):
            values = agents.CURSOR_VALUES | {key: [replaced(value, path, other) for other in SCRAPS]}
            made = [values | {key: other} for other in values[key]]  # type: ignore[attr-defined]
            for each in made[::3]:
                read(agents.key_values(each), "cursor-database")


@pytest.mark.parametrize("format", sorted({format for format, _ in TRANSCRIPTS.values()}))
@pytest.mark.parametrize("opens", ["[", '{"messages":[', '{"requests":[', '{"a":', '{"info":{"a":', "[{"])
def test_deep_nesting_ends_the_reading_and_is_counted(format: Format, opens: str) -> None:
    _, events, tally = read((opens + "[" * 300_000).encode(), format)
    assert not events
    assert tally.skipped or format == "claude-export"


def test_a_message_that_is_nested_too_deeply_is_dropped_and_the_rest_is_read() -> None:
    deep = json.loads("[" * 150 + "]" * 150)
    made = agents.document({**agents.GEMINI_HEADER, "messages": [agents.GEMINI_MESSAGES[0], {"content": deep}, agents.GEMINI_MESSAGES[2]]})
    _, events, tally = read(made, "gemini")
    assert told(events) == [("prompt", QUESTION), ("reply", ANSWER)]
    assert tally.problems == [("messages[1]", "nested too deeply")]


def test_a_message_longer_than_a_line_may_be_is_dropped_and_the_rest_is_read() -> None:
    limits = SessionsSettings(max_line_bytes=200_000)
    huge = {"id": "x", "type": "user", "content": [{"text": "word " * 100}] * 900}
    made = agents.document({**agents.GEMINI_HEADER, "messages": [huge, agents.GEMINI_MESSAGES[2]]})
    _, events, tally = read(made, "gemini", limits=limits, step=4096)
    assert told(events) == [("reply", ANSWER)]
    assert tally.problems == [("messages[0]", "a message is too long")]


def test_a_cycle_in_a_tree_of_messages_ends_the_branch() -> None:
    nodes = {
        name: agents._node(name, parent, "user", {"parts": [f"I am {name}"]})[1] for name, parent in (("a", "c"), ("b", "a"), ("c", "b"))
    }
    _, events, _ = read(agents.document([{"mapping": nodes, "current_node": "c", "id": "round"}]), "chatgpt")
    assert [event.text for event in events] == ["I am a", "I am b", "I am c"]


def test_only_the_branch_shown_last_is_read() -> None:
    other = agents.document([{**agents.CONVERSATION, "current_node": "n6"}])
    assert [event.text for event in read(other, "chatgpt")[1]][-1] == "An answer that was made anew since."


def test_a_message_told_again_is_one_and_another_under_its_id_is_kept() -> None:
    again, other = agents.GEMINI_MESSAGES[2], {**agents.GEMINI_MESSAGES[2], "content": "Something else."}
    _, events, _ = read(agents.lines(agents.GEMINI_HEADER, *agents.GEMINI_MESSAGES, again, other), "gemini")
    replies = [(event.id, event.text) for event in events if event.kind == "reply"]
    assert replies == [("g3", ANSWER), ("g3-2", "Something else.")]


def test_two_sessions_that_began_with_the_same_words_are_two() -> None:
    other = agents.GROK.replace(b"rs_1", b"rs_2").replace(b"run-1", b"run-9")
    assert read(agents.GROK, "grok")[0][0].external_id != read(other, "grok")[0][0].external_id


def test_what_an_agent_asked_its_sub_agent_is_no_persons_prompt() -> None:
    made = agents.lines(
        {"type": "metadata", "protocol_version": "1.4", "created_at": agents.MILLIS},
        {
            "type": "context.append_message",
            "message": {"role": "user", "content": "Count the files", "origin": {"kind": "system_trigger", "name": "subagent"}},
        },
        {
            "type": "context.append_loop_event",
            "event": {"type": "content.part", "uuid": "k", "part": {"type": "text", "text": "There are 9."}},
        },
    )
    _, events, _ = read(made, "kimi")
    assert [(event.kind, event.sidechain) for event in events] == [("notice", True), ("reply", True)]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE VIEW cursorDiskKV AS SELECT 'composerData:x' AS key, '{}' AS value", "the database has no table cursorDiskKV"),
        ("CREATE TABLE something (key TEXT, value BLOB)", "the database has no table cursorDiskKV"),
    ],
)
def test_a_table_that_is_none_is_not_read(statement: str, reason: str) -> None:
    _, events, tally = read(agents.database((statement, ())), "cursor-database")
    assert not events
    assert tally.problems == [("database", reason)]


def test_a_database_has_no_name_left_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    events = parse(iter([agents.CURSOR_DATABASE]), format="cursor-database", limits=LIMITS, tally=ParseTally())
    next(events)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert len([each for each in events if isinstance(each, Event)]) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_database_whose_reading_would_take_too_long_is_left() -> None:
    sessions = {
        f"composerData:{number:06}": {"fullConversationHeadersOnly": [{"bubbleId": str(each)} for each in range(40)]}
        for number in range(60)
    }
    rows = [("INSERT INTO cursorDiskKV VALUES (?, ?)", (key, json.dumps(value))) for key, value in sessions.items()]
    filler = (
        "WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 5000) INSERT INTO cursorDiskKV SELECT 'x' || n, '' FROM count",
        (),
    )
    slow = agents.database(("CREATE TABLE cursorDiskKV (key TEXT, value BLOB)", ()), *rows, filler)  # without its index
    _, _, tally = read(slow, "cursor-database")
    assert any("takes too long" in reason for reason in tally.skipped)


def test_a_log_whose_first_record_is_longer_than_what_is_looked_at_is_read() -> None:
    made = agents.lines({"kind": 0, "v": {**agents.CHAT, "inputState": "x" * 100_000}}, {"kind": 1, "k": ["customTitle"], "v": "Long"})
    assert detect(made[:HEAD_BYTES]) == "copilot-chat"
    headers, events, _ = read(made, "copilot-chat", step=4096)
    assert len(events) == 4
    assert headers[-1].title == "Long"


def test_generic_events_that_name_their_session_stay_generic() -> None:
    made = agents.lines(
        {"id": "1", "session_id": "s", "role": "user", "text": "Hi"}, {"id": "2", "session_id": "s", "role": "assistant", "text": "Yes"}
    )
    assert detect(made) == "generic"


def test_a_change_that_fits_nowhere_is_counted() -> None:
    made = agents.lines(
        {"kind": 0, "v": agents.CHAT},
        {"kind": 1, "k": ["requests", 7, "message"], "v": "x"},
        {"kind": 2, "k": ["sessionId"], "v": ["x"]},
        {"kind": 1, "k": [], "v": "x"},
        {"kind": 3, "k": ["customTitle"]},
    )
    _, events, tally = read(made, "copilot-chat")
    assert tally.skipped["a change that refers to nothing"] == 3
    assert len(events) == 4


def test_records_glued_on_one_line_are_told_apart() -> None:
    _, events, tally = read(agents.QWEN.replace(b"\n", b"", 1), "qwen")
    assert len(events) == 4
    assert not tally.problems


def test_what_an_agent_writes_beside_the_story_is_not_unknown(transcript: tuple[Format, bytes]) -> None:
    assert not read(transcript[1], transcript[0])[2].unknown


def test_a_record_that_nobody_knows_is_counted_and_named() -> None:
    made = agents.COPILOT_CLI + agents.lines({"type": "session.dream", "data": {"x": 1}})
    assert dict(read(made, "copilot-cli")[2].unknown) == {"record: session.dream": 1}
