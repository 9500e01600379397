"""What Cairn served is taken out of events, however it came back, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from app.sessions.event import Event, Kind, ToolUse
from app.sessions.redacted import size, storable
from app.sessions.served import MAX_IDS, PLACEHOLDER, without_served

IDS = f"{uuid4()} {uuid4()}"
LESSON = "The pool needs keepalive 30."
MARKED = f'<cairn-knowledge ids="{IDS}">\nQuoted by Cairn.\n- {LESSON}\n</cairn-knowledge>'


def said(text: str, kind: Kind = "prompt") -> Event:
    return Event("e1", "user", kind, text, "L1")


def called(name: str, given: str, output: str, exit_code: int | None = None) -> Event:
    return replace(said("", "tool"), role="tool", tool=ToolUse(name, given, output, exit_code))


def output(event: Event) -> str:
    found = without_served(event).tool
    assert found is not None
    return found.output


@pytest.mark.parametrize("kind", ["prompt", "reply", "thinking", "notice"])
def test_a_marked_section_is_taken_out_of_every_kind_of_text(kind: Kind) -> None:
    assert without_served(said(f"Before.\n{MARKED}\nAfter.\n{MARKED}", kind)).text == f"Before.\n{PLACEHOLDER}\nAfter.\n{PLACEHOLDER}"


@pytest.mark.parametrize(
    "copied",
    [MARKED, MARKED.replace('"', '\\"'), MARKED.replace("<", "\\u003c").replace(">", "\\u003e"), MARKED.replace("\n", "\n   12→")],
    ids=["as it is", "within JSON", "within JSON that escapes tags", "with line numbers"],
)
def test_a_section_copied_through_a_file_is_recognised(copied: str) -> None:
    assert output(called("Read", "notes.md", f"one\n{copied}\ntwo")) == f"one\n{PLACEHOLDER}\ntwo"


def test_a_section_cut_off_in_an_output_reaches_to_its_end_but_not_in_what_a_person_wrote() -> None:
    cut = MARKED.removesuffix("\n</cairn-knowledge>")
    assert output(called("Bash", "cat notes.md", f"one\n{cut}")) == f"one\n{PLACEHOLDER}"
    assert without_served(said(f"Why does it write {cut}")).text.endswith(LESSON)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"- {LESSON}\n</cairn-knowledge>\ntwo", f"{PLACEHOLDER}\ntwo"),
        (f'ids="{IDS}">\n- {LESSON}\n</cairn-knowledge>', PLACEHOLDER),
        (f"- {LESSON}\\n\\u003c/cairn-knowledge\\u003e two", f"{PLACEHOLDER} two"),
        (f"- {LESSON}\n</cairn-knowledge>\none\n{MARKED}\ntwo", f"{PLACEHOLDER}\none\n{PLACEHOLDER}\ntwo"),
        (f"one\n{MARKED}\n- {LESSON}\n</cairn-knowledge>\ntwo", f"one\n{PLACEHOLDER}{PLACEHOLDER}\ntwo"),
    ],
    ids=["a line", "within its opening", "within JSON", "before a whole one", "after a whole one"],
)
def test_a_section_whose_beginning_is_cut_off_reaches_to_the_outputs_beginning(given: str, kept: str) -> None:
    assert output(called("Bash", "tail notes.md", given)) == kept
    assert without_served(said(given, "notice")).text == kept


@pytest.mark.parametrize(
    "name",
    [
        "mcp__cairn__search",
        "mcp__cairn__get",
        "mcp__plugin_cairn_cairn__session_context",
        "mcp__my-cairn-2__get",
        "cairn__search",
        "cairn.get",
        "cairn_dev/get",
        "Cairn:search",
    ],
)
def test_results_of_cairns_tools_are_no_evidence(name: str) -> None:
    assert output(called(name, "{}", LESSON)) == PLACEHOLDER


@pytest.mark.parametrize(
    "command",
    [
        'cairn query "why keepalive"',
        "cd shop && .venv/bin/cairn context --tokens 500 | head",
        "python -m app.cli query keepalive",
        "curl -s -XPOST http://127.0.0.1:8080/v1/knowledge/query -d @q.json",
        "curl http://127.0.0.1:8080/v1/context/session?project=shop",
        "cairn sessions similar 12",
    ],
)
def test_what_a_command_prints_of_knowledge_is_no_evidence(command: str) -> None:
    assert output(called("Bash", command, LESSON)) == PLACEHOLDER


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("Bash", "ls cairn"),
        ("Bash", "cairn budget show"),
        ("Bash", "grep -rn /v1/knowledge app"),
        ("mcp__other__search", "{}"),
        ("mcp__cairngorm__search", "{}"),
        ("mcp__other__cairn", "{}"),
        ("mcp__cairn__", "{}"),
        ("cairn", "{}"),
        ("other__cairn__search", "{}"),
        ("Read cairn.get", "{}"),
        ("Bash", "curl http://localhost\ngrep -rn /v1/knowledge app"),
        ("Bash", f"curl x {'y' * 2000} /v1/knowledge"),
        ("Bash", "git log --grep cairn-knowledge"),
    ],
)
def test_other_calls_keep_their_output(name: str, command: str) -> None:
    event = called(name, command, LESSON)
    assert without_served(event) is event


@pytest.mark.parametrize("name", ["mcp__" + "_cairn__" * 10_000 + "!", "cairn" * 50_000 + "__", "cairn_-" * 50_000])
def test_a_tools_name_of_any_length_is_read_once(name: str) -> None:
    assert output(called(name, "{}", LESSON)) in {LESSON, PLACEHOLDER}


def test_a_long_command_is_read_once() -> None:
    command = "http fetch curl " * 200_000
    assert output(called("Bash", f"/v1/knowledge {command}", LESSON)) == LESSON
    assert output(called("Bash", f"{command} /v1/knowledge", LESSON)) == PLACEHOLDER


def test_every_text_of_an_event_counts_for_what_redaction_reads() -> None:
    small, large = called("Bash", "ls", "x"), "n" * 5000
    assert size([replace(small, text=large)]) == size([small]) + 5000
    assert size([replace(small, files=(large,))]) == size([small]) + 5000
    assert size([called(f"Bash{large}", "ls", "x")]) == size([small]) + 5000


def test_an_error_of_a_command_stays_and_so_does_an_absent_result() -> None:
    assert output(called("Bash", "cairn query x", "error: no server", exit_code=1)) == "error: no server"
    assert output(called("mcp__cairn__search", "{}", "")) == ""


@pytest.mark.parametrize("text", ["<cairn-knowledge>", '<cairn-knowledge ids="{ids}">', "the cairn-knowledge marker", "</cairn-knowledge>"])
def test_talk_about_the_marker_is_kept(text: str) -> None:
    assert without_served(said(text, "reply")).text == text


def test_what_is_stored_holds_nothing_of_it() -> None:
    rows = storable([said(MARKED), replace(called("Bash", "cairn query x", LESSON), id="e2")], max_chars=1000)
    assert LESSON not in repr([row.row for row in rows])


FIRST, SECOND = IDS.split()


@pytest.mark.parametrize(
    "event",
    [
        said(f"Before.\n{MARKED}\nAfter.\n{MARKED}", "notice"),
        called("Read", "notes.md", f"one\n{MARKED.replace(chr(34), chr(92) + chr(34))}\ntwo"),
        called(
            "mcp__cairn__search", "pool", f'{{"results":[{{"id":"{FIRST}","type":"gotcha"}},{{"id":"{SECOND}"}}],"session_id":"{uuid4()}"}}'
        ),
        called("cairn.get", "x", f'{{\\"id\\":\\"{FIRST}\\"}} and {{\\"id\\":\\"{SECOND}\\"}}'),
        called(
            "Bash",
            "cairn query pool",
            f"1. Pool\n   ─ a.jsonl L4, 2026-10-01 · {FIRST}\n2. Pool\n   ─ a long name.jsonl L4 ·\n   {SECOND}\n",
            0,
        ),
        called("Bash", "curl -s localhost/v1/knowledge/query -d '{}'", f'[{{"id": "{FIRST}"}}, {{"id": "{SECOND}"}}]', 0),
    ],
    ids=["a notice", "a file", "a tool's structured result", "escaped", "the command line", "a route"],
)
def test_the_ids_of_what_was_served_are_kept_whatever_way_it_came(event: Event) -> None:
    assert [str(each) for each in without_served(event).served] == [FIRST, SECOND]
    assert [str(each) for row in storable([event], max_chars=1000) for each in row.served] == [FIRST, SECOND]


def test_other_ids_are_not_taken_for_knowledge() -> None:
    assert without_served(called("Bash", "cat ids.json", f'[{{"id": "{FIRST}"}}]', 0)).served == ()
    assert without_served(called("mcp__cairn__search", "pool", f'{{"session_id":"{FIRST}"}}')).served == ()


@pytest.mark.parametrize("shown", [MARKED.upper(), MARKED.replace(IDS, IDS.upper())])
def test_ids_in_capitals_are_noted_as_they_are(shown: str) -> None:
    event = without_served(said(shown, "notice"))
    assert event.text == PLACEHOLDER
    assert [str(each) for each in event.served] == [FIRST, SECOND]


def test_a_marker_with_any_number_of_ids_gives_a_bounded_number() -> None:
    many = " ".join(str(uuid4()) for _ in range(MAX_IDS * 3))
    assert len(without_served(said(MARKED.replace(IDS, many), "notice")).served) == MAX_IDS


def test_the_late_result_of_a_call_brings_its_ids() -> None:
    call, result = called("mcp__cairn__search", "pool", ""), called("mcp__cairn__search", "pool", MARKED)
    (row,) = storable([call, result], max_chars=1000)
    assert [str(each) for each in row.served] == [FIRST, SECOND]
